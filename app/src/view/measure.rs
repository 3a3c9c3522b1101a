//! Metrics of one thing: what it measures now, and its last minute.

use shared::id::{ContainerId, ProcessId};
use shared::report::{LinkKey, LinkMetrics};
use shared::view::{Metric, Sample};

use super::place::Place;
use super::wording::rfc3339;
use crate::clock::Now;
use crate::store::{HostState, Store, container_values, host_values, process_values};
use crate::topology::interfaces::traffic;
use crate::topology::{Entity, NetworkKey};

/// What a metric is, apart from its value: its JSON up to the value, and from there up to the smallest.
struct Kind {
    id: &'static str,
    label: &'static str,
    format: &'static str,
    group: &'static str,
    priority: f64,
    head: &'static str,
    middle: &'static str,
}

macro_rules! kind {
    ($id:literal, $label:literal, $format:literal, $priority:literal) => {
        kind!($id, $label, $format, "", $priority, concat!(",\"format\":\"", $format, "\""))
    };
    ($id:literal, $label:literal, $format:literal, $group:literal, $priority:literal, $extra:expr) => {
        Kind {
            id: $id,
            label: $label,
            format: $format,
            group: $group,
            priority: $priority,
            head: concat!("{\"id\":\"", $id, "\",\"label\":\"", $label, "\"", $extra, ",\"value\":"),
            middle: concat!(",\"priority\":", $priority, ",\"samples\":null,\"min\":"),
        }
    };
}

/// More metrics no thing has.
const MOST: usize = 7;

static HOST: [Kind; 7] = [
    kind!("host_cpu_usage_percent", "CPU", "percent", 1.0),
    kind!("host_mem_usage_bytes", "Memory", "filesize", 2.0),
    kind!("load1", "Load (1m)", "", "load", 11.0, ",\"group\":\"load\""),
    kind!("host_received_bytes", "Received/s", "filesize", 12.0),
    kind!("host_sent_bytes", "Sent/s", "filesize", 13.0),
    kind!("host_disk_read_bytes", "Disk read/s", "filesize", 14.0),
    kind!("host_disk_written_bytes", "Disk written/s", "filesize", 15.0),
];

static CONTAINER: [Kind; 6] = [
    kind!("docker_cpu_total_usage", "CPU", "percent", 1.0),
    kind!("docker_memory_usage", "Memory", "filesize", 2.0),
    kind!("docker_received_bytes", "Received/s", "filesize", 3.0),
    kind!("docker_sent_bytes", "Sent/s", "filesize", 4.0),
    kind!("docker_disk_read_bytes", "Disk read/s", "filesize", 5.0),
    kind!("docker_disk_written_bytes", "Disk written/s", "filesize", 6.0),
];

static PROCESS: [Kind; 3] = [
    kind!("process_cpu_usage_percent", "CPU", "percent", 1.0),
    kind!("process_memory_usage_bytes", "Memory", "filesize", 2.0),
    kind!("open_files_count", "Open files", "integer", 3.0),
];

static NETWORK: [Kind; 1] = [kind!("network_traffic_bytes", "Traffic/s", "filesize", 1.0)];

static INTERFACE: [Kind; 6] = [
    kind!("interface_received_bytes", "Received/s", "filesize", 1.0),
    kind!("interface_sent_bytes", "Sent/s", "filesize", 2.0),
    kind!("interface_received_packets", "Packets received/s", "", "", 3.0, ""),
    kind!("interface_sent_packets", "Packets sent/s", "", "", 4.0, ""),
    kind!("interface_errors", "Errors/s", "", "", 5.0, ""),
    kind!("interface_dropped", "Dropped/s", "", "", 6.0, ""),
];

/// A metric with its figures: cheap to copy, turned into words where it is read.
#[derive(Clone, Copy)]
pub struct Measured {
    kind: &'static Kind,
    pub value: f64,
    min: f64,
    max: f64,
}

impl Measured {
    /// The JSON of the metric without samples. Kinds hold no character that JSON escapes.
    pub fn write_json(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(self.kind.head.as_bytes());
        number(text, self.value);
        text.extend_from_slice(self.kind.middle.as_bytes());
        number(text, self.min);
        text.extend_from_slice(b",\"max\":");
        number(text, self.max);
        text.extend_from_slice(b",\"url\":\"\"}");
    }
}

fn number(text: &mut Vec<u8>, value: f64) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(text, &value);
}

impl From<&Measured> for Metric {
    fn from(measured: &Measured) -> Self {
        let Measured { kind, value, min, max } = measured;
        Self {
            id: kind.id.into(),
            label: kind.label.into(),
            format: kind.format.into(),
            group: kind.group.into(),
            value: *value,
            priority: kind.priority,
            samples: None,
            min: *min,
            max: *max,
            url: String::new(),
        }
    }
}

/// Everything that is measured of one thing.
struct Gauges<'a> {
    kinds: &'static [Kind],
    now: [f64; MOST],
    /// The largest value possible of each, 0 where there is no such bound.
    most: [f64; MOST],
    /// The last minute, oldest first: as many values for each moment as there are kinds.
    history: &'a [f32],
    /// When each moment was, by the steady clock.
    times: &'a [u64],
}

fn padded<const N: usize>(values: [f64; N]) -> [f64; MOST] {
    let mut all = [0.0; MOST];
    all[..N].copy_from_slice(&values);
    all
}

impl<'a> Gauges<'a> {
    /// None where nothing of it is measured.
    fn of(place: &Place, store: &'a Store) -> Option<Self> {
        match place {
            Place::Single(Entity::Host(host)) => Self::host(store.hosts.get(host)?),
            Place::Single(Entity::Container(host, container)) => Self::container(store.hosts.get(host)?, container),
            Place::Single(Entity::Process(host, process)) => Self::process(store.hosts.get(host)?, *process),
            Place::Single(Entity::Network(key)) => Some(Self::network(store, key)),
            Place::Single(Entity::Interface(host, link)) => Some(Self::interface(store.hosts.get(host)?, *link)),
            Place::Single(_) | Place::Group(_) | Place::Uncontained(_) | Place::Unmanaged(_) => None,
        }
    }

    fn host(host: &'a HostState) -> Option<Self> {
        let now = host.report.metrics.host.as_ref()?;
        let most = [100.0, host.report.host.memory_bytes as f64, 0.0, 0.0, 0.0, 0.0, 0.0];
        let ring = &host.series.host;
        let times = host.series.times(ring.len());
        Some(Self { kinds: &HOST, now: padded(host_values(now)), most, history: ring.flat(), times })
    }

    fn container(host: &'a HostState, id: &ContainerId) -> Option<Self> {
        let now = host.report.metrics.containers.get(id)?;
        let limit = host.report.containers.get(id).and_then(|c| c.memory_limit_bytes);
        let memory = limit.unwrap_or(host.report.host.memory_bytes) as f64;
        let most = padded([100.0, memory]);
        let ring = host.series.containers.get(id);
        let times = host.series.times(ring.map_or(0, |ring| ring.len()));
        let history = ring.map_or(&[][..], |ring| ring.flat());
        Some(Self { kinds: &CONTAINER, now: padded(container_values(now)), most, history, times })
    }

    fn process(host: &'a HostState, id: ProcessId) -> Option<Self> {
        let now = host.report.metrics.processes.get(&id)?;
        let limit = host.report.processes.get(&id).and_then(|p| p.open_files_limit).unwrap_or(0);
        let facts = &host.report.host;
        let most = padded([f64::from(facts.cpus) * 100.0, facts.memory_bytes as f64, limit as f64]);
        let ring = host.series.processes.get(&id).map(|(_, ring)| ring);
        let times = host.series.times(ring.map_or(0, |ring| ring.len()));
        let history = ring.map_or(&[][..], |ring| ring.flat());
        Some(Self { kinds: &PROCESS, now: padded(process_values(now)), most, history, times })
    }

    /// What all its members with a probe send.
    fn network(store: &'a Store, key: &NetworkKey) -> Self {
        Self { kinds: &NETWORK, now: padded([network_traffic(store, key)]), most: padded([]), history: &[], times: &[] }
    }

    /// Of these there are many, and no minute of them is kept.
    fn interface(host: &'a HostState, key: LinkKey) -> Self {
        let now = padded(link_values(host.report.metrics.links.get(&key)));
        Self { kinds: &INTERFACE, now, most: padded([]), history: &[], times: &[] }
    }

    /// Of one metric, oldest first.
    fn past(&self, metric: usize) -> impl Iterator<Item = f64> {
        self.history.iter().skip(metric).step_by(self.kinds.len()).map(|value| f64::from(*value))
    }

    fn measured(&self) -> impl Iterator<Item = Measured> {
        self.kinds.iter().enumerate().map(|(n, kind)| {
            let range = (f64::INFINITY, 0f64);
            let known = self.past(n).chain([self.now[n]]);
            let (low, high) = known.fold(range, |(low, high), v| (low.min(v), high.max(v)));
            Measured { kind, value: rounded(self.now[n]), min: rounded(low), max: rounded(high.max(self.most[n])) }
        })
    }
}

/// The values alone, in the order of the metrics.
pub fn values(place: &Place, store: &Store) -> Vec<f64> {
    let Place::Single(entity) = place else { return Vec::new() };
    let metrics = |host| store.hosts.get(host).map(|host| &host.report.metrics);
    let listed = |values: &[f64]| values.iter().map(|value| rounded(*value)).collect();
    let now = match entity {
        Entity::Host(host) => metrics(host).and_then(|m| Some(listed(&host_values(m.host.as_ref()?)))),
        Entity::Container(host, id) => {
            metrics(host).and_then(|m| Some(listed(&container_values(m.containers.get(id)?))))
        }
        Entity::Process(host, id) => metrics(host).and_then(|m| Some(listed(&process_values(m.processes.get(id)?)))),
        Entity::Network(key) => Some(listed(&[network_traffic(store, key)])),
        Entity::Interface(host, key) => metrics(host).map(|m| listed(&link_values(m.links.get(key)))),
        _ => None,
    };
    now.unwrap_or_default()
}

fn network_traffic(store: &Store, key: &NetworkKey) -> f64 {
    match key {
        NetworkKey::Local(host, id) => store.hosts.get(host).map_or(0.0, |host| traffic(host, id)),
        NetworkKey::Shared(id) => store.hosts.values().fold(0.0, |sum, host| sum + traffic(host, id)),
    }
}

/// What carries nothing has no sample.
fn link_values(sample: Option<&LinkMetrics>) -> [f64; 6] {
    let sample = sample.copied().unwrap_or_default();
    let LinkMetrics {
        received_bytes_per_s,
        sent_bytes_per_s,
        received_packets_per_s,
        sent_packets_per_s,
        errors_per_s,
        dropped_per_s,
    } = sample;
    [received_bytes_per_s, sent_bytes_per_s, received_packets_per_s, sent_packets_per_s, errors_per_s, dropped_per_s]
}

/// The values between the smallest and the largest.
pub fn measure(place: &Place, store: &Store) -> Vec<Measured> {
    Gauges::of(place, store).map(|gauges| gauges.measured().collect()).unwrap_or_default()
}

/// The metrics with their last minute.
pub fn sampled(place: &Place, store: &Store, now: Now) -> Vec<Metric> {
    let Some(gauges) = Gauges::of(place, store) else { return Vec::new() };
    let metric = |(n, measured): (usize, Measured)| {
        let times = gauges.times.iter().map(|ms| rfc3339(now.to_wall(*ms)));
        let samples = times.zip(gauges.past(n)).map(|(date, value)| Sample { date, value: rounded(value) });
        Metric { samples: Some(samples.collect()), ..Metric::from(&measured) }
    };
    gauges.measured().enumerate().map(metric).collect()
}

/// Two decimals are what a reader can use.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_written_by_hand_is_the_metric() {
        let kinds = HOST.iter().chain(&CONTAINER).chain(&PROCESS).chain(&NETWORK).chain(&INTERFACE);
        for (kind, value) in kinds.zip([0.0, 0.07, 12.34, 5e17, 1e-7].into_iter().cycle()) {
            let measured = Measured { kind, value, min: 0.0, max: value * 2.0 };
            let mut text = Vec::new();
            measured.write_json(&mut text);
            let read: Metric = serde_json::from_slice(&text).unwrap();
            assert_eq!(read, Metric::from(&measured));
            let written = serde_json::to_value(Metric::from(&measured)).unwrap();
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&text).unwrap(), written);
        }
    }
}
