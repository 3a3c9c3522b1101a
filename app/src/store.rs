//! The latest report of each host, and how sure we are that it still holds.

use std::collections::BTreeMap;

use foldhash::HashMap;
use shared::Report;
use shared::delta::{self, Delta};
use shared::id::{ContainerId, HostId, InstanceId, ProcessId};
use shared::report::{Collector, ContainerMetrics, HostMetrics, ProcessMetrics};
use shared::wire::{Hello, Stamp};

use crate::config::Patience;

/// One connection of one probe. A later one of the same host takes its place, and its late frames change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Session(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    Live,
    /// Silent for a while: its nodes keep their last values and are marked.
    Stale,
    /// Silent for so long that its connections are not shown any more.
    Down,
}

impl Liveness {
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Down => "down",
        }
    }
}

pub struct HostState {
    pub report: Report,
    /// The host's name as it stands in ids of the API: unique among the hosts that are shown.
    pub api_name: String,
    pub instance: InstanceId,
    pub scope_version: String,
    session: Option<Session>,
    sequence: u64,
    pub liveness: Liveness,
    /// By the app's steady clock, as all that is told here in milliseconds.
    pub last_seen_ms: u64,
    /// Smallest difference between the app's clock at arrival and the probe's boot clock that was seen.
    offset_min_ms: Option<i64>,
    /// When the last reading of each source was told.
    arrived_ms: BTreeMap<Collector, u64>,
    pub lag_ms: u64,
    /// By how much the host's wall clock is ahead of the app's steady one.
    pub clock_offset_ms: i64,
    pub series: Series,
    connected: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another connection of this host has taken over.
    Superseded,
    /// A delta does not follow what is known: ask for a snapshot.
    Gap,
}

#[derive(Default)]
pub struct Store {
    pub hosts: BTreeMap<HostId, HostState>,
}

impl Store {
    /// A probe said hello. What was known of its host stays until its snapshot comes.
    pub fn open(&mut self, hello: &Hello, session: Session, now_ms: u64) {
        let taken = |name: &str| self.hosts.iter().any(|(id, h)| *id != hello.host && h.api_name == name);
        let api_name = if taken(&hello.hostname) {
            format!("{}~{}", hello.hostname, &hello.host.to_string()[..8])
        } else {
            hello.hostname.clone()
        };
        let host = self.hosts.entry(hello.host).or_insert_with(|| HostState {
            report: Report::default(),
            api_name,
            instance: hello.instance,
            scope_version: String::new(),
            session: None,
            sequence: 0,
            liveness: Liveness::Live,
            last_seen_ms: now_ms,
            offset_min_ms: None,
            arrived_ms: BTreeMap::new(),
            lag_ms: 0,
            clock_offset_ms: 0,
            series: Series::default(),
            connected: true,
        });
        host.session = Some(session);
        host.connected = true;
        host.scope_version.clone_from(&hello.scope_version);
        if host.instance != hello.instance {
            host.instance = hello.instance;
            host.offset_min_ms = None;
        }
    }

    /// The probe's connection ended; whether it was the one that counts.
    pub fn close(&mut self, id: HostId, session: Session) -> bool {
        match self.hosts.get_mut(&id) {
            Some(host) if host.session == Some(session) => {
                host.connected = false;
                host.session = None;
                true
            }
            _ => false,
        }
    }

    /// What a whole report changes.
    pub fn snapshot(
        &mut self,
        id: HostId,
        session: Session,
        sequence: u64,
        at: Stamp,
        report: Report,
        now_ms: u64,
    ) -> Result<Delta, Refusal> {
        let host = self.session(id, session)?;
        let change = delta::between(&host.report, &report);
        host.sequence = sequence;
        host.report = report;
        host.heard(at, &change, now_ms);
        Ok(change)
    }

    /// Patches the report in place. The delta is given back: what it changes is what follows from it.
    pub fn update(
        &mut self,
        id: HostId,
        session: Session,
        sequence: u64,
        at: Stamp,
        change: Delta,
        now_ms: u64,
    ) -> Result<Delta, Refusal> {
        let host = self.session(id, session)?;
        if sequence != host.sequence + 1 {
            return Err(Refusal::Gap);
        }
        host.sequence = sequence;
        delta::apply(&change, &mut host.report);
        host.heard(at, &change, now_ms);
        Ok(change)
    }

    fn session(&mut self, id: HostId, session: Session) -> Result<&mut HostState, Refusal> {
        self.hosts.get_mut(&id).filter(|host| host.session == Some(session)).ok_or(Refusal::Superseded)
    }

    /// Which hosts' liveness changed with time, and which are forgotten.
    pub fn tick(&mut self, patience: &Patience, now_ms: u64) -> (Vec<HostId>, Vec<HostId>) {
        let (mut changed, mut forgotten) = (Vec::new(), Vec::new());
        for (id, host) in &mut self.hosts {
            let silent = now_ms.saturating_sub(host.last_seen_ms);
            let liveness = match () {
                () if silent >= patience.window_ms.max(patience.stale_ms) => Liveness::Down,
                () if silent >= patience.stale_ms => Liveness::Stale,
                () => Liveness::Live,
            };
            if silent >= patience.forget_ms && !host.connected {
                forgotten.push(*id);
            } else if liveness != host.liveness {
                host.liveness = liveness;
                changed.push(*id);
            }
        }
        (changed, forgotten)
    }
}

#[cfg(test)]
impl Store {
    /// That holds what one host reports.
    pub fn holding(report: Report) -> (Self, HostId) {
        let hello = Hello {
            host: HostId(uuid::Uuid::nil()),
            instance: InstanceId(uuid::Uuid::nil()),
            hostname: "h".into(),
            scope_version: String::new(),
            token: String::new(),
            capabilities: Vec::new(),
            publish_interval_ms: 1000,
        };
        let mut store = Self::default();
        store.open(&hello, Session(1), 0);
        store.snapshot(hello.host, Session(1), 1, Stamp::default(), report, 0).expect("the host's own session");
        (store, hello.host)
    }
}

impl HostState {
    /// The last one of a source; none where the probe does not tell.
    pub fn reading(&self, collector: Collector) -> Option<Reading> {
        let began_ms = self.booted_to_app_ms(*self.report.metrics.read_ms.get(&collector)?)?;
        Some(Reading { began_ms, arrived_ms: *self.arrived_ms.get(&collector)? })
    }

    /// By the app's clock, what the host's boot clock shows as that; none of a time before the app was there.
    pub fn booted_to_app_ms(&self, boot_ms: u64) -> Option<u64> {
        u64::try_from(boot_ms.cast_signed() + self.offset_min_ms?).ok()
    }

    /// The same of the host's wall clock; none where nothing is known of either.
    pub fn wall_to_app_ms(&self, wall_ms: u64) -> Option<u64> {
        self.offset_min_ms.filter(|_| wall_ms > 0)?;
        // The offset has the last message's way in it.
        let offset = self.clock_offset_ms + self.lag_ms.cast_signed();
        u64::try_from(wall_ms.cast_signed() - offset).ok()
    }

    fn heard(&mut self, at: Stamp, change: &Delta, now_ms: u64) {
        self.last_seen_ms = now_ms;
        let offset = now_ms.cast_signed() - at.boot_ms.cast_signed();
        let smallest = self.offset_min_ms.map_or(offset, |old| old.min(offset));
        self.offset_min_ms = Some(smallest);
        self.lag_ms = u64::try_from(offset - smallest).unwrap_or(0);
        self.clock_offset_ms = at.wall_ms.cast_signed() - now_ms.cast_signed();
        let read = change.metrics.read_ms.set.iter().map(|(collector, _)| (*collector, now_ms));
        self.arrived_ms.extend(read);
        self.series.note(change, &self.report, now_ms);
    }
}

/// By the app's steady clock.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub began_ms: u64,
    /// What it found is known here since then, at the latest.
    pub arrived_ms: u64,
}

const SERIES_LENGTH: usize = 60;
/// A process is followed for this long after somebody looked at it.
const WATCHED_FOR_MS: u64 = 60_000;

/// The last minute of every metric: one time base for the host, a ring of values for each thing measured. Processes
/// are many, so theirs are kept only while somebody looks.
#[derive(Default)]
pub struct Series {
    /// When each sample came, oldest first.
    times: Vec<u64>,
    pub host: Ring<7>,
    pub containers: HashMap<ContainerId, Ring<6>>,
    pub processes: HashMap<ProcessId, (u64, Ring<3>)>,
}

/// Samples of several metrics of one thing, the newest last; NaN where there was none.
#[derive(Clone)]
pub struct Ring<const N: usize>(Vec<[f32; N]>);

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<const N: usize> Ring<N> {
    fn push(&mut self, values: [f64; N]) {
        if self.0.len() == SERIES_LENGTH {
            self.0.remove(0);
        }
        self.0.push(values.map(|v| v as f32));
    }

    /// Oldest first, the metrics of one moment side by side.
    pub fn flat(&self) -> &[f32] {
        self.0.as_flattened()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Series {
    fn note(&mut self, change: &Delta, report: &Report, now_ms: u64) {
        for id in &change.containers.removed {
            self.containers.remove(id);
        }
        if change.metrics.is_empty() {
            return;
        }
        if self.times.len() == SERIES_LENGTH {
            self.times.remove(0);
        }
        self.times.push(now_ms);
        if let Some(metrics) = &report.metrics.host {
            self.host.push(host_values(metrics));
        }
        self.containers.retain(|id, _| report.metrics.containers.contains_key(id));
        for (id, metrics) in &report.metrics.containers {
            self.containers.entry(id.clone()).or_default().push(container_values(metrics));
        }
        self.processes.retain(|id, (watched, ring)| match report.metrics.processes.get(id) {
            Some(metrics) if now_ms.saturating_sub(*watched) < WATCHED_FOR_MS => {
                ring.push(process_values(metrics));
                true
            }
            _ => false,
        });
    }

    /// Somebody looks at this process.
    pub fn watch(&mut self, id: ProcessId, now_ms: u64) {
        self.processes.entry(id).or_default().0 = now_ms;
    }

    /// The times of a ring's samples, oldest first.
    pub fn times(&self, length: usize) -> &[u64] {
        &self.times[self.times.len().saturating_sub(length)..]
    }
}

pub fn host_values(m: &HostMetrics) -> [f64; 7] {
    let memory = m.memory_bytes as f64;
    [
        m.cpu_percent,
        memory,
        m.load1,
        m.received_bytes_per_s,
        m.sent_bytes_per_s,
        m.read_bytes_per_s,
        m.written_bytes_per_s,
    ]
}

pub fn container_values(m: &ContainerMetrics) -> [f64; 6] {
    let memory = m.memory_bytes as f64;
    [m.cpu_percent, memory, m.received_bytes_per_s, m.sent_bytes_per_s, m.read_bytes_per_s, m.written_bytes_per_s]
}

pub fn process_values(m: &ProcessMetrics) -> [f64; 3] {
    [m.cpu_percent, m.memory_bytes as f64, f64::from(m.open_files.unwrap_or(0))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const PATIENCE: Patience = Patience { stale_ms: 5_000, window_ms: 15_000, forget_ms: 60_000 };

    fn hello(host: u128, name: &str) -> Hello {
        Hello {
            host: HostId(Uuid::from_u128(host)),
            instance: InstanceId(Uuid::from_u128(1)),
            hostname: name.into(),
            scope_version: String::new(),
            token: String::new(),
            capabilities: Vec::new(),
            publish_interval_ms: 1000,
        }
    }

    fn stamp(boot_ms: u64) -> Stamp {
        Stamp { boot_ms, wall_ms: 1_000_000 + boot_ms }
    }

    #[test]
    fn frames_of_a_connection_that_was_replaced_change_nothing() {
        let mut store = Store::default();
        let hello = hello(1, "h1");
        store.open(&hello, Session(1), 0);
        store.snapshot(hello.host, Session(1), 1, stamp(0), Report::default(), 0).unwrap();
        store.open(&hello, Session(2), 0);
        let late = store.update(hello.host, Session(1), 2, stamp(1), Delta::default(), 1);
        assert_eq!(late, Err(Refusal::Superseded));
        assert!(!store.close(hello.host, Session(1)), "and its end does not end the new one");
    }

    #[test]
    fn a_delta_that_does_not_follow_asks_for_a_snapshot() {
        let mut store = Store::default();
        let hello = hello(1, "h1");
        store.open(&hello, Session(1), 0);
        store.snapshot(hello.host, Session(1), 7, stamp(0), Report::default(), 0).unwrap();
        for sequence in [7, 9, 0] {
            let gap = store.update(hello.host, Session(1), sequence, stamp(1), Delta::default(), 1);
            assert_eq!(gap, Err(Refusal::Gap));
        }
        assert!(store.update(hello.host, Session(1), 8, stamp(1), Delta::default(), 1).is_ok());
    }

    #[test]
    fn two_hosts_of_one_name_are_told_apart() {
        let mut store = Store::default();
        store.open(&hello(1, "db"), Session(1), 0);
        store.open(&hello(2, "db"), Session(2), 0);
        let names: Vec<&str> = store.hosts.values().map(|h| h.api_name.as_str()).collect();
        assert_eq!(names, ["db", "db~00000000"]);
        store.open(&hello(1, "db"), Session(3), 0);
        assert_eq!(store.hosts.values().next().unwrap().api_name, "db", "and keep their names");
    }

    #[test]
    fn a_silent_host_is_stale_then_down_then_forgotten() {
        let mut store = Store::default();
        let hello = hello(1, "h1");
        store.open(&hello, Session(1), 0);
        store.close(hello.host, Session(1));
        assert_eq!(store.tick(&PATIENCE, 4_999), (vec![], vec![]));
        assert_eq!(store.tick(&PATIENCE, 5_000), (vec![hello.host], vec![]));
        assert_eq!(store.hosts[&hello.host].liveness, Liveness::Stale);
        assert_eq!(store.tick(&PATIENCE, 15_000), (vec![hello.host], vec![]));
        assert_eq!(store.hosts[&hello.host].liveness, Liveness::Down);
        assert_eq!(store.tick(&PATIENCE, 60_000), (vec![], vec![hello.host]));
    }

    #[test]
    fn lag_is_measured_against_the_fastest_message_whatever_the_hosts_clock_says() {
        let mut store = Store::default();
        let hello = hello(1, "h1");
        store.open(&hello, Session(1), 0);
        store.snapshot(hello.host, Session(1), 1, stamp(1_000), Report::default(), 50_010).unwrap();
        store.update(hello.host, Session(1), 2, stamp(2_000), Delta::default(), 51_000).unwrap();
        assert_eq!(store.hosts[&hello.host].lag_ms, 0);
        store.update(hello.host, Session(1), 3, stamp(3_000), Delta::default(), 52_250).unwrap();
        assert_eq!(store.hosts[&hello.host].lag_ms, 250);
        assert_eq!(store.hosts[&hello.host].clock_offset_ms, 1_003_000 - 52_250);
    }
}
