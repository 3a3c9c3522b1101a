//! Hosts, containers and processes as layers, each as wide as what it uses.

use std::collections::BTreeMap;

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::view::Summary;
use web_sys::WheelEvent;

use super::icon::Icon;
use crate::app::{Aim, Page, ZOOM_STEP};
use crate::connection;
use crate::disarm;
use crate::resources::{self, Bar, Machine, Resource};
use crate::route::encode;
use crate::text;

const AGAIN: std::time::Duration = std::time::Duration::from_secs(3);
/// What is narrower than this share of what is seen at once is put together.
const LEAST: f64 = 0.006;
/// A bar that is wider than this share has its name in it.
const NAMED: f64 = 0.05;
/// So many times wider than the stage the scale can be.
const ZOOM_MAX: f64 = 64.0;
/// Pixels that stay where they are while the scale moves: of who the bars are.
const ABOUT_PX: f64 = 132.0;

#[derive(serde::Deserialize)]
struct Answer {
    nodes: BTreeMap<String, Summary>,
}

/// Who runs.
struct Told {
    hosts: Vec<Summary>,
    containers: Vec<Summary>,
    processes: Vec<Summary>,
}

/// What a width means.
#[derive(Clone, Copy)]
struct Scale {
    resource: Resource,
    /// Cores or bytes from one end to the other.
    most: f64,
    zoom: f64,
}

impl Scale {
    /// Of all of it, percent.
    fn share(self, amount: f64) -> f64 {
        amount / self.most * 100.0
    }
}

#[component]
pub fn Resources() -> impl IntoView {
    let page = expect_context::<Page>();
    let element = NodeRef::<html::Div>::new();
    let told = RwSignal::new(None::<Told>);
    let zoom = RwSignal::new(1.0);
    let resource = Memo::new(move |_| page.route.with(|route| route.resource));
    let ask = move || {
        if page.paused.with_untracked(Option::is_some) {
            return;
        }
        let resource = resource.get_untracked();
        spawn_local(async move {
            let list = async |path: String| {
                let answer = connection::get::<Answer>(&path).await;
                answer.map(|answer| {
                    let mut nodes: Vec<Summary> = answer.nodes.into_values().collect();
                    nodes.iter_mut().for_each(disarm::summary);
                    nodes
                })
            };
            let containers = "api/topology/containers?system=all&stopped=running&pseudo=hide".to_owned();
            let worth = encode(resource.worth_a_look());
            let processes = format!("api/topology/processes?unconnected=show&query={worth}");
            let (Ok(hosts), Ok(containers), Ok(processes)) =
                (list("api/topology/hosts".into()).await, list(containers).await, list(processes).await)
            else {
                return;
            };
            // Another resource may be chosen meanwhile, or another view.
            if resource == page.route.with_untracked(|route| route.resource) {
                let _ = told.try_set(Some(Told { hosts, containers, processes }));
            }
        });
    };
    let again = set_interval_with_handle(ask, AGAIN).ok();
    on_cleanup(move || {
        if let Some(again) = again {
            again.clear();
        }
    });
    Effect::new(move |_| {
        resource.get();
        told.set(None);
        ask();
    });
    // What is there stays there, as far from the left as `at_px`.
    let zoom_by = move |factor: f64, at_px: f64| {
        let before = zoom.get_untracked();
        let now = (before * factor).clamp(1.0, ZOOM_MAX);
        let Some(element) = element.get_untracked().filter(|_| now != before) else { return };
        let along = (at_px - ABOUT_PX).max(0.0);
        let left = (f64::from(element.scroll_left()) + along) * now / before - along;
        zoom.set(now);
        // Once it is as wide as that.
        request_animation_frame(move || element.set_scroll_left(left as i32));
    };
    let zoom_middle = move |factor: f64| {
        let width = element.get_untracked().map_or(0, |element| element.client_width());
        zoom_by(factor, (f64::from(width) + ABOUT_PX) / 2.0);
    };
    Effect::new(move |_| {
        if let Some(aim) = page.aim.get() {
            page.aim.set(None);
            if let Aim::Zoom(factor) = aim {
                zoom_middle(factor);
            }
        }
    });
    Effect::new(move |before: Option<u64>| {
        let fit = page.fit.get();
        if before.is_some_and(|before| before != fit) {
            zoom.set(1.0);
        }
        fit
    });
    let wheel = move |event: WheelEvent| {
        // Without it the list is scrolled.
        if event.ctrl_key() {
            event.prevent_default();
            let left = element.get_untracked().map_or(0.0, |element| element.get_bounding_client_rect().left());
            zoom_by((-event.delta_y() * 0.0015).exp(), f64::from(event.client_x()) - left);
        }
    };
    view! {
        <div class="resources" node_ref=element style=("--wide", move || zoom.get().to_string()) on:wheel=wheel>
            {move || told.with(|told| match told {
                None => view! { <p class="nothing" role="status">"Asking what runs where"</p> }.into_any(),
                Some(told) => drawn(page, resource.get_untracked(), told, zoom.get()).into_any(),
            })}
        </div>
        <div class="zoom folded" role="group" aria-label="Zoom">
            <div class="zoom-buttons">
            <button title="Wider (+)" aria-label="Wider" on:click=move |_| zoom_middle(ZOOM_STEP)><Icon name="plus"/></button>
            <button title="Narrower (-)" aria-label="Narrower" on:click=move |_| zoom_middle(1.0 / ZOOM_STEP)><Icon name="minus"/></button>
            <button title="Show all (0)" aria-label="Show all" on:click=move |_| zoom.set(1.0)><Icon name="fit"/></button>
            </div>
        </div>
    }
}

fn drawn(page: Page, resource: Resource, told: &Told, zoom: f64) -> impl IntoView + use<> {
    let machines = resources::machines(resource, &told.hosts, &told.containers, &told.processes, LEAST / zoom);
    if machines.is_empty() {
        return view! { <p class="nothing">"No host reports."</p> }.into_any();
    }
    let most = machines.iter().map(Machine::end).fold(f64::MIN_POSITIVE, f64::max);
    let scale = Scale { resource, most, zoom };
    let marks = resources::marks(resource, most, zoom);
    let last = marks.len().saturating_sub(1);
    let marks = marks.into_iter().enumerate().map(|(n, mark)| {
        let words = scale.resource.mark(mark);
        let words = if n == last && resource == Resource::Cpu { format!("{words} cores") } else { words };
        // On a narrow screen the last but one would be under the last.
        view! { <span class:last=n == last class:near-last={n + 1 == last && last > 5} style=format!("left: {:.2}%", scale.share(mark))>{words}</span> }
    });
    view! {
        <div class="scale"><div class="along">{marks.collect_view()}</div></div>
        {machines.iter().map(|machine| shown(page, scale, machine)).collect_view()}
        <p class="hint">{format!("Processes from {}; what is too narrow to be seen is put together.", resource.worth_a_look().trim_start_matches(|c: char| c.is_alphabetic() || c == ' ' || c == '>' || c == '='))}</p>
    }
    .into_any()
}

fn shown(page: Page, scale: Scale, machine: &Machine) -> impl IntoView + use<> {
    let resource = scale.resource;
    let whole = match resource {
        Resource::Cpu => format!("{} of {} cores", resource.words(machine.used), machine.whole),
        Resource::Memory => format!("{} of {}", resource.words(machine.used), resource.words(machine.whole)),
    };
    let own = Bar { id: machine.id.clone(), label: machine.label.clone(), from: 0.0, used: machine.used };
    let layer = |topology: &'static str, kind: &'static str, bars: &[Bar]| {
        let bars: Vec<_> = bars.iter().map(|bar| block(page, scale, topology, kind, bar)).collect();
        view! { <div class="layer">{bars}</div> }
    };
    view! {
        <section class="machine" aria-label=machine.label.clone()>
            <div class="about">
                <b title=machine.label.clone()>{text::shortened(&machine.label, 18)}</b>
                <span>{whole}</span>
            </div>
            <div class="along">
                <span class="whole" style=format!("width: {:.3}%", scale.share(machine.whole))></span>
                {layer("hosts", "host", std::slice::from_ref(&own))}
                {layer("containers", "container", &machine.containers)}
                {layer("processes", "process", &machine.processes)}
            </div>
        </section>
    }
}

fn block(page: Page, scale: Scale, topology: &'static str, kind: &'static str, bar: &Bar) -> impl IntoView + use<> {
    let Bar { id, label, from, used } = bar.clone();
    let place = format!("left: {:.3}%; width: {:.3}%", scale.share(from), scale.share(used));
    let words = scale.resource.words(used);
    let title = format!("{label}: {words}");
    // Of what is seen at once.
    let share = used / scale.most * scale.zoom;
    let inside = (share > NAMED).then(|| {
        let letters = (share * 110.0) as usize;
        view! {
            <span>
                <span class="name">{text::shortened(&label, letters.clamp(4, 40))}</span>
                {(share > NAMED * 1.8).then(|| view! { <span class="amount">{words}</span> })}
            </span>
        }
    });
    if id.is_empty() {
        return view! { <span class=format!("block many {kind}") style=place title=title>{inside}</span> }.into_any();
    }
    let go = move |_| {
        page.go(|route| {
            route.topology = topology.to_owned();
            route.selected = Some(id.clone());
        });
    };
    view! { <button class=format!("block {kind}") style=place title=title.clone() aria-label=title on:click=go>{inside}</button> }
        .into_any()
}
