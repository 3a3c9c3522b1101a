//! How the graph is arranged: its layout, what nodes are put together by, what the thickness and the colour of lines say.

use leptos::prelude::*;

use super::icon::Icon;
use super::popover::{Opener, picks};
use crate::app::Page;
use crate::folding::{self, Folds};
use crate::layout::Manner;
use crate::route::Mode;
use crate::strand::By;

#[component]
pub fn Arrangement() -> impl IntoView {
    let page = expect_context::<Page>();
    let said = Signal::derive(move || {
        let manner = page.route.with(|route| route.manner.label());
        page.grouped_by().map_or(manner.to_owned(), |by| format!("{manner}, by {}", folding::word(&by)))
    });
    view! { <Opener open=page.arrangement title="How the graph is arranged (l)" icon="layout" said/> }
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
    let mine = move |id: String| Memo::new(move |_| by.with(|by| *by == id));
    let group = move |id: String| page.go(|route| (route.group, route.folds) = (Some(id), Folds::default()));
    view! {
        <section class="popover arrangement" role="dialog" aria-label="How the graph is arranged">
            <h2>"Layout"</h2>
            {picks(
                "Layout",
                Manner::ALL.map(|one| (one, one.label().to_owned())),
                move |one| page.route.with(|route| route.manner == *one),
                move |one| page.go(|route| route.manner = one),
            )}
            <Show when=move || page.groupings.with(|offered| !offered.is_empty())>
                <h2>"Group by"</h2>
                {move || {
                    let nothing = (String::new(), "nothing".to_owned());
                    let all = page.groupings.get().into_iter().map(|id| { let word = folding::word(&id); (id, word) });
                    picks(
                        "Group by",
                        std::iter::once(nothing).chain(all).collect::<Vec<_>>(),
                        move |id| by.with(|by| by == id),
                        group,
                    )
                }}
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
            {picks(
                "Thickness of lines",
                By::ALL.map(|one| (one, one.label().to_owned())),
                move |one| page.route.with(|route| route.lines == *one),
                move |one| page.go(|route| route.lines = one),
            )}
            <h2>"Colour of lines"</h2>
            {picks(
                "Colour of lines",
                std::iter::once(None).chain(By::ALL.map(Some)).map(|one| (one, one.map_or("nothing", By::label).to_owned())),
                move |one| page.route.with(|route| route.tint == *one),
                move |one| page.go(|route| route.tint = one),
            )}
        </section>
    }
}
