//! Scope's own websocket: at each interval the nodes that came, changed or went, whole.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use foldhash::{HashMap, HashSet};
use shared::query::Query;
use tokio::task::spawn_blocking;
use tokio::time::{interval, timeout};

use super::api::narrowed;
use super::body::{self, Censor};
use super::error::Error;
use crate::clock::wall_ms;
use crate::engine::Engine;
use crate::view::Variant;
use crate::view::snapshot::{ShownNode, Snapshot};

const SEND_PATIENCE: Duration = Duration::from_secs(20);

/// `t`, such as `5s`, `500ms` or `1m`; one second unless said.
pub fn interval_of(pairs: &[(String, String)]) -> Result<Duration, Error> {
    let Some((_, text)) = pairs.iter().find(|(name, _)| name == "t") else { return Ok(Duration::from_secs(1)) };
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: Option<f64> = number.parse().ok();
    let seconds = match (number, unit) {
        (Some(n), "ms") => n / 1000.0,
        (Some(n), "s") => n,
        (Some(n), "m") => n * 60.0,
        (Some(n), "h") => n * 3600.0,
        _ => return Err(Error::Bad(format!("t={text} is no duration; write 5s, 500ms or 1m"))),
    };
    Ok(Duration::from_secs_f64(seconds.clamp(0.1, 3600.0)))
}

/// What a reader wants to see.
pub struct Asked {
    pub variant: Variant,
    pub query: Query,
    pub censor: Censor,
}

pub async fn follow(mut socket: WebSocket, engine: Engine, asked: Asked, every: Duration) {
    let Asked { variant, query, censor } = asked;
    let mut ticks = interval(every);
    let mut shown: Option<Arc<Snapshot>> = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        }
        let asked = variant.clone();
        let Ok(now) = engine.ask(move |core| core.snapshot(&asked)).await else { return };
        let Ok(now) = narrowed(now, query.clone(), censor).await else { return };
        let before = shown.replace(now.clone());
        let Ok(text) = spawn_blocking(move || message(before.as_deref(), &now, censor)).await else { return };
        let Some(text) = text else { continue };
        if !matches!(timeout(SEND_PATIENCE, socket.send(Message::Text(text.into()))).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// `{"add", "update", "remove", "reset"}` with null for none; no message where nothing changed.
fn message(before: Option<&Snapshot>, now: &Snapshot, censor: Censor) -> Option<String> {
    let old: HashMap<&str, &ShownNode> =
        before.into_iter().flat_map(Snapshot::nodes).map(|node| (&*node.id.plain, node)).collect();
    let mut remove: HashSet<&str> = old.keys().copied().collect();
    let (mut add, mut update) = (Vec::new(), Vec::new());
    for node in now.nodes() {
        remove.remove(&*node.id.plain);
        match old.get(&*node.id.plain) {
            None => add.push(node),
            Some(was) if was.is_same(node) => {}
            Some(_) => update.push(node),
        }
    }
    let remove: BTreeSet<&str> = remove.into_iter().collect();
    if before.is_some() && add.is_empty() && update.is_empty() && remove.is_empty() {
        return None;
    }
    let now_ms = wall_ms();
    let mut text = Vec::new();
    let list = |text: &mut Vec<u8>, nodes: &[&ShownNode]| {
        text.push(b'[');
        for (n, node) in nodes.iter().enumerate() {
            if n > 0 {
                text.push(b',');
            }
            body::node(text, node, censor, now_ms);
        }
        text.push(b']');
    };
    text.extend_from_slice(b"{\"add\":");
    match add.is_empty() && before.is_some() {
        true => text.extend_from_slice(b"null"),
        false => list(&mut text, &add),
    }
    text.extend_from_slice(b",\"update\":");
    match update.is_empty() {
        true => text.extend_from_slice(b"null"),
        false => list(&mut text, &update),
    }
    let removed = if remove.is_empty() { "null".into() } else { serde_json::to_string(&remove).unwrap_or_default() };
    let reset = if before.is_none() { ",\"reset\":true" } else { "" };
    text.extend_from_slice(format!(",\"remove\":{removed}{reset}}}").as_bytes());
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::view::Stats;

    #[test]
    fn the_interval_is_a_duration_as_go_writes_it() {
        let of = |t: &str| interval_of(&[("t".to_owned(), t.to_owned())]);
        assert_eq!(of("5s").unwrap(), Duration::from_secs(5));
        assert_eq!(of("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(of("0s").unwrap(), Duration::from_millis(100), "not a busy loop");
        assert_eq!(interval_of(&[]).unwrap(), Duration::from_secs(1));
        for wrong in ["", "x", "5", "-1s", "1e9s", "5 s"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_empty_view_still_says_hello_and_then_nothing() {
        let empty = Snapshot::new(Vec::new(), Stats::default());
        let first = message(None, &empty, Censor::default()).unwrap();
        assert_eq!(first, r#"{"add":[],"update":null,"remove":null,"reset":true}"#);
        assert_eq!(message(Some(&empty), &empty, Censor::default()), None);
    }
}
