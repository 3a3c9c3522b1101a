//! Where everything is drawn, kept until it changes.

use std::collections::BTreeMap;

use leptos::prelude::*;
use shared::view::Summary;

use crate::app::Page;
use crate::connection::now_ms;
use crate::detour::{Body, Ways};
use crate::folding::Folding;
use crate::layout::{self, Point};
use crate::model::Model;
use crate::room::Frame;
use crate::scene::{self, Run};
use crate::strand::{self, Strand};
use crate::{stage, text};

/// What is worked out of the view once for all pictures and all moves of the pointer until it changes.
#[derive(Default)]
pub struct Prepared {
    /// Of structure and layout when places were worked out, of structure and values when lines were.
    placed: Option<(u64, u64)>,
    lined: Option<(u64, u64)>,
    /// Of structure, layout and manner when ways were.
    led: Option<((u64, u64), Run)>,
    pub at: BTreeMap<u32, Point>,
    pub boxes: BTreeMap<String, Frame>,
    pub strands: BTreeMap<(u32, u32), Strand>,
    pub ways: Ways,
}

impl Prepared {
    /// Works out what changed since it was worked out last.
    pub fn refresh(&mut self, page: Page, model: &Model, folding: &Folding) {
        self.refresh_places(page, model, folding);
        // Nothing has a place before it is laid out, which may take longer than until the next picture.
        if self.at.is_empty() {
            (self.lined, self.led) = (None, None);
            (self.strands, self.ways) = Default::default();
            return;
        }
        let now = (page.structure.get_untracked(), page.values.get_untracked());
        let now_ms = now_ms() as u64;
        let before = self.lined.replace(now);
        if before.is_none_or(|before| before.0 != now.0) {
            self.strands = folding.strands(model, now_ms);
        } else if before.is_some_and(|before| before.1 != now.1) {
            strand::measure_anew(&mut self.strands, &model.edges, |edge| model.failing.rate(edge, now_ms));
        }
        let now = self.placed.map(|placed| (placed, stage::run(page)));
        if self.led != now {
            self.led = now;
            let place = |(slot, node): (u32, &Summary)| Some((slot, body(node, *self.at.get(&slot)?)));
            let bodies = || folding.nodes(model).filter_map(place).collect();
            self.ways = Ways::of(stage::run(page), self.strands.keys().copied(), bodies);
        }
    }

    /// The same of places alone, which takes little.
    pub fn refresh_places(&mut self, page: Page, model: &Model, folding: &Folding) {
        let now = (page.structure.get_untracked(), page.layout.with_value(layout::Layout::version));
        if self.placed.replace(now) != Some(now) {
            self.place(page, model, folding);
        }
    }

    fn place(&mut self, page: Page, model: &Model, folding: &Folding) {
        page.layout.with_value(|layout| {
            let place = |(slot, node): (u32, &Summary)| Some((slot, *layout.positions.get(&node.id)?));
            self.at = folding.nodes(model).filter_map(place).collect();
            self.boxes = layout.frames();
        });
    }
}

/// How a node stands in the way of lines.
fn body(node: &Summary, at: Point) -> Body {
    let (top, foot) = scene::extent(&node.kind);
    let top = top + if node.stack { scene::PLATE * 2.0 } else { 0.0 };
    // As wide as letters are on average; the canvas measures none until it writes them.
    let name = text::base_name(&node.label).chars().count() as f64 * 7.3;
    let minor = node.label_minor.chars().count() as f64 * 6.2;
    Body { at, top, foot, name: 10.0 + name.max(minor) }
}
