//! What is wrong: how much of it in the header, and each with what the sides say of it.

use leptos::prelude::*;
use shared::view::{Finding, FindingCount};

use super::icon::{Glyph, Icon};
use crate::app::Page;
use crate::causes::groups;
use crate::connection::now_ms;
use crate::route::Mode;
use crate::{text, times};

/// How bad the worst is of those that are open and of which this holds; nothing where there is none.
pub fn worst(page: Page, is_meant: impl Fn(&Finding) -> bool) -> &'static str {
    page.findings.with(|all| {
        let is =
            |severity: &str| all.iter().any(|one| one.state == "open" && one.severity == severity && is_meant(one));
        ["failing", "warning"].into_iter().find(|severity| is(severity)).unwrap_or_default()
    })
}

/// How many are open.
pub fn counted(page: Page) -> Memo<FindingCount> {
    Memo::new(move |_| {
        page.status.track();
        page.model.with_value(|model| model.status.findings)
    })
}

/// How many are open, in the header; leads to the list and back.
#[component]
pub fn Button() -> impl IntoView {
    let page = expect_context::<Page>();
    let count = counted(page);
    let is_open = move || page.route.with(|route| route.mode == Mode::Findings);
    let toggle = move |_| {
        page.go(|route| {
            route.mode = if route.mode == Mode::Findings { Mode::Graph } else { Mode::Findings };
            route.selected = None;
        });
    };
    let label = move || {
        let count = count.get();
        match (count.failing, count.warning) {
            (0, 0) => "No findings".to_owned(),
            (failing, warning) => format!("{failing} failing, {warning} warning"),
        }
    };
    view! {
        <button class="findings-button" class:on=is_open title=label aria-label=label aria-pressed=move || is_open().to_string() on:click=toggle>
            {move || {
                let count = count.get();
                let part = |severity: &'static str, number: u32| (number > 0).then(|| view! {
                    <span class="severity"><Glyph severity/><b>{number}</b></span>
                });
                view! {
                    {part("failing", count.failing)}
                    {part("warning", count.warning)}
                    <span class="what">{match count.failing + count.warning { 0 => "No findings", 1 => "finding", _ => "findings" }}</span>
                }
            }}
        </button>
    }
}

/// The list of them, and the chosen one in full.
#[component]
pub fn Findings() -> impl IntoView {
    let page = expect_context::<Page>();
    let cleared = RwSignal::new(false);
    let shown = Memo::new(move |_| {
        let state = if cleared.get() { "cleared" } else { "open" };
        page.findings.with(|all| all.iter().filter(|finding| finding.state == state).cloned().collect::<Vec<_>>())
    });
    let number = move |state: &'static str| {
        move || page.findings.with(|all| all.iter().filter(|finding| finding.state == state).count())
    };
    let chosen = Memo::new(move |_| {
        let wanted = page.route.with(|route| route.finding.clone());
        shown.with(|all| {
            all.iter().find(|finding| Some(&finding.id) == wanted.as_ref()).or_else(|| all.first()).cloned()
        })
    });
    let (open_count, cleared_count) = (number("open"), number("cleared"));
    view! {
        <div class="findings">
            <div class="found-list">
                <div class="segments" role="group" aria-label="State">
                    <button class:on=move || !cleared.get() on:click=move |_| cleared.set(false)>
                        {move || format!("Open {}", open_count())}
                    </button>
                    <button class:on=move || cleared.get() on:click=move |_| cleared.set(true)>
                        {move || format!("Cleared in the last hour {}", cleared_count())}
                    </button>
                </div>
                {move || shown.with(|all| groups(all)).into_iter().map(|(name, inside)| view! {
                    <h6>{name}</h6>
                    {inside.into_iter().map(|(finding, depth)| view! { <Entry finding depth chosen/> }).collect_view()}
                }).collect_view()}
                <Show when=move || shown.with(Vec::is_empty)>
                    <p class="nothing">
                        {move || match cleared.get() {
                            true => "Nothing was cleared in the last hour.",
                            false => "Nothing is wrong that Scope can see: what the daemons say and what the kernels have agree.",
                        }}
                    </p>
                </Show>
            </div>
            <div class="found" tabindex="0">
                {move || chosen.get().map(|finding| view! { <Whole finding/> })}
            </div>
        </div>
    }
}

#[component]
fn Entry(finding: Finding, depth: usize, chosen: Memo<Option<Finding>>) -> impl IntoView {
    let page = expect_context::<Page>();
    let id = finding.id.clone();
    let is_chosen = {
        let id = id.clone();
        move || chosen.with(|chosen| chosen.as_ref().is_some_and(|chosen| chosen.id == id))
    };
    let place = [finding.subject.label.clone(), finding.host.clone()];
    let place: Vec<String> = place.into_iter().filter(|part| !part.is_empty()).collect();
    let (first, last, open) = (finding.first_seen.clone(), finding.last_seen.clone(), finding.state == "open");
    let time = move || match open {
        true => since(&first, page.clock.get()),
        false => format!("{} ago", since(&last, page.clock.get())),
    };
    view! {
        <button
            class="found-entry"
            class:on=is_chosen
            class:below={depth > 0}
            on:click=move |_| page.adjust(|route| route.finding = Some(id.clone()))
        >
            <Glyph severity=finding.severity.clone()/>
            <b>{finding.summary.clone()}</b>
            <span class="place">{if depth > 0 { "follows from it".to_owned() } else { place.join(", ") }}</span>
            <span class="time">{time}</span>
        </button>
    }
}

#[component]
fn Whole(finding: Finding) -> impl IntoView {
    let page = expect_context::<Page>();
    let open = finding.state == "open";
    let (first, last) = (finding.first_seen.clone(), finding.last_seen.clone());
    let head = {
        let (first, last, severity) = (first.clone(), last.clone(), finding.severity.clone());
        move || match (open, severity.as_str()) {
            (true, "failing") => format!("Failing for {}", since(&first, page.clock.get())),
            (true, _) => format!("Warning for {}", since(&first, page.clock.get())),
            (false, _) => format!("Cleared {} ago", since(&last, page.clock.get())),
        }
    };
    let subject = finding.subject.clone();
    let show = {
        let subject = subject.clone();
        move |_| {
            page.go(|route| {
                route.topology.clone_from(&subject.topology_id);
                route.selected = Some(subject.id.clone());
                route.mode = Mode::Graph;
            });
        }
    };
    let copied = {
        let sides = finding.evidence.iter().map(|side| format!("{}:\n{}\n", side.source, side.says));
        format!("{}\nfirst seen {first}, last seen {last}\n{}", finding.summary, sides.collect::<String>())
    };
    let copy = move |_| {
        if let Some(window) = web_sys::window() {
            let _ = window.navigator().clipboard().write_text(&copied);
        }
    };
    let cause = finding
        .because
        .clone()
        .and_then(|id| page.findings.with_untracked(|all| all.iter().find(|other| other.id == id).cloned()));
    let first = times::parse(&first);
    view! {
        <p class="severity-line" class:failing={finding.severity == "failing" && open}>
            <Glyph severity=finding.severity.clone()/>{head}
        </p>
        <h2>{finding.summary.clone()}</h2>
        <p class="about">
            <span title=first.map(times::both)>"First seen " {first.map(times::local)}</span>
            {(!finding.host.is_empty()).then(|| view! { <span>{finding.host.clone()}</span> })}
            <code>{finding.kind.clone()}</code>
        </p>
        {cause.map(|cause| view! {
            <p class="cause">"Follows from: "<button on:click=move |_| page.adjust(|route| route.finding = Some(cause.id.clone()))>
                {cause.summary.clone()}
            </button></p>
        })}
        <div class="sides">
            {finding.evidence.iter().map(|side| view! {
                <div><h4>{side.source.clone()}</h4><pre>{side.says.clone()}</pre></div>
            }).collect_view()}
        </div>
        {(!finding.advice.is_empty()).then(|| view! { <h5>"What usually mends it"</h5><p>{finding.advice.clone()}</p> })}
        <div class="buttons">
            {(!subject.id.is_empty()).then(|| view! { <button class="primary" on:click=show>"Show "{subject.label.clone()}</button> })}
            <button on:click=copy><Icon name="copy"/>"Copy evidence"</button>
        </div>
    }
}

/// Of the selected node, in its card.
#[component]
pub fn OfNode(findings: Vec<Finding>) -> impl IntoView {
    let page = expect_context::<Page>();
    findings
        .into_iter()
        .map(|finding| {
            let id = finding.id.clone();
            let go = move |_| {
                page.go(|route| {
                    route.mode = Mode::Findings;
                    route.selected = None;
                    route.finding = Some(id.clone());
                });
            };
            view! {
                <button class="card-finding" class:failing={finding.severity == "failing"} on:click=go>
                    <Glyph severity=finding.severity.clone()/>
                    <span>{finding.summary.clone()}</span>
                </button>
            }
        })
        .collect_view()
}

/// Time since a moment as the app tells it.
fn since(rfc3339: &str, now: f64) -> String {
    let Some(then) = times::parse(rfc3339) else { return String::new() };
    text::duration(((now.max(now_ms() - 60_000.0) - then) / 1000.0).max(0.0) as u64)
}
