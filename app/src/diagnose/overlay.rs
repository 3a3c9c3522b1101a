//! Forwarding of an overlay on one host: where the engine believes its members to be, and where the kernel sends.
//!
//! For each member on another host the overlay's namespace has two entries, a neighbour that says its MAC and a
//! forwarding entry that says its host's VTEP. What of them is missing or leads elsewhere is told per VTEP.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use foldhash::{HashMap, HashMapExt};
use shared::addr::is_confined;
use shared::id::{HostId, NetworkId};
use shared::report::{NetworkScope, Overlay, OverlayMember, Paths};

use super::swarm::Dead;
use super::{Counts, Side, Suspicion, network_name, sees_links};
use crate::store::HostState;
use crate::topology::interfaces::sandbox;
use crate::topology::{Entity, NetworkKey};

/// So many examples are told.
const TOLD: usize = 5;
const MISSING: &str = "forwarding-entry-missing";

/// What is wrong with the way to one VTEP.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Members there without an entry: what is missing for each.
    pub missing: BTreeMap<IpAddr, Missing>,
    /// Entries that lead there and should not: MAC, and the VTEP that it belongs to if its owner is known.
    pub stray: BTreeMap<String, Option<IpAddr>>,
    /// Entries that rightly lead there.
    pub right: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    Neighbour,
    /// Of this MAC.
    Forwarding(String),
}

/// Joins what the engine believes with what the kernel has, by VTEP. Costs what the two tables are long.
pub fn compare(overlay: &Overlay, own: &BTreeSet<IpAddr>, paths: &Paths) -> BTreeMap<IpAddr, Faults> {
    let mut faults: BTreeMap<IpAddr, Faults> = BTreeMap::new();
    let mut vteps: HashMap<&str, IpAddr> = HashMap::with_capacity(paths.forwarding.len());
    vteps.extend(paths.forwarding.iter().filter_map(|entry| Some((&*entry.mac, entry.vtep?))));
    let macs: HashMap<IpAddr, &str> = paths.neighbours.iter().map(|n| (n.address, &*n.mac)).collect();
    let mut placed: HashMap<&str, IpAddr> = HashMap::with_capacity(overlay.members.len());
    for (address, OverlayMember { vtep, .. }) in &overlay.members {
        let Some(vtep) = vtep.filter(|vtep| !own.contains(vtep)) else { continue };
        match macs.get(address).copied() {
            None | Some("") => {
                faults.entry(vtep).or_default().missing.insert(*address, Missing::Neighbour);
            }
            Some(mac) => {
                placed.insert(mac, vtep);
                if !vteps.contains_key(mac) {
                    let missing = Missing::Forwarding(mac.to_owned());
                    faults.entry(vtep).or_default().missing.insert(*address, missing);
                }
            }
        }
    }
    for (mac, vtep) in vteps {
        let belongs = placed.get(mac).copied();
        let is_peer = overlay.peers.contains(&vtep) || overlay.members.values().any(|m| m.vtep == Some(vtep));
        // Whose it is is not always known: a load balancer's endpoint is in no list of another host.
        if belongs == Some(vtep) || (belongs.is_none() && is_peer) {
            faults.entry(vtep).or_default().right += 1;
        } else {
            faults.entry(vtep).or_default().stray.insert(mac.to_owned(), belongs);
        }
    }
    faults
}

pub fn audit(id: HostId, host: &HostState, network: &NetworkId, dead: &Dead) -> Vec<Suspicion> {
    let report = &host.report;
    let (Some(overlay), Some(record)) = (report.overlays.get(network), report.networks.get(network)) else {
        return Vec::new();
    };
    // Without peers the engine does not say where members are.
    if overlay.peers.is_empty() || !super::engine_answers(host) || !sees_links(host) {
        return Vec::new();
    }
    let Some(paths) = sandbox(host, network).and_then(|namespace| report.paths.get(&namespace)) else {
        return Vec::new();
    };
    let addresses = report.host.local_networks.iter().map(|n| n.address).filter(|a| !is_confined(*a));
    // Under which it is known to the others, it knows itself, whether it has that address or not.
    let member = report.host.engine.as_ref().and_then(|engine| engine.swarm.as_ref()?.address);
    let own: BTreeSet<IpAddr> = addresses.chain(member).collect();
    // With a cluster store entries are written when somebody asks for them first, and engines have a part in a network
    // before its first endpoint is read.
    let on_demand = record.scope == NetworkScope::Global;
    let engines = report.stores.values().flat_map(|store| &store.contents.nodes);
    let engines = engines.filter_map(|node| node.rsplit_once(':')?.0.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    let mut overlay = Cow::Borrowed(overlay);
    if on_demand {
        overlay.to_mut().peers.extend(engines);
    }
    let overlay = &*overlay;
    let complete = paths.forwarding_left_out == 0 && paths.neighbours_left_out == 0;
    let name = network_name(host, network);
    let here = host.api_name.as_str();
    let subject = Entity::Network(NetworkKey::new(id, network, record.scope));
    let suspicion = |kind: &'static str, vtep: IpAddr, summary: String| {
        let id_text = entries_id(kind, network, id, vtep);
        Suspicion::new(id_text, kind, subject.clone(), summary).on(id)
    };
    let mut found = Vec::new();
    for (vtep, faults) in compare(overlay, &own, paths) {
        let who = dead.get(&vtep);
        let there = who.map_or_else(|| vtep.to_string(), |gone| format!("{} ({vtep})", gone.name));
        if !faults.missing.is_empty() && complete && !on_demand {
            let members = named(&faults.missing, overlay);
            let summary = format!("{here} has no way to {members} at {vtep} over {name}");
            let says = faults.missing.iter().take(TOLD).map(|(address, missing)| match missing {
                Missing::Neighbour => format!("{address}: no neighbour entry"),
                Missing::Forwarding(mac) => format!("{address} {mac}: no forwarding entry"),
            });
            let believed = faults.missing.keys().take(TOLD).map(|address| format!("{address} is at {vtep}"));
            found.push(
                suspicion(MISSING, vtep, summary)
                    .counts(Counts::MissingOn(Side::Kernel))
                    .parts(faults.missing.keys().map(ToString::to_string))
                    .says(format!("Docker on {here}"), lines(believed, faults.missing.len()))
                    .says(format!("kernel of {here}"), lines(says, faults.missing.len()))
                    .advise("Restart a container of the network on this host, or detach and attach it: the engine writes the entries anew.")
                    .because([device_id(network, id)])
                    .because(who.map(|gone| gone.finding.clone())),
            );
        }
        if !faults.stray.is_empty() || (who.is_some() && faults.right > 0) {
            let count = faults.stray.len() + if who.is_some() { faults.right } else { 0 };
            let entries = faults.stray.keys().take(TOLD).map(|mac| format!("{mac} is at {vtep}"));
            let has = match faults.stray.is_empty() {
                true => format!("{count} forwarding entries to {vtep}"),
                false => lines(entries, faults.stray.len()),
            };
            let believed = faults.stray.iter().take(TOLD).map(|(mac, belongs)| match belongs {
                Some(right) => format!("{mac} is at {right}"),
                None => format!("{mac} is of no member"),
            });
            let peers = overlay.peers.iter().take(TOLD).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let believed = match (faults.stray.is_empty(), overlay.peers.contains(&vtep)) {
                (false, true) => lines(believed, faults.stray.len()),
                (false, false) => format!("{}\npeers are {peers}", lines(believed, faults.stray.len())),
                (true, _) => format!("{vtep} is a peer"),
            };
            let (kind, verb) = match (who, overlay.peers.contains(&vtep)) {
                (Some(_), _) => ("forwarding-entry-to-dead-peer", "is gone"),
                (None, false) => ("forwarding-entry-to-stranger", "is no peer of it"),
                (None, true) => ("forwarding-entry-to-wrong-peer", "does not have them"),
            };
            let summary = format!("{here} sends frames of {name} to {there}, which {verb}");
            let right = (who.is_some() && faults.right > 0).then(|| "a peer that is gone".to_owned());
            let mut suspicion = suspicion(kind, vtep, summary)
                .counts(Counts::MissingOn(Side::Engine))
                .parts(faults.stray.keys().cloned().chain(right))
                .says(format!("Docker on {here}"), believed)
                .says(format!("kernel of {here}"), has);
            if let Some(gone) = who {
                suspicion = suspicion.says(gone.source.clone(), gone.says.clone());
                // What somebody bent does not follow from the death of whom it was bent to.
                if faults.stray.values().all(Option::is_none) {
                    suspicion = suspicion.because([gone.finding.clone()]);
                }
            }
            found.push(suspicion.advise(
                "Restart a container of the network on this host: the engine writes the entries anew. If it comes back, \
                 something else writes to the forwarding table.",
            ));
        }
    }
    found
}

/// Of the finding that the overlay's devices are down here, which explains much.
pub fn device_id(network: &NetworkId, host: HostId) -> String {
    format!("overlay-device-down:{}:{host}", network.0)
}

/// Of the finding that forwarding or neighbour entries of members at a VTEP are missing here.
pub fn missing_id(network: &NetworkId, host: HostId, vtep: IpAddr) -> String {
    entries_id(MISSING, network, host, vtep)
}

fn entries_id(kind: &str, network: &NetworkId, host: HostId, vtep: IpAddr) -> String {
    format!("{kind}:{}:{host}:{vtep}", network.0)
}

fn named(missing: &BTreeMap<IpAddr, Missing>, overlay: &Overlay) -> String {
    let mut names =
        missing.keys().filter_map(|address| overlay.members.get(address)).map(|member| member.name.as_str());
    let first = names.next().unwrap_or_default();
    match missing.len() {
        1 => first.to_owned(),
        more => format!("{first} and {} more", more - 1),
    }
}

fn lines(all: impl Iterator<Item = String>, count: usize) -> String {
    let mut text = all.collect::<Vec<_>>().join("\n");
    if count > TOLD {
        text.push_str(&format!("\nand {} more", count - TOLD));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::report::{Forwarding, Neighbour, NeighbourState};

    const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 77, 0, 11));

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Three members, one of them here, as the engine has them and as the kernel has them when all is well.
    fn well() -> (Overlay, Paths) {
        let member =
            |name: &str, vtep: &str| OverlayMember { name: name.into(), vtep: Some(ip(vtep)), mac: String::new() };
        let overlay = Overlay {
            peers: ["10.77.0.11", "10.77.0.12", "10.77.0.13"].map(ip).into(),
            members: [
                (ip("10.0.1.2"), member("web", "10.77.0.11")),
                (ip("10.0.1.4"), member("client", "10.77.0.12")),
                (ip("10.0.1.6"), member("db", "10.77.0.13")),
            ]
            .into(),
            own: [(ip("10.0.1.3"), "02:42:0a:00:01:03".to_owned())].into(),
        };
        let forward =
            |mac: &str, vtep: &str| Forwarding { mac: mac.into(), link: 3, vtep: Some(ip(vtep)), is_learned: false };
        let neighbour = |address: &str, mac: &str| Neighbour {
            address: ip(address),
            mac: mac.into(),
            link: 3,
            state: NeighbourState::Permanent,
        };
        let paths = Paths {
            neighbours: vec![
                neighbour("10.0.1.4", "02:42:0a:00:01:04"),
                neighbour("10.0.1.5", "02:42:0a:00:01:05"),
                neighbour("10.0.1.6", "02:42:0a:00:01:06"),
            ],
            forwarding: vec![
                forward("02:42:0a:00:01:04", "10.77.0.12"),
                // The load balancer of another host.
                forward("02:42:0a:00:01:05", "10.77.0.12"),
                forward("02:42:0a:00:01:06", "10.77.0.13"),
            ],
            ..Paths::default()
        };
        (overlay, paths)
    }

    fn wrong(overlay: &Overlay, paths: &Paths) -> BTreeMap<IpAddr, Faults> {
        let mut faults = compare(overlay, &BTreeSet::from([OWN]), paths);
        faults.retain(|_, faults| !faults.missing.is_empty() || !faults.stray.is_empty());
        faults
    }

    #[test]
    fn what_is_well_and_what_belongs_to_no_container_is_no_fault() {
        let (overlay, paths) = well();
        assert_eq!(wrong(&overlay, &paths), BTreeMap::new());
    }

    #[test]
    fn an_entry_that_is_missing_is_missed_at_the_peer_that_it_should_lead_to() {
        let (overlay, mut paths) = well();
        paths.forwarding.retain(|entry| entry.mac != "02:42:0a:00:01:06");
        let faults = wrong(&overlay, &paths);
        let missing = Missing::Forwarding("02:42:0a:00:01:06".into());
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[&ip("10.77.0.13")].missing, BTreeMap::from([(ip("10.0.1.6"), missing)]));
        paths.neighbours.clear();
        let faults = wrong(&overlay, &paths);
        assert_eq!(faults[&ip("10.77.0.12")].missing, BTreeMap::from([(ip("10.0.1.4"), Missing::Neighbour)]));
    }

    #[test]
    fn an_entry_that_leads_elsewhere_is_told_with_where_it_belongs() {
        for elsewhere in ["10.77.0.99", "10.77.0.12"] {
            let (overlay, mut paths) = well();
            paths.forwarding[2].vtep = Some(ip(elsewhere));
            let faults = wrong(&overlay, &paths);
            assert_eq!(faults.len(), 1, "nothing is missing: {faults:?}");
            let stray = BTreeMap::from([("02:42:0a:00:01:06".to_owned(), Some(ip("10.77.0.13")))]);
            assert_eq!(faults[&ip(elsewhere)].stray, stray);
        }
    }

    #[test]
    fn an_entry_of_nobody_is_a_fault_only_where_it_leads_to_no_peer() {
        let (overlay, mut paths) = well();
        paths.forwarding[1].vtep = Some(ip("10.77.0.99"));
        let faults = wrong(&overlay, &paths);
        assert_eq!(faults[&ip("10.77.0.99")].stray, BTreeMap::from([("02:42:0a:00:01:05".to_owned(), None)]));
    }
}
