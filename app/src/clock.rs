//! Two clocks. What the app waits for goes by one that nobody can set; what it shows goes by the wall's.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// When the app started, by either clock.
static START: LazyLock<(Instant, u64)> = LazyLock::new(|| (Instant::now(), wall_ms()));

/// Milliseconds that pass as time does, whatever is done to the host's clock. At the app's start they are the wall's.
pub fn steady_ms() -> u64 {
    let (instant, wall) = *START;
    wall + u64::try_from(instant.elapsed().as_millis()).unwrap_or(0)
}

/// Milliseconds since the epoch, as the host's clock has it.
pub fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// One moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub steady_ms: u64,
    pub wall_ms: u64,
}

impl Now {
    pub fn read() -> Self {
        Self { steady_ms: steady_ms(), wall_ms: wall_ms() }
    }

    /// By how much the host's clock was set since the app's start, milliseconds.
    pub fn set_by_ms(self) -> i64 {
        self.wall_ms.cast_signed() - self.steady_ms.cast_signed()
    }

    /// A moment of the steady clock as the wall's tells it now.
    pub fn to_wall(self, steady_ms: u64) -> u64 {
        steady_ms.saturating_add_signed(self.set_by_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_by_the_clock_as_it_is_set_now() {
        let now = Now { steady_ms: 10_000, wall_ms: 3_610_000 };
        assert_eq!((now.set_by_ms(), now.to_wall(9_000)), (3_600_000, 3_609_000));
        let back = Now { steady_ms: 10_000, wall_ms: 400 };
        assert_eq!((back.to_wall(9_999), back.to_wall(9_000)), (399, 0), "never before the epoch");
    }
}
