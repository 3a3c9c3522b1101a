//! Streams the host's report to one app: a snapshot, then what changed.
//!
//! At most one message is unacknowledged. While it waits, changes coalesce in the report itself, so that a slow or
//! silent app costs the host no memory. Structure goes out at once, where not much is said already, samples once an
//! interval.

mod known;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use shared::delta::Delta;
use shared::wire::codec::{DecodeError, EncodeError, FrameReader, FrameWriter};
use shared::wire::{self, Hello, Snapshot, Stamp, ToApp, ToProbe, Update};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::collector::boot_ms;
use crate::config::{Config, Target};
use crate::identity::Identity;
use crate::state::Published;
use crate::target::Claims;
use known::Known;

/// From one message to the next, at least: what changes meanwhile goes together.
const SAID_INTERVAL: Duration = Duration::from_millis(50);
/// So long samples wait for something that is said anyway: a message costs more than what is in it.
const SAMPLES_PATIENCE: Duration = Duration::from_millis(300);
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(10);
/// Nothing may have changed; the app must hear that the host lives.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// An app says little, and the whole buffer is cleared before each reading.
const READ_BUFFER_BYTES: usize = 4 << 10;

pub struct Context {
    pub config: Config,
    pub identity: Identity,
    pub claims: Claims,
}

#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    #[error("websocket: {0}")]
    Socket(#[from] tokio_tungstenite::tungstenite::Error),
    #[error("the app closed the connection: {0}")]
    Closed(String),
    #[error("the app refuses this probe: {0}")]
    Refused(String),
    #[error("another address leads to the same app")]
    Duplicate,
    #[error("{0}")]
    Decode(#[from] DecodeError),
    #[error("{0}")]
    Encode(#[from] EncodeError),
    #[error("compression: {0}")]
    Codec(std::io::Error),
}

pub async fn run(
    context: Arc<Context>,
    target: Target,
    address: SocketAddr,
    reports: watch::Receiver<Published>,
    stop: CancellationToken,
) {
    let mut retry = RETRY_MIN;
    let mut last = String::new();
    loop {
        let started = Instant::now();
        let ended = tokio::select! {
            () = stop.cancelled() => break,
            ended = session(&context, &target, address, reports.clone()) => ended,
        };
        context.claims.release(address);
        let Err(ended) = ended;
        let message = ended.to_string();
        if !matches!(ended, Ended::Duplicate) && message != last {
            warn!(error = %ended, "connection to app ended; trying again");
        }
        last = message;
        if started.elapsed() > RETRY_MAX {
            retry = RETRY_MIN;
        }
        if matches!(ended, Ended::Refused(_) | Ended::Duplicate) {
            retry = RETRY_MAX;
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(retry.mul_f64(0.5 + fastrand::f64())) => {}
        }
        retry = (retry * 2).min(RETRY_MAX);
    }
    context.claims.release(address);
}

async fn session(
    context: &Context,
    target: &Target,
    address: SocketAddr,
    mut reports: watch::Receiver<Published>,
) -> Result<std::convert::Infallible, Ended> {
    let Context { config, identity, claims } = context;
    let stream = timeout(CONNECT_PATIENCE, TcpStream::connect(address)).await;
    let stream = stream.map_err(|_| Ended::Silent(CONNECT_PATIENCE))?.map_err(Ended::Connect)?;
    stream.set_nodelay(true).map_err(Ended::Connect)?;
    let url = format!("ws://{target}{}", wire::PATH);
    let limits =
        WebSocketConfig::default().max_message_size(Some(wire::ENCODED_BYTES_MAX)).read_buffer_size(READ_BUFFER_BYTES);
    let handshake = timeout(ANSWER_PATIENCE, client_async_with_config(url, stream, Some(limits))).await;
    let (socket, _) = handshake.map_err(|_| Ended::Silent(ANSWER_PATIENCE))??;
    let writer = FrameWriter::new().map_err(Ended::Codec)?;
    let reader = FrameReader::new().map_err(Ended::Codec)?;
    let mut link = Link { socket, writer, reader };

    // Nothing to say before the first processes are read.
    let hostname = {
        let is_whole =
            |Published { report, .. }: &Published| !report.host.name.is_empty() && !report.processes.is_empty();
        let first = reports.wait_for(is_whole).await;
        first.map(|first| first.report.host.name.clone()).unwrap_or_default()
    };
    link.send::<()>(&ToApp::Hello(Hello {
        host: identity.host,
        instance: identity.instance,
        hostname,
        scope_version: config.version.clone(),
        token: config.token.clone(),
        capabilities: Vec::new(),
        publish_interval_ms: u64::try_from(config.publish_interval.as_millis()).unwrap_or(u64::MAX),
    }))
    .await?;
    match link.receive().await? {
        ToProbe::Welcome(welcome) => {
            if !claims.claim(welcome.app, address) {
                return Err(Ended::Duplicate);
            }
            info!(app = %welcome.app, hostname = welcome.hostname, version = welcome.scope_version, "reporting to app");
        }
        ToProbe::Refused(refused) => return Err(Ended::Refused(refused.reason)),
        ToProbe::Ack(_) | ToProbe::Resync | ToProbe::Unknown => {
            return Err(Ended::Closed("it answered with something else than a welcome".into()));
        }
    }
    let mut sequence = 0;
    loop {
        // A snapshot, then deltas until the app asks for a new one, or more changed than is remembered.
        sequence += 1;
        let (frame, mut known) = {
            let published = reports.borrow_and_update();
            let snapshot = Snapshot { sequence, at: stamp(), report: &published.report };
            (link.writer.encode(&ToApp::Snapshot(snapshot))?, Known::of(&published))
        };
        link.send_frame(frame).await?;
        let (mut samples_at, mut said_at) = (Instant::now(), Instant::now());
        let mut accepted = link.answer(sequence).await?;
        while accepted {
            let samples = samples_at + config.publish_interval;
            let due = Due { samples, samples_alone: samples + SAMPLES_PATIENCE, any: said_at + SAID_INTERVAL };
            let Some(change) = next_change(&mut link, &mut reports, &mut known, due).await? else {
                break;
            };
            said_at = Instant::now();
            if !change.metrics.is_empty() {
                // As often as is wanted, though each may wait.
                samples_at = due.samples.max(said_at.checked_sub(config.publish_interval).unwrap_or(said_at));
            }
            sequence += 1;
            link.send::<()>(&ToApp::Delta(Update { sequence, at: stamp(), delta: change })).await?;
            accepted = link.answer(sequence).await?;
        }
    }
}

/// When something may be said again.
#[derive(Clone, Copy)]
struct Due {
    samples: Instant,
    /// And without anything else.
    samples_alone: Instant,
    any: Instant,
}

/// Waits for something worth sending; none where that can only be told as a whole.
async fn next_change(
    link: &mut Link,
    reports: &mut watch::Receiver<Published>,
    known: &mut Known,
    due: Due,
) -> Result<Option<Delta>, Ended> {
    let heartbeat = Instant::now() + HEARTBEAT;
    loop {
        tokio::select! {
            changed = reports.changed() => {
                if changed.is_err() {
                    return Err(Ended::Closed("the probe is stopping".into()));
                }
                // Samples alone come all the time, and go when they are due.
                let is_outdated = known.is_outdated(&reports.borrow());
                match is_outdated {
                    true => sleep_until(due.any).await,
                    false if Instant::now() < due.samples_alone => continue,
                    false => {}
                }
            }
            () = sleep_until(due.samples_alone), if Instant::now() < due.samples_alone => {}
            () = sleep_until(heartbeat) => {}
            frame = link.socket.next() => {
                // Only an answer is expected, and none is outstanding.
                link.decode(frame)?;
                continue;
            }
        }
        let now = Instant::now();
        let change = known.news(&reports.borrow_and_update(), now >= due.samples);
        if now >= heartbeat || change.as_ref().is_none_or(|change| !change.is_empty()) {
            return Ok(change);
        }
    }
}

struct Link {
    socket: WebSocketStream<TcpStream>,
    writer: FrameWriter,
    reader: FrameReader,
}

impl Link {
    async fn send<R: Serialize>(&mut self, message: &ToApp<R>) -> Result<(), Ended> {
        let frame = self.writer.encode(message)?;
        self.send_frame(frame).await
    }

    async fn send_frame(&mut self, frame: Vec<u8>) -> Result<(), Ended> {
        let sent = timeout(ANSWER_PATIENCE, self.socket.send(Message::Binary(frame.into()))).await;
        Ok(sent.map_err(|_| Ended::Silent(ANSWER_PATIENCE))??)
    }

    async fn receive(&mut self) -> Result<ToProbe, Ended> {
        loop {
            let frame =
                timeout(ANSWER_PATIENCE, self.socket.next()).await.map_err(|_| Ended::Silent(ANSWER_PATIENCE))?;
            if let Some(message) = self.decode(frame)? {
                return Ok(message);
            }
        }
    }

    /// True for the acknowledgement of `sequence`, false where a snapshot is asked for.
    async fn answer(&mut self, sequence: u64) -> Result<bool, Ended> {
        loop {
            match self.receive().await? {
                ToProbe::Ack(ack) if ack.sequence == sequence => return Ok(true),
                ToProbe::Resync => return Ok(false),
                ToProbe::Refused(refused) => return Err(Ended::Refused(refused.reason)),
                ToProbe::Ack(_) | ToProbe::Welcome(_) | ToProbe::Unknown => {}
            }
        }
    }

    fn decode(
        &mut self,
        frame: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
    ) -> Result<Option<ToProbe>, Ended> {
        match frame.ok_or_else(|| Ended::Closed("without a reason".into()))?? {
            Message::Binary(bytes) => Ok(Some(self.reader.decode(&bytes)?)),
            Message::Close(reason) => {
                Err(Ended::Closed(reason.map_or("without a reason".into(), |r| r.reason.to_string())))
            }
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(None),
        }
    }
}

fn stamp() -> Stamp {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp { boot_ms: boot_ms(), wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX) }
}
