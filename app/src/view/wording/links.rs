//! Interfaces, routes and neighbours of a network namespace, as `ip addr`, `ip route` and `ip neigh` would print them
//! in it, and what each interface leads to.

use shared::id::NetNsId;
use shared::report::{Link, LinkKey, LinkMetrics, NeighbourState, Paths, RouteKind};
use shared::view::{Column, Table, TableRow};

use super::joined;
use crate::store::HostState;

/// For details: lists have no room for them.
pub fn tables(host: &HostState, namespace: NetNsId) -> Vec<Table> {
    let of_here = LinkKey { namespace, index: 0 }..=LinkKey { namespace, index: u32::MAX };
    let interfaces =
        host.report.links.range(of_here).map(|(key, link)| (link.name.clone(), interface(host, *key, link)));
    let columns = [
        ("name", "Interface", ""),
        ("state", "State", ""),
        ("addresses", "Addresses", ""),
        ("peer", "Leads to", ""),
        ("master", "Port of", ""),
        ("kind", "Kind", ""),
        ("mtu", "MTU", "number"),
        ("mac", "MAC", ""),
        ("traffic", "Traffic", ""),
        ("trouble", "Trouble", ""),
    ];
    let mut tables = vec![table("interfaces", "Interfaces", &columns, interfaces, 0)];
    if let Some(paths) = host.report.paths.get(&namespace) {
        tables.extend(paths_tables(host, namespace, paths));
    }
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn paths_tables(host: &HostState, namespace: NetNsId, paths: &Paths) -> [Table; 4] {
    let link_name = |index: Option<u32>| match index {
        None => String::new(),
        Some(index) => link_name(host, LinkKey { namespace, index }),
    };
    let routes = paths.routes.iter().enumerate().map(|(n, route)| {
        let to = if route.to.prefix == 0 { "default".into() } else { route.to.to_string() };
        let via = match route.kind {
            RouteKind::Unicast | RouteKind::Unknown => joined(route.via),
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit => route.kind.name().into(),
        };
        // The main table is the one that everybody means.
        let table = if route.table == 254 { String::new() } else { route.table.to_string() };
        let entries = vec![
            ("to", to),
            ("via", via),
            ("link", link_name(route.link)),
            ("metric", route.metric.to_string()),
            ("source", joined(route.source)),
            ("table", table),
        ];
        (n.to_string(), entries)
    });
    let route_columns = [
        ("to", "Destination", ""),
        ("via", "Gateway", "ip"),
        ("link", "Interface", ""),
        ("metric", "Metric", "number"),
        ("source", "Source", "ip"),
        ("table", "Table", ""),
    ];
    let rules = paths.rules.iter().enumerate().map(|(n, rule)| {
        let any = || if rule.is_v6 { "all (v6)".to_owned() } else { "all".to_owned() };
        let action = match rule.kind {
            RouteKind::Unicast => format!("table {}", rule.table),
            kind => kind.name().to_owned(),
        };
        let mark = if rule.mark > 0 { format!("{:#x}", rule.mark) } else { String::new() };
        let entries = vec![
            ("priority", rule.priority.to_string()),
            ("from", rule.from.map_or_else(any, |subnet| subnet.to_string())),
            ("to", joined(rule.to)),
            ("mark", mark),
            ("input", rule.input.clone()),
            ("output", rule.output.clone()),
            ("action", action),
        ];
        (n.to_string(), entries)
    });
    let rule_columns = [
        ("priority", "Priority", "number"),
        ("from", "From", ""),
        ("to", "To", ""),
        ("mark", "Mark", ""),
        ("input", "Comes in by", ""),
        ("output", "Goes out by", ""),
        ("action", "Leads to", ""),
    ];
    let neighbours = paths.neighbours.iter().map(|neighbour| {
        let link = link_name(Some(neighbour.link));
        let state = match neighbour.state {
            NeighbourState::Learned => String::new(),
            state => state.name().into(),
        };
        let id = format!("{}%{link}", neighbour.address);
        let address = neighbour.address.to_string();
        (id, vec![("address", address), ("mac", neighbour.mac.clone()), ("link", link), ("state", state)])
    });
    let neighbour_columns =
        [("address", "Address", "ip"), ("mac", "MAC", ""), ("link", "Interface", ""), ("state", "State", "")];
    let forwarding = paths.forwarding.iter().map(|entry| {
        let link = link_name(Some(entry.link));
        let id = format!("{}%{link}%{}", entry.mac, joined(entry.vtep));
        let how = if entry.is_learned { "learned" } else { "" };
        (id, vec![("mac", entry.mac.clone()), ("link", link), ("vtep", joined(entry.vtep)), ("how", how.into())])
    });
    let forwarding_columns = [("mac", "MAC", ""), ("link", "Behind", ""), ("vtep", "VTEP", "ip"), ("how", "State", "")];
    [
        table("routes", "Routes", &route_columns, routes, paths.routes_left_out),
        table("rules", "Rules", &rule_columns, rules, 0),
        table("neighbours", "Neighbours", &neighbour_columns, neighbours, paths.neighbours_left_out),
        table("forwarding", "Forwarding", &forwarding_columns, forwarding, paths.forwarding_left_out),
    ]
}

/// Of one interface: what goes through it. For details.
pub fn tables_of(host: &HostState, key: LinkKey) -> Vec<Table> {
    let Some(paths) = host.report.paths.get(&key.namespace) else { return Vec::new() };
    let through = Paths {
        routes: paths.routes.iter().filter(|route| route.link == Some(key.index)).cloned().collect(),
        neighbours: paths.neighbours.iter().filter(|neighbour| neighbour.link == key.index).cloned().collect(),
        forwarding: paths.forwarding.iter().filter(|entry| entry.link == key.index).cloned().collect(),
        rules: Vec::new(),
        ..*paths
    };
    let mut tables = paths_tables(host, key.namespace, &through).to_vec();
    tables.retain(|table| !table.rows.is_empty());
    tables
}

/// `up`, `no carrier`, `down`.
pub fn state(link: &Link) -> &'static str {
    match (link.up, link.running) {
        (true, true) => "up",
        (true, false) => "no carrier",
        (false, _) => "down",
    }
}

/// The other end of its pair, or what it is on top of.
pub fn leads_to(host: &HostState, key: LinkKey, link: &Link) -> String {
    match (link.peer, link.below(key.namespace)) {
        (Some(peer), _) => far_end(host, key.namespace, peer),
        (None, Some(lower)) => format!("on {}", far_end(host, key.namespace, lower)),
        (None, None) => String::new(),
    }
}

pub fn table(
    id: &str,
    label: &str,
    columns: &[(&str, &str, &str)],
    rows: impl Iterator<Item = (String, Vec<(&'static str, String)>)>,
    left_out: u32,
) -> Table {
    let rows: Vec<TableRow> = rows
        .map(|(id, entries)| TableRow {
            id,
            entries: entries
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        })
        .collect();
    // A column in which nobody has anything to say takes room from the others.
    let is_said = |column: &str| rows.iter().any(|row| row.entries.contains_key(column));
    let columns = columns.iter().filter(|(id, ..)| is_said(id)).map(|(id, label, data_type)| Column {
        id: (*id).into(),
        label: (*label).into(),
        data_type: (*data_type).into(),
        default_sort: false,
    });
    Table {
        id: id.into(),
        label: label.into(),
        kind: "multicolumn-table".into(),
        columns: columns.collect(),
        rows,
        truncation_count: left_out,
    }
}

fn interface(host: &HostState, key: LinkKey, link: &Link) -> Vec<(&'static str, String)> {
    let inside = |index: u32| link_name(host, LinkKey { index, ..key });
    let kind = match &link.vxlan {
        Some(vxlan) => format!("{} {}", link.kind, vxlan.vni),
        None => link.kind.clone(),
    };
    let metrics = host.report.metrics.links.get(&key).copied().unwrap_or_default();
    vec![
        ("name", link.name.clone()),
        ("state", state(link).into()),
        ("addresses", joined(&link.addresses)),
        ("peer", leads_to(host, key, link)),
        ("master", link.master.map(inside).unwrap_or_default()),
        ("kind", kind),
        ("mtu", link.mtu.to_string()),
        ("mac", link.mac.clone()),
        ("traffic", traffic(metrics)),
        ("trouble", trouble(metrics)),
    ]
}

fn traffic(metrics: LinkMetrics) -> String {
    let LinkMetrics { received_bytes_per_s: received, sent_bytes_per_s: sent, .. } = metrics;
    if received + sent > 0.0 { format!("in {}, out {}", per_second(received), per_second(sent)) } else { String::new() }
}

fn trouble(metrics: LinkMetrics) -> String {
    let rates = [(metrics.errors_per_s, "errors/s"), (metrics.dropped_per_s, "dropped/s")];
    joined(rates.iter().filter(|(rate, _)| *rate > 0.0).map(|(rate, what)| format!("{rate} {what}")))
}

fn per_second(bytes: f64) -> String {
    match bytes {
        _ if bytes >= 1e9 => format!("{:.1} GB/s", bytes / 1e9),
        _ if bytes >= 1e6 => format!("{:.1} MB/s", bytes / 1e6),
        _ if bytes >= 1e3 => format!("{:.1} kB/s", bytes / 1e3),
        _ => format!("{bytes:.0} B/s"),
    }
}

pub fn link_name(host: &HostState, key: LinkKey) -> String {
    host.report.links.get(&key).map_or_else(|| format!("#{}", key.index), |link| link.name.clone())
}

/// `eth0 of web`, `vethd1f5 of the host`, `veth0 of network mesh`.
fn far_end(host: &HostState, here: NetNsId, peer: LinkKey) -> String {
    let name = link_name(host, peer);
    if peer.namespace == here {
        return name;
    }
    match namespace_name(host, peer.namespace) {
        Some(place) => format!("{name} of {place}"),
        None => name,
    }
}

/// Whose a namespace is: the host's, a container's, a network's, or that of who named it.
pub fn namespace_name(host: &HostState, id: NetNsId) -> Option<String> {
    let namespace = host.report.namespaces.get(&id)?;
    if namespace.is_host {
        return Some("the host".into());
    }
    let mut inside = host.report.containers.values().filter(|container| container.namespace == Some(id));
    if let Some(first) = inside.next() {
        let more = inside.count();
        return Some(if more == 0 { first.name.clone() } else { format!("{} and {more} more", first.name) });
    }
    // Docker mounts the namespace of an overlay network under a number and the start of the network's id.
    let network = namespace.name.split_once('-').and_then(|(_, start)| {
        let networks = host.report.networks.iter();
        let (_, network) = networks.filter(|_| start.len() >= 8).find(|(id, _)| id.0.starts_with(start))?;
        Some(format!("network {}", network.name))
    });
    network.or_else(|| (!namespace.name.is_empty()).then(|| format!("namespace {}", namespace.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use shared::Report;
    use shared::report::{Container, Namespace, Neighbour, Network, Route};

    const HOST: NetNsId = NetNsId(1);
    const WEB: NetNsId = NetNsId(2);
    const MESH: NetNsId = NetNsId(3);

    fn key(namespace: NetNsId, index: u32) -> LinkKey {
        LinkKey { namespace, index }
    }

    fn report() -> Report {
        let mut report = Report::default();
        let namespace = |name: &str| Namespace { name: name.into(), ..Namespace::default() };
        report.namespaces.insert(HOST, Namespace { is_host: true, ..namespace("default") });
        report.namespaces.insert(WEB, namespace("0123456789ab"));
        report.namespaces.insert(MESH, namespace("1-k8vx2m0q1z"));
        let network = Network { name: "mesh".into(), ..Network::default() };
        report.networks.insert("k8vx2m0q1zfull".into(), network);
        let web = Container { name: "web".into(), namespace: Some(WEB), ..Container::default() };
        report.containers.insert("web".into(), web);
        let veth = |name: &str, peer| Link {
            name: name.into(),
            kind: "veth".into(),
            mtu: 1500,
            up: true,
            running: true,
            peer: Some(peer),
            ..Link::default()
        };
        let eth0 = Link { addresses: vec!["172.17.0.2/16".parse().unwrap()], ..veth("eth0", key(HOST, 10)) };
        report.links.insert(key(WEB, 2), eth0);
        report.links.insert(key(WEB, 4), veth("eth1", key(MESH, 5)));
        report.links.insert(key(HOST, 10), Link { master: Some(3), running: false, ..veth("vethd1", key(WEB, 2)) });
        report.links.insert(key(HOST, 3), Link { name: "docker0".into(), kind: "bridge".into(), ..Link::default() });
        report.links.insert(key(MESH, 5), veth("veth0", key(WEB, 4)));
        report.metrics.links.insert(
            key(WEB, 2),
            LinkMetrics { received_bytes_per_s: 1500.0, dropped_per_s: 2.5, ..LinkMetrics::default() },
        );
        let route = Route {
            to: "0.0.0.0/0".parse().unwrap(),
            via: Some([172, 17, 0, 1].into()),
            link: Some(2),
            source: None,
            metric: 0,
            table: 254,
            kind: RouteKind::Unicast,
        };
        let neighbour = Neighbour {
            address: [172, 17, 0, 1].into(),
            mac: "02:42:ac:11:00:01".into(),
            link: 2,
            state: NeighbourState::Learned,
        };
        let paths = Paths { routes: vec![route], neighbours: vec![neighbour], routes_left_out: 3, ..Paths::default() };
        report.paths.insert(WEB, paths);
        report
    }

    fn shown(namespace: NetNsId) -> Vec<Table> {
        let (store, host) = Store::holding(report());
        tables(&store.hosts[&host], namespace)
    }

    fn entry<'a>(table: &'a Table, row: &str, column: &str) -> &'a str {
        let row = table.rows.iter().find(|r| r.id == row).unwrap_or_else(|| panic!("{row}: {table:?}"));
        row.entries.get(column).map_or("", String::as_str)
    }

    #[test]
    fn each_end_of_a_pair_says_where_the_other_is() {
        let web = &shown(WEB)[0];
        assert_eq!(entry(web, "eth0", "peer"), "vethd1 of the host");
        assert_eq!(entry(web, "eth1", "peer"), "veth0 of network mesh");
        assert_eq!(entry(web, "eth0", "addresses"), "172.17.0.2/16");
        assert_eq!(entry(web, "eth0", "traffic"), "in 1.5 kB/s, out 0 B/s");
        assert_eq!(entry(web, "eth0", "trouble"), "2.5 dropped/s");
        let host = &shown(HOST)[0];
        assert_eq!(entry(host, "vethd1", "peer"), "eth0 of web");
        assert_eq!((entry(host, "vethd1", "master"), entry(host, "vethd1", "state")), ("docker0", "no carrier"));
        assert_eq!(entry(host, "docker0", "state"), "down");
        let columns: Vec<&str> = host.columns.iter().map(|c| &*c.id).collect();
        assert!(!columns.contains(&"mac") && columns.contains(&"peer"), "{columns:?}: of what nobody has, no column");
    }

    #[test]
    fn routes_and_neighbours_read_as_the_tools_print_them_and_what_is_left_out_is_counted() {
        let tables = shown(WEB);
        let [_, routes, neighbours] = &tables[..] else { panic!("{tables:?}") };
        assert_eq!((entry(routes, "0", "to"), entry(routes, "0", "via")), ("default", "172.17.0.1"));
        assert_eq!((entry(routes, "0", "link"), entry(routes, "0", "table")), ("eth0", ""));
        assert_eq!(routes.truncation_count, 3);
        assert_eq!(entry(neighbours, "172.17.0.1%eth0", "mac"), "02:42:ac:11:00:01");
        assert_eq!(shown(MESH).len(), 1, "no table without rows");
    }
}
