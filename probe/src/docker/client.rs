//! The engine's API as far as it is used, each call with a bound on its time.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{EventMessageTypeEnum, SystemInfo, SystemVersion};
use bollard::query_parameters::{
    EventsOptionsBuilder, InspectContainerOptions, InspectNetworkOptionsBuilder, ListContainersOptionsBuilder,
    ListImagesOptions, ListNetworksOptions, ListNetworksOptionsBuilder, ListNodesOptions, ListServicesOptions,
    ListTasksOptions,
};
use futures_util::{Stream, StreamExt, stream};
use shared::id::{ContainerId, ImageId, NetworkId};
use shared::report::{Container, Engine, Image, Network, Overlay, SwarmMember, Trouble};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::container::{self, Listed};
use super::swarm::{self, Cluster, Seen};
use super::{network, overlay};
use crate::collector::boot_ms;
use crate::config::DockerEndpoint;

const PATIENCE: Duration = Duration::from_secs(10);
/// Of the question that costs the engine nothing.
const PING_PATIENCE: Duration = Duration::from_secs(4);
/// A swarm tells of its tasks by no event.
const SWARM_INTERVAL: Duration = Duration::from_secs(4);
/// Of an engine that is in no swarm and has no overlays there is only to be seen whether it is and has: that shows in its
/// networks too, and to say it the engine starts programs, which costs its host more than all else that it is asked.
const SWARM_INTERVAL_WHILE_ALONE: Duration = Duration::from_secs(30);
/// What takes long is asked for as much less often.
const REST: u32 = 20;
/// What is doubted is asked for after so long: until then those who doubt have looked again, and the app was told.
const CONFIRM: Duration = Duration::from_secs(3);
/// Where engines listen unless told otherwise, in the order in which they are tried.
pub const SOCKETS: [&str; 3] = ["/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock"];

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no container engine: none of {} exists; name one with --docker, or use --no-docker", SOCKETS.join(", "))]
    Absent,
    #[error("'{0}' is no engine's address; use unix:///PATH or tcp://HOST:PORT")]
    Address(String),
    #[error("{address}: no answer to {what} within {seconds} s")]
    TimedOut { address: String, what: &'static str, seconds: u64 },
    #[error("{address}: {what}: {}", cause(source))]
    Refused { address: String, what: &'static str, source: bollard::errors::Error },
    #[error("the engine ended its event stream")]
    EventsEnded,
}

impl Error {
    /// In what way the engine fails.
    pub fn trouble(&self) -> Trouble {
        use bollard::errors::Error as Source;
        match self {
            Self::Absent => Trouble::Absent,
            Self::Address(_) => Trouble::Unknown,
            Self::TimedOut { .. } => Trouble::Silent,
            Self::EventsEnded => Trouble::Unreachable,
            Self::Refused { source, .. } => match source {
                Source::DockerResponseServerError { .. }
                | Source::JsonDataError { .. }
                | Source::JsonSerdeError { .. }
                | Source::APIVersionParseError { .. } => Trouble::Confused,
                _ => Trouble::Unreachable,
            },
        }
    }
}

/// The innermost reason, which is what somebody can act upon: "Permission denied", not "client error".
fn cause(error: &bollard::errors::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn failure(address: &str, what: &'static str, source: bollard::errors::Error) -> Error {
    let address = address.to_owned();
    match source {
        // The library's own patience may end a moment before ours.
        bollard::errors::Error::RequestTimeoutError => Error::TimedOut { address, what, seconds: PATIENCE.as_secs() },
        source => Error::Refused { address, what, source },
    }
}

pub struct Client {
    docker: Docker,
    address: String,
}

/// What happened on the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Container(ContainerId),
    /// A container joined or left a network.
    Network(Option<ContainerId>),
    Image,
    Other,
}

impl Event {
    pub fn container(&self) -> Option<&ContainerId> {
        match self {
            Self::Container(id) | Self::Network(Some(id)) => Some(id),
            Self::Network(None) | Self::Image | Self::Other => None,
        }
    }

    pub fn concerns_networks(&self) -> bool {
        matches!(self, Self::Network(_))
    }

    pub fn concerns_images(&self) -> bool {
        // A container may be the first of its image.
        matches!(self, Self::Image | Self::Container(_))
    }
}

impl Client {
    /// Connects and agrees on a version that both sides speak.
    pub async fn connect(endpoint: &DockerEndpoint) -> Result<Self, Error> {
        let address = match endpoint {
            DockerEndpoint::At(address) => address.clone(),
            DockerEndpoint::Default => {
                let found = SOCKETS.iter().find(|path| Path::new(path).exists()).ok_or(Error::Absent)?;
                format!("unix://{found}")
            }
        };
        let seconds = PATIENCE.as_secs();
        let docker = if address.starts_with("unix://") || address.starts_with('/') {
            Docker::connect_with_unix(&address, seconds, bollard::API_DEFAULT_VERSION)
        } else if address.starts_with("tcp://") || address.starts_with("http://") {
            Docker::connect_with_http(&address, seconds, bollard::API_DEFAULT_VERSION)
        } else {
            return Err(Error::Address(address));
        };
        let docker = docker.map_err(|source| failure(&address, "connect", source))?;
        let docker = match timeout(PATIENCE, docker.negotiate_version()).await {
            Ok(docker) => docker.map_err(|source| failure(&address, "version", source))?,
            Err(_) => return Err(Error::TimedOut { address, what: "version", seconds: PATIENCE.as_secs() }),
        };
        Ok(Self { docker, address })
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    async fn call<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Error> {
        self.call_within(PATIENCE, what, call).await
    }

    async fn call_within<T>(
        &self,
        patience: Duration,
        what: &'static str,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Error> {
        match timeout(patience, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(failure(&self.address, what, source)),
            Err(_) => Err(Error::TimedOut { address: self.address.clone(), what, seconds: patience.as_secs() }),
        }
    }

    pub async fn ping(&self) -> Result<(), Error> {
        self.call_within(PING_PATIENCE, "ping", self.docker.ping()).await.map(|_| ())
    }

    pub async fn engine(&self) -> Result<Engine, Error> {
        let version = self.call("version", self.docker.version()).await?;
        let info = self.call("info", self.docker.info()).await?;
        Ok(engine(version, info))
    }

    pub async fn containers(&self) -> Result<Vec<Listed>, Error> {
        let all = ListContainersOptionsBuilder::default().all(true).build();
        let listed = self.call("list of containers", self.docker.list_containers(Some(all))).await?;
        Ok(listed.into_iter().filter_map(Listed::from_answer).collect())
    }

    /// None where there is no such container (any more).
    pub async fn container(&self, id: &ContainerId, environment: bool) -> Result<Option<Container>, Error> {
        let inspected = self.docker.inspect_container(&id.0, None::<InspectContainerOptions>);
        match self.call("inspect of a container", inspected).await {
            Ok(answer) => Ok(Some(container::from_answer(answer, environment))),
            Err(Error::Refused {
                source: bollard::errors::Error::DockerResponseServerError { status_code: 404, .. },
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn images(&self) -> Result<BTreeMap<ImageId, Image>, Error> {
        let listed = self.call("list of images", self.docker.list_images(None::<ListImagesOptions>)).await?;
        Ok(listed.into_iter().map(container::image_from_answer).collect())
    }

    pub async fn networks(&self) -> Result<BTreeMap<NetworkId, Network>, Error> {
        let listed = self.call("list of networks", self.docker.list_networks(None::<ListNetworksOptions>)).await?;
        Ok(listed.into_iter().filter_map(network::from_answer).collect())
    }

    /// The swarm and the overlays, read again and again. A stream, so that a manager that is slow to answer for its
    /// swarm holds up nothing else that is asked of the engine. Sooner than usual where somebody has doubts. `member` is what
    /// the engine said just now.
    pub fn swarm<'a>(
        &'a self,
        member: Option<SwarmMember>,
        doubt: &'a Notify,
    ) -> impl Stream<Item = Result<Seen, Error>> + 'a {
        let now = Instant::now();
        stream::unfold((now, now, Some(member)), move |(rested, due, known)| async move {
            let doubted = async {
                doubt.notified().await;
                sleep_until(rested.max(Instant::now() + CONFIRM)).await;
            };
            tokio::select! {
                () = sleep_until(due) => {}
                () = doubted => {}
            }
            let started = Instant::now();
            let seen = self.read_swarm(known).await;
            let rest = started.elapsed() * REST;
            let is_alone = seen.as_ref().is_ok_and(|seen| seen.member.is_none() && seen.overlays.is_empty());
            let every = if is_alone { SWARM_INTERVAL_WHILE_ALONE } else { SWARM_INTERVAL };
            Some((seen, (started + rest, started + rest.max(every), None)))
        })
    }

    async fn read_swarm(&self, known: Option<Option<SwarmMember>>) -> Result<Seen, Error> {
        let began_ms = boot_ms();
        let member = match known {
            Some(member) => member,
            None => self.call("info", self.docker.info()).await?.swarm.and_then(swarm::member),
        };
        let cluster = match member.as_ref().is_some_and(|member| member.is_manager) {
            true => self.cluster().await,
            false => Ok(Cluster::default()),
        };
        let overlays = self.overlays().await?;
        Ok(Seen { began_ms, overlays, member, cluster })
    }

    async fn overlays(&self) -> Result<BTreeMap<NetworkId, Overlay>, Error> {
        let filters = HashMap::from([("driver", vec!["overlay".to_owned()])]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let listed = self.call("list of overlays", self.docker.list_networks(Some(options))).await?;
        let mut overlays = BTreeMap::new();
        for id in listed.into_iter().filter_map(|network| network.id) {
            let verbose = InspectNetworkOptionsBuilder::default().verbose(true).build();
            match self.call("inspect of an overlay", self.docker.inspect_network(&id, Some(verbose))).await {
                Ok(answer) => overlays.extend(overlay::from_answer(answer).map(|overlay| (id.into(), overlay))),
                Err(error @ Error::TimedOut { .. }) => return Err(error),
                // Gone since it was listed, or its gossip is not up yet.
                Err(error) => debug!(network = id, %error, "overlay not read"),
            }
        }
        Ok(overlays)
    }

    /// What a manager knows of its swarm.
    async fn cluster(&self) -> Result<Cluster, Error> {
        let nodes = self.call("list of nodes", self.docker.list_nodes(None::<ListNodesOptions>)).await?;
        let services = self.call("list of services", self.docker.list_services(None::<ListServicesOptions>)).await?;
        let tasks = self.call("list of tasks", self.docker.list_tasks(None::<ListTasksOptions>)).await?;
        Ok(Cluster {
            nodes: nodes.into_iter().filter_map(swarm::node).collect(),
            services: services.into_iter().filter_map(swarm::service).collect(),
            tasks: swarm::tasks(tasks),
        })
    }

    pub fn events(&self) -> impl Stream<Item = Result<Event, Error>> + use<> {
        let kinds = ["container", "network", "image"].map(str::to_owned).to_vec();
        let filters = HashMap::from([("type", kinds)]);
        let address = self.address.clone();
        let options = EventsOptionsBuilder::default().filters(&filters).build();
        self.docker.clone().events(Some(options)).map(move |answer| match answer {
            Ok(message) => Ok(event(message)),
            Err(source) => Err(Error::Refused { address: address.clone(), what: "events", source }),
        })
    }
}

fn event(message: bollard::models::EventMessage) -> Event {
    let actor = message.actor.unwrap_or_default();
    let action = message.action.unwrap_or_default();
    match message.typ {
        // What runs inside by `docker exec`, and what is copied or watched, changes nothing that is shown.
        Some(EventMessageTypeEnum::CONTAINER)
            if ["exec_", "top", "attach", "detach", "resize", "export", "archive-path", "extract-to-dir"]
                .iter()
                .any(|quiet| action.starts_with(quiet)) =>
        {
            Event::Other
        }
        Some(EventMessageTypeEnum::CONTAINER) => match actor.id {
            Some(id) => Event::Container(id.into()),
            None => Event::Other,
        },
        Some(EventMessageTypeEnum::NETWORK) => {
            let container = actor.attributes.unwrap_or_default().remove("container");
            Event::Network(container.map(ContainerId::from))
        }
        Some(EventMessageTypeEnum::IMAGE) => Event::Image,
        _ => Event::Other,
    }
}

fn engine(version: SystemVersion, info: SystemInfo) -> Engine {
    let component = version.components.unwrap_or_default().into_iter().next();
    let labels = info.labels.unwrap_or_default();
    Engine {
        name: match component {
            Some(component) if component.name.contains("Podman") => "Podman".to_owned(),
            _ if version.version.as_deref().is_some_and(|v| v.starts_with("swarm/")) => "Standalone Swarm".to_owned(),
            _ => "Docker Engine".to_owned(),
        },
        version: version.version.unwrap_or_default(),
        api_version: version.api_version.unwrap_or_default(),
        storage_driver: info.driver.unwrap_or_default(),
        cgroup_version: info.cgroup_version.map(|v| v.to_string()).unwrap_or_default(),
        swarm: info.swarm.and_then(swarm::member),
        labels: labels
            .into_iter()
            .map(|label| match label.split_once('=') {
                Some((key, value)) => (key.to_owned(), value.to_owned()),
                None => (label, String::new()),
            })
            .collect(),
    }
}
