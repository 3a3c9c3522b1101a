//! The tokens of `assets/tokens.css`, as the canvas needs them.

use wasm_bindgen::JsCast;

use crate::appearance::Appearance;
use crate::storage;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Theme {
    pub canvas: String,
    pub grid: String,
    pub card: String,
    pub line: String,
    pub text: String,
    pub text_2: String,
    pub text_3: String,
    pub accent: String,
    pub edge: String,
    pub edge_lit: String,
    pub ring: String,
    pub metric: String,
    pub metric_line: String,
    pub bad: String,
    pub bad_text: String,
    pub on_bad: String,
    pub warn: String,
    pub on_warn: String,
    pub font: String,
    /// Of a node's outline and of the ring around one that is chosen, pixels.
    pub stroke: f64,
    pub ring_stroke: f64,
    /// How much is seen of what is not meant, 0 to 1.
    pub faded: f64,
    /// How much of the canvas's colour an edge has where it begins, 0 to 1.
    pub tail: f64,
    /// Fill and stroke, by kind.
    kinds: Vec<(&'static str, String, String)>,
    pub networks: [String; 6],
}

const KINDS: [&str; 8] = ["container", "process", "service", "host", "image", "network", "store", "outside"];

impl Theme {
    pub fn read() -> Self {
        let style = web_sys::window().and_then(|window| {
            let root = window.document()?.document_element()?;
            window.get_computed_style(&root).ok()?
        });
        let token = |name: &str| {
            let value = style.as_ref().and_then(|style| style.get_property_value(name).ok());
            value.unwrap_or_default().trim().to_owned()
        };
        let number = |name: &str, or| token(name).trim_end_matches("px").parse().unwrap_or(or);
        Self {
            canvas: token("--c-canvas"),
            grid: token("--c-grid"),
            card: token("--c-card"),
            line: token("--c-line-strong"),
            text: token("--c-text"),
            text_2: token("--c-text-2"),
            text_3: token("--c-text-3"),
            accent: token("--c-accent"),
            edge: token("--c-edge"),
            edge_lit: token("--c-edge-lit"),
            ring: token("--c-ring"),
            metric: token("--c-metric"),
            metric_line: token("--c-metric-line"),
            bad: token("--h-bad"),
            bad_text: token("--h-bad-text"),
            on_bad: token("--h-on-bad"),
            warn: token("--h-warn"),
            on_warn: token("--h-on-warn"),
            font: token("--font-ui"),
            stroke: number("--stroke-node", 1.5),
            ring_stroke: number("--stroke-ring", 2.0),
            faded: number("--o-faded", 0.2),
            tail: number("--o-tail", 0.6),
            kinds: KINDS
                .iter()
                .map(|kind| (*kind, token(&format!("--k-{kind}")), token(&format!("--k-{kind}-line"))))
                .collect(),
            networks: [1, 2, 3, 4, 5, 6].map(|n| token(&format!("--n-{n}"))),
        }
    }

    /// Fill and stroke of a node.
    pub fn kind(&self, kind: &str) -> (&str, &str) {
        let like = match kind {
            "task" | "stack" => "service",
            "node" | "peer" => "host",
            "daemon" => "store",
            "interface" => "network",
            kind => kind,
        };
        let found = self.kinds.iter().find(|(name, ..)| *name == like).or_else(|| self.kinds.last());
        found.map_or(("", ""), |(_, fill, line)| (fill, line))
    }
}

const LIGHT: &str = "(prefers-color-scheme: light)";
/// Under what the browser keeps what was chosen last.
const KEPT: &str = "scope-theme";

/// Shows the page in those colours, and keeps them for the next visit.
pub fn show(appearance: Appearance) {
    let Some(window) = web_sys::window() else { return };
    let is_light = window.match_media(LIGHT).ok().flatten().is_some_and(|query| query.matches());
    if let Some(root) = window.document().and_then(|document| document.document_element()) {
        let _ = root.set_attribute("data-theme", appearance.theme(is_light));
    }
    storage::set(KEPT, (appearance != Appearance::System).then(|| appearance.id()));
}

/// What was chosen last, in any tab.
pub fn kept() -> Appearance {
    storage::get(KEPT).and_then(|id| Appearance::from_id(&id)).unwrap_or_default()
}

/// Says when the system's preference changes.
pub fn follow_system(changed: impl Fn() + 'static) {
    let Some(query) = web_sys::window().and_then(|w| w.match_media(LIGHT).ok()?) else { return };
    let listener = wasm_bindgen::closure::Closure::<dyn Fn()>::new(changed);
    let _ = query.add_event_listener_with_callback("change", listener.as_ref().unchecked_ref());
    listener.forget();
}

/// Says when a typeface has come that was not there when text was drawn first.
pub fn follow_fonts(came: impl Fn() + 'static) {
    let Some(fonts) = web_sys::window().and_then(|w| w.document()).map(|document| document.fonts()) else { return };
    let listener = wasm_bindgen::closure::Closure::<dyn Fn()>::new(came);
    let _ = fonts.add_event_listener_with_callback("loadingdone", listener.as_ref().unchecked_ref());
    listener.forget();
}
