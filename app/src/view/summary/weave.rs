//! Weave Net's peers in words, with the rows and tables that Scope gave them.

use shared::id::WeavePeerId;
use shared::report::{WeaveDns, WeaveIpam, WeaveRouter};
use shared::view::{Summary, Table};

use super::{host_parent, liveness};
use crate::store::Store;
use crate::topology::Topology;
use crate::view::wording::links::table;
use crate::view::wording::{joined, plural, present, properties, row};

fn enabled(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}

/// None where nobody tells of it any more.
pub fn peer_summary(store: &Store, topology: &Topology, id: &WeavePeerId) -> Option<Summary> {
    let router = topology.weave_router(store, id);
    let told = topology.weave_peer(store, id);
    let nickname = router.map(|(_, router)| &router.nickname).or_else(|| told.map(|(_, peer)| &peer.nickname))?;
    let summary = Summary {
        label: if nickname.is_empty() { id.to_string() } else { nickname.clone() },
        label_minor: id.to_string(),
        shape: "circle".into(),
        kind: "peer".into(),
        ..Summary::default()
    };
    Some(match router {
        Some((host, router)) => Summary {
            state: liveness(host).into(),
            metadata: present(vec![
                row("weave_version", "Version", router.version.as_str(), 1.0),
                row("weave_protocol", "Protocol", router.protocol.as_str(), 2.0),
                row("weave_peer_name", "Name", id.to_string(), 3.0),
                row("weave_encryption", "Encryption", enabled(router.encrypted), 4.0),
                row("weave_peer_discovery", "Peer discovery", enabled(router.peer_discovery), 5.0),
                row("weave_target_count", "Targets", router.targets.len().to_string(), 6.0),
                row("weave_peer_count", "Peers", router.peers.len().to_string(), 7.0),
                row("weave_connection_count", "Connections", router.connections.len().to_string(), 8.0),
                row("weave_trusted_subnet_count", "Trusted subnets", joined(&router.trusted_subnets), 9.0),
            ]),
            parents: vec![host_parent(host)],
            tables: tables(router),
            ..summary
        },
        None => {
            let (host, peer) = told?;
            let opened = plural(peer.opened.len(), "connection", "connections");
            Summary {
                metadata: present(vec![
                    row("weave_peer_name", "Name", id.to_string(), 3.0),
                    row("weave_opened", "Opened", opened, 8.0),
                    row("weave_probe", "Probe", format!("none beside it, known from {}", host.api_name), 10.0),
                ]),
                ..summary
            }
        }
    })
}

fn tables(router: &WeaveRouter) -> Vec<Table> {
    let connections = router.connections.iter().map(|connection| {
        let arrow = if connection.outbound { "->" } else { "<-" };
        let mtu = if connection.mtu > 0 { connection.mtu.to_string() } else { String::new() };
        let encrypted = if connection.encrypted { "yes" } else { "" };
        let entries = vec![
            ("weave_connection_connection", format!("{arrow} {}", connection.address)),
            ("weave_connection_state", connection.state.clone()),
            ("weave_connection_info", connection.info.clone()),
            ("weave_connection_mtu", mtu),
            ("weave_connection_encrypted", encrypted.to_owned()),
        ];
        (format!("{}{arrow}", connection.address), entries)
    });
    let columns = [
        ("weave_connection_connection", "Connections", ""),
        ("weave_connection_state", "State", ""),
        ("weave_connection_info", "Info", ""),
        ("weave_connection_mtu", "MTU", "number"),
        ("weave_connection_encrypted", "Encrypted", ""),
    ];
    let running = |is_running: bool| if is_running { "running" } else { "not running" }.to_owned();
    let proxy = [("Status", running(!router.proxy.is_empty())), ("Address", joined(&router.proxy))];
    let plugin = [("Status", running(!router.drivers.is_empty())), ("Driver name", joined(&router.drivers))];
    let said = |rows: Vec<(&'static str, String)>| rows.into_iter().filter(|(_, value)| !value.is_empty());
    let mut tables = vec![
        table("weave_connections_multicolumn_table_", "Connections", &columns, connections, 0),
        properties("weave_ipam_table", "IPAM", said(ipam(&router.ipam))),
        properties("weave_dns_table", "DNS", said(router.dns.as_ref().map(dns).unwrap_or_default())),
        properties("weave_proxy_table", "Proxy", said(proxy.into())),
        properties("weave_plugin_table", "Plugin", said(plugin.into())),
    ];
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn ipam(ipam: &WeaveIpam) -> Vec<(&'static str, String)> {
    vec![
        ("Status", ipam.status.name().into()),
        ("Range", ipam.range.clone()),
        ("Default subnet", ipam.default_subnet.clone()),
        ("In use here", ipam.active.to_string()),
    ]
}

fn dns(dns: &WeaveDns) -> Vec<(&'static str, String)> {
    vec![
        ("Domain", dns.domain.clone()),
        ("Address", dns.address.clone()),
        ("Upstream", joined(&dns.upstream)),
        ("TTL", dns.ttl_s.to_string()),
        ("Entries", dns.entries.len().to_string()),
        ("Tombstones", if dns.tombstones > 0 { dns.tombstones.to_string() } else { String::new() }),
    ]
}

/// For details: lists have no room for them.
pub fn more_tables(router: &WeaveRouter) -> Vec<Table> {
    let all: u64 = router.ipam.owners.values().map(|owner| owner.addresses).sum();
    let owners = router.ipam.owners.iter().map(|(peer, owner)| {
        let share = owner.addresses as f64 / all.max(1) as f64 * 100.0;
        let entries = vec![
            ("peer", if owner.nickname.is_empty() { peer.to_string() } else { owner.nickname.clone() }),
            ("addresses", owner.addresses.to_string()),
            ("share", format!("{share:.1} %")),
            ("reachable", if owner.is_reachable { String::new() } else { "not reachable".into() }),
        ];
        (peer.to_string(), entries)
    });
    let columns = [
        ("peer", "Peer", ""),
        ("addresses", "Addresses", "number"),
        ("share", "Share", "number"),
        ("reachable", "State", ""),
    ];
    let names = router.dns.iter().flat_map(|dns| &dns.entries).enumerate().map(|(n, name)| {
        let container = name.container.as_ref().map(|id| id.0.chars().take(12).collect()).unwrap_or_default();
        let entries =
            vec![("name", name.name.clone()), ("address", name.address.to_string()), ("container", container)];
        (n.to_string(), entries)
    });
    let name_columns = [("name", "Name", ""), ("address", "Address", "ip"), ("container", "Container", "")];
    let mut tables = vec![
        table("weave_ipam_owners", "Ranges by owner", &columns, owners, 0),
        table("weave_dns_entries", "Names", &name_columns, names, 0),
    ];
    tables.retain(|table| !table.rows.is_empty());
    tables
}
