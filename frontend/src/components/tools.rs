//! The header's tools: live or paused, a link to the view, commands, theme, help.

use leptos::prelude::*;

use super::icon::Icon;
use crate::app::Page;
use crate::connection::Link;
use crate::times;

#[component]
pub fn Tools() -> impl IntoView {
    let page = expect_context::<Page>();
    let copied = RwSignal::new(false);
    let copy = move |_| {
        copy_link();
        copied.set(true);
        set_timeout(move || copied.set(false), std::time::Duration::from_secs(2));
    };
    let is_paused = move || page.paused.with(Option::is_some);
    view! {
        <div class="live" class:lost=move || !page.is_live() class:paused=is_paused>
            <span class="words">
                <span class="dot"></span>
                {move || match page.link.get() {
                    Link::Live if is_paused() => "Paused",
                    Link::Live => "Live",
                    Link::Connecting => "Connecting",
                    Link::Lost { .. } => "Not live",
                }}
            </span>
            <button
                title=move || if is_paused() { "Resume (Space)" } else { "Pause (Space)" }
                aria-label=move || if is_paused() { "Resume" } else { "Pause" }
                on:click=move |_| page.toggle_pause()
            >
                {move || view! { <Icon name=if is_paused() { "play" } else { "pause" }/> }}
            </button>
        </div>
        <div class="tools">
            <button class="plain" aria-label="Copy a link to this view" on:click=copy
                title=move || if copied.get() { "Copied" } else { "Copy a link to this view" }>
                {move || view! { <Icon name=if copied.get() { "check" } else { "share" }/> }}
            </button>
            <button class="plain" title="Commands (Ctrl K)" aria-label="Commands" on:click=move |_| page.palette.set(true)>
                <Icon name="command"/>
            </button>
            <button
                class="plain"
                aria-label="Theme"
                title=move || format!("Theme: {}. Click for another", page.route.with(|route| route.appearance.label()))
                on:click=move |_| page.go(|route| route.appearance = route.appearance.next())
            >
                <Icon name="theme"/>
            </button>
            <button class="plain" title="Keys and search (?)" aria-label="Help" on:click=move |_| page.help.set(true)>
                <Icon name="help"/>
            </button>
        </div>
    }
}

/// Puts the address, which holds the page's state, on the clipboard.
pub fn copy_link() {
    let Some(window) = web_sys::window() else { return };
    if let Ok(address) = window.location().href() {
        let _ = window.navigator().clipboard().write_text(&address);
    }
}

/// What is shown is not what is: since when, and how much waits.
#[component]
pub fn Paused() -> impl IntoView {
    let page = expect_context::<Page>();
    move || {
        page.paused.get().map(|since_ms| {
            let at = times::clock(since_ms);
            let waits = move || match page.waiting.get() {
                0 => "Nothing changed since.".to_owned(),
                1 => "1 change waits.".to_owned(),
                count => format!("{} changes wait.", crate::text::grouped(count)),
            };
            view! {
                <div class="banner calm" role="status">
                    <Icon name="pause"/>
                    <div><b title=times::both(since_ms)>{format!("Paused at {at}.")}</b><span>{waits}</span></div>
                    <button on:click=move |_| page.resume()>"Resume"</button>
                </div>
            }
        })
    }
}

/// For a screen on a wall: the time, and whether what is shown is of now.
#[component]
pub fn WallClock() -> impl IntoView {
    let page = expect_context::<Page>();
    let now = Memo::new(move |_| times::minute(page.clock.get()));
    view! {
        <Show when=move || page.route.with(|route| route.kiosk)>
            <div class="wall-clock" class:lost=move || !page.is_live()>
                <span class="dot"></span>
                <b title=move || times::both(page.clock.get())>{now}</b>
                <span>{move || if page.is_live() { "live" } else { "not live" }}</span>
            </div>
        </Show>
    }
}
