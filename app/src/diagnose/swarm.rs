//! Swarms as their managers know them: nodes that are gone, managers that do not hear each other, services that are
//! short of what they are to have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use shared::id::{HostId, ServiceId, SwarmNodeId};
use shared::report::{Collector, CollectorState, ServiceMode, SwarmNode, Task, Trouble};

use super::{A_MOMENT_MS, Counts, SETTLE_MS, Suspicion, engine, engine_answers};
use crate::store::{HostState, Liveness, Store};
use crate::topology::daemons::Daemon;
use crate::topology::{Entity, Topology};
use crate::view::wording;

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
    /// Its own engine answers that it is in no swarm, or in another. Managers wait for heartbeats before they say so.
    has_left: bool,
}

impl Listed<'_> {
    fn is_gone(&self) -> bool {
        self.has_left || is_down(self.node)
    }
}

fn nodes<'a>(store: &'a Store, topology: &'a Topology) -> Vec<Listed<'a>> {
    let entities = topology.swarm_entities().filter_map(|entity| match entity {
        Entity::SwarmNode(id) => Some(id),
        _ => None,
    });
    let mut nodes: Vec<Listed<'a>> = entities
        .filter_map(|id| {
            let (host, node) = topology.swarm_node_by(store, id)?;
            Some(Listed { id, node, manager: &host.api_name, has_left: has_left(id, node, store, topology) })
        })
        .collect();
    nodes.sort_by_key(|listed| listed.id);
    nodes
}

fn is_down(node: &SwarmNode) -> bool {
    matches!(node.state.as_str(), "down" | "disconnected")
}

fn has_left(id: &SwarmNodeId, node: &SwarmNode, store: &Store, topology: &Topology) -> bool {
    let Some((_, host)) = host(node, id, store, topology) else { return false };
    let Some(engine) = &host.report.host.engine else { return false };
    // Addresses are unique within a site, and one app may see several.
    let is_it = host.report.host.name == node.hostname;
    is_it
        && host.liveness == Liveness::Live
        && engine_answers(host)
        && engine.swarm.as_ref().is_none_or(|m| m.node != *id)
}

/// Nodes that are gone and were not replaced: who leaves a swarm and joins again is listed twice.
fn gone<'a>(all: &'a [Listed<'a>]) -> impl Iterator<Item = &'a Listed<'a>> {
    all.iter().filter(|listed| listed.is_gone()).filter(|listed| {
        let same =
            |other: &Listed| other.node.hostname == listed.node.hostname && other.node.address == listed.node.address;
        !all.iter().any(|other| other.id != listed.id && same(other) && !other.is_gone())
    })
}

fn node_finding(id: &SwarmNodeId) -> String {
    format!("swarm-node-down:{}", id.0)
}

/// Addresses at which there was a node.
pub fn dead(store: &Store, topology: &Topology) -> Dead {
    let all = nodes(store, topology);
    let found = gone(&all).filter_map(|Listed { id, node, manager, has_left }| {
        let (source, says) = match has_left {
            true => (format!("Docker on {}", node.hostname), format!("{} has left the swarm", node.hostname)),
            false => (format!("Swarm on {manager}"), format!("{} is {}", node.hostname, node.state)),
        };
        Some((node.address?, Gone { name: node.hostname.clone(), source, says, finding: node_finding(id) }))
    });
    found.collect()
}

pub fn audit(store: &Store, topology: &Topology) -> Vec<Suspicion> {
    let all = nodes(store, topology);
    let mut found: Vec<Suspicion> = gone(&all).map(|listed| node_down(listed, store, topology)).collect();
    found.extend(all.iter().filter_map(|listed| unreachable(listed, topology)));
    found.extend(leaderless(store, topology));
    let without = Without {
        nodes: all.iter().filter(|listed| listed.is_gone()).map(|listed| listed.id).collect(),
        because: gone(&all).map(|listed| node_finding(listed.id)).collect(),
    };
    let services = topology.swarm_entities().filter_map(|entity| match entity {
        Entity::Service(id) => Some(id),
        _ => None,
    });
    found.extend(services.filter_map(|id| short(id, store, topology, &without)));
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
    let Listed { id, node, manager, has_left: left } = *listed;
    let name = &node.hostname;
    let here = host(node, id, store, topology);
    let summary = match left {
        true => format!("{name} has left the swarm"),
        false => format!("{name} is {} in the swarm", node.state),
    };
    let mut says = format!("{name} is {}", node.state);
    if !node.message.is_empty() {
        says = format!("{says}: {}", node.message);
    }
    let kind = if left { "swarm-node-left" } else { "swarm-node-down" };
    let mut suspicion = Suspicion::new(node_finding(id), kind, Entity::SwarmNode(id.clone()), summary)
        // Who joins is listed before its probe has asked again.
        .counts(if is_down(node) { Counts::After(A_MOMENT_MS) } else { Counts::ReadAgain(SETTLE_MS) })
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
        true => "If that was meant, remove it from the list with docker node rm once it is down there; else let it join again.",
        false => "See that the host is up and its engine runs, and that 2377/tcp and 7946/tcp+udp reach its managers.",
    })
}

fn unreachable(listed: &Listed, topology: &Topology) -> Option<Suspicion> {
    let Listed { id, node, manager, .. } = *listed;
    let status = node.manager.as_ref().filter(|status| status.reachability == "unreachable")?;
    let id_text = format!("swarm-manager-unreachable:{}", id.0);
    let summary = format!("The managers do not reach {}", node.hostname);
    let entity = Entity::SwarmNode(id.clone());
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

/// A manager that cannot tell of its swarm has no leader to ask. Where the engines of half the managers are down there can
/// be none: those that are left notice it only when they want something of their leader.
fn leaderless(store: &Store, topology: &Topology) -> Vec<Suspicion> {
    let managers = store.hosts.iter().filter(|(_, host)| host.liveness == Liveness::Live).filter_map(|(id, host)| {
        let status = host.report.collectors.get(&Collector::Docker).filter(|_| engine_answers(host))?;
        let member = host.report.host.engine.as_ref()?.swarm.as_ref().filter(|member| member.is_manager)?;
        let others = member.managers.keys().filter_map(|node| topology.host_of(node)).filter(|other| *other != *id);
        let (down, up): (Vec<HostId>, Vec<HostId>) =
            others.partition(|other| store.hosts.get(other).is_some_and(engine::is_down));
        let (source, says) = if status.state == CollectorState::Degraded && status.trouble == Trouble::Confused {
            (format!("Docker on {}", host.api_name), status.message.clone())
        } else if !down.is_empty() && 2 * down.len() >= member.managers.len() {
            let names = down.iter().filter_map(|other| store.hosts.get(other)).map(|other| &other.api_name);
            ("probes".to_owned(), format!("the engines of {} are down", wording::joined(names)))
        } else {
            return None;
        };
        Some((*id, host, member, down.into_iter().chain(up), (source, says)))
    });
    managers
        .map(|(id, host, member, others, (source, says))| {
            let entity = Entity::Daemon(id, Daemon::Swarm);
            let summary = format!("{} manages a swarm that has no leader", host.api_name);
            Suspicion::new(format!("swarm-no-leader:{id}"), "swarm-no-leader", entity, summary)
                .on(id)
                .after(A_MOMENT_MS)
                .because(others.map(engine::id))
                .says(source, says)
                .says(format!("Docker on {}", host.api_name), format!("{} managers are to be there", member.managers.len()))
                .advise("Most of the managers must be up. If they are lost for good: docker swarm init --force-new-cluster.")
        })
        .collect()
}

/// What a service has to do without.
struct Without<'a> {
    nodes: BTreeSet<&'a SwarmNodeId>,
    because: Vec<String>,
}

fn short(id: &ServiceId, store: &Store, topology: &Topology, without: &Without) -> Option<Suspicion> {
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
    let on_gone = |task: &Task| task.node.as_ref().is_some_and(|node| without.nodes.contains(node));
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
    let because = if by_itself { &[] } else { &*without.because };
    let suspicion = Suspicion::new(format!("service-short:{}", id.0), "service-short-of-replicas", entity, summary);
    Some(
        suspicion
            .after(if errors.is_empty() { SHORT_FOR_MS } else { FAILED_FOR_MS })
            .because(because.iter().cloned())
            .says("Swarm", says)
            .advise("docker service ps --no-trunc tells each task's story; docker service logs what it wrote."),
    )
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use shared::addr::Subnet;
    use shared::id::InstanceId;
    use shared::report::{CollectorStatus, Engine, Report, SwarmManager, SwarmMember};
    use shared::wire::{Hello, Stamp};
    use uuid::Uuid;

    use super::*;
    use crate::store::Session;

    fn host(n: u8) -> HostId {
        HostId(Uuid::from_u128(n.into()))
    }

    fn node(n: u8) -> SwarmNodeId {
        format!("node{n}").into()
    }

    fn address(n: u8) -> IpAddr {
        Ipv4Addr::new(10, 77, 0, n).into()
    }

    /// What the probe of a manager reports, if its engine is that node, of a swarm of three managers.
    fn report(n: u8, is: Option<SwarmNodeId>, docker: (CollectorState, Trouble)) -> Report {
        let managers = (1..=3).map(|n| (node(n), format!("{}:2377", address(n)))).collect();
        let member = is.map(|node| SwarmMember {
            node,
            cluster: "swarm".into(),
            address: Some(address(n)),
            state: "active".into(),
            error: String::new(),
            is_manager: true,
            managers,
        });
        let mut report = Report::default();
        report.host.name = format!("h{n}");
        report.host.local_networks = vec![Subnet { address: address(n), prefix: 24 }];
        let listed = |n: u8| SwarmNode {
            hostname: format!("h{n}"),
            state: "ready".into(),
            address: Some(address(n)),
            manager: Some(SwarmManager::default()),
            ..SwarmNode::default()
        };
        if member.is_some() {
            report.swarm_nodes = (1..=3).map(|n| (node(n), listed(n))).collect();
        }
        report.host.engine = Some(Engine { swarm: member, ..Engine::default() });
        let (state, trouble) = docker;
        report.collectors.insert(Collector::Docker, CollectorStatus { state, trouble, ..CollectorStatus::default() });
        report
    }

    const ANSWERS: (CollectorState, Trouble) = (CollectorState::Ok, Trouble::None);
    const DOWN: (CollectorState, Trouble) = (CollectorState::Failed, Trouble::Unreachable);

    fn audited(reports: [Report; 3]) -> (Vec<Suspicion>, Dead) {
        let (mut store, mut topology) = (Store::default(), Topology::default());
        for (n, report) in (1..).zip(reports) {
            let session = Session(n.into());
            let hello = Hello {
                host: host(n),
                instance: InstanceId(Uuid::from_u128(n.into())),
                hostname: format!("h{n}"),
                scope_version: String::new(),
                token: String::new(),
                capabilities: Vec::new(),
                publish_interval_ms: 1000,
            };
            store.open(&hello, session, 0);
            let change = store.snapshot(host(n), session, 1, Stamp::default(), report, 0).unwrap();
            topology.apply(&store, host(n), &change, 0);
        }
        (audit(&store, &topology), dead(&store, &topology))
    }

    #[test]
    fn a_node_whose_engine_says_that_it_left_is_gone_before_its_managers_notice() {
        let all = [1, 2, 3].map(|n| report(n, Some(node(n)), ANSWERS));
        assert_eq!(audited(all), (Vec::new(), Dead::new()));
        for now in [None, Some("another".into())] {
            let [one, two] = [1, 2].map(|n| report(n, Some(node(n)), ANSWERS));
            let (found, dead) = audited([one, two, report(3, now, ANSWERS)]);
            let kinds: Vec<&str> = found.iter().map(|suspicion| suspicion.kind).collect();
            assert_eq!(kinds, ["swarm-node-left"]);
            assert_eq!(found[0].counts, Counts::ReadAgain(SETTLE_MS), "who joins is listed before it is asked again");
            assert_eq!(dead.keys().copied().collect::<Vec<_>>(), [address(3)]);
        }
    }

    #[test]
    fn an_engine_that_is_silent_or_a_host_of_another_name_at_its_address_has_not_left() {
        let mut other = report(3, None, ANSWERS);
        other.host.name = "elsewhere".into();
        for third in [other, report(3, None, DOWN)] {
            let [one, two] = [1, 2].map(|n| report(n, Some(node(n)), ANSWERS));
            assert_eq!(audited([one, two, third]).0, Vec::new());
        }
    }

    #[test]
    fn a_swarm_has_no_leader_once_half_its_managers_engines_are_down() {
        let third = || report(3, Some(node(3)), DOWN);
        let leaderless = |second| {
            let (found, _) = audited([report(1, Some(node(1)), ANSWERS), report(2, Some(node(2)), second), third()]);
            found.into_iter().filter(|suspicion| suspicion.kind == "swarm-no-leader").collect::<Vec<_>>()
        };
        assert_eq!(leaderless(ANSWERS), Vec::new());
        let found = leaderless(DOWN);
        assert_eq!(found.iter().map(|suspicion| suspicion.host).collect::<Vec<_>>(), [Some(host(1))]);
        assert_eq!(found[0].because, [engine::id(host(2)), engine::id(host(3))]);
        assert!(found[0].evidence[0].says.contains("h2, h3"), "{:?}", found[0].evidence);
    }
}
