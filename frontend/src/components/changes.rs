//! Who came and who went in the last minutes, as a list, and marked on the graph.

use leptos::prelude::*;

use super::icon::{self, Icon};
use super::popover::{Opener, picks};
use crate::app::Page;
use crate::changes::WINDOWS;
use crate::{text, times};

/// The newest so many are listed.
const LISTED: usize = 60;

#[component]
pub fn Changes() -> impl IntoView {
    let page = expect_context::<Page>();
    let said = Signal::derive(move || match page.marks.get() {
        Some(marks) => format!("{} new, {} gone", marks.new.len(), marks.gone.len() + marks.unnamed),
        None => "Changes".to_owned(),
    });
    let is_on = Signal::derive(move || page.marks.with(Option::is_some));
    view! { <Opener open=page.changes_open title="Who came and who went (c)" icon="clock" said is_on/> }
}

/// What the button opens, over the stage.
#[component]
pub fn Panel() -> impl IntoView {
    let page = expect_context::<Page>();
    view! {
        <Show when=move || page.changes_open.get()>
            <div class="beyond" on:click=move |_| page.changes_open.set(false)></div>
            <Opened/>
        </Show>
    }
}

/// Somebody who came, or went.
#[derive(Clone, PartialEq)]
struct Change {
    at_ms: u64,
    id: String,
    label: String,
    minor: String,
    kind: String,
    came: bool,
}

#[component]
fn Opened() -> impl IntoView {
    let page = expect_context::<Page>();
    // Newest first, and how many are not listed.
    let list = Memo::new(move |_| {
        let marks = page.marks.get()?;
        page.structure.track();
        let mut all: Vec<Change> = page.model.with_value(|model| {
            let came = model.nodes.values().filter_map(|node| Some((*marks.new.get(&node.id)?, node, true)));
            let went = marks.gone.iter().map(|gone| (gone.at_ms, &gone.node, false));
            let change = |(at_ms, node, came): (u64, &shared::view::Summary, bool)| Change {
                at_ms,
                id: node.id.clone(),
                label: text::base_name(&node.label).to_owned(),
                minor: node.label_minor.clone(),
                kind: node.kind.clone(),
                came,
            };
            came.chain(went).map(change).collect()
        });
        all.sort_by(|a, b| b.at_ms.cmp(&a.at_ms).then_with(|| a.label.cmp(&b.label)));
        let more = all.len().saturating_sub(LISTED) + marks.unnamed;
        all.truncate(LISTED);
        Some((all, more))
    });
    let row = move |change: Change| {
        let Change { at_ms, id, label, minor, kind, came } = change;
        let at = at_ms as f64;
        let inside = view! {
            <span class="when" title=times::both(at)>{times::clock(at)}</span>
            <span class="sign">{if came { "came" } else { "went" }}</span>
            <Icon name=icon::of_kind(&kind)/>
            <span class="name" title=label.clone()>{text::shortened(&label, 30)}</span>
            <span class="minor">{text::shortened(&minor, 18)}</span>
        };
        match came {
            true => view! { <button class="change" on:click=move |_| page.select(Some(id.clone()))>{inside}</button> }
                .into_any(),
            false => view! { <div class="change went">{inside}</div> }.into_any(),
        }
    };
    view! {
        <section class="popover changes" role="dialog" aria-label="Who came and who went">
            <h2>"Mark who came and who went"</h2>
            {picks(
                "In the last minutes",
                std::iter::once(None).chain(WINDOWS.map(Some)).map(|minutes| {
                    (minutes, minutes.map_or("Off".to_owned(), |minutes| format!("{minutes}\u{2009}min")))
                }),
                move |minutes| page.route.with(|route| route.changes == *minutes),
                move |minutes| page.go(|route| route.changes = minutes),
            )}
            {move || match list.get() {
                None => view! {
                    <p class="hint">"New nodes get a dotted ring, those that went stay as faint outlines. It is known since this view was opened."</p>
                }.into_any(),
                Some((all, _)) if all.is_empty() => view! { <p class="hint">"Nobody came or went since this view was opened."</p> }.into_any(),
                Some((all, more)) => view! {
                    <div class="change-list">{all.into_iter().map(row).collect_view()}</div>
                    {(more > 0).then(|| view! { <p class="hint">{format!("and {} more", text::grouped(more))}</p> })}
                }.into_any(),
            }}
        </section>
    }
}
