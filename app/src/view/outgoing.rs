//! The edges that start at a node, in order, and their JSON: written once by whoever reads first and kept until one of
//! them changes. A fleet's edges are half of what a view's readers get, and few of them change from look to look.

use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use foldhash::quality::FixedState;
use shared::report::{Evidence, Failures};
use shared::view::{EDGE_METRICS, EDGE_METRICS_FOLLOWED, Edge, StreamEdge};

use super::fragment::{json, unquoted};
use crate::topology::carried::Carried;
use crate::topology::{Medium, NetworkKey};

/// Conversations between two nodes of the view, which stand in it by their slots.
#[derive(Clone)]
pub struct EdgeSnapshot {
    pub slot: u32,
    pub source: u32,
    pub target: u32,
    pub medium: Medium,
    pub port: u16,
    pub network: Option<NetworkKey>,
    pub count: u32,
    pub open: u32,
    pub evidence: Evidence,
    pub failures: Failures,
}

/// What an edge carries, in the order of `shared::view::EDGE_METRICS` and in thousandths; what nobody measured is none.
fn figures(carried: &Carried) -> [Option<u64>; EDGE_METRICS.len()] {
    let Carried { totals, now, min_rtt_us } = carried;
    if !carried.is_told() {
        return [None; _];
    }
    let whole = |count: u64| Some(count.saturating_mul(1_000));
    // Nobody opens datagrams, or sends them again.
    let are_datagrams = totals.sent_packets + totals.received_packets > 0;
    let of_streams = |thousandths: u64| (!are_datagrams).then_some(thousandths);
    // Of what is told in thousandths of the unit.
    let mean = |sum: u64, of: u64| (sum > 0 && of > 0).then(|| sum / of);
    [
        whole(now.sent_bytes_per_s),
        whole(now.received_bytes_per_s),
        of_streams(now.opened_per_s * 10),
        of_streams(now.retransmits_per_s * 10),
        carried.rtt_us(),
        whole(now.unanswered.max(now.unanswered_there).into()).filter(|count| *count > 0),
        Some(u64::from(*min_rtt_us)).filter(|least| *least > 0),
        mean(totals.connect_us, totals.opened),
        mean(totals.lived_ms, totals.lived),
        of_streams(totals.opened * 1_000),
        whole(totals.sent_bytes),
        whole(totals.received_bytes),
        of_streams(totals.retransmits * 1_000),
        whole(totals.sent_packets).filter(|_| are_datagrams),
        whole(totals.received_packets).filter(|_| are_datagrams),
    ]
}

/// What of it a stream's readers follow; none where nobody tells.
pub fn values(carried: &Carried) -> Vec<Option<f64>> {
    if !carried.is_told() {
        return Vec::new();
    }
    let figures = figures(carried);
    let followed = &figures[..EDGE_METRICS_FOLLOWED];
    let told = followed.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    followed[..told].iter().map(|figure| figure.map(|thousandths| thousandths as f64 / 1e3)).collect()
}

/// What an edge carries, as a JSON object has it inside its braces.
fn write_metrics(text: &mut Vec<u8>, carried: &Carried) {
    let known = EDGE_METRICS.iter().zip(figures(carried)).filter_map(|(metric, value)| Some((metric.id, value?)));
    let mut digits = itoa::Buffer::new();
    for (n, (name, value)) in known.enumerate() {
        text.extend_from_slice(if n == 0 { b"\"" } else { b",\"" });
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b"\":");
        text.extend_from_slice(digits.format(value / 1_000).as_bytes());
        let rest = value % 1_000;
        if rest > 0 {
            text.push(b'.');
            text.extend([rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8));
        }
    }
}

impl EdgeSnapshot {
    pub fn for_stream(&self, carried: &Carried) -> (u32, StreamEdge) {
        let edge = StreamEdge {
            source: self.source,
            target: self.target,
            protocol: self.medium.name().into(),
            port: self.port,
            network: self.network.as_ref().map(NetworkKey::api_id),
            count: self.count,
            open: self.open,
            direction: self.evidence.name().into(),
            failures: self.failures,
            metrics: values(carried),
        };
        (self.slot, edge)
    }
}

impl EdgeSnapshot {
    /// Without its ends, which it knows by their slots.
    pub fn for_api(&self, carried: &Carried) -> Edge {
        let known = EDGE_METRICS.iter().zip(figures(carried));
        let metrics = known.filter_map(|(metric, value)| Some((metric.id.to_owned(), value? as f64 / 1e3)));
        Edge {
            protocol: self.medium.name().into(),
            port: self.port,
            network: self.network.as_ref().map(NetworkKey::api_id),
            count: self.count,
            open: self.open,
            direction: self.evidence.name().into(),
            failures: self.failures,
            metrics: metrics.collect(),
            ..Edge::default()
        }
    }
}

/// A node's id, and the same as JSON writes it, without the quotes.
#[derive(Clone, Default)]
pub struct Id {
    pub plain: Arc<str>,
    pub escaped: Arc<str>,
}

impl Id {
    pub fn new(id: &str) -> Self {
        let plain: Arc<str> = id.into();
        let escaped = json(id);
        let escaped = if unquoted(&escaped) == id { plain.clone() } else { unquoted(&escaped).into() };
        Self { plain, escaped }
    }
}

pub struct Outgoing {
    source: Id,
    /// Each with the node that it leads to, in the order of these nodes' ids.
    edges: Box<[(Id, EdgeSnapshot)]>,
    written: OnceLock<Written>,
}

pub struct Written {
    /// `,"adjacency":[…]`: the nodes that these edges lead to; nothing where there are none.
    pub adjacency: Box<[u8]>,
    /// Each as `/api/topology/{id}` lists it, as far as what it carries, one after the other.
    heads: Box<[u8]>,
    /// Where each of them ends.
    ends: Box<[u32]>,
    pub hash: u64,
}

impl Outgoing {
    pub fn new(source: Id, mut edges: Vec<(Id, EdgeSnapshot)>) -> Self {
        edges.sort_unstable_by(|(a_id, a), (b_id, b)| {
            let by_target = if a.target == b.target { std::cmp::Ordering::Equal } else { a_id.plain.cmp(&b_id.plain) };
            by_target.then_with(|| (a.medium.name(), a.port, &a.network).cmp(&(b.medium.name(), b.port, &b.network)))
        });
        Self { source, edges: edges.into(), written: OnceLock::new() }
    }

    pub fn edges(&self) -> impl Iterator<Item = &EdgeSnapshot> {
        self.edges.iter().map(|(_, edge)| edge)
    }

    /// Each with the node that it leads to.
    pub fn with_targets(&self) -> &[(Id, EdgeSnapshot)] {
        &self.edges
    }

    /// The edges as `/api/topology/{id}` lists them, with commas between; `carried` is what they carry, in their order.
    pub fn write(&self, text: &mut Vec<u8>, carried: &[Carried]) {
        let Written { heads, ends, .. } = self.written();
        let mut start = 0;
        for (n, end) in ends.iter().enumerate() {
            if n > 0 {
                text.push(b',');
            }
            text.extend_from_slice(&heads[start..*end as usize]);
            start = *end as usize;
            if let Some(carried) = carried.get(n) {
                write_metrics(text, carried);
            }
            text.extend_from_slice(b"}}");
        }
    }

    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// The ids of the nodes that these edges lead to, in order, each once.
    pub fn targets(&self) -> impl Iterator<Item = &Id> {
        let mut last = None;
        self.edges.iter().filter_map(move |(id, edge)| (last.replace(edge.target) != Some(edge.target)).then_some(id))
    }

    /// About how long its JSON is, bytes.
    pub fn size_hint(&self) -> usize {
        let written = self.written.get();
        let known = written.map(|written| written.adjacency.len() + written.heads.len() + self.edges.len() * 200);
        known.unwrap_or(self.edges.len() * 800)
    }

    pub fn written(&self) -> &Written {
        self.written.get_or_init(|| {
            let mut adjacency = Vec::new();
            for target in self.targets() {
                adjacency.extend_from_slice(if adjacency.is_empty() { b",\"adjacency\":[\"" } else { b",\"" });
                adjacency.extend_from_slice(target.escaped.as_bytes());
                adjacency.push(b'"');
            }
            if !adjacency.is_empty() {
                adjacency.push(b']');
            }
            let mut heads = Vec::with_capacity(self.edges.len() * 600);
            let mut ends = Vec::with_capacity(self.edges.len());
            for (target, edge) in &self.edges {
                write_head(&mut heads, &self.source.escaped, &target.escaped, edge);
                ends.push(u32::try_from(heads.len()).expect("a node's edges are no 4 GB"));
            }
            let hash = FixedState::default().hash_one(&*heads);
            Written { adjacency: adjacency.into(), heads: heads.into(), ends: ends.into(), hash }
        })
    }
}

fn write_head(text: &mut Vec<u8>, source: &str, target: &str, edge: &EdgeSnapshot) {
    let network = edge.network.as_ref().map_or_else(|| "null".into(), |key| json(&key.api_id()));
    let (joint, over) = if edge.network.is_some() { ("---", unquoted(&network)) } else { ("", "") };
    let (protocol, port) = (edge.medium.name(), edge.port.to_string());
    let failures = match edge.failures.is_none() {
        true => String::new(),
        false => format!(",\"failures\":{}", serde_json::to_string(&edge.failures).unwrap_or_else(|_| "{}".into())),
    };
    for piece in [
        "{\"id\":\"",
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
        &network,
        ",\"count\":",
        &edge.count.to_string(),
        ",\"open\":",
        &edge.open.to_string(),
        ",\"direction\":\"",
        edge.evidence.name(),
        "\"",
        &failures,
        ",\"metrics\":{",
    ] {
        text.extend_from_slice(piece.as_bytes());
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::topology::carried::Now;
    use shared::addr::Protocol;
    use shared::report::FlowTotals;

    pub fn edge(target: u32, port: u16) -> EdgeSnapshot {
        EdgeSnapshot {
            slot: u32::from(port),
            source: 7,
            target,
            medium: Medium::Transport(Protocol::Tcp),
            port,
            network: (port == 80).then(|| NetworkKey::Shared("n\"et".into())),
            count: 3,
            open: 2,
            evidence: Evidence::Listener,
            failures: Failures { refused: u64::from(port == 80), ..Failures::default() },
        }
    }

    #[test]
    fn what_an_edge_carries_stands_in_it_by_name_and_what_nobody_measured_is_left_out() {
        let totals = FlowTotals { opened: 4, connect_us: 10_000, sent_bytes: 700, ..FlowTotals::default() };
        let now = Now { sent_bytes_per_s: 35, opened_per_s: 25, flows: 1, ..Now::default() };
        let (carried, edge) = (Carried { totals, now, min_rtt_us: 1_002 }, edge(1, 22));
        let (_, stream) = edge.for_stream(&carried);
        assert_eq!(stream.metrics, [Some(35.0), Some(0.0), Some(0.25), Some(0.0)]);
        let mut text = Vec::new();
        Outgoing::new(Id::new("b"), vec![(Id::new("c"), edge.clone())]).write(&mut text, &[carried]);
        let written: Edge = serde_json::from_slice(&text).unwrap();
        assert_eq!(written.metrics, edge.for_api(&carried).metrics);
        assert_eq!(written.metrics["min_rtt_ms"], 1.002);
        let of = |name: &str| written.metrics.get(name).copied();
        assert_eq!((of("connect_ms"), of("sent_bytes"), of("rtt_ms")), (Some(2.5), Some(700.0), None));
    }

    #[test]
    fn what_gets_no_answer_is_counted_once_whichever_end_tells_of_it() {
        let unanswered = |unanswered, unanswered_there| {
            let now = Now { unanswered, unanswered_there, flows: 1, ..Now::default() };
            let carried = Carried { now, ..Carried::default() };
            let (_, stream) = edge(1, 22).for_stream(&carried);
            let api = edge(1, 22).for_api(&carried).metrics.get("unanswered").copied();
            assert_eq!(stream.metrics.get(5).copied().flatten(), api);
            api
        };
        assert_eq!([unanswered(0, 0), unanswered(2, 0), unanswered(1, 3)], [None, Some(2.0), Some(3.0)]);
    }

    #[test]
    fn edges_are_written_in_the_order_of_targets_and_ports_with_escaped_ids() {
        let (a, c) = (Id::new("a\"b"), Id::new("c"));
        let edges = vec![(c, edge(1, 22)), (a.clone(), edge(2, 80)), (a, edge(2, 22))];
        let outgoing = Outgoing::new(Id::new("b"), edges);
        let mut text = b"[".to_vec();
        outgoing.write(&mut text, &[Carried::default(); 3]);
        text.push(b']');
        let edges: Vec<Edge> = serde_json::from_slice(&text).unwrap();
        let network = NetworkKey::Shared("n\"et".into()).api_id();
        let ids: Vec<&str> = edges.iter().map(|edge| &*edge.id).collect();
        let over = format!("b---a\"b---tcp:80---{network}");
        assert_eq!(ids, ["b---a\"b---tcp:22", &over, "b---c---tcp:22"]);
        assert_eq!((edges[1].network.as_ref(), edges[1].failures.refused), (Some(&network), 1));
        assert_eq!((edges[1].count, edges[1].open), (3, 2));
        let adjacency = [b"{\"id\":0", &*outgoing.written().adjacency, b"}"].concat();
        let node: serde_json::Value = serde_json::from_slice(&adjacency).unwrap();
        assert_eq!(node["adjacency"], serde_json::json!(["a\"b", "c"]), "once, however many ports");
    }

    #[test]
    fn what_is_written_has_another_hash_where_anything_differs() {
        let hash = |count| {
            let edge = EdgeSnapshot { count, ..edge(1, 22) };
            Outgoing::new(Id::new("b"), vec![(Id::new("c"), edge)]).written().hash
        };
        assert_eq!(hash(1), hash(1));
        assert_ne!(hash(1), hash(2));
    }
}
