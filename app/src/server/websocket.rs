//! A view as it changes: our numbered deltas to who asks for `scope.v2`, Scope's messages to everybody else.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use axum::extract::{Path, Query, State, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use shared::view::SUBPROTOCOL;
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};

use super::api::{Pairs, variant};
use super::body::Censor;
use super::error::Error;
use super::{Shared, check_origin, legacy};
use crate::stream::Text;

const PING_INTERVAL: Duration = Duration::from_secs(15);
/// A reader that takes nothing for so long is gone.
const SEND_PATIENCE: Duration = Duration::from_secs(20);

pub async fn topology(
    State(context): Shared,
    Path(topology): Path<String>,
    Query(pairs): Pairs,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Error> {
    check_origin(&headers)?;
    let variant = variant(&context, &topology, &pairs)?;
    // Nothing that a reader says is long.
    let upgrade = upgrade.protocols([SUBPROTOCOL]).max_message_size(64 << 10);
    if upgrade.selected_protocol().is_some_and(|p| p == SUBPROTOCOL) {
        let deltas = context.engine.ask(move |core| core.subscribe(&variant)).await?;
        return Ok(upgrade.on_upgrade(move |socket| follow(socket, deltas)).into_response());
    }
    let every = legacy::interval_of(&pairs)?;
    let censor = Censor::from_pairs(&pairs);
    let engine = context.engine.clone();
    Ok(upgrade.on_upgrade(move |socket| legacy::follow(socket, engine, variant, censor, every)).into_response())
}

async fn follow(mut socket: WebSocket, mut deltas: mpsc::Receiver<Text>) {
    let mut ping = interval(PING_INTERVAL);
    loop {
        let message = tokio::select! {
            delta = deltas.recv() => match delta {
                Some(text) => Message::Text((&*text).into()),
                None => return,
            },
            _ = ping.tick() => Message::Ping(Default::default()),
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        if !matches!(timeout(SEND_PATIENCE, socket.send(message)).await, Ok(Ok(()))) {
            return;
        }
    }
}
