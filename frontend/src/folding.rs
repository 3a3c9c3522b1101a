//! Nodes that belong together: in a box while their group is open, one node while it is folded.
//!
//! A folded group has a number of its own beside those of the app's nodes, and what its members say to others is said
//! by it. The model below stays as the app tells it.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;
use shared::view::{Metric, Parent, StreamEdge, Summary};

use crate::model::Model;
use crate::strand::{self, Strand};

/// What nodes are put together by, beside the topologies of their parents.
pub const NETWORKS: &str = "networks";
/// And, with a label's name behind it, by the value of that.
pub const LABEL: &str = "label:";
/// The app's own numbers of nodes are far below.
const FIRST_SLOT: u32 = 1 << 31;
/// Networks that nearly everything is on tell nothing of what belongs together, if there is another.
const COMMON: [&str; 4] = ["bridge", "ingress", "docker_gwbridge", "host"];

/// Which groups are folded: those that were turned are the other way round than all others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folds {
    /// None for as it is best for so many nodes.
    pub all: Option<bool>,
    pub turned: BTreeSet<String>,
}

impl Folds {
    pub fn is_folded(&self, key: &str, by_itself: bool) -> bool {
        self.all.unwrap_or(by_itself) != self.turned.contains(key)
    }

    pub fn turn(&mut self, key: &str) {
        if !self.turned.remove(key) {
            self.turned.insert(key.to_owned());
        }
    }

    pub fn set_all(&mut self, folded: bool) {
        *self = Self { all: Some(folded), turned: BTreeSet::new() };
    }
}

/// The labels of nodes, by the nodes' ids.
pub type Labels = BTreeMap<String, BTreeMap<String, String>>;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    pub label: String,
    pub members: Vec<u32>,
    pub is_folded: bool,
}

/// The groups of a view by their keys, and the nodes that stand for those that are folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folding {
    pub groups: BTreeMap<String, Group>,
    /// Folded groups by their numbers.
    nodes: BTreeMap<u32, Summary>,
    /// Numbers of the groups that members of folded ones are in.
    of: HashMap<u32, u32>,
}

impl Folding {
    /// Puts together the nodes that are shown: by the topology of one of their parents, by `NETWORKS` or by a `LABEL`.
    pub fn of(
        model: &Model,
        labels: &Labels,
        by: &str,
        folds: &Folds,
        by_itself: bool,
        is_shown: impl Fn(u32) -> bool,
    ) -> Self {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        let sizes = if by == NETWORKS { network_sizes(model) } else { BTreeMap::new() };
        for (slot, node) in model.nodes.iter().filter(|(slot, _)| is_shown(**slot)) {
            let belongs = match by.strip_prefix(LABEL) {
                Some(label) => labels.get(&node.id).and_then(|own| own.get(label)).map(|value| (value, value)),
                None => parent_of(node, by, &sizes).map(|parent| (key_of(parent, by), &parent.label)),
            };
            let Some((key, label)) = belongs else { continue };
            let group = groups.entry(key.clone()).or_default();
            group.label.clone_from(label);
            group.members.push(*slot);
        }
        let mut folding = Self::default();
        for (key, group) in &mut groups {
            group.is_folded = folds.is_folded(key, by_itself);
            if !group.is_folded {
                continue;
            }
            let mut slot = FIRST_SLOT | hash(key);
            while folding.nodes.contains_key(&slot) {
                slot = FIRST_SLOT | slot.wrapping_add(1);
            }
            folding.of.extend(group.members.iter().map(|member| (*member, slot)));
            folding.nodes.insert(slot, summary(model, by, key, group));
        }
        folding.groups = groups;
        folding
    }

    /// Says again how those are that stand for others: as `of`, where no node came, went or changed its group.
    pub fn refresh(&mut self, model: &Model, by: &str) {
        for node in self.nodes.values_mut() {
            if let Some((key, group)) = key_of_node(&node.id).and_then(|key| self.groups.get_key_value(key)) {
                *node = summary(model, by, key, group);
            }
        }
    }

    /// Who stands for a node: itself, or its group.
    pub fn end(&self, slot: u32) -> u32 {
        self.of.get(&slot).copied().unwrap_or(slot)
    }

    /// Nodes as they are drawn, by their numbers.
    pub fn nodes<'a>(&'a self, model: &'a Model) -> impl Iterator<Item = (u32, &'a Summary)> {
        let own = model.nodes.iter().filter(|(slot, _)| !self.of.contains_key(slot));
        own.chain(&self.nodes).map(|(slot, node)| (*slot, node))
    }

    pub fn node<'a>(&'a self, model: &'a Model, slot: u32) -> Option<&'a Summary> {
        self.nodes.get(&slot).or_else(|| model.nodes.get(&slot))
    }

    /// The group that a number stands for.
    pub fn group_at(&self, slot: u32) -> Option<&str> {
        self.nodes.get(&slot).and_then(|node| key_of_node(&node.id))
    }

    /// From whom to whom an edge is drawn; none where that is within one folded group.
    pub fn ends(&self, edge: &StreamEdge) -> Option<(u32, u32)> {
        let ends = (self.end(edge.source), self.end(edge.target));
        (ends.0 != ends.1 || edge.source == edge.target).then_some(ends)
    }

    /// The lines that are drawn, by the numbers of their ends.
    pub fn strands(&self, model: &Model, now_ms: u64) -> BTreeMap<(u32, u32), Strand> {
        strand::strands(model.edges.iter(), |edge| self.ends(edge), |edge| model.failing.rate(edge, now_ms))
    }

    /// The node and who can be reached from it in so many steps, against the direction of lines too.
    pub fn neighbourhood(&self, model: &Model, slot: u32, depth: u8) -> BTreeSet<u32> {
        let mut near = BTreeSet::from([slot]);
        for _ in 0..depth {
            let mut more = BTreeSet::new();
            for (source, target) in model.edges.values().filter_map(|edge| self.ends(edge)) {
                match (near.contains(&source), near.contains(&target)) {
                    (true, false) => more.insert(target),
                    (false, true) => more.insert(source),
                    _ => false,
                };
            }
            if more.is_empty() {
                break;
            }
            near.extend(more);
        }
        near
    }

    /// Of who is in an open group, the group's key.
    pub fn boxes(&self) -> BTreeMap<u32, &str> {
        let open = self.groups.iter().filter(|(_, group)| !group.is_folded);
        open.flat_map(|(key, group)| group.members.iter().map(|member| (*member, key.as_str()))).collect()
    }

    pub fn folded(&self) -> usize {
        self.nodes.len()
    }
}

/// By what nodes can be put together: topologies of parents that several have, then networks.
pub fn offered<'a>(nodes: impl Iterator<Item = &'a Summary>) -> Vec<String> {
    // Topologies are few: how many nodes have a parent in each, and which of them was the last.
    let mut count: Vec<(&str, usize, usize)> = Vec::new();
    let mut networks = 0;
    for (n, node) in nodes.enumerate() {
        for Parent { topology_id, .. } in &node.parents {
            match count.iter_mut().find(|(topology, ..)| topology == topology_id) {
                Some((_, _, last)) if *last == n => {}
                Some((_, nodes, last)) => (*nodes, *last) = (*nodes + 1, n),
                None => count.push((topology_id, 1, n)),
            }
        }
        networks += usize::from(!node.networks.is_empty());
    }
    let several = count.into_iter().filter(|(_, nodes, _)| *nodes > 1);
    let mut offered: Vec<(usize, String)> = several.map(|(topology, ..)| (rank(topology), topology.into())).collect();
    offered.extend((networks > 1).then(|| (rank(NETWORKS), NETWORKS.to_owned())));
    offered.sort();
    offered.dedup();
    offered.into_iter().map(|(_, topology)| topology).collect()
}

/// Labels that several nodes have.
pub fn offered_labels(labels: &Labels) -> Vec<String> {
    let mut count: BTreeMap<&String, usize> = BTreeMap::new();
    labels.values().flat_map(BTreeMap::keys).for_each(|key| *count.entry(key).or_default() += 1);
    count.into_iter().filter(|(_, nodes)| *nodes > 1).map(|(key, _)| key.clone()).collect()
}

const ORDER: [&str; 6] =
    ["hosts", NETWORKS, "containers-by-stack", "swarm-services", "containers-by-image", "containers"];

fn rank(topology: &str) -> usize {
    ORDER.iter().position(|known| *known == topology).unwrap_or(ORDER.len())
}

/// What a group is called: one of those that it is by.
pub fn word(by: &str) -> String {
    match by {
        label if label.starts_with(LABEL) => label[LABEL.len()..].to_owned(),
        "containers-by-stack" => "stack".into(),
        "containers-by-image" => "image".into(),
        "swarm-services" => "service".into(),
        "swarm-nodes" => "Swarm node".into(),
        "processes" => "process".into(),
        other => other.strip_suffix('s').unwrap_or(other).replace('-', " "),
    }
}

fn kind_of(by: &str) -> &'static str {
    match by {
        "hosts" => "host",
        NETWORKS => "network",
        "containers-by-stack" => "stack",
        "containers-by-image" => "image",
        "swarm-services" => "service",
        "swarm-nodes" => "node",
        "processes" => "process",
        "containers" => "container",
        _ => "group",
    }
}

fn parent_of<'a>(node: &'a Summary, by: &str, sizes: &BTreeMap<&str, usize>) -> Option<&'a Parent> {
    if by != NETWORKS {
        return node.parents.iter().find(|parent| parent.topology_id == by);
    }
    let is_telling = |network: &&Parent| !COMMON.contains(&network.label.as_str());
    let size =
        |network: &&Parent| (sizes.get(network.label.as_str()).copied(), std::cmp::Reverse(network.label.clone()));
    let telling = node.networks.iter().filter(is_telling).max_by_key(size);
    telling.or_else(|| node.networks.iter().max_by_key(size))
}

/// Hosts have networks of the same name, which are one line.
fn key_of<'a>(parent: &'a Parent, by: &str) -> &'a String {
    if by == NETWORKS { &parent.label } else { &parent.id }
}

fn network_sizes(model: &Model) -> BTreeMap<&str, usize> {
    let mut sizes = BTreeMap::new();
    for network in model.nodes.values().flat_map(|node| &node.networks) {
        *sizes.entry(network.label.as_str()).or_default() += 1;
    }
    sizes
}

/// Of a folded group. No node of the app has such an id.
const ID: &str = "group;";

fn key_of_node(id: &str) -> Option<&str> {
    id.strip_prefix(ID)
}

/// The node that stands for a group: as sick as the sickest of its members, with what they use together.
fn summary(model: &Model, by: &str, key: &str, group: &Group) -> Summary {
    let members: Vec<&Summary> = group.members.iter().filter_map(|slot| model.nodes.get(slot)).collect();
    let has = |health: &str| members.iter().any(|node| node.health == health);
    let health = ["failing", "warning"].into_iter().find(|health| has(health)).unwrap_or_default();
    let are_stale = !members.is_empty() && members.iter().all(|node| node.state == "stale");
    let mut networks: BTreeMap<&str, &Parent> = BTreeMap::new();
    networks.extend(members.iter().flat_map(|node| &node.networks).map(|network| (network.label.as_str(), network)));
    Summary {
        id: format!("{ID}{key}"),
        label: group.label.clone(),
        kind: kind_of(by).into(),
        stack: true,
        count: u32::try_from(members.len()).unwrap_or(u32::MAX),
        health: health.into(),
        state: if are_stale { "stale".into() } else { String::new() },
        networks: networks.into_values().cloned().collect(),
        metrics: together(&members),
        ..Summary::default()
    }
}

/// Metrics of all members: shares are averaged, amounts are added.
fn together(members: &[&Summary]) -> Vec<Metric> {
    let mut all: Vec<(Metric, f64)> = Vec::new();
    for metric in members.iter().flat_map(|node| &node.metrics) {
        match all.iter_mut().find(|(known, _)| known.id == metric.id) {
            Some((known, count)) => {
                known.value += metric.value;
                known.max = known.max.max(metric.max);
                *count += 1.0;
            }
            None => all.push((Metric { samples: None, url: String::new(), ..metric.clone() }, 1.0)),
        }
    }
    for (metric, count) in &mut all {
        if metric.format == "percent" {
            metric.value /= *count;
        } else {
            metric.max = metric.max.max(metric.value);
        }
    }
    all.into_iter().map(|(metric, _)| metric).collect()
}

/// FNV-1a, so that a group keeps its number while others come and go.
fn hash(key: &str) -> u32 {
    key.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)) & !FIRST_SLOT
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::view::StreamDelta;

    fn parent(topology: &str, label: &str) -> Parent {
        Parent { id: format!("{label};<{topology}>"), label: label.into(), topology_id: topology.into() }
    }

    fn node(id: &str, host: &str, networks: &[&str], cpu: f64) -> Summary {
        let metric = |id: &str, format: &str, value: f64| Metric {
            id: id.into(),
            format: format.into(),
            value,
            max: 100.0,
            ..Metric::default()
        };
        Summary {
            id: id.into(),
            label: id.into(),
            parents: vec![parent("hosts", host)],
            networks: networks.iter().map(|name| parent(NETWORKS, name)).collect(),
            metrics: vec![metric("cpu", "percent", cpu), metric("memory", "filesize", 70.0)],
            ..Summary::default()
        }
    }

    /// a and b on h1, c on h2, and what is outside; a calls all of them, b calls c.
    fn model() -> Model {
        let mut sick = node("b", "h1", &["bridge", "lan"], 30.0);
        sick.health = "warning".into();
        let nodes = vec![
            (1, node("a", "h1", &["lan", "mesh"], 10.0)),
            (2, sick),
            (3, node("c", "h2", &["mesh", "ingress"], 5.0)),
            (4, Summary { id: "out".into(), ..Summary::default() }),
            (5, node("d", "h3", &["mesh"], 5.0)),
        ];
        let edge = |source, target, port| StreamEdge { source, target, port, open: 1, ..StreamEdge::default() };
        let edges = vec![(0, edge(1, 2, 80)), (1, edge(1, 3, 81)), (2, edge(2, 3, 82)), (3, edge(1, 4, 443))];
        let mut model = Model::default();
        model.take(StreamDelta { reset: true, nodes, edges, ..StreamDelta::default() }, 0);
        model
    }

    fn folded(by: &str, folds: &Folds, by_itself: bool) -> Folding {
        Folding::of(&model(), &Labels::new(), by, folds, by_itself, |_| true)
    }

    fn ids(folding: &Folding) -> Vec<String> {
        folding.nodes(&model()).map(|(_, node)| node.id.clone()).collect()
    }

    #[test]
    fn a_folded_group_stands_for_its_members_and_says_what_they_say() {
        let model = model();
        let folding = folded("hosts", &Folds::default(), true);
        let mut all = ids(&folding);
        all.sort();
        assert_eq!(all, ["group;h1;<hosts>", "group;h2;<hosts>", "group;h3;<hosts>", "out"]);
        let h1 = folding.node(&model, folding.end(1)).unwrap();
        assert_eq!((h1.label.as_str(), h1.count, h1.health.as_str(), h1.kind.as_str()), ("h1", 2, "warning", "host"));
        let values: Vec<f64> = h1.metrics.iter().map(|metric| metric.value).collect();
        assert_eq!(values, [20.0, 140.0], "a mean share and a sum");
        let strands = folding.strands(&model, 0);
        assert_eq!(strands.len(), 2, "what h1 says to itself is no line");
        let to_h2 = &strands[&(folding.end(1), folding.end(3))];
        assert_eq!(to_h2.ports(&model.edges).collect::<Vec<_>>(), [81, 82]);
        assert_eq!(folding.group_at(folding.end(1)), Some("h1;<hosts>"));
    }

    #[test]
    fn groups_are_turned_one_by_one_or_all_at_once() {
        let mut folds = Folds::default();
        folds.turn("h1;<hosts>");
        assert_eq!(folded("hosts", &folds, true).folded(), 2);
        assert_eq!(folded("hosts", &folds, false).folded(), 1);
        let open = folded("hosts", &folds, true);
        assert_eq!(open.boxes(), [(1, "h1;<hosts>"), (2, "h1;<hosts>")].into());
        assert_eq!((open.end(1), open.end(2)), (1, 2), "who is in an open group stands for itself");
        folds.turn("h1;<hosts>");
        assert_eq!(folds, Folds::default());
        folds.set_all(false);
        assert_eq!(folded("hosts", &folds, true).folded(), 0);
    }

    #[test]
    fn a_node_on_several_networks_is_with_those_of_the_one_that_most_are_on() {
        let folding = folded(NETWORKS, &Folds::default(), false);
        let members: Vec<(&str, &[u32])> =
            folding.groups.iter().map(|(key, group)| (key.as_str(), group.members.as_slice())).collect();
        assert_eq!(members, [("lan", &[2][..]), ("mesh", &[1, 3, 5])], "bridge and ingress say nothing");
    }

    #[test]
    fn nodes_are_put_together_by_any_label() {
        let of = |id: &str, value: &str| (id.to_owned(), [("tier".to_owned(), value.to_owned())].into());
        let labels: Labels = [of("a", "front"), of("b", "back"), of("c", "front")].into();
        assert_eq!(offered_labels(&labels), ["tier"]);
        let folding = Folding::of(&model(), &labels, "label:tier", &Folds::default(), false, |_| true);
        let members: Vec<(&str, &[u32])> =
            folding.groups.iter().map(|(key, group)| (key.as_str(), group.members.as_slice())).collect();
        assert_eq!(members, [("back", &[2][..]), ("front", &[1, 3])], "who has no such label stands by itself");
        assert_eq!(word("label:tier"), "tier");
    }

    #[test]
    fn a_neighbourhood_is_as_deep_as_asked_and_goes_through_groups() {
        let (model, open) = (model(), Folding::default());
        assert_eq!(open.neighbourhood(&model, 4, 1), [1, 4].into());
        assert_eq!(open.neighbourhood(&model, 4, 2), [1, 2, 3, 4].into());
        let folding = folded("hosts", &Folds::default(), true);
        assert_eq!(folding.neighbourhood(&model, 4, 1), [4, folding.end(1)].into());
    }

    #[test]
    fn what_nodes_have_in_common_is_offered() {
        assert_eq!(offered(model().nodes.values()), ["hosts", NETWORKS]);
        assert!(offered(std::iter::empty()).is_empty());
        assert_eq!(
            ["hosts", "containers-by-image", "swarm-services", "networks"].map(word),
            ["host", "image", "service", "network"]
        );
    }

    #[test]
    fn a_group_keeps_its_number_while_others_come_and_go() {
        let before = folded("hosts", &Folds::default(), true);
        let after = Folding::of(&model(), &Labels::new(), "hosts", &Folds::default(), true, |slot| slot != 3);
        assert_eq!((before.end(1), before.end(5)), (after.end(1), after.end(5)));
    }

    #[test]
    fn values_alone_are_said_again() {
        let mut model = model();
        let mut folding = Folding::of(&model, &Labels::new(), "hosts", &Folds::default(), true, |_| true);
        model.take(StreamDelta { sequence: 1, values: vec![(1, vec![50.0])], ..StreamDelta::default() }, 0);
        folding.refresh(&model, "hosts");
        assert_eq!(folding.node(&model, folding.end(1)).unwrap().metrics[0].value, 40.0);
    }
}
