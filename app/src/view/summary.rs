//! A node of a view in words: everything but its metrics and its neighbours.

mod daemons;
mod interfaces;
pub mod stores;
mod swarm;
pub mod weave;

use std::collections::BTreeSet;

use petgraph::stable_graph::NodeIndex;
use shared::id::HostId;
use shared::report::{Container, ContainerState, Health};
use shared::view::{Parent, Summary};

use super::Kind;
use super::place::{self, Place, api_id, image_group};
use super::wording::{
    container_rows, container_tables, host_rows, joined, networks, parent, plural, present, process_rows, properties,
    row,
};
use crate::diagnose::Severity;
use crate::store::{HostState, Liveness, Store};
use crate::topology::unprobed::Unprobed;
use crate::topology::{Entity, NetworkKey, Outside, Topology};

/// What Scope says of a service that was started by itself.
const NO_STACK: &str = "No stack";

/// None where what it stands for is gone.
pub fn render(
    kind: Kind,
    place: &Place,
    members: &BTreeSet<NodeIndex>,
    topology: &Topology,
    store: &Store,
) -> Option<Summary> {
    let id = api_id(kind, place, store)?;
    let mut summary = match place {
        Place::Single(Entity::Host(host)) => host_summary(store.hosts.get(host)?),
        Place::Single(Entity::Process(host, process)) => process_summary(*host, store.hosts.get(host)?, *process)?,
        Place::Single(Entity::Container(host, container)) => {
            let state = store.hosts.get(host)?;
            let record = state.report.containers.get(container)?;
            let mut summary = container_summary(*host, state, record);
            summary.metadata = container_rows(state, container);
            summary.tables = container_tables(state, container);
            summary
        }
        Place::Single(Entity::Network(key)) => network_summary(store, topology, key),
        Place::Single(Entity::Service(id)) => swarm::service_summary(store, topology, id),
        Place::Single(Entity::Task(id)) => swarm::task_summary(store, topology, id),
        Place::Single(Entity::SwarmNode(id)) => swarm::node_summary(store, topology, id),
        Place::Single(Entity::Interface(host, key)) => interfaces::interface_summary(store, *host, *key)?,
        Place::Single(Entity::StoreMember(kind, address)) => stores::member_summary(store, topology, *kind, address)?,
        Place::Single(Entity::Unprobed(one)) => unprobed_summary(store, topology, one),
        Place::Single(Entity::Daemon(host, daemon)) => daemons::daemon_summary(store, topology, *host, *daemon)?,
        Place::Single(Entity::WeavePeer(id)) => weave::peer_summary(store, topology, id)?,
        Place::Single(Entity::Outside(outside)) => outside_summary(outside),
        Place::Group(name) => group_summary(kind, name, members, topology, store),
        Place::Uncontained(host) => {
            pseudo_summary(store.hosts.get(host)?, ("Uncontained", "square", "process"), members.len())
        }
        Place::Unmanaged(host) => {
            pseudo_summary(store.hosts.get(host)?, ("Unmanaged", "hexagon", "container"), members.len())
        }
    };
    summary.id = id;
    if let Place::Single(entity) = place {
        summary.health = topology.health(entity).map(Severity::name).unwrap_or_default().into();
    }
    Some(summary)
}

/// What a thing is called, and the node that it is in the topology of its own kind; none where it is gone.
pub fn named(entity: &Entity, topology: &Topology, store: &Store) -> Option<Parent> {
    let kind = match entity {
        Entity::Host(_) => Kind::Hosts,
        Entity::Process(..) => Kind::Processes,
        Entity::Network(_) => Kind::Networks,
        Entity::Interface(..) => Kind::Interfaces,
        Entity::Service(_) => Kind::SwarmServices,
        Entity::Task(_) => Kind::SwarmTasks,
        Entity::SwarmNode(_) => Kind::SwarmNodes,
        Entity::WeavePeer(_) => Kind::Weave,
        Entity::Daemon(..) | Entity::StoreMember(..) => Kind::Daemons,
        Entity::Container(..) | Entity::Unprobed(_) | Entity::Outside(_) => Kind::Containers,
    };
    let place = Place::Single(entity.clone());
    let label = render(kind, &place, &BTreeSet::new(), topology, store)?.label;
    Some(Parent { id: api_id(kind, &place, store)?, label, topology_id: kind.id().into() })
}

/// What of a host stands in no group of the view.
fn pseudo_summary(host: &HostState, (label, shape, kind): (&str, &str, &str), count: usize) -> Summary {
    Summary {
        label: label.into(),
        label_minor: host.api_name.clone(),
        rank: format!("{}:{}", label.to_lowercase(), host.api_name),
        shape: shape.into(),
        stack: true,
        pseudo: true,
        kind: kind.into(),
        state: liveness(host).into(),
        count: u32::try_from(count).unwrap_or(u32::MAX),
        ..Summary::default()
    }
}

fn liveness(host: &HostState) -> &'static str {
    match host.liveness {
        Liveness::Live => "",
        Liveness::Stale => "stale",
        Liveness::Down => "down",
    }
}

fn host_summary(host: &HostState) -> Summary {
    let (label, minor) = host.api_name.split_once('.').unwrap_or((&host.api_name, ""));
    Summary {
        label: label.into(),
        label_minor: minor.into(),
        shape: "circle".into(),
        kind: "host".into(),
        state: liveness(host).into(),
        metadata: host_rows(host),
        ..Summary::default()
    }
}

fn host_parent(host: &HostState) -> Parent {
    parent(format!("{};<host>", host.api_name), &host.api_name, "hosts")
}

fn image_parent(container: &Container) -> Option<Parent> {
    let name = image_group(&container.image_name);
    (!name.is_empty()).then(|| parent(format!("{name};<container_image>"), name, "containers-by-image"))
}

fn process_summary(host_id: HostId, host: &HostState, id: shared::id::ProcessId) -> Option<Summary> {
    let process = host.report.processes.get(&id)?;
    let container = process.container.as_ref().and_then(|c| Some((c, host.report.containers.get(c)?)));
    let mut parents = Vec::new();
    let mut minor = format!("{} ({})", host.api_name, id.pid);
    let mut networks = Vec::new();
    if let Some((container_id, record)) = container {
        let label = container_label(record, &container_id.0);
        minor = format!("{} ({label}:{})", host.api_name, id.pid);
        parents.push(parent(format!("{container_id};<container>"), &label, "containers"));
        parents.extend(image_parent(record));
        networks = container_networks(host_id, host, record);
    }
    parents.push(host_parent(host));
    Some(Summary {
        label: process.name.clone(),
        label_minor: minor,
        rank: process.name.clone(),
        shape: "square".into(),
        kind: "process".into(),
        state: liveness(host).into(),
        metadata: process_rows(host, id),
        parents,
        networks,
        ..Summary::default()
    })
}

/// As Scope chooses it: what the platform calls it, else Docker's name, else its host name, else its id.
fn container_label(container: &Container, id: &str) -> String {
    let label = |key: &str| container.labels.get(key).filter(|v| !v.is_empty());
    label("com.amazonaws.ecs.container-name")
        .or_else(|| label("io.kubernetes.container.name"))
        .or_else(|| container.environment.get("MARATHON_APP_ID"))
        .or(Some(&container.name))
        .filter(|name| !name.is_empty())
        .or(Some(&container.hostname))
        .filter(|name| !name.is_empty())
        .cloned()
        .unwrap_or_else(|| id.chars().take(12).collect())
}

fn container_summary(host_id: HostId, host: &HostState, container: &Container) -> Summary {
    let state = match (container.state, container.health) {
        _ if host.liveness != Liveness::Live => liveness(host),
        (ContainerState::Paused, _) => "paused",
        (state, _) if !state.is_running() => "stopped",
        (ContainerState::Restarting, _) => "restarting",
        (_, Some(Health::Unhealthy)) => "unhealthy",
        _ => "",
    };
    let mut parents: Vec<Parent> = image_parent(container).into_iter().collect();
    parents.extend(swarm::service_parent(container));
    let stack = place::stack(&container.labels);
    parents.extend(stack.map(|name| parent(format!("{name};<stack>"), name, "containers-by-stack")));
    parents.push(host_parent(host));
    Summary {
        label: container_label(container, ""),
        label_minor: host.api_name.clone(),
        rank: image_group(&container.image_name).into(),
        shape: "hexagon".into(),
        kind: "container".into(),
        state: state.into(),
        parents,
        networks: container_networks(host_id, host, container),
        ..Summary::default()
    }
}

/// What other hosts' engines have heard of it.
fn unprobed_summary(store: &Store, topology: &Topology, one: &Unprobed) -> Summary {
    let mut networks = Vec::new();
    let mut addresses = Vec::new();
    for (network, address) in topology.unprobed_in(one) {
        let key = NetworkKey::Shared(network.clone());
        let record = topology.network_holders(&key).find_map(|id| store.hosts.get(&id)?.report.networks.get(network));
        let name = record.map_or_else(|| network.to_string(), |record| record.name.clone());
        networks.push(parent(key.api_id(), &name, "networks"));
        addresses.push(address);
    }
    let listed = topology.elsewhere(store, one);
    let container = listed.map(|listed| &listed.container);
    let place = listed.map_or_else(|| one.vtep.to_string(), |listed| listed.node.clone());
    let ports = container.into_iter().flat_map(|container| &container.ports);
    let ports = ports.filter_map(|port| {
        let (address, published) = port.published?;
        let published = std::net::SocketAddr::new(address, published);
        Some(format!("{published}->{}/{}", port.container_port, port.protocol.name()))
    });
    let more = container.map(|container| {
        vec![
            row("docker_image_name", "Image name", image_group(&container.image_name), 2.0),
            row("docker_container_command", "Command", container.command.as_str(), 3.0),
            row("docker_container_state", "State", container.state.name(), 4.0),
            row("docker_container_ports", "Ports", joined(ports), 8.5),
        ]
    });
    let of_engine = container.into_iter().flat_map(|container| container.endpoints.values());
    addresses.extend(of_engine.flat_map(|endpoint| endpoint.addresses.iter().copied()));
    addresses.sort_unstable();
    addresses.dedup();
    Summary {
        label: one.name.to_string(),
        label_minor: place.clone(),
        shape: "hexagon".into(),
        kind: "container".into(),
        state: if container.is_some_and(|c| !c.state.is_running()) { "stopped".into() } else { "unprobed".into() },
        parents: container.and_then(image_parent).into_iter().collect(),
        metadata: present(
            more.into_iter()
                .flatten()
                .chain([
                    row(
                        "docker_container_networks",
                        "Networks",
                        joined(networks.iter().map(|n| n.label.as_str())),
                        7.0,
                    ),
                    row("docker_container_ips", "IPs", joined(addresses), 8.0),
                    row("container_probe", "Probe", format!("none on its host, {place}"), 9.0),
                ])
                .collect(),
        ),
        networks,
        ..Summary::default()
    }
}

fn container_networks(id: HostId, host: &HostState, container: &Container) -> Vec<Parent> {
    let mut networks = Vec::new();
    for endpoint in container.endpoints.values() {
        let known = endpoint.network.as_ref().and_then(|n| Some((n, host.report.networks.get(n)?)));
        if let Some((network, record)) = known {
            networks.push(parent(NetworkKey::new(id, network, record.scope).api_id(), &record.name, "networks"));
        }
    }
    networks
}

fn network_summary(store: &Store, topology: &Topology, key: &NetworkKey) -> Summary {
    let holders: Vec<HostId> = topology.network_holders(key).collect();
    let record = holders.iter().find_map(|h| store.hosts.get(h)?.report.networks.get(key.id()));
    let mut hosts: Vec<&HostState> = holders.iter().filter_map(|h| store.hosts.get(h)).collect();
    hosts.sort_by(|a, b| a.api_name.cmp(&b.api_name));
    let labels: Vec<(String, String)> =
        record.map(|r| r.labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect()).unwrap_or_default();
    Summary {
        label: record.map(|r| r.name.clone()).filter(|n| !n.is_empty()).unwrap_or_else(|| key.id().to_string()),
        label_minor: match (key, holders.len()) {
            (NetworkKey::Local(host, _), _) => {
                let host = store.hosts.get(host).map(|h| h.api_name.clone()).unwrap_or_default();
                format!("{} on {host}", record.map(|r| r.driver.as_str()).unwrap_or_default())
            }
            (NetworkKey::Shared(_), count) => {
                let driver = record.map(|r| r.driver.as_str()).unwrap_or_default();
                format!("{driver} on {}", plural(count, "host", "hosts"))
            }
        },
        rank: record.map(|r| r.driver.clone()).unwrap_or_default(),
        shape: "cylinder".into(),
        kind: "network".into(),
        metadata: networks::rows(store, key, &holders),
        parents: hosts.into_iter().map(host_parent).collect(),
        tables: vec![properties(
            "network_labels_",
            "Labels",
            labels.iter().map(|(key, value)| (key.as_str(), value.clone())),
        )],
        ..Summary::default()
    }
}

fn outside_summary(outside: &Outside) -> Summary {
    let (label, minor, rank) = match outside {
        Outside::Inbound => ("The Internet", "Inbound connections", "in-theinternet"),
        Outside::Outbound => ("The Internet", "Outbound connections", "out-theinternet"),
        Outside::Named(name) => (&**name, "The Internet", &**name),
    };
    Summary {
        label: label.into(),
        label_minor: minor.into(),
        rank: rank.into(),
        shape: "cloud".into(),
        pseudo: true,
        kind: "outside".into(),
        ..Summary::default()
    }
}

fn group_summary(kind: Kind, name: &str, members: &BTreeSet<NodeIndex>, topology: &Topology, store: &Store) -> Summary {
    let count = members.len();
    let (one, many, shape, thing) = match kind {
        Kind::ProcessesByName => ("process", "processes", "square", "process"),
        Kind::ContainersByImage => ("container", "containers", "hexagon", "image"),
        Kind::ContainersByStack => ("container", "containers", "heptagon", "stack"),
        _ => ("container", "containers", "hexagon", "container"),
    };
    let mut summary = Summary {
        label: if name.is_empty() { NO_STACK.into() } else { name.into() },
        label_minor: plural(count, one, many),
        rank: name.into(),
        shape: shape.into(),
        stack: true,
        kind: thing.into(),
        count: u32::try_from(count).unwrap_or(u32::MAX),
        ..Summary::default()
    };
    let hosts: BTreeSet<HostId> = members
        .iter()
        .filter_map(|node| match topology.graph.node_weight(*node)? {
            Entity::Process(host, _) | Entity::Container(host, _) | Entity::Host(host) => Some(*host),
            _ => None,
        })
        .collect();
    let mut hosts: Vec<&HostState> = hosts.iter().filter_map(|h| store.hosts.get(h)).collect();
    hosts.sort_by(|a, b| a.api_name.cmp(&b.api_name));
    if hosts.iter().all(|host| host.liveness != Liveness::Live) && !hosts.is_empty() {
        summary.state = hosts.iter().map(|h| liveness(h)).max().unwrap_or_default().into();
    }
    if kind == Kind::ContainersByStack {
        summary.pseudo = name.is_empty();
        summary.metadata = vec![
            containers_row(count),
            row("docker_container_networks", "Networks", joined(network_names(members, topology, store)), 3.0),
        ];
        summary.parents = hosts.iter().copied().map(host_parent).collect();
    }
    if kind == Kind::ContainersByImage {
        summary.metadata = vec![containers_row(count)];
        summary.parents = hosts.into_iter().map(host_parent).collect();
        let labels = image_labels(members, topology, store);
        let labels = labels.iter().map(|(k, v)| (k.as_str(), v.clone()));
        summary.tables = vec![properties("docker_image_label_", "Docker labels", labels)];
    }
    summary
}

fn network_names<'a>(members: &BTreeSet<NodeIndex>, topology: &Topology, store: &'a Store) -> BTreeSet<&'a str> {
    let containers = members.iter().filter_map(|node| match topology.graph.node_weight(*node)? {
        Entity::Container(host, id) => store.hosts.get(host)?.report.containers.get(id),
        _ => None,
    });
    containers.flat_map(|container| container.endpoints.keys()).map(String::as_str).collect()
}

fn image_labels(members: &BTreeSet<NodeIndex>, topology: &Topology, store: &Store) -> Vec<(String, String)> {
    let labels = members.iter().find_map(|node| match topology.graph.node_weight(*node)? {
        Entity::Container(host, id) => {
            let report = &store.hosts.get(host)?.report;
            let image = report.containers.get(id)?.image.as_ref()?;
            Some(report.images.get(image)?.labels.clone())
        }
        _ => None,
    });
    labels.unwrap_or_default().into_iter().collect()
}

/// The number of containers, as a row.
pub fn containers_row(count: usize) -> shared::view::Row {
    let row = row("container", "# Containers", count.to_string(), 2.0);
    shared::view::Row { data_type: "number".into(), ..row }
}
