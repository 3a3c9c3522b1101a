//! Interfaces of every network namespace in the graph, and the way down from a container's to the wire: the other end
//! of its pair, the bridge that this is a port of, the vxlan device of that, and the device underneath. What goes on from
//! there to other hosts is the underlay's.

use std::collections::BTreeSet;
use std::net::IpAddr;

use foldhash::HashSet;
use petgraph::stable_graph::NodeIndex;
use shared::delta::Delta;
use shared::id::{HostId, NetNsId, NetworkId};
use shared::report::{Evidence, Link, LinkKey, Network};

use super::underlay::devices;
use super::{ConnectsKey, Edge, Entity, Medium, NetworkKey, Topology, join};
use crate::store::{HostState, Store};

/// On which engines send overlays' frames unless they are told otherwise.
const VXLAN_PORT: u16 = 4789;

impl Topology {
    /// Brings a host's interfaces up to its report.
    pub(super) fn apply_interfaces(&mut self, store: &Store, id: HostId, host_node: NodeIndex, change: &Delta) {
        let Delta { host: facts, links, paths, namespaces, networks, containers, overlays, weave, .. } = change;
        let Some(host) = store.hosts.get(&id) else { return };
        // Whose namespace it is in, is in words of its own.
        let inside = |container| host.report.containers.get(container)?.namespace;
        let renamed: BTreeSet<NetNsId> = namespaces
            .set
            .iter()
            .map(|(id, _)| *id)
            .chain(containers.set.iter().filter_map(|(container, _)| inside(container)))
            .collect();
        for namespace in renamed {
            let mine = of_namespace(host, namespace).filter_map(|(key, _)| self.node(&Entity::Interface(id, *key)));
            let mine: Vec<NodeIndex> = mine.collect();
            self.changed.nodes.extend(mine);
        }
        let is_rewired = !(links.is_empty() && paths.is_empty() && namespaces.is_empty());
        let is_renamed = !(networks.is_empty() && overlays.is_empty() && weave.is_empty());
        if !is_rewired && !is_renamed && facts.is_none() {
            return;
        }
        for key in &links.removed {
            self.remove(&Entity::Interface(id, *key));
        }
        for (key, link) in &links.set {
            let entity = Entity::Interface(id, *key);
            if !is_shown(link) {
                self.remove(&entity);
                continue;
            }
            let node = self.add(entity);
            self.changed.nodes.insert(node);
            self.graph.update_edge(host_node, node, Edge::Runs);
        }
        let wanted = self.edges_within(id, host);
        let before = self.wired.insert(id, wanted.clone()).unwrap_or_default();
        self.renew_links(&before, &wanted);
        self.renew_underlay(store, id, host);
    }

    pub(super) fn forget_interfaces(&mut self, store: &Store, id: HostId) {
        // Their nodes went with the host's.
        self.wired.remove(&id);
        self.forget_underlay(store, id);
    }

    fn edges_within(&self, id: HostId, host: &HostState) -> HashSet<ConnectsKey> {
        let links = &host.report.links;
        let mut wanted: HashSet<ConnectsKey> = HashSet::default();
        let own = host_namespace(host);
        let mut edge = |from: LinkKey, to: LinkKey, medium: Medium| {
            wanted.insert(ConnectsKey {
                source: Entity::Interface(id, from),
                target: Entity::Interface(id, to),
                medium,
                port: 0,
                network: None,
            });
        };
        for (key, link) in links.iter().filter(|(_, link)| is_shown(link)) {
            let beside = |index: u32| LinkKey { index, ..*key };
            // Once for each pair: from the end that is deeper inside. A port of a bridge is nearer to the wire.
            if let Some(peer) = link.peer
                && let Some(other) = links.get(&peer)
            {
                let depth = |key: &LinkKey, link: &Link| (link.master.is_some(), Some(key.namespace) == own, *key);
                if depth(key, link) < depth(&peer, other) {
                    edge(*key, peer, Medium::Veth);
                }
            }
            if let Some(master) = link.master {
                // What leads outside is below the bridge, what leads to containers above.
                let is_outward = link.peer.is_none();
                let (from, to) = if is_outward { (beside(master), *key) } else { (*key, beside(master)) };
                edge(from, to, Medium::Port);
            }
            if let Some(lower) = link.below(key.namespace) {
                edge(*key, lower, Medium::Stacked);
            }
        }
        for tunnel in overlay_devices(host) {
            if let Some(device) = tunnel.device {
                edge(tunnel.vxlan, device, Medium::Stacked);
            }
        }
        // What a bridge of the host sends elsewhere goes the host's way.
        if let Some(namespace) = own
            && let Some(way) = default_device(host, namespace)
        {
            let bridges = of_namespace(host, namespace).filter(|(_, link)| link.kind == "bridge");
            let routing = bridges.filter(|(_, link)| link.up && !link.addresses.is_empty());
            for (key, _) in routing.filter(|(key, link)| **key != way && !is_internal(host, &link.name)) {
                edge(*key, way, Medium::Route);
            }
        }
        wanted.retain(|key| self.node(&key.source).is_some() && self.node(&key.target).is_some());
        wanted
    }

    /// An edge whose end went and came again went with it.
    pub(super) fn renew_links(&mut self, before: &HashSet<ConnectsKey>, wanted: &HashSet<ConnectsKey>) {
        for gone in before.difference(wanted) {
            self.count(gone, join::Step::Remove, Evidence::Handshake);
        }
        let new: Vec<&ConnectsKey> = wanted.iter().filter(|key| !self.connects.contains_key(*key)).collect();
        for key in new {
            self.count(key, join::Step::Add, Evidence::Handshake);
        }
    }
}

/// Loopback leads nowhere, and of what kernels put into each namespace (`tunl0`, `sit0`) nothing is used.
pub fn is_shown(link: &Link) -> bool {
    let is_used = link.up || link.master.is_some() || link.peer.is_some() || !link.addresses.is_empty();
    link.kind != "loopback" && is_used
}

pub fn host_namespace(host: &HostState) -> Option<NetNsId> {
    host.report.namespaces.iter().find(|(_, namespace)| namespace.is_host).map(|(id, _)| *id)
}

pub fn of_namespace(host: &HostState, namespace: NetNsId) -> impl Iterator<Item = (&LinkKey, &Link)> + Clone {
    host.report.links.range(LinkKey { namespace, index: 0 }..=LinkKey { namespace, index: u32::MAX })
}

/// What members on a host send in a network, bytes a second: what its bridge takes in at the ports that lead to them.
pub fn traffic(host: &HostState, network: &NetworkId) -> f64 {
    let Some(record) = host.report.networks.get(network) else { return 0.0 };
    let (namespace, bridge) = match record.driver.as_str() {
        "overlay" => (sandbox(host, network), None),
        "bridge" => (host_namespace(host), Some(bridge_name(network, record))),
        driver if driver.contains("weave") => (host_namespace(host), Some("weave".to_owned())),
        _ => return 0.0,
    };
    let Some(namespace) = namespace else { return 0.0 };
    let is_it = |link: &Link| link.kind == "bridge" && bridge.as_ref().is_none_or(|name| *name == link.name);
    let Some((bridge, _)) = of_namespace(host, namespace).find(|(_, link)| is_it(link)) else { return 0.0 };
    let ports = of_namespace(host, namespace).filter(|(_, l)| l.master == Some(bridge.index) && l.peer.is_some());
    let samples = ports.filter_map(|(key, _)| host.report.metrics.links.get(key));
    // The sum of nothing is less than nothing, to `sum`: -0.
    samples.fold(0.0, |sum, sample| sum + sample.received_bytes_per_s)
}

/// The namespace in which an overlay network's bridge and vxlan device are; none where no container is attached here.
pub fn sandbox(host: &HostState, network: &NetworkId) -> Option<NetNsId> {
    let is_of =
        |name: &str| name.split_once('-').is_some_and(|(_, start)| start.len() >= 8 && network.0.starts_with(start));
    host.report.namespaces.iter().find(|(_, namespace)| is_of(&namespace.name)).map(|(id, _)| *id)
}

fn bridge_name(id: &NetworkId, network: &Network) -> String {
    let named = network.options.get("com.docker.network.bridge.name");
    named.cloned().unwrap_or_else(|| format!("br-{}", id.0.chars().take(12).collect::<String>()))
}

/// The overlay network whose namespace it is: Docker mounts that under a number and the start of the network's id.
pub fn overlay_of(id: HostId, host: &HostState, namespace: NetNsId) -> Option<NetworkKey> {
    let name = &host.report.namespaces.get(&namespace)?.name;
    let (_, start) = name.split_once('-').filter(|(_, start)| start.len() >= 8)?;
    let (network, record) = host.report.networks.iter().find(|(id, _)| id.0.starts_with(start))?;
    Some(NetworkKey::new(id, network, record.scope))
}

/// By the names that the engine gives its bridges.
fn is_internal(host: &HostState, bridge: &str) -> bool {
    host.report.networks.iter().any(|(id, network)| network.internal && bridge_name(id, network) == bridge)
}

pub(super) struct OverlayDevice {
    pub(super) vxlan: LinkKey,
    /// In the host's own namespace; none where it is not known.
    pub(super) device: Option<LinkKey>,
    pub(super) port: u16,
}

pub(super) fn overlay_devices(host: &HostState) -> impl Iterator<Item = OverlayDevice> {
    let own = host_namespace(host);
    let devices = own.map(|_| devices(host)).unwrap_or_default();
    let engine = host.report.host.engine.as_ref().and_then(|engine| engine.swarm.as_ref()?.address);
    let advertised = || {
        let said = host.report.stores.values().find_map(|store| store.advertise.rsplit_once(':'));
        said.and_then(|(address, _)| address.trim_matches(['[', ']']).parse::<IpAddr>().ok())
    };
    let of_engine = engine.or_else(advertised).and_then(|address| devices.get(&address).copied());
    let default = own.and_then(|namespace| default_device(host, namespace)).map(|key| key.index);
    host.report.links.iter().filter_map(move |(key, link)| {
        let vxlan = link.vxlan.as_ref()?;
        // Below it in its own namespace: that is an edge already.
        if link.lower.is_some() {
            return None;
        }
        let local = vxlan.local.and_then(|address| devices.get(&address).copied());
        let index = vxlan.underlay.or(local).or(of_engine).or(default);
        let device = own.zip(index).map(|(namespace, index)| LinkKey { namespace, index });
        let port = if vxlan.port == 0 { VXLAN_PORT } else { vxlan.port };
        Some(OverlayDevice { vxlan: *key, device, port })
    })
}

pub(super) fn default_device(host: &HostState, namespace: NetNsId) -> Option<LinkKey> {
    let routes = &host.report.paths.get(&namespace)?.routes;
    let default = routes.iter().filter(|route| route.to.prefix == 0 && route.to.address.is_ipv4());
    let index = default.min_by_key(|route| route.metric)?.link?;
    Some(LinkKey { namespace, index })
}
