//! A standalone ("classic") Swarm: its manager answers as an engine does, for the engines of all its nodes at once.
//!
//! It is known by its version, `swarm/1.2.9`. Names that it lists begin with that of the node, and its info names the
//! nodes with the addresses of their engines. Format: github.com/docker/swarm, api/handlers.go.

use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs};

use serde_json::Value;
use shared::id::{ContainerId, NetworkId};
use shared::report::{Container, Elsewhere, Engine, Network, NetworkScope, Overlay, OverlayMember};

/// Addresses of the nodes' engines, by the nodes' names.
pub type Nodes = BTreeMap<String, IpAddr>;

pub fn is_manager(engine: &Engine) -> bool {
    engine.version.starts_with("swarm/")
}

/// As the manager's info lists them; a node is an entry whose name is indented once, what is said of it more than that.
/// One whose address cannot be found out is left out.
pub fn nodes(info: &Value) -> Nodes {
    // Before version 1.1 it stood with the drivers.
    let listed = ["SystemStatus", "DriverStatus"].into_iter().find_map(|key| info[key].as_array());
    let entries = listed.into_iter().flatten().filter_map(|entry| Some((entry[0].as_str()?, entry[1].as_str()?)));
    let node = |(name, address): (&str, &str)| {
        let name = name.strip_prefix(' ').filter(|name| name.starts_with(|c: char| c.is_ascii_alphanumeric()))?;
        let found = address.to_socket_addrs().ok()?.next()?;
        Some((name.to_owned(), found.ip()))
    };
    entries.filter_map(node).collect()
}

/// The node and the name within it of a container that a manager lists. An engine's own list has a name without a node,
/// and may have others of a form like these: those under which linked containers know it.
pub fn name_of(names: &[String]) -> Option<(&str, &str)> {
    let parts = |name: &str| name.trim_start_matches('/').matches('/').count();
    if names.iter().any(|name| parts(name) == 0) {
        return None;
    }
    names.iter().find_map(|name| name.trim_start_matches('/').split_once('/').filter(|(_, name)| !name.contains('/')))
}

/// Takes out of `containers` what runs on nodes that are not this host. Members of networks that span the nodes are
/// told as such too.
pub fn part(
    containers: &mut BTreeMap<ContainerId, Container>,
    on: &BTreeMap<ContainerId, String>,
    nodes: &Nodes,
    own: &[IpAddr],
    networks: &BTreeMap<NetworkId, Network>,
    overlays: &mut BTreeMap<NetworkId, Overlay>,
) -> BTreeMap<ContainerId, Elsewhere> {
    let mut elsewhere = BTreeMap::new();
    for (id, node) in on {
        let address = nodes.get(node).copied();
        if address.is_some_and(|address| own.contains(&address)) {
            continue;
        }
        let Some(container) = containers.remove(id) else { continue };
        for endpoint in container.endpoints.values() {
            let Some(network) = &endpoint.network else { continue };
            let spans = networks.get(network).is_some_and(|known| known.scope == NetworkScope::Global);
            for member in endpoint.addresses.iter().filter(|_| spans) {
                let (name, mac) = (container.name.clone(), endpoint.mac.clone());
                let told = OverlayMember { name, vtep: address, mac };
                overlays.entry(network.clone()).or_default().members.insert(*member, told);
            }
        }
        // Of another host's processes.
        let container = Container { pid: None, ..container };
        elsewhere.insert(id.clone(), Elsewhere { node: node.clone(), address, container });
    }
    elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shared::report::Endpoint;

    #[test]
    fn a_managers_info_names_its_nodes_and_what_it_says_of_each_is_no_node() {
        let info = json!({ "SystemStatus": [
            ["Role", "primary"],
            ["Strategy", "spread"],
            ["Nodes", "2"],
            [" node-1", "10.0.0.11:2375"],
            ["  └ Status", "Healthy"],
            ["  └ Containers", "2 (2 Running, 0 Paused, 0 Stopped)"],
            [" node-2", "10.0.0.12:2375"],
            ["  └ Status", "Healthy"],
            [" gone", "no.such.host.invalid:2375"],
        ] });
        let found: Vec<(String, String)> = nodes(&info).into_iter().map(|(n, a)| (n, a.to_string())).collect();
        assert_eq!(found, [("node-1".into(), "10.0.0.11".into()), ("node-2".into(), "10.0.0.12".to_owned())]);
        assert!(nodes(&json!({ "DriverStatus": [["Backing Filesystem", "extfs"]] })).is_empty(), "an engine's");
    }

    #[test]
    fn a_name_with_a_node_before_it_is_a_managers_unless_there_is_one_without() {
        let name = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            name_of(&names).map(|(node, name)| format!("{name} on {node}"))
        };
        assert_eq!(name(&["/node-1/web"]).as_deref(), Some("web on node-1"));
        assert_eq!(name(&["/node-1/client/alias", "/node-1/web"]).as_deref(), Some("web on node-1"), "linked");
        assert_eq!(name(&["/web", "/client/alias"]), None);
        assert_eq!(name(&[]), None);
    }

    #[test]
    fn what_runs_on_other_nodes_is_told_apart_and_as_a_member_of_what_spans_them() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let endpoint =
            Endpoint { network: Some("mesh".into()), addresses: vec![address("10.5.0.3")], ..Endpoint::default() };
        let there = Container {
            name: "web".into(),
            pid: Some(7),
            endpoints: [("mesh".to_owned(), endpoint)].into(),
            ..Container::default()
        };
        let mut containers: BTreeMap<ContainerId, Container> =
            [("a".into(), there.clone()), ("b".into(), there)].into();
        let on = [("a".into(), "node-1".to_owned()), ("b".into(), "node-2".to_owned())].into();
        let nodes = [("node-1".to_owned(), address("10.0.0.11")), ("node-2".to_owned(), address("10.0.0.12"))].into();
        let mesh = Network { scope: NetworkScope::Global, ..Network::default() };
        let mut overlays = BTreeMap::new();
        let networks = [("mesh".into(), mesh)].into();
        let own = [address("10.0.0.11")];
        let elsewhere = part(&mut containers, &on, &nodes, &own, &networks, &mut overlays);
        assert_eq!(containers.keys().map(|id| &*id.0).collect::<Vec<_>>(), ["a"]);
        let other = &elsewhere[&"b".into()];
        assert_eq!(
            (other.node.as_str(), other.address, other.container.pid),
            ("node-2", Some(address("10.0.0.12")), None)
        );
        assert_eq!(overlays[&"mesh".into()].members[&address("10.5.0.3")].vtep, Some(address("10.0.0.12")));
        // Of a node that is not known by any address it is known that it is another.
        let on = [("a".into(), "node-9".to_owned())].into();
        let elsewhere = part(&mut containers, &on, &nodes, &own, &networks, &mut overlays);
        assert_eq!((containers.len(), elsewhere[&"a".into()].address), (0, None));
    }
}
