//! A swarm as the engine tells of it. Workers know their own part, managers the whole.

use std::collections::BTreeMap;

use bollard::models::{self, EndpointPortConfigProtocolEnum, EndpointPortConfigPublishModeEnum, LocalNodeState};
use shared::addr::Protocol;
use shared::id::{NetworkId, ServiceId, SwarmNodeId, TaskId};
use shared::report::{Overlay, Service, ServiceMode, ServicePort, SwarmManager, SwarmMember, SwarmNode, Task};

use super::container::milliseconds;

/// What a manager knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    pub nodes: BTreeMap<SwarmNodeId, SwarmNode>,
    pub services: BTreeMap<ServiceId, Service>,
    pub tasks: BTreeMap<TaskId, Task>,
}

/// One reading: the engine's own part, what it believes of the overlays that it has a part in, and what it knows of the
/// whole, or why it does not tell.
pub struct Seen {
    /// When it was begun to look, by the boot clock.
    pub began_ms: u64,
    pub overlays: BTreeMap<NetworkId, Overlay>,
    pub member: Option<SwarmMember>,
    pub cluster: Result<Cluster, super::client::Error>,
}

/// None where the engine is in no swarm.
pub fn member(info: models::SwarmInfo) -> Option<SwarmMember> {
    let state = info.local_node_state.filter(|s| !matches!(s, LocalNodeState::INACTIVE | LocalNodeState::EMPTY))?;
    let managers = info.remote_managers.unwrap_or_default();
    Some(SwarmMember {
        node: info.node_id?.into(),
        cluster: info.cluster.and_then(|cluster| cluster.id).unwrap_or_default(),
        address: info.node_addr.and_then(|address| address.parse().ok()),
        state: state.to_string(),
        error: info.error.unwrap_or_default(),
        is_manager: info.control_available.unwrap_or(false),
        managers: managers.into_iter().filter_map(|m| Some((m.node_id?.into(), m.addr.unwrap_or_default()))).collect(),
    })
}

pub fn node(answer: models::Node) -> Option<(SwarmNodeId, SwarmNode)> {
    let spec = answer.spec.unwrap_or_default();
    let description = answer.description.unwrap_or_default();
    let status = answer.status.unwrap_or_default();
    let record = SwarmNode {
        hostname: description.hostname.unwrap_or_default(),
        role: words(spec.role),
        availability: words(spec.availability),
        state: words(status.state),
        message: status.message.unwrap_or_default(),
        address: status.addr.and_then(|address| address.parse().ok()),
        engine_version: description.engine.and_then(|engine| engine.engine_version).unwrap_or_default(),
        labels: spec.labels.unwrap_or_default().into_iter().collect(),
        manager: answer.manager_status.map(|status| SwarmManager {
            is_leader: status.leader.unwrap_or(false),
            reachability: words(status.reachability),
            address: status.addr.unwrap_or_default(),
        }),
    };
    Some((answer.id?.into(), record))
}

pub fn service(answer: models::Service) -> Option<(ServiceId, Service)> {
    let spec = answer.spec.unwrap_or_default();
    let endpoint = answer.endpoint.unwrap_or_default();
    let template = spec.task_template.unwrap_or_default();
    // Networks stood in the service itself before they stood in its tasks.
    let networks = template.networks.or(spec.networks).unwrap_or_default();
    let mode = spec.mode.unwrap_or_default();
    let addresses = endpoint.virtual_ips.unwrap_or_default().into_iter();
    let record = Service {
        name: spec.name.unwrap_or_default(),
        mode: match mode {
            models::ServiceSpecMode { replicated: Some(replicated), .. } => {
                ServiceMode::Replicated(replicated.replicas.and_then(|count| u64::try_from(count).ok()).unwrap_or(1))
            }
            models::ServiceSpecMode { global: Some(_), .. } => ServiceMode::Global,
            models::ServiceSpecMode { replicated_job: Some(_), .. }
            | models::ServiceSpecMode { global_job: Some(_), .. } => ServiceMode::Job,
            _ => ServiceMode::Unknown,
        },
        image: template.container_spec.and_then(|spec| spec.image).unwrap_or_default(),
        endpoint_mode: words(
            spec.endpoint_spec.and_then(|spec| spec.mode).or(endpoint.spec.and_then(|spec| spec.mode)),
        ),
        virtual_addresses: addresses.filter_map(|v| Some((v.network_id?.into(), v.addr?.parse().ok()?))).collect(),
        ports: endpoint.ports.unwrap_or_default().into_iter().filter_map(port).collect(),
        networks: networks.into_iter().filter_map(|network| Some(network.target?.into())).collect(),
        labels: spec.labels.unwrap_or_default().into_iter().collect(),
        update: answer.update_status.map(update).unwrap_or_default(),
    };
    Some((answer.id?.into(), record))
}

fn update(status: models::ServiceUpdateStatus) -> String {
    let (state, message) = (words(status.state), status.message.unwrap_or_default());
    if state == "completed" || message.is_empty() { state } else { format!("{state}: {message}") }
}

fn port(port: models::EndpointPortConfig) -> Option<ServicePort> {
    let number = |value: Option<i64>| value.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    Some(ServicePort {
        protocol: match port.protocol? {
            EndpointPortConfigProtocolEnum::UDP => Protocol::Udp,
            EndpointPortConfigProtocolEnum::SCTP => Protocol::Unknown,
            _ => Protocol::Tcp,
        },
        target: number(port.target_port)?,
        published: number(port.published_port),
        on_host: port.publish_mode == Some(EndpointPortConfigPublishModeEnum::HOST),
    })
}

fn task(answer: models::Task) -> Option<(TaskId, Task)> {
    let status = answer.status.unwrap_or_default();
    let record = Task {
        service: answer.service_id.filter(|id| !id.is_empty()).map(ServiceId::from),
        slot: answer.slot.and_then(|slot| u64::try_from(slot).ok()).filter(|slot| *slot != 0),
        node: answer.node_id.filter(|id| !id.is_empty()).map(SwarmNodeId::from),
        state: words(status.state),
        desired_state: words(answer.desired_state),
        message: status.message.unwrap_or_default(),
        error: status.err.unwrap_or_default(),
        container: status.container_status.and_then(|s| s.container_id).filter(|id| !id.is_empty()).map(Into::into),
        image: answer.spec.and_then(|spec| spec.container_spec?.image).unwrap_or_default(),
        since_ms: milliseconds(status.timestamp.as_deref()),
    };
    Some((answer.id?.into(), record))
}

/// Swarm keeps the history of every slot. What counts is what is meant to run, and of what is not, the last that failed
/// in each place: it says why.
pub fn tasks(answers: Vec<models::Task>) -> BTreeMap<TaskId, Task> {
    let (wanted, past): (Vec<_>, Vec<_>) =
        answers.into_iter().filter_map(task).partition(|(_, task)| is_wanted(&task.desired_state));
    let mut failed: BTreeMap<_, (TaskId, Task)> = BTreeMap::new();
    for (id, task) in past.into_iter().filter(|(_, task)| matches!(task.state.as_str(), "failed" | "rejected")) {
        // A slot of a replicated service, a node of a global one.
        let place = (task.service.clone(), task.slot, task.node.clone().filter(|_| task.slot.is_none()));
        match failed.get(&place) {
            Some((_, known)) if known.since_ms >= task.since_ms => {}
            _ => {
                failed.insert(place, (id, task));
            }
        }
    }
    wanted.into_iter().chain(failed.into_values()).collect()
}

fn is_wanted(desired_state: &str) -> bool {
    !matches!(desired_state, "shutdown" | "remove" | "orphaned")
}

fn words<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a manager of Docker Engine 20.10.24 and of 26.1, recorded with a replicated service of three tasks.
    macro_rules! recorded {
        ($name:literal) => {
            serde_json::from_str(include_str!(concat!("../../fixtures/", $name, ".json"))).unwrap()
        };
    }

    #[test]
    fn a_managers_recorded_part_in_its_swarm_is_read() {
        let info: models::SystemInfo = recorded!("docker-swarm-h1-info");
        let found = member(info.swarm.unwrap()).unwrap();
        assert_eq!((found.state.as_str(), found.is_manager), ("active", true));
        assert_eq!(found.address, Some([10, 77, 0, 11].into()));
        assert_eq!(found.managers.values().collect::<Vec<_>>(), ["10.77.0.11:2377"]);
        assert_ne!(found.cluster, "");
    }

    #[test]
    fn an_engine_in_no_swarm_is_no_member() {
        let info: models::SwarmInfo =
            serde_json::from_str(r#"{"NodeID":"","LocalNodeState":"inactive","ControlAvailable":false}"#).unwrap();
        assert_eq!(member(info), None);
    }

    #[test]
    fn recorded_nodes_services_and_tasks_are_read() {
        let nodes: [Vec<models::Node>; 2] = [recorded!("docker-swarm-h1-nodes"), recorded!("docker26-swarm-h1-nodes")];
        for answer in nodes {
            let nodes: BTreeMap<_, _> = answer.into_iter().filter_map(node).collect();
            let mut names: Vec<&str> = nodes.values().map(|n| &*n.hostname).collect();
            names.sort_unstable();
            assert_eq!(names, ["h1", "h2", "h3"]);
            assert!(nodes.values().all(|n| n.state == "ready" && n.availability == "active"), "{nodes:?}");
            let leaders: Vec<_> = nodes.values().filter(|n| n.manager.as_ref().is_some_and(|m| m.is_leader)).collect();
            assert_eq!((leaders.len(), &*leaders[0].role, &*leaders[0].hostname), (1, "manager", "h1"));
        }
        let answer: Vec<models::Service> = recorded!("docker-swarm-h1-services");
        let services: BTreeMap<_, _> = answer.into_iter().filter_map(service).collect();
        let (id, svc) = services.first_key_value().unwrap();
        assert_eq!((&*svc.name, svc.mode, &*svc.endpoint_mode), ("svc", ServiceMode::Replicated(3), "dnsrr"));
        assert_eq!((&*svc.image, svc.networks.len()), ("rp/busybox:1", 1));
        let answer: Vec<models::Task> = recorded!("docker-swarm-h1-tasks");
        let tasks = tasks(answer);
        let mut slots: Vec<_> = tasks.values().map(|t| t.slot).collect();
        slots.sort_unstable();
        assert_eq!(slots, [Some(1), Some(2), Some(3)]);
        assert!(
            tasks.values().all(|t| t.service.as_ref() == Some(id) && t.state == "running" && t.container.is_some())
        );
        assert!(tasks.values().all(|t| t.since_ms > 1_700_000_000_000));
    }

    #[test]
    fn of_a_slots_past_the_last_failure_is_kept() {
        let task = |id: &str, slot: i64, state: &str, desired: &str, at: &str| {
            let text = format!(
                r#"{{"ID":"{id}","ServiceID":"s","Slot":{slot},"NodeID":"n","DesiredState":"{desired}",
                    "Status":{{"State":"{state}","Timestamp":"2026-01-01T00:00:{at}Z","Err":"{id}"}}}}"#
            );
            serde_json::from_str::<models::Task>(&text).unwrap()
        };
        let kept = tasks(vec![
            task("now", 1, "starting", "running", "09"),
            task("last", 1, "failed", "shutdown", "05"),
            task("before", 1, "failed", "shutdown", "01"),
            task("replaced", 2, "shutdown", "shutdown", "03"),
            task("other", 2, "running", "running", "04"),
        ]);
        let mut ids: Vec<&str> = kept.keys().map(|id| &*id.0).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["last", "now", "other"]);
    }
}
