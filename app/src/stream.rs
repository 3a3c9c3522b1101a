//! Numbered deltas of a view, made once and shared by all who follow it.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use shared::view::{Status, StreamDelta, StreamEdge};
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::view::live::Flushed;
use crate::view::snapshot::{NodeSnapshot, Snapshot};

/// A reader that is this many messages behind is told the whole view anew instead.
const QUEUE: usize = 64;

/// What one message of an opening tells at most: a node weighs as much as so many edges, as its JSON is so much longer.
const PART_EDGES: usize = 1_000;
const NODE_WEIGHT: usize = 10;

/// And one of later messages, of figures that changed, which are a fraction of an edge each: many do at once.
const PART_VALUES: usize = 4 * PART_EDGES;

/// The number of the first message after an opening. Those of the opening come before it, however many they are.
const FIRST: u64 = 1 << 32;

/// One message, as it goes to every reader's socket.
pub type Text = Utf8Bytes;

/// Everybody who follows one view.
pub struct Stream {
    readers: Sender<Text>,
    sequence: u64,
}

impl Default for Stream {
    fn default() -> Self {
        Self { readers: broadcast::channel(QUEUE).0, sequence: FIRST }
    }
}

/// What a new reader starts from, and what follows on it.
pub struct Subscription {
    pub opening: Opening,
    pub deltas: Receiver<Text>,
}

/// The reader's first messages, written one by one: the first forgets all before it, and only after the last is it whole.
pub struct Opening {
    snapshot: Arc<Snapshot>,
    status: Option<Status>,
    /// The number of the last of them.
    sequence: u64,
    at_ms: u64,
    /// How many messages are still to be written.
    left: usize,
    /// The node, and the node and its edge, that come next.
    node: usize,
    edge: (usize, usize),
}

impl Opening {
    fn new(snapshot: Arc<Snapshot>, status: Status, sequence: u64, at_ms: u64) -> Self {
        let weight = snapshot.nodes().len() * NODE_WEIGHT + snapshot.edges().count();
        let left = weight.div_ceil(PART_EDGES).max(1);
        Self { snapshot, status: Some(status), sequence, at_ms, left, node: 0, edge: (0, 0) }
    }

    /// The next so many edges at most, as a reader gets them.
    fn edges(&mut self, most: usize) -> Vec<(u32, StreamEdge)> {
        let mut edges = Vec::new();
        while let Some(node) = self.snapshot.nodes().get(self.edge.0) {
            let rest = node.outgoing.edges().zip(&*node.carried).skip(self.edge.1).take(most - edges.len());
            let before = edges.len();
            edges.extend(rest.map(|(edge, carried)| edge.for_stream(carried)));
            if edges.len() == most {
                self.edge.1 += most - before;
                break;
            }
            self.edge = (self.edge.0 + 1, 0);
        }
        edges
    }
}

impl Iterator for Opening {
    type Item = Text;

    fn next(&mut self) -> Option<Text> {
        self.left = self.left.checked_sub(1)?;
        // Nodes before edges: every end of an edge is known.
        let nodes = self.node..self.snapshot.nodes().len().min(self.node + PART_EDGES / NODE_WEIGHT);
        self.node = nodes.end;
        let edges = self.edges(PART_EDGES - nodes.len() * NODE_WEIGHT);
        // Told with the first of them.
        let status = self.status.take();
        let rest = StreamDelta {
            sequence: self.sequence - self.left as u64,
            at: self.at_ms,
            reset: status.is_some(),
            more: self.left > 0,
            edges,
            stats: status.is_some().then_some(self.snapshot.stats),
            status,
            ..StreamDelta::default()
        };
        let nodes = &self.snapshot.nodes()[nodes];
        let size = 1024 + nodes.iter().map(|shown| shown.size_hint()).sum::<usize>();
        Some(encode(&rest, nodes.iter().map(|shown| &shown.node), size))
    }
}

impl Stream {
    pub fn subscribe(&self, snapshot: Arc<Snapshot>, status: Status, at_ms: u64) -> Subscription {
        Subscription { opening: Opening::new(snapshot, status, self.sequence, at_ms), deltas: self.readers.subscribe() }
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
        let Flushed { mut nodes, rest } = flushed;
        for part in parts(rest) {
            self.sequence += 1;
            let rest = StreamDelta { sequence: self.sequence, at: now_ms, ..part };
            // With the first of them.
            let nodes = std::mem::take(&mut nodes);
            // Where the last reader has just gone there is nobody to tell.
            let _ = self.readers.send(encode(&rest, &nodes, 1024 + nodes.len() * 3000));
        }
    }

    pub fn status(&mut self, status: &Status, now_ms: u64) {
        let rest = StreamDelta { status: Some(status.clone()), ..StreamDelta::default() };
        self.publish(Flushed { nodes: Vec::new(), rest }, now_ms);
    }
}

/// What changed, in messages none of which keeps a reader busy for long: figures that are too many for one follow in others.
fn parts(mut rest: StreamDelta) -> Vec<StreamDelta> {
    let mut values = std::mem::take(&mut rest.values).into_iter();
    let mut edge_values = std::mem::take(&mut rest.edge_values).into_iter();
    let mut parts = Vec::new();
    loop {
        rest.values = values.by_ref().take(PART_VALUES).collect();
        rest.edge_values = edge_values.by_ref().take(PART_VALUES - rest.values.len()).collect();
        rest.more = values.len() + edge_values.len() > 0;
        let is_last = !rest.more;
        parts.push(std::mem::take(&mut rest));
        if is_last {
            return parts;
        }
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
    use crate::topology::carried::Carried;
    use crate::view::fragment::Fragment;
    use crate::view::outgoing::tests::edge;
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

    /// Of so many nodes, each but the first with a share of so many edges.
    fn opening(nodes: u32, edges: u32) -> Opening {
        let mut number = 0..edges;
        let shown = |slot: u32| {
            let share = if slot + 1 == nodes { edges } else { edges / nodes };
            let share = if slot == 0 && nodes > 1 { 0 } else { share };
            // Numbered as its port is, by which edges between the same ends are in order.
            let edge = |n: u32| (Id::new("n"), edge(0, n as u16));
            let outgoing = Outgoing::new(Id::new("n"), number.by_ref().take(share as usize).map(edge).collect());
            let carried = vec![Carried::default(); outgoing.edges().count()].into();
            ShownNode { node: node(slot, &format!("n{slot:04}")), outgoing: Arc::new(outgoing), carried }
        };
        let snapshot = Snapshot::new((0..nodes).map(shown).collect(), Stats::default());
        Stream::default().subscribe(Arc::new(snapshot), Status::default(), 5).opening
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
            let opening: Vec<StreamDelta> = reader.opening.by_ref().map(|text| read(&text)).collect();
            let [whole] = &opening[..] else { panic!("a small view is one message: {opening:?}") };
            assert_eq!((whole.sequence, whole.reset, whole.more), (FIRST, true, false));
            assert!(whole.stats.is_some() && whole.status.is_some());
            assert_eq!(whole.nodes.iter().map(|(slot, n)| (*slot, &*n.id)).collect::<Vec<_>>(), [(4, "a"), (2, "b")]);
            let first = read(&reader.deltas.try_recv().unwrap());
            assert_eq!((first.sequence, first.reset, first.gone), (FIRST + 1, false, vec![1]));
            assert_eq!(first.nodes[0].1.id, "new");
        }
        let later = read(&subscribe(&stream).opening.next().unwrap());
        assert_eq!(later.sequence, FIRST + 1, "who comes later goes on from there");
    }

    #[test]
    fn a_large_view_is_told_in_parts_that_are_numbered_one_after_the_other_and_lack_nothing() {
        let counts = [(0, 0), (1, 0), (100, 0), (100, 1), (101, 999), (250, 5_432), (3, 2_970), (3, 2_971)];
        for (nodes, edges) in counts {
            let opening = opening(nodes, edges);
            let parts: Vec<StreamDelta> = opening.map(|text| read(&text)).collect();
            let numbers: Vec<u64> = parts.iter().map(|part| part.sequence).collect();
            let expected: Vec<u64> = (FIRST + 1 - parts.len() as u64..=FIRST).collect();
            assert_eq!(numbers, expected, "{nodes} {edges}");
            for (n, part) in parts.iter().enumerate() {
                assert_eq!((part.reset, part.more), (n == 0, n + 1 < parts.len()), "{nodes} {edges}");
                assert_eq!((part.stats.is_some(), part.status.is_some()), (n == 0, n == 0));
                assert!(part.nodes.len() * NODE_WEIGHT + part.edges.len() <= PART_EDGES);
            }
            let told: Vec<u32> = parts.iter().flat_map(|part| part.nodes.iter().map(|(slot, _)| *slot)).collect();
            assert_eq!(told, (0..nodes).collect::<Vec<_>>(), "{nodes} {edges}");
            let told: Vec<u32> = parts.iter().flat_map(|part| part.edges.iter().map(|(slot, _)| *slot)).collect();
            assert_eq!(told, (0..edges).collect::<Vec<_>>(), "{nodes} {edges}");
        }
    }

    #[test]
    fn many_figures_that_change_at_once_are_told_in_parts_of_which_the_first_has_all_else() {
        for (nodes, edges, count) in [(1, 1, 1), (4_000, 0, 1), (4_001, 0, 2), (0, 4_001, 2), (5_000, 7_000, 3)] {
            let mut stream = Stream::default();
            let mut reader = subscribe(&stream);
            let values: Vec<(u32, Vec<f64>)> = (0..nodes).map(|slot| (slot, vec![f64::from(slot)])).collect();
            let edge_values: Vec<(u32, Vec<Option<f64>>)> = (0..edges).map(|slot| (slot, vec![None])).collect();
            let figures = StreamDelta { values, edge_values, ..StreamDelta::default() };
            let rest = StreamDelta { gone: vec![1], ..figures.clone() };
            stream.publish(Flushed { nodes: vec![node(9, "new")], rest }, 5);
            let parts: Vec<StreamDelta> =
                std::iter::from_fn(|| reader.deltas.try_recv().ok()).map(|text| read(&text)).collect();
            assert_eq!(parts.len(), count, "{nodes} {edges}");
            for (n, part) in parts.iter().enumerate() {
                assert_eq!((part.sequence, part.more), (FIRST + 1 + n as u64, n + 1 < count), "{nodes} {edges}");
                let others = usize::from(n == 0);
                assert_eq!((part.nodes.len(), part.gone.len()), (others, others), "{nodes} {edges}");
                assert!(part.values.len() + part.edge_values.len() <= PART_VALUES);
            }
            assert_eq!(parts.iter().flat_map(|part| part.values.clone()).collect::<Vec<_>>(), figures.values);
            assert_eq!(parts.iter().flat_map(|part| part.edge_values.clone()).collect::<Vec<_>>(), figures.edge_values);
        }
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
