use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::addr::Subnet;
use crate::id::ContainerId;

/// A network as the container engine knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    pub name: String,
    /// `bridge`, `overlay`, `macvlan`, a plugin's name.
    pub driver: String,
    pub scope: NetworkScope,
    pub subnets: Vec<Subnet>,
    pub gateways: Vec<IpAddr>,
    pub internal: bool,
    pub attachable: bool,
    pub ingress: bool,
    pub labels: BTreeMap<String, String>,
    /// Who is attached on this engine, with the addresses there.
    pub attached: BTreeMap<ContainerId, Vec<IpAddr>>,
}

/// How far a network reaches, as the engine says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkScope {
    #[default]
    Local,
    /// Through a cluster store.
    Global,
    Swarm,
    #[serde(other)]
    Unknown,
}

/// A network namespace of the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespace {
    pub inode: u64,
    /// The one the host's own interfaces are in.
    pub is_host: bool,
    pub addresses: Vec<Subnet>,
    /// Under which it is mounted: Docker's key of a sandbox, `1-` and the start of an overlay network's id, a name that
    /// was given with `ip netns`. Empty where it is not.
    pub name: String,
}
