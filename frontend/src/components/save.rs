//! Files of what is shown.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::table;
use crate::app::Page;
use crate::connection;
use crate::export::{Shown, file_name};
use crate::route::encode;
use crate::search::together;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Png,
    Svg,
    Json,
    Csv,
    Dot,
    Mermaid,
}

impl Format {
    pub const ALL: [Self; 6] = [Self::Png, Self::Svg, Self::Json, Self::Csv, Self::Dot, Self::Mermaid];

    pub fn label(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Svg => "SVG",
            Self::Json => "JSON",
            Self::Csv => "CSV",
            Self::Dot => "DOT",
            Self::Mermaid => "Mermaid",
        }
    }

    pub fn what(self) -> &'static str {
        match self {
            Self::Png => "the graph as it is drawn",
            Self::Svg => "the graph, in any size",
            Self::Json => "as the API has it",
            Self::Csv => "the table's rows",
            Self::Dot => "for Graphviz",
            Self::Mermaid => "for Markdown",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Dot => "dot",
            Self::Mermaid => "mmd",
        }
    }
}

/// Hands the file to the browser, which keeps it where it keeps what is downloaded.
pub fn save(page: Page, format: Format) {
    let route = page.route.get_untracked();
    let at: String = js_sys::Date::new_0().to_iso_string().into();
    let name = file_name(&route.topology, &at, format.ending());
    let passing = page.searching.passing.get_untracked();
    let shown =
        |write: fn(&Shown) -> String| page.model.with_value(|model| write(&Shown::of(model, passing.as_deref())));
    match format {
        Format::Png => picture(name),
        Format::Svg => {
            if let Some(file) = page.as_svg.get_value().and_then(|draw| draw()) {
                give(&name, "image/svg+xml", &file.into());
            }
        }
        Format::Csv => give(&name, "text/csv", &table::csv(page).into()),
        Format::Dot => give(&name, "text/vnd.graphviz", &shown(|shown| shown.dot()).into()),
        Format::Mermaid => give(&name, "text/plain", &shown(|shown| shown.mermaid()).into()),
        Format::Json => {
            let search = together(&route.filters, &route.search);
            let options = route.query();
            let and = if options.is_empty() { "?" } else { "&" };
            let path = format!("api/topology/{}{options}{and}query={}", route.topology, encode(&search));
            spawn_local(async move {
                if let Ok(whole) = connection::get::<serde_json::Value>(&path).await {
                    give(&name, "application/json", &whole.to_string().into());
                }
            });
        }
    }
}

/// All that the app knows, as it streams to the browser's downloads: for whoever is to find out what is wrong.
pub fn report() {
    let at: String = js_sys::Date::new_0().to_iso_string().into();
    download("api/report", &file_name("report", &at, "json"));
}

fn picture(name: String) {
    let canvas = web_sys::window().and_then(|w| w.document()?.query_selector("canvas.graph").ok()?);
    let Some(canvas) = canvas.and_then(|canvas| canvas.dyn_into::<web_sys::HtmlCanvasElement>().ok()) else { return };
    let drawn = js_sys::Promise::new(&mut |done, _| {
        let _ = canvas.to_blob(&done);
    });
    spawn_local(async move {
        if let Ok(blob) = JsFuture::from(drawn).await {
            give(&name, "image/png", &blob);
        }
    });
}

fn give(name: &str, kind: &str, content: &JsValue) {
    let parts = js_sys::Array::of1(content);
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(kind);
    let Ok(blob) = web_sys::Blob::new_with_str_sequence_and_options(&parts, &options) else { return };
    let Ok(url) = web_sys::Url::create_object_url_with_blob(&blob) else { return };
    download(&url, name);
    // The browser has begun to read it by then.
    set_timeout(move || drop(web_sys::Url::revoke_object_url(&url)), std::time::Duration::from_secs(60));
}

fn download(url: &str, name: &str) {
    let link = web_sys::window().and_then(|w| w.document()?.create_element("a").ok());
    if let Some(link) = link.and_then(|link| link.dyn_into::<web_sys::HtmlAnchorElement>().ok()) {
        link.set_href(url);
        link.set_download(name);
        link.click();
    }
}
