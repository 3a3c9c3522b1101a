//! The network that a Weave router spans over its mesh. To Docker it is local to each engine, with an id of its own on
//! each, or it is not known at all; its addresses mean the same on all hosts of the mesh.

use std::collections::BTreeMap;
use std::net::IpAddr;

use shared::Report;
use shared::addr::Subnet;
use shared::id::NetworkId;
use shared::report::{Container, Endpoint, Link, LinkKey, Network, NetworkScope, WeaveRouter};

/// How ids begin that are a mesh's, not an engine's.
const MESH: &str = "weave-";
/// Of the interfaces that Weave puts into containers.
const INTERFACE: &str = "ethwe";
/// The drivers of its plugins.
const DRIVERS: [&str; 2] = ["weavemesh", "weave"];
const PLUGIN: &str = "weaveworks/net-plugin";
/// How the network is named where the engine has none of it.
const NAME: &str = "weave";

/// Forgets whom the mesh was found to have as members; before they are looked for again.
pub fn part(report: &mut Report) {
    for container in report.containers.values_mut() {
        container.endpoints.retain(|_, endpoint| !endpoint.is_attached_by_hand);
    }
}

/// Makes the mesh's network one network, under an id that all its hosts have in common, with its members on this host.
pub fn join(report: &mut Report) {
    let Some((id, router)) =
        report.weave.iter().next().map(|(name, router)| (mesh(name.0.as_ref(), router), router.clone()))
    else {
        return;
    };
    let ours: Vec<NetworkId> = report
        .networks
        .iter()
        .filter(|(id, network)| is_weave(id, network, &router))
        .map(|(id, _)| id.clone())
        .collect();
    let mut joined = Network { name: NAME.into(), driver: DRIVERS[0].into(), ..Network::default() };
    for network in &ours {
        if let Some(known) = report.networks.remove(network) {
            joined = Network { attached: BTreeMap::new(), ..known };
        }
    }
    joined.scope = NetworkScope::Global;
    joined.subnets = router.ipam.range.parse().into_iter().collect();
    let Report { containers, links, .. } = &mut *report;
    for (container_id, container) in containers {
        for endpoint in container.endpoints.values_mut() {
            let is_ours = |network: &NetworkId| ours.contains(network) || network.0.starts_with(MESH);
            if endpoint.network.as_ref().is_some_and(is_ours) {
                endpoint.network = Some(id.clone());
                joined.attached.entry(container_id.clone()).or_default().extend(&endpoint.addresses);
            }
        }
        let found = attached_by_hand(container, links, &joined.subnets, &id);
        if let Some(endpoint) = found {
            container.other_addresses.retain(|address| !endpoint.addresses.contains(address));
            joined.attached.entry(container_id.clone()).or_default().extend(&endpoint.addresses);
            // One that Docker attached too has two interfaces in it.
            let name = if container.endpoints.contains_key(&joined.name) {
                format!("{NAME} attach")
            } else {
                joined.name.clone()
            };
            container.endpoints.insert(name, endpoint);
        }
    }
    report.networks.insert(id, joined);
}

/// After the least of the peers' names: peers that do not reach one another know of one another no more.
fn mesh(own: &str, router: &WeaveRouter) -> NetworkId {
    let least = router.peers.keys().map(|peer| peer.0.as_ref()).chain([own]).min().unwrap_or(own);
    format!("{MESH}{least}").into()
}

fn is_weave(id: &NetworkId, network: &Network, router: &WeaveRouter) -> bool {
    let driver = network.driver.as_str();
    // One for groups of receivers (`weavemulticast`) is no mesh of its own.
    let is_named = router.drivers.iter().any(|name| name == driver) && !driver.contains("multicast");
    id.0.starts_with(MESH) || is_named || DRIVERS.contains(&driver) || driver.starts_with(PLUGIN)
}

/// An interface of Weave's in the container that the engine knows nothing of, made by `weave attach` or its proxy.
fn attached_by_hand(
    container: &Container,
    links: &BTreeMap<LinkKey, Link>,
    subnets: &[Subnet],
    id: &NetworkId,
) -> Option<Endpoint> {
    let namespace = container.namespace.filter(|_| !container.host_network)?;
    let of_here = LinkKey { namespace, index: 0 }..=LinkKey { namespace, index: u32::MAX };
    let own: Vec<&Link> =
        links.range(of_here).map(|(_, link)| link).filter(|link| link.name.starts_with(INTERFACE)).collect();
    let is_ours = |address: &IpAddr| {
        let on_interface = own.iter().any(|link| link.addresses.iter().any(|subnet| subnet.address == *address));
        on_interface || subnets.iter().any(|subnet| subnet.contains(*address))
    };
    let addresses: Vec<IpAddr> = container.other_addresses.iter().copied().filter(is_ours).collect();
    let has = |link: &&&Link| link.addresses.iter().any(|subnet| addresses.contains(&subnet.address));
    let mac = own.iter().find(has).map(|link| link.mac.clone()).unwrap_or_default();
    (!addresses.is_empty()).then(|| Endpoint {
        network: Some(id.clone()),
        addresses,
        mac,
        aliases: Vec::new(),
        is_attached_by_hand: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::id::NetNsId;
    use shared::report::WeavePeer;

    fn report(own: &str, peers: &[&str]) -> Report {
        let mut report = Report::default();
        let mut router =
            WeaveRouter { drivers: vec!["weavemesh".into(), "weavemulticast".into()], ..WeaveRouter::default() };
        router.ipam.range = "10.32.0.0/12".into();
        router.peers = peers.iter().map(|peer| ((*peer).into(), WeavePeer::default())).collect();
        report.weave.insert(own.into(), router);
        report
    }

    #[test]
    fn hosts_of_one_mesh_name_its_network_alike_and_those_of_another_do_not() {
        let id = |own, peers: &[&str]| {
            let mut report = report(own, peers);
            join(&mut report);
            report.networks.keys().next().unwrap().clone()
        };
        assert_eq!(id("b", &["a", "b", "c"]), id("c", &["a", "b", "c"]));
        assert_ne!(id("b", &["a", "b"]), id("c", &["c"]));
    }

    #[test]
    fn what_docker_attached_and_what_was_attached_by_hand_are_members_of_the_one_network() {
        let mut report = report("b", &["a", "b"]);
        let docker = Network { name: "overlay1".into(), driver: "weavemesh".into(), ..Network::default() };
        report.networks.insert("1234".into(), docker);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let endpoint =
            Endpoint { network: Some("1234".into()), addresses: vec![address("10.32.0.1")], ..Endpoint::default() };
        let web = Container { endpoints: [("overlay1".to_owned(), endpoint)].into(), ..Container::default() };
        report.containers.insert("web".into(), web);
        let others = vec![address("10.40.0.9"), address("192.168.5.5")];
        let by_hand = Container { namespace: Some(NetNsId(7)), other_addresses: others, ..Container::default() };
        report.containers.insert("db".into(), by_hand);
        let link = Link {
            name: "ethwe".into(),
            mac: "da:1d:8c:00:00:01".into(),
            addresses: vec!["10.40.0.9/12".parse().unwrap()],
            ..Link::default()
        };
        report.links.insert(LinkKey { namespace: NetNsId(7), index: 3 }, link);
        let once = {
            join(&mut report);
            report.clone()
        };
        let (id, network) = report.networks.iter().next().unwrap();
        assert_eq!(
            (report.networks.len(), network.name.as_str(), network.scope),
            (1, "overlay1", NetworkScope::Global)
        );
        assert_eq!(network.attached[&"web".into()], [address("10.32.0.1")]);
        assert_eq!(network.attached[&"db".into()], [address("10.40.0.9")]);
        let db = &report.containers[&"db".into()];
        let endpoint = &db.endpoints["overlay1"];
        assert_eq!((endpoint.network.as_ref(), endpoint.mac.as_str()), (Some(id), "da:1d:8c:00:00:01"));
        assert_eq!(db.other_addresses, [address("192.168.5.5")]);
        // Looked for again, with the addresses as the kernel has them.
        part(&mut report);
        report.containers.get_mut(&"db".into()).unwrap().other_addresses.insert(0, address("10.40.0.9"));
        join(&mut report);
        assert_eq!(report, once);
    }

    #[test]
    fn without_a_router_nothing_is_changed() {
        let mut report = Report::default();
        report.networks.insert("1".into(), Network { driver: "weavemesh".into(), ..Network::default() });
        let before = report.clone();
        join(&mut report);
        assert_eq!(report, before);
    }
}
