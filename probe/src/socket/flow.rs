//! Conversations that came and went before anybody could be told of them, and those that never came to be: counted by
//! who has them with whom, so that a storm of them stays small.

use std::collections::BTreeMap;

use shared::delta::Changes;
use shared::report::{Failures, Flow, FlowKey};

/// More flows at a time are not kept apart; what they had is counted as dropped.
const FLOWS_MAX: usize = 4_096;
/// What had no conversation for so long is none any more; of what is looked at now and then, several times as long as that
/// may take.
const IDLE_MS: u64 = 3_000;
pub const IDLE_DATAGRAMS_MS: u64 = 12_000;
pub const IDLE_RARELY_SEEN_MS: u64 = 30_000;

struct Held {
    flow: Flow,
    /// Until when it is one, unless it goes on.
    until_ms: u64,
    /// What it carried since that was told last is not told yet.
    owes: bool,
}

#[derive(Default)]
pub struct Flows {
    held: BTreeMap<FlowKey, Held>,
    changed: BTreeMap<FlowKey, Option<Flow>>,
    pub dropped: u64,
}

/// How a conversation that nobody was told of ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Well,
    Refused,
    /// Refused, and not by who was called.
    Rejected,
    TimedOut,
    Reset,
    Unreachable,
}

impl Flows {
    /// Datagrams go on, and may be silent for so long; nobody knows how many conversations that is, so it counts as one.
    pub fn keep(&mut self, key: FlowKey, idle_ms: u64, now_ms: u64) {
        if !self.held.contains_key(&key) {
            self.note(key, Outcome::Well, 1, (now_ms, now_ms));
        }
        if let Some(held) = self.held.get_mut(&key) {
            held.until_ms = held.until_ms.max(now_ms + idle_ms);
        }
    }

    /// `weight` conversations ended so, of which the last came to be or failed at `made_ms`.
    pub fn note(&mut self, key: FlowKey, outcome: Outcome, weight: u32, (made_ms, now_ms): (u64, u64)) {
        let weight = u64::from(weight);
        if self.held.len() >= FLOWS_MAX && !self.held.contains_key(&key) {
            self.dropped += weight;
            return;
        }
        let held = self.held.entry(key).or_insert_with(|| Held { flow: Flow::default(), until_ms: 0, owes: true });
        held.owes = true;
        held.until_ms = held.until_ms.max(now_ms + IDLE_MS);
        held.flow.count += weight;
        held.flow.last_ms = held.flow.last_ms.max(made_ms);
        let Failures { refused, rejected, timed_out, reset, unreachable } = &mut held.flow.failures;
        match outcome {
            Outcome::Well => {}
            Outcome::Refused => *refused += weight,
            Outcome::Rejected => {
                *refused += weight;
                *rejected += weight;
            }
            Outcome::TimedOut => *timed_out += weight,
            Outcome::Reset => *reset += weight,
            Outcome::Unreachable => *unreachable += weight,
        }
        self.changed.insert(key, Some(held.flow.clone()));
    }

    /// What all of them carried up to now is on its way, and with the apps by then.
    pub fn settle(&mut self, by_ms: u64) {
        for held in self.held.values_mut().filter(|held| held.owes) {
            held.owes = false;
            held.until_ms = held.until_ms.max(by_ms);
        }
    }

    /// Forgets those that had no conversation for a while. What they carried is told more rarely than that they are: of
    /// one that was gone by then nobody would know whose that is.
    pub fn expire(&mut self, now_ms: u64) {
        let Self { held, changed, .. } = self;
        held.retain(|key, held| {
            let is_in_use = held.owes || now_ms < held.until_ms;
            if !is_in_use {
                changed.insert(*key, None);
            }
            is_in_use
        });
    }

    /// Whether anything changed since it was last told.
    pub fn has_news(&self) -> bool {
        !self.changed.is_empty()
    }

    /// What changed since this was last asked; times are those that were given here.
    pub fn news(&mut self) -> Changes<FlowKey, Flow> {
        let mut news = Changes::default();
        for (key, flow) in std::mem::take(&mut self.changed) {
            match flow {
                Some(flow) => news.set.push((key, flow)),
                None => news.removed.push(key),
            }
        }
        news
    }

    pub fn keys(&self) -> impl Iterator<Item = FlowKey> {
        self.held.keys().copied()
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use shared::addr::Protocol;
    use shared::id::NetNsId;
    use shared::report::Role;

    pub fn key(port: u16) -> FlowKey {
        let remote = "10.0.0.2".parse().unwrap();
        FlowKey {
            namespace: NetNsId(1),
            protocol: Protocol::Tcp,
            owner: None,
            local: None,
            remote,
            port,
            role: Role::Client,
        }
    }

    #[test]
    fn a_flow_counts_until_nothing_came_for_a_while() {
        let mut flows = Flows::default();
        flows.note(key(80), Outcome::Well, 1, (1_900, 0));
        flows.note(key(80), Outcome::Refused, 1, (1_500, 2_000));
        let news = flows.news();
        let failures = Failures { refused: 1, ..Failures::default() };
        assert_eq!(news.set, [(key(80), Flow { count: 2, failures, last_ms: 1_900 })]);
        flows.settle(2_500);
        flows.expire(4_999);
        assert!(flows.news().is_empty());
        flows.expire(5_000);
        assert_eq!(flows.news().removed, [key(80)]);
        assert!(flows.is_empty());
    }

    #[test]
    fn a_flow_stays_until_what_it_carried_was_told() {
        let mut flows = Flows::default();
        flows.note(key(80), Outcome::Well, 1, (0, 0));
        flows.news();
        flows.expire(60_000);
        assert!(flows.news().is_empty(), "nobody would know whose the figures are");
        flows.settle(61_000);
        flows.note(key(80), Outcome::Well, 1, (10, 10));
        flows.expire(70_000);
        assert_eq!(flows.news().set.len(), 1, "it has carried more since");
        flows.settle(71_000);
        flows.expire(70_999);
        assert!(flows.news().is_empty(), "that is on its way");
        flows.settle(80_000);
        flows.expire(71_000);
        assert_eq!(flows.news().removed, [key(80)]);
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let mut flows = Flows::default();
        (0..FLOWS_MAX as u16 + 7).for_each(|port| flows.note(key(port), Outcome::Well, 1, (0, 0)));
        flows.note(key(0), Outcome::Well, 1, (0, 0));
        assert_eq!((flows.len(), flows.dropped), (FLOWS_MAX, 7));
    }
}
