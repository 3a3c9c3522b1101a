//! In which network an address means something. The same address may belong to different things in different scopes,
//! and a lookup never leaves its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use foldhash::HashMap;
use shared::addr::{Subnet, is_confined};
use shared::id::{ContainerId, HostId, NetNsId, NetworkId};
use shared::report::NetworkScope;

use super::unprobed::{Members, Unprobed};
use crate::store::{HostState, Store};

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Loopback and link-local addresses mean one namespace.
    Namespace(HostId, NetNsId),
    /// Addresses of a host's own bridges.
    Host(HostId),
    /// Addresses of a network that spans hosts.
    Network(NetworkId),
    /// The network between the hosts.
    Underlay,
}

/// Who has an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Holder {
    Host(HostId),
    Container(HostId, ContainerId),
    /// On a host without a probe.
    Unprobed(Unprobed),
}

/// What one host's report says of addresses, digested.
#[derive(Clone, Debug, Default, PartialEq)]
struct Book {
    /// Subnets of the host's own bridges.
    bridges: Vec<Subnet>,
    /// Subnets of networks that span hosts, by network.
    spanning: Vec<(Subnet, NetworkId)>,
    claims: BTreeSet<(Scope, IpAddr, Holder)>,
    /// What the host's interfaces are on, apart from its bridges.
    local: Vec<Subnet>,
}

/// Every host's addresses.
#[derive(Default)]
pub struct Addresses {
    books: HashMap<HostId, Book>,
    holders: HashMap<(Scope, IpAddr), BTreeSet<Holder>>,
    /// Who has an address where nobody that reports has it.
    unprobed: HashMap<(NetworkId, IpAddr), Unprobed>,
    /// The subnets that some host is on, with how often they are known: what is in none of them is the Internet.
    subnets: BTreeMap<Subnet, usize>,
}

/// What a host's new report says differently.
#[derive(Debug, Default)]
pub struct Readdressed {
    /// Addresses that someone else may mean now.
    pub addresses: BTreeSet<IpAddr>,
    /// Whether the host's own subnets changed: the scopes of its addresses did too.
    pub rescoped: bool,
    /// Subnets that no other host is on and that came or went: it turns outside into inside, or inside into outside.
    pub rebounded: Vec<Subnet>,
}

impl Book {
    /// Without the host's own address in each, so that hosts on one network name the same subnet.
    fn subnets(&self) -> impl Iterator<Item = Subnet> {
        self.local.iter().chain(&self.bridges).chain(self.spanning.iter().map(|(subnet, _)| subnet)).map(bare)
    }
}

fn bare(subnet: &Subnet) -> Subnet {
    let address = match subnet.address {
        IpAddr::V4(a) => {
            let shift = 32 - u32::from(subnet.prefix.min(32));
            IpAddr::from((u32::from(a).checked_shr(shift).unwrap_or(0).checked_shl(shift).unwrap_or(0)).to_be_bytes())
        }
        IpAddr::V6(a) => {
            let shift = 128 - u32::from(subnet.prefix.min(128));
            IpAddr::from((u128::from(a).checked_shr(shift).unwrap_or(0).checked_shl(shift).unwrap_or(0)).to_be_bytes())
        }
    };
    Subnet { address, ..*subnet }
}

impl Addresses {
    /// Reads the host's report again.
    pub fn renew(&mut self, store: &Store, id: HostId) -> Readdressed {
        let book = store.hosts.get(&id).map(|host| read(id, host)).unwrap_or_default();
        self.replace(id, book)
    }

    pub fn forget(&mut self, id: HostId) -> Readdressed {
        let result = self.replace(id, Book::default());
        self.books.remove(&id);
        result
    }

    fn replace(&mut self, id: HostId, book: Book) -> Readdressed {
        let old = self.books.insert(id, book).unwrap_or_default();
        let new = &self.books[&id];
        let mut touched = BTreeSet::new();
        for (scope, address, holder) in old.claims.difference(&new.claims) {
            touched.insert(*address);
            let key = (scope.clone(), *address);
            if let Some(holders) = self.holders.get_mut(&key) {
                holders.remove(holder);
                if holders.is_empty() {
                    self.holders.remove(&key);
                }
            }
        }
        for (scope, address, holder) in new.claims.difference(&old.claims) {
            touched.insert(*address);
            self.holders.entry((scope.clone(), *address)).or_default().insert(holder.clone());
        }
        let rescoped = (&old.bridges, &old.spanning, &old.local) != (&new.bridges, &new.spanning, &new.local);
        let mut rebounded = Vec::new();
        if rescoped {
            for subnet in new.subnets() {
                let known = self.subnets.entry(subnet).or_default();
                if *known == 0 {
                    rebounded.push(subnet);
                }
                *known += 1;
            }
            for subnet in old.subnets() {
                if let Some(known) = self.subnets.get_mut(&subnet) {
                    *known -= 1;
                    if *known == 0 {
                        self.subnets.remove(&subnet);
                        rebounded.push(subnet);
                    }
                }
            }
        }
        Readdressed { addresses: touched, rescoped, rebounded }
    }

    /// Where `address` means something, seen from a namespace of `host`.
    pub fn scope(&self, host: HostId, namespace: NetNsId, address: IpAddr) -> Scope {
        if is_confined(address) {
            return Scope::Namespace(host, namespace);
        }
        let Some(book) = self.books.get(&host) else { return Scope::Underlay };
        if book.bridges.iter().any(|subnet| subnet.contains(address)) {
            return Scope::Host(host);
        }
        match book.spanning.iter().find(|(subnet, _)| subnet.contains(address)) {
            Some((_, network)) => Scope::Network(network.clone()),
            None => Scope::Underlay,
        }
    }

    /// The one who has the address there. An address that several claim names nobody.
    pub fn holder(&self, scope: &Scope, address: IpAddr) -> Option<Holder> {
        match (self.holders.get(&(scope.clone(), address)), scope) {
            (Some(holders), _) => {
                let mut all = holders.iter();
                all.next().filter(|_| all.next().is_none()).cloned()
            }
            (None, Scope::Network(network)) => {
                self.unprobed.get(&(network.clone(), address)).cloned().map(Holder::Unprobed)
            }
            (None, _) => None,
        }
    }

    pub fn set_unprobed(&mut self, network: &NetworkId, before: &Members, now: &Members) {
        for address in before.keys() {
            self.unprobed.remove(&(network.clone(), *address));
        }
        for (address, one) in now {
            self.unprobed.insert((network.clone(), *address), one.clone());
        }
    }

    /// Whether the address is of a network that some host is on: what is not, is the Internet.
    pub fn is_local(&self, address: IpAddr) -> bool {
        is_confined(address) || self.subnets.keys().any(|subnet| subnet.contains(address))
    }
}

fn read(id: HostId, host: &HostState) -> Book {
    let report = &host.report;
    let mut book = Book::default();
    for (network, record) in &report.networks {
        for subnet in &record.subnets {
            match (record.scope, record.driver.as_str()) {
                (NetworkScope::Swarm | NetworkScope::Global, "bridge" | "host") => {}
                (NetworkScope::Swarm | NetworkScope::Global, _) => book.spanning.push((*subnet, network.clone())),
                // Their addresses are neighbours of the host's own.
                (_, "macvlan" | "ipvlan") => book.local.push(*subnet),
                (NetworkScope::Local | NetworkScope::Unknown, _) => book.bridges.push(*subnet),
            }
        }
    }
    // The network that containers leave an overlay by is a bridge of each host that no network list names apart.
    for subnet in &report.host.local_networks {
        let address = subnet.address;
        let is_bridge = book.bridges.iter().any(|bridge| bridge.contains(address));
        book.claims.insert((
            match () {
                () if is_confined(address) => continue,
                () if is_bridge => Scope::Host(id),
                () => Scope::Underlay,
            },
            address,
            Holder::Host(id),
        ));
        // A host address of /32 says nothing of its neighbours.
        if !is_bridge {
            book.local.push(*subnet);
        }
    }
    for (container, record) in report.containers.iter().filter(|(_, c)| c.state.is_running() && !c.host_network) {
        let holder = Holder::Container(id, container.clone());
        for endpoint in record.endpoints.values() {
            let network = endpoint.network.as_ref().and_then(|n| Some((n, report.networks.get(n)?)));
            for address in &endpoint.addresses {
                let scope = match network {
                    Some((network, n)) if matches!(n.scope, NetworkScope::Swarm | NetworkScope::Global) => {
                        Scope::Network(network.clone())
                    }
                    Some((_, n)) if matches!(n.driver.as_str(), "macvlan" | "ipvlan") => Scope::Underlay,
                    _ => Scope::Host(id),
                };
                book.claims.insert((scope, *address, holder.clone()));
            }
        }
        for address in &record.other_addresses {
            let scope = match book.spanning.iter().find(|(subnet, _)| subnet.contains(*address)) {
                Some((_, network)) => Scope::Network(network.clone()),
                None if book.bridges.iter().any(|bridge| bridge.contains(*address)) => Scope::Host(id),
                None => Scope::Underlay,
            };
            book.claims.insert((scope, *address, holder.clone()));
        }
    }
    book.bridges.sort();
    book.spanning.sort();
    book.local.sort();
    book.local.dedup();
    book
}
