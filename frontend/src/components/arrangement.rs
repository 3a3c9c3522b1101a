//! How the graph is arranged: its layout, what nodes are put together by, what the thickness of lines says.

use leptos::prelude::*;

use super::icon::Icon;
use crate::app::Page;
use crate::folding::{self, Folds};
use crate::layout::Manner;
use crate::route::Mode;
use crate::strand::By;

#[component]
pub fn Arrangement() -> impl IntoView {
    let page = expect_context::<Page>();
    let open = page.arrangement;
    let said = move || {
        let manner = page.route.with(|route| route.manner.label());
        page.grouped_by().map_or(manner.to_owned(), |by| format!("{manner}, by {}", folding::word(&by)))
    };
    view! {
        <button
            class="choice arrange"
            title="How the graph is arranged (l)"
            aria-haspopup="dialog"
            aria-expanded=move || if open.get() { "true" } else { "false" }
            on:click=move |_| open.update(|open| *open = !*open)
        >
            <Icon name="layout"/>
            {said}
            <Icon name="down"/>
        </button>
    }
}

/// What the button opens, over the stage.
#[component]
pub fn Panel() -> impl IntoView {
    let page = expect_context::<Page>();
    view! {
        <Show when=move || page.arrangement.get() && page.route.with(|route| route.mode == Mode::Graph)>
            <div class="beyond" on:click=move |_| page.arrangement.set(false)></div>
            <Opened/>
        </Show>
    }
}

#[component]
fn Opened() -> impl IntoView {
    let page = expect_context::<Page>();
    let by = Memo::new(move |_| page.grouped_by().unwrap_or_default());
    let manner = move |one: Manner| move || page.route.with(|route| route.manner == one);
    let lines = move |one: By| move || page.route.with(|route| route.lines == one);
    let mine = move |id: String| Memo::new(move |_| by.with(|by| *by == id));
    let group = move |id: String| page.go(|route| (route.group, route.folds) = (Some(id), Folds::default()));
    view! {
        <section class="popover arrangement" role="dialog" aria-label="How the graph is arranged">
            <h2>"Layout"</h2>
            <div class="picks" role="radiogroup" aria-label="Layout">
                {Manner::ALL.map(|one| view! {
                    <button
                        role="radio"
                        class:on=manner(one)
                        aria-checked=move || manner(one)().to_string()
                        on:click=move |_| page.go(|route| route.manner = one)
                    >{one.label()}</button>
                })}
            </div>
            <Show when=move || page.groupings.with(|offered| !offered.is_empty())>
                <h2>"Group by"</h2>
                <div class="picks" role="radiogroup" aria-label="Group by">
                    {move || std::iter::once(String::new()).chain(page.groupings.get()).map(|id| {
                        let is_mine = mine(id.clone());
                        let word = if id.is_empty() { "nothing".to_owned() } else { folding::word(&id) };
                        view! {
                            <button
                                role="radio"
                                class:on=move || is_mine.get()
                                aria-checked=move || is_mine.get().to_string()
                                on:click=move |_| group(id.clone())
                            >{word}</button>
                        }
                    }).collect_view()}
                </div>
                <Show when=move || page.labels.with(|labels| !folding::offered_labels(labels).is_empty())>
                    <select
                        class="pick"
                        class:on=move || by.with(|by| by.starts_with(folding::LABEL))
                        aria-label="Group by a label"
                        prop:value=move || by.with(|by| if by.starts_with(folding::LABEL) { by.clone() } else { String::new() })
                        on:change=move |event| group(event_target_value(&event))
                    >
                        <option value="">"by a label"</option>
                        {move || page.labels.with(|labels| folding::offered_labels(labels)).into_iter().map(|label| {
                            let id = format!("{}{label}", folding::LABEL);
                            let is_mine = mine(id.clone());
                            view! { <option value=id selected=move || is_mine.get()>{label}</option> }
                        }).collect_view()}
                    </select>
                </Show>
                <Show when=move || by.with(|by| !by.is_empty())>
                    <p class="hint">"A click on a group opens it, on its title folds it."</p>
                    <div class="picks">
                        <button on:click=move |_| page.fold_all(true)><Icon name="minus"/>"Fold all"</button>
                        <button on:click=move |_| page.fold_all(false)><Icon name="plus"/>"Open all"</button>
                    </div>
                </Show>
            </Show>
            <h2>"Thickness of lines (e)"</h2>
            <div class="picks" role="radiogroup" aria-label="Thickness of lines">
                {By::ALL.map(|one| view! {
                    <button
                        role="radio"
                        class:on=lines(one)
                        aria-checked=move || lines(one)().to_string()
                        on:click=move |_| page.go(|route| route.lines = one)
                    >{one.label()}</button>
                })}
            </div>
            <h2>"Colour of lines"</h2>
            <div class="picks" role="radiogroup" aria-label="Colour of lines">
                {std::iter::once(None).chain(By::ALL.map(Some)).map(|one| {
                    let is_mine = move || page.route.with(|route| route.tint == one);
                    view! {
                        <button
                            role="radio"
                            class:on=is_mine
                            aria-checked=move || is_mine().to_string()
                            on:click=move |_| page.go(|route| route.tint = one)
                        >{one.map_or("nothing", By::label)}</button>
                    }
                }).collect_view()}
            </div>
        </section>
    }
}
