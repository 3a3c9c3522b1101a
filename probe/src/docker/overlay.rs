//! Overlay networks as the engine inspects them: who is in each, on which host.
//!
//! With `verbose` the engine tells what it heard by gossip, on managers and workers alike; with a cluster store it lists
//! the endpoints of all hosts, but not where they are.

use std::net::IpAddr;

use bollard::models::NetworkInspect;
use shared::report::{Overlay, OverlayMember};

/// Endpoints that are on other hosts stand in the list of containers under this and their own id.
const ELSEWHERE: &str = "ep-";
const CONTAINER_ID: usize = 64;

/// None where the engine has no part in it: it knows the network's name then, and nothing that happens there.
pub fn from_answer(answer: NetworkInspect) -> Option<Overlay> {
    let mut overlay = Overlay::default();
    // Docker's own on each host, listed among the tasks of the routing mesh's network.
    let balancer = format!("{}-endpoint", answer.name.as_deref().unwrap_or_default());
    let peers = answer.peers.unwrap_or_default();
    overlay.peers = peers.into_iter().filter_map(|peer| peer.ip?.parse().ok()).collect();
    for service in answer.services.unwrap_or_default().into_values() {
        let tasks = service.get("Tasks").and_then(|tasks| tasks.as_array()).cloned().unwrap_or_default();
        for task in tasks {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let Ok(address) = text(&task["EndpointIP"]).parse::<IpAddr>() else { continue };
            if text(&task["Name"]) == balancer {
                continue;
            }
            let vtep = text(&task["Info"]["Host IP"]).parse().ok();
            let member = OverlayMember { name: text(&task["Name"]), vtep, mac: String::new() };
            overlay.members.insert(address, member);
        }
    }
    for (key, endpoint) in answer.containers.unwrap_or_default() {
        let mac = endpoint.mac_address.unwrap_or_default();
        let addresses = [endpoint.ipv4_address, endpoint.ipv6_address];
        let addresses = addresses.iter().flatten().filter_map(|a| a.split('/').next()?.parse::<IpAddr>().ok());
        let is_container = key.len() == CONTAINER_ID && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        for address in addresses {
            if is_container || key.starts_with(ELSEWHERE) {
                let member = overlay.members.entry(address).or_default();
                member.mac.clone_from(&mac);
                if member.name.is_empty() {
                    member.name = endpoint.name.clone().unwrap_or_default();
                }
            } else {
                overlay.own.insert(address, mac.clone());
            }
        }
    }
    (overlay != Overlay::default()).then_some(overlay)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GET /networks/mesh?verbose=true, recorded on managers of three-host swarms (20.10.24, 26.1) and on a worker;
    /// the last with Consul as cluster store.
    const MANAGER: &str = include_str!("../../fixtures/docker-swarm-h1-networks_mesh_verbose_true.json");
    const MANAGER_26: &str = include_str!("../../fixtures/docker26-swarm-h1-networks_mesh_verbose_true.json");
    const WORKER: &str = include_str!("../../fixtures/docker-swarm-h3-network-mesh.json");
    const WITH_STORE: &str = include_str!("../../fixtures/docker-legacy-consul-h1-network-mesh.json");

    fn read(text: &str) -> Overlay {
        from_answer(serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn every_engine_of_a_swarm_tells_of_the_members_on_all_hosts() {
        for text in [MANAGER, MANAGER_26, WORKER] {
            let overlay = read(text);
            assert_eq!(overlay.peers.len(), 3, "{overlay:?}");
            let hosts: Vec<IpAddr> = overlay.members.values().filter_map(|member| member.vtep).collect();
            assert_eq!(hosts.len(), overlay.members.len(), "{overlay:?}");
            assert!(hosts.iter().all(|vtep| overlay.peers.contains(vtep)), "{overlay:?}");
            let names: Vec<&str> = overlay.members.values().map(|member| member.name.as_str()).collect();
            assert!(names.contains(&"web") && names.contains(&"client"), "{names:?}");
            assert!(names.iter().all(|name| !name.is_empty()) && names.len() >= 5, "{names:?}");
        }
    }

    #[test]
    fn a_load_balancers_endpoint_is_no_member() {
        let overlay = read(MANAGER);
        let balancer: IpAddr = "10.0.1.3".parse().unwrap();
        assert_eq!(overlay.own[&balancer], "02:42:0a:00:01:03");
        assert!(!overlay.members.contains_key(&balancer));
    }

    #[test]
    fn with_a_cluster_store_members_elsewhere_have_a_mac_and_no_host() {
        let overlay = read(WITH_STORE);
        let members: Vec<_> = overlay.members.values().map(|m| (m.name.as_str(), m.mac.as_str(), m.vtep)).collect();
        assert_eq!(members, [("web", "02:42:0a:58:00:02", None), ("client", "02:42:0a:58:00:03", None)]);
        assert!(overlay.peers.is_empty() && overlay.own.is_empty());
    }

    #[test]
    fn a_network_that_the_engine_only_knows_by_name_tells_nothing() {
        assert_eq!(from_answer(NetworkInspect { name: Some("mesh".into()), ..NetworkInspect::default() }), None);
    }
}
