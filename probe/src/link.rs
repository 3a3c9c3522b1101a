//! Links, routes, rules and neighbours of every network namespace, as the kernel has them.

pub mod address;
pub mod forwarding;
pub mod interface;
mod monitor;
pub mod neighbour;
mod peer;
mod reader;
mod rest;
pub mod route;
pub mod rule;

pub use reader::{Reader, reachable_addresses};
