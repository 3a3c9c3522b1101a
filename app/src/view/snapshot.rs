//! A view at one moment, and its JSON. The engine hands out what it keeps; sorting, hashing and writing are done by
//! whoever reads, in threads that nobody waits for.

use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use foldhash::quality::FixedState;
use shared::addr::Protocol;
use shared::report::Evidence;
use shared::view::{self, Row, Stats, StreamEdge, Summary};

use super::measure::Measured;
use crate::topology::NetworkKey;

/// A node's JSON but for its metrics and its neighbours, with gaps where the clock's values go.
#[derive(Debug, PartialEq)]
pub struct Fragment {
    /// An object that is not closed.
    text: Box<str>,
    clocks: Box<[Clock]>,
    /// Where the tables begin: streams leave them out, they are long and looked at one by one.
    tables_at: usize,
    hash: u64,
}

/// A value that the clock moves on.
#[derive(Debug, PartialEq)]
struct Clock {
    /// Where in the text it goes.
    at: usize,
    since_ms: u64,
    template: Box<str>,
}

impl Fragment {
    pub fn of(mut summary: Summary) -> Self {
        let metadata = std::mem::take(&mut summary.metadata);
        let tables = std::mem::take(&mut summary.tables);
        (summary.metrics, summary.adjacency) = (Vec::new(), Vec::new());
        let mut text = json(&summary);
        text.pop();
        let mut clocks = Vec::new();
        for (n, row) in metadata.iter().enumerate() {
            text.push_str(if n == 0 { ",\"metadata\":[" } else { "," });
            let start = text.len();
            let Some(since_ms) = row.since else {
                text.push_str(&json(row));
                continue;
            };
            text.push_str(&json(&Row { value: String::new(), ..row.clone() }));
            // Ids and labels of such rows are our own words, so this is the value and nothing that looks like it.
            if let Some(at) = text[start..].find("\"value\":\"") {
                let at = start + at + "\"value\":\"".len();
                clocks.push(Clock { at, since_ms, template: row.template.as_str().into() });
            }
        }
        if !metadata.is_empty() {
            text.push(']');
        }
        let tables_at = text.len();
        if !tables.is_empty() {
            text.push_str(",\"tables\":");
            text.push_str(&json(&tables));
        }
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self { text: text.into(), clocks: clocks.into(), tables_at, hash: hasher.finish() }
    }

    /// What it was made of.
    pub fn summary(&self) -> Summary {
        serde_json::from_str(&format!("{}}}", self.text)).unwrap_or_default()
    }

    fn write(&self, text: &mut Vec<u8>, now_ms: u64) {
        let mut from = 0;
        for Clock { at, since_ms, template } in &self.clocks {
            text.extend_from_slice(&self.text.as_bytes()[from..*at]);
            // Nothing in it that JSON escapes.
            text.extend_from_slice(view::clock(*since_ms, template, now_ms).as_bytes());
            from = *at;
        }
        text.extend_from_slice(&self.text.as_bytes()[from..]);
    }
}

pub struct NodeSnapshot {
    /// Its number in the view, which a stream's readers know it by.
    pub slot: u32,
    pub id: Arc<str>,
    /// The id as JSON writes it, without the quotes.
    pub escaped: Arc<str>,
    pub fragment: Arc<Fragment>,
    pub measured: Arc<[Measured]>,
}

impl NodeSnapshot {
    /// As a stream's readers get it: the clock is theirs.
    pub fn write_for_stream(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(&self.fragment.text.as_bytes()[..self.fragment.tables_at]);
        self.write_metrics(text);
        text.push(b'}');
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

/// Conversations between two nodes of the view, which stand in it by their slots.
#[derive(Clone)]
pub struct EdgeSnapshot {
    pub slot: u32,
    pub source: u32,
    pub target: u32,
    pub protocol: Protocol,
    pub port: u16,
    pub network: Option<NetworkKey>,
    pub count: u32,
    pub evidence: Evidence,
}

impl EdgeSnapshot {
    pub fn for_stream(&self) -> (u32, StreamEdge) {
        let edge = StreamEdge {
            source: self.source,
            target: self.target,
            protocol: self.protocol.name().into(),
            port: self.port,
            network: self.network.as_ref().map(NetworkKey::api_id),
            count: self.count,
            direction: self.evidence.name().into(),
        };
        (self.slot, edge)
    }
}

pub struct Snapshot {
    /// In the order of their ids.
    nodes: Vec<NodeSnapshot>,
    edges: Vec<EdgeSnapshot>,
    pub stats: Stats,
    whole: OnceLock<Whole>,
}

/// What readers need beyond what the engine gave, worked out once for all of them.
struct Whole {
    /// For each node the indices of those it talks to, in the order of their ids.
    adjacency: Vec<Vec<u32>>,
    /// The nodes at both ends of each edge and the edge, as indices, in the order of the ends' ids.
    edges: Vec<(u32, u32, u32)>,
    tag: u64,
}

impl Snapshot {
    /// Of nodes in the order of their ids.
    pub fn new(nodes: Vec<NodeSnapshot>, edges: Vec<EdgeSnapshot>, stats: Stats) -> Self {
        Self { nodes, edges, stats, whole: OnceLock::new() }
    }

    fn whole(&self) -> &Whole {
        self.whole.get_or_init(|| {
            let slots = self.nodes.iter().map(|node| node.slot as usize + 1).max().unwrap_or(0);
            let mut index_of = vec![u32::MAX; slots];
            for (index, node) in self.nodes.iter().enumerate() {
                index_of[node.slot as usize] = index as u32;
            }
            let index = |slot: u32| index_of.get(slot as usize).copied().filter(|index| *index != u32::MAX);
            let ends = |(n, edge): (usize, &EdgeSnapshot)| Some((index(edge.source)?, index(edge.target)?, n as u32));
            let mut edges: Vec<(u32, u32, u32)> = self.edges.iter().enumerate().filter_map(ends).collect();
            edges.sort_unstable_by(|a, b| {
                (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| {
                    let [a, b] = [a, b].map(|(_, _, n)| &self.edges[*n as usize]);
                    (a.protocol.name(), a.port, &a.network).cmp(&(b.protocol.name(), b.port, &b.network))
                })
            });
            let mut adjacency: Vec<Vec<u32>> = vec![Vec::new(); self.nodes.len()];
            for (source, target, _) in &edges {
                let targets = &mut adjacency[*source as usize];
                if targets.last() != Some(target) {
                    targets.push(*target);
                }
            }
            let tag = self.tag_of(&edges);
            Whole { adjacency, edges, tag }
        })
    }

    fn tag_of(&self, edges: &[(u32, u32, u32)]) -> u64 {
        let mut hasher = FixedState::default().build_hasher();
        for node in &self.nodes {
            node.fragment.hash.hash(&mut hasher);
            for measured in node.measured.iter() {
                measured.value.to_bits().hash(&mut hasher);
            }
        }
        // The ends by where their nodes stand, whose ids are told above.
        for (source, target, n) in edges {
            let edge = &self.edges[*n as usize];
            (source, target, edge.protocol, edge.port, edge.network.as_ref(), edge.count).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Differs where what is shown differs, also between a view and the one that was made anew after it was dropped.
    pub fn tag(&self) -> u64 {
        self.whole().tag
    }

    pub fn nodes(&self) -> impl Iterator<Item = &NodeSnapshot> {
        self.nodes.iter()
    }

    pub fn edges(&self) -> &[EdgeSnapshot] {
        &self.edges
    }

    /// Nodes in the order of their ids.
    pub fn sorted(&self) -> impl Iterator<Item = ShownNode<'_>> {
        let whole = self.whole();
        (0..self.nodes.len()).map(move |index| ShownNode { snapshot: self, whole, index })
    }

    /// Writes one edge after the other as `/api/topology/{id}` lists them, with commas between; false after the last.
    pub fn edges_writer(&self) -> impl FnMut(&mut Vec<u8>) -> bool {
        let whole = self.whole();
        let mut place = 0;
        let mut network: (Option<&NetworkKey>, String) = (None, String::new());
        move |text| {
            let Some((source, target, n)) = whole.edges.get(place) else { return false };
            let edge = &self.edges[*n as usize];
            // Edges of one network often stand side by side.
            if network.0 != edge.network.as_ref() {
                let written = edge.network.as_ref().map(|key| json(&key.api_id())).unwrap_or_default();
                network = (edge.network.as_ref(), written);
            }
            let escaped = |index: &u32| &*self.nodes[*index as usize].escaped;
            let (source, target) = (escaped(source), escaped(target));
            let (protocol, port) = (edge.protocol.name(), edge.port.to_string());
            let over = unquoted(&network.1);
            let joint = if over.is_empty() { "" } else { "---" };
            let quoted = if over.is_empty() { "null" } else { &network.1 };
            for piece in [
                if place == 0 { "{\"id\":\"" } else { ",{\"id\":\"" },
                source,
                "---",
                target,
                "---",
                protocol,
                ":",
                &port,
                joint,
                over,
                "\",\"source\":\"",
                source,
                "\",\"target\":\"",
                target,
                "\",\"protocol\":\"",
                protocol,
                "\",\"port\":",
                &port,
                ",\"network\":",
                quoted,
                ",\"count\":",
                &edge.count.to_string(),
                ",\"direction\":\"",
                edge.evidence.name(),
                "\",\"metrics\":{}}",
            ] {
                text.extend_from_slice(piece.as_bytes());
            }
            place += 1;
            true
        }
    }

    /// About how long the JSON of the whole will be, bytes.
    pub fn size_hint(&self) -> usize {
        let nodes: usize = self.nodes.iter().map(|n| n.fragment.text.len() + n.measured.len() * 200 + 400).sum();
        nodes + self.edges.len() * 560 + 64
    }
}

/// A node among those it is shown with.
#[derive(Clone, Copy)]
pub struct ShownNode<'a> {
    snapshot: &'a Snapshot,
    whole: &'a Whole,
    index: usize,
}

impl<'a> ShownNode<'a> {
    fn node(self) -> &'a NodeSnapshot {
        &self.snapshot.nodes[self.index]
    }

    pub fn id(self) -> &'a str {
        &self.node().id
    }

    /// The id as JSON writes it, without the quotes.
    pub fn escaped_id(self) -> &'a str {
        &self.node().escaped
    }

    /// What it says of itself, but for metrics and neighbours.
    pub fn summary(self) -> Summary {
        self.node().fragment.summary()
    }

    pub fn adjacency(self) -> impl Iterator<Item = &'a str> {
        self.whole.adjacency[self.index].iter().map(move |target| &*self.snapshot.nodes[*target as usize].id)
    }

    /// The whole node, in other words if `instead` gives them.
    pub fn write(self, text: &mut Vec<u8>, instead: Option<&Fragment>, now_ms: u64) {
        instead.unwrap_or(&self.node().fragment).write(text, now_ms);
        self.node().write_metrics(text);
        for (n, target) in self.whole.adjacency[self.index].iter().enumerate() {
            text.extend_from_slice(if n == 0 { b",\"adjacency\":[\"" } else { b",\"" });
            text.extend_from_slice(self.snapshot.nodes[*target as usize].escaped.as_bytes());
            text.push(b'"');
        }
        if !self.whole.adjacency[self.index].is_empty() {
            text.push(b']');
        }
        text.push(b'}');
    }

    /// Whether a reader would see no difference.
    pub fn is_same(self, other: ShownNode<'_>) -> bool {
        let (mine, others) = (self.node(), other.node());
        (Arc::ptr_eq(&mine.fragment, &others.fragment) || mine.fragment == others.fragment)
            && self.adjacency().eq(other.adjacency())
            && mine.measured.iter().map(|m| m.value).eq(others.measured.iter().map(|m| m.value))
    }
}

/// As JSON writes it, without the quotes.
pub fn escaped(text: &str) -> String {
    unquoted(&json(text)).to_owned()
}

fn unquoted(json: &str) -> &str {
    json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json)
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::view::{Table, TableRow};

    fn summary() -> Summary {
        let table = Table { id: "t".into(), rows: vec![TableRow::default()], ..Table::default() };
        let plain = Row { id: "cmdline".into(), value: "sh -c \"\u{1}\"".into(), ..Row::default() };
        let clock = Row { id: "state".into(), since: Some(1_000), template: "Up {}".into(), ..Row::default() };
        Summary {
            id: "a\"b".into(),
            label: "\"value\":\"".into(),
            metadata: vec![plain, clock],
            tables: vec![table],
            ..Summary::default()
        }
    }

    #[test]
    fn a_fragment_is_the_summary_with_the_clock_told() {
        let fragment = Fragment::of(summary());
        let mut text = Vec::new();
        fragment.write(&mut text, 6_000);
        text.push(b'}');
        let mut expected = summary();
        expected.metadata[1].value = "Up 5 seconds".into();
        assert_eq!(serde_json::from_slice::<Summary>(&text).unwrap(), expected);
        assert_eq!(fragment.summary(), summary(), "and gives back what it was made of");
    }

    #[test]
    fn a_whole_view_written_by_hand_is_json_with_escaped_ids() {
        let node = |slot, id: &str| NodeSnapshot {
            slot,
            id: id.into(),
            escaped: escaped(id).into(),
            fragment: Arc::new(Fragment::of(Summary { id: id.into(), ..summary() })),
            measured: Arc::new([]),
        };
        let edge = |slot, port| EdgeSnapshot {
            slot,
            source: 7,
            target: 2,
            protocol: Protocol::Tcp,
            port,
            network: (port == 80).then(|| NetworkKey::Shared("n\"et".into())),
            count: 3,
            evidence: Evidence::Listener,
        };
        let (nodes, edges) = (vec![node(2, "a\"b"), node(7, "b")], vec![edge(0, 80), edge(1, 22)]);
        let snapshot = Snapshot::new(nodes, edges, Stats::default());
        let mut text = Vec::new();
        text.push(b'[');
        let mut edge = snapshot.edges_writer();
        while edge(&mut text) {}
        text.push(b']');
        let edges: Vec<view::Edge> = serde_json::from_slice(&text).unwrap();
        let network = NetworkKey::Shared("n\"et".into()).api_id();
        assert_eq!(edges[0].id, "b---a\"b---tcp:22");
        assert_eq!(edges[1].id, format!("b---a\"b---tcp:80---{network}"));
        assert_eq!(edges[1].network.as_ref(), Some(&network));
        let shown: Vec<Summary> = snapshot
            .sorted()
            .map(|node| {
                let mut text = Vec::new();
                node.write(&mut text, None, 0);
                serde_json::from_slice(&text).unwrap()
            })
            .collect();
        assert_eq!([&*shown[0].id, &*shown[1].id], ["a\"b", "b"]);
        assert_eq!(shown[1].adjacency, ["a\"b"], "once, however many ports");
        let mut streamed = Vec::new();
        snapshot.nodes().next().unwrap().write_for_stream(&mut streamed);
        let streamed: Summary = serde_json::from_slice(&streamed).unwrap();
        assert_eq!(streamed.tables, []);
        assert_eq!(streamed.metadata.len(), 2);
    }
}
