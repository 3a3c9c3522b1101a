//! The daemons of a host in words: what each is, how it fares, and what depends on it.

use shared::id::HostId;
use shared::report::{Collector, CollectorState, CollectorStatus, Engine, SwarmMember};
use shared::view::{Row, Summary};

use super::{host_parent, liveness};
use crate::store::{HostState, Store};
use crate::topology::Topology;
use crate::topology::daemons::Daemon;
use crate::view::wording::{joined, plural, present, rfc3339, row, typed};

pub fn daemon_summary(store: &Store, topology: &Topology, id: HostId, daemon: Daemon) -> Option<Summary> {
    let host = store.hosts.get(&id)?;
    let engine = host.report.host.engine.as_ref();
    let (name, collector, rows) = match daemon {
        Daemon::Engine => {
            let name = engine.map_or("Container engine", |engine| engine.name.as_str());
            (name, Collector::Docker, engine.map(|engine| engine_rows(host, engine)).unwrap_or_default())
        }
        Daemon::Swarm => ("Swarm", Collector::Docker, swarm_rows(store, topology, engine?.swarm.as_ref()?)),
        Daemon::Weave => ("Weave Net", Collector::Weave, weave_rows(host)),
    };
    let programs = match daemon {
        Daemon::Engine | Daemon::Swarm => &["dockerd", "podman"][..],
        Daemon::Weave => &["weaver"],
    };
    let status = host.report.collectors.get(&collector);
    let mut metadata = rows;
    metadata.push(uptime_row(host, programs));
    metadata.extend(status.map(status_rows).unwrap_or_default());
    let fails = status.is_some_and(|status| status.state == CollectorState::Failed);
    Some(Summary {
        label: name.into(),
        label_minor: host.api_name.clone(),
        rank: daemon.id().into(),
        shape: "pentagon".into(),
        kind: "daemon".into(),
        state: match (liveness(host), fails) {
            ("", true) => "failed".into(),
            (state, _) => state.into(),
        },
        metadata: present(metadata),
        parents: vec![host_parent(host)],
        ..Summary::default()
    })
}

/// Of the process that has run longest of those programs, by whichever path they were started; none where the probe sees
/// none.
pub fn uptime_row(host: &HostState, programs: &[&str]) -> Row {
    let report = &host.report;
    let program = |name: &str| programs.contains(&name.rsplit('/').next().unwrap_or(name));
    let running = report.processes.iter().filter(|(_, process)| program(&process.name));
    let first = running.map(|(id, _)| id.start_ms()).min();
    let since = first.map(|start_ms| report.host.booted_at_ms + start_ms).filter(|_| report.host.booted_at_ms > 0);
    Row { since, ..typed(row("daemon_uptime", "Uptime", "", 9.0), "duration") }
}

fn status_rows(status: &CollectorStatus) -> Vec<Row> {
    let answered = match status.answered_ms {
        0 => String::new(),
        at => rfc3339(at),
    };
    vec![
        row("daemon_state", "Health", status.state.name(), 10.0),
        row("daemon_message", "Says", status.message.as_str(), 11.0),
        row("daemon_latency", "Latency", latency(status.latency_ms), 11.5),
        typed(row("daemon_answered", "Answered last", answered, 12.0), "datetime"),
    ]
}

/// Of an answer, as it is rounded.
pub fn latency(ms: u32) -> String {
    if ms > 0 { format!("at most {ms} ms") } else { String::new() }
}

fn engine_rows(host: &HostState, engine: &Engine) -> Vec<Row> {
    let running = host.report.containers.values().filter(|container| container.state.is_running()).count();
    vec![
        row("daemon_version", "Version", engine.version.as_str(), 1.0),
        row("daemon_role", "API", engine.api_version.as_str(), 2.0),
        row("daemon_depends", "Depends on it", plural(running, "running container", "running containers"), 3.0),
        row("daemon_storage", "Storage", engine.storage_driver.as_str(), 4.0),
    ]
}

fn swarm_rows(store: &Store, topology: &Topology, member: &SwarmMember) -> Vec<Row> {
    let node = topology.swarm_node(store, &member.node);
    let manager = node.and_then(|node| node.manager.as_ref());
    let role = match (member.is_manager, manager) {
        (true, Some(manager)) if manager.is_leader => "leader".to_owned(),
        (true, Some(manager)) => format!("manager, {}", manager.reachability),
        (true, None) => "manager".into(),
        (false, _) => "worker".into(),
    };
    let availability = node.map_or("", |node| node.availability.as_str());
    vec![
        row("daemon_role", "Role", role, 1.0),
        row("daemon_member", "Membership", member.state.as_str(), 2.0),
        row("daemon_availability", "Availability", availability, 3.0),
        row("daemon_address", "Advertises", joined(member.address), 4.0),
        row("daemon_error", "Error", member.error.as_str(), 5.0),
        row("daemon_managers", "Managers", member.managers.len().to_string(), 6.0),
    ]
}

fn weave_rows(host: &HostState) -> Vec<Row> {
    let Some(router) = host.report.weave.values().next() else { return Vec::new() };
    let established = router.connections.iter().filter(|connection| connection.state == "established").count();
    let connections = format!("{established} of {} connections", router.connections.len());
    vec![
        row("daemon_version", "Version", router.version.as_str(), 1.0),
        row("daemon_role", "Connections", connections, 2.0),
        row("daemon_ipam", "Addresses", router.ipam.status.name(), 3.0),
    ]
}
