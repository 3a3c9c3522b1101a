use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::addr::Protocol;
use crate::id::{ImageId, NetNsId, NetworkId};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// Without Docker's leading slash.
    pub name: String,
    pub image: Option<ImageId>,
    /// The reference it was made from, `redis:7`.
    pub image_name: String,
    pub command: String,
    pub state: ContainerState,
    pub health: Option<Health>,
    /// Milliseconds since the epoch, 0 where the engine says none.
    pub created_ms: u64,
    pub started_ms: u64,
    pub finished_ms: u64,
    pub exit_code: i64,
    pub restart_count: u32,
    pub hostname: String,
    /// In the probe's pid namespace; none unless it runs.
    pub pid: Option<u32>,
    pub namespace: Option<NetNsId>,
    /// `--network host`, or a container that shares the namespace of one that has it.
    pub host_network: bool,
    /// By the network's name.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Addresses of the interfaces in its namespace that the engine does not know of.
    pub other_addresses: Vec<IpAddr>,
    pub ports: Vec<PortMapping>,
    pub labels: BTreeMap<String, String>,
    /// Empty unless the probe was asked to read it.
    pub environment: BTreeMap<String, String>,
    /// Bytes; none where there is no limit.
    pub memory_limit_bytes: Option<u64>,
}

/// A container on another host than the one that reports it, which heard of it from the manager of a standalone Swarm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Elsewhere {
    /// The name of its host's engine there.
    pub node: String,
    /// Of that engine; none where its name leads to none.
    pub address: Option<IpAddr>,
    pub container: Container,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
    #[default]
    #[serde(other)]
    Unknown,
}

impl ContainerState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }

    /// As Scope's `stopped=running` means it.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting | Self::Unknown)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    Starting,
    Healthy,
    Unhealthy,
    #[serde(other)]
    Unknown,
}

/// A container's place in one network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    pub network: Option<NetworkId>,
    pub addresses: Vec<IpAddr>,
    pub mac: String,
    pub aliases: Vec<String>,
    /// Not by the engine, which knows nothing of it, but by `weave attach`.
    pub is_attached_by_hand: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortMapping {
    pub protocol: Protocol,
    pub container_port: u16,
    /// Address and port on the host; none for a port that is exposed only.
    pub published: Option<(IpAddr, u16)>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Image {
    /// Repository tags, `redis:7`, in order.
    pub tags: Vec<String>,
    pub size_bytes: u64,
    /// Milliseconds since the epoch.
    pub created_ms: u64,
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerMetrics {
    /// Of one core, so that four busy threads show 400.
    pub cpu_percent: f64,
    /// Without the page cache that can be given back (inactive file pages), as `docker stats` counts.
    pub memory_bytes: u64,
    pub received_bytes_per_s: f64,
    pub sent_bytes_per_s: f64,
    pub read_bytes_per_s: f64,
    pub written_bytes_per_s: f64,
}
