//! A view as it changes: our numbered deltas to who asks for `scope.v2`, Scope's messages to everybody else.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use axum::extract::{Path, Query, State, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use shared::view::{HEARD, SUBPROTOCOL};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::spawn_blocking;
use tokio::time::{interval, timeout};

use super::api::{Pairs, kind, query};
use super::body::Censor;
use super::error::Error;
use super::{Shared, check_origin, legacy};
use crate::engine::Engine;
use crate::stream::{Opening, Subscription, Text};
use crate::view::Variant;

const PING_INTERVAL: Duration = Duration::from_secs(15);
/// A reader that takes nothing for so long is gone.
const SEND_PATIENCE: Duration = Duration::from_secs(20);
/// Who looks on says little, and each keeps such a buffer.
const READ_BUFFER_BYTES: usize = 4 << 10;

pub async fn topology(
    State(context): Shared,
    Path(topology): Path<String>,
    Query(pairs): Pairs,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Error> {
    check_origin(&headers)?;
    // What a page's old link asks for and is not there any more has its default: it could not show an error.
    let options = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let variant = Variant::new(kind(&topology)?, options, &context.config.label_filters);
    // Nothing that a reader says is long.
    let upgrade = upgrade.protocols([SUBPROTOCOL]).max_message_size(64 << 10).read_buffer_size(READ_BUFFER_BYTES);
    if upgrade.selected_protocol().is_some_and(|p| p == SUBPROTOCOL) {
        let engine = context.engine.clone();
        return Ok(upgrade.on_upgrade(move |socket| follow(socket, engine, variant)).into_response());
    }
    let every = legacy::interval_of(&pairs)?;
    let asked = legacy::Asked { variant, query: query(&pairs)?, censor: Censor::from_pairs(&pairs) };
    let engine = context.engine.clone();
    Ok(upgrade.on_upgrade(move |socket| legacy::follow(socket, engine, asked, every)).into_response())
}

async fn follow(mut socket: WebSocket, engine: Engine, variant: Variant) {
    let mut ping = interval(PING_INTERVAL);
    let Some(Subscription { opening, mut deltas }) = subscribe(&engine, &variant).await else { return };
    let mut opening = Some(opening);
    loop {
        let message = match next_part(&mut opening).await {
            Some(text) => Message::Text(text),
            None => tokio::select! {
                delta = deltas.recv() => match delta {
                    Ok(text) => Message::Text(text),
                    // It fell behind, or the view was given up for lack of room: what it missed is replaced by the whole.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => {
                        let Some(anew) = subscribe(&engine, &variant).await else { return };
                        (opening, deltas) = (Some(anew.opening), anew.deltas);
                        continue;
                    }
                },
                _ = ping.tick() => Message::Ping(Default::default()),
                said = socket.recv() => match said {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    // Pages cannot send pings: who says something wants to know that it is heard.
                    Some(Ok(Message::Text(_))) => Message::Text(HEARD.into()),
                    Some(Ok(_)) => continue,
                },
            },
        };
        if !matches!(timeout(SEND_PATIENCE, socket.send(message)).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// None once the app is stopping.
async fn subscribe(engine: &Engine, variant: &Variant) -> Option<Subscription> {
    let asked = variant.clone();
    engine.ask(move |core| core.subscribe(&asked)).await.ok()
}

/// The next message of an opening; none once all were written.
async fn next_part(opening: &mut Option<Opening>) -> Option<Text> {
    let mut opened = opening.take()?;
    // A hundred thousand bytes: not on a thread that others wait for.
    let (text, rest) = spawn_blocking(move || (opened.next(), opened)).await.ok()?;
    *opening = text.is_some().then_some(rest);
    text
}
