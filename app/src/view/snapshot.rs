//! A view at one moment, and its JSON. The engine hands out what it keeps; writing and hashing are done by whoever
//! reads, in threads that nobody waits for.

use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use foldhash::quality::FixedState;
use shared::view::{Stats, Summary};

use super::fragment::Fragment;
use super::measure::Measured;
use super::outgoing::{EdgeSnapshot, Id, Outgoing};
use crate::topology::carried::Carried;

/// A node without its neighbours.
pub struct NodeSnapshot {
    /// Its number in the view, which a stream's readers know it by.
    pub slot: u32,
    pub id: Id,
    pub fragment: Arc<Fragment>,
    pub measured: Arc<[Measured]>,
}

impl NodeSnapshot {
    /// As a stream's readers get it: the clock is theirs.
    pub fn write_for_stream(&self, text: &mut Vec<u8>) {
        self.fragment.write_for_stream(text);
        self.write_metrics(text);
        text.push(b'}');
    }

    /// About how long its JSON will be without neighbours, bytes.
    pub fn size_hint(&self) -> usize {
        self.fragment.size() + self.measured.len() * 200 + 100
    }

    fn write_metrics(&self, text: &mut Vec<u8>) {
        for (n, measured) in self.measured.iter().enumerate() {
            text.extend_from_slice(if n == 0 { b",\"metrics\":[" } else { b"," });
            measured.write_json(text);
        }
        if !self.measured.is_empty() {
            text.push(b']');
        }
    }
}

/// A node among those it is shown with.
pub struct ShownNode {
    pub node: NodeSnapshot,
    pub outgoing: Arc<Outgoing>,
    /// What these edges carry, in their order.
    pub carried: Arc<[Carried]>,
}

impl Deref for ShownNode {
    type Target = NodeSnapshot;

    fn deref(&self) -> &NodeSnapshot {
        &self.node
    }
}

impl ShownNode {
    /// What it says of itself, but for metrics and neighbours.
    pub fn summary(&self) -> Summary {
        self.fragment.summary()
    }

    /// The whole node, in other words if `instead` gives them.
    pub fn write(&self, text: &mut Vec<u8>, instead: Option<&Fragment>, now_ms: u64) {
        instead.unwrap_or(&self.fragment).write(text, now_ms);
        self.write_metrics(text);
        text.extend_from_slice(&self.outgoing.written().adjacency);
        text.push(b'}');
    }

    /// Whether a reader of nodes would see no difference.
    pub fn is_same(&self, other: &Self) -> bool {
        let targets = |node: &Self| node.outgoing.targets().map(|id| id.plain.clone()).collect::<Vec<_>>();
        (Arc::ptr_eq(&self.fragment, &other.fragment) || self.fragment == other.fragment)
            && (Arc::ptr_eq(&self.outgoing, &other.outgoing) || targets(self) == targets(other))
            && self.measured.iter().map(|m| m.value).eq(other.measured.iter().map(|m| m.value))
    }
}

pub struct Snapshot {
    /// In the order of their ids.
    nodes: Vec<ShownNode>,
    pub stats: Stats,
    /// Worked out once for all readers.
    tag: OnceLock<u64>,
}

impl Snapshot {
    /// Of nodes in the order of their ids.
    pub fn new(nodes: Vec<ShownNode>, stats: Stats) -> Self {
        Self { nodes, stats, tag: OnceLock::new() }
    }

    /// Differs where what is shown differs, also between a view and the one that was made anew after it was dropped.
    pub fn tag(&self) -> u64 {
        *self.tag.get_or_init(|| {
            let mut hasher = FixedState::default().build_hasher();
            for node in &self.nodes {
                (node.fragment.hash, node.outgoing.written().hash, &node.carried).hash(&mut hasher);
                for measured in node.measured.iter() {
                    measured.value.to_bits().hash(&mut hasher);
                }
            }
            hasher.finish()
        })
    }

    /// In the order of their ids.
    pub fn nodes(&self) -> &[ShownNode] {
        &self.nodes
    }

    /// In the order of the ids of their ends.
    pub fn edges(&self) -> impl Iterator<Item = (&EdgeSnapshot, &Carried)> {
        self.nodes.iter().flat_map(|node| node.outgoing.edges().zip(&*node.carried))
    }

    /// About how long the JSON of the whole will be, bytes.
    pub fn size_hint(&self) -> usize {
        self.nodes.iter().map(|node| node.size_hint() + node.outgoing.size_hint()).sum::<usize>() + 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Medium;
    use shared::addr::Protocol;
    use shared::report::Evidence;
    use shared::view::{Table, TableRow};

    fn shown(slot: u32, id: &str, targets: &[(u32, &str)]) -> ShownNode {
        let table = Table { id: "t".into(), rows: vec![TableRow::default()], ..Table::default() };
        let summary = Summary { id: id.into(), tables: vec![table], ..Summary::default() };
        let node =
            NodeSnapshot { slot, id: Id::new(id), fragment: Arc::new(Fragment::of(summary)), measured: Arc::new([]) };
        let edge = |(n, (target, id)): (usize, &(u32, &str))| {
            let (medium, evidence) = (Medium::Transport(Protocol::Tcp), Evidence::Listener);
            let (edge, target) = (n as u32, *target);
            let edge = EdgeSnapshot {
                slot: edge,
                source: slot,
                target,
                medium,
                port: 80,
                network: None,
                count: 1,
                open: 1,
                evidence,
                failures: Default::default(),
            };
            (Id::new(id), edge)
        };
        let outgoing = Arc::new(Outgoing::new(Id::new(id), targets.iter().enumerate().map(edge).collect()));
        let carried = vec![Carried::default(); targets.len()].into();
        ShownNode { node, outgoing, carried }
    }

    #[test]
    fn a_node_is_written_whole_with_its_neighbours_and_for_streams_without_its_tables() {
        let node = shown(2, "a\"b", &[(7, "c\"d")]);
        let mut text = Vec::new();
        node.write(&mut text, None, 0);
        let whole: Summary = serde_json::from_slice(&text).unwrap();
        assert_eq!((&*whole.id, &*whole.adjacency, whole.tables.len()), ("a\"b", &["c\"d".to_owned()][..], 1));
        text.clear();
        node.write_for_stream(&mut text);
        let streamed: Summary = serde_json::from_slice(&text).unwrap();
        assert_eq!((&*streamed.id, streamed.tables.len()), ("a\"b", 0));
    }

    #[test]
    fn the_tag_and_sameness_tell_what_readers_would_see() {
        let tag = |nodes| Snapshot::new(nodes, Stats::default()).tag();
        let talking = || vec![shown(1, "a", &[(2, "b")]), shown(2, "b", &[])];
        assert_eq!(tag(talking()), tag(talking()), "made anew, it is the same");
        assert_ne!(tag(talking()), tag(vec![shown(1, "a", &[]), shown(2, "b", &[])]));
        assert_ne!(tag(talking()), tag(vec![shown(1, "a", &[]), shown(2, "b", &[(1, "a")])]));
        assert!(talking()[0].is_same(&talking()[0]));
        assert!(!talking()[0].is_same(&shown(1, "a", &[])));
    }
}
