//! The panels around the canvas.

pub mod board;
pub mod card;
pub mod chrome;
pub mod edge;
pub mod findings;
pub mod help;
pub mod icon;
pub mod rail;
pub mod search;
pub mod table;
pub mod way;
