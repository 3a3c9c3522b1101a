//! Members of networks on one host: what the engine attached, and what interfaces the kernel has for it.

use std::collections::BTreeMap;

use shared::id::{ContainerId, HostId, NetNsId, NetworkId};
use shared::report::{Container, ContainerState, LinkKey, Network};

use super::{ATTACH_MS, Counts, Suspicion, network_name};
use crate::store::HostState;
use crate::topology::interfaces::{of_namespace, overlay_of};
use crate::topology::{Entity, NetworkKey};

/// Drivers that give a container an interface with the MAC that the engine names.
const WITH_MAC: [&str; 3] = ["bridge", "overlay", "macvlan"];
/// Namespaces of Docker's own: load balancers and the routing mesh's.
const DOCKERS_OWN: [&str; 2] = ["lb_", "ingress_sbox"];

pub fn audit(id: HostId, host: &HostState) -> Vec<Suspicion> {
    missing(id, host).chain(unknown(id, host)).collect()
}

/// Known to the engine, not to the kernel.
fn missing(id: HostId, host: &HostState) -> impl Iterator<Item = Suspicion> {
    let running = host.report.containers.iter().filter(|(_, container)| {
        matches!(container.state, ContainerState::Running | ContainerState::Paused) && !container.host_network
    });
    running.flat_map(move |(container_id, container)| {
        // A namespace always has a loopback: without it, it was not read yet.
        let namespace = container.namespace.filter(|namespace| of_namespace(host, *namespace).next().is_some());
        let endpoints =
            namespace.into_iter().flat_map(|namespace| container.endpoints.values().map(move |e| (namespace, e)));
        endpoints.filter_map(move |(namespace, endpoint)| {
            let network = endpoint.network.as_ref()?;
            let record = host.report.networks.get(network)?;
            let is_there = of_namespace(host, namespace).any(|(_, link)| link.mac == endpoint.mac);
            if !WITH_MAC.contains(&&*record.driver) || endpoint.mac.is_empty() || is_there {
                return None;
            }
            let (here, name, of) = (&host.api_name, &container.name, network_name(host, network));
            let summary = format!("{name} on {here} has no interface in {of}");
            let addresses = crate::view::wording::joined(&endpoint.addresses);
            let has = of_namespace(host, namespace)
                .map(|(_, link)| format!("{} {}", link.name, link.mac).trim_end().to_owned());
            let has = has.collect::<Vec<_>>().join("\n");
            let suspicion = Suspicion::new(
                format!("endpoint-missing:{}:{}", network.0, container_id.0),
                "endpoint-missing",
                network_subject(id, network, record),
                summary,
            );
            Some(
                suspicion
                    .on(id)
                    .counts(Counts::ReadAgain(ATTACH_MS))
                    .says(format!("Docker on {here}"), format!("{name} is {addresses} {} in {of}", endpoint.mac))
                    .says(format!("kernel of {here}"), format!("interfaces of {name}:\n{has}"))
                    .advise("Detach the container from the network and attach it again, or restart it."),
            )
        })
    })
}

/// Known to the kernel, not to the engine: an interface on a network's bridge.
fn unknown(id: HostId, host: &HostState) -> impl Iterator<Item = Suspicion> {
    let bridges: BTreeMap<&str, &NetworkId> = host
        .report
        .networks
        .iter()
        .filter(|(_, n)| n.driver == "bridge")
        .filter_map(|(id, n)| Some((bridge(n)?, id)))
        .collect();
    let by_namespace: BTreeMap<NetNsId, (&ContainerId, &Container)> = host
        .report
        .containers
        .iter()
        .filter(|(_, container)| !container.host_network)
        .filter_map(|(id, container)| Some((container.namespace?, (id, container))))
        .collect();
    host.report.links.iter().filter_map(move |(key, port)| {
        let master = LinkKey { index: port.master?, ..*key };
        let peer_key = port.peer?;
        let peer = host.report.links.get(&peer_key)?;
        let is_host = host.report.namespaces.get(&key.namespace)?.is_host;
        let network = match is_host {
            true => (*bridges.get(host.report.links.get(&master)?.name.as_str())?).clone(),
            false => overlay_of(id, host, key.namespace)?.id().clone(),
        };
        let record = host.report.networks.get(&network)?;
        let inside = by_namespace.get(&peer_key.namespace);
        let known = host.report.containers.values().flat_map(|container| container.endpoints.values());
        let mut known = known.filter(|endpoint| endpoint.network.as_ref() == Some(&network));
        if known.any(|endpoint| endpoint.mac == peer.mac) {
            return None;
        }
        let overlay = host.report.overlays.get(&network);
        if overlay.is_some_and(|overlay| overlay.own.values().any(|mac| *mac == peer.mac)) {
            return None;
        }
        let place = &host.report.namespaces.get(&peer_key.namespace)?.name;
        // On a host's own bridge others than the engine may attach what they like.
        if DOCKERS_OWN.iter().any(|own| place.starts_with(own)) || (is_host && inside.is_none()) {
            return None;
        }
        let (here, of) = (&host.api_name, network_name(host, &network));
        let whose = crate::view::wording::links::namespace_name(host, peer_key.namespace);
        let whose = whose.unwrap_or_else(|| "a namespace without a name".into());
        let summary = format!("{} of {whose} on {here} is in {of} without Docker's knowledge", peer.name);
        let suspicion = Suspicion::new(
            format!("endpoint-unknown:{}:{id}:{}:{}", network.0, peer_key.namespace.0, peer.name),
            "endpoint-unknown",
            network_subject(id, &network, record),
            summary,
        );
        let bridge = host.report.links.get(&master).map_or("its bridge", |bridge| &bridge.name);
        Some(
            suspicion
                .warns()
                .on(id)
                .counts(Counts::ReadAgain(ATTACH_MS))
                .says(format!("Docker on {here}"), format!("{} is of no endpoint in {of}", peer.mac))
                .says(
                    format!("kernel of {here}"),
                    format!("{} {} is behind {}, a port of {bridge}", peer.name, peer.mac, port.name),
                )
                .advise("Nobody on other hosts knows of it. Attach the container with docker network connect instead."),
        )
    })
}

/// The device of a bridge network; none of the one by which containers leave overlays, which lists no endpoints.
fn bridge(network: &Network) -> Option<&str> {
    let option = network.options.get("com.docker.network.bridge.name").map(String::as_str);
    option.filter(|name| *name != "docker_gwbridge")
}

fn network_subject(id: HostId, network: &NetworkId, record: &Network) -> Entity {
    Entity::Network(NetworkKey::new(id, network, record.scope))
}
