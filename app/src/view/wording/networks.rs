//! A network in words: what it is made of, who is in it on which host, and how what is in it gets out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use foldhash::HashSet;
use shared::id::{ContainerId, HostId};
use shared::report::{Link, LinkKey, Network, NetworkScope};
use shared::view::{Row, Table};

use super::links::{leads_to, table};
use super::{joined, plural, present, row, typed};
use crate::store::{HostState, Store};
use crate::topology::NetworkKey;
use crate::topology::interfaces::of_namespace;
use crate::view::place::stack;

/// Somebody in a network.
#[derive(Default)]
struct Member {
    name: String,
    mac: String,
    /// What it is attached by, in its own namespace, and what that leads to.
    interface: String,
    leads_to: String,
    /// The name of its host, or the address under which the others reach that.
    host: String,
    is_probed: bool,
}

pub fn rows(store: &Store, key: &NetworkKey, holders: &[HostId]) -> Vec<Row> {
    let records = holders.iter().filter_map(|h| store.hosts.get(h)?.report.networks.get(key.id()));
    let Some(record) = records.clone().next() else { return Vec::new() };
    let scope = match record.scope {
        NetworkScope::Local => "local",
        NetworkScope::Global => "global",
        NetworkScope::Swarm => "swarm",
        NetworkScope::Unknown => "unknown",
    };
    // Not every engine tells of them.
    let vnis = records.clone().map(Network::vnis).find(|vnis| !vnis.is_empty()).unwrap_or_default();
    let probed: usize = records.map(|r| r.attached.len()).sum();
    // What one engine has heard is what all have, or soon will: lists need not ask each.
    let hosts = || holders.iter().filter_map(|id| store.hosts.get(id));
    let elsewhere = hosts().find_map(|host| host.report.overlays.get(key.id())).map_or(0, |overlay| {
        let here = addresses(hosts());
        overlay.members.values().filter(|member| member.vtep.is_some_and(|vtep| !here.contains(&vtep))).count()
    });
    let mut hosts: Vec<String> = holders.iter().filter_map(|h| Some(store.hosts.get(h)?.api_name.clone())).collect();
    // Ids of hosts are random: readers are given an order that they can see.
    hosts.sort();
    let flags = [
        (record.internal, "internal"),
        (record.attachable, "attachable"),
        (record.ingress, "ingress"),
        (record.is_encrypted(), "encrypted"),
    ];
    present(vec![
        row("network_driver", "Driver", record.driver.as_str(), 1.0),
        row("network_scope", "Scope", scope, 2.0),
        row("network_subnets", "Subnets", joined(&record.subnets), 3.0),
        row("network_gateways", "Gateways", joined(&record.gateways), 4.0),
        row("network_flags", "Options", joined(flags.iter().filter(|(on, _)| *on).map(|(_, name)| *name)), 5.0),
        row("network_way_out", "Way out", way_out(record), 5.5),
        typed(row("container", "# Containers", (probed + elsewhere).to_string(), 6.0), "number"),
        row(
            "network_unprobed",
            "On hosts without a probe",
            if elsewhere > 0 { elsewhere.to_string() } else { String::new() },
            6.5,
        ),
        row("network_hosts", "Hosts", joined(hosts), 7.0),
        row("network_kept_by", "Kept by", kept_by(store, record, holders), 7.2),
        row("network_stack", "Stack", stack(&record.labels).unwrap_or_default(), 7.4),
        row("network_vni", "VNI", joined(vnis), 7.5),
        Row { truncate: 12, ..row("network_id", "ID", key.id().to_string(), 8.0) },
    ])
}

/// How what is in it reaches what is in no network of containers.
fn way_out(network: &Network) -> &'static str {
    let masquerade = network.options.get("com.docker.network.bridge.enable_ip_masquerade").map(String::as_str);
    match network.driver.as_str() {
        _ if network.internal => "none, it is internal",
        "bridge" if masquerade == Some("false") => "routed by each host",
        "bridge" => "NAT on its host",
        "overlay" if network.ingress => "none, it brings in what is published",
        "overlay" => "NAT on each host, through docker_gwbridge",
        "macvlan" | "ipvlan" => "none needed, it is the hosts' own network",
        "host" => "the host's own",
        "null" => "none",
        _ => "",
    }
}

/// For a container's details: how it gets out, and what Weave Net knows of it.
pub fn container_rows(host: &HostState, id: &ContainerId) -> Vec<Row> {
    let Some(container) = host.report.containers.get(id).filter(|container| container.state.is_running()) else {
        return Vec::new();
    };
    let networks = container.endpoints.values().filter_map(|e| host.report.networks.get(e.network.as_ref()?));
    let networks: Vec<&Network> = networks.collect();
    let mut out: BTreeSet<&str> = networks.iter().filter(|network| !network.internal).map(|n| way_out(n)).collect();
    out.remove("");
    if out.len() > 1 {
        out.remove("none");
    }
    let way_out = match (networks.is_empty(), networks.iter().all(|network| network.internal)) {
        (true, _) => String::new(),
        (false, true) if networks.len() == 1 => "none, its network is internal".into(),
        (false, true) => "none, all its networks are internal".into(),
        (false, false) => joined(out),
    };
    let dns = host.report.weave.values().filter_map(|router| router.dns.as_ref()).flat_map(|dns| &dns.entries);
    let mut names: Vec<&str> =
        dns.filter(|entry| entry.container.as_ref() == Some(id)).map(|entry| &*entry.name).collect();
    names.dedup();
    // Weave's own name for what it puts into a container, attached by Docker or later by hand.
    let links = container.namespace.into_iter().flat_map(|namespace| {
        host.report.links.range(LinkKey { namespace, index: 0 }..=LinkKey { namespace, index: u32::MAX })
    });
    let macs = links.filter(|(_, link)| link.name.starts_with("ethwe")).map(|(_, link)| link.mac.as_str());
    present(vec![
        row("docker_container_way_out", "Way out", way_out, 8.5),
        row("weave_mac_address", "Weave MAC", joined(macs), 17.0),
        row("weave_dns_hostname", "Weave DNS Name", joined(names.iter().map(|name| name.trim_end_matches('.'))), 18.0),
    ])
}

/// Who keeps what all hosts know of it.
fn kept_by(store: &Store, record: &Network, holders: &[HostId]) -> String {
    let hosts = || holders.iter().filter_map(|id| store.hosts.get(id));
    match record.scope {
        NetworkScope::Swarm => {
            let manages = |host: &&HostState| {
                let engine = host.report.host.engine.as_ref();
                engine.and_then(|engine| engine.swarm.as_ref()).is_some_and(|member| member.is_manager)
            };
            let mut managers: Vec<&str> = hosts().filter(manages).map(|host| host.api_name.as_str()).collect();
            managers.sort_unstable();
            if managers.is_empty() { "a swarm".into() } else { format!("a swarm, managed by {}", managers.join(", ")) }
        }
        NetworkScope::Global if record.driver.contains("weave") => {
            let routers = hosts().filter(|host| !host.report.weave.is_empty()).count();
            format!("Weave Net, {}", plural(routers, "router with a probe", "routers with a probe"))
        }
        NetworkScope::Global => {
            let stores = hosts().flat_map(|host| host.report.stores.keys());
            let stores: BTreeSet<&str> = stores.map(|id| &*id.0).collect();
            if stores.is_empty() { "a cluster store".into() } else { format!("a cluster store, {}", joined(stores)) }
        }
        NetworkScope::Local | NetworkScope::Unknown => String::new(),
    }
}

/// Who is in it: on hosts with a probe as these say, elsewhere as the engines have heard.
fn members(store: &Store, key: &NetworkKey, holders: &[HostId]) -> BTreeMap<IpAddr, Member> {
    let hosts: Vec<&HostState> = holders.iter().filter_map(|id| store.hosts.get(id)).collect();
    let mut members = BTreeMap::new();
    for host in &hosts {
        let Some(network) = host.report.networks.get(key.id()) else { continue };
        for (id, addresses) in &network.attached {
            let Some(container) = host.report.containers.get(id) else { continue };
            let endpoint = container.endpoints.values().find(|endpoint| endpoint.network.as_ref() == Some(key.id()));
            let mac = endpoint.map(|endpoint| endpoint.mac.clone()).unwrap_or_default();
            for address in addresses {
                let by = container.namespace.filter(|_| !container.host_network).and_then(|namespace| {
                    let is_it = |link: &Link| link.addresses.iter().any(|subnet| subnet.address == *address);
                    of_namespace(host, namespace).find(|(_, link)| is_it(link))
                });
                let member = Member {
                    name: container.name.clone(),
                    mac: mac.clone(),
                    interface: by.map(|(_, link)| link.name.clone()).unwrap_or_default(),
                    leads_to: by.map(|(key, link)| leads_to(host, *key, link)).unwrap_or_default(),
                    host: host.api_name.clone(),
                    is_probed: true,
                };
                members.insert(*address, member);
            }
        }
    }
    let here = addresses(hosts.iter().copied());
    for overlay in hosts.iter().filter_map(|host| host.report.overlays.get(key.id())) {
        for (address, member) in &overlay.members {
            // Where there is a probe, that knows better.
            let elsewhere = member.vtep.is_none_or(|vtep| !here.contains(&vtep));
            if elsewhere && !members.contains_key(address) {
                let host = member.vtep.map(|vtep| vtep.to_string()).unwrap_or_default();
                let (name, mac) = (member.name.clone(), member.mac.clone());
                let member = Member { name, mac, host, ..Member::default() };
                members.insert(*address, member);
            }
        }
    }
    members
}

/// The hosts' own.
fn addresses<'a>(hosts: impl Iterator<Item = &'a HostState>) -> HashSet<IpAddr> {
    hosts.flat_map(|host| &host.report.host.local_networks).map(|network| network.address).collect()
}

/// For details: lists have no room for them.
pub fn tables(store: &Store, key: &NetworkKey, holders: &[HostId]) -> Vec<Table> {
    let members = members(store, key, holders).into_iter().map(|(address, member)| {
        let probe = if member.is_probed { "" } else { "none there" };
        let entries = vec![
            ("name", member.name),
            ("address", address.to_string()),
            ("mac", member.mac),
            ("interface", member.interface),
            ("leads_to", member.leads_to),
            ("host", member.host),
            ("probe", probe.to_owned()),
        ];
        (address.to_string(), entries)
    });
    let columns = [
        ("name", "Name", ""),
        ("address", "Address", "ip"),
        ("host", "Host", ""),
        ("mac", "MAC", ""),
        ("interface", "Interface", ""),
        ("leads_to", "Leads to", ""),
        ("probe", "Probe", ""),
    ];
    let mut tables = vec![table("network_members", "Members", &columns, members, 0)];
    let hosts: Vec<&HostState> = holders.iter().filter_map(|id| store.hosts.get(id)).collect();
    let overlays = hosts.iter().filter_map(|host| Some((*host, host.report.overlays.get(key.id())?)));
    let mut peers: BTreeMap<IpAddr, BTreeSet<&str>> = BTreeMap::new();
    for (host, overlay) in overlays.clone() {
        for peer in &overlay.peers {
            peers.entry(*peer).or_default().insert(&host.api_name);
        }
    }
    let all: BTreeSet<&str> = overlays.filter(|(_, o)| !o.peers.is_empty()).map(|(host, _)| &*host.api_name).collect();
    let peers = peers.into_iter().map(|(address, known_by)| {
        let has = |host: &&HostState| host.report.host.local_networks.iter().any(|network| network.address == address);
        let name =
            store.hosts.values().find(has).map_or_else(|| "no probe there".to_owned(), |host| host.api_name.clone());
        let missing: Vec<&&str> = all.difference(&known_by).collect();
        let entries = vec![("address", address.to_string()), ("host", name), ("unknown", joined(missing))];
        (address.to_string(), entries)
    });
    let columns = [("address", "VTEP", "ip"), ("host", "Host", ""), ("unknown", "Not known on", "")];
    tables.push(table("network_peers", "Peers", &columns, peers, 0));
    tables.retain(|table| !table.rows.is_empty());
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_network_has_no_way_out_whatever_carries_it() {
        for driver in ["bridge", "overlay", "macvlan"] {
            let network = Network { driver: driver.into(), internal: true, ..Network::default() };
            assert_eq!(way_out(&network), "none, it is internal");
        }
        assert_eq!(
            way_out(&Network { driver: "overlay".into(), ..Network::default() }),
            "NAT on each host, through docker_gwbridge"
        );
        assert_eq!(way_out(&Network { driver: "somebody/plugin".into(), ..Network::default() }), "", "nobody knows");
    }
}
