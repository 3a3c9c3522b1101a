//! Plain data that crosses a wire: what a probe reports, how reports travel, and what a browser is told.
//!
//! No IO, no clock, no runtime. Everything here builds for wasm, except the frame codec (feature `codec`),
//! which needs zstd and is only used between probe and app.

pub mod addr;
pub mod delta;
pub mod id;
pub mod query;
pub mod report;
pub mod view;
pub mod wire;

pub use report::Report;
