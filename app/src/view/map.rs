//! The map of networks, from what engines believe and what kernels have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use shared::addr::is_confined;
use shared::id::NetworkId;
use shared::report::{Network, NetworkScope};
use shared::view::map::{MapHost, MapNetwork, MapPlace, NetworkMap, Unreachable};

use crate::diagnose::{dropped, overlay};
use crate::store::{HostState, Liveness, Store};
use crate::topology::interfaces::sandbox;
use crate::topology::{NetworkKey, Topology};

/// Columns: hosts by their place in the list, which every address of theirs leads to.
#[derive(Default)]
struct Columns {
    hosts: Vec<MapHost>,
    of: BTreeMap<IpAddr, usize>,
}

impl Columns {
    /// Of whoever has the address, which may be known by it alone.
    fn at(&mut self, address: IpAddr) -> usize {
        if let Some(known) = self.of.get(&address) {
            return *known;
        }
        let label = address.to_string();
        self.hosts.push(MapHost { label: label.clone(), address: label, state: "unprobed".into(), id: String::new() });
        self.of.insert(address, self.hosts.len() - 1);
        self.hosts.len() - 1
    }
}

pub fn map(store: &Store, topology: &Topology, now_ms: u64) -> NetworkMap {
    let mut probed: Vec<&HostState> = store.hosts.values().collect();
    probed.sort_by(|a, b| a.api_name.cmp(&b.api_name));
    let mut columns = Columns::default();
    for (n, host) in probed.iter().enumerate() {
        let own = own_addresses(host);
        columns.of.extend(own.iter().map(|address| (*address, n)));
        let told = host.report.host.engine.as_ref().and_then(|engine| engine.swarm.as_ref()?.address);
        columns.hosts.push(MapHost {
            id: format!("{};<host>", host.api_name),
            label: host.api_name.clone(),
            address: told.or_else(|| own.first().copied()).map(|address| address.to_string()).unwrap_or_default(),
            state: match host.liveness {
                Liveness::Live => "",
                Liveness::Stale => "stale",
                Liveness::Down => "down",
            }
            .into(),
        });
    }
    let mut networks: BTreeMap<(bool, String, String), MapNetwork> = BTreeMap::new();
    let ids = store.hosts.iter().flat_map(|(id, host)| host.report.networks.iter().map(move |n| (*id, host, n)));
    for (id, host, (network, record)) in ids {
        let key = NetworkKey::new(id, network, record.scope);
        let is_local = matches!(key, NetworkKey::Local(..));
        let entry = networks.entry((is_local, record.name.clone(), key.api_id())).or_insert_with(|| MapNetwork {
            id: key.api_id(),
            label: record.name.clone(),
            driver: record.driver.clone(),
            subnets: record.subnets.iter().map(ToString::to_string).collect(),
            internal: record.internal,
            local: is_local,
            ..MapNetwork::default()
        });
        entry.vni = entry.vni.or_else(|| record.vnis().first().copied());
        let here = probed.iter().position(|one| std::ptr::eq(*one, host)).unwrap_or_default();
        add(entry, here, host, network, record, &mut columns);
    }
    // What kernels have the way to, and what is lost on it all the same.
    let column = |id| probed.iter().position(|one| store.hosts.get(&id).is_some_and(|host| std::ptr::eq(*one, host)));
    let losses = dropped::losses(store, topology, now_ms);
    for (course, _) in losses.iter().flat_map(|loss| &loss.courses) {
        let (Some(from), Some(to)) = (column(course.from), column(course.to)) else { continue };
        let id = course.network.api_id();
        let Some(entry) = networks.values_mut().find(|entry| entry.id == id) else { continue };
        let known = entry.unreachable.iter().any(|one| (one.from, one.to) == (from, to));
        let members = entry.places.iter().find(|place| place.host == to).map_or(0, |place| place.members);
        if !known && members > 0 {
            entry.unreachable.push(Unreachable { from, to, members });
        }
    }
    let networks = networks.into_values().map(|mut network| {
        network.places.sort_by_key(|place| place.host);
        network.unreachable.sort_by_key(|one| (one.from, one.to));
        network
    });
    NetworkMap { networks: networks.collect(), hosts: columns.hosts }
}

/// What one host says of a network.
fn add(
    entry: &mut MapNetwork,
    here: usize,
    host: &HostState,
    network: &NetworkId,
    record: &Network,
    columns: &mut Columns,
) {
    let mut place =
        MapPlace { host: here, members: u32::try_from(record.attached.len()).unwrap_or(u32::MAX), forwarding: None };
    if let Some(told) = host.report.overlays.get(network) {
        let own: BTreeSet<IpAddr> = own_addresses(host).into_iter().collect();
        // Members where no probe runs are known from what engines have heard.
        let mut elsewhere: BTreeMap<usize, u32> = BTreeMap::new();
        for vtep in told.members.values().filter_map(|member| member.vtep).filter(|vtep| !own.contains(vtep)) {
            *elsewhere.entry(columns.at(vtep)).or_default() += 1;
        }
        for (there, members) in elsewhere.into_iter().filter(|(there, _)| columns.hosts[*there].id.is_empty()) {
            match entry.places.iter_mut().find(|place| place.host == there) {
                Some(known) => known.members = known.members.max(members),
                None => entry.places.push(MapPlace { host: there, members, forwarding: None }),
            }
        }
        let paths = sandbox(host, network).and_then(|namespace| host.report.paths.get(&namespace));
        // With a cluster store entries are written when somebody asks for them first: none is missed.
        let paths = paths.filter(|paths| {
            record.scope == NetworkScope::Swarm
                && !told.peers.is_empty()
                && paths.forwarding_left_out == 0
                && paths.neighbours_left_out == 0
        });
        if let Some(paths) = paths {
            let (mut right, mut all) = (0, 0);
            for (vtep, faults) in overlay::compare(told, &own, paths) {
                let missing = u32::try_from(faults.missing.len()).unwrap_or(u32::MAX);
                let has = u32::try_from(faults.right).unwrap_or(u32::MAX);
                right += has;
                all += has + missing;
                if missing > 0 {
                    entry.unreachable.push(Unreachable { from: here, to: columns.at(vtep), members: missing });
                }
            }
            place.forwarding = Some((right, all));
        }
    }
    entry.places.push(place);
}

fn own_addresses(host: &HostState) -> Vec<IpAddr> {
    let addresses = host.report.host.local_networks.iter().map(|network| network.address);
    let told = host.report.host.engine.as_ref().and_then(|engine| engine.swarm.as_ref()?.address);
    told.into_iter().chain(addresses.filter(|address| !is_confined(*address))).collect()
}
