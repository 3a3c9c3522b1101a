//! One pass over all namespaces after the other: what links there are, how they hang together, and what goes over them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use shared::addr::{Subnet, is_confined};
use shared::id::NetNsId;
use shared::report::{Collector, Link, LinkKey, LinkMetrics, Paths};

use super::interface::{Counters, Interface};
use super::monitor::Monitor;
use super::rest::{Rest, unseen};
use super::{address, forwarding, interface, neighbour, peer, route, rule};
use crate::collector::{Outlet, boot_ms, degraded, failed, ok};
use crate::host::per_second;
use crate::netlink::{AF_INET, AF_INET6, Attributes, Family, Socket, attribute, number};
use crate::netns::{Namespaces, is_gone};
use crate::state::Reading;

/// More routes, neighbours or forwarding entries of one namespace are counted, not kept.
const ROUTES_MAX: usize = 200;
const NEIGHBOURS_MAX: usize = 200;
const RULES_MAX: usize = 200;
/// Of overlays that forward: every member on another host has one, and is one neighbour.
const FORWARDING_MAX: usize = 2000;

const RTM_GETNSID: u16 = 90;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;

pub struct Reader {
    monitor: io::Result<Monitor>,
    /// The kernel said that something changed since the last reading.
    told: bool,
    rest: Rest,
    interfaces: BTreeMap<LinkKey, Interface>,
    links: BTreeMap<LinkKey, Link>,
    paths: BTreeMap<NetNsId, Paths>,
    metrics: BTreeMap<LinkKey, LinkMetrics>,
    counters: BTreeMap<LinkKey, (f64, Counters)>,
    /// The other ends as they were last: nobody is asked twice.
    peers: BTreeMap<LinkKey, LinkKey>,
    /// And what links of other namespaces are on top of.
    lowers: BTreeMap<LinkKey, LinkKey>,
    forwarding_changed: bool,
}

/// What one namespace holds.
struct Table {
    interfaces: Vec<Interface>,
    paths: Paths,
}

impl Reader {
    /// Listens in the namespace of the calling thread, but reads nothing yet.
    pub fn open() -> Self {
        Self {
            monitor: Monitor::open(),
            told: false,
            rest: Rest::default(),
            interfaces: BTreeMap::new(),
            links: BTreeMap::new(),
            paths: BTreeMap::new(),
            metrics: BTreeMap::new(),
            counters: BTreeMap::new(),
            peers: BTreeMap::new(),
            lowers: BTreeMap::new(),
            forwarding_changed: false,
        }
    }

    /// Whether forwarding entries of a namespace were others than at the reading before, since the last call.
    pub fn take_forwarding_changed(&mut self) -> bool {
        std::mem::take(&mut self.forwarding_changed)
    }

    /// Whether there are tunnels to other hosts.
    pub fn has_overlays(&self) -> bool {
        self.links.values().any(|link| link.vxlan.is_some())
    }

    /// What addresses each namespace had at the last reading, in order, each once.
    pub fn addresses(&self) -> BTreeMap<NetNsId, Vec<Subnet>> {
        let mut all: BTreeMap<NetNsId, Vec<Subnet>> = BTreeMap::new();
        for (key, link) in &self.links {
            all.entry(key.namespace).or_default().extend(&link.addresses);
        }
        for addresses in all.values_mut() {
            addresses.sort();
            addresses.dedup();
        }
        all
    }

    /// Whether the kernel said that something changed since the last call.
    pub fn heard_of_changes(&mut self) -> bool {
        let heard = self.monitor.as_mut().is_ok_and(Monitor::heard);
        self.told |= heard;
        heard
    }

    pub fn read(&mut self, namespaces: &Namespaces, at_s: f64, outlet: &mut Outlet) {
        let began = boot_ms();
        let mut interfaces = BTreeMap::new();
        let mut paths = BTreeMap::new();
        let (mut read, mut refused) = (0, None);
        let mut look_at =
            |inode, id, interfaces: &mut BTreeMap<LinkKey, Interface>| match namespaces.visit(inode, table) {
                Ok(table) => {
                    read += 1;
                    let key = |index| LinkKey { namespace: id, index };
                    interfaces.extend(table.interfaces.into_iter().map(|i| (key(i.index), i)));
                    paths.insert(id, table.paths);
                }
                Err(error) if is_gone(&error) => {}
                Err(error) => refused = Some(error),
            };
        let may_rest = !std::mem::take(&mut self.told) && self.monitor.is_ok();
        let (resting, wanted): (Vec<_>, Vec<_>) =
            namespaces.all().map(|(inode, met)| (inode, met.id)).partition(|(_, id)| may_rest && self.rest.rests(*id));
        for (inode, id) in &wanted {
            look_at(*inode, *id, &mut interfaces);
        }
        let mut guessed = BTreeSet::new();
        let mut rested = Vec::new();
        for (inode, id) in resting {
            match unseen(id, &self.interfaces, &interfaces, &self.peers) {
                Some(table) => {
                    // Whatever has no other end is not known to have carried anything.
                    guessed.extend(table.keys().filter(|key| !self.peers.contains_key(key)));
                    interfaces.extend(table);
                    rested.push(id);
                }
                None => look_at(inode, id, &mut interfaces),
            }
        }
        read += rested.len();
        paths.extend(rested.iter().filter_map(|id| Some((*id, self.paths.get(id)?.clone()))));
        let links = self.join(&interfaces, namespaces);
        self.rest.note(&interfaces, &self.interfaces, &self.peers, &rested, may_rest);
        let metrics = self.rates(&interfaces, &guessed, at_s);
        self.interfaces = interfaces;
        let status = match refused {
            _ if namespaces.left_out > 0 => degraded(format!(
                "{} links in {read} namespaces; {} mounted namespaces more are not read",
                links.len(),
                namespaces.left_out
            )),
            None => {
                let plural = if read == 1 { "" } else { "s" };
                let late = match &self.monitor {
                    Ok(_) => String::new(),
                    Err(error) => format!("; the kernel does not say when they change ({error}), so that is seen late"),
                };
                ok(format!("{} links in {read} network namespace{plural}{late}", links.len()))
            }
            Some(error) if read == 0 => failed(format!("no namespace can be read: {error}")),
            Some(error) => degraded(format!(
                "{} links in {read} namespaces, others cannot be entered ({error}): run the probe as root or with \
                 CAP_SYS_ADMIN",
                links.len()
            )),
        };
        outlet.status(Collector::Link, status);
        let differs = |(id, now): (&NetNsId, &Paths)| {
            self.paths.get(id).is_some_and(|before| before.forwarding != now.forwarding)
        };
        self.forwarding_changed |= paths.iter().any(differs);
        if links != self.links || paths != self.paths {
            (self.links, self.paths) = (links.clone(), paths.clone());
            outlet.send(Reading::Links(links, paths));
        }
        self.metrics.clone_from(&metrics);
        outlet.send(Reading::LinkMetrics(metrics));
        outlet.send(Reading::Began(Collector::Link, began));
    }

    fn join(&mut self, interfaces: &BTreeMap<LinkKey, Interface>, namespaces: &Namespaces) -> BTreeMap<LinkKey, Link> {
        let mut peers = BTreeMap::new();
        for (key, others) in peer::candidates(interfaces) {
            let found = match &*others {
                [] => None,
                [only] => Some(*only),
                _ => match self.peers.get(&key).filter(|known| others.contains(known)) {
                    Some(known) => Some(*known),
                    None => told_apart(key, &others, &interfaces[&key], namespaces),
                },
            };
            peers.extend(found.map(|other| (key, other)));
        }
        let peers = peer::agreed(peers);
        let lowers = self.below(interfaces, namespaces);
        let link = |(key, interface): (&LinkKey, &Interface)| {
            let below = match lowers.get(key) {
                Some(other) => Some((other.index, Some(other.namespace))),
                // In the same namespace.
                None => interface
                    .lower
                    .filter(|_| interface.lower_in.is_none() && !peers.contains_key(key))
                    .map(|index| (index, None)),
            };
            let (lower, lower_in) = (below.map(|(index, _)| index), below.and_then(|(_, namespace)| namespace));
            (*key, Link { peer: peers.get(key).copied(), lower, lower_in, ..interface.link.clone() })
        };
        let links = interfaces.iter().map(link).collect();
        (self.peers, self.lowers) = (peers, lowers);
        links
    }

    /// Of links that were moved away from the one that they are on top of, such as a container's of macvlan, that one.
    fn below(&self, interfaces: &BTreeMap<LinkKey, Interface>, namespaces: &Namespaces) -> BTreeMap<LinkKey, LinkKey> {
        // What a vxlan device sends through is told with its own facts.
        let is_on_top = |interface: &Interface| !peer::is_pair(interface) && interface.link.vxlan.is_none();
        let moved = interfaces.iter().filter(|(_, i)| i.lower_in.is_some() && is_on_top(i));
        let mut found = BTreeMap::new();
        for (key, interface) in moved {
            let Some(lower) = interface.lower else { continue };
            let is_candidate = |other: &&LinkKey| other.index == lower && other.namespace != key.namespace;
            let others: Vec<LinkKey> = interfaces.keys().filter(is_candidate).copied().collect();
            let known = self.lowers.get(key).filter(|known| others.contains(known)).copied();
            found.extend(known.or_else(|| told_apart(*key, &others, interface, namespaces)).map(|other| (*key, other)));
        }
        found
    }

    /// Of links that are seen for the second time; what stands still has none. Of those whose counters are `guessed` they
    /// stay as they were.
    fn rates(
        &mut self,
        interfaces: &BTreeMap<LinkKey, Interface>,
        guessed: &BTreeSet<LinkKey>,
        at_s: f64,
    ) -> BTreeMap<LinkKey, LinkMetrics> {
        let (mut metrics, mut counters) = (BTreeMap::new(), BTreeMap::new());
        for (key, Interface { counters: now, .. }) in interfaces {
            let before = self.counters.get(key);
            if let Some(before) = before.filter(|_| guessed.contains(key)) {
                counters.insert(*key, *before);
                metrics.extend(self.metrics.get(key).map(|sample| (*key, *sample)));
                continue;
            }
            counters.insert(*key, (at_s, *now));
            let Some((then_s, then)) = before else { continue };
            let rate = |old, new| (per_second(old, new, at_s - then_s) * 10.0).round() / 10.0;
            let sample = LinkMetrics {
                received_bytes_per_s: rate(then.received_bytes, now.received_bytes).round(),
                sent_bytes_per_s: rate(then.sent_bytes, now.sent_bytes).round(),
                received_packets_per_s: rate(then.received_packets, now.received_packets),
                sent_packets_per_s: rate(then.sent_packets, now.sent_packets),
                errors_per_s: rate(then.errors, now.errors),
                dropped_per_s: rate(then.dropped, now.dropped),
            };
            if sample != LinkMetrics::default() {
                metrics.insert(*key, sample);
            }
        }
        self.counters = counters;
        metrics
    }
}

/// All that the calling thread's namespace holds.
fn table() -> io::Result<Table> {
    let mut socket = Socket::open(Family::Route)?;
    let mut interfaces = interface::all(&mut socket)?;
    for (index, subnet) in address::all(&mut socket)? {
        if let Some(interface) = interfaces.iter_mut().find(|i| i.index == index) {
            interface.link.addresses.push(subnet);
        }
    }
    // Where nobody has an address of version 6, as in most containers, there is no way for one.
    let has_v6 = interfaces.iter().flat_map(|i| &i.link.addresses).any(|subnet| subnet.address.is_ipv6());
    let families = if has_v6 { &[AF_INET, AF_INET6][..] } else { &[AF_INET] };
    let (routes, routes_left_out) = route::all(&mut socket, families, ROUTES_MAX)?;
    let rules = rule::all(&mut socket, families, RULES_MAX)?;
    let forwards = interfaces.iter().any(|interface| interface.link.vxlan.is_some());
    let neighbours_max = if forwards { FORWARDING_MAX } else { NEIGHBOURS_MAX };
    let (neighbours, neighbours_left_out) = neighbour::all(&mut socket, neighbours_max)?;
    let is_switch = forwards || interfaces.iter().any(|interface| interface.link.kind == "bridge");
    let (forwarding, forwarding_left_out) = match is_switch {
        true => forwarding::all(&mut socket, FORWARDING_MAX)?,
        false => (Vec::new(), 0),
    };
    let left_out = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let paths = Paths {
        routes,
        rules,
        neighbours,
        forwarding,
        routes_left_out: left_out(routes_left_out),
        neighbours_left_out: left_out(neighbours_left_out),
        forwarding_left_out: left_out(forwarding_left_out),
    };
    Ok(Table { interfaces, paths })
}

/// Addresses of the calling thread's namespace at which other hosts may reach it: not those of its bridges, which mean
/// each host by itself.
///
/// # Errors
/// The kernel's own, where it refuses.
pub fn reachable_addresses() -> io::Result<Vec<IpAddr>> {
    let interfaces = table()?.interfaces;
    let outward = interfaces.iter().filter(|i| i.link.up && !matches!(i.link.kind.as_str(), "bridge" | "loopback"));
    let addresses = outward.flat_map(|interface| &interface.link.addresses).map(|subnet| subnet.address);
    Ok(addresses.filter(|address| !is_confined(*address)).collect())
}

/// Which of several links is the other end of one, or below it: the one whose namespace has the number that the kernel gave. The
/// descriptors that it is asked with are closed before this returns.
fn told_apart(key: LinkKey, others: &[LinkKey], interface: &Interface, namespaces: &Namespaces) -> Option<LinkKey> {
    let wanted = interface.lower_in?;
    let here = namespaces.inode(key.namespace)?;
    others.iter().copied().find(|other| {
        let Some(there) = namespaces.inode(other.namespace).and_then(|inode| namespaces.open(inode).ok()) else {
            return false;
        };
        let called = namespaces.visit(here, || {
            let mut request = vec![0; 4];
            attribute(&mut request, NETNSA_FD, |b| b.extend(there.as_raw_fd().to_ne_bytes()));
            let mut answer = None;
            Socket::open(Family::Route)?.request(RTM_GETNSID, 0, &request, |_, payload| {
                let found = Attributes(payload.get(4..).unwrap_or_default()).find(|(kind, _)| *kind == NETNSA_NSID);
                answer = found.and_then(|(_, value)| number(value)).map(u32::cast_signed);
            })?;
            Ok(answer)
        });
        called.ok().flatten() == Some(wanted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_namespace_has_a_loopback_that_is_up_or_down_with_its_address_if_it_is_up() {
        let table = table().unwrap();
        let lo = &table.interfaces.iter().find(|i| i.link.name == "lo").unwrap().link;
        assert_eq!((lo.kind.as_str(), lo.mac.as_str()), ("loopback", ""));
        assert_eq!(lo.up, lo.addresses.iter().any(|a| a.address.is_loopback()), "{lo:?}");
    }
}
