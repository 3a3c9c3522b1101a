//! A view that is kept up to date: it takes what changed in the topology and gives what changed for its readers.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use petgraph::stable_graph::{EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;
use petgraph::{Direction, visit::IntoEdgeReferences};
use shared::report::Evidence;
use shared::view::{Edge, Metric, Stats, StreamDelta, StreamEdge, Summary};

use super::catalog::Variant;
use super::filter::{self, Verdict};
use super::place::{Place, place};
use super::summary::{self, Rendered};
use super::wording::Measured;
use crate::config::LabelFilter;
use crate::store::Store;
use crate::topology::{self, Changed, Entity, NetworkKey, Topology};

pub struct View {
    pub variant: Variant,
    nodes: Slots<Node>,
    at_place: HashMap<Place, u32>,
    of_node: HashMap<NodeIndex, (Place, bool)>,
    edges: Slots<Merged>,
    at_ends: HashMap<EdgeKey, u32>,
    of_edge: HashMap<EdgeIndex, (u32, u32, Evidence)>,
    dirty: HashSet<u32>,
    remeasured: HashSet<u32>,
    dirty_edges: HashSet<u32>,
    /// Slots whose node went while it was shown: they may be taken again only after readers were told.
    gone: Vec<u32>,
    edges_gone: Vec<u32>,
    structure_changed: bool,
    stats: Stats,
    /// Rises with each change that a reader can see.
    pub version: u64,
    snapshot: Option<Arc<Snapshot>>,
}

struct Node {
    place: Place,
    members: BTreeSet<NodeIndex>,
    summary: Arc<Summary>,
    measured: Vec<Measured>,
    fragment: OnceLock<Arc<Fragment>>,
    verdict: Verdict,
    shown: bool,
}

/// Edges of the topology that are one in the view.
struct Merged {
    key: EdgeKey,
    count: u32,
    /// How many edges of the topology know the direction how well.
    evidence: BTreeMap<Evidence, u32>,
    shown: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct EdgeKey {
    source: u32,
    target: u32,
    protocol: shared::addr::Protocol,
    port: u16,
    network: Option<NetworkKey>,
}

/// A node's JSON but for its metrics, its neighbours, and what the clock moves on.
#[derive(Debug)]
pub struct Fragment {
    /// Text around the clocks' values: one more than there are clocks.
    pub pieces: Vec<String>,
    pub clocks: Vec<shared::view::Row>,
    /// Of the pieces.
    hash: u64,
}

/// A view at one moment, for those who read it whole. It is turned into JSON outside the engine.
pub struct Snapshot {
    pub version: u64,
    pub nodes: Vec<NodeSnapshot>,
    pub edges: Vec<Edge>,
}

pub struct NodeSnapshot {
    pub id: String,
    pub summary: Arc<Summary>,
    pub fragment: Arc<Fragment>,
    pub measured: Vec<Measured>,
    pub adjacency: Vec<String>,
}

impl View {
    pub fn new(variant: Variant, topology: &Topology, store: &Store, filters: &[LabelFilter]) -> Self {
        let mut view = Self {
            variant,
            nodes: Slots::default(),
            at_place: HashMap::new(),
            of_node: HashMap::new(),
            edges: Slots::default(),
            at_ends: HashMap::new(),
            of_edge: HashMap::new(),
            dirty: HashSet::new(),
            remeasured: HashSet::new(),
            dirty_edges: HashSet::new(),
            gone: Vec::new(),
            edges_gone: Vec::new(),
            structure_changed: true,
            stats: Stats::default(),
            version: 0,
            snapshot: None,
        };
        let everything = Changed {
            nodes: topology.graph.node_indices().collect(),
            metrics: HashSet::new(),
            edges: topology.graph.edge_references().map(|e| e.id()).collect(),
        };
        view.take(&everything, topology, store);
        view.flush(topology, store, filters);
        view
    }

    /// Notes what changed; `flush` works out what it means.
    pub fn take(&mut self, changed: &Changed, topology: &Topology, store: &Store) {
        let mut edges: HashSet<EdgeIndex> = changed.edges.clone();
        let mut nodes: Vec<NodeIndex> = changed.nodes.iter().copied().collect();
        nodes.sort_unstable();
        for node in nodes {
            self.place_again(node, topology, store, &mut edges);
        }
        for node in &changed.metrics {
            if let Some((place, _)) = self.of_node.get(node)
                && let Some(slot) = self.at_place.get(place)
            {
                self.remeasured.insert(*slot);
            }
        }
        let mut edges: Vec<EdgeIndex> = edges.into_iter().collect();
        edges.sort_unstable();
        for edge in edges {
            self.merge_again(edge, topology);
        }
    }

    fn place_again(&mut self, node: NodeIndex, topology: &Topology, store: &Store, edges: &mut HashSet<EdgeIndex>) {
        let now = topology.graph.node_weight(node).and_then(|entity| place(self.variant.kind, entity, store));
        let before = self.of_node.get(&node).cloned();
        if before != now {
            if let Some((old, true)) = &before {
                self.leave(node, old);
            }
            for direction in [Direction::Incoming, Direction::Outgoing] {
                edges.extend(topology.graph.edges_directed(node, direction).map(|e| e.id()));
            }
            match &now {
                Some(placed) => self.of_node.insert(node, placed.clone()),
                None => self.of_node.remove(&node),
            };
        }
        if let Some((place, creates)) = now {
            let slot = match self.at_place.get(&place) {
                Some(slot) => Some(*slot),
                None if creates => {
                    let slot = self.nodes.add(Node {
                        place: place.clone(),
                        members: BTreeSet::new(),
                        summary: Arc::default(),
                        measured: Vec::new(),
                        fragment: OnceLock::new(),
                        verdict: Verdict { passes: false, needs_connection: false },
                        shown: false,
                    });
                    self.at_place.insert(place, slot);
                    Some(slot)
                }
                None => None,
            };
            if let Some(slot) = slot {
                if creates && let Some(at) = self.nodes.get_mut(slot) {
                    at.members.insert(node);
                }
                self.dirty.insert(slot);
                self.structure_changed = true;
            }
        }
    }

    fn leave(&mut self, node: NodeIndex, place: &Place) {
        let Some(&slot) = self.at_place.get(place) else { return };
        let Some(at) = self.nodes.get_mut(slot) else { return };
        at.members.remove(&node);
        self.structure_changed = true;
        if !at.members.is_empty() {
            self.dirty.insert(slot);
            return;
        }
        let was_shown = at.shown;
        self.at_place.remove(place);
        self.dirty.remove(&slot);
        self.remeasured.remove(&slot);
        // Edges that end here go with it; those of the topology that made them are merged anew when they change.
        let ending: Vec<u32> =
            self.edges.iter().filter(|(_, e)| e.key.source == slot || e.key.target == slot).map(|(s, _)| s).collect();
        for edge in ending {
            self.drop_edge(edge);
        }
        self.of_edge.retain(|_, (edge, _, _)| self.edges.get(*edge).is_some());
        self.nodes.remove(slot);
        if was_shown {
            self.gone.push(slot);
        } else {
            self.nodes.release(slot);
        }
    }

    fn drop_edge(&mut self, slot: u32) {
        let Some(edge) = self.edges.remove(slot) else { return };
        self.at_ends.remove(&edge.key);
        self.dirty_edges.remove(&slot);
        if edge.shown {
            self.edges_gone.push(slot);
        } else {
            self.edges.release(slot);
        }
    }

    fn merge_again(&mut self, edge: EdgeIndex, topology: &Topology) {
        let now = topology.graph.edge_weight(edge).and_then(|weight| match weight {
            topology::Edge::Connects(connects) => {
                let (source, target) = topology.graph.edge_endpoints(edge)?;
                let slot = |node| self.at_place.get(&self.of_node.get(&node)?.0).copied();
                let topology::Connects { protocol, port, network, count, evidence } = connects.clone();
                let key = EdgeKey { source: slot(source)?, target: slot(target)?, protocol, port, network };
                Some((key, count, evidence))
            }
            topology::Edge::Runs | topology::Edge::AttachedTo => None,
        });
        if let Some((slot, count, evidence)) = self.of_edge.remove(&edge)
            && let Some(merged) = self.edges.get_mut(slot)
        {
            merged.count -= count;
            self.structure_changed = true;
            if let Some(known) = merged.evidence.get_mut(&evidence) {
                *known -= 1;
                if *known == 0 {
                    merged.evidence.remove(&evidence);
                }
            }
            self.dirty_edges.insert(slot);
            // Emptied for a moment only, where what follows fills it again.
            if merged.count == 0 && now.as_ref().is_none_or(|(key, ..)| *key != merged.key) {
                self.drop_edge(slot);
            }
        }
        if let Some((key, count, evidence)) = now {
            let slot = *self
                .at_ends
                .entry(key.clone())
                .or_insert_with(|| self.edges.add(Merged { key, count: 0, evidence: BTreeMap::new(), shown: false }));
            if let Some(merged) = self.edges.get_mut(slot) {
                merged.count += count;
                *merged.evidence.entry(evidence).or_default() += 1;
            }
            self.of_edge.insert(edge, (slot, count, evidence));
            self.dirty_edges.insert(slot);
            self.structure_changed = true;
        }
    }

    pub fn is_dirty(&self) -> bool {
        self.structure_changed || !self.dirty.is_empty() || !self.remeasured.is_empty() || !self.gone.is_empty()
    }

    /// What changed for a reader since the last flush; none where nothing did.
    pub fn flush(&mut self, topology: &Topology, store: &Store, filters: &[LabelFilter]) -> Option<StreamDelta> {
        let mut changed: HashSet<u32> = HashSet::new();
        for slot in std::mem::take(&mut self.dirty) {
            let Some(node) = self.nodes.get_mut(slot) else { continue };
            let (kind, members) = (self.variant.kind, &node.members);
            node.verdict = filter::judge(&self.variant, filters, &node.place, members, topology, store);
            let Some(rendered) = summary::render(kind, &node.place, members, topology, store, false) else { continue };
            let Rendered { summary, measured } = rendered;
            // Which metrics it has is structure, their values are not.
            if *node.summary != summary || node.measured.len() != measured.len() {
                node.summary = Arc::new(summary);
                node.fragment = OnceLock::new();
                changed.insert(slot);
            }
            node.measured = measured;
        }
        let mut delta = StreamDelta { gone: std::mem::take(&mut self.gone), ..StreamDelta::default() };
        delta.edges_gone = std::mem::take(&mut self.edges_gone);
        delta.gone.iter().for_each(|slot| self.nodes.release(*slot));
        delta.edges_gone.iter().for_each(|slot| self.edges.release(*slot));
        if std::mem::take(&mut self.structure_changed) {
            self.reveal(&changed, &mut delta);
        }
        let remeasured = std::mem::take(&mut self.remeasured);
        for slot in remeasured {
            let Some(node) = self.nodes.get_mut(slot) else { continue };
            node.measured = summary::measure(&node.place, store, false);
            if node.shown && !changed.contains(&slot) {
                delta.values.push((slot, node.measured.iter().map(|m| m.value).collect()));
            }
        }
        delta.values.sort_by_key(|(slot, _)| *slot);
        let silent = delta == StreamDelta::default();
        if silent {
            return None;
        }
        self.version += 1;
        self.snapshot = None;
        Some(delta)
    }

    /// Decides anew what is shown. One pass over nodes and edges, each a few instructions.
    fn reveal(&mut self, changed: &HashSet<u32>, delta: &mut StreamDelta) {
        let mut degree = vec![0u32; self.nodes.capacity()];
        for (_, edge) in self.edges.iter() {
            let passes = |slot| self.nodes.get(slot).is_some_and(|n| n.verdict.passes);
            if passes(edge.key.source) && passes(edge.key.target) {
                degree[edge.key.source as usize] += 1;
                degree[edge.key.target as usize] += 1;
            }
        }
        let mut stats = Stats::default();
        for (slot, node) in self.nodes.iter_mut() {
            let shown = node.verdict.passes && (!node.verdict.needs_connection || degree[slot as usize] > 0);
            if shown {
                stats.node_count += 1;
                stats.nonpseudo_node_count += u32::from(!node.summary.pseudo);
            } else {
                stats.filtered_nodes += u32::from(!node.summary.pseudo);
            }
            match (node.shown, shown) {
                (true, false) => delta.gone.push(slot),
                (false, true) => delta.nodes.push((slot, full(node))),
                (true, true) if changed.contains(&slot) => delta.nodes.push((slot, full(node))),
                _ => {}
            }
            node.shown = shown;
        }
        let dirty = std::mem::take(&mut self.dirty_edges);
        let nodes = &self.nodes;
        for (slot, edge) in self.edges.iter_mut() {
            let is_shown = |slot| nodes.get(slot).is_some_and(|n: &Node| n.shown);
            let shown = edge.count > 0 && is_shown(edge.key.source) && is_shown(edge.key.target);
            stats.edge_count += u32::from(shown);
            match (edge.shown, shown) {
                (true, false) => delta.edges_gone.push(slot),
                (false, true) => delta.edges.push((slot, stream_edge(edge))),
                (true, true) if dirty.contains(&slot) => delta.edges.push((slot, stream_edge(edge))),
                _ => {}
            }
            edge.shown = shown;
        }
        if stats != self.stats {
            self.stats = stats;
            delta.stats = Some(stats);
        }
    }

    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The whole view as the first message of a stream.
    pub fn reset(&self) -> StreamDelta {
        let nodes = self.nodes.iter().filter(|(_, n)| n.shown).map(|(slot, n)| (slot, full(n)));
        let edges = self.edges.iter().filter(|(_, e)| e.shown).map(|(slot, e)| (slot, stream_edge(e)));
        StreamDelta {
            reset: true,
            nodes: nodes.collect(),
            edges: edges.collect(),
            stats: Some(self.stats),
            ..StreamDelta::default()
        }
    }

    /// The whole view for those who read it once.
    pub fn snapshot(&mut self) -> Arc<Snapshot> {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.clone();
        }
        let id = |slot: u32| self.nodes.get(slot).map(|n| n.summary.id.clone()).unwrap_or_default();
        let mut adjacency: HashMap<u32, BTreeSet<String>> = HashMap::new();
        let mut edges = Vec::new();
        for (_, edge) in self.edges.iter().filter(|(_, e)| e.shown) {
            adjacency.entry(edge.key.source).or_default().insert(id(edge.key.target));
            edges.push(api_edge(edge, id(edge.key.source), id(edge.key.target)));
        }
        edges.sort_by(|a, b| a.id.cmp(&b.id));
        let mut nodes: Vec<NodeSnapshot> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.shown)
            .map(|(slot, node)| NodeSnapshot {
                id: node.summary.id.clone(),
                summary: node.summary.clone(),
                fragment: node.fragment.get_or_init(|| Arc::new(Fragment::of(&node.summary))).clone(),
                measured: node.measured.clone(),
                adjacency: adjacency.remove(&slot).into_iter().flatten().collect(),
            })
            .collect();
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        let snapshot = Arc::new(Snapshot { version: self.version, nodes, edges });
        self.snapshot = Some(snapshot.clone());
        snapshot
    }

    /// Where a thing of the topology stands, if it stands in this view.
    pub fn slot_of(&self, entity: &Entity, topology: &Topology) -> Option<u32> {
        self.at_place.get(&self.of_node.get(&topology.node(entity)?)?.0).copied()
    }

    /// The slot of a node by its id in the API, shown or not.
    pub fn find(&self, id: &str) -> Option<u32> {
        self.nodes.iter().find(|(_, node)| node.summary.id == id).map(|(slot, _)| slot)
    }

    pub fn place_at(&self, slot: u32) -> Option<(&Place, &BTreeSet<NodeIndex>)> {
        self.nodes.get(slot).map(|node| (&node.place, &node.members))
    }

    pub fn summary_at(&self, slot: u32) -> Option<&Summary> {
        self.nodes.get(slot).map(|node| &*node.summary)
    }

    /// Whether the options leave the node; what they do not leave has no connections to show.
    pub fn is_shown(&self, slot: u32) -> bool {
        self.nodes.get(slot).is_some_and(|node| node.shown)
    }

    /// The edges at a node that are shown, as (source, target, port, count).
    pub fn edges_at(&self, slot: u32) -> impl Iterator<Item = (u32, u32, u16, u32)> {
        let mine = self.edges.iter().filter(move |(_, e)| e.shown && (e.key.source == slot || e.key.target == slot));
        mine.map(|(_, e)| (e.key.source, e.key.target, e.key.port, e.count))
    }

    /// Whether a node is the world outside.
    pub fn is_outside(&self, slot: u32) -> bool {
        matches!(self.nodes.get(slot).map(|n| &n.place), Some(Place::Single(Entity::Outside(_))))
    }

    pub fn neighbours(&self, slot: u32) -> Vec<String> {
        let targets = self.edges.iter().filter(|(_, e)| e.shown && e.key.source == slot).map(|(_, e)| e.key.target);
        let ids: BTreeSet<String> = targets.filter_map(|t| Some(self.nodes.get(t)?.summary.id.clone())).collect();
        ids.into_iter().collect()
    }
}

fn full(node: &Node) -> Summary {
    let metrics: Vec<Metric> = node.measured.iter().map(Metric::from).collect();
    // Tables are long and looked at one by one: they come with details.
    Summary { metrics, tables: Vec::new(), ..Summary::clone(&node.summary) }
}

fn evidence(edge: &Merged) -> Evidence {
    edge.evidence.keys().next().copied().unwrap_or(Evidence::Guess)
}

fn network_id(key: &EdgeKey) -> Option<String> {
    key.network.as_ref().map(NetworkKey::api_id)
}

fn stream_edge(edge: &Merged) -> StreamEdge {
    StreamEdge {
        source: edge.key.source,
        target: edge.key.target,
        protocol: edge.key.protocol.name().into(),
        port: edge.key.port,
        network: network_id(&edge.key),
        count: edge.count,
        direction: evidence(edge).name().into(),
    }
}

fn api_edge(edge: &Merged, source: String, target: String) -> Edge {
    let protocol = edge.key.protocol.name();
    let network = network_id(&edge.key);
    let over = network.as_deref().map(|n| format!("---{n}")).unwrap_or_default();
    Edge {
        id: format!("{source}---{target}---{protocol}:{}{over}", edge.key.port),
        source,
        target,
        protocol: protocol.into(),
        port: edge.key.port,
        network,
        count: edge.count,
        direction: evidence(edge).name().into(),
        metrics: BTreeMap::new(),
    }
}

/// Stands in a row's value for what the clock will say; no text of a report holds it after JSON's escaping.
const CLOCK: &str = "\u{1}clock\u{1}";

impl Fragment {
    pub fn of(summary: &Summary) -> Self {
        let mut summary = summary.clone();
        let mut clocks = Vec::new();
        for row in summary.metadata.iter_mut().filter(|row| row.since.is_some()) {
            clocks.push(row.clone());
            row.value = CLOCK.into();
        }
        let mut text = serde_json::to_string(&summary).unwrap_or_else(|_| "{}".into());
        // What comes last is added when it is read.
        text.pop();
        let marker = serde_json::to_string(CLOCK).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self { pieces: text.split(&marker).map(str::to_owned).collect(), clocks, hash: hasher.finish() }
    }
}

/// Things by small numbers. A number whose thing was taken out is used again only once it is released.
struct Slots<T> {
    all: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { all: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    fn add(&mut self, thing: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.all[slot as usize] = Some(thing);
            return slot;
        }
        self.all.push(Some(thing));
        u32::try_from(self.all.len() - 1).expect("fewer than four thousand million things")
    }

    fn remove(&mut self, slot: u32) -> Option<T> {
        self.all.get_mut(slot as usize)?.take()
    }

    fn release(&mut self, slot: u32) {
        self.free.push(slot);
    }

    fn get(&self, slot: u32) -> Option<&T> {
        self.all.get(slot as usize)?.as_ref()
    }

    fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.all.get_mut(slot as usize)?.as_mut()
    }

    fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.all.iter().enumerate().filter_map(|(slot, thing)| Some((slot as u32, thing.as_ref()?)))
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.all.iter_mut().enumerate().filter_map(|(slot, thing)| Some((slot as u32, thing.as_mut()?)))
    }

    fn capacity(&self) -> usize {
        self.all.len()
    }
}

impl Snapshot {
    /// Differs where what is shown differs, also between a view and the one that was made anew after it was dropped.
    pub fn tag(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for node in &self.nodes {
            node.id.hash(&mut hasher);
            node.fragment.hash.hash(&mut hasher);
            node.adjacency.hash(&mut hasher);
            for measured in &node.measured {
                measured.value.to_bits().hash(&mut hasher);
            }
        }
        for edge in &self.edges {
            (&edge.id, edge.count).hash(&mut hasher);
        }
        hasher.finish()
    }
}

impl NodeSnapshot {
    /// Whether a reader would see no difference.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.fragment, &other.fragment)
            && self.adjacency == other.adjacency
            && self.measured.iter().map(|m| m.value).eq(other.measured.iter().map(|m| m.value))
    }
}
