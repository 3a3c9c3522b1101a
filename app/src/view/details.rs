//! Everything about one node of a view: its rows with their last minute, what is in it, and who it talks to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use petgraph::Direction;
use petgraph::stable_graph::NodeIndex;
use petgraph::visit::EdgeRef;
use shared::addr::Protocol;
use shared::view::{Children, Column, ConnectionRow, Connections, Details, Metric, Row, Summary, Table};

use super::Kind;
use super::live::View;
use super::place::{Place, image_group};
use super::{measure, summary, wording};
use crate::clock::Now;
use crate::diagnose::Diagnosis;
use crate::store::Store;
use crate::topology::{Edge, Entity, Medium, Outside, Topology, interfaces};

/// None where the view has no such node.
pub fn details(
    view: &View,
    id: &str,
    topology: &Topology,
    store: &mut Store,
    diagnosis: &Diagnosis,
    now: Now,
) -> Option<Details> {
    let slot = view.find(id)?;
    let (place, members) = view.place_at(slot)?;
    if let Place::Single(Entity::Process(host, process)) = place
        && let Some(host) = store.hosts.get_mut(host)
    {
        host.series.watch(*process, now.steady_ms);
    }
    let store = &*store;
    let mut summary = summary::render(view.variant.kind, place, members, topology, store)?;
    summary.metrics = measure::sampled(place, store, now);
    summary.tables.extend(tables(place, topology, store));
    if let Place::Single(Entity::Container(host, id)) = place
        && let Some(host) = store.hosts.get(host)
    {
        summary.metadata.extend(wording::networks::container_rows(host, id));
    }
    summary.adjacency = view.neighbours(slot);
    tell_time(&mut summary, now.wall_ms);
    let mut children = children(view.variant.kind, place, members, topology, store);
    for node in children.iter_mut().flat_map(|group| &mut group.nodes) {
        tell_time(node, now.wall_ms);
    }
    Some(Details {
        summary,
        controls: Vec::new(),
        children,
        connections: connections(view, slot, (place, members), topology),
        findings: match place {
            Place::Single(entity) => diagnosis.of(entity, now),
            Place::Group(_) | Place::Uncontained(_) | Place::Unmanaged(_) => Vec::new(),
        },
    })
}

/// What lists have no room for.
fn tables(place: &Place, topology: &Topology, store: &Store) -> Vec<Table> {
    let mut tables = Vec::new();
    match place {
        Place::Single(Entity::Container(host, id)) => {
            let Some(host) = store.hosts.get(host) else { return tables };
            tables.extend(wording::container_networks(host, id));
            let container = host.report.containers.get(id).filter(|container| !container.host_network);
            let namespace = container.and_then(|container| container.namespace);
            tables.extend(namespace.into_iter().flat_map(|id| wording::links::tables(host, id)));
        }
        Place::Single(Entity::Host(host)) => {
            let Some(host) = store.hosts.get(host) else { return tables };
            let own = host.report.namespaces.iter().find(|(_, namespace)| namespace.is_host);
            tables.extend(own.into_iter().flat_map(|(id, _)| wording::links::tables(host, *id)));
        }
        Place::Single(Entity::Network(key)) => {
            let holders: Vec<_> = topology.network_holders(key).collect();
            tables.extend(wording::networks::tables(store, key, &holders));
        }
        Place::Single(Entity::Interface(host, key)) => {
            tables.extend(store.hosts.get(host).into_iter().flat_map(|host| wording::links::tables_of(host, *key)));
        }
        Place::Single(Entity::StoreMember(kind, address)) => {
            tables.extend(summary::stores::more_tables(store, topology, *kind, address));
        }
        Place::Single(Entity::WeavePeer(id)) => {
            let router = topology.weave_router(store, id);
            tables.extend(router.into_iter().flat_map(|(_, router)| summary::weave::more_tables(router)));
        }
        _ => {}
    }
    tables
}

fn tell_time(summary: &mut Summary, now_ms: u64) {
    for row in &mut summary.metadata {
        row.value = row.value_at(now_ms).into_owned();
    }
}

fn column(id: &str, label: &str, data_type: &str) -> Column {
    Column { id: id.into(), label: label.into(), data_type: data_type.into(), default_sort: false }
}

/// What is inside: everything that the graph says is run by, or attached to, what the node is made of.
fn children(
    kind: Kind,
    place: &Place,
    members: &BTreeSet<NodeIndex>,
    topology: &Topology,
    store: &Store,
) -> Vec<Children> {
    let mut inside: BTreeSet<Entity> = BTreeSet::new();
    let is_group = !matches!(place, Place::Single(_));
    for node in members {
        let Some(entity) = topology.graph.node_weight(*node) else { continue };
        if is_group {
            inside.insert(entity.clone());
        }
        collect(*node, entity, topology, &mut inside);
    }
    inside.extend(interfaces(place, store));
    let mut containers = Vec::new();
    let mut processes = Vec::new();
    let mut tasks = Vec::new();
    let mut daemons = Vec::new();
    let mut interfaces = Vec::new();
    let mut images: BTreeMap<String, BTreeSet<NodeIndex>> = BTreeMap::new();
    for entity in &inside {
        let one = |kind| {
            let place = Place::Single(entity.clone());
            let summary = summary::render(kind, &place, &BTreeSet::new(), topology, store)?;
            let metrics = measure::measure(&place, store).iter().map(Metric::from).collect();
            Some(Summary { metrics, tables: Vec::new(), ..summary })
        };
        match entity {
            Entity::Container(host, id) => {
                containers.extend(one(Kind::Containers));
                let record = store.hosts.get(host).and_then(|h| h.report.containers.get(id));
                if let (Entity::Host(_), Some(record)) = (outermost(place), record)
                    && let Some(node) = topology.node(entity)
                {
                    let name = image_group(&record.image_name);
                    if !name.is_empty() {
                        images.entry(name.to_owned()).or_default().insert(node);
                    }
                }
            }
            Entity::Process(..) => processes.extend(one(Kind::Processes)),
            Entity::Task(_) => tasks.extend(one(Kind::SwarmTasks)),
            Entity::Daemon(..) => daemons.extend(one(Kind::Daemons)),
            Entity::Unprobed(_) => containers.extend(one(Kind::Containers)),
            Entity::Interface(..) => interfaces.extend(one(Kind::Interfaces)),
            Entity::Host(_)
            | Entity::Network(_)
            | Entity::Service(_)
            | Entity::SwarmNode(_)
            | Entity::WeavePeer(_)
            | Entity::StoreMember(..)
            | Entity::Outside(_) => {}
        }
    }
    let images: Vec<Summary> = images
        .into_iter()
        .filter_map(|(name, members)| {
            let place = Place::Group(name);
            let summary = summary::render(Kind::ContainersByImage, &place, &members, topology, store)?;
            Some(Summary { tables: Vec::new(), ..summary })
        })
        .collect();
    let cpu_memory = |cpu, memory| vec![column(cpu, "CPU", "number"), column(memory, "Memory", "number")];
    let mut process_columns = vec![column("pid", "PID", "number")];
    process_columns.extend(cpu_memory("process_cpu_usage_percent", "process_memory_usage_bytes"));
    let group = |topology_id: &str, label: &str, nodes, columns| Children {
        id: String::new(),
        label: label.into(),
        topology_id: topology_id.into(),
        nodes,
        columns,
    };
    let mut groups = vec![
        group("swarm-tasks", "Tasks", tasks, vec![column("swarm_task_state", "State", "")]),
        group("containers", "Containers", containers, cpu_memory("docker_cpu_total_usage", "docker_memory_usage")),
        group("processes", "Processes", processes, process_columns),
        group("containers-by-image", "Container images", images, Vec::new()),
        group("interfaces", "Interfaces", interfaces, vec![column("interface_state", "State", "")]),
        group("daemons", "Daemons", daemons, vec![column("daemon_state", "Health", "")]),
    ];
    groups.retain(|group| !group.nodes.is_empty());
    if kind.is_of_processes() && !is_group {
        groups.clear();
    }
    groups
}

/// Those that its own namespace has: a host runs all that are on it, which are too many to list.
fn interfaces(place: &Place, store: &Store) -> Vec<Entity> {
    let (id, namespace) = match place {
        Place::Single(Entity::Host(host)) => (host, store.hosts.get(host).and_then(interfaces::host_namespace)),
        Place::Single(Entity::Container(host, container)) => {
            let record = store.hosts.get(host).and_then(|host| host.report.containers.get(container));
            (host, record.filter(|record| !record.host_network).and_then(|record| record.namespace))
        }
        _ => return Vec::new(),
    };
    let (Some(host), Some(namespace)) = (store.hosts.get(id), namespace) else { return Vec::new() };
    let links = interfaces::of_namespace(host, namespace).filter(|(_, link)| interfaces::is_shown(link));
    links.map(|(key, _)| Entity::Interface(*id, *key)).collect()
}

fn outermost(place: &Place) -> Entity {
    match place {
        Place::Single(entity) => entity.clone(),
        Place::Group(_) | Place::Uncontained(_) | Place::Unmanaged(_) => Entity::Outside(Outside::Inbound),
    }
}

fn collect(node: NodeIndex, entity: &Entity, topology: &Topology, inside: &mut BTreeSet<Entity>) {
    let direction = match entity {
        Entity::Network(_) => Direction::Incoming,
        _ => Direction::Outgoing,
    };
    for edge in topology.graph.edges_directed(node, direction) {
        let belongs = match edge.weight() {
            Edge::Runs => direction == Direction::Outgoing,
            Edge::AttachedTo => direction == Direction::Incoming,
            Edge::Connects(_) => false,
        };
        let other = if direction == Direction::Outgoing { edge.target() } else { edge.source() };
        if belongs
            && !matches!(topology.graph.node_weight(other), Some(Entity::Interface(..)))
            && let Some(child) = topology.graph.node_weight(other)
            && inside.insert(child.clone())
            && !matches!(entity, Entity::Network(_))
        {
            collect(other, child, topology, inside);
        }
    }
}

/// Whose conversations a node of the view has.
fn ends_at<'a>(place: &Place, members: &BTreeSet<NodeIndex>, topology: &'a Topology) -> Vec<&'a Entity> {
    let mut ends: Vec<NodeIndex> = members.iter().flat_map(|member| topology.running_on(*member)).collect();
    if let Place::Uncontained(host) = place {
        ends.extend(topology.node(&Entity::Host(*host)));
    }
    ends.into_iter().filter_map(|end| topology.graph.node_weight(end)).collect()
}

/// The far ends of a node's conversations by port, with how many go there.
fn connections(
    view: &View,
    slot: u32,
    (place, members): (&Place, &BTreeSet<NodeIndex>),
    topology: &Topology,
) -> Vec<Connections> {
    type Far = (u32, (Medium, u16), Option<IpAddr>);
    // A port is one row, whatever transport goes there.
    let to = |(medium, port)| match medium {
        Medium::Transport(_) => (Medium::Transport(Protocol::Tcp), port),
        medium => (medium, port),
    };
    if !view.is_shown(slot) {
        return Vec::new();
    }
    let is_outside = matches!(place, Place::Single(Entity::Outside(_)));
    let (mut incoming, mut outgoing): (BTreeMap<Far, u32>, BTreeMap<Far, u32>) = Default::default();
    for (source, target, port, count) in view.edges_at(slot) {
        let port = to(port);
        // By address, below.
        if view.is_outside(source) || view.is_outside(target) {
            continue;
        }
        if source == slot {
            *outgoing.entry((target, port, None)).or_default() += count;
        }
        if target == slot {
            *incoming.entry((source, port, None)).or_default() += count;
        }
    }
    let ends: Vec<&Entity> = match is_outside {
        true => topology.join.ends_inside().collect(),
        false => ends_at(place, members, topology),
    };
    for end in ends {
        let Some(here) = view.slot_of(end, topology).filter(|here| is_outside || *here == slot) else { continue };
        if !view.is_shown(here) {
            continue;
        }
        for link in topology.join.links_outside(end) {
            let is_outgoing = link.key.source == *end;
            let beyond = if is_outgoing { &link.key.target } else { &link.key.source };
            let Some(beyond) = view.slot_of(beyond, topology).filter(|beyond| view.is_shown(*beyond)) else { continue };
            let (source, target) = if is_outgoing { (here, beyond) } else { (beyond, here) };
            if source == slot {
                *outgoing.entry((target, to((link.key.medium, link.key.port)), link.outside)).or_default() += 1;
            }
            if target == slot {
                *incoming.entry((source, to((link.key.medium, link.key.port)), link.outside)).or_default() += 1;
            }
        }
    }
    let side = |id: &str, label: &str, far: BTreeMap<Far, u32>| {
        let mut columns = vec![column("port", "Port", "number"), column("count", "Count", "number")];
        columns[1].default_sort = true;
        if is_outside {
            columns.insert(0, column("remote", "Remote", "ip"));
        }
        let rows = far.into_iter().filter_map(|((node, (medium, port), outside), count)| {
            let (port, data_type) = match medium {
                Medium::Transport(_) | Medium::Vxlan | Medium::Sleeve | Medium::Translated => {
                    (port.to_string(), "number")
                }
                Medium::Veth | Medium::Port | Medium::Stacked | Medium::Route => (medium.name().to_owned(), ""),
            };
            let far = view.name_at(node)?;
            let typed = |id: &str, label: &str, value: String| Row {
                id: id.into(),
                label: label.into(),
                value,
                data_type: "number".into(),
                ..Row::default()
            };
            let mut metadata = vec![
                wording::typed(typed("port", "Port", port.clone()), data_type),
                typed("count", "Count", count.to_string()),
            ];
            if let (true, Some(remote)) = (is_outside, outside) {
                let row = typed("remote", "Remote", remote.to_string());
                metadata.insert(0, Row { data_type: "ip".into(), ..row });
            }
            let (label, label_minor) = match outside {
                Some(remote) if !is_outside => match view.name_outside(node) {
                    Some(name) => (name.to_owned(), remote.to_string()),
                    None => (remote.to_string(), far.label_minor.to_string()),
                },
                _ => (far.label.to_string(), far.label_minor.to_string()),
            };
            let remote = outside.map(|ip| format!("-{ip}")).unwrap_or_default();
            let id = format!("{}-{}-{port}{remote}", id, far.id.plain);
            Some(ConnectionRow { id, node_id: far.id.plain.to_string(), label, label_minor, metadata })
        });
        let mut connections: Vec<ConnectionRow> = rows.collect();
        connections.sort_by(|a, b| (&a.label, &a.id).cmp(&(&b.label, &b.id)));
        Connections {
            id: id.into(),
            topology_id: view.variant.kind.id().into(),
            label: label.into(),
            columns,
            connections,
        }
    };
    vec![side("incoming-connections", "Inbound", incoming), side("outgoing-connections", "Outbound", outgoing)]
}
