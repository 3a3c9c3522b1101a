//! What a reader sees: views of the topology, by id and options, kept from what changed.

pub mod catalog;
pub mod details;
pub mod filter;
pub mod fragment;
pub mod live;
pub mod map;
pub mod measure;
pub mod outgoing;
pub mod path;
pub mod place;
pub mod search;
pub mod snapshot;
pub mod summary;
pub mod wording;

pub use catalog::{Kind, Options, Variant};
pub use live::View;
