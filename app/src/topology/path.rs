//! The way of a conversation through the interfaces of its ends: from the caller's down to the wire, and up to the
//! callee's.

use std::net::IpAddr;

use shared::id::{HostId, NetNsId};
use shared::report::{Link, LinkKey};

use super::interfaces::{default_device, host_namespace, is_shown, of_namespace, overlay_devices};
use super::{Entity, Medium, NetworkKey};
use crate::store::{HostState, Store};

/// An interface on the way, and how the way leads on from it; none at the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    pub host: HostId,
    pub link: LinkKey,
    pub onward: Option<Onward>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Onward {
    By(Medium),
    /// Over the network between the hosts, as the packet is.
    Network,
}

/// More steps no way down has.
const DEPTH_MAX: usize = 12;

/// Empty where an end is not on a host with a probe, or its interfaces are not known.
pub fn path(store: &Store, from: &Entity, to: &Entity, network: Option<&NetworkKey>) -> Vec<Hop> {
    let (Some(caller), Some(callee)) = (place(store, from, network), place(store, to, network)) else {
        return Vec::new();
    };
    // What a namespace says to itself it says over its loopback, whatever address it uses.
    if (caller.host, caller.namespace) == (callee.host, callee.namespace) {
        return loopback(store, &caller).into_iter().collect();
    }
    let (Some(here), Some(there)) = (down(store, &caller), down(store, &callee)) else { return Vec::new() };
    // Where the two meet on one host, the way need not lead any deeper.
    let meeting =
        here.iter().position(|hop| there.iter().any(|other| (other.host, other.link) == (hop.host, hop.link)));
    let (mut way, up): (Vec<Hop>, Vec<Hop>) = match meeting {
        Some(at) => {
            let (host, link) = (here[at].host, here[at].link);
            let up = there.into_iter().take_while(|hop| (hop.host, hop.link) != (host, link)).collect();
            (here.into_iter().take(at + 1).collect(), up)
        }
        None => (here, there),
    };
    let last = way.len() - 1;
    if meeting.is_none() {
        let is_tunnel = way.iter().any(|hop| link_of(store, hop).is_some_and(|link| link.vxlan.is_some()));
        way[last].onward = Some(if is_tunnel { Onward::By(Medium::Vxlan) } else { Onward::Network });
    } else {
        way[last].onward = up.last().and_then(|hop| hop.onward.clone());
    }
    // Upwards each hop leads on by what led from the one above it.
    let by: Vec<Option<Onward>> = up.iter().map(|hop| hop.onward.clone()).collect();
    for (n, hop) in up.into_iter().enumerate().rev() {
        let onward = n.checked_sub(1).and_then(|above| by[above].clone());
        way.push(Hop { onward, ..hop });
    }
    if let Some(end) = way.last_mut() {
        end.onward = None;
    }
    way
}

fn link_of<'a>(store: &'a Store, hop: &Hop) -> Option<&'a Link> {
    store.hosts.get(&hop.host)?.report.links.get(&hop.link)
}

fn loopback(store: &Store, at: &At) -> Option<Hop> {
    let host = store.hosts.get(&at.host)?;
    let (link, _) = of_namespace(host, at.namespace).find(|(_, link)| link.kind == "loopback")?;
    Some(Hop { host: at.host, link: *link, onward: None })
}

/// From an end's interface to the device that its host sends by.
fn down(store: &Store, at: &At) -> Option<Vec<Hop>> {
    let id = at.host;
    let host = store.hosts.get(&id)?;
    let mut link = start(host, at.namespace, &at.addresses)?;
    let mut way: Vec<Hop> = Vec::new();
    while way.len() < DEPTH_MAX && !way.iter().any(|hop| hop.link == link) {
        let next = below(host, link, way.last().map(|hop| hop.link));
        way.push(Hop { host: id, link, onward: next.as_ref().map(|(_, medium)| Onward::By(*medium)) });
        let Some((deeper, _)) = next else { break };
        link = deeper;
    }
    if let Some(last) = way.last_mut() {
        last.onward = None;
    }
    Some(way)
}

/// Where an end is.
struct At {
    host: HostId,
    namespace: NetNsId,
    /// That it has in the network.
    addresses: Vec<IpAddr>,
}

fn place(store: &Store, end: &Entity, network: Option<&NetworkKey>) -> Option<At> {
    let (id, namespace) = match end {
        Entity::Host(id) => (*id, host_namespace(store.hosts.get(id)?)?),
        Entity::Process(id, process) => (*id, store.hosts.get(id)?.report.processes.get(process)?.namespace?),
        Entity::Container(id, container) => (*id, store.hosts.get(id)?.report.containers.get(container)?.namespace?),
        _ => return None,
    };
    let containers = store.hosts.get(&id)?.report.containers.values();
    let endpoints = containers.filter(|c| c.namespace == Some(namespace)).flat_map(|c| c.endpoints.values());
    let is_meant =
        |known: &&shared::report::Endpoint| network.is_some_and(|key| known.network.as_ref() == Some(key.id()));
    let addresses = endpoints.filter(is_meant).flat_map(|e| e.addresses.iter().copied()).collect();
    Some(At { host: id, namespace, addresses })
}

fn start(host: &HostState, namespace: NetNsId, addresses: &[IpAddr]) -> Option<LinkKey> {
    let mut all = of_namespace(host, namespace).filter(|(_, link)| is_shown(link));
    let has = |link: &Link| link.addresses.iter().any(|subnet| addresses.contains(&subnet.address));
    let named = all.clone().find(|(_, link)| has(link)).map(|(key, _)| *key);
    named
        .or_else(|| default_device(host, namespace))
        .or_else(|| all.find(|(_, link)| !link.addresses.is_empty()).map(|(key, _)| *key))
}

fn below(host: &HostState, key: LinkKey, from: Option<LinkKey>) -> Option<(LinkKey, Medium)> {
    let links = &host.report.links;
    let link = links.get(&key)?;
    let beside = |index: u32| LinkKey { index, ..key };
    if let Some(peer) = link.peer.filter(|peer| Some(*peer) != from && links.contains_key(peer)) {
        return Some((peer, Medium::Veth));
    }
    if link.vxlan.is_some() {
        let device = overlay_devices(host).find(|device| device.vxlan == key).and_then(|device| device.device);
        return device.or(link.below(key.namespace)).map(|device| (device, Medium::Stacked));
    }
    if let Some(master) = link.master {
        return Some((beside(master), Medium::Port));
    }
    if let Some(lower) = link.below(key.namespace).filter(|lower| links.contains_key(lower)) {
        return Some((lower, Medium::Stacked));
    }
    if link.kind == "bridge" {
        let is_outward = |link: &Link| link.master == Some(key.index) && link.peer.is_none();
        if let Some((port, _)) = of_namespace(host, key.namespace).find(|(_, link)| is_outward(link)) {
            return Some((*port, Medium::Port));
        }
        let way = default_device(host, key.namespace).filter(|way| *way != key);
        // Without a default route, what hosts on one network send one another still leaves by its device.
        let device = || {
            of_namespace(host, key.namespace)
                .find(|(_, l)| is_shown(l) && l.kind != "bridge" && !l.addresses.is_empty())
        };
        return way.or_else(|| device().map(|(key, _)| *key)).map(|way| (way, Medium::Route));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::Report;
    use shared::id::ContainerId;
    use shared::report::{Container, Namespace};

    /// Two containers on a bridge of their host, `a` and `b`.
    fn store() -> (Store, HostId) {
        let mut report = Report::default();
        let key = |namespace: u32, index: u32| LinkKey { namespace: NetNsId(namespace), index };
        let link = |name: &str, kind: &str| Link { name: name.into(), kind: kind.into(), up: true, ..Link::default() };
        report.namespaces.insert(NetNsId(1), Namespace { inode: 1, is_host: true, ..Namespace::default() });
        let addresses = vec!["172.18.0.1/16".parse().unwrap()];
        report.links.insert(key(1, 3), Link { addresses, ..link("br-lan", "bridge") });
        for (n, name) in [(0, "a"), (1, "b")] {
            let (inside, port) = (key(2 + n, 2), key(1, 10 + n));
            let addresses = vec![format!("172.18.0.{}/16", 2 + n).parse().unwrap()];
            report.links.insert(key(2 + n, 1), link("lo", "loopback"));
            report.links.insert(inside, Link { peer: Some(port), addresses, ..link("eth0", "veth") });
            report
                .links
                .insert(port, Link { peer: Some(inside), master: Some(3), ..link(&format!("veth-{name}"), "veth") });
            let container = Container { namespace: Some(NetNsId(2 + n)), ..Container::default() };
            report.containers.insert(name.into(), container);
        }
        let (store, host) = Store::holding(report);
        (store, host)
    }

    /// `eth0 -veth-> …` between two containers.
    fn check(from: &str, to: &str, expect: &str) {
        let (store, host) = store();
        let end = |name: &str| Entity::Container(host, ContainerId::from(name));
        let way = path(&store, &end(from), &end(to), None);
        let told: Vec<String> = way
            .iter()
            .map(|hop| {
                let name = &store.hosts[&host].report.links[&hop.link].name;
                match &hop.onward {
                    None => name.clone(),
                    Some(Onward::By(medium)) => format!("{name} -{}->", medium.name()),
                    Some(Onward::Network) => format!("{name} -network->"),
                }
            })
            .collect();
        assert_eq!(told.join(" "), expect);
    }

    #[test]
    fn on_one_host_the_way_turns_at_the_bridge() {
        check("a", "b", "eth0 -veth-> veth-a -bridge-> br-lan -bridge-> veth-b -veth-> eth0");
        check("b", "a", "eth0 -veth-> veth-b -bridge-> br-lan -bridge-> veth-a -veth-> eth0");
    }

    #[test]
    fn what_a_namespace_says_to_itself_goes_over_its_loopback() {
        check("a", "a", "lo");
        check("a", "gone", "");
    }
}
