//! Containers on hosts without a probe, known because an engine elsewhere has heard of them as members of an overlay, or
//! because the manager of a standalone Swarm lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use foldhash::HashSet;
use petgraph::Direction;
use petgraph::visit::EdgeRef;
use shared::delta::Delta;
use shared::id::{ContainerId, HostId, NetworkId};
use shared::report::Elsewhere;

use super::{Edge, Entity, NetworkKey, Topology, join};
use crate::store::{Liveness, Store};

/// One such container: its host goes by the address under which the others reach that.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unprobed {
    pub vtep: IpAddr,
    pub name: Arc<str>,
}

/// Of one network, by their addresses in it.
pub type Members = BTreeMap<IpAddr, Unprobed>;

impl Topology {
    /// Whose members may be others after this change: an overlay that was heard of anew, and all of them where a host's
    /// addresses are others.
    pub(super) fn apply_unprobed(&mut self, store: &Store, id: HostId, change: &Delta) -> Vec<join::HalfId> {
        let Delta { host: facts, overlays, networks, containers, elsewhere, .. } = change;
        // Whoever has a probe tells of its own containers itself.
        if !elsewhere.is_empty() || (!self.elsewhere.is_empty() && (facts.is_some() || !containers.is_empty())) {
            self.renew_elsewhere(store);
        }
        let mut concerned: BTreeSet<NetworkId> = overlays.set.iter().map(|(network, _)| network.clone()).collect();
        concerned.extend(overlays.removed.iter().cloned());
        concerned.extend(networks.set.iter().map(|(network, _)| network).chain(&networks.removed).cloned());
        let known = store.hosts.get(&id).into_iter().flat_map(|host| host.report.overlays.keys());
        concerned.extend(known.filter(|_| facts.is_some()).cloned());
        concerned.extend(self.unprobed.keys().filter(|_| facts.is_some()).cloned());
        concerned.retain(|network| {
            self.unprobed.contains_key(network) || store.hosts.values().any(|h| h.report.overlays.contains_key(network))
        });
        self.renew_unprobed(store, concerned)
    }

    /// Where a host came, went or fell silent, another's word may count, or its containers be known by word only.
    pub(super) fn renew_all_unprobed(&mut self, store: &Store) -> Vec<join::HalfId> {
        let heard = store.hosts.values().flat_map(|host| host.report.overlays.keys());
        let all = heard.chain(self.unprobed.keys()).cloned().collect();
        self.renew_elsewhere(store);
        self.renew_unprobed(store, all)
    }

    /// Brings those that managers list up to what they list.
    fn renew_elsewhere(&mut self, store: &Store) {
        let told = || store.hosts.iter().flat_map(|(host, h)| h.report.elsewhere.iter().map(move |one| (*host, one)));
        let mut wanted: BTreeMap<Unprobed, (HostId, ContainerId)> = BTreeMap::new();
        if told().next().is_some() {
            let probed = probed(store);
            let own: HashSet<&ContainerId> =
                store.hosts.values().flat_map(|host| host.report.containers.keys()).collect();
            for (host, (id, one)) in told().filter(|(_, (id, _))| !own.contains(id)) {
                // Of a node without an address the manager's list is all that is known.
                let vtep = one.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                if probed.contains(&vtep) {
                    continue;
                }
                let name = one.container.name.as_str().into();
                wanted.entry(Unprobed { vtep, name }).or_insert_with(|| (host, id.clone()));
            }
        }
        let before = std::mem::replace(&mut self.elsewhere, wanted);
        for gone in before.keys().filter(|one| !self.elsewhere.contains_key(*one)).cloned().collect::<Vec<_>>() {
            let is_member = self.unprobed.values().any(|members| members.values().any(|member| *member == gone));
            let entity = Entity::Unprobed(gone);
            if is_member {
                self.changed.nodes.extend(self.node(&entity));
            } else {
                self.remove(&entity);
            }
        }
        for one in self.elsewhere.keys().cloned().collect::<Vec<_>>() {
            let node = self.add(Entity::Unprobed(one));
            self.changed.nodes.insert(node);
        }
    }

    /// What a manager lists of it.
    pub fn elsewhere<'a>(&self, store: &'a Store, one: &Unprobed) -> Option<&'a Elsewhere> {
        let (host, id) = self.elsewhere.get(one)?;
        store.hosts.get(host)?.report.elsewhere.get(id)
    }

    fn renew_unprobed(&mut self, store: &Store, networks: BTreeSet<NetworkId>) -> Vec<join::HalfId> {
        let mut touched = Vec::new();
        if networks.is_empty() {
            return touched;
        }
        let probed = probed(store);
        for network in networks {
            let wanted = members(store, &network, &probed);
            touched.extend(self.replace_unprobed(network, wanted));
        }
        touched
    }

    fn replace_unprobed(&mut self, network: NetworkId, wanted: Members) -> Vec<join::HalfId> {
        let before = self.unprobed.remove(&network).unwrap_or_default();
        let (old, new): (BTreeSet<&Unprobed>, BTreeSet<&Unprobed>) =
            (before.values().collect(), wanted.values().collect());
        let at = self.node(&Entity::Network(NetworkKey::Shared(network.clone())));
        for gone in old.difference(&new) {
            let entity = Entity::Unprobed((*gone).clone());
            let is_member = self.unprobed.values().any(|members| members.values().any(|member| member == *gone));
            if !is_member && !self.elsewhere.contains_key(*gone) {
                self.remove(&entity);
                continue;
            }
            let Some(node) = self.node(&entity) else { continue };
            let edges = self.graph.edges_directed(node, Direction::Outgoing);
            let edges: Vec<_> = edges.filter(|edge| Some(edge.target()) == at).map(|edge| edge.id()).collect();
            for edge in edges {
                self.graph.remove_edge(edge);
            }
            self.changed.nodes.insert(node);
        }
        for member in &new {
            let node = self.add(Entity::Unprobed((*member).clone()));
            if let Some(at) = at
                && self.graph.find_edge(node, at).is_none()
            {
                self.graph.add_edge(node, at, Edge::AttachedTo);
            }
        }
        if before == wanted {
            if !wanted.is_empty() {
                self.unprobed.insert(network, wanted);
            }
            return Vec::new();
        }
        // Which addresses it has, and how many members the network.
        let nodes: Vec<_> = old.union(&new).filter_map(|one| self.node(&Entity::Unprobed((*one).clone()))).collect();
        self.changed.nodes.extend(nodes.into_iter().chain(at));
        let touched = self.join.set_unprobed(&network, &before, &wanted);
        if !wanted.is_empty() {
            self.unprobed.insert(network, wanted);
        }
        touched
    }

    /// In which networks it is, with its address in each.
    pub fn unprobed_in<'a>(&'a self, one: &'a Unprobed) -> impl Iterator<Item = (&'a NetworkId, IpAddr)> {
        self.unprobed.iter().flat_map(move |(network, members)| {
            members.iter().filter(move |(_, member)| *member == one).map(move |(address, _)| (network, *address))
        })
    }
}

/// Addresses of all hosts with a probe.
fn probed(store: &Store) -> HashSet<IpAddr> {
    let addresses = store.hosts.values().flat_map(|host| {
        let member = host.report.host.engine.as_ref().and_then(|engine| engine.swarm.as_ref()?.address);
        host.report.host.local_networks.iter().map(|network| network.address).chain(member)
    });
    addresses.collect()
}

/// As the first host tells that is live and has heard of the network.
fn members(store: &Store, network: &NetworkId, probed: &HashSet<IpAddr>) -> Members {
    let heard = store
        .hosts
        .values()
        .filter_map(|host| Some((host.liveness == Liveness::Down, host.report.overlays.get(network)?)));
    let Some((_, overlay)) = heard.min_by_key(|(is_down, _)| *is_down) else { return Members::new() };
    let elsewhere = overlay.members.iter().filter_map(|(address, member)| {
        let vtep = member.vtep.filter(|vtep| !probed.contains(vtep))?;
        let name = if member.name.is_empty() { address.to_string() } else { member.name.clone() };
        Some((*address, Unprobed { vtep, name: name.into() }))
    });
    elsewhere.collect()
}
