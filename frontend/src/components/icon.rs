//! Icons of one family: 16 px, strokes of 1.5, no fills.

use leptos::prelude::*;

#[component]
pub fn Icon(#[prop(into)] name: String) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=path(&name)/></svg>
    }
}

/// The mark of a warning: a triangle with a bang.
#[component]
pub fn Warning() -> impl IntoView {
    view! {
        <svg class="glyph" viewBox="0 0 14 14" role="img" aria-label="warning">
            <path class="warn" d="M7 1.6l5.9 10.6H1.1z"/>
            <path class="on-warn" d="M7 5.2v3.1M7 10.6h.01"/>
        </svg>
    }
}

/// The mark of a finding: an octagon with a cross, or a triangle with a bang.
#[component]
pub fn Glyph(#[prop(into)] severity: String) -> impl IntoView {
    match severity.as_str() {
        "failing" => view! {
            <svg class="glyph" viewBox="0 0 14 14" role="img" aria-label="failing">
                <path class="bad" d="M4.4 1h5.2L13 4.4v5.2L9.6 13H4.4L1 9.6V4.4z"/>
                <path class="on-bad" d="M5 5l4 4M9 5l-4 4"/>
            </svg>
        }
        .into_any(),
        _ => Warning().into_any(),
    }
}

#[component]
pub fn Logo() -> impl IntoView {
    view! {
        <svg class="logo" viewBox="0 0 20 20" fill="none" aria-hidden="true">
            <path class="outer" d="M10 1.6l7.3 4.2v8.4L10 18.4l-7.3-4.2V5.8z"/>
            <path class="inner" d="M10 6.1v3.4M10 9.5L6.4 13M10 9.5l3.6 3.5"/>
            <circle class="dot" cx="10" cy="5.7" r="1.5"/>
        </svg>
    }
}

/// The icon of a node's kind.
pub fn of_kind(kind: &str) -> &'static str {
    match kind {
        "container" => "container",
        "host" | "node" | "peer" => "host",
        "image" => "image",
        "network" => "network",
        "interface" => "interface",
        "outside" => "outside",
        "service" | "task" | "stack" => "service",
        "daemon" => "daemon",
        _ => "process",
    }
}

/// The icon of a topology's nodes.
pub fn of_topology(id: &str) -> &'static str {
    match id {
        "processes" => "process",
        "containers" => "container",
        "containers-by-image" => "image",
        "hosts" | "swarm-nodes" | "weave" => "host",
        "swarm-services" | "swarm-tasks" | "containers-by-stack" => "service",
        "daemons" => "daemon",
        "interfaces" => "interface",
        _ => "network",
    }
}

/// The icon of a daemon, by its rank.
pub fn of_daemon(rank: &str) -> &'static str {
    match rank {
        "engine" => "container",
        "swarm" => "service",
        "weave" => "network",
        _ => "daemon",
    }
}

fn path(name: &str) -> &'static str {
    match name {
        "container" => "M8 1.75l5.4 3.12v6.26L8 14.25l-5.4-3.12V4.87z",
        "process" => {
            "M4.5 2.75h7a1.75 1.75 0 0 1 1.75 1.75v7a1.75 1.75 0 0 1-1.75 1.75h-7a1.75 1.75 0 0 1-1.75-1.75v-7A1.75 1.75 0 0 1 4.5 2.75z"
        }
        "service" => "M8 1.9l4.85 2.34 1.2 5.24-3.36 4.2H5.31l-3.36-4.2 1.2-5.24z",
        "host" => {
            "M3.5 2.75h9a.75.75 0 0 1 .75.75v3a.75.75 0 0 1-.75.75h-9a.75.75 0 0 1-.75-.75v-3a.75.75 0 0 1 .75-.75zM3.5 8.75h9a.75.75 0 0 1 .75.75v3a.75.75 0 0 1-.75.75h-9a.75.75 0 0 1-.75-.75v-3a.75.75 0 0 1 .75-.75zM5.25 5h.01M5.25 11h.01"
        }
        "image" => "M8 2.25l5.75 2.9L8 8.05l-5.75-2.9zM2.25 8L8 10.9 13.75 8M2.25 10.85L8 13.75l5.75-2.9",
        "network" => {
            "M1.5 8h2.25M7.15 8h1.7M12.25 8h2.25M7.15 8a1.7 1.7 0 1 1-3.4 0 1.7 1.7 0 0 1 3.4 0zM12.25 8a1.7 1.7 0 1 1-3.4 0 1.7 1.7 0 0 1 3.4 0z"
        }
        "interface" => "M3 3h10v7.25h-2.5V13h-5v-2.75H3zM6 3v2.75M8 3v2.75M10 3v2.75",
        "outside" => "M4.6 12.5a2.9 2.9 0 0 1-.35-5.78 3.9 3.9 0 0 1 7.5-.5 3.2 3.2 0 0 1-.2 6.28z",
        "daemon" => "M1.75 8.5h2.9l1.75-5 3.1 9 1.75-4h3",
        "board" => "M2.5 2.75h2.75v10.5H2.5zM6.6 2.75h2.8v10.5H6.6zM10.75 2.75h2.75v10.5h-2.75z",
        "graph" => {
            "M9.75 3.75a1.75 1.75 0 1 1-3.5 0 1.75 1.75 0 0 1 3.5 0zM5.5 12.25a1.75 1.75 0 1 1-3.5 0 1.75 1.75 0 0 1 3.5 0zM14 12.25a1.75 1.75 0 1 1-3.5 0 1.75 1.75 0 0 1 3.5 0zM7.2 5.35l-2.6 5.3M8.8 5.35l2.6 5.3"
        }
        "table" => "M2.25 3.25h11.5v9.5H2.25zM2.25 6.4h11.5M2.25 9.6h11.5M6.4 6.4v6.35",
        "search" => "M11.25 7a4.25 4.25 0 1 1-8.5 0 4.25 4.25 0 0 1 8.5 0zM10.1 10.1l3.4 3.4",
        "close" => "M4 4l8 8M12 4l-8 8",
        "check" => "M3 8.5l3.25 3.25L13 4.75",
        "right" => "M6.25 3.75L10.5 8l-4.25 4.25",
        "down" => "M3.75 6.25L8 10.5l4.25-4.25",
        "sort" => "M8 3v10M4.5 9.5L8 13l3.5-3.5",
        "share" => {
            "M6.75 9.25l2.5-2.5M7.25 4.6l1.4-1.4a2.9 2.9 0 0 1 4.1 4.1l-1.4 1.4M8.75 11.4l-1.4 1.4a2.9 2.9 0 0 1-4.1-4.1l1.4-1.4"
        }
        "bookmark" => "M4.25 2.5h7.5v11L8 10.75 4.25 13.5z",
        "braces" => {
            "M6 2.5c-1.6 0-2 .7-2 2v1.75C4 7.3 3.5 8 2.5 8 3.5 8 4 8.7 4 9.75v1.75c0 1.3.4 2 2 2M10 2.5c1.6 0 2 .7 2 2v1.75c0 1.05.5 1.75 1.5 1.75-1 0-1.5.7-1.5 1.75v1.75c0 1.3-.4 2-2 2"
        }
        "pause" => "M5.5 3.5v9M10.5 3.5v9",
        "play" => "M5 3.25l7.5 4.75L5 12.75z",
        "command" => {
            "M5.75 5.75h4.5v4.5h-4.5zM5.75 5.75V4a1.75 1.75 0 1 0-1.75 1.75zM10.25 5.75H12A1.75 1.75 0 1 0 10.25 4zM10.25 10.25V12A1.75 1.75 0 1 0 12 10.25zM5.75 10.25H4A1.75 1.75 0 1 0 5.75 12z"
        }
        "download" => "M8 2.5v7.25M4.75 6.75L8 10l3.25-3.25M2.75 13.25h10.5",
        "theme" => "M13.75 8a5.75 5.75 0 1 1-11.5 0 5.75 5.75 0 0 1 11.5 0zM8 2.25v11.5M8 5l4.6-.4M8 8h5.6M8 11h4.6",
        "help" => {
            "M13.75 8a5.75 5.75 0 1 1-11.5 0 5.75 5.75 0 0 1 11.5 0zM6.4 6.4A1.65 1.65 0 0 1 8 5.1c.95 0 1.65.6 1.65 1.45C9.65 7.75 8 7.8 8 9M8 11h.01"
        }
        "noeye" => {
            "M2.5 2.5l11 11M6.5 4.1A6.6 6.6 0 0 1 8 3.9c3.6 0 5.6 2.9 6.2 4.1-.25.5-.75 1.25-1.5 2M4.4 5.2C3 6.1 2.1 7.4 1.8 8c.6 1.2 2.6 4.1 6.2 4.1 1 0 1.85-.2 2.6-.55M6.7 6.75a1.8 1.8 0 0 0 2.5 2.5"
        }
        "pin" => "M6 2.25h4l-.5 4.5 2.25 2.5h-7.5l2.25-2.5zM8 9.25v4.5",
        "bars" => "M2.5 3h11v2.5h-11zM2.5 6.75h7.25v2.5H2.5zM2.5 10.5h4.5V13H2.5z",
        "clock" => "M13.75 8a5.75 5.75 0 1 1-11.5 0 5.75 5.75 0 0 1 11.5 0zM8 4.75V8l2.25 1.5",
        "plus" => "M8 3.25v9.5M3.25 8h9.5",
        "minus" => "M3.25 8h9.5",
        "fit" => "M2.5 5.75V2.5h3.25M13.5 5.75V2.5h-3.25M2.5 10.25v3.25h3.25M13.5 10.25v3.25h-3.25",
        "layout" => "M6 2.25h4v3H6zM2 10.75h4v3H2zM10 10.75h4v3h-4zM8 5.25V8M4 10.75V8h8v2.75",
        "info" => "M13.75 8a5.75 5.75 0 1 1-11.5 0 5.75 5.75 0 0 1 11.5 0zM8 7.4v3.4M8 5.1h.01",
        "flag" => "M3.5 14V2.5h8.25L10 5.75 11.75 9H3.5",
        "copy" => "M5.75 5.75h7.5v7.5h-7.5zM10.25 5.75v-3h-7.5v7.5h3",
        "menu" => "M2.75 4.5h10.5M2.75 8h10.5M2.75 11.5h10.5",
        "refresh" => "M13 8a5 5 0 1 1-1.6-3.66M11.6 1.9v2.6H9",
        _ => "M13.75 8a5.75 5.75 0 1 1-11.5 0 5.75 5.75 0 0 1 11.5 0z",
    }
}
