//! The devices that make an overlay on one host, and the one underneath.

use shared::id::{HostId, NetNsId, NetworkId};
use shared::report::Link;

use super::{A_MOMENT_MS, Suspicion, network_name, overlay};
use crate::store::HostState;
use crate::topology::interfaces::{of_namespace, sandbox};
use crate::topology::{Entity, NetworkKey};

/// What VXLAN puts around a frame, over IPv4 and IPv6, and what encryption adds to it. Bytes.
const VXLAN_V4: u32 = 50;
const VXLAN_V6: u32 = 70;
const ESP: u32 = 26;

pub fn audit(id: HostId, host: &HostState) -> Vec<Suspicion> {
    let mut found = Vec::new();
    for network in host.report.overlays.keys() {
        let Some(namespace) = sandbox(host, network) else { continue };
        found.extend(down(id, host, network, namespace));
    }
    found.extend(too_small(id, host));
    found
}

fn links(host: &HostState, namespace: NetNsId) -> impl Iterator<Item = &Link> {
    of_namespace(host, namespace).map(|(_, link)| link)
}

fn subject(id: HostId, host: &HostState, network: &NetworkId) -> Option<Entity> {
    let scope = host.report.networks.get(network)?.scope;
    Some(Entity::Network(NetworkKey::new(id, network, scope)))
}

fn down(id: HostId, host: &HostState, network: &NetworkId, namespace: NetNsId) -> Option<Suspicion> {
    let devices = || links(host, namespace).filter(|link| matches!(link.kind.as_str(), "bridge" | "vxlan"));
    let down: Vec<&str> = devices().filter(|link| !link.up).map(|link| link.name.as_str()).collect();
    let first = down.first()?;
    let (here, name) = (&host.api_name, network_name(host, network));
    let summary = format!("{first} of {name} is down on {here}");
    let has = devices().map(|link| format!("{} ({}) is {}", link.name, link.kind, if link.up { "up" } else { "down" }));
    let members = host.report.networks.get(network).map_or(0, |record| record.attached.len());
    let suspicion =
        Suspicion::new(overlay::device_id(network, id), "overlay-device-down", subject(id, host, network)?, summary);
    Some(
        suspicion
            .on(id)
            .after(A_MOMENT_MS)
            .says(format!("Docker on {here}"), format!("{name} has {members} containers here"))
            .says(format!("kernel of {here}"), has.collect::<Vec<_>>().join("\n"))
            .advise("Nothing of this network enters or leaves this host. Set the device up, or restart the containers of the network here."),
    )
}

/// What containers send must fit the device underneath, with what goes around it.
fn too_small(id: HostId, host: &HostState) -> Option<Suspicion> {
    let (home, _) = host.report.namespaces.iter().find(|(_, namespace)| namespace.is_host)?;
    let mut too_large: Vec<Sent> = host
        .report
        .overlays
        .keys()
        .filter_map(|network| sent(host, network))
        .filter_map(|(network, bytes, around)| {
            let overlay = host.report.overlays.get(network)?;
            let own = |link: &&Link| link.addresses.iter().any(|subnet| overlay.peers.contains(&subnet.address));
            let below = links(host, *home).find(own)?;
            (below.mtu < bytes + around).then_some(Sent { network, bytes, around, below })
        })
        .collect();
    // Docker's own network for what is published comes last: somebody made the others.
    let is_ingress = |sent: &Sent| host.report.networks.get(sent.network).is_some_and(|record| record.ingress);
    too_large.sort_by_key(|sent| (is_ingress(sent), network_name(host, sent.network)));
    let Sent { network, bytes, around, below } = too_large.first()?;
    let (here, name) = (&host.api_name, network_name(host, network));
    let summary = format!("{name} sends {bytes} bytes, {} of {here} carries {} less {around}", below.name, below.mtu);
    let says = too_large.iter().map(|Sent { network, bytes, around, .. }| {
        format!("containers of {} send up to {bytes} bytes, VXLAN adds {around}", network_name(host, network))
    });
    let suspicion = Suspicion::new(
        format!("mtu-too-small:{id}:{}", below.name),
        "mtu-too-small",
        subject(id, host, network)?,
        summary,
    );
    Some(
        suspicion
            .warns()
            .on(id)
            .after(A_MOMENT_MS)
            .says(format!("Docker on {here}"), says.collect::<Vec<_>>().join("\n"))
            .says(format!("kernel of {here}"), format!("{} has an MTU of {}", below.name, below.mtu))
            .advise(
                "Large packets are lost while small ones pass. Raise the MTU of the device, or make the network with a \
                 smaller one (com.docker.network.driver.mtu).",
            ),
    )
}

struct Sent<'a> {
    network: &'a NetworkId,
    /// At most, in one packet.
    bytes: u32,
    /// What the overlay puts around each.
    around: u32,
    below: &'a Link,
}

/// What containers of an overlay send at most, and what goes around it.
fn sent<'a>(host: &HostState, network: &'a NetworkId) -> Option<(&'a NetworkId, u32, u32)> {
    let record = host.report.networks.get(network)?;
    let ports = links(host, sandbox(host, network)?).filter(|link| link.kind == "veth" && link.master.is_some());
    let overlay = host.report.overlays.get(network)?;
    let vxlan = if overlay.peers.iter().any(std::net::IpAddr::is_ipv6) { VXLAN_V6 } else { VXLAN_V4 };
    Some((network, ports.map(|link| link.mtu).max()?, vxlan + if record.is_encrypted() { ESP } else { 0 }))
}
