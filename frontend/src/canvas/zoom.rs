//! The corner of the stage: the small map, the slider and the buttons.

use std::rc::Rc;

use leptos::prelude::*;

use super::camera::take;
use crate::app::{Aim, Page, ZOOM_STEP};
use crate::components::icon::Icon;
use crate::layout::Point;
use crate::minimap::{self, Minimap};
use crate::scene::{Camera, Size};
use crate::stage::Stage;

#[component]
pub fn Zoom(stage: Rc<Stage>, seen: RwSignal<(Camera, Size), LocalStorage>) -> impl IntoView {
    let page = expect_context::<Page>();
    let moved = stage.clone();
    let go: Rc<dyn Fn(Point)> = Rc::new(move |centre| take(&moved, Camera { centre, ..moved.camera.get() }));
    let overview = minimap::View { seen, go: StoredValue::new_local(go) };
    let is_mapped = Memo::new(move |_| {
        page.structure.track();
        page.minimap.get() && page.model.with_value(|model| !model.nodes.is_empty())
    });
    let slide = move |event: web_sys::Event| {
        let camera = stage.camera.get();
        if let Ok(share) = event_target_value(&event).parse::<f64>() {
            take(&stage, camera.zoomed(camera.factor_to(share), stage.middle(), stage.size.get()));
        }
    };
    view! {
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
                <button title="Zoom in (+)" aria-label="Zoom in" on:click=move |_| page.aim.set(Some(Aim::Zoom(ZOOM_STEP)))>
                    <Icon name="plus"/>
                </button>
                <button title="Zoom out (-)" aria-label="Zoom out" on:click=move |_| page.aim.set(Some(Aim::Zoom(1.0 / ZOOM_STEP)))>
                    <Icon name="minus"/>
                </button>
                <button title="Show all (0)" aria-label="Show all" on:click=move |_| page.show_all()>
                    <Icon name="fit"/>
                </button>
                <button title="Lay out again" aria-label="Lay out again" on:click=move |_| page.rearrange()>
                    <Icon name="layout"/>
                </button>
            </div>
        </div>
    }
}
