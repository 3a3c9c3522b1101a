//! The networks of the nodes, with their lines.

use leptos::prelude::*;

use crate::app::Page;
use crate::lines::slot_of;
use crate::model::Model;
use crate::text;

/// So many networks have a line of their own; of the others it is said how many they are.
const LISTED: usize = 6;

/// The networks of the nodes, with their lines: one is previewed under the pointer, and pinned by a click.
#[component]
pub fn Networks() -> impl IntoView {
    let page = expect_context::<Page>();
    let networks = Memo::new(move |_| {
        page.structure.track();
        page.model.with_value(Model::networks)
    });
    let pinned = move || page.route.with(|route| route.network.clone());
    // The pinned one is always among those listed.
    let listed = move || {
        let all = networks.get();
        let pinned = pinned();
        let is_pinned = |name: &str| pinned.as_deref() == Some(name);
        let shown = all.iter().enumerate().filter(|(n, (name, _))| *n < LISTED || is_pinned(name));
        let shown: Vec<(String, usize)> = shown.map(|(_, one)| one.clone()).collect();
        let more = all.len() - shown.len();
        (shown, more)
    };
    view! {
        <Show when=move || networks.with(|list| !list.is_empty())>
            <div class="networks" role="group" aria-label="Networks">
                <span class="title">"Networks"</span>
                {move || {
                    let (shown, more) = listed();
                    let entries = shown.into_iter().map(|(name, count)| {
                        let slot = slot_of(&name);
                        let colour = format!("--line: var(--n-{})", slot + 1);
                        let (over, click, pressed) = (name.clone(), name.clone(), name.clone());
                        let is_pinned = move || pinned().as_ref() == Some(&pressed);
                        let on = is_pinned.clone();
                        let toggle = move |_| {
                            let now = page.route.with_untracked(|route| route.network.as_ref() == Some(&click));
                            page.pin_network((!now).then(|| click.clone()));
                        };
                        view! {
                            <button
                                class="network"
                                class:on=on
                                aria-pressed=move || if is_pinned() { "true" } else { "false" }
                                title=format!("{name}: {}. Click to keep its members lit (w)", text::plural(count, "member", "members"))
                                on:click=toggle
                                on:pointerenter=move |_| page.previewed.set(Some(over.clone()))
                                on:pointerleave=move |_| page.previewed.set(None)
                            >
                                <span class=format!("line line-{}", slot + 1) style=colour></span>
                                {text::shortened(&name, 22)}
                                <span class="count">{count}</span>
                            </button>
                        }
                    });
                    view! {
                        {entries.collect_view()}
                        {(more > 0).then(|| view! { <span class="count">{format!("and {more} more (w)")}</span> })}
                    }
                }}
            </div>
        </Show>
    }
}
