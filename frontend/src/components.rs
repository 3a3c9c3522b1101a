//! The panels around the canvas.

pub mod arrangement;
pub mod board;
pub mod card;
pub mod changes;
pub mod chrome;
pub mod edge;
pub mod findings;
pub mod help;
pub mod icon;
pub mod lists;
pub mod map;
pub mod metrics;
pub mod networks;
pub mod palette;
pub mod popover;
pub mod rail;
pub mod resources;
pub mod save;
pub mod search;
pub mod spark;
pub mod table;
pub mod tabs;
pub mod tip;
pub mod tools;
pub mod way;
