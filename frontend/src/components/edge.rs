//! Everything about the selected line: what goes over it, what fails of it, and how.

use leptos::prelude::*;
use shared::report::Failures;
use shared::view::{EDGE_METRICS, EDGE_METRICS_FOLLOWED};

use super::card::{Grip, Sheet};
use super::icon::{self, Icon, Warning};
use super::way::OnTheWay;
use crate::app::Page;
use crate::connection::now_ms;
use crate::model::Model;
use crate::strand::{Strand, Told};
use crate::text;

/// A figure with its last minute.
struct Figure {
    label: String,
    words: String,
    is_bad: bool,
    history: Vec<f64>,
}

/// What the card keeps of each second, by name.
pub fn samples(strand: &Strand) -> [(&'static str, Option<f64>); 6] {
    [
        ("sent", strand.sent),
        ("received", strand.received),
        ("open", Some(f64::from(strand.open))),
        ("round trip", strand.round_trip_ms),
        ("again", strand.again),
        ("failing", Some(strand.failing)),
    ]
}

#[component]
pub fn EdgeCard() -> impl IntoView {
    let page = expect_context::<Page>();
    let ends = Memo::new(move |_| page.route.with(|route| route.edge.clone()));
    let told = move || {
        page.clock.track();
        page.structure.track();
        let ends = ends.get()?;
        page.model.with_value(|model| model.line(&ends, now_ms() as u64))
    };
    // What it was last, for when it is gone.
    let last = StoredValue::new(None::<Told>);
    let line = Memo::new(move |_| {
        let now = told();
        if now.is_some() {
            last.set_value(now.clone());
        }
        (now.is_some(), last.get_value())
    });
    Effect::new(move |_| {
        ends.track();
        last.set_value(None);
    });
    let name = move |id: &str| {
        page.structure.track();
        let of = |model: &Model| {
            let node = model.nodes.get(&model.slot_of(id)?)?;
            Some((text::base_name(&node.label).to_owned(), node.kind.clone()))
        };
        page.model.with_value(of).unwrap_or_else(|| (id.split(';').next().unwrap_or(id).to_owned(), String::new()))
    };
    let title = Memo::new(move |_| ends.get().map(|(source, target)| (name(&source), name(&target))));
    let under = move || {
        let (_, line) = line.get();
        let Told { strand, ports, protocols, networks } = line?;
        let more = if ports.len() > 6 { " and more" } else { "" };
        let ports: Vec<String> = ports.iter().take(6).map(u16::to_string).collect();
        let protocols: Vec<String> = protocols.iter().map(|protocol| protocol.to_uppercase()).collect();
        let over = page.model.with_value(|model| {
            let mut all = model.nodes.values().flat_map(|node| &node.networks);
            let one = networks.first()?;
            all.find(|network| network.id == *one).map(|network| format!(" over {}", network.label))
        });
        let guess = if strand.is_guess { ", which end calls is a guess" } else { "" };
        Some(format!("{} {}{more}{}{guess}", protocols.join(", "), ports.join(" "), over.unwrap_or_default()))
    };
    let sheet = RwSignal::new(Sheet::Half);
    view! {
        <Show when=move || ends.with(Option::is_some)>
            <aside class="card edge-card" class:peeks=move || sheet.get() == Sheet::Peek class:whole=move || sheet.get() == Sheet::Whole aria-label="Details of a connection">
                <Grip sheet/>
                <header>
                    {move || title.get().map(|((source, kind), (target, _))| view! {
                        <span class=format!("kind kind-{kind}")><Icon name=icon::of_kind(&kind)/></span>
                        <div class="names">
                            <h2 title=format!("{source} to {target}")>
                                {text::shortened(&source, 26)}" "<i>"→"</i>" "{text::shortened(&target, 26)}
                            </h2>
                            <p>{under}</p>
                        </div>
                    })}
                    <button class="plain" aria-label="Close" title="Close (Esc)" on:click=move |_| page.select_edge(None)>
                        <Icon name="close"/>
                    </button>
                </header>
                <Show when=move || line.with(|(is_there, _)| !is_there) && page.is_live()>
                    <p class="gone">
                        <Warning/>
                        {move || match line.with(|(_, line)| line.is_some()) {
                            true => "This went. The card shows its last values.",
                            false => "Nothing goes from one to the other in this view. It may have ended, or the options hide an end.",
                        }}
                    </p>
                </Show>
                <div class="parents">
                    {move || {
                        let ends = ends.get();
                        let title = title.get();
                        ends.zip(title).map(|((source, target), (from, to))| view! {
                            <End id=source name=from/>
                            <End id=target name=to/>
                        })
                    }}
                </div>
                {move || line.with(|(_, line)| line.clone()).map(|line| view! {
                    <Figures line=line.clone()/>
                    <Reasons edges=line.strand.edges.to_vec()/>
                })}
                <Totals/>
                <section>
                    <h3>"Its way"</h3>
                    <OnTheWay/>
                </section>
            </aside>
        </Show>
    }
}

/// One end, which leads to its own card.
#[component]
fn End(id: String, name: (String, String)) -> impl IntoView {
    let page = expect_context::<Page>();
    let (label, kind) = name;
    view! {
        <button class="chip" title=label.clone() on:click=move |_| page.select(Some(id.clone()))>
            <Icon name=icon::of_kind(&kind)/>
            {text::shortened(&label, 26)}
        </button>
    }
}

#[component]
fn Figures(line: Told) -> impl IntoView {
    let Told { strand, protocols, .. } = line;
    let page = expect_context::<Page>();
    let history = move |name: &str| page.passed.with(|passed| passed.of(name).to_vec());
    let figure = |label: &str, name: &str, words: Option<String>| {
        let words = words.unwrap_or_else(|| "–".into());
        Figure { label: label.to_owned(), words, is_bad: false, history: history(name) }
    };
    let of = |format: &'static str| move |value| text::edge_metric(format, value);
    let figures = [
        figure("Sent", "sent", strand.sent.map(of("bytes_per_s"))),
        figure("Received", "received", strand.received.map(of("bytes_per_s"))),
        Figure { is_bad: strand.unanswered > 0, ..figure("Open", "open", Some(text::grouped(strand.open as usize))) },
        figure("Round trip", "round trip", strand.round_trip_ms.map(of("ms"))),
        figure("Sent again", "again", strand.again.map(of("per_s"))),
        Figure {
            is_bad: strand.failing > 0.0,
            ..figure("Failing", "failing", Some(text::edge_metric("per_s", strand.failing)))
        },
    ];
    let unanswered = (strand.unanswered > 0).then(|| text::unanswered(strand.unanswered));
    let is_unmeasured = !strand.is_measured() && protocols.contains("tcp");
    view! {
        <section class="metrics">
            <h3>"Now"<span class="aside">"last 60 s"</span></h3>
            <div class="six">{figures.map(|figure| view! { <Small figure/> }).collect_view()}</div>
            {unanswered.map(|words| view! { <p class="bad">{words}": nothing it sends is acknowledged"</p> })}
            {is_unmeasured.then(|| view! {
                <p class="minor">"What it carries is not measured: neither end's kernel is asked, or nothing went over it yet."</p>
            })}
        </section>
    }
}

#[component]
fn Small(figure: Figure) -> impl IntoView {
    const WIDTH: f64 = 118.0;
    const HEIGHT: f64 = 20.0;
    let Figure { label, words, is_bad, history } = figure;
    let most = history.iter().copied().fold(1e-9, f64::max);
    let line: String = history
        .iter()
        .enumerate()
        .map(|(n, value)| {
            let x = WIDTH - (history.len() - 1 - n) as f64 * (WIDTH / 59.0);
            let y = HEIGHT - 1.0 - (value / most).clamp(0.0, 1.0) * (HEIGHT - 3.0);
            format!("{}{x:.1} {y:.1}", if n == 0 { "M" } else { "L" })
        })
        .collect();
    view! {
        <div class="small" class:bad=is_bad>
            <span>{label}</span>
            <b>{words}</b>
            <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") preserveAspectRatio="none" aria-hidden="true">
                <path class="curve" d=line/>
            </svg>
        </div>
    }
}

/// What failed within the last minute, by reason.
#[component]
fn Reasons(edges: Vec<u32>) -> impl IntoView {
    let page = expect_context::<Page>();
    let (lately, ever) = page.model.with_value(|model| {
        let now = now_ms() as u64;
        let mut sums = (Failures::default(), Failures::default());
        for edge in &edges {
            sums.0 += model.failing.of_the_minute(*edge, now);
            sums.1 += model.edges.get(edge).map(|edge| edge.failures).unwrap_or_default();
        }
        sums
    });
    (!ever.is_none()).then(|| {
        let rows = [
            ("Refused", by_the_called(&lately), by_the_called(&ever)),
            ("Rejected on the way", lately.rejected, ever.rejected),
            ("No answer", lately.timed_out, ever.timed_out),
            ("Reset", lately.reset, ever.reset),
            ("No way there", lately.unreachable, ever.unreachable),
        ];
        let by_others =
            "By ICMP, not by who was called: look for a firewall's REJECT rule, or a balancer with nobody behind it.";
        let advice = (ever.rejected > 0).then(|| view! { <p class="minor">{by_others}</p> });
        let most = rows.iter().map(|(_, lately, _)| *lately).max().unwrap_or(0).max(1);
        let rows = rows.into_iter().filter(|(.., ever)| *ever > 0).map(|(reason, lately, ever)| {
            let share = format!("width: {:.0}%", lately as f64 / most as f64 * 100.0);
            view! {
                <dt>{reason}</dt>
                <dd><span class="bar-bad"><i style=share></i></span></dd>
                <dd class="number">{text::grouped(lately as usize)}</dd>
                <dd class="number minor">{format!("{} in all", text::grouped(ever as usize))}</dd>
            }
        });
        view! {
            <section>
                <h3>"Failures by reason"<span class="aside">"last 60 s"</span></h3>
                <dl class="reasons">{rows.collect_view()}</dl>
                {advice}
            </section>
        }
    })
}

/// How many were refused where nobody listens.
fn by_the_called(failures: &Failures) -> u64 {
    failures.refused.saturating_sub(failures.rejected)
}

/// What it carried since it was first there, as the app answers for each of its ports.
#[component]
fn Totals() -> impl IntoView {
    let page = expect_context::<Page>();
    let rows = move || {
        let edges = page.way.with(|way| way.as_ref().and_then(|way| way.edges.clone())).unwrap_or_default();
        let is_one = edges.len() == 1;
        let rows = edges.into_iter().flat_map(move |found| {
            let edge = found.edge;
            EDGE_METRICS.iter().skip(EDGE_METRICS_FOLLOWED).filter_map(move |metric| {
                let value = edge.metrics.get(metric.id).copied()?;
                let label = if is_one { metric.label.to_owned() } else { format!(":{} {}", edge.port, metric.label) };
                Some((label, text::edge_metric(metric.format, value)))
            })
        });
        rows.collect::<Vec<_>>()
    };
    let rows = Memo::new(move |_| rows());
    view! {
        <Show when=move || rows.with(|rows| !rows.is_empty())>
            <section>
                <h3>"Since it was first there"</h3>
                <dl class="info">
                    {move || rows.get().into_iter().map(|(label, words)| view! { <dt>{label}</dt><dd>{words}</dd> }).collect_view()}
                </dl>
            </section>
        </Show>
    }
}
