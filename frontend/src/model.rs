//! What the stream of a view has said so far.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use shared::report::Failures;
use shared::view::{Stats, Status, StreamDelta, StreamEdge, Summary};

use crate::changes::Changes;
use crate::failing::Failing;
use crate::strand::{self, Edges, Told};

/// A metric's values are kept for a sparkline of this many seconds.
const HISTORY: usize = 60;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub nodes: BTreeMap<u32, Summary>,
    pub edges: Edges,
    pub failing: Failing,
    pub stats: Stats,
    pub status: Status,
    /// Who came and went since the first message.
    pub changes: Changes,
    /// Whether anything was told yet.
    is_begun: bool,
    /// The app's clock minus ours, milliseconds, as of the last message.
    pub clock_ms: i64,
    /// Rises when nodes come or go, or are of other parents or networks than before.
    pub membership: u64,
    /// Rises when nodes or edges come, go or change, but not with values.
    pub structure: u64,
}

/// What came of a message: of several, whichever comes later in this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taken {
    /// Only how the hosts are, or how much is left out: nothing that is drawn.
    Status,
    /// Values only.
    Values,
    /// Nodes or edges changed.
    Structure,
}

impl Model {
    /// What failed of a node's connections, by the far end's id and port; of those that come to it or of those that it makes.
    pub fn failures_of(&self, id: &str, is_incoming: bool) -> BTreeMap<(String, u16), Failures> {
        self.summed(id, is_incoming, |edge| (!edge.failures.is_none()).then_some(edge.failures))
    }

    /// How many of them are open and get no answer: as `failures_of`.
    pub fn unanswered_of(&self, id: &str, is_incoming: bool) -> BTreeMap<(String, u16), u32> {
        self.summed(id, is_incoming, |edge| Some(strand::unanswered(edge)).filter(|count| *count > 0))
    }

    /// Bytes a second, both ways together, of those whose traffic is measured: as `failures_of`.
    pub fn traffic_of(&self, id: &str, is_incoming: bool) -> BTreeMap<(String, u16), f64> {
        self.summed(id, is_incoming, |edge| match edge.metrics[..] {
            // In the order of `EDGE_METRICS`.
            [Some(sent), Some(received), ..] => Some(sent + received),
            _ => None,
        })
    }

    fn summed<T: Default + AddAssign>(
        &self,
        id: &str,
        is_incoming: bool,
        of: impl Fn(&StreamEdge) -> Option<T>,
    ) -> BTreeMap<(String, u16), T> {
        let mut found: BTreeMap<(String, u16), T> = BTreeMap::new();
        let Some(slot) = self.slot_of(id) else { return found };
        for edge in self.edges.values() {
            let (own, far) = if is_incoming { (edge.target, edge.source) } else { (edge.source, edge.target) };
            if own == slot
                && let Some(figure) = of(edge)
                && let Some(far) = self.nodes.get(&far)
            {
                *found.entry((far.id.clone(), edge.port)).or_default() += figure;
            }
        }
        found
    }

    /// The line from one node to another, by their ids.
    pub fn line(&self, (source, target): &(String, String), now_ms: u64) -> Option<Told> {
        let ends = (self.slot_of(source)?, self.slot_of(target)?);
        let mine = self.edges.iter().filter(|(_, edge)| (edge.source, edge.target) == ends);
        let strand = strand::strands(mine, strand::own_ends, |edge| self.failing.rate(edge, now_ms)).remove(&ends)?;
        Some(strand.told(&self.edges))
    }

    pub fn take(&mut self, delta: StreamDelta, now_ms: u64) -> Taken {
        // Whoever receives it sees to it that none is missed.
        let StreamDelta {
            sequence: _,
            reset,
            more: _,
            at,
            nodes,
            gone,
            values,
            edges,
            edge_values,
            edges_gone,
            stats,
            status,
        } = delta;
        self.clock_ms = at.cast_signed() - now_ms.cast_signed();
        let structural = reset || !(nodes.is_empty() && gone.is_empty() && edges.is_empty() && edges_gone.is_empty());
        self.changes.forget(now_ms);
        if reset {
            // Who was told of first was there before.
            if std::mem::replace(&mut self.is_begun, true) {
                self.changes.replaced(&self.nodes, nodes.iter().map(|(_, node)| node), now_ms);
            }
            self.nodes.clear();
            self.edges.clear();
            self.failing.clear();
        }
        // What goes goes first: its number may be taken by what comes.
        for edge in edges_gone {
            self.edges.remove(&edge);
            self.failing.forget(edge);
        }
        let mut others_are_there = reset || !gone.is_empty();
        for slot in gone {
            if let Some(node) = self.nodes.remove(&slot) {
                self.changes.went(node, now_ms);
            }
        }
        for (slot, node) in nodes {
            let is_as_before = |before: &Summary| {
                before.id == node.id && before.parents == node.parents && before.networks == node.networks
            };
            let before = self.nodes.get(&slot);
            others_are_there |= !before.is_some_and(is_as_before);
            let is_another = before.is_some_and(|before| before.id != node.id);
            if !reset && (is_another || before.is_none()) {
                self.changes.came(&node.id, now_ms);
            }
            if let Some(before) = self.nodes.insert(slot, node).filter(|_| is_another) {
                self.changes.went(before, now_ms);
            }
        }
        self.membership += u64::from(others_are_there);
        // Of what failed before there was anybody to see it, nobody knows when.
        for (slot, edge) in edges.iter().filter(|_| !reset) {
            let before = self.edges.get(slot).map(|edge| edge.failures).unwrap_or_default();
            self.failing.note(*slot, edge.failures.since(before), now_ms);
        }
        self.edges.extend(edges);
        let is_measured = !values.is_empty() || !edge_values.is_empty();
        for (slot, values) in edge_values {
            if let Some(edge) = self.edges.get_mut(&slot) {
                edge.metrics = values;
            }
        }
        for (slot, values) in values {
            let Some(node) = self.nodes.get_mut(&slot) else { continue };
            for (metric, value) in node.metrics.iter_mut().zip(values) {
                metric.value = value;
                metric.max = metric.max.max(value);
            }
        }
        if let Some(stats) = stats {
            self.stats = stats;
        }
        if let Some(status) = status {
            self.status = status;
        }
        if structural {
            self.structure += 1;
            Taken::Structure
        } else if is_measured {
            Taken::Values
        } else {
            Taken::Status
        }
    }

    /// The app's time, where this machine's is `now_ms`.
    pub fn now_ms(&self, now_ms: f64) -> u64 {
        (now_ms as u64).saturating_add_signed(self.clock_ms)
    }

    pub fn slot_of(&self, id: &str) -> Option<u32> {
        self.nodes.iter().find(|(_, node)| node.id == id).map(|(slot, _)| *slot)
    }

    /// Networks of the nodes by name, with how many nodes are in each: most of them first. One name on several hosts is
    /// several networks, but one line.
    pub fn networks(&self) -> Vec<(String, usize)> {
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for node in self.nodes.values() {
            let names: BTreeSet<&str> = node.networks.iter().map(|network| network.label.as_str()).collect();
            names.into_iter().for_each(|name| *count.entry(name).or_default() += 1);
        }
        let mut list: Vec<(String, usize)> = count.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        list
    }

    /// Those that are in a network of that name, or are one, and between whom something goes over one of these ids.
    pub fn members(&self, network: &str, ids: &BTreeSet<String>) -> BTreeSet<u32> {
        let is_in = |node: &Summary| {
            node.networks.iter().any(|one| one.label == network) || (node.kind == "network" && node.label == network)
        };
        let takes = |edge: &&StreamEdge| edge.network.as_ref().is_some_and(|id| ids.contains(id));
        let ends = self.edges.values().filter(takes).flat_map(|edge| [edge.source, edge.target]);
        self.nodes.iter().filter(|(_, node)| is_in(node)).map(|(slot, _)| *slot).chain(ends).collect()
    }
}

/// The last minute of values as they passed by, for a card that is open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History(BTreeMap<String, Vec<f64>>);

impl History {
    pub fn push(&mut self, metric: &str, value: f64) {
        let values = self.0.entry(metric.to_owned()).or_default();
        if values.len() == HISTORY {
            values.remove(0);
        }
        values.push(value);
    }

    pub fn of(&self, metric: &str) -> &[f64] {
        self.0.get(metric).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::view::Metric;

    fn node(id: &str) -> Summary {
        let metrics = vec![Metric { id: "cpu".into(), ..Metric::default() }];
        Summary { id: id.into(), metrics, ..Summary::default() }
    }

    fn delta(sequence: u64) -> StreamDelta {
        StreamDelta { sequence, ..StreamDelta::default() }
    }

    #[test]
    fn a_number_that_is_given_up_and_taken_in_one_message_names_the_new_node() {
        let mut model = Model::default();
        model.take(StreamDelta { reset: true, nodes: vec![(0, node("a"))], ..delta(4) }, 0);
        let taken = model.take(StreamDelta { gone: vec![0], nodes: vec![(0, node("b"))], ..delta(5) }, 0);
        assert_eq!(taken, Taken::Structure);
        assert_eq!(model.slot_of("b"), Some(0));
        assert_eq!(model.slot_of("a"), None);
    }

    #[test]
    fn what_failed_of_a_nodes_connections_is_told_by_far_end_and_port() {
        let mut model = Model::default();
        let nodes = vec![(0, node("a")), (1, node("b"))];
        let edge = |port, refused| {
            let failures = Failures { refused, ..Failures::default() };
            StreamEdge { source: 0, target: 1, port, failures, ..StreamEdge::default() }
        };
        model.take(StreamDelta { reset: true, nodes, edges: vec![(0, edge(80, 2)), (1, edge(81, 0))], ..delta(0) }, 0);
        let failed = |id: &str, is_incoming| model.failures_of(id, is_incoming).into_iter().collect::<Vec<_>>();
        let two = Failures { refused: 2, ..Failures::default() };
        assert_eq!(failed("a", false), [(("b".to_owned(), 80), two)]);
        assert_eq!(failed("b", true), [(("a".to_owned(), 80), two)]);
        assert!(failed("a", true).is_empty() && failed("b", false).is_empty());
        assert!(model.traffic_of("a", false).is_empty(), "nobody measures it");
        let metrics = vec![Some(3.0), Some(4.0), None];
        model.take(StreamDelta { edge_values: vec![(0, metrics)], ..delta(1) }, 0);
        let carried = |id: &str, is_incoming| model.traffic_of(id, is_incoming).into_iter().collect::<Vec<_>>();
        assert_eq!(carried("b", true), [(("a".to_owned(), 80), 7.0)]);
    }

    #[test]
    fn a_line_has_what_its_edges_carry_and_what_failed_of_them_since_somebody_looked() {
        let mut model = Model::default();
        let nodes = vec![(0, node("a")), (1, node("b"))];
        let edge = |refused, sent: f64| {
            let failures = Failures { refused, ..Failures::default() };
            StreamEdge { source: 0, target: 1, port: 80, failures, metrics: vec![Some(sent)], ..StreamEdge::default() }
        };
        model.take(StreamDelta { reset: true, nodes, edges: vec![(5, edge(70, 1.0))], ..delta(0) }, 0);
        let ends = ("a".to_owned(), "b".to_owned());
        let line = |model: &Model, now_ms| {
            let Told { strand, ports, .. } = model.line(&ends, now_ms).unwrap();
            assert_eq!((&strand.edges[..], ports.first()), (&[5][..], Some(&80)));
            (strand.sent, strand.failing)
        };
        assert_eq!(line(&model, 1_000), (Some(1.0), 0.0));
        assert_eq!(
            model.take(StreamDelta { edge_values: vec![(5, vec![Some(9.0)])], ..delta(1) }, 1_000),
            Taken::Values
        );
        model.take(StreamDelta { edges: vec![(5, edge(90, 9.0))], ..delta(2) }, 2_000);
        assert_eq!(line(&model, 3_000), (Some(9.0), 10.0));
        assert_eq!(crate::folding::Folding::default().strands(&model, 3_000)[&(0, 1)].failing, 10.0);
        assert_eq!(model.line(&("b".into(), "a".into()), 3_000), None);
    }

    #[test]
    fn a_networks_members_are_those_in_it_and_those_who_talk_over_it() {
        let network = |id: &str, label: &str| shared::view::Parent {
            id: id.into(),
            label: label.into(),
            topology_id: "networks".into(),
        };
        let on = |id: &str, networks| Summary { networks, ..node(id) };
        let mut model = Model::default();
        let nodes = vec![
            (0, on("a", vec![network("1", "lan"), network("2", "lan")])),
            (1, on("b", vec![network("3", "mesh")])),
            (2, node("c")),
            (3, on("d", vec![network("3", "mesh")])),
            (4, node("e")),
        ];
        let over = StreamEdge { source: 2, target: 4, network: Some("3".into()), ..StreamEdge::default() };
        model.take(StreamDelta { reset: true, nodes, edges: vec![(0, over)], ..delta(0) }, 0);
        assert_eq!(model.networks(), [("mesh".to_owned(), 2), ("lan".to_owned(), 1)]);
        assert_eq!(model.members("mesh", &["3".to_owned()].into()), [1, 2, 3, 4].into());
        assert_eq!(model.members("lan", &["1".to_owned(), "2".to_owned()].into()), [0].into());
    }

    #[test]
    fn values_change_no_structure() {
        let mut model = Model::default();
        model.take(StreamDelta { reset: true, nodes: vec![(0, node("a"))], ..delta(0) }, 0);
        let taken = model.take(StreamDelta { values: vec![(0, vec![7.0]), (9, vec![1.0])], ..delta(1) }, 0);
        assert_eq!(taken, Taken::Values);
        assert_eq!(model.nodes[&0].metrics[0].value, 7.0);
        let findings = shared::view::FindingCount { failing: 3, ..Default::default() };
        let status = Some(Status { findings, ..Status::default() });
        assert_eq!(model.take(StreamDelta { status, ..delta(2) }, 0), Taken::Status, "nothing of it is drawn");
        assert_eq!(model.status.findings, findings);
    }

    #[test]
    fn who_comes_and_goes_after_the_first_message_is_noted_also_where_all_is_told_anew() {
        let mut model = Model::default();
        model.take(StreamDelta { reset: true, nodes: vec![(0, node("a")), (1, node("b"))], ..delta(0) }, 1);
        let told = |model: &Model| {
            let gone = model.changes.gone(100, 10).map(|gone| gone.node.id.clone());
            (
                model.changes.newcomers(100, 10).map(|(id, _)| id.to_owned()).collect::<Vec<_>>(),
                gone.collect::<Vec<_>>(),
            )
        };
        assert_eq!(told(&model), (vec![], vec![]));
        let sick = Summary { health: "failing".into(), ..node("a") };
        model.take(StreamDelta { gone: vec![1], nodes: vec![(0, sick), (1, node("c"))], ..delta(1) }, 2);
        assert_eq!(told(&model), (vec!["c".into()], vec!["b".into()]));
        model.take(StreamDelta { reset: true, nodes: vec![(7, node("c")), (8, node("d"))], ..delta(9) }, 3);
        assert_eq!(told(&model), (vec!["c".into(), "d".into()], vec!["b".into(), "a".into()]));
    }

    #[test]
    fn membership_is_of_nodes_and_of_what_they_belong_to() {
        let mut model = Model::default();
        model.take(StreamDelta { reset: true, nodes: vec![(0, node("a")), (1, node("b"))], ..delta(0) }, 0);
        let start = model.membership;
        let sick = Summary { health: "failing".into(), ..node("a") };
        let edge = StreamEdge { source: 0, target: 1, ..StreamEdge::default() };
        model.take(StreamDelta { nodes: vec![(0, sick.clone())], edges: vec![(0, edge)], ..delta(1) }, 0);
        assert_eq!(model.membership, start, "how a node is and what it says makes no other members");
        let parents = vec![shared::view::Parent { id: "h".into(), ..shared::view::Parent::default() }];
        model.take(StreamDelta { nodes: vec![(0, Summary { parents, ..sick })], ..delta(2) }, 0);
        assert_eq!(model.membership, start + 1);
        model.take(StreamDelta { gone: vec![1], nodes: vec![(1, node("c"))], ..delta(3) }, 0);
        assert_eq!(model.membership, start + 2, "a number that another one has now");
    }
}
