//! A view that is kept up to date: it takes what changed in the topology and gives what changed for its readers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use petgraph::stable_graph::{EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;
use petgraph::{Direction, visit::IntoEdgeReferences};
use shared::report::{Evidence, Failures};
use shared::view::{Edge, Stats, StreamDelta, Summary};

use super::catalog::Variant;
use super::filter::{self, Verdict};
use super::fragment::Fragment;
use super::measure::{self, Measured};
use super::outgoing::{self, EdgeSnapshot, Id, Outgoing};
use super::place::{Place, place};
use super::snapshot::{NodeSnapshot, ShownNode, Snapshot};
use super::summary;
use crate::config::LabelFilter;
use crate::store::Store;
use crate::topology::carried::Carried;
use crate::topology::{self, Changed, ConnectsKey, Entity, Medium, NetworkKey, Outside, Topology};

pub struct View {
    pub variant: Variant,
    nodes: Slots<Node>,
    at_place: HashMap<Place, u32>,
    of_node: HashMap<NodeIndex, (Place, bool)>,
    /// Those that stand at a place without making it be there: it may come after them, and go before them.
    guests: HashMap<Place, HashSet<NodeIndex>>,
    /// Slots by the ids of the API, in the order in which these are listed.
    by_id: BTreeSet<(Arc<str>, u32)>,
    /// Slots of the nodes that are one thing, by that thing's index: what is measured is theirs.
    own_slot: Vec<Option<u32>>,
    edges: Slots<Merged>,
    at_ends: HashMap<EdgeKey, u32>,
    of_edge: HashMap<EdgeIndex, Part>,
    dirty: HashSet<u32>,
    remeasured: HashSet<u32>,
    dirty_edges: HashSet<u32>,
    /// Slots of edges that carry something else than they did.
    recarried: HashSet<u32>,
    /// Slots whose node went while it was shown: they may be taken again only after readers were told.
    gone: Vec<u32>,
    edges_gone: Vec<u32>,
    structure_changed: bool,
    stats: Stats,
    snapshot: Option<Arc<Snapshot>>,
    /// Stands for the words of nodes that were not put into words yet.
    nothing: Arc<Fragment>,
}

struct Node {
    place: Place,
    members: BTreeSet<NodeIndex>,
    /// Slots of the edges that end here, shown or not.
    edges: HashSet<u32>,
    /// Those shown that start here; none once they changed: put in order when somebody asks.
    outgoing: Option<Arc<Outgoing>>,
    /// What these carry, in their order; none once that changed, or they did.
    carried: Option<Arc<[Carried]>>,
    name: Name,
    fragment: Arc<Fragment>,
    /// How many metrics it has.
    metrics: usize,
    /// None once its metrics changed: what they are is worked out when somebody asks.
    measured: Option<Arc<[Measured]>>,
    verdict: Verdict,
    shown: bool,
}

/// What other nodes' details and edges say of a node.
#[derive(Default)]
pub struct Name {
    pub id: Id,
    pub label: Box<str>,
    pub label_minor: Box<str>,
    is_pseudo: bool,
}

/// What a flush has for a view's readers: the nodes that came or changed, whole, and all else.
pub struct Flushed {
    pub nodes: Vec<NodeSnapshot>,
    pub rest: StreamDelta,
}

/// Edges of the topology that are one in the view.
struct Merged {
    key: EdgeKey,
    /// Of so many edges of the topology.
    parts: u32,
    count: u32,
    open: u32,
    /// How many edges of the topology know the direction how well.
    evidence: BTreeMap<Evidence, u32>,
    failures: Failures,
    /// But for the least time there and back.
    carried: Carried,
    /// How many edges of the topology have which least time there and back, microseconds.
    least_us: BTreeMap<u32, u32>,
    shown: bool,
}

/// What an edge of the topology adds to one of the view.
#[derive(Clone, Copy)]
struct Part {
    slot: u32,
    count: u32,
    open: u32,
    evidence: Evidence,
    failures: Failures,
    carried: Carried,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct EdgeKey {
    source: u32,
    target: u32,
    medium: Medium,
    port: u16,
    network: Option<NetworkKey>,
}

impl View {
    pub fn new(variant: Variant, topology: &Topology, store: &Store, filters: &[LabelFilter]) -> Self {
        let mut view = Self {
            variant,
            nodes: Slots::default(),
            at_place: HashMap::default(),
            of_node: HashMap::default(),
            guests: HashMap::default(),
            by_id: BTreeSet::new(),
            own_slot: Vec::new(),
            edges: Slots::default(),
            at_ends: HashMap::default(),
            of_edge: HashMap::default(),
            dirty: HashSet::default(),
            remeasured: HashSet::default(),
            dirty_edges: HashSet::default(),
            recarried: HashSet::default(),
            gone: Vec::new(),
            edges_gone: Vec::new(),
            structure_changed: true,
            stats: Stats::default(),
            snapshot: None,
            nothing: Arc::new(Fragment::of(Summary::default())),
        };
        let everything = Changed {
            nodes: topology.graph.node_indices().collect(),
            metrics: HashSet::default(),
            edges: topology.graph.edge_references().map(|e| e.id()).collect(),
            carried: HashSet::default(),
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
            if let Some(slot) = self.own_slot.get(node.index()).copied().flatten() {
                self.remeasured.insert(slot);
            }
        }
        let mut edges: Vec<EdgeIndex> = edges.into_iter().collect();
        edges.sort_unstable();
        for edge in edges {
            self.merge_again(edge, topology);
        }
        for edge in &changed.carried {
            self.carry_again(*edge, topology);
        }
    }

    /// An edge that is as it was but for what it carries.
    fn carry_again(&mut self, edge: EdgeIndex, topology: &Topology) {
        let Some(topology::Edge::Connects(connects)) = topology.graph.edge_weight(edge) else { return };
        let carried = &connects.carried;
        let Some(part) = self.of_edge.get_mut(&edge).filter(|part| part.carried != *carried) else { return };
        let Some(merged) = self.edges.get_mut(part.slot) else { return };
        merged.forgo(&part.carried);
        merged.carry(carried);
        part.carried = *carried;
        self.recarried.insert(part.slot);
    }

    fn place_again(&mut self, node: NodeIndex, topology: &Topology, store: &Store, edges: &mut HashSet<EdgeIndex>) {
        let now = topology.graph.node_weight(node).and_then(|entity| place(self.variant.kind, entity, store));
        let before = self.of_node.get(&node).cloned();
        if before != now {
            match &before {
                Some((old, true)) => self.leave(node, old, topology, edges),
                Some((old, false)) => self.depart(node, old),
                None => {}
            }
            if let Some((place, false)) = &now {
                self.guests.entry(place.clone()).or_default().insert(node);
            }
            edges.extend(edges_of(node, topology));
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
                        edges: HashSet::default(),
                        outgoing: None,
                        carried: None,
                        name: Name::default(),
                        fragment: self.nothing.clone(),
                        metrics: 0,
                        measured: None,
                        verdict: Verdict { passes: false, needs_connection: false },
                        shown: false,
                    });
                    edges.extend(self.guests.get(&place).into_iter().flatten().flat_map(|n| edges_of(*n, topology)));
                    self.at_place.insert(place, slot);
                    Some(slot)
                }
                None => None,
            };
            if let Some(slot) = slot {
                if creates && let Some(at) = self.nodes.get_mut(slot) {
                    at.members.insert(node);
                    if let Place::Single(_) = at.place {
                        let index = node.index();
                        self.own_slot.resize(self.own_slot.len().max(index + 1), None);
                        self.own_slot[index] = Some(slot);
                    }
                }
                self.dirty.insert(slot);
                self.structure_changed = true;
            }
        }
    }

    /// Edges that ended at a place that is empty now are merged again: those of its guests by this, the others because
    /// they changed, or their ends did.
    fn leave(&mut self, node: NodeIndex, place: &Place, topology: &Topology, edges: &mut HashSet<EdgeIndex>) {
        let Some(&slot) = self.at_place.get(place) else { return };
        let Some(at) = self.nodes.get_mut(slot) else { return };
        at.members.remove(&node);
        if let Some(own) = self.own_slot.get_mut(node.index()) {
            *own = None;
        }
        self.structure_changed = true;
        if !at.members.is_empty() {
            self.dirty.insert(slot);
            return;
        }
        let was_shown = at.shown;
        edges.extend(self.guests.get(place).into_iter().flatten().flat_map(|guest| edges_of(*guest, topology)));
        self.at_place.remove(place);
        self.by_id.remove(&(at.name.id.plain.clone(), slot));
        self.dirty.remove(&slot);
        self.remeasured.remove(&slot);
        self.nodes.remove(slot);
        if was_shown {
            self.gone.push(slot);
        } else {
            self.nodes.release(slot);
        }
    }

    fn depart(&mut self, guest: NodeIndex, place: &Place) {
        if let Some(guests) = self.guests.get_mut(place) {
            guests.remove(&guest);
            if guests.is_empty() {
                self.guests.remove(place);
            }
        }
    }

    fn drop_edge(&mut self, slot: u32) {
        let Some(edge) = self.edges.remove(slot) else { return };
        self.at_ends.remove(&edge.key);
        for end in [edge.key.source, edge.key.target] {
            if let Some(node) = self.nodes.get_mut(end) {
                node.edges.remove(&slot);
                (node.outgoing, node.carried) = (None, None);
            }
        }
        self.dirty_edges.remove(&slot);
        self.recarried.remove(&slot);
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
                let topology::Connects { medium, port, network, count, open, evidence, failures, carried, number: _ } =
                    (**connects).clone();
                let key = EdgeKey { source: slot(source)?, target: slot(target)?, medium, port, network };
                Some((key, Part { slot: 0, count, open, evidence, failures, carried }))
            }
            topology::Edge::Runs | topology::Edge::AttachedTo => None,
        });
        if let Some(Part { slot, count, open, evidence, failures, carried }) = self.of_edge.remove(&edge)
            && let Some(merged) = self.edges.get_mut(slot)
        {
            merged.parts -= 1;
            merged.count -= count;
            merged.open -= open;
            merged.failures = merged.failures.since(failures);
            merged.forgo(&carried);
            self.structure_changed = true;
            if let Some(known) = merged.evidence.get_mut(&evidence) {
                *known -= 1;
                if *known == 0 {
                    merged.evidence.remove(&evidence);
                }
            }
            self.dirty_edges.insert(slot);
            // Emptied for a moment only, where what follows fills it again.
            if merged.parts == 0 && now.as_ref().is_none_or(|(key, ..)| *key != merged.key) {
                self.drop_edge(slot);
            }
        }
        if let Some((key, part)) = now {
            let ends = [key.source, key.target];
            let slot = *self.at_ends.entry(key.clone()).or_insert_with(|| self.edges.add(Merged::new(key)));
            if let Some(merged) = self.edges.get_mut(slot) {
                merged.parts += 1;
                merged.count += part.count;
                merged.open += part.open;
                merged.failures += part.failures;
                merged.carry(&part.carried);
                *merged.evidence.entry(part.evidence).or_default() += 1;
            }
            for end in ends {
                if let Some(node) = self.nodes.get_mut(end) {
                    node.edges.insert(slot);
                }
            }
            self.of_edge.insert(edge, Part { slot, ..part });
            self.dirty_edges.insert(slot);
            self.structure_changed = true;
        }
    }

    pub fn is_dirty(&self) -> bool {
        self.structure_changed
            || !self.dirty.is_empty()
            || !self.remeasured.is_empty()
            || !self.recarried.is_empty()
            || !self.gone.is_empty()
    }

    /// What changed for a reader since the last flush; none where nothing did.
    pub fn flush(&mut self, topology: &Topology, store: &Store, filters: &[LabelFilter]) -> Option<Flushed> {
        let mut changed: HashSet<u32> = HashSet::default();
        let mut renamed = Vec::new();
        for slot in std::mem::take(&mut self.dirty) {
            let Some(node) = self.nodes.get_mut(slot) else { continue };
            let (kind, members) = (self.variant.kind, &node.members);
            node.verdict = filter::judge(&self.variant, filters, &node.place, members, topology, store);
            let Some(mut summary) = summary::render(kind, &node.place, members, topology, store) else { continue };
            summary.tables.retain(|table| !table.rows.is_empty());
            // Which metrics it has is structure, their values are not.
            let metrics = measure::values(&node.place, store).len();
            if *node.name.id.plain != *summary.id {
                self.by_id.remove(&(node.name.id.plain.clone(), slot));
                self.by_id.insert((summary.id.as_str().into(), slot));
                renamed.push(slot);
            }
            node.name.take(&summary);
            let fragment = Fragment::of(summary);
            if *node.fragment != fragment || node.metrics != metrics {
                node.fragment = Arc::new(fragment);
                node.metrics = metrics;
                changed.insert(slot);
            }
            node.measured = None;
        }
        for slot in renamed {
            self.forget_outgoing(slot);
        }
        let mut delta = StreamDelta { gone: std::mem::take(&mut self.gone), ..StreamDelta::default() };
        delta.edges_gone = std::mem::take(&mut self.edges_gone);
        delta.gone.iter().for_each(|slot| self.nodes.release(*slot));
        delta.edges_gone.iter().for_each(|slot| self.edges.release(*slot));
        let mut whole = Vec::new();
        if std::mem::take(&mut self.structure_changed) {
            whole = self.reveal(&changed, &mut delta);
        }
        for slot in std::mem::take(&mut self.remeasured) {
            let Some(node) = self.nodes.get_mut(slot) else { continue };
            node.measured = None;
            if node.shown && !changed.contains(&slot) {
                delta.values.push((slot, measure::values(&node.place, store)));
            }
        }
        delta.values.sort_by_key(|(slot, _)| *slot);
        let told: HashSet<u32> = delta.edges.iter().map(|(slot, _)| *slot).collect();
        for slot in std::mem::take(&mut self.recarried) {
            let Some(edge) = self.edges.get(slot).filter(|edge| edge.shown) else { continue };
            if let Some(source) = self.nodes.get_mut(edge.key.source) {
                source.carried = None;
            }
            if !told.contains(&slot) {
                delta.edge_values.push((slot, outgoing::values(&edge.carried())));
            }
        }
        delta.edge_values.sort_by_key(|(slot, _)| *slot);
        if whole.is_empty() && delta == StreamDelta::default() {
            return None;
        }
        self.snapshot = None;
        let nodes = whole.into_iter().filter_map(|slot| Some(self.nodes.get_mut(slot)?.snapshot(slot, store)));
        Some(Flushed { nodes: nodes.collect(), rest: delta })
    }

    /// After a change of the node's id, which its edges and those that lead to it are written with.
    fn forget_outgoing(&mut self, slot: u32) {
        let Some(node) = self.nodes.get_mut(slot) else { return };
        (node.outgoing, node.carried) = (None, None);
        let sources: Vec<u32> = node.edges.iter().filter_map(|edge| Some(self.edges.get(*edge)?.key.source)).collect();
        for source in sources {
            if let Some(node) = self.nodes.get_mut(source) {
                (node.outgoing, node.carried) = (None, None);
            }
        }
    }

    /// Decides anew what is shown, and gives the nodes that readers do not know as they are now. One pass over nodes
    /// and edges, each a few instructions.
    fn reveal(&mut self, changed: &HashSet<u32>, delta: &mut StreamDelta) -> Vec<u32> {
        let mut whole = Vec::new();
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
                stats.nonpseudo_node_count += u32::from(!node.name.is_pseudo);
            } else {
                stats.filtered_nodes += u32::from(!node.name.is_pseudo);
            }
            match (node.shown, shown) {
                (true, false) => delta.gone.push(slot),
                (false, true) => whole.push(slot),
                (true, true) if changed.contains(&slot) => whole.push(slot),
                _ => {}
            }
            node.shown = shown;
        }
        let dirty = std::mem::take(&mut self.dirty_edges);
        let nodes = &mut self.nodes;
        for (slot, edge) in self.edges.iter_mut() {
            let is_shown = |slot| nodes.get(slot).is_some_and(|n: &Node| n.shown);
            let shown = edge.count > 0 && is_shown(edge.key.source) && is_shown(edge.key.target);
            stats.edge_count += u32::from(shown);
            match (edge.shown, shown) {
                (true, false) => delta.edges_gone.push(slot),
                (false, true) => delta.edges.push(edge.snapshot(slot).for_stream(&edge.carried())),
                (true, true) if dirty.contains(&slot) => {
                    delta.edges.push(edge.snapshot(slot).for_stream(&edge.carried()))
                }
                _ => {}
            }
            if (edge.shown != shown || dirty.contains(&slot))
                && let Some(source) = nodes.get_mut(edge.key.source)
            {
                (source.outgoing, source.carried) = (None, None);
            }
            edge.shown = shown;
        }
        if stats != self.stats {
            self.stats = stats;
            delta.stats = Some(stats);
        }
        whole
    }

    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The whole view as it was flushed last.
    pub fn snapshot(&mut self, store: &Store) -> Arc<Snapshot> {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.clone();
        }
        let mut nodes = Vec::with_capacity(self.stats.node_count as usize);
        for (_, slot) in &self.by_id {
            let Some(node) = self.nodes.get(*slot).filter(|node| node.shown) else { continue };
            let (outgoing, carried) = match (&node.outgoing, &node.carried) {
                (Some(outgoing), Some(carried)) => (outgoing.clone(), carried.clone()),
                (known, _) => {
                    let outgoing = known.clone().unwrap_or_else(|| Arc::new(self.outgoing(*slot, node)));
                    let edges = outgoing.edges().map(|edge| self.edges.get(edge.slot));
                    let carried: Arc<[Carried]> =
                        edges.map(|edge| edge.map(Merged::carried).unwrap_or_default()).collect();
                    (outgoing, carried)
                }
            };
            let Some(node) = self.nodes.get_mut(*slot) else { continue };
            (node.outgoing, node.carried) = (Some(outgoing.clone()), Some(carried.clone()));
            nodes.push(ShownNode { node: node.snapshot(*slot, store), outgoing, carried });
        }
        let snapshot = Arc::new(Snapshot::new(nodes, self.stats));
        self.snapshot = Some(snapshot.clone());
        snapshot
    }

    fn outgoing(&self, slot: u32, node: &Node) -> Outgoing {
        let edges = node.edges.iter().filter_map(|at| {
            let edge = self.edges.get(*at).filter(|edge| edge.shown && edge.key.source == slot)?;
            Some((self.nodes.get(edge.key.target)?.name.id.clone(), edge.snapshot(*at)))
        });
        Outgoing::new(node.name.id.clone(), edges.collect())
    }

    /// Where a thing of the topology stands, if it stands in this view.
    pub fn slot_of(&self, entity: &Entity, topology: &Topology) -> Option<u32> {
        self.at_place.get(&self.of_node.get(&topology.node(entity)?)?.0).copied()
    }

    /// The slot of a node by its id in the API, shown or not.
    pub fn find(&self, id: &str) -> Option<u32> {
        let from = (Arc::from(id), 0);
        self.by_id.range(from..).next().filter(|(found, _)| **found == *id).map(|(_, slot)| *slot)
    }

    pub fn place_at(&self, slot: u32) -> Option<(&Place, &BTreeSet<NodeIndex>)> {
        self.nodes.get(slot).map(|node| (&node.place, &node.members))
    }

    pub fn name_at(&self, slot: u32) -> Option<&Name> {
        self.nodes.get(slot).map(|node| &node.name)
    }

    /// Whether the options leave the node; what they do not leave has no connections to show.
    pub fn is_shown(&self, slot: u32) -> bool {
        self.nodes.get(slot).is_some_and(|node| node.shown)
    }

    /// The edges at a node that are shown, as (source, target, medium and port, count).
    pub fn edges_at(&self, slot: u32) -> impl Iterator<Item = (u32, u32, (Medium, u16), u32)> {
        let mine = self.nodes.get(slot).into_iter().flat_map(|node| &node.edges);
        let shown = mine.filter_map(|edge| self.edges.get(*edge).filter(|edge| edge.shown));
        shown.map(|e| (e.key.source, e.key.target, (e.key.medium, e.key.port), e.count))
    }

    /// The edges from one node to another as the API has them, each with those of the things that talk.
    pub fn edges_between(&self, from: u32, to: u32, topology: &Topology) -> Vec<(Edge, Vec<ConnectsKey>)> {
        let Some(node) = self.nodes.get(from) else { return Vec::new() };
        let between = node.edges.iter().filter_map(|slot| Some((*slot, self.edges.get(*slot)?)));
        let between = between.filter(|(_, edge)| edge.shown && edge.key.source == from && edge.key.target == to);
        let mut found: Vec<(Edge, Vec<ConnectsKey>)> = between
            .map(|(slot, edge)| {
                let inside = self.of_edge.iter().filter(|(_, part)| part.slot == slot).map(|(edge, _)| *edge);
                let mut within: Vec<ConnectsKey> = inside
                    .filter_map(|edge| {
                        let (source, target) = topology.graph.edge_endpoints(edge)?;
                        let topology::Edge::Connects(connects) = topology.graph.edge_weight(edge)? else { return None };
                        if connects.is_remnant() {
                            return None;
                        }
                        let end = |node| topology.graph.node_weight(node).cloned();
                        Some(connects.key(end(source)?, end(target)?))
                    })
                    .collect();
                within.sort();
                (edge.snapshot(slot).for_api(&edge.carried()), within)
            })
            .collect();
        found.sort_by(|(a, _), (b, _)| (a.port, &a.protocol, &a.network).cmp(&(b.port, &b.protocol, &b.network)));
        found
    }

    /// Whether a node is the world outside.
    pub fn is_outside(&self, slot: u32) -> bool {
        matches!(self.nodes.get(slot).map(|n| &n.place), Some(Place::Single(Entity::Outside(_))))
    }

    /// The name that a node of the world outside stands for.
    pub fn name_outside(&self, slot: u32) -> Option<&str> {
        match &self.nodes.get(slot)?.place {
            Place::Single(Entity::Outside(Outside::Named(name))) => Some(name),
            _ => None,
        }
    }

    pub fn neighbours(&self, slot: u32) -> Vec<String> {
        let targets = self.edges_at(slot).filter(|(source, ..)| *source == slot).map(|(_, target, ..)| target);
        let ids: BTreeSet<String> =
            targets.filter_map(|t| Some(self.nodes.get(t)?.name.id.plain.to_string())).collect();
        ids.into_iter().collect()
    }
}

fn edges_of(node: NodeIndex, topology: &Topology) -> impl Iterator<Item = EdgeIndex> {
    let directions = [Direction::Incoming, Direction::Outgoing];
    directions.into_iter().flat_map(move |direction| topology.graph.edges_directed(node, direction)).map(|e| e.id())
}

impl Name {
    fn take(&mut self, summary: &Summary) {
        if *self.id.plain != *summary.id {
            self.id = Id::new(&summary.id);
        }
        if *self.label != *summary.label {
            self.label = summary.label.as_str().into();
        }
        if *self.label_minor != *summary.label_minor {
            self.label_minor = summary.label_minor.as_str().into();
        }
        self.is_pseudo = summary.pseudo;
    }
}

impl Node {
    fn snapshot(&mut self, slot: u32, store: &Store) -> NodeSnapshot {
        let measured = self.measured.get_or_insert_with(|| measure::measure(&self.place, store).into());
        NodeSnapshot { slot, id: self.name.id.clone(), fragment: self.fragment.clone(), measured: measured.clone() }
    }
}

impl Merged {
    fn new(key: EdgeKey) -> Self {
        let (failures, carried) = (Failures::default(), Carried::default());
        let (evidence, least_us) = (BTreeMap::new(), BTreeMap::new());
        Self { key, parts: 0, count: 0, open: 0, evidence, failures, carried, least_us, shown: false }
    }

    fn carried(&self) -> Carried {
        Carried { min_rtt_us: self.least_us.keys().next().copied().unwrap_or(0), ..self.carried }
    }

    fn carry(&mut self, part: &Carried) {
        self.carried += *part;
        if part.min_rtt_us > 0 {
            *self.least_us.entry(part.min_rtt_us).or_default() += 1;
        }
    }

    fn forgo(&mut self, part: &Carried) {
        self.carried -= *part;
        if let Some(count) = self.least_us.get_mut(&part.min_rtt_us) {
            *count -= 1;
            if *count == 0 {
                self.least_us.remove(&part.min_rtt_us);
            }
        }
    }

    fn snapshot(&self, slot: u32) -> EdgeSnapshot {
        let EdgeKey { source, target, medium, port, network } = self.key.clone();
        let evidence = self.evidence.keys().next().copied().unwrap_or(Evidence::Guess);
        let Self { count, open, failures, .. } = *self;
        // What is no conversation is there or is not.
        let open = if let Medium::Transport(_) = medium { open } else { count };
        EdgeSnapshot { slot, source, target, medium, port, network, count, open, evidence, failures }
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
