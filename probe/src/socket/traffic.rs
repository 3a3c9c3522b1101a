//! What conversations carry, summed by flow: a pure function of what the kernel counted of each connection, as it was
//! seen from time to time and when it closed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use shared::delta::Changes;
use shared::report::{FlowKey, FlowMetrics, FlowTotals};

/// More flows at a time are not kept apart; conversations of the others are counted as dropped.
const FLOWS_MAX: usize = 32_768;
/// A flow without an open conversation is told of for so long.
const IDLE_MS: u64 = 10_000;

/// What one connection carried so far, as its own end has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Payload that the other end has acknowledged. The kernel counts the beginning and the end of a stream as a byte
    /// each.
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub retransmits: u32,
    /// Smoothed; 0 where none was measured.
    pub rtt_us: u32,
    /// 0 where none was measured.
    pub min_rtt_us: u32,
}

#[derive(Default)]
struct Sum {
    totals: FlowTotals,
    /// At the last reading.
    before: FlowTotals,
    /// Of those seen since the last reading: their times there and back, and how many they are.
    rtts_us: u64,
    measured: u32,
    rtt_us: u32,
    min_rtt_us: u32,
    last_ms: u64,
    told: Option<FlowMetrics>,
}

#[derive(Default)]
pub struct Traffic {
    sums: HashMap<FlowKey, Sum, RandomState>,
    read_ms: u64,
    pub dropped: u64,
}

impl Traffic {
    fn of(&mut self, key: FlowKey, now_ms: u64) -> Option<&mut Sum> {
        let is_full = self.sums.len() >= FLOWS_MAX;
        let sum = match self.sums.entry(key) {
            Entry::Vacant(_) if is_full => {
                self.dropped += 1;
                return None;
            }
            entry => entry.or_default(),
        };
        sum.last_ms = now_ms;
        Some(sum)
    }

    /// `weight` conversations began; `connect_us` is how long that took whoever called, 0 where that was somebody else.
    pub fn opened(&mut self, key: FlowKey, connect_us: u32, weight: u32, now_ms: u64) {
        let Some(sum) = self.of(key, now_ms) else { return };
        sum.totals.opened += u64::from(weight);
        sum.totals.connect_us += u64::from(connect_us) * u64::from(weight);
    }

    /// Of the flow `weight` connections are open, or were until now, and carried more than `before`.
    pub fn carried(&mut self, key: FlowKey, before: Carried, now: Carried, weight: u32, now_ms: u64) {
        let weight = u64::from(weight);
        let Some(sum) = self.of(key, now_ms) else { return };
        sum.totals.sent_bytes += now.sent_bytes.saturating_sub(before.sent_bytes) * weight;
        sum.totals.received_bytes += now.received_bytes.saturating_sub(before.received_bytes) * weight;
        sum.totals.retransmits += u64::from(now.retransmits.saturating_sub(before.retransmits)) * weight;
        if now.rtt_us > 0 {
            sum.rtts_us += u64::from(now.rtt_us);
            sum.measured += 1;
        }
        if now.min_rtt_us > 0 {
            sum.min_rtt_us = if sum.min_rtt_us == 0 { now.min_rtt_us } else { sum.min_rtt_us.min(now.min_rtt_us) };
        }
    }

    /// An open connection of the flow sent something again so often, and had no answer.
    pub fn unanswered(&mut self, key: FlowKey, times: u64, now_ms: u64) {
        let Some(sum) = self.of(key, now_ms) else { return };
        sum.totals.unanswered += times;
    }

    /// What was sent and received since the last time: datagrams, and their payload.
    pub fn datagrams(&mut self, key: FlowKey, sent: (u64, u64), received: (u64, u64), now_ms: u64) {
        let Some(sum) = self.of(key, now_ms) else { return };
        let new = FlowTotals {
            sent_packets: sent.0,
            sent_bytes: sent.1,
            received_packets: received.0,
            received_bytes: received.1,
            ..FlowTotals::default()
        };
        sum.totals += new;
    }

    /// `weight` conversations whose beginning was seen are over.
    pub fn lived(&mut self, key: FlowKey, lived_ms: u64, weight: u32, now_ms: u64) {
        let Some(sum) = self.of(key, now_ms) else { return };
        sum.totals.lived += u64::from(weight);
        sum.totals.lived_ms += lived_ms * u64::from(weight);
    }

    /// What differs from what was told last. Rates are those since then; `silent` are those that get no answer now.
    pub fn news(&mut self, silent: &HashMap<FlowKey, u32>, now_ms: u64) -> Changes<FlowKey, FlowMetrics> {
        let seconds = now_ms.saturating_sub(self.read_ms).max(1) as f64 / 1000.0;
        self.read_ms = now_ms;
        let mut news = Changes::default();
        self.sums.retain(|key, sum| {
            let unanswered = silent.get(key).copied().unwrap_or_default();
            if unanswered == 0 && now_ms.saturating_sub(sum.last_ms) >= IDLE_MS {
                if sum.told.is_some() {
                    news.removed.push(*key);
                }
                return false;
            }
            let metrics = FlowMetrics { unanswered, ..sum.read(seconds) };
            if sum.told != Some(metrics) {
                sum.told = Some(metrics);
                news.set.push((*key, metrics));
            }
            true
        });
        news
    }
}

impl Sum {
    fn read(&mut self, seconds: f64) -> FlowMetrics {
        let new = self.totals.since(self.before);
        self.before = self.totals;
        if self.measured > 0 {
            self.rtt_us = u32::try_from(self.rtts_us / u64::from(self.measured)).unwrap_or(u32::MAX);
            (self.rtts_us, self.measured) = (0, 0);
        }
        let rate = |count: u64| (count as f64 / seconds * 100.0).round() as f32 / 100.0;
        FlowMetrics {
            totals: self.totals,
            opened_per_s: rate(new.opened),
            sent_bytes_per_s: rate(new.sent_bytes).round(),
            received_bytes_per_s: rate(new.received_bytes).round(),
            retransmits_per_s: rate(new.retransmits),
            unanswered: 0,
            rtt_us: self.rtt_us,
            min_rtt_us: self.min_rtt_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::flow::tests::key;

    fn carried(sent_bytes: u64, received_bytes: u64, rtt_us: u32) -> Carried {
        Carried { sent_bytes, received_bytes, rtt_us, min_rtt_us: rtt_us / 2, retransmits: 0 }
    }

    #[test]
    fn connections_of_one_flow_add_up_and_rates_are_those_of_the_time_between() {
        let mut traffic = Traffic::default();
        traffic.opened(key(80), 300, 1, 1_000);
        traffic.opened(key(80), 500, 1, 1_500);
        traffic.carried(key(80), Carried::default(), carried(1_000, 50_000, 200), 1, 2_000);
        traffic.carried(key(80), Carried::default(), carried(3_000, 0, 400), 1, 2_000);
        let (_, told) = traffic.news(&HashMap::new(), 2_000).set.remove(0);
        assert_eq!((told.totals.opened, told.totals.connect_us, told.opened_per_s), (2, 800, 1.0));
        assert_eq!((told.sent_bytes_per_s, told.received_bytes_per_s), (2_000.0, 25_000.0));
        assert_eq!((told.rtt_us, told.min_rtt_us), (300, 100));
        traffic.carried(key(80), carried(1_000, 50_000, 200), carried(1_500, 50_000, 600), 1, 6_000);
        traffic.lived(key(80), 5_000, 1, 6_000);
        let (_, told) = traffic.news(&HashMap::new(), 6_000).set.remove(0);
        assert_eq!((told.totals.sent_bytes, told.sent_bytes_per_s, told.received_bytes_per_s), (4_500, 125.0, 0.0));
        assert_eq!((told.rtt_us, told.min_rtt_us, told.totals.lived_ms), (600, 100, 5_000));
    }

    #[test]
    fn what_stands_still_is_told_once_more_and_then_no_more_until_it_is_gone() {
        let mut traffic = Traffic::default();
        traffic.carried(key(80), Carried::default(), carried(1_000, 0, 200), 1, 2_000);
        assert_eq!(traffic.news(&HashMap::new(), 2_000).set.len(), 1);
        traffic.carried(key(80), carried(1_000, 0, 200), carried(1_000, 0, 200), 1, 4_000);
        assert_eq!(traffic.news(&HashMap::new(), 4_000).set[0].1.sent_bytes_per_s, 0.0);
        traffic.carried(key(80), carried(1_000, 0, 200), carried(1_000, 0, 200), 1, 6_000);
        assert!(traffic.news(&HashMap::new(), 6_000).is_empty());
        assert!(traffic.news(&HashMap::new(), 15_999).is_empty());
        assert_eq!(traffic.news(&HashMap::new(), 16_000).removed, [key(80)]);
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let mut traffic = Traffic::default();
        for n in 0..FLOWS_MAX as u32 + 5 {
            let remote = std::net::Ipv4Addr::from(n).into();
            traffic.opened(FlowKey { remote, ..key(80) }, 1, 1, 0);
        }
        assert_eq!((traffic.sums.len(), traffic.dropped), (FLOWS_MAX, 5));
    }
}
