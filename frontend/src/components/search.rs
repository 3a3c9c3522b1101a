//! The search box: filters that are kept, what is typed, what it finds, and what may be typed next.

use std::time::Duration;

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::icon::{self, Icon, Warning};
use crate::app::Page;
use crate::route::Route;
use crate::search::{self, Suggestion};
use crate::text;

/// A hand that pauses so long has typed what it wanted to, or wonders.
const RESTS: Duration = Duration::from_millis(120);

#[component]
pub fn Search() -> impl IntoView {
    let page = expect_context::<Page>();
    let input = NodeRef::<html::Input>::new();
    let open = RwSignal::new(false);
    let active = RwSignal::new(None::<usize>);
    let typed = move || page.route.with(|route| route.search.clone());
    // What is found is marked at once; what could be typed next comes when the hand rests.
    let rested = RwSignal::new(String::new());
    Effect::new(move |_| {
        let now = typed();
        set_timeout(
            move || {
                if untrack(typed) == now && rested.with_untracked(|before| *before != now) {
                    rested.set(now);
                }
            },
            RESTS,
        );
    });
    // Which fields there are changes with the nodes, and not with what is typed.
    let fields = Memo::new(move |_| {
        page.membership.track();
        page.model.with_value(|model| search::known(&model.nodes))
    });
    let suggestions = Memo::new(move |before: Option<&Vec<Suggestion>>| {
        let at_rest = rested.get();
        if !open.get() || at_rest.trim().is_empty() {
            return Vec::new();
        }
        let found = page.found();
        page.structure.track();
        // Who types on wants to see what that finds first.
        if untrack(typed) != at_rest {
            return before.cloned().unwrap_or_default();
        }
        let (matches, completions) = page.model.with_value(|model| {
            fields.with(|fields| search::suggest(&at_rest, &model.nodes, fields, found.as_deref()))
        });
        matches.into_iter().chain(completions).collect::<Vec<_>>()
    });
    let count = move || {
        page.found().map(|found| {
            let all = page.model.with_value(|m| m.nodes.len());
            format!("{} of {}", text::grouped(found.len()), text::grouped(all))
        })
    };
    let take = move |suggestion: Suggestion| {
        active.set(None);
        match suggestion {
            Suggestion::Match { id, .. } => {
                open.set(false);
                page.select(Some(id));
            }
            Suggestion::Completion { whole, .. } => page.adjust(|route| route.search = whole),
        }
    };
    let key = move |event: web_sys::KeyboardEvent| {
        // Who goes on by keyboard goes on with what is typed now.
        if matches!(event.key().as_str(), "ArrowDown" | "ArrowUp" | "Tab") {
            let now = untrack(typed);
            if rested.with_untracked(|before| *before != now) {
                rested.set(now);
            }
        }
        let offered = suggestions.get_untracked();
        let chosen = active.get_untracked().and_then(|n| offered.get(n).cloned());
        match event.key().as_str() {
            "ArrowDown" | "ArrowUp" if !offered.is_empty() => {
                event.prevent_default();
                let last = offered.len() - 1;
                active.update(|active| {
                    *active = match (*active, event.key() == "ArrowDown") {
                        (None, true) => Some(0),
                        (None, false) => Some(last),
                        (Some(n), true) => (n < last).then_some(n + 1),
                        (Some(n), false) => n.checked_sub(1),
                    }
                });
            }
            "Enter" => match chosen {
                Some(chosen) => take(chosen),
                None => page.go(keep),
            },
            "Tab" if !event.shift_key() => {
                let first = || offered.iter().find(|one| matches!(one, Suggestion::Completion { .. })).cloned();
                let is_completion = |one: &Suggestion| matches!(one, Suggestion::Completion { .. });
                if let Some(completion) = chosen.filter(is_completion).or_else(first) {
                    event.prevent_default();
                    take(completion);
                }
            }
            // What was kept last is typed again.
            "Backspace" if page.route.with_untracked(|route| route.search.is_empty()) => {
                page.adjust(|route| route.search = route.filters.pop().unwrap_or_default());
            }
            "Escape" if open.get_untracked() && !offered.is_empty() => {
                event.stop_propagation();
                open.set(false);
            }
            _ => open.set(true),
        }
    };
    let hint = Memo::new(move |_| {
        page.membership.track();
        let examples = page.model.with_value(|model| search::examples(&model.nodes));
        format!("Search or filter: {}", if examples.is_empty() { "redis, host:h3".into() } else { examples.join(", ") })
    });
    let offer = move |n: usize, suggestion: Suggestion| {
        let taken = suggestion.clone();
        view! {
            <button
                class="suggestion"
                id=format!("suggestion-{n}")
                role="option"
                tabindex="-1"
                class:on=move || active.get() == Some(n)
                aria-selected=move || if active.get() == Some(n) { "true" } else { "false" }
                on:click=move |_| take(taken.clone())
            >{shown(suggestion)}</button>
        }
    };
    view! {
        <div class="search-box" role="search">
            <label class="search" class:wrong=move || page.searching.mistake.with(Option::is_some)>
                <Icon name="search"/>
                {move || page.route.with(|route| route.filters.clone()).into_iter().enumerate().map(|(n, filter)| {
                    view! { <Chip n filter/> }
                }).collect_view()}
                <input
                    node_ref=input
                    id="search"
                    type="text"
                    autocomplete="off"
                    spellcheck="false"
                    role="combobox"
                    aria-label="Search"
                    aria-controls="suggestions"
                    aria-expanded=move || if suggestions.with(Vec::is_empty) { "false" } else { "true" }
                    aria-activedescendant=move || active.get().map(|n| format!("suggestion-{n}"))
                    placeholder=move || match page.route.with(|route| route.filters.is_empty()) {
                        true => hint.get(),
                        false => "Add a filter".into(),
                    }
                    prop:value=typed
                    on:input=move |event| {
                        open.set(true);
                        active.set(None);
                        page.adjust(|route| route.search = event_target_value(&event));
                    }
                    on:focus=move |_| open.set(true)
                    on:blur=move |_| open.set(false)
                    on:keydown=key
                />
                <span class="hits">{count}</span>
                <Show when=move || page.route.with(|route| !route.search.is_empty())>
                    <button class="plain clear" aria-label="Clear the search" title="Clear" on:mousedown=|event| event.prevent_default()
                        on:click=move |_| page.adjust(|route| route.search.clear())><Icon name="close"/></button>
                </Show>
                <kbd>"/"</kbd>
            </label>
            {move || page.searching.mistake.get().map(|mistake| view! {
                <div class="mistake" role="alert">
                    <Warning/>
                    <div>
                        <code>{mistake.before}<mark>{if mistake.from.is_empty() { " ".into() } else { mistake.from }}</mark></code>
                        <span>{mistake.why}</span>
                    </div>
                </div>
            })}
            <Show when=move || !suggestions.with(Vec::is_empty) && page.searching.mistake.with(Option::is_none)>
                // A press must not take the focus from the box before it is a click.
                <div class="suggestions" on:mousedown=|event| event.prevent_default()>
                    <div id="suggestions" role="listbox" aria-label="Suggestions">
                        {move || {
                            let all: Vec<(usize, Suggestion)> = suggestions.get().into_iter().enumerate().collect();
                            let is_match = |(_, one): &(usize, Suggestion)| matches!(one, Suggestion::Match { .. });
                            let (matches, completions) = all.into_iter().partition(is_match);
                            [("Matches", matches), ("Goes on with", completions)].map(|(title, all): (_, Vec<_>)| {
                                (!all.is_empty()).then(|| view! {
                                    <div role="group" aria-label=title>
                                        <h6 aria-hidden="true">{title}</h6>
                                        {all.into_iter().map(|(n, suggestion)| offer(n, suggestion)).collect_view()}
                                    </div>
                                })
                            })
                        }}
                    </div>
                    <div class="suggestions-foot">
                        <span><kbd>"Enter"</kbd>" keep as filter"</span>
                        <span><kbd>"Tab"</kbd>" complete"</span>
                        <button on:click=move |_| page.help.set(true)>"Syntax"</button>
                    </div>
                </div>
            </Show>
        </div>
    }
}

/// What was typed is a filter from now on, if it can be read.
fn keep(route: &mut Route) {
    let typed = route.search.trim().to_owned();
    if typed.is_empty() || shared::query::Query::parse(&typed).is_err() {
        return;
    }
    route.search.clear();
    if !route.filters.contains(&typed) {
        route.filters.push(typed);
    }
}

#[component]
fn Chip(n: usize, filter: String) -> impl IntoView {
    let page = expect_context::<Page>();
    let wrong = shared::query::Query::parse(&filter).err().map(|wrong| wrong.message);
    let title = match &wrong {
        Some(why) => format!("Not used: {why}"),
        None => format!("{filter}: only what matches is shown. Click to change it"),
    };
    let edit = move |_| {
        page.go(|route| {
            keep(route);
            if n < route.filters.len() {
                route.search = route.filters.remove(n);
            }
        });
        focus();
    };
    view! {
        <span class="chip" class:wrong=wrong.is_some()>
            <button class="words" title=title on:click=edit>{text::shortened(&filter, 28)}</button>
            <button
                class="remove"
                aria-label=format!("Remove the filter {filter}")
                title="Remove"
                on:click=move |_| page.go(|route| if n < route.filters.len() { route.filters.remove(n); })
            ><Icon name="close"/></button>
        </span>
    }
}

fn shown(suggestion: Suggestion) -> impl IntoView {
    match suggestion {
        Suggestion::Match { kind, label, minor, reason, .. } => view! {
            <Icon name=icon::of_kind(&kind)/>
            <span class="name" title=label.clone()>{text::shortened(&label, 36)}</span>
            <span class="minor">{text::shortened(&minor, 24)}</span>
            <span class="reason">{reason}</span>
        }
        .into_any(),
        Suggestion::Completion { shown, what, count, .. } => view! {
            <Icon name="search"/>
            <span class="name" title=shown.clone()>{text::shortened(&shown, 44)}</span>
            <span class="minor">{what}</span>
            <span class="count">{text::plural(count, "node", "nodes")}</span>
        }
        .into_any(),
    }
}

/// Puts the cursor into the box.
pub fn focus() {
    if let Some(input) = web_sys::window().and_then(|w| w.document()?.get_element_by_id("search")) {
        let _ = input.unchecked_into::<web_sys::HtmlElement>().focus();
    }
}
