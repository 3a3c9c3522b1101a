//! Where everything is drawn, kept until it changes.

use std::collections::BTreeMap;

use leptos::prelude::*;
use shared::view::Summary;

use crate::app::Page;
use crate::connection::now_ms;
use crate::folding::Folding;
use crate::layout::{self, Point};
use crate::model::Model;
use crate::room::Frame;
use crate::strand::Strand;

/// What is worked out of the view once for all pictures and all moves of the pointer until it changes.
#[derive(Default)]
pub struct Prepared {
    /// Of structure and layout when places were worked out, of structure and values when lines were.
    placed: Option<(u64, u64)>,
    lined: Option<(u64, u64)>,
    pub at: BTreeMap<u32, Point>,
    pub boxes: BTreeMap<String, Frame>,
    pub strands: BTreeMap<(u32, u32), Strand>,
}

impl Prepared {
    /// Works out what changed since it was worked out last.
    pub fn refresh(&mut self, page: Page, model: &Model, folding: &Folding) {
        self.refresh_places(page, model, folding);
        let now = (page.structure.get_untracked(), page.values.get_untracked());
        let before = self.lined.replace(now);
        if before.is_none_or(|before| before.0 != now.0) {
            self.strands = folding.strands(model, now_ms() as u64);
        } else if before.is_some_and(|before| before.1 != now.1) {
            folding.measure_anew(&mut self.strands, model, now_ms() as u64);
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
