//! All hosts as one graph: typed nodes and typed edges in a petgraph, kept from change to change.
//!
//! One owner holds it. A node stands for a thing that some host reports (or for the world outside); its facts stay in
//! the store. What changed since the last look is collected as indices, which never leave the owner.

pub mod calls;
pub mod carried;
pub mod daemons;
mod held;
pub mod interfaces;
pub mod join;
pub mod path;
mod remnant;
mod residents;
pub mod scope;
pub mod swarm;
mod underlay;
pub mod unprobed;
pub mod weave;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use petgraph::Direction;
use petgraph::stable_graph::{EdgeIndex, NodeIndex, StableGraph};
use petgraph::visit::EdgeRef;
use shared::addr::Protocol;
use shared::delta::{Changes, Delta};
use shared::id::{ContainerId, HostId, NetworkId, ProcessId, ServiceId, SwarmNodeId, TaskId, WeavePeerId};
use shared::report::{self, Evidence, Failures, LinkKey, NetworkScope, StoreKind};

use crate::diagnose::Severity;
use crate::store::{HostState, Store};
use carried::Carried;
use daemons::Daemon;
use join::Join;
use unprobed::Unprobed;

/// What a node stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entity {
    Host(HostId),
    Process(HostId, ProcessId),
    Container(HostId, ContainerId),
    Network(NetworkKey),
    Service(ServiceId),
    Task(TaskId),
    SwarmNode(SwarmNodeId),
    WeavePeer(WeavePeerId),
    Daemon(HostId, Daemon),
    Interface(HostId, LinkKey),
    /// Of Docker's cluster store, by `host:port`.
    StoreMember(StoreKind, Arc<str>),
    /// A container on a host without a probe.
    Unprobed(Unprobed),
    /// Beyond all known networks.
    Outside(Outside),
}

impl Entity {
    /// On whose sockets its conversations are; none where that is no host with a probe.
    pub fn socket_host(&self) -> Option<HostId> {
        match self {
            Self::Host(host) | Self::Process(host, _) | Self::Container(host, _) => Some(*host),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outside {
    /// It connects to us.
    Inbound,
    /// We connect to it.
    Outbound,
    /// We connect to it, and asked for it by this name.
    Named(Arc<str>),
}

/// A network by identity: a swarm's or a cluster store's is one on all its hosts, another is its host's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NetworkKey {
    Shared(NetworkId),
    Local(HostId, NetworkId),
}

impl NetworkKey {
    pub fn new(host: HostId, id: &NetworkId, scope: NetworkScope) -> Self {
        match scope {
            NetworkScope::Swarm | NetworkScope::Global => Self::Shared(id.clone()),
            NetworkScope::Local | NetworkScope::Unknown => Self::Local(host, id.clone()),
        }
    }

    /// In the API. Some engines give their default network the same id on every host.
    pub fn api_id(&self) -> String {
        match self {
            Self::Shared(id) => format!("{id};<network>"),
            Self::Local(host, id) => format!("{id}@{};<network>", &host.to_string()[..8]),
        }
    }

    pub fn id(&self) -> &NetworkId {
        match self {
            Self::Shared(id) | Self::Local(_, id) => id,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Edge {
    /// From a host to its containers and interfaces, from a host or container to its processes; from a service or a node of a swarm to
    /// its tasks, from a task to its container.
    Runs,
    /// From a container to a network.
    AttachedTo,
    Connects(Box<Connects>),
}

/// What two nodes are connected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Medium {
    Transport(Protocol),
    /// Two interfaces that are the ends of a pair.
    Veth,
    /// A port and its bridge.
    Port,
    /// An interface and the one that it sends through.
    Stacked,
    /// Devices of two hosts between which frames of an overlay go.
    Vxlan,
    /// The same, of Weave without the kernel's help: in datagrams of its own.
    Sleeve,
    /// Devices of two hosts between which go packets of conversations that are translated on the way.
    Translated,
    /// A bridge and the device that the host sends on to what comes from there.
    Route,
}

impl Medium {
    pub fn name(self) -> &'static str {
        match self {
            Self::Transport(protocol) => protocol.name(),
            Self::Veth => "veth",
            Self::Port => "bridge",
            Self::Stacked => "device",
            Self::Vxlan => "vxlan",
            Self::Sleeve => "sleeve",
            Self::Translated => "nat",
            Self::Route => "route",
        }
    }
}

/// Conversations between two nodes that go to one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connects {
    pub medium: Medium,
    /// 0 where the medium has none.
    pub port: u16,
    pub network: Option<NetworkKey>,
    pub count: u32,
    /// Those of them that are open now and are told one by one.
    pub open: u32,
    /// The best of what is known.
    pub evidence: Evidence,
    /// Since the edge was first there.
    pub failures: Failures,
    pub carried: Carried,
    /// Of this edge alone, also where another takes its place.
    pub number: u64,
}

impl Connects {
    /// Without a conversation yet.
    fn new(key: &ConnectsKey, evidence: Evidence, number: u64) -> Self {
        Self {
            medium: key.medium,
            port: key.port,
            network: key.network.clone(),
            count: 0,
            open: 0,
            evidence,
            failures: Failures::default(),
            carried: Carried::default(),
            number,
        }
    }

    pub fn key(&self, source: Entity, target: Entity) -> ConnectsKey {
        ConnectsKey { source, target, medium: self.medium, port: self.port, network: self.network.clone() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectsKey {
    pub source: Entity,
    pub target: Entity,
    pub medium: Medium,
    pub port: u16,
    pub network: Option<NetworkKey>,
}

/// What changed since it was last taken. An index may since stand for another thing, or for none.
#[derive(Debug, Default)]
pub struct Changed {
    pub nodes: HashSet<NodeIndex>,
    pub metrics: HashSet<NodeIndex>,
    pub edges: HashSet<EdgeIndex>,
    /// Edges that are as they were but for what they carry.
    pub carried: HashSet<EdgeIndex>,
}

impl Changed {
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.metrics.is_empty() && self.edges.is_empty() && self.carried.is_empty()
    }
}

/// Whose metrics somebody wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    pub processes: bool,
    pub interfaces: bool,
    pub networks: bool,
    /// Hosts, containers and what edges carry: every view has some of these.
    pub common: bool,
}

impl Default for Followed {
    fn default() -> Self {
        Self { processes: true, interfaces: true, networks: true, common: true }
    }
}

#[derive(Default)]
pub struct Topology {
    pub graph: StableGraph<Entity, Edge>,
    index: HashMap<Entity, NodeIndex>,
    connects: HashMap<ConnectsKey, EdgeIndex>,
    /// On how many hosts a shared network is known.
    network_holders: HashMap<NetworkKey, BTreeSet<HostId>>,
    held: held::Held,
    /// Connections of Weave's peers among themselves, with the hosts whose routers tell of them.
    peerings: BTreeMap<weave::Peering, BTreeSet<HostId>>,
    daemon_edges: HashSet<ConnectsKey>,
    /// How interfaces of each host hang together.
    wired: BTreeMap<HostId, HashSet<ConnectsKey>>,
    underlay: underlay::Underlay,
    unprobed: BTreeMap<NetworkId, unprobed::Members>,
    /// Those that managers of standalone Swarms list, with who does, and under which id.
    elsewhere: BTreeMap<Unprobed, (HostId, ContainerId)>,
    /// Which node of its swarm each host is.
    members: BTreeMap<HostId, SwarmNodeId>,
    pub join: Join,
    pub calls: calls::Calls,
    carried: carried::Ledger,
    /// So many connections between things there were.
    numbered: u64,
    remnants: HashMap<ConnectsKey, EdgeIndex>,
    /// A connection between things went since remnants were looked through.
    is_bereft: bool,
    changed: Changed,
    /// What is worst of things that something is wrong with.
    health: BTreeMap<Entity, Severity>,
    /// Of the others no changes are noted: there are many, and each costs a look-up.
    pub followed: Followed,
}

impl Topology {
    pub fn node(&self, entity: &Entity) -> Option<NodeIndex> {
        self.index.get(entity).copied()
    }

    /// Something may be wrong with other things than before.
    pub fn mark(&mut self, health: BTreeMap<Entity, Severity>) {
        let differs = |entity: &Entity| health.get(entity) != self.health.get(entity);
        let all = health.keys().chain(self.health.keys());
        let nodes: Vec<NodeIndex> =
            all.filter(|entity| differs(entity)).filter_map(|entity| self.node(entity)).collect();
        self.changed.nodes.extend(nodes);
        self.health = health;
    }

    pub fn health(&self, entity: &Entity) -> Option<Severity> {
        self.health.get(entity).copied()
    }

    pub fn take_changed(&mut self) -> Changed {
        std::mem::take(&mut self.changed)
    }

    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    pub fn has_structural_change(&self) -> bool {
        !self.changed.nodes.is_empty() || !self.changed.edges.is_empty()
    }

    /// Takes in what changed on one host. The store already holds the new report.
    pub fn apply(&mut self, store: &Store, id: HostId, change: &Delta, now_ms: u64) {
        let Some(host) = store.hosts.get(&id) else { return };
        let host_node = self.add(Entity::Host(id));
        let Delta { host: facts, collectors, processes, containers, images, networks, namespaces, .. } = change;
        if facts.is_some() || !collectors.is_empty() {
            self.changed.nodes.insert(host_node);
        }
        self.apply_networks(id, host, networks);
        // Whose addresses its members have, and which swarm it is of, is a host's fact.
        let all = host.report.networks.keys().filter(|_| facts.is_some());
        for network in change.overlays.set.iter().map(|(network, _)| network).chain(&change.overlays.removed).chain(all)
        {
            let key = host.report.networks.get(network).map(|record| NetworkKey::new(id, network, record.scope));
            let node = key.and_then(|key| self.node(&Entity::Network(key)));
            self.changed.nodes.extend(node);
        }
        self.apply_containers(id, host, host_node, containers);
        if !images.is_empty() {
            // Names of images stand in the rows of containers.
            let containers = host.report.containers.keys();
            let nodes: Vec<NodeIndex> =
                containers.filter_map(|c| self.node(&Entity::Container(id, c.clone()))).collect();
            self.changed.nodes.extend(nodes);
        }
        self.apply_swarm(id, host, change);
        self.apply_daemons(store, id, host_node, change);
        self.apply_interfaces(store, id, host_node, change);
        self.apply_processes(id, host, host_node, processes);
        self.apply_metrics(store, id, host_node, change);
        // Addresses first, connections after: they are looked up in them.
        let readdressed = facts.is_some() || !containers.is_empty() || !networks.is_empty() || !namespaces.is_empty();
        let mut touched = self.join.rehome(store, id, change, readdressed);
        touched.extend(self.apply_unprobed(store, id, change));
        touched.extend(self.join.take_connections(store, id, change, now_ms));
        let measured = &change.metrics.flows;
        self.join.measured(measured.set.iter().map(|(flow, _)| flow).chain(&measured.removed).map(|flow| (id, *flow)));
        self.settle(store, touched, now_ms);
    }

    fn apply_networks(&mut self, id: HostId, host: &HostState, changes: &Changes<NetworkId, report::Network>) {
        for gone in &changes.removed {
            let keys = [NetworkKey::Shared(gone.clone()), NetworkKey::Local(id, gone.clone())];
            for key in keys {
                self.release_network(id, &key);
            }
        }
        for (network, record) in &changes.set {
            let key = NetworkKey::new(id, network, record.scope);
            let holders = self.network_holders.entry(key.clone()).or_default();
            let is_new = holders.is_empty();
            holders.insert(id);
            if is_new && let NetworkKey::Shared(_) = key {
                self.touch_services();
            }
            let node = self.add(Entity::Network(key.clone()));
            self.changed.nodes.insert(node);
            for container in host.report.containers.keys() {
                self.attach(id, host, container);
            }
        }
    }

    fn release_network(&mut self, host: HostId, key: &NetworkKey) {
        if let Some(holders) = self.network_holders.get_mut(key)
            && holders.remove(&host)
        {
            let empty = holders.is_empty();
            if let Some(node) = self.node(&Entity::Network(key.clone())) {
                self.changed.nodes.insert(node);
            }
            if empty {
                self.network_holders.remove(key);
                if let NetworkKey::Shared(_) = key {
                    self.touch_services();
                }
                self.remove(&Entity::Network(key.clone()));
            }
        }
    }

    pub fn network_holders(&self, key: &NetworkKey) -> impl Iterator<Item = HostId> {
        self.network_holders.get(key).into_iter().flatten().copied()
    }

    fn apply_containers(
        &mut self,
        id: HostId,
        host: &HostState,
        host_node: NodeIndex,
        changes: &Changes<ContainerId, report::Container>,
    ) {
        for gone in &changes.removed {
            self.touch(&Entity::Container(id, gone.clone()));
            self.remove(&Entity::Container(id, gone.clone()));
            self.release_all(&(id, Some(gone.clone())));
        }
        for (container, record) in &changes.set {
            let node = self.add(Entity::Container(id, container.clone()));
            self.changed.nodes.insert(node);
            self.graph.update_edge(host_node, node, Edge::Runs);
            self.attach(id, host, container);
            self.apply_placement(id, container, record);
        }
    }

    /// Brings the container's attachments up to its record.
    fn attach(&mut self, id: HostId, host: &HostState, container: &ContainerId) {
        let Some(node) = self.node(&Entity::Container(id, container.clone())) else { return };
        let Some(record) = host.report.containers.get(container) else { return };
        let wanted: HashSet<NodeIndex> = record
            .endpoints
            .values()
            .filter(|_| record.state.is_running())
            .filter_map(|endpoint| {
                let network = endpoint.network.as_ref()?;
                let scope = host.report.networks.get(network)?.scope;
                self.node(&Entity::Network(NetworkKey::new(id, network, scope)))
            })
            .collect();
        let attached: Vec<(EdgeIndex, NodeIndex)> = self
            .graph
            .edges_directed(node, Direction::Outgoing)
            .filter(|edge| matches!(edge.weight(), Edge::AttachedTo))
            .map(|edge| (edge.id(), edge.target()))
            .collect();
        for (edge, target) in &attached {
            if !wanted.contains(target) {
                self.graph.remove_edge(*edge);
                self.changed.nodes.extend([node, *target]);
            }
        }
        for target in wanted {
            if !attached.iter().any(|(_, have)| *have == target) {
                self.graph.add_edge(node, target, Edge::AttachedTo);
                self.changed.nodes.extend([node, target]);
            }
        }
    }

    fn apply_processes(
        &mut self,
        id: HostId,
        host: &HostState,
        host_node: NodeIndex,
        changes: &Changes<ProcessId, report::Process>,
    ) {
        for gone in &changes.removed {
            self.remove(&Entity::Process(id, *gone));
        }
        for (process, record) in &changes.set {
            let node = self.add(Entity::Process(id, *process));
            self.changed.nodes.insert(node);
            let parent = match &record.container {
                Some(container) if host.report.containers.contains_key(container) => {
                    self.node(&Entity::Container(id, container.clone())).unwrap_or(host_node)
                }
                _ => host_node,
            };
            let before: Vec<EdgeIndex> = self
                .graph
                .edges_directed(node, Direction::Incoming)
                .filter(|edge| matches!(edge.weight(), Edge::Runs) && edge.source() != parent)
                .map(|edge| edge.id())
                .collect();
            for edge in before {
                self.graph.remove_edge(edge);
            }
            if self.graph.find_edge(parent, node).is_none() {
                self.graph.add_edge(parent, node, Edge::Runs);
            }
        }
    }

    fn apply_metrics(&mut self, store: &Store, id: HostId, host_node: NodeIndex, change: &Delta) {
        let metrics = &change.metrics;
        if self.followed.common {
            if metrics.host.is_some() {
                self.changed.metrics.insert(host_node);
            }
            for (container, _) in &metrics.containers.set {
                let node = self.node(&Entity::Container(id, container.clone()));
                self.changed.metrics.extend(node);
            }
        }
        if self.followed.interfaces {
            // Of what fell silent there is no sample any more.
            let samples = &metrics.links;
            for link in samples.set.iter().map(|(key, _)| key).chain(&samples.removed) {
                let node = self.node(&Entity::Interface(id, *link));
                self.changed.metrics.extend(node);
            }
        }
        if self.followed.networks && !metrics.links.is_empty() {
            let Some(host) = store.hosts.get(&id) else { return };
            let networks = host.report.networks.iter();
            let keys = networks.map(|(network, record)| NetworkKey::new(id, network, record.scope));
            let nodes: Vec<NodeIndex> = keys.filter_map(|key| self.node(&Entity::Network(key))).collect();
            self.changed.metrics.extend(nodes);
        }
        if self.followed.processes {
            for (process, _) in &metrics.processes.set {
                let node = self.node(&Entity::Process(id, *process));
                self.changed.metrics.extend(node);
            }
        }
    }

    /// A host's liveness changed: all that it reports looks different. Of a host that is down, nothing is open.
    pub fn liveness_changed(&mut self, store: &Store, id: HostId, now_ms: u64) {
        let mine = self.of_host(id);
        self.changed.nodes.extend(mine);
        self.touch_held(id);
        let down = store.hosts.get(&id).is_none_or(|h| h.liveness == crate::store::Liveness::Down);
        let mut touched = if down { self.join.drop_host(id) } else { self.join.revive_host(store, id, now_ms) };
        touched.extend(self.renew_all_unprobed(store));
        self.settle(store, touched, now_ms);
    }

    /// The host, its containers, and all processes.
    fn of_host(&self, id: HostId) -> Vec<NodeIndex> {
        self.node(&Entity::Host(id)).map(|host| self.running_on(host)).unwrap_or_default()
    }

    /// A thing and all that it runs: a host's containers and processes, a container's processes.
    pub fn running_on(&self, node: NodeIndex) -> Vec<NodeIndex> {
        let mut all = vec![node];
        let mut next = 0;
        while let Some(node) = all.get(next).copied() {
            let edges = self.graph.edges_directed(node, Direction::Outgoing);
            all.extend(edges.filter(|edge| matches!(edge.weight(), Edge::Runs)).map(|edge| edge.target()));
            next += 1;
        }
        all
    }

    pub fn forget(&mut self, store: &Store, id: HostId, now_ms: u64) {
        let mut touched = self.join.drop_host(id);
        touched.extend(self.join.forget_addresses(id));
        self.forget_carried(id);
        let mine: Vec<Entity> = self.of_host(id).into_iter().map(|node| self.graph[node].clone()).collect();
        for entity in mine {
            self.remove(&entity);
        }
        self.forget_swarm(id);
        self.renew_daemon_edges(store);
        self.forget_interfaces(store, id);
        let held: Vec<NetworkKey> = self.network_holders.keys().cloned().collect();
        for key in held {
            self.release_network(id, &key);
        }
        touched.extend(self.renew_all_unprobed(store));
        self.settle(store, touched, now_ms);
    }

    /// Closed connections whose window is over, and halves that waited long enough for their partner.
    pub fn tick(&mut self, store: &Store, window_ms: u64, now_ms: u64) {
        let touched = self.join.expire(window_ms, now_ms);
        self.settle(store, touched, now_ms);
        self.clear_remnants();
        self.calls.forget(now_ms);
    }

    fn settle(&mut self, store: &Store, touched: Vec<join::HalfId>, now_ms: u64) {
        let mut joined = std::mem::take(&mut self.join);
        joined.settle(store, touched, now_ms, |key, step, evidence| self.count(key, step, evidence));
        for (key, failures) in joined.take_failures() {
            self.calls.unanswered(store, &key, failures.timed_out, (now_ms, calls::LATELY_MS));
            let Some(&edge) = self.connects.get(&key) else { continue };
            if let Some(Edge::Connects(connects)) = self.graph.edge_weight_mut(edge) {
                connects.failures += failures;
                self.changed.edges.insert(edge);
            }
        }
        let moved = joined.take_moved();
        self.carry(store, &joined, moved, now_ms);
        self.cross(store, joined.crossings.take_touched());
        self.join = joined;
    }

    /// One conversation more or less.
    fn count(&mut self, key: &ConnectsKey, step: join::Step, evidence: Evidence) {
        match step {
            join::Step::Add => {
                let (source, target) = (self.connect_end(&key.source), self.connect_end(&key.target));
                let (Some(source), Some(target)) = (source, target) else { return };
                let edge = *self.connects.entry(key.clone()).or_insert_with(|| {
                    self.numbered += 1;
                    let connects = Connects::new(key, evidence, self.numbered);
                    self.graph.add_edge(source, target, Edge::Connects(Box::new(connects)))
                });
                if let Some(Edge::Connects(connects)) = self.graph.edge_weight_mut(edge) {
                    connects.count += 1;
                    connects.evidence = connects.evidence.min(evidence);
                    self.changed.edges.insert(edge);
                }
            }
            join::Step::Open | join::Step::Close => {
                let Some(&edge) = self.connects.get(key) else { return };
                let Some(Edge::Connects(connects)) = self.graph.edge_weight_mut(edge) else { return };
                connects.open = match step {
                    join::Step::Open => connects.open + 1,
                    _ => connects.open.saturating_sub(1),
                };
                self.changed.edges.insert(edge);
            }
            join::Step::Remove => {
                let Some(&edge) = self.connects.get(key) else { return };
                self.changed.edges.insert(edge);
                let Some(Edge::Connects(connects)) = self.graph.edge_weight_mut(edge) else { return };
                if connects.count > 1 {
                    connects.count -= 1;
                    return;
                }
                let connects = connects.clone();
                if let Some(ends) = self.graph.edge_endpoints(edge) {
                    self.bequeath(ends, &connects);
                }
                self.graph.remove_edge(edge);
                self.connects.remove(key);
                for end in [&key.source, &key.target] {
                    self.drop_if_outside_and_alone(end);
                }
            }
        }
    }

    fn connect_end(&mut self, entity: &Entity) -> Option<NodeIndex> {
        match entity {
            // The world outside is there as soon as somebody talks to it.
            Entity::Outside(_) => Some(self.add(entity.clone())),
            _ => self.node(entity),
        }
    }

    fn add(&mut self, entity: Entity) -> NodeIndex {
        if let Some(node) = self.index.get(&entity) {
            return *node;
        }
        let node = self.graph.add_node(entity.clone());
        self.index.insert(entity, node);
        self.changed.nodes.insert(node);
        node
    }

    fn remove(&mut self, entity: &Entity) {
        let Some(node) = self.index.remove(entity) else { return };
        let edges_of = |d| self.graph.edges_directed(node, d).map(|e| (e.id(), e.source(), e.target()));
        let edges: Vec<(EdgeIndex, NodeIndex, NodeIndex)> =
            [Direction::Incoming, Direction::Outgoing].into_iter().flat_map(edges_of).collect();
        for (edge, source, target) in edges.iter().filter(|_| matches!(entity, Entity::Process(..))) {
            if let Some(Edge::Connects(connects)) = self.graph.edge_weight(*edge).cloned() {
                self.bequeath((*source, *target), &connects);
            }
        }
        let mut bereft = Vec::new();
        for (edge, source, target) in edges {
            match self.graph.edge_weight(edge) {
                Some(Edge::Connects(connects)) => {
                    self.changed.edges.insert(edge);
                    // The join takes the counts of these back later; they are gone by then, which it does not mind.
                    let key = ConnectsKey {
                        source: self.graph[source].clone(),
                        target: self.graph[target].clone(),
                        medium: connects.medium,
                        port: connects.port,
                        network: connects.network.clone(),
                    };
                    match connects.is_remnant() {
                        true => self.remnants.remove(&key),
                        false => self.connects.remove(&key),
                    };
                    bereft.extend([key.source, key.target]);
                }
                // Whoever lost a child or a member looks different.
                Some(Edge::Runs | Edge::AttachedTo) => self.changed.nodes.extend([source, target]),
                None => {}
            }
        }
        self.graph.remove_node(node);
        self.changed.nodes.insert(node);
        self.is_bereft = true;
        bereft.iter().filter(|end| *end != entity).for_each(|end| self.drop_if_outside_and_alone(end));
    }

    /// The world outside is there only while somebody talks to it.
    fn drop_if_outside_and_alone(&mut self, entity: &Entity) {
        if let Entity::Outside(_) = entity
            && let Some(node) = self.node(entity)
            && self.graph.neighbors_undirected(node).next().is_none()
        {
            self.remove(entity);
        }
    }
}

#[cfg(test)]
mod tests;
