//! Members of Docker's cluster store in words.

use shared::report::{StoreContents, StoreKind, StoreMember, StoreUse, Trouble};
use shared::view::{Summary, Table};

use super::daemons::{latency, uptime_row};
use super::host_parent;
use crate::store::{HostState, Liveness, Store};
use crate::topology::{Entity, Topology};
use crate::view::wording::links::table;
use crate::view::wording::{joined, present, row};

/// None where nobody tells of it any more.
pub fn member_summary(store: &Store, topology: &Topology, kind: StoreKind, address: &str) -> Option<Summary> {
    let told = told(store, topology, kind, address);
    let (_, member) = told.first()?;
    let here = host_at(store, address);
    let fails = member.trouble != Trouble::None;
    let latency = if fails || member.is_hearsay { String::new() } else { latency(member.latency_ms) };
    let programs = match kind {
        StoreKind::Etcd => &["etcd"][..],
        StoreKind::Consul => &["consul"],
        // What runs on Java is named after that.
        StoreKind::ZooKeeper | StoreKind::Unknown => &[],
    };
    let uptime = here.map(|host| uptime_row(host, programs));
    let role = match (member.role.as_str(), member.has_leader) {
        (role, true) => role.to_owned(),
        (_, false) if fails => String::new(),
        (_, false) => "without a leader".into(),
    };
    let mut depends: Vec<&str> = told.iter().map(|(host, _)| host.api_name.as_str()).collect();
    depends.sort_unstable();
    let contents = contents(&told, kind, address);
    let health = match member.is_hearsay {
        _ if fails => member.error.as_str(),
        true => "the others hear of it",
        false => "answers",
    };
    Some(Summary {
        label: kind.name().into(),
        label_minor: here.map_or_else(|| address.to_owned(), |host| host.api_name.clone()),
        rank: format!("store-{}", kind.name().to_lowercase()),
        shape: "cylinder".into(),
        kind: "store".into(),
        state: if fails { "failed".into() } else { String::new() },
        metadata: present(
            uptime
                .into_iter()
                .chain([
                    row("daemon_version", "Version", member.version.as_str(), 1.0),
                    row("daemon_role", "Role", role, 2.0),
                    row("daemon_latency", "Latency", latency, 3.0),
                    row("daemon_member", "Name", member.name.as_str(), 4.0),
                    row("daemon_address", "Address", address, 5.0),
                    row("daemon_state", "Health", if fails { "failed" } else { "ok" }, 10.0),
                    row("daemon_message", "Says", health, 11.0),
                    row("daemon_asked_by", "Asked by", joined(depends), 12.0),
                    row("store_servers", "Servers", joined(&member.servers), 13.0),
                    row(
                        "store_vnis",
                        "VXLAN identifiers",
                        contents.and_then(|c| c.vnis).map(in_use).unwrap_or_default(),
                        14.0,
                    ),
                    row("store_keys", "Keys", contents.map(|c| c.error.as_str()).unwrap_or_default(), 15.0),
                ])
                .collect(),
        ),
        parents: here.map(host_parent).into_iter().collect(),
        ..Summary::default()
    })
}

/// What the store holds, as the first tells whom it answers.
fn contents<'a>(told: &[(&'a HostState, &StoreMember)], kind: StoreKind, address: &str) -> Option<&'a StoreContents> {
    let (host, _) = told.first()?;
    let store = host.report.stores.values().find(|store| store.kind == kind && store.members.contains_key(address));
    store.map(|store| &store.contents)
}

fn in_use(StoreUse { used, all }: StoreUse) -> String {
    format!("{used} of {all} in use")
}

/// What engines keep in it. For details: lists have no room for them.
pub fn more_tables(store: &Store, topology: &Topology, kind: StoreKind, address: &str) -> Vec<Table> {
    let told = told(store, topology, kind, address);
    let Some(contents) = contents(&told, kind, address) else { return Vec::new() };
    let networks = contents.networks.iter().map(|(id, network)| {
        let short = id.0.chars().take(12).collect();
        let entries = vec![("name", network.name.clone()), ("members", network.endpoints.to_string()), ("id", short)];
        (id.to_string(), entries)
    });
    let pools = contents.pools.iter().map(|(pool, used)| {
        let (space, subnet) = pool.split_once('/').unwrap_or(("", pool));
        (pool.clone(), vec![("subnet", subnet.to_owned()), ("use", in_use(*used)), ("space", space.to_owned())])
    });
    let of_host = |node: &String| {
        let host = host_at(store, node).map_or_else(|| "no probe there".to_owned(), |host| host.api_name.clone());
        (node.clone(), vec![("address", node.clone()), ("host", host)])
    };
    let network_columns = [("name", "Network", ""), ("members", "Endpoints", "number"), ("id", "ID", "")];
    let pool_columns = [("subnet", "Subnet", ""), ("use", "Addresses", ""), ("space", "Space", "")];
    let node_columns = [("address", "Address", ""), ("host", "Host", "")];
    let mut tables = vec![
        table("store_nodes", "Engines", &node_columns, contents.nodes.iter().map(of_host), 0),
        table("store_swarm_nodes", "Standalone Swarm", &node_columns, contents.swarm_nodes.iter().map(of_host), 0),
        table("store_networks", "Networks", &network_columns, networks, 0),
        table("store_pools", "Address pools", &pool_columns, pools, 0),
    ];
    tables.retain(|table| !table.rows.is_empty());
    tables
}

/// What each host tells of it, those first who are live and whom it answers.
pub fn told<'a>(
    store: &'a Store,
    topology: &Topology,
    kind: StoreKind,
    address: &str,
) -> Vec<(&'a HostState, &'a StoreMember)> {
    let entity = Entity::StoreMember(kind, address.into());
    let listers = topology.listed_by(&entity).filter_map(|id| store.hosts.get(&id));
    let mut told: Vec<(&HostState, &StoreMember)> = listers
        .filter_map(|host| {
            let mut stores = host.report.stores.values().filter(|store| store.kind == kind);
            Some((host, stores.find_map(|store| store.members.get(address))?))
        })
        .collect();
    told.sort_by_key(|(host, member)| {
        (host.liveness != Liveness::Live, member.trouble != Trouble::None, host.api_name.clone())
    });
    told
}

/// The host with a probe that has the address.
pub fn host_at<'a>(store: &'a Store, address: &str) -> Option<&'a HostState> {
    let (host, _) = address.rsplit_once(':')?;
    let ip: std::net::IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
    store.hosts.values().find(|host| host.report.host.local_networks.iter().any(|network| network.address == ip))
}
