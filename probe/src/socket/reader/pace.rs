//! How often what is read.

use std::time::Duration;

/// How long is waited from one reading to the next: some times what the last one took, within bounds.
pub struct Pace {
    rest: u32,
    least: Duration,
    most: Duration,
}

/// Where nothing tells of changes a dump is all there is.
pub const WITHOUT_EVENTS: Pace = Pace::of(40, 250, 5_000);
/// Where the kernel does, a dump only shows what it does not tell, such as who has a connection that was accepted, and UDP.
pub const WITH_EVENTS: Pace = Pace::of(500, 5_000, 10_000);
/// A namespace gets its addresses after it is made, and not every change of them is told.
pub const WHILE_YOUNG: Pace = Pace::of(40, 500, 5_000);
/// Whether others get an answer is told soon, and what was sent again.
pub const WHILE_UNANSWERED: Pace = Pace::of(200, 2_000, 10_000);
/// The kernel sums up what UDP sends.
pub const OF_DATAGRAMS: Pace = Pace::of(150, 500, 5_000);
/// A host may have many conversations that conntrack remembers, and its table is gone through as a whole. Where the kernel
/// tells what UDP sends, that shows only what comes from hosts without a probe. What has no answer is remembered for half a
/// minute.
pub const OF_TRACKED: Pace = Pace::of(150, 2_500, 600_000);
pub const OF_TRACKED_WITH_EVENTS: Pace = Pace::of(600, 10_000, 600_000);
pub const OF_NOTHING_TRACKED: Pace = Pace::of(600, 30_000, 600_000);

impl Pace {
    const fn of(rest: u32, least_ms: u64, most_ms: u64) -> Self {
        Self { rest, least: Duration::from_millis(least_ms), most: Duration::from_millis(most_ms) }
    }

    /// From the beginning of a reading that took so long.
    pub fn after(&self, took: Duration) -> Duration {
        (took * self.rest).clamp(self.least, self.most)
    }
}
