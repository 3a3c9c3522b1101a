//! The app: takes what probes report, merges all hosts into one graph, and shows views of it to browsers and scripts.
//!
//! Data walks one way. `ingest` decodes what a probe sends; `store` keeps each host's latest report; `topology` joins
//! all hosts into a petgraph of typed nodes; `view` renders what a reader sees and `stream` tells browsers what
//! changed. All of that state has one owner, the task in `engine`; `server` only asks it.

pub mod cli;
pub mod clock;
pub mod config;
pub mod diagnose;
pub mod engine;
pub mod ingest;
pub mod metrics;
pub mod server;
pub mod store;
pub mod stream;
pub mod topology;
pub mod view;

pub const VERSION: &str = env!("CARGO_PKG_VERSION");
