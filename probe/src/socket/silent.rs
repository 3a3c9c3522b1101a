//! Open connections that get no answer to what they send: from the kernel's word of that until an answer comes, or until
//! the kernel would have told that it goes on.

use std::collections::HashMap;

use shared::report::FlowKey;

/// The kernel waits twice as long for each repetition as for the one before, two minutes at most: the next one that is told
/// of is about as far away as the first one is past.
const SLACK_MS: u64 = 10_000;
const UNTIL_NEXT_MAX_MS: u64 = 130_000;

struct One {
    flow: FlowKey,
    first_ms: u64,
    until_ms: u64,
    /// What the other end had acknowledged when it was looked at after that, bytes.
    acknowledged: Option<u64>,
}

/// By the socket's cookie. Whoever has the connections ends those that are over, so there are never more than these.
#[derive(Default)]
pub struct Silent(HashMap<u64, One>);

impl Silent {
    /// One of the flow repeated itself again, and had no answer before.
    pub fn note(&mut self, cookie: u64, flow: FlowKey, now_ms: u64) {
        let first_ms = self.0.get(&cookie).map_or(now_ms, |one| one.first_ms);
        let until_ms = now_ms + (now_ms.saturating_sub(first_ms) * 5 / 4 + SLACK_MS).min(UNTIL_NEXT_MAX_MS);
        self.0.insert(cookie, One { flow, first_ms, until_ms, acknowledged: None });
    }

    /// It was looked at, and this is what the other end has acknowledged.
    pub fn see(&mut self, cookie: u64, acknowledged: u64) {
        let Some(one) = self.0.get_mut(&cookie) else { return };
        match one.acknowledged {
            Some(before) if before != acknowledged => _ = self.0.remove(&cookie),
            _ => one.acknowledged = Some(acknowledged),
        }
    }

    pub fn end(&mut self, cookie: u64) {
        self.0.remove(&cookie);
    }

    /// How many of each flow there are now.
    pub fn by_flow(&mut self, now_ms: u64) -> HashMap<FlowKey, u32> {
        self.0.retain(|_, one| now_ms < one.until_ms);
        let mut counts = HashMap::new();
        for one in self.0.values() {
            *counts.entry(one.flow).or_default() += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::flow::tests::key;

    fn count(silent: &mut Silent, now_ms: u64) -> u32 {
        silent.by_flow(now_ms).get(&key(80)).copied().unwrap_or_default()
    }

    #[test]
    fn one_that_gets_no_answer_is_silent_until_more_is_acknowledged_or_it_ends() {
        let mut silent = Silent::default();
        silent.note(7, key(80), 1_000);
        silent.note(8, key(80), 1_000);
        assert_eq!(count(&mut silent, 1_000), 2);
        silent.see(7, 500);
        silent.see(7, 500);
        silent.see(9, 500);
        assert_eq!(count(&mut silent, 2_000), 2);
        silent.see(7, 501);
        assert_eq!(count(&mut silent, 2_000), 1);
        silent.end(8);
        assert_eq!(count(&mut silent, 2_000), 0);
    }

    #[test]
    fn as_long_as_the_kernel_repeats_itself_it_is_silent_and_a_while_after_that_no_more() {
        let mut silent = Silent::default();
        // As the kernel tells it, seconds since the last answer; what is looked at every two seconds is told so late.
        let mut told: Vec<u64> = (3..10).map(|n| (200 << (n + 1)) - 200 + 2_000).collect();
        let last = *told.last().unwrap();
        told.extend([last + 120_000, last + 240_000]);
        let end = last + 240_000;
        let mut at = told[0];
        while at < end {
            if told.contains(&at) {
                silent.note(7, key(80), at);
            }
            assert_eq!(count(&mut silent, at), 1, "{at}");
            at += 200;
        }
        silent.note(7, key(80), end);
        assert_eq!(count(&mut silent, end + UNTIL_NEXT_MAX_MS), 0);
    }
}
