//! Daemons as a table: a column for each host, a row for each kind.

use std::collections::{BTreeMap, BTreeSet};

use shared::view::Summary;

/// Rows in this order; a kind that is not among them comes after.
const ORDER: [&str; 6] = ["engine", "swarm", "weave", "store-etcd", "store-consul", "store-zookeeper"];

pub type Cells<'a> = BTreeMap<&'a str, &'a Summary>;

/// Hosts by name, and for each kind of daemon who has one.
pub fn arranged(nodes: &[Summary]) -> (Vec<String>, Vec<(String, Cells<'_>)>) {
    let hosts: BTreeSet<&String> = nodes.iter().map(|node| &node.label_minor).collect();
    let mut rows: BTreeMap<(usize, &str), Cells> = BTreeMap::new();
    for node in nodes {
        let order = ORDER.iter().position(|kind| *kind == node.rank).unwrap_or(ORDER.len());
        rows.entry((order, &node.rank)).or_default().insert(&node.label_minor, node);
    }
    let name = |cells: &Cells| {
        let names: BTreeSet<&str> = cells.values().map(|node| node.label.as_str()).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    let rows = rows.into_values().map(|cells| (name(&cells), cells)).collect();
    // Who is known by an address only, such as a store apart, comes after the hosts.
    let mut hosts: Vec<String> = hosts.into_iter().cloned().collect();
    hosts.sort_by_key(|host| host.contains(':'));
    (hosts, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_daemon_has_its_place_under_its_host_in_the_row_of_its_kind() {
        let node = |rank: &str, label: &str, host: &str| Summary {
            rank: rank.into(),
            label: label.into(),
            label_minor: host.into(),
            ..Summary::default()
        };
        let nodes = [
            node("weave", "Weave Net", "h2"),
            node("engine", "Docker Engine", "h2"),
            node("engine", "Podman", "h1"),
            node("store-etcd", "etcd", "h3"),
        ];
        let (hosts, rows) = arranged(&nodes);
        assert_eq!(hosts, ["h1", "h2", "h3"]);
        let shape: Vec<(&str, Vec<&str>)> =
            rows.iter().map(|(name, cells)| (&**name, cells.keys().copied().collect())).collect();
        let expect = [("Docker Engine, Podman", vec!["h1", "h2"]), ("Weave Net", vec!["h2"]), ("etcd", vec!["h3"])];
        assert_eq!(shape, expect);
    }
}
