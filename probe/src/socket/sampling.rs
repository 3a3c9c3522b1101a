//! How many sockets are looked at: all of them, unless so many change that reading it would be felt on the host. Then it is
//! every second one, or every fourth, and each stands for as many.

use std::time::{Duration, Instant};

/// More changes a second are not read: that is some per cent of a core.
const PER_S_MAX: u64 = 30_000;
const WEIGHT_MAX: u32 = 1_024;
const WINDOW: Duration = Duration::from_secs(1);
/// What was not told while some sockets were left out is found by looking at all of them, for so long.
const AFTERMATH: Duration = Duration::from_secs(10);

pub struct Sampling {
    weight: u32,
    since: Instant,
    told: u64,
    /// Changes a second, as far as that can be told from some.
    per_s: u64,
    partial_until: Option<Instant>,
}

impl Sampling {
    pub fn new(now: Instant) -> Self {
        Self { weight: 1, since: now, told: 0, per_s: 0, partial_until: None }
    }

    /// So many changes were told; gives the weight that is right from now on, where it is another.
    pub fn take(&mut self, told: u64, now: Instant) -> Option<u32> {
        self.told += told;
        let elapsed = now.duration_since(self.since);
        if elapsed < WINDOW && self.told <= PER_S_MAX {
            return None;
        }
        let seconds = elapsed.max(WINDOW).as_secs_f64();
        self.per_s = (self.told as f64 / seconds) as u64 * u64::from(self.weight);
        (self.told, self.since) = (0, now);
        let before = self.weight;
        while self.per_s / u64::from(self.weight) >= PER_S_MAX && self.weight < WEIGHT_MAX {
            self.weight *= 2;
        }
        // Back only where there is room, or it would go to and fro.
        if self.weight == before && self.weight > 1 && self.per_s * 2 / u64::from(self.weight) < PER_S_MAX / 2 {
            self.weight /= 2;
        }
        if self.weight > 1 || before > 1 {
            self.partial_until = Some(now + AFTERMATH);
        }
        (self.weight != before).then_some(self.weight)
    }

    /// Whether sockets may have closed of which nobody was told.
    pub fn is_partial(&self, now: Instant) -> bool {
        self.weight > 1 || self.partial_until.is_some_and(|until| now < until)
    }

    /// One of how many is looked at, and how many changes a second there are; none where it is all.
    pub fn told(&self) -> Option<(u32, u64)> {
        (self.weight > 1).then_some((self.weight, self.per_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_looked_at_in_part_as_soon_as_it_comes_and_whole_when_it_is_over() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let mut sampling = Sampling::new(begin);
        assert_eq!(sampling.take(20_000, at(500)), None);
        assert_eq!(sampling.take(9_000, at(1_000)), None);
        // Four times as much as is read, a tenth of a second after it began.
        assert_eq!(sampling.take(12_000, at(1_100)), None);
        assert_eq!(sampling.take(24_000, at(1_300)), Some(2), "before a second is over");
        assert_eq!(sampling.take(58_000, at(2_300)), Some(4));
        assert_eq!(sampling.take(29_000, at(3_300)), None);
        assert_eq!(sampling.told(), Some((4, 116_000)));
        // Half of it would still be too much to go back to.
        assert_eq!(sampling.take(10_000, at(4_300)), None);
        assert_eq!(sampling.take(5_000, at(5_300)), Some(2));
        assert_eq!(sampling.take(0, at(6_300)), Some(1));
        assert!(sampling.is_partial(at(7_000)) && !sampling.is_partial(at(6_300) + AFTERMATH));
        assert_eq!(sampling.told(), None);
    }
}
