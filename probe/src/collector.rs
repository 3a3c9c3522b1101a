//! What every reader of the kernel has in common: a way to the state's owner, and a word on how it fares.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shared::report::{Collector, CollectorState, CollectorStatus};
use tokio::sync::mpsc;
use tracing::warn;

use crate::state::Reading;

/// The way to the state's owner. A status goes out when it changes.
pub struct Outlet {
    waiting: Vec<Reading>,
    readings: mpsc::Sender<Reading>,
    statuses: BTreeMap<Collector, CollectorStatus>,
}

/// The state's owner is gone: the probe is stopping.
pub struct Closed;

impl Outlet {
    pub fn new(readings: mpsc::Sender<Reading>) -> Self {
        Self { waiting: Vec::new(), readings, statuses: BTreeMap::new() }
    }

    /// With the next that is flushed: who is woken takes them together.
    pub fn send(&mut self, reading: Reading) {
        self.waiting.push(reading);
    }

    pub fn flush(&mut self) -> Result<(), Closed> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let readings = std::mem::take(&mut self.waiting);
        self.readings.blocking_send(Reading::Several(readings)).map_err(|_| Closed)
    }

    pub fn status(&mut self, collector: Collector, status: CollectorStatus) {
        if self.statuses.get(&collector) == Some(&status) {
            return;
        }
        if status.state != CollectorState::Ok
            && self.statuses.get(&collector).is_none_or(|old| old.state != status.state)
        {
            warn!(collector = collector.name(), state = status.state.name(), message = %status.message, "collector");
        }
        self.statuses.insert(collector, status.clone());
        self.send(Reading::Status(collector, status));
    }
}

pub fn ok(message: String) -> CollectorStatus {
    CollectorStatus { state: CollectorState::Ok, message, ..CollectorStatus::default() }
}

pub fn degraded(message: String) -> CollectorStatus {
    CollectorStatus { state: CollectorState::Degraded, message, ..CollectorStatus::default() }
}

pub fn failed(message: String) -> CollectorStatus {
    CollectorStatus { state: CollectorState::Failed, message, ..CollectorStatus::default() }
}

pub fn off(message: &str) -> CollectorStatus {
    CollectorStatus { state: CollectorState::Off, message: message.into(), ..CollectorStatus::default() }
}

/// Milliseconds since the host was booted, the time that it slept among them.
pub fn boot_ms() -> u64 {
    let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    boot.tv_sec.cast_unsigned() * 1000 + boot.tv_nsec.cast_unsigned() / 1_000_000
}

/// Milliseconds since the epoch, as the host's clock has it.
pub fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How long an answer took: up to the next of 5, 10, 20, 50, … milliseconds, so that it is rarely another.
pub fn latency_ms(elapsed: Duration) -> u32 {
    let ms = elapsed.as_secs_f64() * 1e3;
    let steps = (0..5).flat_map(|power| [5, 10, 20].map(|step| step * 10u32.pow(power)));
    steps.into_iter().find(|step| f64::from(*step) >= ms).unwrap_or(2_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_is_rounded_up_to_few_values() {
        let of = |micros| latency_ms(Duration::from_micros(micros));
        assert_eq!([of(0), of(900), of(5_100), of(21_000), of(1_900_000)], [5, 5, 10, 50, 2_000]);
    }
}
