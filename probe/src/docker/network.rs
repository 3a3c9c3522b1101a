//! Networks as the engine lists them, and who is attached.

use std::collections::BTreeMap;

use shared::addr::Subnet;
use shared::id::{ContainerId, NetworkId};
use shared::report::{Container, Network, NetworkScope};

/// Beside those under `com.docker.network.`.
const OPTIONS: [&str; 6] = ["encrypted", "parent", "macvlan_mode", "ipvlan_mode", "mtu", "vlan"];

pub fn from_answer(answer: bollard::models::Network) -> Option<(NetworkId, Network)> {
    let pools = answer.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let network = Network {
        name: answer.name.unwrap_or_default(),
        driver: answer.driver.unwrap_or_default(),
        scope: match answer.scope.as_deref() {
            Some("local") => NetworkScope::Local,
            Some("global") => NetworkScope::Global,
            Some("swarm") => NetworkScope::Swarm,
            _ => NetworkScope::Unknown,
        },
        subnets: pools.iter().filter_map(|pool| pool.subnet.as_ref()?.parse::<Subnet>().ok()).collect(),
        // Some drivers write the gateway with its prefix.
        gateways: pools.iter().filter_map(|pool| pool.gateway.as_ref()?.split('/').next()?.parse().ok()).collect(),
        internal: answer.internal.unwrap_or(false),
        attachable: answer.attachable.unwrap_or(false),
        ingress: answer.ingress.unwrap_or(false),
        labels: answer.labels.unwrap_or_default().into_iter().collect(),
        options: answer.options.unwrap_or_default().into_iter().filter(|(key, _)| is_told(key)).collect(),
        attached: BTreeMap::new(),
    };
    Some((answer.id?.into(), network))
}

/// Options of the drivers that everybody has. A plugin's may hold what is nobody's business.
fn is_told(option: &str) -> bool {
    option.starts_with("com.docker.network.") || OPTIONS.contains(&option)
}

/// Some engines (Podman 4) give a network's name where its id belongs.
pub fn name_by_id(networks: &BTreeMap<NetworkId, Network>, containers: &mut BTreeMap<ContainerId, Container>) {
    let endpoints = containers.values_mut().flat_map(|container| container.endpoints.values_mut());
    for network in endpoints.filter_map(|endpoint| endpoint.network.as_mut()) {
        if networks.contains_key(network) {
            continue;
        }
        if let Some((id, _)) = networks.iter().find(|(_, record)| *record.name == *network.0) {
            *network = id.clone();
        }
    }
}

/// Who is attached, from what the containers say: the list of networks does not, and asking for each costs a call.
pub fn attach(networks: &mut BTreeMap<NetworkId, Network>, containers: &BTreeMap<ContainerId, Container>) {
    for network in networks.values_mut() {
        network.attached.clear();
    }
    for (id, container) in containers.iter().filter(|(_, c)| c.state.is_running()) {
        for endpoint in container.endpoints.values() {
            if let Some(network) = endpoint.network.as_ref().and_then(|id| networks.get_mut(id)) {
                network.attached.insert(id.clone(), endpoint.addresses.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GET /networks of Docker Engine 20.10.24 and 26.1, recorded on a manager of a swarm with overlay networks.
    const RECORDED: [&str; 2] = [
        include_str!("../../fixtures/docker-swarm-h1-networks.json"),
        include_str!("../../fixtures/docker26-swarm-h1-networks.json"),
    ];

    #[test]
    fn recorded_networks_are_read() {
        for text in RECORDED {
            let answer: Vec<bollard::models::Network> = serde_json::from_str(text).unwrap();
            let networks: BTreeMap<_, _> = answer.into_iter().filter_map(from_answer).collect();
            let named = |name: &str| networks.values().find(|n| n.name == name).unwrap();
            let mesh = named("mesh");
            assert_eq!((mesh.driver.as_str(), mesh.scope, mesh.attachable), ("overlay", NetworkScope::Swarm, true));
            assert_eq!((mesh.subnets.len(), mesh.vnis().len(), mesh.is_encrypted()), (1, 1, false));
            assert!(named("back").internal && named("ingress").ingress);
            assert_eq!((named("bridge").driver.as_str(), named("bridge").scope), ("bridge", NetworkScope::Local));
        }
    }
}
