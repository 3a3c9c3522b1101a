//! Services, tasks and nodes of swarms in words.

use shared::id::{NetworkId, ServiceId, SwarmNodeId, TaskId};
use shared::report::{Container, Service, ServiceMode, ServicePort};
use shared::view::{Parent, Row, Summary};

use super::{NO_STACK, host_parent};
use crate::store::Store;
use crate::topology::{Entity, NetworkKey, Topology, swarm};
use crate::view::place::image_group;
use crate::view::wording::{joined, parent, plural, present, properties, row, typed};

const STACK: &str = "com.docker.stack.namespace";
const NAME: &str = "com.docker.swarm.service.name";

/// A service's name without that of its stack.
fn short_name<'a>(name: &'a str, stack: Option<&String>) -> &'a str {
    stack.and_then(|stack| name.strip_prefix(stack.as_str())?.strip_prefix('_')).unwrap_or(name)
}

/// The service that a container belongs to.
pub fn service_parent(container: &Container) -> Option<Parent> {
    let placed = swarm::placed(container)?;
    let name = container.labels.get(NAME).map_or("", String::as_str);
    let name = short_name(name, container.labels.get(STACK));
    Some(parent(format!("{};<swarm_service>", placed.service), name, "swarm-services"))
}

/// How many tasks of a service or on a node run, and how many are meant to.
fn running(topology: &Topology, store: &Store, above: &Entity) -> (u64, u64) {
    let (mut running, mut wanted) = (0, 0);
    for below in topology.runs_of(above) {
        let Entity::Task(id) = below else { continue };
        match topology.task(store, id) {
            Some(task) if matches!(task.desired_state.as_str(), "running" | "complete") => {
                wanted += 1;
                running += u64::from(task.state == "running");
            }
            Some(_) => {}
            None => {
                let alive = topology.has_running_container(store, below);
                (running, wanted) = (running + u64::from(alive), wanted + u64::from(alive));
            }
        }
    }
    (running, wanted)
}

pub fn service_summary(store: &Store, topology: &Topology, id: &ServiceId) -> Summary {
    let entity = Entity::Service(id.clone());
    let record = topology.service(store, id);
    let inside = topology.containers_of(store, &entity);
    let label = |key: &str| {
        let known = record.and_then(|record| record.labels.get(key));
        known.or_else(|| inside.iter().find_map(|container| container.labels.get(key)))
    };
    let stack = label(STACK);
    let name = record.map(|record| &record.name).filter(|name| !name.is_empty()).or_else(|| label(NAME));
    let name = name.map_or(id.0.as_ref(), String::as_str);
    let (running, tasks) = running(topology, store, &entity);
    let wanted = match record.map(|record| record.mode) {
        Some(ServiceMode::Replicated(replicas)) => replicas,
        _ => tasks,
    };
    let is_job = record.is_some_and(|record| record.mode == ServiceMode::Job);
    let mut rows = vec![
        row("service_name", "Service name", short_name(name, stack), 0.0),
        row("stack_namespace", "Stack namespace", stack.map_or(NO_STACK, String::as_str), 1.0),
    ];
    rows.extend(record.map(|record| service_rows(store, record, running, wanted)).unwrap_or_default());
    rows.push(Row { truncate: 12, ..row("swarm_service_id", "ID", id.to_string(), 20.0) });
    let labels = record.map(|record| &record.labels).into_iter().flatten();
    let mut summary = Summary {
        label: short_name(name, stack).into(),
        label_minor: match record {
            Some(_) if !is_job => format!("{running} of {} running", plural(count(wanted), "task", "tasks")),
            _ => plural(inside.len(), "container", "containers"),
        },
        rank: stack.map_or(NO_STACK, String::as_str).into(),
        shape: "heptagon".into(),
        stack: true,
        kind: "service".into(),
        state: if !is_job && running < wanted { "degraded".into() } else { String::new() },
        count: u32::try_from(wanted).unwrap_or(u32::MAX),
        metadata: present(rows),
        networks: record.map(|record| networks(store, record)).unwrap_or_default(),
        ..Summary::default()
    };
    let labels: Vec<(&str, String)> = labels.map(|(key, value)| (key.as_str(), value.clone())).collect();
    summary.tables = vec![properties("swarm_service_label_", "Labels", labels)];
    summary
}

fn networks(store: &Store, record: &Service) -> Vec<Parent> {
    let known = |id: &NetworkId| {
        let mut hosts = store.hosts.values().filter_map(|host| host.report.networks.get(id));
        let network = hosts.next()?;
        Some(parent(NetworkKey::Shared(id.clone()).api_id(), &network.name, "networks"))
    };
    record.networks.iter().filter_map(known).collect()
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn service_rows(store: &Store, record: &Service, running: u64, wanted: u64) -> Vec<Row> {
    let network = |id: &shared::id::NetworkId| {
        let mut known = store.hosts.values().filter_map(|host| host.report.networks.get(id));
        known.next().map_or_else(|| id.to_string(), |network| network.name.clone())
    };
    let mode = match record.mode {
        ServiceMode::Replicated(_) => "replicated",
        ServiceMode::Global => "global",
        ServiceMode::Job => "job",
        ServiceMode::Unknown => "",
    };
    let virtual_addresses = record.virtual_addresses.iter().map(|(id, address)| format!("{address} ({})", network(id)));
    vec![
        row("swarm_service_mode", "Mode", mode, 2.0),
        row("swarm_service_tasks", "Tasks running", format!("{running} of {wanted}"), 3.0),
        row("swarm_service_image", "Image", record.image.split('@').next().unwrap_or_default(), 4.0),
        row("swarm_service_ports", "Ports", joined(record.ports.iter().map(port)), 5.0),
        row("swarm_service_networks", "Networks", joined(record.networks.iter().map(network)), 6.0),
        row("swarm_service_endpoint", "Endpoint mode", record.endpoint_mode.as_str(), 7.0),
        row("swarm_service_vips", "Virtual addresses", joined(virtual_addresses), 8.0),
        row("swarm_service_update", "Last update", record.update.as_str(), 9.0),
    ]
}

fn port(port: &ServicePort) -> String {
    let inner = format!("{}/{}", port.target, port.protocol.name());
    match port.published {
        Some(published) if port.on_host => format!("{published}->{inner} (on its hosts)"),
        Some(published) => format!("{published}->{inner}"),
        None => inner,
    }
}

pub fn task_summary(store: &Store, topology: &Topology, id: &TaskId) -> Summary {
    let entity = Entity::Task(id.clone());
    let record = topology.task(store, id);
    let container = topology.containers_of(store, &entity).into_iter().next();
    let placed = container.and_then(swarm::placed);
    let service_id = record.and_then(|r| r.service.clone()).or_else(|| placed.as_ref().map(|p| p.service.clone()));
    let service = service_id.as_ref().and_then(|id| topology.service(store, id));
    let labels = container.map(|container| &container.labels);
    let stack = service.and_then(|s| s.labels.get(STACK)).or_else(|| labels.and_then(|labels| labels.get(STACK)));
    let name = service.map(|s| s.name.as_str()).or_else(|| labels?.get(NAME).map(String::as_str)).unwrap_or_default();
    let node_id = record.and_then(|r| r.node.clone()).or_else(|| placed.and_then(|p| p.node));
    let node = node_id.as_ref().and_then(|id| topology.swarm_node(store, id));
    let node_name = node.map(|node| node.hostname.as_str()).unwrap_or_default();
    let place = match record.and_then(|record| record.slot) {
        Some(slot) => format!(".{slot}"),
        None if node_name.is_empty() => String::new(),
        None => format!(".{node_name}"),
    };
    let short = short_name(name, stack);
    let label = if short.is_empty() { id.0.chars().take(12).collect() } else { format!("{short}{place}") };
    let state = record.map(|record| record.state.as_str()).unwrap_or_default();
    let mut parents = Vec::new();
    if let Some(service_id) = &service_id {
        parents.push(parent(format!("{service_id};<swarm_service>"), short, "swarm-services"));
    }
    if let (Some(node_id), false) = (&node_id, node_name.is_empty()) {
        parents.push(parent(format!("{node_id};<swarm_node>"), node_name, "swarm-nodes"));
    }
    let mut rows = Vec::new();
    if let Some(record) = record {
        rows = vec![
            row("swarm_task_state", "State", state, 1.0),
            row("swarm_task_desired", "Desired state", record.desired_state.as_str(), 2.0),
            row("swarm_task_error", "Error", record.error.as_str(), 3.0),
            row("swarm_task_message", "Message", record.message.as_str(), 4.0),
            row("swarm_task_image", "Image", image_group(&record.image), 5.0),
        ];
        if record.since_ms > 0 {
            let since = typed(row("swarm_task_since", "In this state for", "", 6.0), "duration");
            rows.push(Row { since: Some(record.since_ms), ..since });
        }
    }
    rows.push(row("swarm_node_name", "Node", node_name, 7.0));
    rows.push(Row { truncate: 12, ..row("swarm_task_id", "ID", id.to_string(), 8.0) });
    Summary {
        label,
        label_minor: node_name.into(),
        rank: short.into(),
        shape: "heptagon".into(),
        kind: "task".into(),
        state: if matches!(state, "running" | "complete") { String::new() } else { state.into() },
        metadata: present(rows),
        parents,
        ..Summary::default()
    }
}

pub fn node_summary(store: &Store, topology: &Topology, id: &SwarmNodeId) -> Summary {
    let record = topology.swarm_node(store, id).cloned().unwrap_or_default();
    let host = topology.host_of(id).and_then(|host| store.hosts.get(&host));
    let (tasks, _) = running(topology, store, &Entity::SwarmNode(id.clone()));
    let name = match host {
        Some(host) if record.hostname.is_empty() => host.api_name.clone(),
        _ => record.hostname.clone(),
    };
    let manager = record.manager.as_ref();
    let role = match manager {
        Some(manager) if manager.is_leader => "manager, leader".to_owned(),
        Some(manager) if manager.reachability == "unreachable" => "manager, unreachable".to_owned(),
        _ => record.role.clone(),
    };
    let state = match () {
        () if manager.is_some_and(|manager| manager.reachability == "unreachable") => "unreachable",
        () if !matches!(record.state.as_str(), "ready" | "") => record.state.as_str(),
        () if record.availability == "drain" => "drained",
        () if record.availability == "pause" => "paused",
        () => "",
    };
    let rows = vec![
        row("swarm_node_role", "Role", role.as_str(), 1.0),
        row("swarm_node_state", "State", record.state.as_str(), 2.0),
        row("swarm_node_message", "Message", record.message.as_str(), 3.0),
        row("swarm_node_availability", "Availability", record.availability.as_str(), 4.0),
        row("swarm_node_address", "Address", joined(record.address), 5.0),
        row("swarm_node_engine", "Engine", record.engine_version.as_str(), 6.0),
        typed(row("swarm_node_tasks", "# Tasks running", tasks.to_string(), 7.0), "number"),
        // What only its managers know of it.
        row("swarm_node_probe", "Probe", if host.is_some() { "" } else { "none on this node" }, 8.0),
        Row { truncate: 12, ..row("swarm_node_id", "ID", id.to_string(), 9.0) },
    ];
    let labels: Vec<(&str, String)> = record.labels.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    Summary {
        label: if name.is_empty() { id.0.chars().take(12).collect() } else { name },
        label_minor: role.clone(),
        rank: record.role.clone(),
        shape: "circle".into(),
        kind: "node".into(),
        state: state.into(),
        metadata: present(rows),
        parents: host.map(host_parent).into_iter().collect(),
        tables: vec![properties("swarm_node_label_", "Labels", labels)],
        ..Summary::default()
    }
}
