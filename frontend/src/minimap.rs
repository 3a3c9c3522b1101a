//! The whole graph in a corner of the stage, and where in it the camera is.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use leptos::html;
use leptos::prelude::*;
use web_sys::{CanvasRenderingContext2d as Context, HtmlCanvasElement, PointerEvent};

use crate::app::Page;
use crate::layout::Point;
use crate::scene::{Camera, Miniature, Size};
use crate::stage;

const SIZE: Size = Size { width: 160.0, height: 100.0 };
const MARGIN: f64 = 8.0;
/// What changes is drawn so much later, together with what else changes meanwhile.
const AFTER: Duration = Duration::from_millis(150);
/// A node is a dot of so many pixels, less where there are many, and one that something is wrong with a larger one.
const DOT: f64 = 3.0;
const DOT_OF_MANY: f64 = 1.0;
const DOT_OF_FINDING: f64 = 5.0;
/// More are many, of which the lines would be a blot.
const MANY: usize = 400;

/// What the camera sees, and how it is sent elsewhere.
#[derive(Clone, Copy)]
pub struct View {
    pub seen: RwSignal<(Camera, Size), LocalStorage>,
    pub go: StoredValue<Rc<dyn Fn(Point)>, LocalStorage>,
}

#[component]
pub fn Minimap(view: View) -> impl IntoView {
    let page = expect_context::<Page>();
    let element = NodeRef::<html::Canvas>::new();
    let pressed = RwSignal::new(false);
    let map = move || page.layout.with_value(|layout| Miniature::of(layout.positions.values().copied(), SIZE, MARGIN));
    let seen = view.seen;
    // The nodes as they were drawn last: the camera moves much more often than they do.
    let nodes = StoredValue::new_local(None::<HtmlCanvasElement>);
    let drawn = RwSignal::new(0u64);
    let paint = move || {
        let known = nodes.try_with_value(Clone::clone).flatten();
        let (Some(canvas), Some(map)) = (known.or_else(stage::new_canvas), map()) else { return };
        if let Some(g) = sized(&canvas) {
            paint_nodes(&g, page, map);
        }
        nodes.try_set_value(Some(canvas));
        let _ = drawn.try_update(|n| *n += 1);
    };
    let due = StoredValue::new(false);
    Effect::new(move |before: Option<()>| {
        page.structure.track();
        page.route.with(|route| route.appearance);
        page.shown.track();
        // Who comes back to a graph that is drawn in no time sees it at once.
        if before.is_none() && page.model.with_value(|model| model.nodes.len() <= MANY) {
            return paint();
        }
        // It need not be drawn as often as something changes, and never before the graph itself.
        if due.try_update_value(|due| std::mem::replace(due, true)) == Some(false) {
            let later = move || {
                if due.try_set_value(false).is_none() {
                    paint();
                }
            };
            set_timeout(later, AFTER);
        }
    });
    Effect::new(move |_| {
        drawn.track();
        let (camera, stage) = seen.get();
        let Some(canvas) = element.get() else { return };
        let (Some(g), Some(map)) = (sized(&canvas), map()) else { return };
        nodes.with_value(|nodes| {
            if let Some(nodes) = nodes {
                let _ = g.draw_image_with_html_canvas_element_and_dw_and_dh(nodes, 0.0, 0.0, SIZE.width, SIZE.height);
            }
        });
        paint_frame(&g, page, map, camera, stage);
    });
    let go = move |event: &PointerEvent| {
        let at = Point { x: f64::from(event.offset_x()), y: f64::from(event.offset_y()) };
        if let Some(map) = map() {
            view.go.with_value(|go| go(map.to_world(at)));
        }
    };
    view! {
        <canvas
            node_ref=element
            class="minimap"
            aria-hidden="true"
            title="The whole graph; drag to look elsewhere (m)"
            on:pointerdown=move |event| {
                pressed.set(true);
                if let Some(canvas) = element.get_untracked() {
                    let _ = canvas.set_pointer_capture(event.pointer_id());
                }
                go(&event);
            }
            on:pointermove=move |event| if pressed.get_untracked() { go(&event) }
            on:pointerup=move |_| pressed.set(false)
            on:pointercancel=move |_| pressed.set(false)
        ></canvas>
    }
}

/// Empty, and in pixels of the page.
fn sized(canvas: &HtmlCanvasElement) -> Option<Context> {
    let ratio = web_sys::window().map_or(1.0, |w| w.device_pixel_ratio());
    canvas.set_width((SIZE.width * ratio) as u32);
    canvas.set_height((SIZE.height * ratio) as u32);
    let g = stage::context(canvas)?;
    let _ = g.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
    Some(g)
}

fn paint_nodes(g: &Context, page: Page, map: Miniature) {
    page.theme.with_value(|theme| {
        page.drawn(|model, folding| {
            page.layout.with_value(|layout| {
                if model.edges.len() <= MANY {
                    let place = |slot| layout.positions.get(&folding.node(model, slot)?.id);
                    g.set_stroke_style_str(&theme.edge);
                    g.begin_path();
                    for (from, to) in model.edges.values().filter_map(|edge| folding.ends(edge)) {
                        let Some((from, to)) = place(from).zip(place(to)) else { continue };
                        let (from, to) = (map.to_picture(*from), map.to_picture(*to));
                        g.move_to(from.x, from.y);
                        g.line_to(to.x, to.y);
                    }
                    g.stroke();
                }
                // Many are on one pixel, which is drawn once.
                let mut of: BTreeMap<&str, BTreeSet<(i32, i32)>> = BTreeMap::new();
                for (_, node) in folding.nodes(model) {
                    if let Some(at) = layout.positions.get(&node.id) {
                        let at = map.to_picture(*at);
                        of.entry(&node.health).or_default().insert((at.x.round() as i32, at.y.round() as i32));
                    }
                }
                let dots = |health: &str, colour: &str, size: f64| {
                    g.set_fill_style_str(colour);
                    g.begin_path();
                    for (x, y) in of.get(health).into_iter().flatten() {
                        g.rect(f64::from(*x) - size / 2.0, f64::from(*y) - size / 2.0, size, size);
                    }
                    g.fill();
                };
                let are_many = of.values().map(BTreeSet::len).sum::<usize>() > MANY;
                dots("", &theme.text_3, if are_many { DOT_OF_MANY } else { DOT });
                dots("warning", &theme.warn, DOT_OF_FINDING);
                dots("failing", &theme.bad, DOT_OF_FINDING);
            });
        });
    });
}

fn paint_frame(g: &Context, page: Page, map: Miniature, camera: Camera, stage: Size) {
    let (x, y, width, height) = map.frame(camera, stage);
    // As much of it as there is room for: at its edge it would not be seen.
    let (left, top) = (x.max(0.75), y.max(0.75));
    let (right, bottom) = ((x + width).min(SIZE.width - 0.75), (y + height).min(SIZE.height - 0.75));
    page.theme.with_value(|theme| g.set_stroke_style_str(&theme.accent));
    g.set_line_width(1.5);
    g.stroke_rect(left, top, (right - left).max(0.0), (bottom - top).max(0.0));
}
