//! What a narrow screen has at its foot, in reach of a thumb: the views, what is wrong, and everything else.

use leptos::prelude::*;

use super::findings;
use super::icon::{Glyph, Icon};
use crate::app::Page;
use crate::tab::Tab;

#[component]
pub fn Tabs() -> impl IntoView {
    let page = expect_context::<Page>();
    let chosen = Memo::new(move |_| page.route.with(Tab::of));
    let count = findings::counted(page);
    let tab = move |tab: Tab, icon: &'static str, word: &'static str| {
        let current = move || chosen.get() == Some(tab);
        let worst = move || {
            let count = count.get();
            let severity = if count.failing > 0 { "failing" } else { "warning" };
            let number = count.failing + count.warning;
            (tab == Tab::Findings && number > 0).then(|| view! { <span class="badge"><Glyph severity/>{number}</span> })
        };
        view! {
            <button
                class:on=current
                aria-current=move || if current() { "page" } else { "false" }
                on:click=move |_| page.go(|route| tab.open(route))
            ><Icon name=icon/>{worst}<span>{word}</span></button>
        }
    };
    view! {
        <nav class="tabs" aria-label="Views">
            {tab(Tab::Graph, "graph", "Graph")}
            {tab(Tab::Table, "table", "Table")}
            {tab(Tab::Networks, "network", "Networks")}
            {tab(Tab::Findings, "flag", "Findings")}
            <button aria-haspopup="dialog" on:click=move |_| page.palette.set(true)><Icon name="menu"/><span>"More"</span></button>
        </nav>
    }
}
