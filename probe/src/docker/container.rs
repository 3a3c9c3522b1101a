//! Containers and images as the engine answers about them, turned into records.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, EndpointSettings, HealthStatusEnum,
    ImageSummary,
};
use shared::addr::Protocol;
use shared::id::{ContainerId, ImageId};
use shared::report::{Container, ContainerState, Endpoint, Health, Image, PortMapping};

use super::standalone;

/// An entry of the list of containers: enough to see whether one changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub id: ContainerId,
    pub name: String,
    /// Where the manager of a standalone Swarm lists it.
    pub node: Option<String>,
    pub state: String,
    networks: BTreeSet<String>,
    healthy: Option<bool>,
}

impl Listed {
    pub fn from_answer(answer: ContainerSummary) -> Option<Self> {
        let status = answer.status.unwrap_or_default();
        let settings = answer.network_settings.unwrap_or_default();
        let names = answer.names.unwrap_or_default();
        let (node, name) = match standalone::name_of(&names) {
            Some((node, name)) => (Some(node.to_owned()), name.to_owned()),
            None => (None, names.first().map(|n| n.trim_start_matches('/').to_owned())?),
        };
        Some(Self {
            id: answer.id?.into(),
            name,
            node,
            state: answer.state.map(|s| s.to_string()).unwrap_or_default(),
            networks: settings.networks.unwrap_or_default().into_keys().collect(),
            healthy: status.contains("healthy").then(|| !status.contains("unhealthy")),
        })
    }

    /// Whether it has processes.
    pub fn is_active(&self) -> bool {
        matches!(self.state.as_str(), "running" | "paused" | "restarting")
    }

    /// Whether `known` is what a fresh look would show, as far as the list tells.
    pub fn agrees(&self, known: &Container) -> bool {
        self.state == known.state.name()
            && self.name == known.name
            && self.networks.iter().eq(known.endpoints.keys())
            && self.healthy.is_none_or(|healthy| healthy == (known.health == Some(Health::Healthy)))
    }
}

pub fn from_answer(answer: ContainerInspectResponse, with_environment: bool) -> Container {
    let state = answer.state.unwrap_or_default();
    let config = answer.config.unwrap_or_default();
    let host_config = answer.host_config.unwrap_or_default();
    let settings = answer.network_settings.unwrap_or_default();
    let running = state.running.unwrap_or(false) || state.paused.unwrap_or(false);
    let network_mode = host_config.network_mode.unwrap_or_default();
    let mut command = vec![answer.path.unwrap_or_default()];
    command.extend(answer.args.unwrap_or_default());
    let environment = if with_environment { config.env.unwrap_or_default() } else { Vec::new() };
    Container {
        name: answer.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        image: answer.image.map(|id| image_id(&id)),
        image_name: config.image.unwrap_or_default(),
        command: command.join(" ").trim().to_owned(),
        state: match state.status {
            Some(ContainerStateStatusEnum::CREATED) => ContainerState::Created,
            Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => ContainerState::Running,
            Some(ContainerStateStatusEnum::PAUSED) => ContainerState::Paused,
            Some(ContainerStateStatusEnum::RESTARTING) => ContainerState::Restarting,
            Some(ContainerStateStatusEnum::REMOVING) => ContainerState::Removing,
            Some(ContainerStateStatusEnum::EXITED) => ContainerState::Exited,
            Some(ContainerStateStatusEnum::DEAD) => ContainerState::Dead,
            Some(ContainerStateStatusEnum::EMPTY) | None => ContainerState::Unknown,
        },
        health: match state.health.and_then(|h| h.status) {
            Some(HealthStatusEnum::STARTING) => Some(Health::Starting),
            Some(HealthStatusEnum::HEALTHY) => Some(Health::Healthy),
            Some(HealthStatusEnum::UNHEALTHY) => Some(Health::Unhealthy),
            Some(HealthStatusEnum::EMPTY | HealthStatusEnum::NONE) | None => None,
        },
        created_ms: milliseconds(answer.created.as_deref()),
        started_ms: milliseconds(state.started_at.as_deref()),
        finished_ms: milliseconds(state.finished_at.as_deref()),
        exit_code: state.exit_code.unwrap_or(0),
        restart_count: answer.restart_count.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        hostname: config.hostname.unwrap_or_default(),
        pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| running && *pid != 0),
        namespace: None,
        host_network: network_mode == "host",
        endpoints: settings
            .networks
            .unwrap_or_default()
            .into_iter()
            .map(|(name, settings)| (name, endpoint(settings)))
            .collect(),
        other_addresses: Vec::new(),
        ports: ports(settings.ports.unwrap_or_default(), config.exposed_ports.unwrap_or_default()),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        environment: environment
            .into_iter()
            .map(|variable| match variable.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => (variable, String::new()),
            })
            .collect(),
        memory_limit_bytes: host_config.memory.and_then(|bytes| u64::try_from(bytes).ok()).filter(|bytes| *bytes > 0),
    }
}

fn endpoint(settings: EndpointSettings) -> Endpoint {
    let v4 = settings.ip_address.unwrap_or_default();
    let v6 = settings.global_ipv6_address.unwrap_or_default();
    Endpoint {
        network: settings.network_id.filter(|id| !id.is_empty()).map(Into::into),
        addresses: [v4, v6].iter().filter_map(|address| address.parse().ok()).collect(),
        mac: settings.mac_address.unwrap_or_default(),
        is_attached_by_hand: false,
        aliases: settings.aliases.unwrap_or_default(),
    }
}

type Bindings = std::collections::HashMap<String, Option<Vec<bollard::models::PortBinding>>>;

fn ports(bindings: Bindings, exposed: Vec<String>) -> Vec<PortMapping> {
    let mut ports = BTreeSet::new();
    for name in exposed {
        ports.extend(port(&name).map(|(container_port, protocol)| PortMapping {
            protocol,
            container_port,
            published: None,
        }));
    }
    for (name, bound) in bindings {
        let Some((container_port, protocol)) = port(&name) else { continue };
        let bound = bound.unwrap_or_default();
        if !bound.is_empty() {
            ports.remove(&PortMapping { protocol, container_port, published: None });
        } else {
            ports.insert(PortMapping { protocol, container_port, published: None });
        }
        for binding in bound {
            let address = binding.host_ip.and_then(|ip| ip.parse().ok()).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            let published = binding.host_port.and_then(|port| port.parse().ok()).map(|port| (address, port));
            ports.insert(PortMapping { protocol, container_port, published });
        }
    }
    ports.into_iter().collect()
}

/// `80/tcp`.
fn port(name: &str) -> Option<(u16, Protocol)> {
    let (number, protocol) = name.split_once('/').unwrap_or((name, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => Protocol::Unknown,
    };
    Some((number.parse().ok()?, protocol))
}

/// Milliseconds since the epoch of an RFC 3339 time; 0 for none, and for Go's zero time.
pub fn milliseconds(time: Option<&str>) -> u64 {
    let parsed = time.and_then(|time| time.parse::<jiff::Timestamp>().ok());
    parsed.and_then(|time| u64::try_from(time.as_millisecond()).ok()).unwrap_or(0)
}

pub fn image_id(id: &str) -> ImageId {
    id.strip_prefix("sha256:").unwrap_or(id).into()
}

pub fn image_from_answer(answer: ImageSummary) -> (ImageId, Image) {
    let mut tags: Vec<String> = answer.repo_tags.into_iter().filter(|tag| tag != "<none>:<none>").collect();
    tags.sort();
    let image = Image {
        tags,
        size_bytes: u64::try_from(answer.size).unwrap_or(0),
        created_ms: u64::try_from(answer.created).unwrap_or(0) * 1000,
        labels: answer.labels.into_iter().collect(),
    };
    (image_id(&answer.id), image)
}

/// Images that no container was made from are not part of what runs.
pub fn images_in_use(
    images: &BTreeMap<ImageId, Image>,
    containers: &BTreeMap<ContainerId, Container>,
) -> BTreeMap<ImageId, Image> {
    let used: BTreeSet<&ImageId> = containers.values().filter_map(|c| c.image.as_ref()).collect();
    images.iter().filter(|(id, _)| used.contains(id)).map(|(id, image)| (id.clone(), image.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GET /containers/client/json of Docker Engine 20.10.24, recorded on a three-host swarm.
    const CLIENT: &str = include_str!("../../fixtures/docker-swarm-h3-container-client.json");
    /// GET /containers/json of the same swarm's first host.
    const LIST: &str = include_str!("../../fixtures/docker-swarm-h1-containers_json.json");

    /// GET /containers/server/json and /networks of Podman 4.3.1 with netavark, through its Docker-compatible socket.
    const PODMAN: &str = include_str!("../../fixtures/podman-4.3-container.json");
    const PODMAN_NETWORKS: &str = include_str!("../../fixtures/podman-4.3-networks.json");

    #[test]
    fn a_recorded_container_is_read() {
        let answer: ContainerInspectResponse = serde_json::from_str(CLIENT).unwrap();
        let container = from_answer(answer, false);
        assert_eq!((container.name.as_str(), container.state), ("client", ContainerState::Running));
        assert!(container.pid.is_some() && container.started_ms > 1_700_000_000_000);
        let mesh = &container.endpoints["mesh"];
        assert!(mesh.network.is_some() && !mesh.addresses.is_empty() && mesh.mac.starts_with("02:42:"), "{mesh:?}");
        assert!(container.environment.is_empty(), "not asked for");
        assert_eq!(container.finished_ms, 0, "Go's zero time is none");
    }

    #[test]
    fn a_container_of_podman_names_its_network_as_the_list_of_networks_does() {
        let answer: ContainerInspectResponse = serde_json::from_str(PODMAN).unwrap();
        let mut containers = BTreeMap::from([("server".into(), from_answer(answer, false))]);
        let networks: Vec<bollard::models::Network> = serde_json::from_str(PODMAN_NETWORKS).unwrap();
        let networks = networks.into_iter().filter_map(super::super::network::from_answer).collect();
        super::super::network::name_by_id(&networks, &mut containers);
        let container = &containers[&ContainerId::from("server")];
        let network = &networks[container.endpoints["lan"].network.as_ref().unwrap()];
        assert_eq!(network.name, "lan");
        assert!(network.subnets[0].contains(*container.endpoints["lan"].addresses.first().unwrap()));
        assert_eq!(
            (container.state, container.image_name.as_str()),
            (ContainerState::Running, "localhost/rp/busybox:1")
        );
        assert!(container.pid.is_some() && container.started_ms > 1_700_000_000_000);
    }

    #[test]
    fn the_environment_is_read_where_it_is_asked_for() {
        let answer: ContainerInspectResponse = serde_json::from_str(CLIENT).unwrap();
        assert_eq!(from_answer(answer, true).environment.get("PATH").map(String::as_str), Some("/bin"));
    }

    #[test]
    fn a_recorded_list_is_read() {
        let answer: Vec<ContainerSummary> = serde_json::from_str(LIST).unwrap();
        let listed: Vec<Listed> = answer.into_iter().filter_map(Listed::from_answer).collect();
        assert!(listed.iter().any(|c| c.name == "web" && c.state == "running"), "{listed:?}");
    }

    #[test]
    fn published_ports_stand_for_the_exposed_ones() {
        let bindings: Bindings = serde_json::from_str(
            r#"{"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
                "53/udp": null, "x/tcp": null}"#,
        )
        .unwrap();
        let ports = ports(bindings, vec!["80/tcp".into(), "53/udp".into()]);
        let published: Vec<_> = ports.iter().map(|p| (p.container_port, p.published.map(|(_, port)| port))).collect();
        assert_eq!(published, [(80, Some(8080)), (80, Some(8080)), (53, None)]);
    }
}
