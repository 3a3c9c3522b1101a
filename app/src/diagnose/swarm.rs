//! Swarms as their managers know them: nodes that are gone, managers that do not hear each other, services that are
//! short of what they are to have.

use std::collections::BTreeMap;
use std::net::IpAddr;

use shared::id::{HostId, ServiceId, SwarmNodeId};
use shared::report::{Collector, CollectorState, ServiceMode, SwarmNode, Task, Trouble};

use super::{A_MOMENT_MS, Suspicion, engine};
use crate::store::{HostState, Liveness, Store};
use crate::topology::daemons::Daemon;
use crate::topology::{Entity, Topology};

/// A task that is on its way has so long to get there without an error, milliseconds.
const SHORT_FOR_MS: u64 = 8_000;
/// With an error it is not on its way.
const FAILED_FOR_MS: u64 = 3_000;

/// Who was at an address and is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    pub name: String,
    /// Who says so, and how.
    pub source: String,
    pub says: String,
    /// The finding that tells of it.
    pub finding: String,
}

pub type Dead = BTreeMap<IpAddr, Gone>;

/// A node with its manager's word on it.
struct Listed<'a> {
    id: &'a SwarmNodeId,
    node: &'a SwarmNode,
    /// The manager's host.
    manager: &'a str,
}

fn nodes<'a>(store: &'a Store, topology: &'a Topology) -> Vec<Listed<'a>> {
    let entities = topology.swarm_entities().filter_map(|entity| match entity {
        Entity::SwarmNode(id) => Some(id),
        _ => None,
    });
    let mut nodes: Vec<Listed<'a>> = entities
        .filter_map(|id| {
            let (host, node) = topology.swarm_node_by(store, id)?;
            Some(Listed { id, node, manager: &host.api_name })
        })
        .collect();
    nodes.sort_by_key(|listed| listed.id);
    nodes
}

fn is_gone(node: &SwarmNode) -> bool {
    matches!(node.state.as_str(), "down" | "disconnected")
}

/// Nodes that are gone and were not replaced: who leaves a swarm and joins again is listed twice.
fn gone<'a>(all: &'a [Listed<'a>]) -> impl Iterator<Item = &'a Listed<'a>> {
    all.iter().filter(|listed| is_gone(listed.node)).filter(|listed| {
        let same =
            |other: &Listed| other.node.hostname == listed.node.hostname && other.node.address == listed.node.address;
        !all.iter().any(|other| other.id != listed.id && same(other) && !is_gone(other.node))
    })
}

fn node_finding(id: &SwarmNodeId) -> String {
    format!("swarm-node-down:{}", id.0)
}

/// Addresses at which there was a node.
pub fn dead(store: &Store, topology: &Topology) -> Dead {
    let all = nodes(store, topology);
    let found = gone(&all).filter_map(|Listed { id, node, manager }| {
        let says = format!("{} is {}", node.hostname, node.state);
        let source = format!("Swarm on {manager}");
        Some((node.address?, Gone { name: node.hostname.clone(), source, says, finding: node_finding(id) }))
    });
    found.collect()
}

pub fn audit(store: &Store, topology: &Topology) -> Vec<Suspicion> {
    let all = nodes(store, topology);
    let mut found: Vec<Suspicion> = gone(&all).map(|listed| node_down(listed, store, topology)).collect();
    found.extend(all.iter().filter_map(|listed| unreachable(listed, topology)));
    found.extend(leaderless(store, topology));
    let because: Vec<String> = gone(&all).map(|listed| node_finding(listed.id)).collect();
    let services = topology.swarm_entities().filter_map(|entity| match entity {
        Entity::Service(id) => Some(id),
        _ => None,
    });
    found.extend(services.filter_map(|id| short(id, store, topology, &because)));
    found
}

/// The host with a probe that is or was that node.
fn host<'a>(
    node: &SwarmNode,
    id: &SwarmNodeId,
    store: &'a Store,
    topology: &Topology,
) -> Option<(HostId, &'a HostState)> {
    let by_address = || {
        let address = node.address?;
        let has = |host: &HostState| host.report.host.local_networks.iter().any(|network| network.address == address);
        store.hosts.iter().find(|(_, host)| has(host)).map(|(id, _)| *id)
    };
    let id = topology.host_of(id).or_else(by_address)?;
    store.hosts.get(&id).map(|host| (id, host))
}

fn node_down(listed: &Listed, store: &Store, topology: &Topology) -> Suspicion {
    let Listed { id, node, manager } = listed;
    let name = &node.hostname;
    let here = host(node, id, store, topology);
    let left = here.is_some_and(|(_, host)| {
        let engine = host.report.host.engine.as_ref();
        super::engine_answers(host) && engine.is_some_and(|engine| engine.swarm.as_ref().is_none_or(|m| m.node != **id))
    });
    let summary = match left {
        true => format!("{name} has left the swarm"),
        false => format!("{name} is {} in the swarm", node.state),
    };
    let mut says = format!("{name} is {}", node.state);
    if !node.message.is_empty() {
        says = format!("{says}: {}", node.message);
    }
    let kind = if left { "swarm-node-left" } else { "swarm-node-down" };
    let mut suspicion = Suspicion::new(node_finding(id), kind, Entity::SwarmNode((*id).clone()), summary)
        .after(A_MOMENT_MS)
        .says(format!("Swarm on {manager}"), says);
    if let Some((host_id, host)) = here {
        let own = match (left, host.liveness) {
            (_, Liveness::Stale | Liveness::Down) => "its probe is silent".to_owned(),
            (true, _) => "it is in no swarm, or in another".to_owned(),
            (false, _) => match host.report.collectors.get(&Collector::Docker) {
                Some(status) => status.message.clone(),
                None => "nothing yet".into(),
            },
        };
        suspicion =
            suspicion.on(host_id).says(format!("probe on {}", host.api_name), own).because([engine::id(host_id)]);
    }
    suspicion.advise(match left {
        true => "If that was meant, remove it from the list with docker node rm; else let it join again.",
        false => "See that the host is up and its engine runs, and that 2377/tcp and 7946/tcp+udp reach its managers.",
    })
}

fn unreachable(listed: &Listed, topology: &Topology) -> Option<Suspicion> {
    let Listed { id, node, manager } = listed;
    let status = node.manager.as_ref().filter(|status| status.reachability == "unreachable")?;
    let id_text = format!("swarm-manager-unreachable:{}", id.0);
    let summary = format!("The managers do not reach {}", node.hostname);
    let entity = Entity::SwarmNode((*id).clone());
    let suspicion = Suspicion::new(id_text, "swarm-manager-unreachable", entity, summary).after(A_MOMENT_MS);
    let suspicion = match topology.host_of(id) {
        Some(host) => suspicion.on(host).because([engine::id(host)]),
        None => suspicion,
    };
    Some(
        suspicion
            .because([node_finding(id)])
            .says(format!("Swarm on {manager}"), format!("{} at {} is unreachable", node.hostname, status.address))
            .advise("A swarm works as long as most of its managers reach each other on 2377/tcp. Bring this one back or demote it."),
    )
}

/// A manager that cannot tell of its swarm has no leader to ask.
fn leaderless(store: &Store, topology: &Topology) -> Vec<Suspicion> {
    let managers = store.hosts.iter().filter(|(_, host)| host.liveness == Liveness::Live).filter_map(|(id, host)| {
        let status = host.report.collectors.get(&Collector::Docker)?;
        let member = host.report.host.engine.as_ref()?.swarm.as_ref().filter(|member| member.is_manager)?;
        let silent = status.state == CollectorState::Degraded && status.trouble == Trouble::Confused;
        silent.then_some((*id, host, member, status))
    });
    managers
        .map(|(id, host, member, status)| {
            let entity = Entity::Daemon(id, Daemon::Swarm);
            let others = member.managers.keys().filter_map(|node| topology.host_of(node)).filter(|other| *other != id);
            let summary = format!("{} manages a swarm that has no leader", host.api_name);
            Suspicion::new(format!("swarm-no-leader:{id}"), "swarm-no-leader", entity, summary)
                .on(id)
                .after(A_MOMENT_MS)
                .because(others.map(engine::id))
                .says(format!("Docker on {}", host.api_name), status.message.clone())
                .says(format!("Docker on {}", host.api_name), format!("{} managers are to be there", member.managers.len()))
                .advise("Most of the managers must be up. If they are lost for good: docker swarm init --force-new-cluster.")
        })
        .collect()
}

fn short(id: &ServiceId, store: &Store, topology: &Topology, because: &[String]) -> Option<Suspicion> {
    let entity = Entity::Service(id.clone());
    let service = topology.service(store, id)?;
    let tasks: Vec<&Task> = topology
        .runs_of(&entity)
        .into_iter()
        .filter_map(|below| match below {
            Entity::Task(task) => topology.task(store, task),
            _ => None,
        })
        .collect();
    let is_wanted = |task: &&Task| matches!(task.desired_state.as_str(), "running" | "ready");
    let wanted = match service.mode {
        ServiceMode::Replicated(replicas) => usize::try_from(replicas).unwrap_or(usize::MAX),
        ServiceMode::Global => tasks.iter().copied().filter(is_wanted).count(),
        ServiceMode::Job | ServiceMode::Unknown => return None,
    };
    // A task on a node that is gone is still said to run.
    let on_gone =
        |task: &Task| task.node.as_ref().and_then(|node| topology.swarm_node(store, node)).is_some_and(is_gone);
    let running = tasks.iter().filter(|task| is_wanted(task) && task.state == "running" && !on_gone(task)).count();
    if running >= wanted {
        return None;
    }
    let mut errors: Vec<String> = Vec::new();
    for task in tasks.iter().filter(|task| !task.error.is_empty()) {
        if !errors.contains(&task.error) {
            errors.push(task.error.clone());
        }
    }
    let summary = match errors.first() {
        Some(error) => format!("{} runs {running} of {wanted}: {error}", service.name),
        None => format!("{} runs {running} of {wanted}", service.name),
    };
    let states = tasks.iter().filter(|task| is_wanted(task) || !task.error.is_empty()).take(5).map(|task| {
        let node = task.node.as_ref().and_then(|node| topology.swarm_node(store, node));
        let node = node.map(|node| format!(" on {}", node.hostname)).unwrap_or_default();
        let error = if task.error.is_empty() { String::new() } else { format!(": {}", task.error) };
        format!("task {}{node} is {}{error}", task.slot.unwrap_or_default(), task.state)
    });
    let says =
        std::iter::once(format!("{wanted} are wanted, {running} run")).chain(states).collect::<Vec<_>>().join("\n");
    // What exits by itself does so whoever else is gone.
    let by_itself = tasks.iter().any(|task| matches!(task.state.as_str(), "failed" | "rejected") && !on_gone(task));
    let because = if by_itself { &[] } else { because };
    let suspicion = Suspicion::new(format!("service-short:{}", id.0), "service-short-of-replicas", entity, summary);
    Some(
        suspicion
            .after(if errors.is_empty() { SHORT_FOR_MS } else { FAILED_FOR_MS })
            .because(because.iter().cloned())
            .says("Swarm", says)
            .advise("docker service ps --no-trunc tells each task's story; docker service logs what it wrote."),
    )
}
