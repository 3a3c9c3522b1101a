//! What failed lately: the app tells totals, and what they rose by is remembered for a minute.

use std::collections::{BTreeMap, VecDeque};

use shared::report::Failures;

const REMEMBERED_MS: u64 = 60_000;
/// What failed within this time makes a connection one that fails now.
const NOW_MS: u64 = 10_000;
/// What failed at once is taken to have failed over so long.
const AT_LEAST_MS: u64 = 2_000;

/// By the number of an edge in the stream: when something failed, and how much.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failing(BTreeMap<u32, VecDeque<(u64, Failures)>>);

fn count(Failures { refused, rejected: _, timed_out, reset, unreachable }: Failures) -> u64 {
    refused + timed_out + reset + unreachable
}

impl Failing {
    /// An edge's totals rose by this.
    pub fn note(&mut self, edge: u32, more: Failures, now_ms: u64) {
        if more.is_none() {
            return;
        }
        let log = self.0.entry(edge).or_default();
        log.push_back((now_ms, more));
        while log.front().is_some_and(|(at, _)| at + REMEMBERED_MS < now_ms) {
            log.pop_front();
        }
    }

    pub fn forget(&mut self, edge: u32) {
        self.0.remove(&edge);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Failures a second within the last seconds.
    pub fn rate(&self, edge: u32, now_ms: u64) -> f64 {
        let log = self.0.get(&edge).into_iter().flatten();
        let mut lately = log.filter(|(at, _)| at + NOW_MS >= now_ms).peekable();
        let Some((first_ms, _)) = lately.peek() else { return 0.0 };
        // What has just begun has not gone on for the whole time.
        let ms = now_ms.saturating_sub(*first_ms).clamp(AT_LEAST_MS, NOW_MS);
        lately.map(|(_, failures)| count(*failures)).sum::<u64>() as f64 * 1000.0 / ms as f64
    }

    /// Of the last minute, by reason.
    pub fn of_the_minute(&self, edge: u32, now_ms: u64) -> Failures {
        let log = self.0.get(&edge).into_iter().flatten();
        let lately = log.filter(|(at, _)| at + REMEMBERED_MS >= now_ms);
        lately.fold(Failures::default(), |mut sum, (_, failures)| {
            sum += *failures;
            sum
        })
    }

    /// Whether anything fails that will be over soon, so that it is worth a look again.
    pub fn is_any(&self, now_ms: u64) -> bool {
        self.0.values().any(|log| log.back().is_some_and(|(at, _)| at + REMEMBERED_MS >= now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_now_has_a_rate_and_what_failed_is_told_for_a_minute() {
        let mut failing = Failing::default();
        let refused = |refused| Failures { refused, ..Failures::default() };
        failing.note(7, refused(20), 1_000);
        failing.note(7, refused(5), 5_000);
        failing.note(8, Failures::default(), 5_000);
        assert_eq!((failing.rate(7, 1_100), failing.rate(7, 6_000), failing.rate(8, 6_000)), (12.5, 5.0, 0.0));
        assert_eq!(failing.rate(7, 15_000), 0.5, "the first is over");
        assert_eq!(failing.rate(7, 30_000), 0.0);
        assert_eq!(failing.of_the_minute(7, 30_000).refused, 25);
        assert_eq!(failing.of_the_minute(7, 62_000).refused, 5);
        assert!(failing.is_any(62_000) && !failing.is_any(66_000));
    }
}
