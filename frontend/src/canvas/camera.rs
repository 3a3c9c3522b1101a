//! What moves the camera: the page's wishes, what is selected, what comes, the wheel, and another size of the stage.

use std::rc::Rc;

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::WheelEvent;

use super::pointer::places;
use crate::app::{Aim, Page};
use crate::layout::Point;
use crate::scene::{self, Camera, Insets};
use crate::stage::{Stage, covered, fit, fit_to, placed, request_frame, resize, strips, travel};

/// Has the camera go where it is wanted, from now on.
pub fn follow(stage: &Rc<Stage>, page: Page, element: NodeRef<html::Canvas>) {
    show_all_when_asked(stage, page, element);
    show_selected(stage, page);
    keep_in_sight(stage, page);
    fit_to_size(stage, page, element);
    let stage = stage.clone();
    Effect::new(move |_| {
        let Some(aim) = page.aim.get() else { return };
        page.aim.set(None);
        match aim {
            Aim::Zoom(factor) => {
                stage.held.set(true);
                travel(&stage, stage.camera.get().zoomed(factor, stage.middle(), stage.size.get()));
            }
            Aim::Selection => to_selection(&stage, page),
            Aim::Next(x, y) => select_next(&stage, page, (x, y)),
        }
    });
}

fn show_all_when_asked(stage: &Rc<Stage>, page: Page, element: NodeRef<html::Canvas>) {
    let stage = stage.clone();
    Effect::new(move |_| {
        page.fit.track();
        if element.get().is_some() {
            resize(&stage, page, element);
            let camera = page.camera.get_value();
            stage.held.set(camera.is_some());
            travel(&stage, camera.unwrap_or_else(|| fit(&stage, page)));
        }
    });
}

/// What is selected does not end below its card.
fn show_selected(stage: &Rc<Stage>, page: Page) {
    let selected = Memo::new(move |_| page.selected_slot());
    let stage = stage.clone();
    Effect::new(move |before: Option<Option<u32>>| {
        let now = selected.get();
        if before.is_some_and(|before| before != now)
            && let Some(slot) = now
        {
            uncover(&stage, page, slot);
        }
        now
    });
}

/// What comes stays in sight, until somebody takes the camera into their own hands.
fn keep_in_sight(stage: &Rc<Stage>, page: Page) {
    let stage = stage.clone();
    Effect::new(move |_| {
        page.structure.track();
        if page.model.with_value(|model| model.nodes.is_empty()) {
            stage.drawn.set(false);
            stage.painted_nodes.set(0);
            stage.held.set(false);
            return;
        }
        let camera = stage.moving.get().map_or(stage.camera.get(), |(_, there, _)| there);
        let size = stage.size.get();
        // What is in the corners covers less than a row does.
        let insets = Insets { right: 0.0, bottom: strips(size) };
        let sees = page.layout.with_value(|layout| camera.sees(layout.positions.values().copied(), size, insets));
        if !stage.held.get() && !sees {
            travel(&stage, fit(&stage, page));
        }
    });
}

/// Not the window alone changes it: the list of topologies folds, and a frame around the page may change.
fn fit_to_size(stage: &Rc<Stage>, page: Page, element: NodeRef<html::Canvas>) {
    let stage = stage.clone();
    let listener = Closure::<dyn Fn()>::new(move || {
        resize(&stage, page, element);
        if !stage.held.get() {
            stage.moving.set(None);
            stage.camera.set(fit(&stage, page));
        }
        request_frame(&stage);
    });
    let observer = web_sys::ResizeObserver::new(listener.as_ref().unchecked_ref()).ok();
    let held = StoredValue::new_local(Some((observer, listener)));
    Effect::new(move |_| {
        let Some(canvas) = element.get() else { return };
        held.with_value(|held| {
            if let Some((Some(observer), _)) = held {
                observer.observe(&canvas);
            }
        });
    });
    on_cleanup(move || {
        held.update_value(|held| {
            if let Some((Some(observer), _)) = held.take() {
                observer.disconnect();
            }
        });
    });
}

/// Nearer to what is under the pointer, or further from it.
pub fn turn_wheel(stage: &Rc<Stage>, event: &WheelEvent) {
    event.prevent_default();
    let at = Point { x: f64::from(event.offset_x()), y: f64::from(event.offset_y()) };
    let factor = (-event.delta_y() * if event.delta_mode() == 1 { 0.05 } else { 0.0015 }).exp();
    take(stage, stage.camera.get().zoomed(factor, at, stage.size.get()));
}

/// As somebody has it: nothing moves it any more until everything is to be shown.
pub fn take(stage: &Rc<Stage>, camera: Camera) {
    stage.moving.set(None);
    stage.held.set(true);
    stage.camera.set(camera);
    request_frame(stage);
}

/// To what is selected and those around it; to all where nothing is.
fn to_selection(stage: &Rc<Stage>, page: Page) {
    let lit = untrack(|| page.lit().filter(|_| page.selected_slot().is_some() || page.shown_line().is_some()));
    let Some(lit) = lit else { return page.show_all() };
    let points: Vec<Point> = placed(stage, page, |known| {
        known.at.iter().filter(|(slot, _)| lit.contains(slot)).map(|(_, at)| *at).collect()
    });
    stage.held.set(true);
    travel(stage, fit_to(stage, page, &points));
}

/// Moves the camera, if the card or a corner covers that node: to all as it is seen beside these, unless somebody has the
/// camera look elsewhere; then with the node in the middle of what nothing covers.
fn uncover(stage: &Rc<Stage>, page: Page, slot: u32) {
    if !stage.drawn.get() {
        return;
    }
    let (size, camera) = (stage.size.get(), stage.moving.get().map_or(stage.camera.get(), |(_, there, _)| there));
    let Some(at) = placed(stage, page, |known| known.at.get(&slot).copied()) else { return };
    let insets = covered(size);
    if camera.sees(std::iter::once(at), size, insets) {
        return;
    }
    if !stage.held.get() {
        return travel(stage, fit(stage, page));
    }
    let aside = Point { x: insets.right / 2.0 / camera.zoom, y: insets.bottom / 2.0 / camera.zoom };
    travel(stage, Camera { centre: Point { x: at.x + aside.x, y: at.y + aside.y }, ..camera });
}

/// Who is next in that direction from what is selected, or from the middle of what is seen.
fn select_next(stage: &Rc<Stage>, page: Page, towards: (f64, f64)) {
    let nodes = places(stage, page);
    let place = |slot: u32| nodes.iter().find(|(one, _)| *one == slot).map(|(_, at)| *at);
    let from = untrack(|| page.selected_slot()).and_then(place);
    let next = match from {
        Some(from) => scene::next_node(&nodes, from, towards),
        None => scene::node_at(&nodes, stage.camera.get().centre, 0.0),
    };
    let Some(next) = next else { return };
    let id = page.model.with_value(|model| model.nodes.get(&next).map(|node| node.id.clone()));
    if let Some(id) = id {
        page.select(Some(id));
    }
    let camera = stage.camera.get();
    let is_out_of_sight = |there: &Point| !camera.sees(std::iter::once(*there), stage.size.get(), Insets::default());
    if let Some(centre) = place(next).filter(is_out_of_sight) {
        stage.held.set(true);
        travel(stage, Camera { centre, ..camera });
    }
}
