//! The networks as lines through their hosts: who is where in which, and which hosts it does not reach.

use std::collections::BTreeSet;

use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::view::map::{MapHost, MapNetwork, MapPlace, NetworkMap, Unreachable};

use super::findings;
use super::icon::{Glyph, Icon};
use crate::app::Page;
use crate::connection;
use crate::disarm;
use crate::lines::slot_of;
use crate::paint::{is_dotted, pattern};
use crate::text;

/// Of a host's column and of a network's row, pixels.
const COLUMN: f64 = 144.0;
const ROW: f64 = 96.0;
/// Where in its row a network's line runs, and how large its stations are.
const LINE_Y: f64 = 46.0;
const STATION: f64 = 11.0;
/// The map is asked for again after so long; what findings say of it comes by itself.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(3);

#[component]
pub fn Map() -> impl IntoView {
    let page = expect_context::<Page>();
    let map = RwSignal::new(None::<NetworkMap>);
    let ask = move || {
        spawn_local(async move {
            let Ok(mut told) = connection::get::<NetworkMap>("api/network-map").await else { return };
            for label in told
                .networks
                .iter_mut()
                .map(|one| &mut one.label)
                .chain(told.hosts.iter_mut().map(|one| &mut one.label))
            {
                *label = disarm::shown(label).into_owned();
            }
            if page.paused.with_untracked(Option::is_none) && map.with_untracked(|known| known.as_ref() != Some(&told))
            {
                // The map may have been left meanwhile.
                let _ = map.try_set(Some(told));
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
        page.membership.track();
        page.findings.track();
        ask();
    });
    let all = move || page.route.with(|route| route.all_networks);
    let shown = move || {
        let mut told = map.get()?;
        if !all() {
            told.networks.retain(|network| !network.local);
        }
        if let Some(found) = page.found() {
            let found: BTreeSet<String> = page
                .model
                .with_value(|m| found.keys().filter_map(|slot| Some(m.nodes.get(slot)?.id.clone())).collect());
            told.networks.retain(|network| found.contains(&network.id));
        }
        Some(told)
    };
    view! {
        <div class="map-wrap">
            {move || match shown() {
                None => view! { <p class="nothing" role="status">"Asking for the map"</p> }.into_any(),
                Some(told) if told.networks.is_empty() => {
                    let hidden = map.with(|map| map.as_ref().map_or(0, |map| map.networks.len()));
                    let what = if all() || hidden == 0 { "No network is here." } else { "No network spans several hosts." };
                    view! {
                        <div class="empty">
                            <h2>{what}</h2>
                            <p>{(hidden > 0).then(|| format!("{} hidden.", text::plural(hidden, "network is", "networks are")))}</p>
                            <button on:click=move |_| page.go(|route| {
                                route.all_networks = true;
                                route.search.clear();
                                route.filters.clear();
                            })>"Show all"</button>
                        </div>
                    }.into_any()
                }
                Some(told) => {
                    // Filters are known to hide; that networks of one host are left out is said here.
                    let local = map.with(|map| map.as_ref().map_or(0, |map| map.networks.iter().filter(|one| one.local).count()));
                    let rest = (!all() && local > 0).then(|| view! {
                        <p class="map-rest">
                            {text::plural(local, "network of one host is", "networks of one host are")}" not shown. "
                            <button on:click=move |_| page.go(|route| route.all_networks = true)>"Show all"</button>
                        </p>
                    });
                    view! { {drawn(page, &told)}{rest} }.into_any()
                }
            }}
        </div>
    }
}

fn drawn(page: Page, map: &NetworkMap) -> impl IntoView + use<> {
    let width = map.hosts.len() as f64 * COLUMN;
    let heads = map.hosts.iter().map(|host| head(page, host)).collect_view();
    let hosts = std::sync::Arc::new(map.hosts.clone());
    let rows = map.networks.iter().map(|network| {
        let (network, hosts) = (network.clone(), hosts.clone());
        view! { <NetworkRow network hosts width/> }
    });
    view! {
        <div class="map" role="table" aria-label="Networks by host" style=format!("min-width: {}px", 236.0 + width)>
            <div class="map-heads" role="row"><span class="corner" role="columnheader">"Network"</span>{heads}</div>
            {rows.collect_view()}
        </div>
    }
}

fn head(page: Page, host: &MapHost) -> impl IntoView + use<> {
    let (id, label) = (host.id.clone(), host.label.clone());
    let below = match host.state.as_str() {
        "unprobed" => "no probe".to_owned(),
        "" => host.address.clone(),
        state => state.to_owned(),
    };
    let name = text::shortened(&label, 18);
    let is_probed = !id.is_empty();
    let go = move |_| {
        page.go(|route| {
            route.show("hosts");
            route.selected = Some(id.clone());
        });
    };
    view! {
        <span role="columnheader" class:unprobed=!is_probed title=label>
            {match is_probed {
                true => view! { <button on:click=go>{name}</button> }.into_any(),
                false => view! { <b><Icon name="noeye"/>{name}</b> }.into_any(),
            }}
            <small>{below}</small>
        </span>
    }
}

#[component]
fn NetworkRow(network: MapNetwork, hosts: std::sync::Arc<Vec<MapHost>>, width: f64) -> impl IntoView {
    let page = expect_context::<Page>();
    let slot = slot_of(&network.label);
    let colour = format!("--line: var(--n-{})", slot + 1);
    let id = network.id.clone();
    let is_chosen = {
        let id = id.clone();
        Memo::new(move |_| page.route.with(|route| route.selected.as_ref() == Some(&id)))
    };
    let health = {
        let id = id.clone();
        Memo::new(move |_| findings::worst(page, |one| one.subject.id == id))
    };
    let flags = [
        Some(network.driver.clone()),
        network.internal.then(|| "internal".to_owned()),
        network.vni.map(|vni| format!("VNI {vni}")),
    ];
    let about = flags.into_iter().flatten().filter(|flag| !flag.is_empty()).collect::<Vec<_>>().join(", ");
    let choose = move |_| {
        let chosen = is_chosen.get_untracked();
        page.select((!chosen).then(|| id.clone()));
    };
    let said = said(&network, &hosts);
    let line = line(&network, &hosts, slot, width);
    let peers = peers(&network, &hosts);
    let label = network.label.clone();
    view! {
        <div class="map-row" role="row" class:on=move || is_chosen.get()>
            <button class="map-name" role="rowheader" title=label.clone() aria-expanded=move || is_chosen.get().to_string() on:click=choose>
                <span class="title">
                    <span class=format!("line line-{}", slot + 1) style=colour></span>
                    <b>{text::shortened(&label, 20)}</b>
                    {move || {
                        let health = health.get();
                        (!health.is_empty()).then(|| view! { <Glyph severity=health.to_owned()/> })
                    }}
                </span>
                <span class="minor">{text::shortened(&network.subnets.join(", "), 30)}</span>
                <span class="minor">{text::shortened(&about, 30)}</span>
            </button>
            <div role="cell" aria-label=said inner_html=line></div>
            {move || is_chosen.get().then(|| peers.clone()).filter(|peers| !peers.is_empty()).map(|peers| view! { <Peers rows=peers/> })}
        </div>
    }
}

/// What a row shows, in words.
fn said(network: &MapNetwork, hosts: &[MapHost]) -> String {
    let name = |host: usize| hosts.get(host).map_or("", |host| &host.label);
    let place = |place: &MapPlace| format!("{} on {}", place.members, name(place.host));
    let mut said: Vec<String> = network.places.iter().map(place).collect();
    let lacks = |one: &Unreachable| format!("{} does not reach {} on {}", name(one.from), one.members, name(one.to));
    said.extend(network.unreachable.iter().map(lacks));
    said.join(", ")
}

fn middle(host: usize) -> f64 {
    (host as f64 + 0.5) * COLUMN
}

/// The line with its stations. All words in it are the page's own or numbers, so that nothing of theirs is read as markup.
fn line(network: &MapNetwork, hosts: &[MapHost], slot: usize, width: f64) -> String {
    let is_probed = |place: &MapPlace| hosts.get(place.host).is_some_and(|host| !host.id.is_empty());
    let mut out = format!(r#"<svg width="{width}" height="{ROW}" aria-hidden="true">"#);
    for host in 0..hosts.len() {
        let x = middle(host);
        out.push_str(&format!(r#"<line x1="{x}" x2="{x}" y1="0" y2="{ROW}" class="track"/>"#));
    }
    let dashes: Vec<String> = pattern(slot).iter().map(|n| format!("{:.1}", n * 2.0)).collect();
    let cap = if is_dotted(pattern(slot)) { "round" } else { "butt" };
    for pair in network.places.windows(2) {
        let (from, to) = (middle(pair[0].host) + STATION, middle(pair[1].host) - STATION);
        let known = pair.iter().all(is_probed);
        let (class, dashes) = if known { ("run", dashes.join(" ")) } else { ("run guessed", "4 5".to_owned()) };
        let rails: &[f64] = if slot == 3 && known { &[-2.2, 2.2] } else { &[0.0] };
        for rail in rails {
            let y = LINE_Y + rail;
            let thin = if rails.len() > 1 { " thin" } else { "" };
            out.push_str(&format!(
                r#"<line x1="{from}" x2="{to}" y1="{y}" y2="{y}" class="{class}{thin}" style="stroke:var(--n-{});stroke-dasharray:{dashes};stroke-linecap:{cap}"/>"#,
                slot + 1
            ));
        }
    }
    for one in &network.unreachable {
        let (from, to) = (middle(one.from), middle(one.to));
        let (top, y, x) = (6.0, LINE_Y - STATION - 2.0, (from + to) / 2.0);
        out.push_str(&format!(r#"<path d="M{from} {y} C{from} {top} {to} {top} {to} {y}" class="broken"/>"#));
        let side = 4.0;
        out.push_str(&format!(
            r#"<path d="M{} {} L{to} {y} L{} {}" class="broken"/><circle cx="{x}" cy="14" r="7" class="fault"/><path d="M{} 11 l6 6 m0 -6 l-6 6" class="cross"/>"#,
            to - side, y - side * 1.5, to + side, y - side * 1.5, x - 3.0
        ));
    }
    for place in &network.places {
        let x = middle(place.host);
        let class = if is_probed(place) { "station" } else { "station guessed" };
        let colour = slot + 1;
        out.push_str(&format!(
            r#"<circle cx="{x}" cy="{LINE_Y}" r="{STATION}" class="{class}" style="stroke:var(--n-{colour})"/><text x="{x}" y="{}" class="members">{}</text>"#,
            LINE_Y + 4.0, place.members
        ));
        let below = match place.forwarding {
            Some((has, all)) => format!("fdb {has}/{all}"),
            None if !is_probed(place) => "no probe".to_owned(),
            None => String::new(),
        };
        let lacks = place.forwarding.is_some_and(|(has, all)| has < all);
        let class = if lacks { "below lacks" } else { "below" };
        out.push_str(&format!(r#"<text x="{x}" y="{}" class="{class}">{below}</text>"#, LINE_Y + 28.0));
    }
    out.push_str("</svg>");
    out
}

/// Which host reaches which: the name of a row's host, and for each column its name and how many members are out of reach;
/// none of itself. Empty where nobody compares.
type PeerRows = Vec<(String, Vec<(String, Option<u32>)>)>;

fn peers(network: &MapNetwork, hosts: &[MapHost]) -> PeerRows {
    let name = |host: usize| hosts.get(host).map_or("", |host| &host.label).to_owned();
    let compared = network.places.iter().filter(|place| place.forwarding.is_some());
    let rows = compared.map(|from| {
        let cells = network.places.iter().map(|to| {
            let lacks = network.unreachable.iter().find(|one| (one.from, one.to) == (from.host, to.host));
            (name(to.host), (from.host != to.host).then(|| lacks.map_or(0, |one| one.members)))
        });
        (name(from.host), cells.collect())
    });
    rows.collect()
}

#[component]
fn Peers(rows: PeerRows) -> impl IntoView {
    let heads: Vec<String> =
        rows.first().map(|(_, cells)| cells.iter().map(|(name, _)| name.clone()).collect()).unwrap_or_default();
    view! {
        <div class="map-peers">
            <h3>"Peers " <span class="minor">"row reaches column"</span></h3>
            <table>
                <thead><tr><th></th>{heads.into_iter().map(|name| view! { <th scope="col" title=name.clone()>{text::shortened(&name, 12)}</th> }).collect_view()}</tr></thead>
                <tbody>
                    {rows.into_iter().map(|(name, cells)| view! {
                        <tr>
                            <th scope="row" title=name.clone()>{text::shortened(&name, 16)}</th>
                            {cells.into_iter().map(|(_, lacks)| match lacks {
                                None => view! { <td class="self"></td> }.into_any(),
                                Some(0) => view! { <td><Icon name="check"/></td> }.into_any(),
                                Some(count) => view! {
                                    <td class="lacks" title=format!("no way to {}", text::plural(count as usize, "member", "members"))>
                                        <Glyph severity="failing".to_owned()/>
                                    </td>
                                }.into_any(),
                            }).collect_view()}
                        </tr>
                    }).collect_view()}
                </tbody>
            </table>
        </div>
    }
}
