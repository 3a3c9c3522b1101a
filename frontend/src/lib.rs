//! The page. `connection` owns the socket, `model` what it says, `folding` who stands for whom; `layout` and `scene` turn
//! that into positions and shapes without touching the browser, `canvas`, `paint`, `boxes`, `far` and `label` draw them,
//! and `components` are the panels around it.

pub mod appearance;
pub mod causes;
pub mod commands;
pub mod disarm;
pub mod export;
pub mod failing;
pub mod folding;
pub mod gauge;
pub mod layout;
pub mod lines;
pub mod model;
pub mod resources;
pub mod room;
pub mod route;
pub mod saved;
pub mod scene;
pub mod search;
pub mod sheet;
pub mod side_by_side;
pub mod strand;
pub mod svg_text;
pub mod text;

#[cfg(target_arch = "wasm32")]
pub mod app;
#[cfg(target_arch = "wasm32")]
pub mod boxes;
#[cfg(target_arch = "wasm32")]
pub mod canvas;
#[cfg(target_arch = "wasm32")]
pub mod components;
#[cfg(target_arch = "wasm32")]
pub mod connection;
#[cfg(target_arch = "wasm32")]
pub mod far;
#[cfg(target_arch = "wasm32")]
pub mod label;
#[cfg(target_arch = "wasm32")]
pub mod laying;
#[cfg(target_arch = "wasm32")]
pub mod minimap;
#[cfg(target_arch = "wasm32")]
pub mod paint;
#[cfg(target_arch = "wasm32")]
pub mod searching;
#[cfg(target_arch = "wasm32")]
pub mod storage;
#[cfg(target_arch = "wasm32")]
pub mod svg;
#[cfg(target_arch = "wasm32")]
pub mod theme;
