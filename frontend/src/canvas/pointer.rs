//! What pointers do to the stage: one of them points, clicks, and drags a node or the camera; two are fingers that zoom.

use std::cell::RefCell;
use std::rc::Rc;

use leptos::html;
use leptos::prelude::*;
use web_sys::PointerEvent;

use crate::app::{Page, Pointed};
use crate::boxes;
use crate::layout::Point;
use crate::prepared::Prepared;
use crate::scene;
use crate::sheet::Stale;
use crate::stage::{Stage, placed, prepared, request_frame};

/// A press that moves less is a click.
const CLICK_PX: f64 = 4.0;
/// Half of what a hand can hit, in pixels of the screen.
const REACH_PX: f64 = 5.0;

pub struct Pointers {
    stage: Rc<Stage>,
    page: Page,
    element: NodeRef<html::Canvas>,
    gesture: RefCell<Gesture>,
}

/// What is going on; places are in pixels of the stage.
#[derive(Default)]
enum Gesture {
    #[default]
    None,
    /// One is down; it holds the node that it came down on, by its id.
    Press { pointer: i32, at: Point, held: Option<String>, is_dragged: bool },
    /// Two are.
    Pinch([(i32, Point); 2]),
}

impl Pointers {
    pub fn new(stage: Rc<Stage>, page: Page, element: NodeRef<html::Canvas>) -> Self {
        Self { stage, page, element, gesture: RefCell::default() }
    }

    pub fn down(&self, event: &PointerEvent) {
        if event.button() != 0 {
            return;
        }
        let (pointer, at) = (event.pointer_id(), on_stage(event));
        let now = match self.gesture.take() {
            Gesture::None => {
                let id = |slot| self.page.drawn(|model, folding| folding.node(model, slot).map(|node| node.id.clone()));
                let held = under(&self.stage, self.page, at).and_then(id);
                Gesture::Press { pointer, at, held, is_dragged: false }
            }
            Gesture::Press { pointer: other, at: there, held, is_dragged } if other != pointer => {
                self.put_down(held.as_deref(), is_dragged);
                Gesture::Pinch([(other, there), (pointer, at)])
            }
            other => other,
        };
        *self.gesture.borrow_mut() = now;
        if let Some(canvas) = self.element.get_untracked() {
            let _ = canvas.set_pointer_capture(pointer);
        }
    }

    pub fn moved(&self, event: &PointerEvent) {
        let (stage, page, to) = (&self.stage, self.page, on_stage(event));
        match &mut *self.gesture.borrow_mut() {
            Gesture::None => return self.point(to),
            Gesture::Press { at, held, is_dragged, .. } => {
                if !*is_dragged && (to.x - at.x).hypot(to.y - at.y) < CLICK_PX {
                    return;
                }
                *is_dragged = true;
                match held {
                    Some(id) => {
                        let there = stage.camera.get().to_world(to, stage.size.get());
                        page.layout.update_value(|layout| layout.pin(id, there));
                        stage.outdate(Stale::Pointed);
                    }
                    None => stage.camera.set(stage.camera.get().panned(to.x - at.x, to.y - at.y)),
                }
                *at = to;
            }
            Gesture::Pinch(fingers) => {
                let before = fingers.map(|(_, at)| at);
                let Some((_, at)) = fingers.iter_mut().find(|(pointer, _)| *pointer == event.pointer_id()) else {
                    return;
                };
                *at = to;
                let after = fingers.map(|(_, at)| at);
                stage.camera.set(stage.camera.get().pinched(before, after, stage.size.get()));
            }
        }
        stage.moving.set(None);
        stage.held.set(true);
        page.hovered_line.set(None);
        request_frame(stage);
    }

    pub fn up(&self, event: &PointerEvent) {
        match self.let_go(event.pointer_id()) {
            Gesture::Press { held, is_dragged: true, .. } => self.put_down(held.as_deref(), true),
            Gesture::Press { .. } => self.click(on_stage(event)),
            Gesture::None | Gesture::Pinch(_) => {}
        }
    }

    /// The browser takes the pointer for something else.
    pub fn cancelled(&self, event: &PointerEvent) {
        if let Gesture::Press { held, is_dragged, .. } = self.let_go(event.pointer_id()) {
            self.put_down(held.as_deref(), is_dragged);
        }
    }

    pub fn left(&self) {
        self.page.hovered.set(None);
        self.page.hovered_box.set(None);
        self.page.hovered_line.set(None);
    }

    /// Ends what that pointer does, and gives what it was; who pinched goes on with the other finger.
    fn let_go(&self, pointer: i32) -> Gesture {
        let mut gesture = self.gesture.borrow_mut();
        match &*gesture {
            Gesture::Press { pointer: pressed, .. } if *pressed != pointer => return Gesture::None,
            Gesture::Pinch(fingers) => {
                let stays = fingers.iter().find(|(finger, _)| *finger != pointer).copied();
                if let Some((pointer, at)) = stays {
                    *gesture = Gesture::Press { pointer, at, held: None, is_dragged: true };
                }
                return Gesture::None;
            }
            Gesture::None | Gesture::Press { .. } => {}
        }
        std::mem::take(&mut *gesture)
    }

    fn put_down(&self, held: Option<&str>, is_dragged: bool) {
        if held.is_some() && is_dragged {
            self.page.keep_pins();
        }
    }

    /// Tells what is there.
    fn point(&self, at: Point) {
        let (stage, page) = (&self.stage, self.page);
        let node = under(stage, page, at);
        let line = if node.is_some() { None } else { line_under(stage, page, at) };
        if node != page.hovered.get_untracked() {
            page.hovered.set(node);
        }
        let title = if node.is_some() { None } else { title_under(stage, page, at) };
        if title != page.hovered_box.get_untracked() {
            page.hovered_box.set(title);
        }
        if line.is_some() || page.hovered_line.with_untracked(Option::is_some) {
            page.hovered_line.set(line.map(|line| Pointed { line, at: (at.x, at.y) }));
        }
    }

    /// Selects what is there, or folds or unfolds it; what is selected already is not any more.
    fn click(&self, at: Point) {
        let (stage, page) = (&self.stage, self.page);
        let under = under(stage, page, at);
        let group = match under {
            Some(slot) => page.drawn(|_, folding| folding.group_at(slot).map(str::to_owned)),
            None => title_under(stage, page, at),
        };
        if let Some(key) = group {
            page.hovered.set(None);
            page.hovered_box.set(None);
            return page.turn_group(&key);
        }
        // What is between groups is not one thing that could be selected.
        let id = |slot: u32| page.model.with_value(|model| model.nodes.get(&slot).map(|node| node.id.clone()));
        let line = if under.is_some() { None } else { line_under(stage, page, at) };
        let (node, line) = (under.and_then(id), line.and_then(|(source, target)| id(source).zip(id(target))));
        let same = page.route.with_untracked(|route| (&route.selected, &route.edge) == (&node, &line));
        page.hovered_line.set(None);
        page.go(|route| (route.selected, route.edge) = if same { (None, None) } else { (node, line) });
    }
}

fn on_stage(event: &PointerEvent) -> Point {
    Point { x: f64::from(event.offset_x()), y: f64::from(event.offset_y()) }
}

/// The node that is drawn there.
fn under(stage: &Stage, page: Page, at: Point) -> Option<u32> {
    let camera = stage.camera.get();
    scene::node_at(&places(stage, page), camera.to_world(at, stage.size.get()), camera.zoom)
}

/// Where nodes stand, by their numbers.
pub fn places(stage: &Stage, page: Page) -> Vec<(u32, Point)> {
    placed(stage, page, |known| known.at.iter().map(|(slot, at)| (*slot, *at)).collect())
}

/// The key of the group whose title is there.
fn title_under(stage: &Stage, page: Page, at: Point) -> Option<String> {
    let camera = stage.camera.get();
    let at = camera.to_world(at, stage.size.get());
    placed(stage, page, |known| {
        known.boxes.iter().find(|(_, frame)| boxes::title_of(frame, camera.zoom).has(at)).map(|(key, _)| key.clone())
    })
}

fn line_under(stage: &Stage, page: Page, at: Point) -> Option<(u32, u32)> {
    let camera = stage.camera.get();
    let at = camera.to_world(at, stage.size.get());
    prepared(stage, page, |Prepared { at: places, strands, ways, .. }| {
        let way = |ends: (u32, u32)| Some(ways.way(ends, *places.get(&ends.0)?, *places.get(&ends.1)?));
        let lines = strands.keys().filter_map(|ends| Some((*ends, way(*ends)?)));
        scene::line_at(lines, at, REACH_PX / camera.zoom)
    })
}
