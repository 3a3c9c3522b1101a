//! Weave Net's peers in the graph, each once however many routers tell of it, and who is connected to whom.

use std::collections::BTreeSet;

use shared::addr::Protocol;
use shared::id::{HostId, WeavePeerId};
use shared::report::{Evidence, WeavePeer, WeaveRouter};

use super::{ConnectsKey, Entity, Medium, Topology, join};
use crate::store::{HostState, Liveness, Store};

/// On which routers listen for each other.
pub const PORT: u16 = 6783;

/// From who opened a connection to the other.
pub type Peering = (WeavePeerId, WeavePeerId);

impl Topology {
    /// Brings the mesh up to what a host's router tells of it; to nothing where it tells nothing any more.
    pub(super) fn renew_mesh(&mut self, id: HostId, host: Option<&HostState>) {
        let mut wanted: BTreeSet<Peering> = BTreeSet::new();
        for router in host.into_iter().flat_map(|host| host.report.weave.values()) {
            for (peer, record) in &router.peers {
                let established = record.opened.iter().filter(|(other, up)| **up && router.peers.contains_key(*other));
                wanted.extend(established.map(|(other, _)| (peer.clone(), other.clone())));
            }
        }
        let before: Vec<Peering> =
            self.peerings.iter().filter(|(_, hosts)| hosts.contains(&id)).map(|(peering, _)| peering.clone()).collect();
        for peering in before.iter().filter(|peering| !wanted.contains(*peering)) {
            let Some(hosts) = self.peerings.get_mut(peering) else { continue };
            hosts.remove(&id);
            if hosts.is_empty() {
                self.peerings.remove(peering);
                self.count(&key(peering), join::Step::Remove, Evidence::Handshake);
            }
        }
        for peering in wanted {
            let hosts = self.peerings.entry(peering.clone()).or_default();
            let is_new = hosts.is_empty();
            hosts.insert(id);
            if is_new {
                self.count(&key(&peering), join::Step::Add, Evidence::Handshake);
            }
        }
    }

    /// The router that is that peer, with its host.
    pub fn weave_router<'a>(&self, store: &'a Store, id: &WeavePeerId) -> Option<(&'a HostState, &'a WeaveRouter)> {
        store.hosts.values().find_map(|host| Some((host, host.report.weave.get(id)?)))
    }

    /// What other routers tell of a peer, those first who are live.
    pub fn weave_peer<'a>(&self, store: &'a Store, id: &WeavePeerId) -> Option<(&'a HostState, &'a WeavePeer)> {
        let entity = Entity::WeavePeer(id.clone());
        let hosts = self.held.listed_by(&entity).filter_map(|id| store.hosts.get(&id));
        let told = hosts.filter_map(|host| {
            let mut routers = host.report.weave.values();
            Some((host, routers.find_map(|router| router.peers.get(id))?))
        });
        told.min_by_key(|(host, _)| (host.liveness != Liveness::Live, host.liveness == Liveness::Down))
    }
}

fn key((from, to): &Peering) -> ConnectsKey {
    ConnectsKey {
        source: Entity::WeavePeer(from.clone()),
        target: Entity::WeavePeer(to.clone()),
        medium: Medium::Transport(Protocol::Tcp),
        port: PORT,
        network: None,
    }
}
