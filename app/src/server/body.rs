//! The JSON of a view, put together from the pieces that the engine keeps.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use shared::view::Summary;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::view::snapshot::{Fragment, ShownNode, Snapshot};

/// What a reader asks not to be told (Scope's `hideCommandLineArguments` and `hideEnvironmentVariables`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Censor {
    pub arguments: bool,
    pub environment: bool,
}

impl Censor {
    pub fn from_pairs(pairs: &[(String, String)]) -> Self {
        let on = |name: &str| pairs.iter().any(|(n, v)| n == name && v == "true");
        Self { arguments: on("hideCommandLineArguments"), environment: on("hideEnvironmentVariables") }
    }

    pub fn is_idle(self) -> bool {
        self == Self::default()
    }

    pub fn apply(self, summary: &mut Summary) {
        if self.arguments {
            for row in &mut summary.metadata {
                if matches!(row.id.as_str(), "cmdline" | "docker_container_command") {
                    row.value = row.value.split(' ').next().unwrap_or_default().to_owned();
                }
            }
        }
        if self.environment {
            summary.tables.retain(|table| table.id != "docker_env_");
        }
    }
}

/// So much is written before it is sent on.
const CHUNK: usize = 128 << 10;

/// `{"nodes": {…}, "edges": […]}`, written while it is sent: a view of a fleet has tens of megabytes.
pub fn view(snapshot: Arc<Snapshot>, censor: Censor, now_ms: u64) -> Body {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Infallible>>(4);
    spawn_blocking(move || {
        let mut text = Vec::with_capacity(CHUNK + (16 << 10));
        // False once the reader has gone.
        let send = |text: &mut Vec<u8>| {
            let chunk = std::mem::replace(text, Vec::with_capacity(CHUNK + (16 << 10)));
            sender.blocking_send(Ok(chunk.into())).is_ok()
        };
        text.extend_from_slice(b"{\"nodes\":{");
        for (n, item) in snapshot.sorted().enumerate() {
            text.extend_from_slice(if n == 0 { b"\"" } else { b",\"" });
            text.extend_from_slice(item.escaped_id().as_bytes());
            text.extend_from_slice(b"\":");
            node(&mut text, item, censor, now_ms);
            if text.len() >= CHUNK && !send(&mut text) {
                return;
            }
        }
        text.extend_from_slice(b"},\"edges\":[");
        let mut edge = snapshot.edges_writer();
        while edge(&mut text) {
            if text.len() >= CHUNK && !send(&mut text) {
                return;
            }
        }
        text.extend_from_slice(b"]}");
        send(&mut text);
    });
    let chunks = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    Body::from_stream(chunks)
}

/// One node as `view` has it.
pub fn node(text: &mut Vec<u8>, node: ShownNode<'_>, censor: Censor, now_ms: u64) {
    let censored = (!censor.is_idle()).then(|| {
        let mut summary = node.summary();
        censor.apply(&mut summary);
        Fragment::of(summary)
    });
    node.write(text, censored.as_ref(), now_ms);
}
