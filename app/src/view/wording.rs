//! Labels, rows and metrics of records: the words that a reader sees.

use shared::id::{ContainerId, HostId, ProcessId};
use shared::report::{Container, ContainerState, Health, NetworkScope};
use shared::view::{Metric, Parent, Row, Sample, Table, TableRow};

use super::place::{image_group, image_tag};
use crate::store::{HostState, Ring, Series, Store, container_values, host_values, process_values};
use crate::topology::NetworkKey;

pub fn row(id: &str, label: &str, value: impl Into<String>, priority: f64) -> Row {
    Row { id: id.into(), label: label.into(), value: value.into(), priority: Some(priority), ..Row::default() }
}

fn typed(row: Row, data_type: &str) -> Row {
    Row { data_type: data_type.into(), ..row }
}

/// Rows without a value say nothing.
fn present(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().filter(|row| !row.value.is_empty() || row.since.is_some()).collect()
}

pub fn rfc3339(ms: u64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms.cast_signed());
    time.map(|t| t.to_string()).unwrap_or_default()
}

fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

pub fn host_rows(host: &HostState) -> Vec<Row> {
    let facts = &host.report.host;
    let v4_first = {
        let mut networks = facts.local_networks.clone();
        networks.sort_by_key(|n| (n.address.is_ipv6(), *n));
        networks
    };
    let uptime = Row { since: Some(facts.booted_at_ms), ..typed(row("uptime", "Uptime", "", 2.0), "duration") };
    let mut rows = vec![
        row("kernel_version", "Kernel version", facts.kernel.as_str(), 1.0),
        uptime,
        row("host_name", "Hostname", facts.name.as_str(), 11.0),
        row("os", "OS", facts.os.as_str(), 12.0),
        row("local_networks", "Local networks", joined(v4_first), 13.0),
        row("host_scope_version", "Scope version", host.scope_version.as_str(), 14.0),
        row("distribution", "Distribution", facts.distribution.as_str(), 15.0),
        row("host_cpus", "CPUs", facts.cpus.to_string(), 16.0),
    ];
    if let Some(engine) = &facts.engine {
        rows.push(row("engine", "Engine", format!("{} {}", engine.name, engine.version), 17.0));
        rows.push(row("storage_driver", "Storage driver", engine.storage_driver.as_str(), 18.0));
        rows.push(row("engine_labels", "Engine labels", labels_line(&engine.labels), 19.0));
    }
    present(rows)
}

fn labels_line(labels: &std::collections::BTreeMap<String, String>) -> String {
    joined(labels.iter().map(|(key, value)| format!("{key}={value}")))
}

pub fn process_rows(host: &HostState, id: ProcessId) -> Vec<Row> {
    let Some(process) = host.report.processes.get(&id) else { return Vec::new() };
    let threads = host.report.metrics.processes.get(&id).map_or(0, |m| m.threads);
    present(vec![
        typed(row("pid", "PID", id.pid.to_string(), 1.0), "number"),
        row("cmdline", "Command", process.command.as_str(), 2.0),
        typed(row("ppid", "Parent PID", process.parent.to_string(), 3.0), "number"),
        typed(row("threads", "# Threads", threads.to_string(), 4.0), "number"),
    ])
}

pub fn container_rows(host: &HostState, id: &ContainerId) -> Vec<Row> {
    let Some(container) = host.report.containers.get(id) else { return Vec::new() };
    let compose = |label: &str| container.labels.get(label).cloned().unwrap_or_default();
    let mut rows = vec![
        row("docker_image_tag", "Image tag", image_tag(&container.image_name), 1.0),
        row("docker_image_name", "Image name", image_group(&container.image_name), 2.0),
        row("docker_container_command", "Command", container.command.as_str(), 3.0),
        state_row(container),
    ];
    if container.state.is_running() && container.started_ms > 0 {
        let uptime = typed(row("docker_container_uptime", "Uptime", "", 5.0), "duration");
        rows.push(Row { since: Some(container.started_ms), ..uptime });
    }
    let restarts = row("docker_container_restart_count", "Restart #", container.restart_count.to_string(), 6.0);
    let created = match container.created_ms {
        0 => String::new(),
        ms => rfc3339(ms),
    };
    rows.extend([
        restarts,
        row("docker_container_networks", "Networks", networks_line(container), 7.0),
        row("docker_container_ips", "IPs", joined(addresses(container)), 8.0),
        row("docker_container_ports", "Ports", ports_line(host, container), 9.0),
        typed(row("docker_container_created", "Created", created, 10.0), "datetime"),
        Row { truncate: 12, ..row("docker_container_id", "ID", id.to_string(), 11.0) },
        row("docker_container_health", "Health", health(container), 12.0),
        row("docker_container_macs", "MAC addresses", joined(macs(container)), 13.0),
        row("compose_project", "Compose project", compose("com.docker.compose.project"), 14.0),
        row("compose_service", "Compose service", compose("com.docker.compose.service"), 15.0),
    ]);
    present(rows)
}

/// As `docker ps` words it.
fn state_row(container: &Container) -> Row {
    let row = row("docker_container_state_human", "State", "", 4.0);
    let up = |template: &str| Row { since: Some(container.started_ms), template: template.into(), ..row.clone() };
    let still = |value: &str| Row { value: value.into(), ..row.clone() };
    match container.state {
        ContainerState::Running => up("Up {}"),
        ContainerState::Paused => up("Up {} (Paused)"),
        ContainerState::Restarting | ContainerState::Exited if container.finished_ms > 0 => {
            let verb = if container.state == ContainerState::Exited { "Exited" } else { "Restarting" };
            Row {
                since: Some(container.finished_ms),
                template: format!("{verb} ({}) {{}} ago", container.exit_code),
                ..row
            }
        }
        ContainerState::Restarting => still("Restarting"),
        ContainerState::Exited => still("Exited"),
        ContainerState::Created => still("Created"),
        ContainerState::Removing => still("Removal In Progress"),
        ContainerState::Dead => still("Dead"),
        ContainerState::Unknown => still("Unknown"),
    }
}

fn health(container: &Container) -> &'static str {
    match container.health {
        Some(Health::Starting) => "starting",
        Some(Health::Healthy) => "healthy",
        Some(Health::Unhealthy) => "unhealthy",
        Some(Health::Unknown) | None => "",
    }
}

fn networks_line(container: &Container) -> String {
    if container.host_network && container.endpoints.is_empty() {
        return "host".into();
    }
    joined(container.endpoints.keys())
}

fn addresses(container: &Container) -> Vec<std::net::IpAddr> {
    let known = container.endpoints.values().flat_map(|endpoint| endpoint.addresses.iter());
    let mut all: Vec<_> = known.chain(&container.other_addresses).copied().collect();
    all.sort();
    all.dedup();
    all
}

fn macs(container: &Container) -> impl Iterator<Item = &String> {
    container.endpoints.values().map(|endpoint| &endpoint.mac).filter(|mac| !mac.is_empty())
}

fn ports_line(host: &HostState, container: &Container) -> String {
    let mut lines = Vec::new();
    for mapping in &container.ports {
        let inner = format!("{}/{}", mapping.container_port, mapping.protocol.name());
        match mapping.published {
            None => lines.push(inner),
            Some((address, port)) if !address.is_unspecified() => lines.push(format!("{address}:{port}->{inner}")),
            Some((address, port)) => {
                let networks = host.report.host.local_networks.iter().map(|n| n.address);
                let reachable = networks.filter(|a| a.is_ipv4() == address.is_ipv4() && !shared::addr::is_confined(*a));
                lines.extend(reachable.map(|a| format!("{}->{inner}", std::net::SocketAddr::new(a, port))));
            }
        }
    }
    lines.sort();
    lines.dedup();
    lines.join(", ")
}

pub fn properties<'a>(id: &str, label: &str, entries: impl IntoIterator<Item = (&'a str, String)>) -> Table {
    let rows = entries.into_iter().map(|(key, value)| TableRow {
        id: format!("label_{key}"),
        entries: [("label".to_owned(), key.to_owned()), ("value".to_owned(), value)].into(),
    });
    Table {
        id: id.into(),
        label: label.into(),
        kind: "property-list".into(),
        columns: Vec::new(),
        rows: rows.collect(),
        truncation_count: 0,
    }
}

pub fn container_tables(host: &HostState, id: &ContainerId) -> Vec<Table> {
    let Some(container) = host.report.containers.get(id) else { return Vec::new() };
    let pairs = |map: &'_ std::collections::BTreeMap<String, String>| -> Vec<(String, String)> {
        map.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    let (environment, labels) = (pairs(&container.environment), pairs(&container.labels));
    let mut image = Vec::new();
    if let Some(image_id) = &container.image {
        image.push((" ID", image_id.to_string()));
        image.push((" Name", image_group(&container.image_name).to_owned()));
        image.push((" Tag", image_tag(&container.image_name).to_owned()));
        if let Some(record) = host.report.images.get(image_id) {
            image.push(("Size", megabytes(record.size_bytes)));
            image.push(("Virtual size", megabytes(record.size_bytes)));
        }
    }
    let mut networks = Vec::new();
    for (name, endpoint) in &container.endpoints {
        networks.push((name.as_str(), format!("{} {}", joined(&endpoint.addresses), endpoint.mac).trim().to_owned()));
    }
    vec![
        properties("docker_env_", "Environment variables", borrowed(&environment)),
        properties("docker_label_", "Docker labels", borrowed(&labels)),
        properties("image_table", "Image", image),
        properties("docker_network_", "Networks", networks),
    ]
}

fn borrowed(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, String)> {
    pairs.iter().map(|(key, value)| (key.as_str(), value.clone()))
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

pub fn network_rows(store: &Store, key: &NetworkKey, holders: &[HostId]) -> Vec<Row> {
    let records = holders.iter().filter_map(|h| store.hosts.get(h)?.report.networks.get(key.id()));
    let Some(record) = records.clone().next() else { return Vec::new() };
    let scope = match record.scope {
        NetworkScope::Local => "local",
        NetworkScope::Global => "global",
        NetworkScope::Swarm => "swarm",
        NetworkScope::Unknown => "unknown",
    };
    let members: usize = records.map(|r| r.attached.len()).sum();
    let mut hosts: Vec<String> = holders.iter().filter_map(|h| Some(store.hosts.get(h)?.api_name.clone())).collect();
    // Ids of hosts are random: readers are given an order that they can see.
    hosts.sort();
    let flags = [(record.internal, "internal"), (record.attachable, "attachable"), (record.ingress, "ingress")];
    present(vec![
        row("network_driver", "Driver", record.driver.as_str(), 1.0),
        row("network_scope", "Scope", scope, 2.0),
        row("network_subnets", "Subnets", joined(&record.subnets), 3.0),
        row("network_gateways", "Gateways", joined(&record.gateways), 4.0),
        row("network_flags", "Options", joined(flags.iter().filter(|(on, _)| *on).map(|(_, name)| *name)), 5.0),
        typed(row("container", "# Containers", members.to_string(), 6.0), "number"),
        row("network_hosts", "Hosts", joined(hosts), 7.0),
        Row { truncate: 12, ..row("network_id", "ID", key.id().to_string(), 8.0) },
    ])
}

/// What a metric is, apart from its value.
#[derive(Clone, Copy)]
pub struct Kind {
    id: &'static str,
    label: &'static str,
    format: &'static str,
    group: &'static str,
    priority: f64,
}

const fn kind(id: &'static str, label: &'static str, format: &'static str, priority: f64) -> Kind {
    Kind { id, label, format, group: "", priority }
}

static HOST_METRICS: [Kind; 7] = [
    kind("host_cpu_usage_percent", "CPU", "percent", 1.0),
    kind("host_mem_usage_bytes", "Memory", "filesize", 2.0),
    Kind { group: "load", ..kind("load1", "Load (1m)", "", 11.0) },
    kind("host_received_bytes", "Received/s", "filesize", 12.0),
    kind("host_sent_bytes", "Sent/s", "filesize", 13.0),
    kind("host_disk_read_bytes", "Disk read/s", "filesize", 14.0),
    kind("host_disk_written_bytes", "Disk written/s", "filesize", 15.0),
];

static CONTAINER_METRICS: [Kind; 6] = [
    kind("docker_cpu_total_usage", "CPU", "percent", 1.0),
    kind("docker_memory_usage", "Memory", "filesize", 2.0),
    kind("docker_received_bytes", "Received/s", "filesize", 3.0),
    kind("docker_sent_bytes", "Sent/s", "filesize", 4.0),
    kind("docker_disk_read_bytes", "Disk read/s", "filesize", 5.0),
    kind("docker_disk_written_bytes", "Disk written/s", "filesize", 6.0),
];

static PROCESS_METRICS: [Kind; 3] = [
    kind("process_cpu_usage_percent", "CPU", "percent", 1.0),
    kind("process_memory_usage_bytes", "Memory", "filesize", 2.0),
    kind("open_files_count", "Open files", "integer", 3.0),
];

/// A metric's kind and its figures: cheap to copy, turned into words where it is read.
#[derive(Clone)]
pub struct Measured {
    kind: &'static Kind,
    pub value: f64,
    min: f64,
    max: f64,
    samples: Option<Vec<Sample>>,
}

impl Measured {
    /// The JSON of the metric without samples. Kinds hold no character that JSON escapes.
    pub fn write_json(&self, text: &mut String) {
        use std::fmt::Write;
        let Kind { id, label, format, group, priority } = self.kind;
        let _ = write!(text, "{{\"id\":\"{id}\",\"label\":\"{label}\"");
        for (name, value) in [("format", format), ("group", group)] {
            if !value.is_empty() {
                let _ = write!(text, ",\"{name}\":\"{value}\"");
            }
        }
        let Self { value, min, max, .. } = self;
        let _ = write!(text, ",\"value\":{value:?},\"priority\":{priority:?},\"samples\":null");
        let _ = write!(text, ",\"min\":{min:?},\"max\":{max:?},\"url\":\"\"}}");
    }
}

impl From<&Measured> for Metric {
    fn from(measured: &Measured) -> Self {
        let Measured { kind, value, min, max, samples } = measured;
        Self {
            id: kind.id.into(),
            label: kind.label.into(),
            format: kind.format.into(),
            group: kind.group.into(),
            value: *value,
            priority: kind.priority,
            samples: samples.clone(),
            min: *min,
            max: *max,
            url: String::new(),
        }
    }
}

/// Metrics of one thing: from its last minute where that is kept, with the samples where they are asked for.
/// `most` is the largest value possible of each, 0 where there is no such bound.
fn metrics<const N: usize>(
    kinds: &'static [Kind; N],
    now: [f64; N],
    most: [f64; N],
    ring: Option<&Ring<N>>,
    series: &Series,
    with_samples: bool,
) -> Vec<Measured> {
    let one = |n: usize| {
        let known = ring.into_iter().flat_map(|ring| ring.values(n));
        let (low, high) = known.chain([now[n]]).fold((f64::INFINITY, 0f64), |(low, high), v| (low.min(v), high.max(v)));
        let samples = with_samples.then(|| {
            let times = ring.into_iter().flat_map(|ring| series.times(ring.len()));
            let values = ring.into_iter().flat_map(|ring| ring.values(n));
            times.zip(values).map(|(ms, value)| Sample { date: rfc3339(ms), value: rounded(value) }).collect()
        });
        Measured {
            kind: &kinds[n],
            value: rounded(now[n]),
            min: rounded(low),
            max: rounded(high.max(most[n])),
            samples,
        }
    };
    (0..N).map(one).collect()
}

/// Two decimals are what a reader can use.
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

pub fn host_metrics(host: &HostState, with_samples: bool) -> Vec<Measured> {
    let Some(now) = &host.report.metrics.host else { return Vec::new() };
    let most = [100.0, host.report.host.memory_bytes as f64, 0.0, 0.0, 0.0, 0.0, 0.0];
    metrics(&HOST_METRICS, host_values(now), most, Some(&host.series.host), &host.series, with_samples)
}

pub fn container_metrics(host: &HostState, id: &ContainerId, with_samples: bool) -> Vec<Measured> {
    let Some(now) = host.report.metrics.containers.get(id) else { return Vec::new() };
    let limit = host.report.containers.get(id).and_then(|c| c.memory_limit_bytes);
    let memory = limit.unwrap_or(host.report.host.memory_bytes) as f64;
    let most = [100.0, memory, 0.0, 0.0, 0.0, 0.0];
    let ring = host.series.containers.get(id);
    metrics(&CONTAINER_METRICS, container_values(now), most, ring, &host.series, with_samples)
}

pub fn process_metrics(host: &HostState, id: ProcessId, with_samples: bool) -> Vec<Measured> {
    let Some(now) = host.report.metrics.processes.get(&id) else { return Vec::new() };
    let limit = host.report.processes.get(&id).and_then(|p| p.open_files_limit).unwrap_or(0);
    let most = [f64::from(host.report.host.cpus) * 100.0, host.report.host.memory_bytes as f64, limit as f64];
    let ring = host.series.processes.get(&id).map(|(_, ring)| ring);
    metrics(&PROCESS_METRICS, process_values(now), most, ring, &host.series, with_samples)
}

pub fn parent(id: String, label: &str, topology: &str) -> Parent {
    Parent { id, label: label.to_owned(), topology_id: topology.to_owned() }
}

pub fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_written_by_hand_is_the_metric() {
        let kinds = HOST_METRICS.iter().chain(&CONTAINER_METRICS).chain(&PROCESS_METRICS);
        for (kind, value) in kinds.zip([0.0, 0.07, 12.34, 5e17, 1e-7].into_iter().cycle()) {
            let measured = Measured { kind, value, min: 0.0, max: value * 2.0, samples: None };
            let mut text = String::new();
            measured.write_json(&mut text);
            let read: Metric = serde_json::from_str(&text).unwrap();
            assert_eq!(read, Metric::from(&measured));
            let written = serde_json::to_value(Metric::from(&measured)).unwrap();
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), written);
        }
    }
}
