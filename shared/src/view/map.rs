//! The map of networks: hosts as columns, networks as lines through them.

use serde::{Deserialize, Serialize};

/// The answer of `/api/network-map`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkMap {
    /// Those with a probe by name, then those that are known from others only.
    pub hosts: Vec<MapHost>,
    /// Those of several hosts first, then by name.
    pub networks: Vec<MapNetwork>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MapHost {
    /// Node id in the topology `hosts`; empty where no probe runs.
    pub id: String,
    pub label: String,
    /// Under which the others reach it, as far as that is known.
    pub address: String,
    /// `stale`, `down` or `unprobed`; empty while all is well.
    pub state: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MapNetwork {
    /// Node id in the topology `networks`.
    pub id: String,
    pub label: String,
    pub driver: String,
    pub subnets: Vec<String>,
    /// VXLAN network identifier, where it is known.
    pub vni: Option<u32>,
    pub internal: bool,
    /// It is of one host.
    pub local: bool,
    /// In the order of hosts.
    pub places: Vec<MapPlace>,
    pub unreachable: Vec<Unreachable>,
}

/// A network on one host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MapPlace {
    /// Which of `hosts`.
    pub host: usize,
    /// Containers in it.
    pub members: u32,
    /// Of an overlay, members elsewhere that the kernel has the way to, and all that the engine tells of; none where nobody
    /// compares them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarding: Option<(u32, u32)>,
}

/// A host that lacks the way to members on another one, or gets no answer from them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Unreachable {
    /// Which of `hosts`.
    pub from: usize,
    pub to: usize,
    /// How many members there.
    pub members: u32,
}
