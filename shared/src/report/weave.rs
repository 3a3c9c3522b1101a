//! A Weave Net router as it tells of itself and of its mesh. States are Weave's own words.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::{ContainerId, WeavePeerId};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WeaveRouter {
    pub version: String,
    pub nickname: String,
    /// Versions of its protocol, `1..2`.
    pub protocol: String,
    pub encrypted: bool,
    pub peer_discovery: bool,
    pub trusted_subnets: Vec<String>,
    /// Whom it was told to connect to.
    pub targets: Vec<String>,
    pub connections: Vec<WeaveConnection>,
    /// All that it knows of, itself among them.
    pub peers: BTreeMap<WeavePeerId, WeavePeer>,
    pub ipam: WeaveIpam,
    /// None where WeaveDNS does not run.
    pub dns: Option<WeaveDns>,
    /// Where its Docker proxy listens; empty where that does not run.
    pub proxy: Vec<String>,
    /// Of its Docker plugin; empty where that does not run.
    pub drivers: Vec<String>,
}

/// One of the router's own, made or tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WeaveConnection {
    pub address: String,
    pub outbound: bool,
    /// `established`, `pending`, `retrying`, `connecting`, `failed`.
    pub state: String,
    /// How it goes (`fastdp`, `sleeve`, the peer), or why it does not; without the time of the next try.
    pub info: String,
    pub encrypted: bool,
    /// Bytes; 0 where it is not known.
    pub mtu: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WeavePeer {
    pub nickname: String,
    /// To whom, and whether it is established; those only that this peer opened.
    pub opened: BTreeMap<WeavePeerId, bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WeaveIpam {
    pub range: String,
    pub default_subnet: String,
    pub status: WeaveIpamStatus,
    /// Addresses in use by containers of this host.
    pub active: u32,
    /// Who owns how many addresses of the range.
    pub owners: BTreeMap<WeavePeerId, WeaveOwner>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeaveIpamStatus {
    #[default]
    Idle,
    Ready,
    Priming,
    /// Too few peers agree on who owns what.
    AwaitingConsensus,
    WaitingForGrant,
    OwnersUnreachable,
    #[serde(other)]
    Unknown,
}

impl WeaveIpamStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Ready => "ready",
            Self::Priming => "priming",
            Self::AwaitingConsensus => "waiting for consensus",
            Self::WaitingForGrant => "waiting for grant of a range",
            Self::OwnersUnreachable => "all ranges owned by unreachable peers",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WeaveOwner {
    pub nickname: String,
    pub addresses: u64,
    pub is_reachable: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WeaveDns {
    pub domain: String,
    pub address: String,
    pub upstream: Vec<String>,
    pub ttl_s: u32,
    pub entries: Vec<WeaveName>,
    /// Names that were removed and that the mesh still has to forget.
    pub tombstones: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeaveName {
    pub name: String,
    pub address: IpAddr,
    #[serde(default)]
    pub container: Option<ContainerId>,
}
