//! One probe's connection: decodes what it sends and hands it to the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use shared::id::{HostId, InstanceId};
use shared::wire::codec::{FrameReader, FrameWriter};
use shared::wire::{Ack, Hello, Refused, ToApp, ToProbe, Welcome};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::engine::Engine;
use crate::metrics::Counters;
use crate::store::{Refusal, Session};

/// A probe says something at least every few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

static NEXT_SESSION: AtomicU64 = AtomicU64::new(1);

pub struct Ingest {
    pub engine: Engine,
    pub app: InstanceId,
    pub hostname: String,
    pub token: String,
    pub counters: Arc<Counters>,
}

/// Why a connection ended, in words for its other side.
struct Ended(String);

impl<E: std::error::Error> From<E> for Ended {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

pub async fn serve(ingest: Arc<Ingest>, mut socket: WebSocket, peer: std::net::SocketAddr) {
    let session = Session(NEXT_SESSION.fetch_add(1, Ordering::Relaxed));
    let mut host = None;
    let result = talk(&ingest, &mut socket, session, &mut host).await;
    if let Some(host) = host {
        ingest.engine.close(host, session).await;
    }
    if let Err(Ended(reason)) = result {
        warn!(%peer, reason, "connection of probe ended");
        // A close frame's reason holds 123 bytes.
        let short: String = reason.chars().take(100).filter(char::is_ascii).collect();
        let close = CloseFrame { code: close_code::POLICY, reason: short.into() };
        let _ = socket.send(Message::Close(Some(close))).await;
    }
}

async fn talk(
    ingest: &Ingest,
    socket: &mut WebSocket,
    session: Session,
    host: &mut Option<HostId>,
) -> Result<(), Ended> {
    let mut reader = FrameReader::new()?;
    let mut writer = FrameWriter::terse()?;
    let hello = match receive(ingest, socket, &mut reader).await? {
        Some(ToApp::Hello(hello)) => hello,
        Some(ToApp::Snapshot(_) | ToApp::Delta(_) | ToApp::Unknown) => {
            return Err(Ended("the first message must be a hello".into()));
        }
        None => return Ok(()),
    };
    if !is_same(&hello.token, &ingest.token) && !ingest.token.is_empty() {
        ingest.counters.probes_refused.fetch_add(1, Ordering::Relaxed);
        let reason = match hello.token.is_empty() {
            true => "this app wants a token: start the probe with --token".to_owned(),
            false => "wrong token: start the probe with the --token of this app".to_owned(),
        };
        send(socket, &mut writer, &ToProbe::Refused(Refused { reason: reason.clone() })).await?;
        return Err(Ended(reason));
    }
    let Hello { host: id, .. } = hello;
    *host = Some(id);
    info!(host = %id, name = hello.hostname, version = hello.scope_version, "probe connected");
    ingest.engine.open(hello, session).await?;
    let welcome = Welcome {
        app: ingest.app,
        hostname: ingest.hostname.clone(),
        scope_version: crate::VERSION.into(),
        capabilities: Vec::new(),
    };
    send(socket, &mut writer, &ToProbe::Welcome(welcome)).await?;
    while let Some(message) = receive(ingest, socket, &mut reader).await? {
        let (sequence, taken) = match message {
            ToApp::Snapshot(snapshot) => (snapshot.sequence, ingest.engine.snapshot(id, session, snapshot).await?),
            ToApp::Delta(update) => (update.sequence, ingest.engine.update(id, session, update).await?),
            ToApp::Hello(_) => return Err(Ended("a second hello".into())),
            ToApp::Unknown => {
                ingest.counters.unknown_messages.fetch_add(1, Ordering::Relaxed);
                continue;
            }
        };
        let answer = match taken {
            Ok(()) => ToProbe::Ack(Ack { sequence }),
            Err(Refusal::Gap) => ToProbe::Resync,
            Err(Refusal::Superseded) => return Err(Ended("another connection of this host took over".into())),
        };
        send(socket, &mut writer, &answer).await?;
    }
    debug!(host = %id, "probe closed its connection");
    Ok(())
}

/// None where the probe closed the connection.
async fn receive(ingest: &Ingest, socket: &mut WebSocket, reader: &mut FrameReader) -> Result<Option<ToApp>, Ended> {
    loop {
        let frame = timeout(PATIENCE, socket.recv()).await;
        let Some(frame) = frame.map_err(|_| Ended(format!("nothing heard for {} s", PATIENCE.as_secs())))? else {
            return Ok(None);
        };
        match frame? {
            Message::Binary(bytes) => {
                ingest.counters.frames_received.fetch_add(1, Ordering::Relaxed);
                ingest.counters.bytes_received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                return reader.decode(&bytes).map(Some).map_err(|error| {
                    ingest.counters.frames_rejected.fetch_add(1, Ordering::Relaxed);
                    Ended(error.to_string())
                });
            }
            Message::Text(_) => return Err(Ended("text where binary frames are expected".into())),
            Message::Close(_) => return Ok(None),
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}

async fn send(socket: &mut WebSocket, writer: &mut FrameWriter, message: &ToProbe) -> Result<(), Ended> {
    let frame = writer.encode(message)?;
    socket.send(Message::Binary(frame.into())).await?;
    Ok(())
}

/// Takes as long for a nearly right token as for any other.
fn is_same(given: &str, wanted: &str) -> bool {
    let (given, wanted) = (given.as_bytes(), wanted.as_bytes());
    given.len() == wanted.len() && given.iter().zip(wanted).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
