//! Who is at an end of a conversation: a process, the container that it is in, the host, or the world outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use shared::addr::Protocol;
use shared::id::{ContainerId, HostId, NetNsId};
use shared::report::ListenerKey;

use super::{Half, Join};
use crate::store::Store;
use crate::topology::{Entity, NetworkKey, Outside};

/// More names outside at a time are not kept apart: who crawls the world would fill every view.
const NAMED_MAX: usize = 200;

impl Join {
    /// Who serves a half, and at which port: behind Docker's proxy, the container that it passes everything on to.
    pub(super) fn server_end(&self, store: &Store, host: HostId, half: &Half) -> Option<(Entity, u16)> {
        if is_relay(store, host, half) {
            return Some(self.on_host(store, host, half.protocol, half.local));
        }
        Some((self.end(store, host, half)?, half.local.port()))
    }

    /// What an address outside is known as.
    pub(super) fn beyond(&self, store: &Store, host: HostId, address: IpAddr) -> Outside {
        let names = store.hosts.get(&host).and_then(|state| state.report.names.get(&address));
        match names.and_then(|names| names.first()) {
            Some(name) if self.named.len() < NAMED_MAX || self.named.contains_key(&**name) => {
                Outside::Named(name.as_str().into())
            }
            _ => Outside::Outbound,
        }
    }

    /// Whose socket it is: its process, else the container whose namespace it is in, else the host.
    pub(super) fn end(&self, store: &Store, host: HostId, half: &Half) -> Option<Entity> {
        let report = &store.hosts.get(&host)?.report;
        if let Some(owner) = half.owner.filter(|owner| report.processes.contains_key(owner)) {
            return Some(Entity::Process(host, owner));
        }
        match self.residents.of(host, half.namespace) {
            [] => {}
            [container] => return Some(Entity::Container(host, container.clone())),
            // A namespace that containers share belongs to none of them.
            _ => return None,
        }
        let is_host = report.namespaces.get(&half.namespace).is_some_and(|n| n.is_host);
        is_host.then_some(Entity::Host(host))
    }

    /// Who listens on an address that means the namespace itself.
    pub(super) fn listener(
        &self,
        store: &Store,
        host: HostId,
        namespace: NetNsId,
        protocol: Protocol,
        at: SocketAddr,
    ) -> Option<Entity> {
        let report = &store.hosts.get(&host)?.report;
        let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        let listener = [at.ip()].into_iter().chain(any).find_map(|ip| {
            let address = SocketAddr::new(ip, at.port());
            report.listeners.get(&ListenerKey { namespace, protocol, address })
        })?;
        let owner = listener.owner.filter(|owner| report.processes.contains_key(owner))?;
        Some(Entity::Process(host, owner))
    }

    /// Who listens in a container, else the container.
    pub(super) fn in_container(
        &self,
        store: &Store,
        host: HostId,
        container: ContainerId,
        protocol: Protocol,
        at: SocketAddr,
    ) -> Entity {
        let record = store.hosts.get(&host).and_then(|state| state.report.containers.get(&container));
        let namespace = record.and_then(|record| record.namespace);
        namespace
            .and_then(|namespace| self.listener(store, host, namespace, protocol, at))
            .unwrap_or(Entity::Container(host, container))
    }

    /// Who is meant by a port of a host, and under which port they know it: a published container, a listening process,
    /// else the host.
    pub(super) fn on_host(&self, store: &Store, host: HostId, protocol: Protocol, at: SocketAddr) -> (Entity, u16) {
        let Some(state) = store.hosts.get(&host) else { return (Entity::Host(host), at.port()) };
        let running = state.report.containers.iter().filter(|(_, container)| container.state.is_running());
        let published = running.flat_map(|(id, container)| container.ports.iter().map(move |mapping| (id, mapping)));
        let published = published.into_iter().find(|(_, mapping)| {
            let is_there = |(on, port): (IpAddr, u16)| port == at.port() && (on == at.ip() || on.is_unspecified());
            mapping.protocol == protocol && mapping.published.is_some_and(is_there)
        });
        if let Some((container, mapping)) = published {
            let inside = SocketAddr::new(at.ip(), mapping.container_port);
            return (self.in_container(store, host, container.clone(), protocol, inside), mapping.container_port);
        }
        let namespace = state.report.namespaces.iter().find(|(_, n)| n.is_host).map(|(id, _)| *id);
        let process = namespace.and_then(|namespace| self.listener(store, host, namespace, protocol, at));
        (process.unwrap_or(Entity::Host(host)), at.port())
    }

    /// The container network that the conversation goes over, by the near end's address.
    pub(super) fn network(&self, store: &Store, host: HostId, half: &Half) -> Option<NetworkKey> {
        let report = &store.hosts.get(&host)?.report;
        let address = half.local.ip();
        let candidates = self.residents.of(host, half.namespace).iter().filter_map(|c| report.containers.get(c));
        let endpoint =
            candidates.flat_map(|c| c.endpoints.values()).find(|endpoint| endpoint.addresses.contains(&address))?;
        let id = endpoint.network.as_ref()?;
        Some(NetworkKey::new(host, id, report.networks.get(id)?.scope))
    }
}

/// Whether a half is one of Docker's proxy, which passes on what comes to a published port where NAT does not: calls from
/// the host itself and from containers of the same network. Who calls means the container.
pub(super) fn is_relay(store: &Store, host: HostId, half: &Half) -> bool {
    let processes = store.hosts.get(&host).map(|state| &state.report.processes);
    let owner = half.owner.and_then(|owner| processes?.get(&owner));
    owner.is_some_and(|process| process.name.rsplit('/').next() == Some("docker-proxy"))
}
