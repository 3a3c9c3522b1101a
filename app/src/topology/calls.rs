//! Calls from one host to another over networks that span them: which got no answer lately, and whether any did.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shared::id::HostId;

use super::{ConnectsKey, Entity, NetworkKey};
use crate::store::Store;

/// What happened longer ago than this says nothing of now, milliseconds.
pub const LATELY_MS: u64 = 60_000;
/// Whoever repeats what was not answered does that every two minutes at last.
pub const LATELY_REPEATED_MS: u64 = 150_000;
/// So many of those who were called are named.
const NAMED: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Course {
    pub network: NetworkKey,
    pub from: HostId,
    pub to: HostId,
}

/// Of one course, lately.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recent {
    /// Since the last call that was answered.
    unanswered: VecDeque<Unanswered>,
    /// Who was called, on which port.
    pub called: BTreeSet<(Entity, u16)>,
    answered_ms: Option<u64>,
}

/// Calls, or what open connections repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unanswered {
    at_ms: u64,
    count: u64,
    /// Until when it says something of now.
    until_ms: u64,
}

#[derive(Default)]
pub struct Calls(BTreeMap<Course, Recent>);

impl Course {
    /// Of an edge between things on two hosts, over a network that spans hosts.
    pub fn of(key: &ConnectsKey) -> Option<Self> {
        let network = key.network.clone().filter(|network| matches!(network, NetworkKey::Shared(_)))?;
        let (from, to) = (key.source.socket_host()?, key.target.socket_host()?);
        (from != to).then_some(Self { network, from, to })
    }
}

impl Recent {
    /// How many calls got no answer since one last did, of those after a moment.
    pub fn unanswered_after(&self, ms: u64) -> u64 {
        self.unanswered.iter().filter(|some| some.at_ms > ms).map(|some| some.count).sum()
    }

    /// When the first of them was made, as far as it is remembered.
    pub fn since_ms(&self) -> Option<u64> {
        self.unanswered.front().map(|some| some.at_ms)
    }

    pub fn answered_ms(&self) -> Option<u64> {
        self.answered_ms
    }
}

impl Calls {
    /// So many calls got no answer, or repetitions, which say something of now for `lately_ms`.
    pub fn unanswered(&mut self, store: &Store, key: &ConnectsKey, count: u64, (now_ms, lately_ms): (u64, u64)) {
        let Some(course) = Course::of(key).filter(|_| count > 0) else { return };
        let called = whole(&key.target, store);
        if has_left(&called, &course.network, store) {
            return;
        }
        let recent = self.0.entry(course).or_default();
        let until_ms = now_ms + lately_ms;
        match recent.unanswered.back_mut() {
            // A second of a storm is one entry.
            Some(some) if some.at_ms + 1_000 > now_ms => {
                some.count += count;
                some.until_ms = some.until_ms.max(until_ms);
            }
            _ => recent.unanswered.push_back(Unanswered { at_ms: now_ms, count, until_ms }),
        }
        if recent.called.len() < NAMED {
            recent.called.insert((called, key.port));
        }
    }

    pub fn answered(&mut self, key: &ConnectsKey, now_ms: u64) {
        let Some(course) = Course::of(key) else { return };
        self.0.insert(course, Recent { answered_ms: Some(now_ms), ..Recent::default() });
    }

    pub fn forget(&mut self, now_ms: u64) {
        self.0.retain(|_, recent| {
            recent.unanswered.retain(|some| some.until_ms >= now_ms);
            recent.answered_ms = recent.answered_ms.filter(|at| at + LATELY_REPEATED_MS >= now_ms);
            !recent.unanswered.is_empty() || recent.answered_ms.is_some()
        });
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Course, &Recent)> + Clone {
        self.0.iter()
    }
}

/// The container of a process that is in one: processes come and go.
fn whole(target: &Entity, store: &Store) -> Entity {
    let Entity::Process(host, process) = target else { return target.clone() };
    let record = store.hosts.get(host).and_then(|state| state.report.processes.get(process));
    let container = record.and_then(|record| record.container.clone());
    container.map_or_else(|| target.clone(), |container| Entity::Container(*host, container))
}

/// Whether it is a container that is in the network no more: who still talks to it there gets no answer from anybody.
fn has_left(called: &Entity, network: &NetworkKey, store: &Store) -> bool {
    let Entity::Container(host, container) = called else { return false };
    let record = store.hosts.get(host).and_then(|state| state.report.containers.get(container));
    record
        .is_none_or(|record| !record.endpoints.values().any(|endpoint| endpoint.network.as_ref() == Some(network.id())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Medium;
    use shared::addr::Protocol;
    use uuid::Uuid;

    fn key(from: u128, to: u128) -> ConnectsKey {
        let host = |n| Entity::Host(HostId(Uuid::from_u128(n)));
        let network = Some(NetworkKey::Shared("mesh".into()));
        ConnectsKey {
            source: host(from),
            target: host(to),
            medium: Medium::Transport(Protocol::Tcp),
            port: 80,
            network,
        }
    }

    #[test]
    fn an_answer_makes_up_for_all_calls_before_it_and_old_ones_say_nothing() {
        let (mut calls, store) = (Calls::default(), Store::default());
        let count = |calls: &Calls| calls.iter().map(|(_, recent)| recent.unanswered_after(0)).collect::<Vec<_>>();
        let at = |ms: u64| (ms, LATELY_MS);
        calls.unanswered(&store, &key(1, 2), 2, at(1_000));
        calls.unanswered(&store, &key(1, 2), 3, at(2_000));
        calls.unanswered(&store, &key(1, 1), 3, at(2_000));
        calls.unanswered(&store, &ConnectsKey { network: None, ..key(1, 2) }, 3, at(2_000));
        assert_eq!(
            count(&calls),
            [5],
            "within a host, or over no network that spans hosts, nothing is lost between hosts"
        );
        calls.forget(1_001 + LATELY_MS);
        assert_eq!(count(&calls), [3]);
        assert_eq!(calls.iter().map(|(_, recent)| recent.unanswered_after(2_000)).sum::<u64>(), 0);
        calls.answered(&key(1, 2), 70_000);
        assert_eq!(count(&calls), [0]);
        calls.unanswered(&store, &key(1, 2), 1, (71_000, LATELY_REPEATED_MS));
        assert_eq!(count(&calls), [1]);
        calls.forget(72_000 + LATELY_MS);
        assert_eq!(count(&calls), [1], "it is repeated ever more rarely");
        calls.forget(72_000 + LATELY_REPEATED_MS);
        assert!(count(&calls).is_empty());
    }
}
