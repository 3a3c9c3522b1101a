//! What every reader of the kernel has in common: a way to the state's owner, and a word on how it fares.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use shared::report::{Collector, CollectorState, CollectorStatus};
use tokio::sync::mpsc;
use tracing::warn;

use crate::state::Reading;

/// The way to the state's owner. A status goes out when it changes.
pub struct Outlet {
    readings: mpsc::Sender<Reading>,
    statuses: BTreeMap<Collector, CollectorStatus>,
}

/// The state's owner is gone: the probe is stopping.
pub struct Closed;

impl Outlet {
    pub fn new(readings: mpsc::Sender<Reading>) -> Self {
        Self { readings, statuses: BTreeMap::new() }
    }

    pub fn send(&self, reading: Reading) -> Result<(), Closed> {
        self.readings.blocking_send(reading).map_err(|_| Closed)
    }

    pub fn status(&mut self, collector: Collector, status: CollectorStatus) -> Result<(), Closed> {
        if self.statuses.get(&collector) == Some(&status) {
            return Ok(());
        }
        if status.state != CollectorState::Ok
            && self.statuses.get(&collector).is_none_or(|old| old.state != status.state)
        {
            warn!(collector = collector.name(), state = status.state.name(), message = %status.message, "collector");
        }
        self.statuses.insert(collector, status.clone());
        self.send(Reading::Status(collector, status))
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

/// Milliseconds since the epoch, as the host's clock has it.
pub fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
