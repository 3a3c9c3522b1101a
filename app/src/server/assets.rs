//! The page, as the build embedded it: every file compressed once, at build time.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::error::Error;

struct Asset {
    path: &'static str,
    content_type: &'static str,
    /// Changes with the content.
    tag: &'static str,
    brotli: &'static [u8],
    gzip: &'static [u8],
    plain: &'static [u8],
}

#[cfg(feature = "embed-ui")]
include!(concat!(env!("OUT_DIR"), "/ui.rs"));

#[cfg(not(feature = "embed-ui"))]
static ASSETS: [Asset; 0] = [];

pub async fn index(headers: HeaderMap) -> Response {
    match find("index.html") {
        Some(asset) => answer(asset, &headers),
        None => "This build of Scope has no page (it was built without the feature embed-ui). The API is at /api.\n"
            .into_response(),
    }
}

pub async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    match find(&path) {
        Some(asset) => answer(asset, &headers),
        None => Error::NotFound(format!("no file '{path}' in the page")).into_response(),
    }
}

fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

fn answer(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let says = |name: header::HeaderName, what: &str| {
        headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).any(|value| value.contains(what))
    };
    if says(header::IF_NONE_MATCH, asset.tag) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let (body, encoding) = if says(header::ACCEPT_ENCODING, "br") {
        (asset.brotli, Some("br"))
    } else if says(header::ACCEPT_ENCODING, "gzip") {
        (asset.gzip, Some("gzip"))
    } else {
        (asset.plain, None)
    };
    let mut response = body.into_response();
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", asset.tag)) {
        out.insert(header::ETAG, tag);
    }
    if let Some(encoding) = encoding {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    // The page talks to the app that it came from, and to nobody else.
    let policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; \
                  img-src 'self' data: blob:; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'";
    out.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}
