//! The graph on its canvas, with what stands around it.

mod asking;
mod camera;
mod pointer;
mod zoom;

use std::rc::Rc;

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::HtmlCanvasElement;

use self::asking::Emphasis;
use self::pointer::Pointers;
use self::zoom::Zoom;
use crate::app::Page;
use crate::components::metrics::Metrics;
use crate::components::networks::Networks;
use crate::components::tip::Tip;
use crate::scene::{Camera, Size};
use crate::sheet::Stale;
use crate::stage::{Stage, as_svg, draw, mark, move_camera, performance_now, request_frame};

#[component]
pub fn Graph() -> impl IntoView {
    let page = expect_context::<Page>();
    let element = NodeRef::<html::Canvas>::new();
    let stage = Rc::new(Stage::default());
    let seen = RwSignal::new_local((Camera::default(), Size { width: 1.0, height: 1.0 }));
    let emphasis = Emphasis::of(page);
    draw_frames(&stage, page, element, emphasis, seen);
    asking::ask(&stage, emphasis);
    camera::follow(&stage, page, element);
    let shared = Rc::downgrade(&stage);
    page.as_svg.set_value(Some(Rc::new(move || as_svg(&*shared.upgrade()?, page, &emphasis.drawing(true)))));
    on_cleanup(move || {
        page.as_svg.set_value(None);
        page.previewed.set(None);
        page.previewed_metric.set(None);
        page.hovered_box.set(None);
    });
    let pointers = StoredValue::new_local(Pointers::new(stage.clone(), page, element));
    let wheeled = stage.clone();
    view! {
        <canvas
            node_ref=element
            class="graph"
            tabindex="0"
            role="img"
            aria-label="Graph of the view; the table shows the same nodes"
            class:pointing=move || {
                page.hovered.get().is_some() || emphasis.line.get().is_some() || page.hovered_box.get().is_some()
            }
            on:wheel=move |event| camera::turn_wheel(&wheeled, &event)
            on:pointerdown=move |event| pointers.with_value(|pointers| pointers.down(&event))
            on:pointermove=move |event| pointers.with_value(|pointers| pointers.moved(&event))
            on:pointerup=move |event| pointers.with_value(|pointers| pointers.up(&event))
            on:pointercancel=move |event| pointers.with_value(|pointers| pointers.cancelled(&event))
            on:pointerleave=move |_| pointers.with_value(Pointers::left)
            on:dblclick=move |_| page.show_all()
        ></canvas>
        <Zoom stage=stage seen=seen/>
        <div class="strips">
            <Metrics/>
            <Networks/>
        </div>
        <Tip/>
    }
}

/// Has the browser draw what is asked for, and says on the canvas what was drawn.
fn draw_frames(
    stage: &Rc<Stage>,
    page: Page,
    element: NodeRef<html::Canvas>,
    emphasis: Emphasis,
    seen: RwSignal<(Camera, Size), LocalStorage>,
) {
    let shared = Rc::downgrade(stage);
    *stage.later.borrow_mut() = Some(Closure::new(move || {
        let Some(stage) = shared.upgrade() else { return };
        stage.later_due.set(false);
        request_frame(&stage);
    }));
    let shared = Rc::downgrade(stage);
    *stage.draw.borrow_mut() = Some(Closure::new(move |now: f64| {
        let (Some(stage), Some(canvas)) = (shared.upgrade(), element.get_untracked()) else { return };
        stage.frame_due.set(false);
        let started = performance_now();
        move_camera(&stage, now);
        draw(&canvas, &stage, page, &emphasis.drawing(false));
        let now_seen = (stage.camera.get(), stage.size.get());
        if seen.with_untracked(|before| *before != now_seen) {
            seen.set(now_seen);
            if stage.held.get() {
                page.camera.set_value(Some(now_seen.0));
            }
        }
        let _ = canvas.set_attribute("data-frame-ms", &format!("{:.1}", performance_now() - started));
        if stage.stale.get() == Stale::No || *stage.marks.borrow() == emphasis.found.get_untracked() {
            stage.painted_search.replace(page.route.with_untracked(|route| route.search.clone()));
        }
        tell(&canvas, &stage, page);
        if stage.painted_nodes.get() > 0 && !stage.drawn.replace(true) {
            mark("first-graph");
        }
        if stage.moving.get().is_some() || stage.greets.get() {
            request_frame(&stage);
        }
    }));
}

/// For whoever takes a picture of the page: what is in it, and whether all is where it belongs, and painted.
fn tell(canvas: &HtmlCanvasElement, stage: &Stage, page: Page) {
    let (nodes, edges) = page.model.with_value(|m| (m.nodes.len(), m.edges.len()));
    let _ = canvas.set_attribute("data-nodes", &nodes.to_string());
    let _ = canvas.set_attribute("data-edges", &edges.to_string());
    let _ = canvas.set_attribute("data-drawn", &stage.painted_nodes.get().to_string());
    let _ = canvas.set_attribute("data-searched", &stage.painted_search.borrow());
    let is_idle = !stage.later_due.get() && stage.painting.borrow().is_none();
    let settled = stage.moving.get().is_none() && stage.stale.get() == Stale::No && is_idle;
    let _ = canvas.set_attribute("data-settled", if settled { "true" } else { "false" });
}
