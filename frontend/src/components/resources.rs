//! Hosts, containers and processes as layers, each as wide as what it uses.

use std::collections::BTreeMap;

use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::view::Summary;

use crate::app::Page;
use crate::connection;
use crate::disarm;
use crate::resources::{self, Bar, Machine, Resource};
use crate::route::encode;
use crate::text;

const AGAIN: std::time::Duration = std::time::Duration::from_secs(3);
/// What is narrower than this share of the scale is put together.
const LEAST: f64 = 0.006;
/// A bar that is wider than this share of the scale has its name in it.
const NAMED: f64 = 0.05;

#[derive(serde::Deserialize)]
struct Answer {
    nodes: BTreeMap<String, Summary>,
}

#[component]
pub fn Resources() -> impl IntoView {
    let page = expect_context::<Page>();
    let told = RwSignal::new(None::<Vec<Machine>>);
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
                let machines = resources::machines(resource, &hosts, &containers, &processes, LEAST);
                let _ = told.try_set(Some(machines));
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
    view! {
        <div class="resources">
            {move || match told.get() {
                None => view! { <p class="nothing" role="status">"Asking what runs where"</p> }.into_any(),
                Some(machines) if machines.is_empty() => view! { <p class="nothing">"No host reports."</p> }.into_any(),
                Some(machines) => drawn(page, resource.get_untracked(), &machines).into_any(),
            }}
        </div>
    }
}

fn drawn(page: Page, resource: Resource, machines: &[Machine]) -> impl IntoView + use<> {
    let most = machines.iter().map(|machine| machine.whole.max(machine.used)).fold(f64::MIN_POSITIVE, f64::max);
    let marks = resources::marks(resource, most);
    let last = marks.len().saturating_sub(1);
    let marks = marks.into_iter().enumerate().map(|(n, mark)| {
        let words = match resource {
            Resource::Cpu if n == last => format!("{mark} cores"),
            Resource::Cpu => format!("{mark}"),
            Resource::Memory => text::metric("filesize", "", mark),
        };
        // On a narrow screen the last but one would be under the last.
        view! { <span class:last=n == last class:near-last={n + 1 == last && last > 5} style=format!("left: {:.2}%", mark / most * 100.0)>{words}</span> }
    });
    view! {
        <div class="scale"><div class="along">{marks.collect_view()}</div></div>
        {machines.iter().map(|machine| shown(page, resource, machine, most)).collect_view()}
        <p class="hint">{format!("Processes from {}; what is too narrow to be seen is put together.", resource.worth_a_look().trim_start_matches(|c: char| c.is_alphabetic() || c == ' ' || c == '>' || c == '='))}</p>
    }
}

fn shown(page: Page, resource: Resource, machine: &Machine, most: f64) -> impl IntoView + use<> {
    let share = |amount: f64| amount / most * 100.0;
    let whole = match resource {
        Resource::Cpu => format!("{} of {} cores", resource.words(machine.used), machine.whole),
        Resource::Memory => format!("{} of {}", resource.words(machine.used), resource.words(machine.whole)),
    };
    let own = Bar { id: machine.id.clone(), label: machine.label.clone(), from: 0.0, used: machine.used };
    let layer = |topology: &'static str, kind: &'static str, bars: &[Bar]| {
        let bars: Vec<_> = bars.iter().map(|bar| block(page, resource, topology, kind, bar, most)).collect();
        view! { <div class="layer">{bars}</div> }
    };
    view! {
        <section class="machine" aria-label=machine.label.clone()>
            <div class="about">
                <b title=machine.label.clone()>{text::shortened(&machine.label, 18)}</b>
                <span>{whole}</span>
            </div>
            <div class="along">
                <span class="whole" style=format!("width: {:.3}%", share(machine.whole))></span>
                {layer("hosts", "host", std::slice::from_ref(&own))}
                {layer("containers", "container", &machine.containers)}
                {layer("processes", "process", &machine.processes)}
            </div>
        </section>
    }
}

fn block(
    page: Page,
    resource: Resource,
    topology: &'static str,
    kind: &'static str,
    bar: &Bar,
    most: f64,
) -> impl IntoView + use<> {
    let Bar { id, label, from, used } = bar.clone();
    let place = format!("left: {:.3}%; width: {:.3}%", from / most * 100.0, used / most * 100.0);
    let words = resource.words(used);
    let title = format!("{label}: {words}");
    let share = used / most;
    let inside = (share > NAMED).then(|| {
        let letters = (share * 110.0) as usize;
        view! {
            <span class="name">{text::shortened(&label, letters.clamp(4, 40))}</span>
            {(share > NAMED * 1.8).then(|| view! { <span class="amount">{words}</span> })}
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
