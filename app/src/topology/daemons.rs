//! The daemons that make networks, on each host: the container engine, its part in a swarm, Weave Net's router; and
//! which of them work together.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashSet};
use petgraph::stable_graph::NodeIndex;
use shared::addr::Protocol;
use shared::delta::Delta;
use shared::id::{HostId, SwarmNodeId, WeavePeerId};
use shared::report::{self, Collector, CollectorState, Evidence, StoreKind, Trouble};

use super::{ConnectsKey, Edge, Entity, Medium, Topology, join, weave};
use crate::store::{HostState, Store};

/// On which a swarm's managers listen for its nodes.
const SWARM_PORT: u16 = 2377;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Daemon {
    Engine,
    Swarm,
    Weave,
}

impl Daemon {
    const ALL: [Self; 3] = [Self::Engine, Self::Swarm, Self::Weave];

    /// In ids of the API.
    pub fn id(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Swarm => "swarm",
            Self::Weave => "weave",
        }
    }

    fn is_on(self, host: &HostState) -> bool {
        let engine = host.report.host.engine.as_ref();
        let status = |collector| host.report.collectors.get(&collector);
        // One that is there and does not answer is there.
        let fails = |collector| {
            status(collector).is_some_and(|s| s.state == CollectorState::Failed && s.trouble != Trouble::Absent)
        };
        match self {
            Self::Engine => engine.is_some() || fails(Collector::Docker),
            Self::Swarm => engine.is_some_and(|engine| engine.swarm.is_some()),
            Self::Weave => !host.report.weave.is_empty() || fails(Collector::Weave),
        }
    }
}

impl Topology {
    /// Brings a host's daemons up to its report.
    pub(super) fn apply_daemons(&mut self, store: &Store, id: HostId, host_node: NodeIndex, change: &Delta) {
        let Delta { host: facts, collectors, containers, swarm_nodes, weave, stores, .. } = change;
        let Some(host) = store.hosts.get(&id) else { return };
        if !swarm_nodes.is_empty() {
            // Who leads, and whom the others reach, its managers tell of all nodes.
            let members: Vec<NodeIndex> =
                self.members.keys().filter_map(|id| self.node(&Entity::Daemon(*id, Daemon::Swarm))).collect();
            self.changed.nodes.extend(members);
        }
        if facts.is_none() && collectors.is_empty() && containers.is_empty() && weave.is_empty() && stores.is_empty() {
            return;
        }
        let mut renewed = facts.is_some() || !weave.is_empty() || !stores.is_empty();
        for daemon in Daemon::ALL {
            let entity = Entity::Daemon(id, daemon);
            let before = self.node(&entity);
            if daemon.is_on(host) {
                let node = self.add(entity);
                self.changed.nodes.insert(node);
                if before.is_none() {
                    self.graph.add_edge(host_node, node, Edge::Runs);
                    self.changed.nodes.insert(host_node);
                    renewed = true;
                }
            } else if before.is_some() {
                self.remove(&entity);
                renewed = true;
            }
        }
        if renewed {
            self.renew_daemon_edges(store);
        }
    }

    /// From each member of a swarm to the managers that it expects, between Weave's routers, from engines to the cluster
    /// store that they use, and within that from the members to their leader.
    pub(super) fn renew_daemon_edges(&mut self, store: &Store) {
        let at: HashMap<&SwarmNodeId, HostId> = self.members.iter().map(|(host, node)| (node, *host)).collect();
        let routers = store.hosts.iter().flat_map(|(id, host)| host.report.weave.keys().map(move |name| (name, *id)));
        let routers: HashMap<&WeavePeerId, HostId> = routers.collect();
        let mut wanted: HashSet<ConnectsKey> = HashSet::default();
        for (id, host) in &store.hosts {
            let member = host.report.host.engine.as_ref().and_then(|engine| engine.swarm.as_ref());
            for manager in member.into_iter().flat_map(|member| member.managers.keys()) {
                let there = at.get(manager).filter(|there| *there != id);
                wanted.extend(there.map(|there| key(*id, *there, Daemon::Swarm, SWARM_PORT)));
            }
            for (name, router) in &host.report.weave {
                let opened = router.peers.get(name).into_iter().flat_map(|peer| &peer.opened);
                for other in opened.filter(|(_, up)| **up).filter_map(|(other, _)| routers.get(other)) {
                    wanted.insert(key(*id, *other, Daemon::Weave, weave::PORT));
                }
            }
        }
        for (id, host) in &store.hosts {
            host.report.stores.values().for_each(|known| wanted.extend(of_store(*id, known)));
        }
        wanted.retain(|key| self.node(&key.source).is_some() && self.node(&key.target).is_some());
        let gone: Vec<ConnectsKey> = self.daemon_edges.difference(&wanted).cloned().collect();
        for key in gone {
            self.count(&key, join::Step::Remove, Evidence::Handshake);
        }
        // An edge whose end went and came again went with it.
        let new: Vec<ConnectsKey> = wanted.iter().filter(|key| !self.connects.contains_key(*key)).cloned().collect();
        for key in new {
            self.count(&key, join::Step::Add, Evidence::Handshake);
        }
        self.daemon_edges = wanted;
    }

    /// Of a host, in the order of kinds.
    pub fn daemons_of(&self, host: HostId) -> BTreeSet<Daemon> {
        Daemon::ALL.into_iter().filter(|daemon| self.node(&Entity::Daemon(host, *daemon)).is_some()).collect()
    }
}

/// Who is not reached serves nobody.
fn of_store(host: HostId, store: &report::Store) -> Vec<ConnectsKey> {
    let entity = |address: &str| Entity::StoreMember(store.kind, address.into());
    let well = || store.members.iter().filter(|(_, member)| member.trouble == Trouble::None);
    let edge = |source, target, port| ConnectsKey {
        source,
        target,
        medium: Medium::Transport(Protocol::Tcp),
        port,
        network: None,
    };
    let mut edges = Vec::new();
    // Only an engine that keeps something in it says where others reach it.
    if !store.advertise.is_empty() {
        edges.extend(well().map(|(address, _)| {
            let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0);
            edge(Entity::Daemon(host, Daemon::Engine), entity(address), port)
        }));
    }
    // On which the members of a store talk among themselves.
    let port = match store.kind {
        StoreKind::Etcd => 2380,
        StoreKind::Consul => 8300,
        StoreKind::ZooKeeper | StoreKind::Unknown => 2888,
    };
    let leader = well().find(|(_, member)| member.role == "leader").map(|(address, _)| address);
    edges.extend(leader.into_iter().flat_map(|leader| {
        let others = well().filter(move |(address, _)| *address != leader);
        others.map(move |(address, _)| edge(entity(address), entity(leader), port))
    }));
    edges
}

fn key(from: HostId, to: HostId, daemon: Daemon, port: u16) -> ConnectsKey {
    ConnectsKey {
        source: Entity::Daemon(from, daemon),
        target: Entity::Daemon(to, daemon),
        medium: Medium::Transport(Protocol::Tcp),
        port,
        network: None,
    }
}
