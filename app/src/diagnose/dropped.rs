//! Frames of overlays that are lost between two hosts: nobody answers calls over them, or what open connections send,
//! though the control plane of both is well and knows of the other.

use std::collections::{BTreeMap, BTreeSet};

use shared::addr::is_confined;
use shared::id::HostId;

use super::overlay::{device_id, missing_id};
use super::{Suspicion, engine_answers, network_name, trusted};
use crate::store::Store;
use crate::topology::calls::{Course, LATELY_REPEATED_MS, Recent};
use crate::topology::{Entity, Topology};
use crate::view::summary;

/// Fewer calls without an answer may have other reasons.
const UNANSWERED_MIN: u64 = 3;
/// One that is answered late is no loss, and what was sent before a change of the network may still be on its way.
const PATIENCE_MS: u64 = 1_000;
/// What came through is told at most so much later.
const TOLD_WITHIN_MS: u64 = 12_000;
/// Since something was last told to have come through: who talks over a way that is well is rarely silent for so long.
const SILENT_MS: u64 = 4_000;
/// So many of those who were called are told.
const TOLD: usize = 4;

/// That nothing comes through between two hosts, though enough is sent.
#[derive(Debug, PartialEq, Eq)]
struct Silence {
    since_ms: u64,
    /// When something last was told to have come through; 0 where that is not known any more.
    answered_ms: u64,
}

impl Silence {
    fn of<'a>(courses: impl Iterator<Item = &'a Recent> + Clone, now_ms: u64) -> Option<Self> {
        let first_ms = courses.clone().filter_map(Recent::since_ms).min()?;
        let answered_ms = courses.clone().filter_map(Recent::answered_ms).max().unwrap_or_default();
        // Where anything came through since, it is not the way between the hosts; but it may be told late.
        if answered_ms > first_ms + TOLD_WITHIN_MS || answered_ms + SILENT_MS > now_ms {
            return None;
        }
        let lost: u64 = courses.map(|recent| recent.unanswered_after(answered_ms)).sum();
        (lost >= UNANSWERED_MIN).then_some(Self { since_ms: first_ms.max(answered_ms), answered_ms })
    }
}

/// Two hosts between which nothing comes through.
pub struct Loss<'a> {
    pub hosts: (HostId, HostId),
    silence: Silence,
    /// Those on which something is sent.
    pub courses: Vec<(&'a Course, &'a Recent)>,
}

/// What looks lost at the moment.
pub fn losses<'a>(store: &Store, topology: &'a Topology, now_ms: u64) -> Vec<Loss<'a>> {
    let mut pairs: BTreeMap<(HostId, HostId), Vec<(&Course, &Recent)>> = BTreeMap::new();
    for (course, recent) in topology.calls.iter() {
        pairs.entry((course.from.min(course.to), course.from.max(course.to))).or_default().push((course, recent));
    }
    let between = |(hosts, mut courses): ((HostId, HostId), Vec<(&'a Course, &'a Recent)>)| {
        let silence = Silence::of(courses.iter().map(|(_, recent)| *recent), now_ms)?;
        courses.retain(|(_, recent)| recent.unanswered_after(silence.answered_ms) > 0);
        let is_well = |id| trusted(store, id).is_some_and(engine_answers);
        (is_well(hosts.0) && is_well(hosts.1)).then_some(Loss { hosts, silence, courses })
    };
    pairs.into_iter().filter_map(between).collect()
}

pub fn audit(store: &Store, topology: &Topology, now_ms: u64) -> Vec<Suspicion> {
    losses(store, topology, now_ms).iter().filter_map(|loss| told(store, topology, loss, now_ms)).collect()
}

fn told(store: &Store, topology: &Topology, loss: &Loss<'_>, now_ms: u64) -> Option<Suspicion> {
    let Loss { hosts: (a, b), silence, courses } = loss;
    let name = |course: &Course| Some(network_name(store.hosts.get(&course.from)?, course.network.id()));
    // What stands first is the same as long as the same is lost.
    let mut over: Vec<(String, &Course)> =
        courses.iter().filter_map(|(course, _)| Some((name(course)?, *course))).collect();
    over.sort();
    let (_, first) = over.first()?;
    let networks: BTreeSet<&str> = over.iter().map(|(name, _)| name.as_str()).collect();
    let networks = listed(networks);
    let (from, to) = (store.hosts.get(&first.from)?, store.hosts.get(&first.to)?);
    let summary = match over.iter().all(|(_, course)| course.from == first.from) {
        true => format!("{}'s calls over {networks} to {} are not answered", from.api_name, to.api_name),
        false => {
            let (low, high) = ((&from.api_name).min(&to.api_name), (&from.api_name).max(&to.api_name));
            format!("{low} and {high} get no answer from one another over {networks}")
        }
    };
    let subject = Entity::Network(first.network.clone());
    let seconds = (now_ms.saturating_sub(silence.since_ms) / 1000).clamp(1, LATELY_REPEATED_MS / 1000);
    let mut suspicion =
        Suspicion::new(format!("overlay-traffic-dropped:{a}:{b}"), "overlay-traffic-dropped", subject, summary)
            .on(first.from)
            .after(PATIENCE_MS)
            .advise(
                "Let the overlay's frames through between the two hosts, both ways: udp port 4789 unless the swarm has \
             another (--data-path-port), for Weave udp and tcp port 6783 and udp port 6784.",
            );
    let mut causes = Vec::new();
    for (course, recent) in courses {
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
            "calls and repetitions over {over} within {seconds} s, to {called} on {}: none was answered",
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

/// `a, b and c`; of many the first, and how many more.
fn listed(names: BTreeSet<&str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match &names[..] {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] if names.len() <= TOLD => format!("{} and {last}", rest.join(", ")),
        _ => format!("{} and {} more", names[..TOLD - 1].join(", "), names.len() + 1 - TOLD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::calls::{Calls, LATELY_MS};
    use crate::topology::{ConnectsKey, Medium, NetworkKey};
    use shared::addr::Protocol;
    use uuid::Uuid;

    /// Calls of one host to another over two networks, as they are told second by second.
    #[derive(Default)]
    struct Told(Calls, Store);

    impl Told {
        fn key(network: &str) -> ConnectsKey {
            let host = |n| Entity::Host(HostId(Uuid::from_u128(n)));
            let network = Some(NetworkKey::Shared(network.into()));
            let medium = Medium::Transport(Protocol::Tcp);
            ConnectsKey { source: host(1), target: host(2), medium, port: 80, network }
        }

        fn unanswered(&mut self, network: &str, count: u64, second: u64) {
            self.0.unanswered(&self.1, &Self::key(network), count, (second * 1_000, LATELY_MS));
        }

        fn answered(&mut self, network: &str, second: u64) {
            self.0.answered(&Self::key(network), second * 1_000);
        }

        /// Since which second nothing comes through.
        fn silent(&self, second: u64) -> Option<u64> {
            let silence = Silence::of(self.0.iter().map(|(_, recent)| recent), second * 1_000);
            silence.map(|silence| silence.since_ms / 1_000)
        }
    }

    #[test]
    fn many_networks_are_told_by_the_first_of_them() {
        let of = |names: &[&str]| listed(names.iter().copied().collect());
        assert_eq!(of(&["mesh"]), "mesh");
        assert_eq!(of(&["shop", "mesh"]), "mesh and shop");
        assert_eq!(of(&["a", "b", "c", "d"]), "a, b, c and d");
        assert_eq!(of(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }

    #[test]
    fn calls_without_an_answer_are_a_loss_where_nothing_comes_through() {
        let mut told = Told::default();
        told.unanswered("mesh", 2, 100);
        assert_eq!(told.silent(101), None, "too few");
        told.unanswered("back", 1, 102);
        assert_eq!(told.silent(102), Some(100));
        told.answered("mesh", 103);
        assert_eq!((told.silent(104), told.silent(110)), (None, None));
    }

    #[test]
    fn what_came_through_before_and_is_told_late_puts_a_loss_off_and_does_not_hide_it() {
        let mut told = Told::default();
        told.unanswered("mesh", 3, 100);
        told.answered("back", 105);
        told.unanswered("mesh", 3, 106);
        assert_eq!(told.silent(108), None, "more may come through");
        assert_eq!(told.silent(109), Some(105));
    }

    #[test]
    fn one_who_does_not_answer_while_others_do_is_no_loss_however_rarely_they_talk() {
        let mut told = Told::default();
        for second in 100..160 {
            told.unanswered("mesh", 3, second);
            if second % 10 == 5 {
                told.answered("back", second);
            }
            if second > 125 {
                assert_eq!(told.silent(second), None, "{second}");
            }
        }
    }
}
