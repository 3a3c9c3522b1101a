//! The JSON of a view, put together from the pieces that the engine keeps.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use shared::view::Summary;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::view::fragment::Fragment;
use crate::view::snapshot::{ShownNode, Snapshot};

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

/// So much is written before it is sent on: each hand-over wakes a thread or two.
const CHUNK: usize = 512 << 10;
/// Few pieces are longer; for the edges of one that talks to thousands the text grows.
const SLACK: usize = 16 << 10;

/// `{"nodes": {…}, "edges": […]}`, written while it is sent: a view of a fleet has tens of megabytes.
pub fn view(snapshot: Arc<Snapshot>, censor: Censor, now_ms: u64) -> Body {
    let (sender, mut receiver) = mpsc::channel::<Result<Bytes, Infallible>>(2);
    spawn_blocking(move || {
        let size = (CHUNK + SLACK).min(snapshot.size_hint());
        let mut text = Vec::with_capacity(size);
        // False once the reader has gone.
        let send = |text: &mut Vec<u8>| {
            let chunk = std::mem::replace(text, Vec::with_capacity(size));
            sender.blocking_send(Ok(chunk.into())).is_ok()
        };
        text.extend_from_slice(b"{\"nodes\":{");
        for (n, item) in snapshot.nodes().iter().enumerate() {
            text.extend_from_slice(if n == 0 { b"\"" } else { b",\"" });
            text.extend_from_slice(item.id.escaped.as_bytes());
            text.extend_from_slice(b"\":");
            node(&mut text, item, censor, now_ms);
            if text.len() >= CHUNK && !send(&mut text) {
                return;
            }
        }
        text.extend_from_slice(b"},\"edges\":[");
        let mut joint: &[u8] = b"";
        for node in snapshot.nodes().iter().filter(|node| !node.outgoing.is_empty()) {
            text.extend_from_slice(joint);
            node.outgoing.write(&mut text, &node.carried);
            joint = b",";
            if text.len() >= CHUNK && !send(&mut text) {
                return;
            }
        }
        text.extend_from_slice(b"]}");
        send(&mut text);
    });
    // Compression asks once more after the end.
    Body::from_stream(stream::poll_fn(move |context| receiver.poll_recv(context)))
}

/// One node as `view` has it.
pub fn node(text: &mut Vec<u8>, node: &ShownNode, censor: Censor, now_ms: u64) {
    let censored = (!censor.is_idle()).then(|| {
        let mut summary = node.summary();
        censor.apply(&mut summary);
        Fragment::of(summary)
    });
    node.write(text, censored.as_ref(), now_ms);
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::view::outgoing::{Id, Outgoing};
    use crate::view::snapshot::NodeSnapshot;
    use axum::http::Request;
    use shared::view::Stats;
    use tower::ServiceExt;

    fn snapshot(nodes: u32) -> Arc<Snapshot> {
        let node = |slot| {
            let id = format!("node-{slot:06}");
            let command =
                shared::view::Row { id: "cmdline".into(), value: "run --password x".into(), ..Default::default() };
            let summary = Summary { id: id.clone(), metadata: vec![command], ..Summary::default() };
            let fragment = Arc::new(Fragment::of(summary));
            let id = Id::new(&id);
            let outgoing = Arc::new(Outgoing::new(id.clone(), Vec::new()));
            ShownNode {
                node: NodeSnapshot { slot, id, fragment, measured: Arc::new([]) },
                outgoing,
                carried: Arc::new([]),
            }
        };
        Arc::new(Snapshot::new((0..nodes).map(node).collect(), Stats::default()))
    }

    async fn get(snapshot: Arc<Snapshot>, censor: Censor, encoding: &str) -> Vec<u8> {
        let answer = move || async move { view(snapshot, censor, 0) };
        let app = axum::Router::new()
            .route("/", axum::routing::get(answer))
            .layer(tower_http::compression::CompressionLayer::new());
        let request = Request::get("/").header("accept-encoding", encoding).body(Body::empty()).unwrap();
        axum::body::to_bytes(app.oneshot(request).await.unwrap().into_body(), usize::MAX).await.unwrap().into()
    }

    #[tokio::test]
    async fn a_view_of_many_chunks_arrives_whole_plain_and_compressed() {
        for count in [0, 1, 5_000] {
            let plain = get(snapshot(count), Censor::default(), "identity").await;
            let read: serde_json::Value = serde_json::from_slice(&plain).unwrap();
            assert_eq!(read["nodes"].as_object().unwrap().len(), count as usize);
            assert_eq!(read["edges"], serde_json::json!([]));
            let packed = get(snapshot(count), Censor::default(), "gzip").await;
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, plain);
        }
    }

    #[tokio::test]
    async fn what_a_reader_asks_not_to_be_told_is_not_in_the_view() {
        let censor = Censor { arguments: true, environment: true };
        let text = String::from_utf8(get(snapshot(3), censor, "identity").await).unwrap();
        assert!(text.contains("\"run\"") && !text.contains("password"), "{text}");
    }
}
