//! A swarm as its engines know it: every engine its own part in it, managers also its nodes, services and tasks.
//! States are Swarm's own words.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::addr::{Protocol, Subnet};
use crate::id::{ContainerId, NetworkId, ServiceId, SwarmNodeId};

/// An engine's part in a swarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SwarmMember {
    pub node: SwarmNodeId,
    /// Known to managers only; empty elsewhere.
    #[serde(default)]
    pub cluster: String,
    /// Under which the others reach it.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// `active`, `pending`, `error`, `locked`.
    #[serde(default)]
    pub state: String,
    /// Why it is not active, in the engine's words.
    #[serde(default)]
    pub error: String,
    #[serde(default)]
    pub is_manager: bool,
    /// Where it expects the managers: node and `address:port`.
    #[serde(default)]
    pub managers: BTreeMap<SwarmNodeId, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SwarmNode {
    pub hostname: String,
    /// `manager` or `worker`, as it is meant to be.
    pub role: String,
    /// `active`, `pause`, `drain`.
    pub availability: String,
    /// `ready`, `down`, `disconnected`, `unknown`.
    pub state: String,
    /// Why it is in that state.
    pub message: String,
    pub address: Option<IpAddr>,
    pub engine_version: String,
    pub labels: BTreeMap<String, String>,
    /// None on workers.
    pub manager: Option<SwarmManager>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SwarmManager {
    pub is_leader: bool,
    /// `reachable`, `unreachable`, `unknown`.
    pub reachability: String,
    pub address: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    pub name: String,
    pub mode: ServiceMode,
    pub image: String,
    /// `vip` or `dnsrr`.
    pub endpoint_mode: String,
    /// Its virtual address in each network.
    pub virtual_addresses: BTreeMap<NetworkId, Subnet>,
    pub ports: Vec<ServicePort>,
    pub networks: Vec<NetworkId>,
    pub labels: BTreeMap<String, String>,
    /// How its last update went, such as `updating`, `paused: …`; empty where there was none.
    pub update: String,
}

/// How many tasks a service is to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceMode {
    Replicated(u64),
    /// One on each node that it may run on.
    Global,
    /// Tasks that end.
    Job,
    #[default]
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServicePort {
    pub protocol: Protocol,
    pub target: u16,
    #[serde(default)]
    pub published: Option<u16>,
    /// On the nodes that run a task only, instead of on all.
    #[serde(default)]
    pub on_host: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Task {
    pub service: Option<ServiceId>,
    /// Of a replicated service, from 1.
    pub slot: Option<u64>,
    pub node: Option<SwarmNodeId>,
    /// `new`, `pending`, `assigned`, `preparing`, `running`, `complete`, `failed`, `rejected`, …
    pub state: String,
    pub desired_state: String,
    pub message: String,
    /// Why it failed, or does not start.
    pub error: String,
    pub container: Option<ContainerId>,
    pub image: String,
    /// When it came into its state, milliseconds since the epoch.
    pub since_ms: u64,
}
