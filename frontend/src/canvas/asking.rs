//! What a picture depends on, and what of it asks for another one: many changes make one.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use leptos::prelude::*;

use crate::app::Page;
use crate::gauge::Gauge;
use crate::lines::slot_of;
use crate::paint::Drawing;
use crate::searching::Found;
use crate::sheet::Stale;
use crate::stage::{Stage, performance_now, request_frame};

/// What is emphasised, worked out when it changes.
#[derive(Clone, Copy)]
pub struct Emphasis {
    page: Page,
    pub found: Memo<Option<Arc<Found>>>,
    lit: Memo<Option<BTreeSet<u32>>>,
    network: Memo<Option<(String, BTreeSet<String>)>>,
    gauge: Memo<Option<Gauge>>,
    pub line: Memo<Option<(u32, u32)>>,
}

impl Emphasis {
    pub fn of(page: Page) -> Self {
        Self {
            page,
            found: Memo::new(move |_| page.found_drawn()),
            lit: Memo::new(move |_| page.lit()),
            network: Memo::new(move |_| page.network()),
            gauge: Memo::new(move |_| {
                page.values.track();
                let label = page.shown_metric()?;
                Some(page.drawn(|model, folding| Gauge::of(&label, folding.nodes(model).map(|(_, node)| node))))
            }),
            line: Memo::new(move |_| page.hovered_line.get().map(|pointed| pointed.line)),
        }
    }

    /// As it is now.
    pub fn drawing(self, is_exact: bool) -> Drawing {
        let page = self.page;
        Drawing {
            lit: self.lit.get_untracked(),
            found: self.found.get_untracked(),
            selected: untrack(|| page.selected_slot()),
            hovered: page.hovered.get_untracked(),
            hovered_box: page.hovered_box.get_untracked(),
            line: page.hovered_line.get_untracked().map(|pointed| pointed.line),
            chosen_line: untrack(|| page.shown_line()),
            lines: page.route.with_untracked(|route| route.lines),
            tint: page.route.with_untracked(|route| route.tint),
            gauge: self.gauge.get_untracked(),
            is_exact,
            network: self.network.get_untracked().map(|(name, ids)| (slot_of(&name), ids)),
            marks: page.marks.get_untracked(),
        }
    }
}

/// Has whatever the picture depends on ask for a frame, from now on.
pub fn ask(stage: &Rc<Stage>, emphasis: Emphasis) {
    let page = emphasis.page;
    on_change(stage, Stale::Told, move || {
        page.structure.track();
        page.values.track();
        emphasis.gauge.track();
        page.link.track();
    });
    on_change(stage, Stale::Came, move || page.membership.track());
    on_change(stage, Stale::Pointed, move || {
        page.hovered.track();
        page.hovered_box.track();
        emphasis.line.track();
        page.previewed_metric.track();
        emphasis.lit.track();
        emphasis.network.track();
    });
    // Whatever else the address says, a search is told by what it finds.
    let done = Memo::new(move |_| {
        page.route
            .with(|route| (route.selected.clone(), route.edge.clone(), route.lines, route.tint, route.metric.clone()))
    });
    on_change(stage, Stale::Done, move || {
        done.track();
        page.marks.track();
    });
    ask_for_found(stage, emphasis);
}

fn on_change(stage: &Rc<Stage>, stale: Stale, track: impl Fn() + 'static) {
    let stage = stage.clone();
    Effect::new(move |_| {
        track();
        outdate(&stage, stale);
    });
}

fn outdate(stage: &Rc<Stage>, stale: Stale) {
    stage.outdate(stale);
    request_frame(stage);
}

/// What is searched for counts apart from what it finds: `cpu > 50%` finds others each second.
fn ask_for_found(stage: &Rc<Stage>, emphasis: Emphasis) {
    let page = emphasis.page;
    let words = Memo::new(move |_| page.route.with(|route| (route.search.clone(), route.filters.clone())));
    let stage = stage.clone();
    Effect::new(move |before: Option<(String, Vec<String>)>| {
        let is_any = emphasis.found.with(Option::is_some);
        let now = words.get();
        if before.as_ref() == Some(&now) {
            outdate(&stage, Stale::Told);
        } else {
            stage.searched_ms.set(performance_now());
            if !is_any {
                // What waited for a picture of what is found waits no more.
                stage.stale.set(Stale::Done);
            }
            outdate(&stage, if is_any { Stale::Searched } else { Stale::Done });
        }
        now
    });
}
