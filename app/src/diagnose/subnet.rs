//! Subnets on one host that overlap: of two of them, addresses lead to one.

use shared::addr::Subnet;
use shared::id::{HostId, NetworkId};
use shared::report::{LinkKey, Network};

use super::{Suspicion, network_name};
use crate::store::HostState;
use crate::topology::{Entity, NetworkKey};

/// Drivers whose subnets are the host's own by intention.
const OF_THE_HOST: [&str; 4] = ["macvlan", "ipvlan", "host", "null"];

pub fn audit(id: HostId, host: &HostState) -> Vec<Suspicion> {
    let mut found = Vec::new();
    let networks: Vec<(&NetworkId, &Network)> =
        host.report.networks.iter().filter(|(_, network)| !OF_THE_HOST.contains(&&*network.driver)).collect();
    let here = &host.api_name;
    let subject =
        |id: HostId, network: &NetworkId, record: &Network| Entity::Network(NetworkKey::new(id, network, record.scope));
    for (n, (one_id, one)) in networks.iter().enumerate() {
        for (other_id, other) in &networks[n + 1..] {
            let Some((a, b)) = overlap(&one.subnets, &other.subnets) else { continue };
            let (one_name, other_name) = (network_name(host, one_id), network_name(host, other_id));
            let summary = format!("{one_name} and {other_name} overlap on {here}");
            let text = format!("overlapping-subnets:{id}:{}:{}", one_id.0, other_id.0);
            let suspicion = Suspicion::new(text, "overlapping-subnets", subject(id, one_id, one), summary);
            found.push(
                suspicion
                    .warns()
                    .on(id)
                    .says(
                        format!("Docker on {here}"),
                        format!("{one_name} ({}) has {a}\n{other_name} ({}) has {b}", one.driver, other.driver),
                    )
                    .advise(ADVICE),
            );
        }
        let Some((a, b, link)) = with_own(host, one) else { continue };
        let name = network_name(host, one_id);
        let text = format!("overlapping-subnets:{id}:{}:host", one_id.0);
        let summary = format!("{name} overlaps {here}'s own network on {link}");
        let suspicion = Suspicion::new(text, "overlapping-subnets", subject(id, one_id, one), summary);
        found.push(
            suspicion
                .warns()
                .on(id)
                .says(format!("Docker on {here}"), format!("{name} ({}) has {a}", one.driver))
                .says(format!("kernel of {here}"), format!("{link} has {b}"))
                .advise(ADVICE),
        );
    }
    found
}

const ADVICE: &str = "Containers reach one of the two only. Make one of the networks anew with another --subnet.";

fn overlap(ones: &[Subnet], others: &[Subnet]) -> Option<(Subnet, Subnet)> {
    let pairs = ones.iter().flat_map(|one| others.iter().map(move |other| (*one, *other)));
    pairs.into_iter().find(|(one, other)| one.contains(other.address) || other.contains(one.address))
}

/// With an address of the host's, but for those that it has as the network's own gateway.
fn with_own(host: &HostState, network: &Network) -> Option<(Subnet, Subnet, String)> {
    let (home, _) = host.report.namespaces.iter().find(|(_, namespace)| namespace.is_host)?;
    let of_here = LinkKey { namespace: *home, index: 0 }..=LinkKey { namespace: *home, index: u32::MAX };
    let links = host.report.links.range(of_here).map(|(_, link)| link);
    let others = links.filter(|link| link.kind != "bridge" && link.kind != "loopback");
    others.into_iter().find_map(|link| {
        let own: Vec<Subnet> =
            link.addresses.iter().filter(|subnet| !shared::addr::is_confined(subnet.address)).copied().collect();
        overlap(&network.subnets, &own).map(|(a, b)| (a, b, link.name.clone()))
    })
}
