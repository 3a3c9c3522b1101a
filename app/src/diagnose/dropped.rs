//! Frames of overlays that are lost between two hosts: nobody answers calls over them, or what open connections send, though the control plane of both
//! is well and knows of the other.

use std::collections::{BTreeMap, BTreeSet};

use shared::addr::is_confined;
use shared::id::HostId;

use super::overlay::{device_id, missing_id};
use super::{Suspicion, engine_answers, network_name, trusted};
use crate::store::Store;
use crate::topology::calls::{Course, LATELY_MS, Recent};
use crate::topology::{Entity, Topology};
use crate::view::summary;

/// Fewer calls without an answer may have other reasons.
const UNANSWERED_MIN: u64 = 3;
/// One that is answered late is no loss, and what was sent before a change of the network may still be on its way.
const PATIENCE_MS: u64 = 1_000;
/// So many of those who were called are told.
const TOLD: usize = 4;

pub fn audit(store: &Store, topology: &Topology, now_ms: u64) -> Vec<Suspicion> {
    let mut pairs: BTreeMap<(HostId, HostId), Vec<(&Course, &Recent)>> = BTreeMap::new();
    for (course, recent) in topology.calls.iter() {
        pairs.entry((course.from.min(course.to), course.from.max(course.to))).or_default().push((course, recent));
    }
    pairs.into_iter().filter_map(|((a, b), courses)| between(store, topology, (a, b), &courses, now_ms)).collect()
}

fn between(
    store: &Store,
    topology: &Topology,
    (a, b): (HostId, HostId),
    courses: &[(&Course, &Recent)],
    now_ms: u64,
) -> Option<Suspicion> {
    let lost: u64 = courses.iter().map(|(_, recent)| recent.unanswered()).sum();
    if lost < UNANSWERED_MIN {
        return None;
    }
    // Where anything came through since, it is not the way between the hosts.
    let since = courses.iter().filter_map(|(_, recent)| recent.since_ms()).min()?;
    if courses.iter().filter_map(|(_, recent)| recent.answered_ms()).any(|at| at > since) {
        return None;
    }
    let (host_a, host_b) = (trusted(store, a)?, trusted(store, b)?);
    if !engine_answers(host_a) || !engine_answers(host_b) {
        return None;
    }
    let worst = courses.iter().max_by_key(|(_, recent)| recent.unanswered())?.0;
    let (from, to) = if worst.from == a { (host_a, host_b) } else { (host_b, host_a) };
    let name = network_name(from, worst.network.id());
    let seconds = (now_ms.saturating_sub(since) / 1000).clamp(1, LATELY_MS / 1000);
    let summary = format!("{}'s calls over {name} to {} are not answered", from.api_name, to.api_name);
    let subject = Entity::Network(worst.network.clone());
    let mut suspicion =
        Suspicion::new(format!("overlay-traffic-dropped:{a}:{b}"), "overlay-traffic-dropped", subject, summary)
            .on(worst.from)
            .after(PATIENCE_MS)
            .advise(
                "Let the overlay's frames through between the two hosts, both ways: udp port 4789 unless the swarm has \
             another (--data-path-port), for Weave udp and tcp port 6783 and udp port 6784.",
            );
    let mut causes = Vec::new();
    for (course, recent) in courses.iter().filter(|(_, recent)| recent.unanswered() > 0) {
        let (Some(from), Some(to)) = (store.hosts.get(&course.from), store.hosts.get(&course.to)) else { continue };
        let network = course.network.id();
        let over = network_name(from, network);
        let called: BTreeSet<String> = recent
            .called
            .iter()
            .map(|(target, port)| {
                let name = summary::named(target, topology, store).map(|parent| parent.label);
                format!("{}:{port}", name.unwrap_or_default())
            })
            .collect();
        let called = called.into_iter().take(TOLD).collect::<Vec<_>>().join(", ");
        let says = format!(
            "{} calls and repetitions over {over} within {seconds} s, to {called} on {}: none was answered",
            recent.unanswered(),
            to.api_name
        );
        suspicion = suspicion.says(format!("kernel of {}", from.api_name), says);
        let known = from.report.overlays.get(network).filter(|overlay| !overlay.members.is_empty());
        if let Some(overlay) = known {
            let peers = overlay.peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            suspicion = suspicion.says(format!("Docker on {}", from.api_name), format!("{over} has peers {peers}"));
        }
        causes.extend([device_id(network, course.from), device_id(network, course.to)]);
        let addresses = to.report.host.local_networks.iter().map(|n| n.address).filter(|at| !is_confined(*at));
        causes.extend(addresses.map(|at| missing_id(network, course.from, at)));
    }
    Some(suspicion.because(causes))
}
