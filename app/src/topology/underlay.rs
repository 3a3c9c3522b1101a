//! What goes between hosts in the view of interfaces, from the device that one sends by to the one at which the other has
//! the address: frames of overlays, and packets of conversations that cross as themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use foldhash::{HashMap, HashSet};
use shared::addr::is_confined;
use shared::id::{HostId, NetNsId};
use shared::report::{Evidence, LinkKey};

use super::interfaces::{OverlayDevice, default_device, host_namespace, of_namespace, overlay_devices, overlay_of};
use super::join::Step;
use super::join::crossing::{Crossing, Sender};
use super::{ConnectsKey, Entity, Medium, NetworkKey, Topology, weave};
use crate::store::{HostState, Store};

/// Where Weave's peers send frames to one another that the kernel forwards, and where those that they forward themselves.
const WEAVE_FASTDP_PORT: u16 = 6784;
const WEAVE_SLEEVE_PORT: u16 = weave::PORT;

/// What is known of the way between hosts.
#[derive(Default)]
pub struct Underlay {
    /// Which device of a host's own namespace has an address.
    devices: BTreeMap<HostId, BTreeMap<IpAddr, u32>>,
    /// The same of all hosts.
    at: BTreeMap<IpAddr, (HostId, LinkKey)>,
    /// To whom each host sends frames of overlays, with the device that they go through.
    tunnels: BTreeMap<HostId, BTreeSet<Tunnel>>,
    tunnelled: HashSet<ConnectsKey>,
    /// The edges of those that have one.
    crossed: HashMap<Crossing, ConnectsKey>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tunnel {
    device: LinkKey,
    peer: IpAddr,
    medium: Medium,
    port: u16,
    network: Option<NetworkKey>,
}

impl Topology {
    pub(super) fn renew_underlay(&mut self, store: &Store, id: HostId, host: &HostState) {
        let (devices, tunnels) = (devices(host), tunnels(id, host));
        let is_moved = self.underlay.devices.get(&id) != Some(&devices);
        let is_rerouted = self.underlay.tunnels.get(&id) != Some(&tunnels);
        self.underlay.devices.insert(id, devices);
        self.underlay.tunnels.insert(id, tunnels);
        if is_moved {
            self.renew_addresses(store);
        } else if is_rerouted {
            self.renew_tunnels();
        }
    }

    pub(super) fn forget_underlay(&mut self, store: &Store, id: HostId) {
        self.underlay.devices.remove(&id);
        self.underlay.tunnels.remove(&id);
        self.renew_addresses(store);
    }

    /// Some device has other addresses: what is between hosts may be between others.
    fn renew_addresses(&mut self, store: &Store) {
        let mut at = BTreeMap::new();
        for (id, devices) in &self.underlay.devices {
            let Some(namespace) = store.hosts.get(id).and_then(host_namespace) else { continue };
            at.extend(devices.iter().map(|(address, index)| (*address, (*id, LinkKey { namespace, index: *index }))));
        }
        self.underlay.at = at;
        self.renew_tunnels();
        let crossings = self.join.crossings.iter();
        let wanted: HashMap<Crossing, ConnectsKey> =
            crossings.filter_map(|crossing| Some((*crossing, self.crossing_edge(store, crossing)?))).collect();
        let before = std::mem::replace(&mut self.underlay.crossed, wanted.clone());
        for (_, gone) in before.iter().filter(|(crossing, key)| wanted.get(*crossing) != Some(*key)) {
            self.count(gone, Step::Remove, Evidence::Handshake);
        }
        // An edge whose end went and came again went with it.
        let is_new = |(crossing, key): &(&Crossing, &ConnectsKey)| {
            before.get(*crossing) != Some(*key) || !self.connects.contains_key(*key)
        };
        let new: Vec<&ConnectsKey> = wanted.iter().filter(is_new).map(|(_, key)| key).collect();
        for key in new {
            self.count(key, Step::Add, Evidence::Handshake);
        }
    }

    fn renew_tunnels(&mut self) {
        let mut wanted: HashSet<ConnectsKey> = HashSet::default();
        for (host, tunnels) in &self.underlay.tunnels {
            for Tunnel { device, peer, medium, port, network } in tunnels {
                let edge = self.edge_between((*host, *device), *peer, *medium, *port);
                wanted.extend(edge.map(|edge| ConnectsKey { network: network.clone(), ..edge }));
            }
        }
        let before = std::mem::replace(&mut self.underlay.tunnelled, wanted.clone());
        self.renew_links(&before, &wanted);
    }

    /// Takes in which conversations cross between hosts and which do no more.
    pub(super) fn cross(&mut self, store: &Store, touched: Vec<(Crossing, bool)>) {
        for (crossing, is_there) in touched {
            let known = self.underlay.crossed.contains_key(&crossing);
            if is_there && !known {
                let Some(edge) = self.crossing_edge(store, &crossing) else { continue };
                self.count(&edge, Step::Add, Evidence::Handshake);
                self.underlay.crossed.insert(crossing, edge);
            } else if !is_there && let Some(edge) = self.underlay.crossed.remove(&crossing) {
                self.count(&edge, Step::Remove, Evidence::Handshake);
            }
        }
    }

    fn crossing_edge(&self, store: &Store, crossing: &Crossing) -> Option<ConnectsKey> {
        let Crossing { from, to, port } = *crossing;
        let sender = match from {
            Sender::At(address) => *self.underlay.at.get(&address)?,
            Sender::In(host, namespace) => {
                let state = store.hosts.get(&host)?;
                // What a host itself calls, it calls by its own address: nothing is translated.
                let own = host_namespace(state).filter(|own| *own != namespace)?;
                (host, outward_device(state, own, to)?)
            }
        };
        self.edge_between(sender, to, Medium::Translated, port)
    }

    /// None where the address is of no other host's device.
    fn edge_between(
        &self,
        (host, device): (HostId, LinkKey),
        to: IpAddr,
        medium: Medium,
        port: u16,
    ) -> Option<ConnectsKey> {
        let (there, target) = self.underlay.at.get(&to).filter(|(there, _)| *there != host)?;
        let (source, target) = (Entity::Interface(host, device), Entity::Interface(*there, *target));
        self.node(&source).and(self.node(&target))?;
        Some(ConnectsKey { source, target, medium, port, network: None })
    }
}

/// Which device of the host's own namespace has each address at which others may reach it.
pub(super) fn devices(host: &HostState) -> BTreeMap<IpAddr, u32> {
    let Some(namespace) = host_namespace(host) else { return BTreeMap::new() };
    let links = of_namespace(host, namespace).filter(|(_, link)| link.kind != "bridge");
    let addresses = links.flat_map(|(key, link)| link.addresses.iter().map(|subnet| (subnet.address, key.index)));
    addresses.filter(|(address, _)| !is_confined(*address)).collect()
}

/// By which a namespace sends to an address: the one that is on its network, or the one of the default route.
fn outward_device(host: &HostState, namespace: NetNsId, to: IpAddr) -> Option<LinkKey> {
    let mut links = of_namespace(host, namespace).filter(|(_, link)| link.up);
    let beside = links.find(|(_, link)| link.addresses.iter().any(|subnet| subnet.contains(to)));
    beside.map(|(key, _)| *key).or_else(|| default_device(host, namespace))
}

fn tunnels(id: HostId, host: &HostState) -> BTreeSet<Tunnel> {
    let mut tunnels: BTreeSet<Tunnel> = weave_tunnels(id, host).collect();
    for OverlayDevice { vxlan, device, port } in overlay_devices(host) {
        let (Some(device), Some(paths)) = (device, host.report.paths.get(&vxlan.namespace)) else { continue };
        let network = overlay_of(id, host, vxlan.namespace);
        let vteps = paths.forwarding.iter().filter(|entry| entry.link == vxlan.index).filter_map(|entry| entry.vtep);
        for peer in vteps.collect::<BTreeSet<IpAddr>>() {
            tunnels.insert(Tunnel { device, peer, medium: Medium::Vxlan, port, network: network.clone() });
        }
    }
    tunnels
}

/// A router forwards to the peers that it is connected to. To the kernel its device has no peers, so the router is believed.
fn weave_tunnels(id: HostId, host: &HostState) -> impl Iterator<Item = Tunnel> {
    let own = host_namespace(host);
    let mut networks = host.report.networks.iter();
    let of_mesh = networks.find(|(_, record)| record.driver.contains("weave"));
    let network = of_mesh.map(|(network, record)| NetworkKey::new(id, network, record.scope));
    let connections = host.report.weave.values().flat_map(|router| &router.connections);
    connections.filter(|connection| connection.state == "established").filter_map(move |connection| {
        let peer = connection.address.parse::<SocketAddr>().ok()?.ip();
        let (medium, port) = match connection.info.starts_with("fastdp") {
            true => (Medium::Vxlan, WEAVE_FASTDP_PORT),
            false => (Medium::Sleeve, WEAVE_SLEEVE_PORT),
        };
        let device = outward_device(host, own?, peer)?;
        Some(Tunnel { device, peer, medium, port, network: network.clone() })
    })
}
