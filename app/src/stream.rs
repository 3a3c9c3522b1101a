//! Numbered deltas of a view, made once and shared by all who follow it.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use shared::view::{Status, StreamDelta};
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::view::live::Flushed;
use crate::view::snapshot::{NodeSnapshot, Snapshot};

/// A reader that is this many messages behind is told the whole view anew instead.
const QUEUE: usize = 32;

/// One message, as it goes to every reader's socket.
pub type Text = Utf8Bytes;

/// Everybody who follows one view.
pub struct Stream {
    readers: Sender<Text>,
    sequence: u64,
}

impl Default for Stream {
    fn default() -> Self {
        Self { readers: broadcast::channel(QUEUE).0, sequence: 0 }
    }
}

/// What a new reader starts from, and what follows on it.
pub struct Subscription {
    pub snapshot: Arc<Snapshot>,
    pub status: Status,
    pub sequence: u64,
    pub at_ms: u64,
    pub deltas: Receiver<Text>,
}

impl Subscription {
    /// The reader's first message: it forgets all before it.
    pub fn reset(&self) -> Text {
        let rest = StreamDelta {
            sequence: self.sequence,
            at: self.at_ms,
            reset: true,
            edges: self.snapshot.edges().map(|(edge, carried)| edge.for_stream(carried)).collect(),
            stats: Some(self.snapshot.stats),
            status: Some(self.status.clone()),
            ..StreamDelta::default()
        };
        encode(&rest, self.snapshot.nodes().iter().map(|shown| &shown.node), self.snapshot.size_hint())
    }
}

impl Stream {
    pub fn subscribe(&self, snapshot: Arc<Snapshot>, status: Status, at_ms: u64) -> Subscription {
        Subscription { snapshot, status, sequence: self.sequence, at_ms, deltas: self.readers.subscribe() }
    }

    pub fn len(&self) -> usize {
        self.readers.receiver_count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn publish(&mut self, flushed: Flushed, now_ms: u64) {
        // Numbers count for those who read only, and to them only what they are sent.
        if self.is_empty() {
            return;
        }
        self.sequence += 1;
        let rest = StreamDelta { sequence: self.sequence, at: now_ms, ..flushed.rest };
        // Where the last reader has just gone there is nobody to tell.
        let _ = self.readers.send(encode(&rest, &flushed.nodes, 1024 + flushed.nodes.len() * 3000));
    }

    pub fn status(&mut self, status: &Status, now_ms: u64) {
        let rest = StreamDelta { status: Some(status.clone()), ..StreamDelta::default() };
        self.publish(Flushed { nodes: Vec::new(), rest }, now_ms);
    }
}

/// The JSON of a `StreamDelta` whose nodes are written already.
fn encode<'a>(rest: &StreamDelta, nodes: impl IntoIterator<Item = &'a NodeSnapshot>, size_hint: usize) -> Text {
    let mut text = Vec::with_capacity(size_hint);
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(&mut text, rest);
    let mut nodes = nodes.into_iter().peekable();
    if nodes.peek().is_some() {
        text.pop();
        text.extend_from_slice(b",\"nodes\":[");
        while let Some(node) = nodes.next() {
            text.extend_from_slice(format!("[{},", node.slot).as_bytes());
            node.write_for_stream(&mut text);
            text.extend_from_slice(if nodes.peek().is_some() { b"]," } else { b"]" });
        }
        text.extend_from_slice(b"]}");
    }
    Utf8Bytes::try_from(bytes::Bytes::from(text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fragment::Fragment;
    use crate::view::outgoing::{Id, Outgoing};
    use crate::view::snapshot::ShownNode;
    use shared::view::{Stats, Summary};
    use tokio::sync::broadcast::error::TryRecvError;

    fn node(slot: u32, id: &str) -> NodeSnapshot {
        let fragment = Arc::new(Fragment::of(Summary { id: id.into(), ..Summary::default() }));
        NodeSnapshot { slot, id: Id::new(id), fragment, measured: Arc::new([]) }
    }

    fn gone(slot: u32) -> Flushed {
        Flushed { nodes: vec![node(9, "new")], rest: StreamDelta { gone: vec![slot], ..StreamDelta::default() } }
    }

    fn subscribe(stream: &Stream) -> Subscription {
        let shown = |node: NodeSnapshot| {
            let outgoing = Arc::new(Outgoing::new(node.id.clone(), vec![]));
            ShownNode { outgoing, node, carried: Arc::new([]) }
        };
        let snapshot = Snapshot::new(vec![shown(node(4, "a")), shown(node(2, "b"))], Stats::default());
        stream.subscribe(Arc::new(snapshot), Status::default(), 5)
    }

    fn read(text: &str) -> StreamDelta {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn all_readers_start_from_the_whole_and_get_the_same_numbered_message() {
        let mut stream = Stream::default();
        let mut readers = [subscribe(&stream), subscribe(&stream)];
        stream.publish(gone(1), 5);
        for reader in &mut readers {
            let whole = read(&reader.reset());
            assert_eq!((whole.sequence, whole.reset), (0, true));
            assert_eq!(whole.nodes.iter().map(|(slot, n)| (*slot, &*n.id)).collect::<Vec<_>>(), [(4, "a"), (2, "b")]);
            let first = read(&reader.deltas.try_recv().unwrap());
            assert_eq!((first.sequence, first.reset, first.gone), (1, false, vec![1]));
            assert_eq!(first.nodes[0].1.id, "new");
        }
        assert_eq!(read(&subscribe(&stream).reset()).sequence, 1, "who comes later goes on from there");
    }

    #[test]
    fn a_reader_that_falls_behind_learns_of_it_and_costs_no_more_memory() {
        let mut stream = Stream::default();
        let mut slow = subscribe(&stream);
        for slot in 0..QUEUE as u32 * 3 {
            stream.publish(gone(slot), 0);
        }
        assert!(matches!(slow.deltas.try_recv(), Err(TryRecvError::Lagged(_))));
    }

    #[test]
    fn a_reader_that_went_is_forgotten() {
        let mut stream = Stream::default();
        let reader = subscribe(&stream);
        assert!(!stream.is_empty());
        drop(reader);
        assert!(stream.is_empty());
        stream.publish(gone(1), 0);
    }
}
