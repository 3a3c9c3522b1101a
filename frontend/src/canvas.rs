//! The graph on its canvas: what asks for a picture, and what moves the camera.

mod pointer;

use std::rc::Rc;

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::WheelEvent;

use self::pointer::{Pointers, places};
use crate::app::{Aim, Page, ZOOM_STEP};
use crate::components::icon::Icon;
use crate::components::metrics::Metrics;
use crate::components::networks::Networks;
use crate::components::tip::Tip;
use crate::gauge::Gauge;
use crate::layout::Point;
use crate::lines::slot_of;
use crate::minimap::{self, Minimap};
use crate::paint::Drawing;
use crate::scene::{self, Camera, Insets, Size};
use crate::sheet::Stale;
use crate::stage::{
    Stage, as_svg, covered, draw, fit, fit_to, mark, move_camera, performance_now, placed, request_frame, resize,
    strips, travel,
};

#[component]
pub fn Graph() -> impl IntoView {
    let page = expect_context::<Page>();
    let element = NodeRef::<html::Canvas>::new();
    let stage = Rc::new(Stage::default());
    {
        let shared = Rc::downgrade(&stage);
        *stage.later.borrow_mut() = Some(Closure::new(move || {
            let Some(stage) = shared.upgrade() else { return };
            stage.later_due.set(false);
            request_frame(&stage);
        }));
    }
    let seen = RwSignal::new_local((Camera::default(), Size { width: 1.0, height: 1.0 }));
    let found = Memo::new(move |_| page.found_drawn());
    let lit = Memo::new(move |_| page.lit());
    let network = Memo::new(move |_| page.network());
    let gauge = Memo::new(move |_| {
        page.values.track();
        let label = page.shown_metric()?;
        Some(page.drawn(|model, folding| Gauge::of(&label, folding.nodes(model).map(|(_, node)| node))))
    });
    let hovered_line = Memo::new(move |_| page.hovered_line.get().map(|pointed| pointed.line));
    on_cleanup(move || {
        page.previewed.set(None);
        page.previewed_metric.set(None);
        page.hovered_box.set(None);
    });
    let drawing = move |is_exact| Drawing {
        lit: lit.get_untracked(),
        found: found.get_untracked(),
        selected: untrack(|| page.selected_slot()),
        hovered: page.hovered.get_untracked(),
        hovered_box: page.hovered_box.get_untracked(),
        line: page.hovered_line.get_untracked().map(|pointed| pointed.line),
        chosen_line: untrack(|| page.shown_line()),
        lines: page.route.with_untracked(|route| route.lines),
        tint: page.route.with_untracked(|route| route.tint),
        gauge: gauge.get_untracked(),
        is_exact,
        network: network.get_untracked().map(|(name, ids)| (slot_of(&name), ids)),
        marks: page.marks.get_untracked(),
    };
    {
        let shared = Rc::downgrade(&stage);
        page.as_svg.set_value(Some(Rc::new(move || as_svg(&*shared.upgrade()?, page, &drawing(true)))));
        on_cleanup(move || page.as_svg.set_value(None));
    }
    {
        let shared = Rc::downgrade(&stage);
        *stage.draw.borrow_mut() = Some(Closure::new(move |now: f64| {
            let (Some(stage), Some(canvas)) = (shared.upgrade(), element.get_untracked()) else { return };
            stage.frame_due.set(false);
            let started = performance_now();
            move_camera(&stage, now);
            draw(&canvas, &stage, page, &drawing(false));
            let now_seen = (stage.camera.get(), stage.size.get());
            if seen.with_untracked(|before| *before != now_seen) {
                seen.set(now_seen);
                if stage.held.get() {
                    page.camera.set_value(Some(now_seen.0));
                }
            }
            let _ = canvas.set_attribute("data-frame-ms", &format!("{:.1}", performance_now() - started));
            let (nodes, edges) = page.model.with_value(|m| (m.nodes.len(), m.edges.len()));
            let _ = canvas.set_attribute("data-nodes", &nodes.to_string());
            let _ = canvas.set_attribute("data-edges", &edges.to_string());
            let _ = canvas.set_attribute("data-drawn", &stage.painted_nodes.get().to_string());
            if stage.stale.get() == Stale::No || *stage.marks.borrow() == found.get_untracked() {
                stage.painted_search.replace(page.route.with_untracked(|route| route.search.clone()));
            }
            let _ = canvas.set_attribute("data-searched", &stage.painted_search.borrow());
            // For whoever takes a picture of the page: all is where it belongs, and painted.
            let is_idle = !stage.later_due.get() && stage.painting.borrow().is_none();
            let settled = stage.moving.get().is_none() && stage.stale.get() == Stale::No && is_idle;
            let _ = canvas.set_attribute("data-settled", if settled { "true" } else { "false" });
            if stage.painted_nodes.get() > 0 && !stage.drawn.replace(true) {
                mark("first-graph");
            }
            if stage.moving.get().is_some() || stage.greets.get() {
                request_frame(&stage);
            }
        }));
    }
    // Whatever the drawing depends on asks for a frame; many changes make one.
    let ask = {
        let stage = stage.clone();
        move |stale: Stale| {
            stage.outdate(stale);
            request_frame(&stage);
        }
    };
    let asked = ask.clone();
    Effect::new(move |_| {
        page.structure.track();
        page.values.track();
        gauge.track();
        page.link.track();
        asked(Stale::Told);
    });
    let asked = ask.clone();
    Effect::new(move |_| {
        page.membership.track();
        asked(Stale::Came);
    });
    let asked = ask.clone();
    Effect::new(move |_| {
        page.hovered.track();
        page.hovered_box.track();
        hovered_line.track();
        page.previewed_metric.track();
        lit.track();
        network.track();
        asked(Stale::Pointed);
    });
    // Whatever else the address says, a search is told by what it finds.
    let done = Memo::new(move |_| {
        page.route
            .with(|route| (route.selected.clone(), route.edge.clone(), route.lines, route.tint, route.metric.clone()))
    });
    let asked = ask.clone();
    Effect::new(move |_| {
        done.track();
        page.marks.track();
        asked(Stale::Done);
    });
    // What is searched for, apart from what it finds: `cpu > 50%` finds others each second.
    let words = Memo::new(move |_| page.route.with(|route| (route.search.clone(), route.filters.clone())));
    let searched = stage.clone();
    Effect::new(move |before: Option<(String, Vec<String>)>| {
        let is_any = found.with(Option::is_some);
        let now = words.get();
        if before.as_ref() == Some(&now) {
            ask(Stale::Told);
        } else {
            searched.searched_ms.set(performance_now());
            if !is_any {
                // What waited for a picture of what is found waits no more.
                searched.stale.set(Stale::Done);
            }
            ask(if is_any { Stale::Searched } else { Stale::Done });
        }
        now
    });
    let fitted = stage.clone();
    Effect::new(move |_| {
        page.fit.track();
        if element.get().is_some() {
            resize(&fitted, page, element);
            let camera = page.camera.get_value();
            fitted.held.set(camera.is_some());
            travel(&fitted, camera.unwrap_or_else(|| fit(&fitted, page)));
        }
    });
    // What is selected does not end below its card.
    let selected = Memo::new(move |_| page.selected_slot());
    let shown = stage.clone();
    Effect::new(move |before: Option<Option<u32>>| {
        let now = selected.get();
        if before.is_some_and(|before| before != now)
            && let Some(slot) = now
        {
            uncover(&shown, page, slot);
        }
        now
    });
    // What comes stays in sight, until somebody takes the camera into their own hands.
    let kept = stage.clone();
    Effect::new(move |_| {
        page.structure.track();
        if page.model.with_value(|model| model.nodes.is_empty()) {
            kept.drawn.set(false);
            kept.painted_nodes.set(0);
            kept.held.set(false);
            return;
        }
        let camera = kept.moving.get().map_or(kept.camera.get(), |(_, there, _)| there);
        let size = kept.size.get();
        // What is in the corners covers less than a row does.
        let insets = Insets { right: 0.0, bottom: strips(size) };
        let sees = page.layout.with_value(|layout| camera.sees(layout.positions.values().copied(), size, insets));
        if !kept.held.get() && !sees {
            travel(&kept, fit(&kept, page));
        }
    });
    {
        let stage = stage.clone();
        let listener = Closure::<dyn Fn()>::new(move || {
            resize(&stage, page, element);
            if !stage.held.get() {
                stage.moving.set(None);
                stage.camera.set(fit(&stage, page));
            }
            request_frame(&stage);
        });
        // Not of the window alone: the list of topologies folds, and a frame around the page may change.
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
    let wheel = {
        let stage = stage.clone();
        move |event: WheelEvent| {
            event.prevent_default();
            let at = Point { x: f64::from(event.offset_x()), y: f64::from(event.offset_y()) };
            let factor = (-event.delta_y() * if event.delta_mode() == 1 { 0.05 } else { 0.0015 }).exp();
            stage.moving.set(None);
            stage.held.set(true);
            stage.camera.set(stage.camera.get().zoomed(factor, at, stage.size.get()));
            request_frame(&stage);
        }
    };
    let pointers = StoredValue::new_local(Pointers::new(stage.clone(), page, element));
    let (aimed, slid) = (stage.clone(), stage.clone());
    let zoom = {
        let stage = stage.clone();
        move |factor: f64| {
            let size = stage.size.get();
            let middle = Point { x: size.width / 2.0, y: size.height / 2.0 };
            stage.held.set(true);
            travel(&stage, stage.camera.get().zoomed(factor, middle, size));
        }
    };
    Effect::new(move |_| {
        let Some(aim) = page.aim.get() else { return };
        page.aim.set(None);
        match aim {
            Aim::Zoom(factor) => zoom(factor),
            Aim::Selection => to_selection(&aimed, page),
            Aim::Next(x, y) => select_next(&aimed, page, (x, y)),
        }
    });
    let go = {
        let stage = stage.clone();
        let go: Rc<dyn Fn(Point)> = Rc::new(move |centre| {
            stage.moving.set(None);
            stage.held.set(true);
            stage.camera.set(Camera { centre, ..stage.camera.get() });
            request_frame(&stage);
        });
        StoredValue::new_local(go)
    };
    let overview = minimap::View { seen, go };
    let is_mapped = Memo::new(move |_| {
        page.structure.track();
        page.minimap.get() && page.model.with_value(|model| !model.nodes.is_empty())
    });
    let slide = {
        let stage = slid;
        move |event: web_sys::Event| {
            let (camera, size) = (stage.camera.get(), stage.size.get());
            let Ok(share) = event_target_value(&event).parse::<f64>() else { return };
            let middle = Point { x: size.width / 2.0, y: size.height / 2.0 };
            stage.moving.set(None);
            stage.held.set(true);
            stage.camera.set(camera.zoomed(camera.factor_to(share), middle, size));
            request_frame(&stage);
        }
    };
    view! {
        <canvas
            node_ref=element
            class="graph"
            tabindex="0"
            role="img"
            aria-label="Graph of the view; the table shows the same nodes"
            class:pointing=move || {
                page.hovered.get().is_some() || hovered_line.get().is_some() || page.hovered_box.get().is_some()
            }
            on:wheel=wheel
            on:pointerdown=move |event| pointers.with_value(|pointers| pointers.down(&event))
            on:pointermove=move |event| pointers.with_value(|pointers| pointers.moved(&event))
            on:pointerup=move |event| pointers.with_value(|pointers| pointers.up(&event))
            on:pointercancel=move |event| pointers.with_value(|pointers| pointers.cancelled(&event))
            on:pointerleave=move |_| pointers.with_value(Pointers::left)
            on:dblclick=move |_| page.show_all()
        ></canvas>
        <div class="zoom" role="group" aria-label="Zoom" class:folded=move || !is_mapped.get()>
            {move || is_mapped.get().then(|| view! { <Minimap view=overview/> })}
            <input
                class="zoom-slider"
                type="range"
                min="0"
                max="1"
                step="any"
                title="Zoom"
                aria-label="Zoom"
                aria-valuetext=move || seen.with(|(camera, _)| format!("{:.0} %", camera.zoom * 100.0))
                prop:value=move || seen.with(|(camera, _)| format!("{:.3}", camera.zoom_share()))
                on:input=slide
            />
            <div class="zoom-buttons">
            <button title="Zoom in (+)" aria-label="Zoom in" on:click=move |_| page.aim.set(Some(Aim::Zoom(ZOOM_STEP)))><Icon name="plus"/></button>
            <button title="Zoom out (-)" aria-label="Zoom out" on:click=move |_| page.aim.set(Some(Aim::Zoom(1.0 / ZOOM_STEP)))><Icon name="minus"/></button>
            <button title="Show all (0)" aria-label="Show all" on:click=move |_| page.show_all()>
                <Icon name="fit"/>
            </button>
            <button title="Lay out again" aria-label="Lay out again" on:click=move |_| page.rearrange()>
                <Icon name="layout"/>
            </button>
            </div>
        </div>
        <div class="strips">
            <Metrics/>
            <Networks/>
        </div>
        <Tip/>
    }
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
