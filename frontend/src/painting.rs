//! How the picture of the graph comes to be: at once, or, where there is much to paint, in steps between which the page
//! answers whoever does something. Until the last of them the picture before it is shown.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use web_sys::{CanvasRenderingContext2d as Context, HtmlCanvasElement};

use crate::app::{MANY, Page};
use crate::paint::{self, Drawing, Flat, Shown};
use crate::scene::{Camera, Size};
use crate::sheet::{Painted, Stale};
use crate::stage::{Stage, context, mark, new_canvas, performance_now, placed, prepare, request_frame, with_shown};

/// A view of more edges than this is painted in steps.
const AT_ONCE_MAX: usize = 1_200;

/// More who come together wait for a picture of all.
const NEWCOMERS_MAX: usize = 500;

/// A picture that is being painted.
pub struct Painting {
    /// The view that it is of, and what was searched for in it.
    view: (String, String),
    search: String,
    drawing: Drawing,
    canvas: HtmlCanvasElement,
    camera: Camera,
    size: Size,
    ratio: f64,
    /// How long it took so far, milliseconds.
    took_ms: f64,
    next: Step,
    /// What changed since it was begun.
    stale: Stale,
}

/// What is done next, each in a task of its own.
enum Step {
    /// Places are worked out, then lines between them.
    Place,
    Join,
    /// Boxes, and what else is below all lines.
    Below,
    /// That part of the lines.
    Lines(Flat, usize),
    /// That part of what is above them.
    Above(usize),
}

/// Whether there is too much in the view to paint it at once.
pub fn is_large(page: Page) -> bool {
    page.model.with_value(|model| model.edges.len() > AT_ONCE_MAX)
}

/// Paints what the camera sees, and some more around it, or begins to. Gives whether it is done.
pub fn paint(stage: &Rc<Stage>, page: Page, drawing: &Drawing, ratio: f64) -> bool {
    let (camera, size, view) = (stage.camera.get(), stage.size.get(), page.view());
    let is_large = is_large(page);
    // What is on its way is waited for, unless it is of something else.
    let is_on_its_way = stage.painting.borrow().as_ref().is_some_and(|begun| begun.size == size && begun.view == view);
    if is_large && is_on_its_way {
        return false;
    }
    let old = match is_large {
        true => stage.spare.take(),
        false => stage.sheet.take().map(|(canvas, _)| canvas),
    };
    let Some(canvas) = old.or_else(new_canvas) else { return false };
    let search = page.route.with_untracked(|route| route.search.clone());
    let (drawing, took_ms, next, stale) = (drawing.clone(), 0.0, Step::Place, Stale::No);
    *stage.painting.borrow_mut() =
        Some(Painting { view, search, drawing, canvas, camera, size, ratio, took_ms, next, stale });
    if is_large {
        ask_step(stage, page);
    } else {
        while step(stage, page) {}
    }
    !is_large
}

fn ask_step(stage: &Rc<Stage>, page: Page) {
    if stage.step_due.replace(true) {
        return;
    }
    let shared = Rc::downgrade(stage);
    let next = move || {
        let Some(stage) = shared.upgrade() else { return };
        stage.step_due.set(false);
        // Somebody may look at another view meanwhile.
        if stage.painting.borrow().as_ref().is_some_and(|begun| begun.view != page.view()) {
            stage.painting.take();
        }
        if !step(&stage, page) {
            return request_frame(&stage);
        }
        // So that what was painted is worked out in this task, and not with everything else once it is looked at.
        if let (Some(begun), Some(look)) = (&mut *stage.painting.borrow_mut(), &stage.look) {
            let started = performance_now();
            look.set_width(1);
            let _ = context(look).map(|g| g.draw_image_with_html_canvas_element(&begun.canvas, 0.0, 0.0));
            begun.took_ms += performance_now() - started;
        }
        ask_step(&stage, page);
    };
    set_timeout(next, Duration::ZERO);
}

/// So many nodes are shown now.
fn count(stage: &Stage, nodes: usize) {
    let before = stage.painted_nodes.replace(nodes);
    if nodes >= before + MANY {
        mark("nodes-drawn");
    }
}

/// Shows who came and is not in the picture yet, with what joins them to others, over it: that takes little, where a picture
/// of all takes many steps.
pub fn show_newcomers(g: &Context, stage: &Stage, page: Page, drawing: &Drawing) {
    let painted = stage.painted.borrow();
    let is_new = |slot: &u32| !painted.contains(slot);
    // Lines are worked out only where they are drawn now: of a whole view that comes, that is left to its picture.
    let new: BTreeSet<u32> = placed(stage, page, |prepared| prepared.at.keys().copied().filter(is_new).collect());
    if new.is_empty() || new.len() > NEWCOMERS_MAX {
        return;
    }
    prepare(stage, page);
    with_shown(stage, page, drawing, |shown| {
        page.theme.with_value(|theme| {
            paint::newcomers(g, theme, shown, drawing, &new, stage.camera.get(), stage.size.get());
        });
        count(stage, shown.at.len());
    });
}

/// Does what is next, and shows the picture once it is done. Gives whether there is more to do.
fn step(stage: &Stage, page: Page) -> bool {
    let Some(mut painting) = stage.painting.take() else { return false };
    let started = performance_now();
    let is_done = painting.advance(stage, page);
    painting.took_ms += performance_now() - started;
    if is_done {
        painting.show(stage);
    } else {
        *stage.painting.borrow_mut() = Some(painting);
    }
    !is_done
}

impl Painting {
    pub fn outdate(&mut self, stale: Stale) {
        self.stale = self.stale.max(stale);
    }

    /// Gives whether nothing is left to do.
    fn advance(&mut self, stage: &Stage, page: Page) -> bool {
        let (camera, whole, ratio) = (self.camera, Painted::sheet_size(self.size), self.ratio);
        let drawing = &self.drawing;
        let Some(g) = context(&self.canvas) else { return true };
        let _ = g.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
        page.theme.with_value(|theme| match &mut self.next {
            Step::Place => {
                placed(stage, page, |_| ());
                self.next = Step::Join;
                false
            }
            Step::Join => {
                prepare(stage, page);
                self.next = Step::Below;
                false
            }
            Step::Below => {
                let (width, height) = ((whole.width * ratio) as u32, (whole.height * ratio) as u32);
                if (self.canvas.width(), self.canvas.height()) != (width, height) {
                    self.canvas.set_width(width);
                    self.canvas.set_height(height);
                    let _ = g.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
                }
                g.clear_rect(0.0, 0.0, whole.width, whole.height);
                paint::grid(&g, theme, camera, whole);
                let below = |shown: &Shown| paint::below(&g, theme, shown, drawing, camera, whole);
                self.next = Step::Lines(with_shown(stage, page, drawing, below), 0);
                false
            }
            Step::Lines(lines, part) => {
                paint::some_lines(&g, theme, lines, *part, camera, whole);
                *part += 1;
                if *part >= lines.count() {
                    self.next = Step::Above(0);
                }
                false
            }
            Step::Above(part) => with_shown(stage, page, drawing, |shown| {
                paint::above(&g, theme, shown, drawing, *part, camera, whole);
                *part += 1;
                if *part == paint::ABOVE_PARTS {
                    *stage.painted.borrow_mut() = shown.at.keys().copied().collect();
                    count(stage, shown.at.len());
                }
                *part == paint::ABOVE_PARTS
            }),
        })
    }

    fn show(self, stage: &Stage) {
        let Self { camera, size, took_ms, .. } = self;
        stage.marks.borrow_mut().clone_from(&self.drawing.found);
        *stage.painted_search.borrow_mut() = self.search;
        stage.stale.set(self.stale);
        let painted = Painted { camera, size, at_ms: performance_now(), took_ms };
        let before = stage.sheet.replace(Some((self.canvas, painted)));
        *stage.spare.borrow_mut() = before.map(|(canvas, _)| canvas);
    }
}
