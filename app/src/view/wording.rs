//! Labels, rows and tables of records: the words that a reader sees.

pub mod links;
pub mod networks;

use shared::id::{ContainerId, ProcessId};
use shared::report::{Container, ContainerState, Health};
use shared::view::{Parent, Row, Table, TableRow};

use super::place::{image_group, image_tag};
use crate::store::HostState;

pub fn row(id: &str, label: &str, value: impl Into<String>, priority: f64) -> Row {
    Row { id: id.into(), label: label.into(), value: value.into(), priority: Some(priority), ..Row::default() }
}

pub fn typed(row: Row, data_type: &str) -> Row {
    Row { data_type: data_type.into(), ..row }
}

/// Rows without a value say nothing.
pub fn present(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().filter(|row| !row.value.is_empty() || row.since.is_some()).collect()
}

pub fn rfc3339(ms: u64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms.cast_signed());
    time.map(|t| t.to_string()).unwrap_or_default()
}

pub fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
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
    vec![
        properties("docker_env_", "Environment variables", borrowed(&environment)),
        properties("docker_label_", "Docker labels", borrowed(&labels)),
        properties("image_table", "Image", image),
    ]
}

/// Addresses and MAC on each network; in details only, what lists need of it stands in their rows.
pub fn container_networks(host: &HostState, id: &ContainerId) -> Option<Table> {
    let container = host.report.containers.get(id)?;
    let networks = container.endpoints.iter().map(|(name, endpoint)| {
        (name.as_str(), format!("{} {}", joined(&endpoint.addresses), endpoint.mac).trim().to_owned())
    });
    Some(properties("docker_network_", "Networks", networks))
}

fn borrowed(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, String)> {
    pairs.iter().map(|(key, value)| (key.as_str(), value.clone()))
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

pub fn parent(id: String, label: &str, topology: &str) -> Parent {
    Parent { id, label: label.to_owned(), topology_id: topology.to_owned() }
}

pub fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
