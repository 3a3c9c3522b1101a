//! A key-value store in which Docker Engines keep their networks, as one host sees it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::collector::Trouble;
use crate::id::NetworkId;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Store {
    pub kind: StoreKind,
    /// By `host:port` at which clients are served.
    pub members: BTreeMap<String, StoreMember>,
    /// Where this host's engine says that others reach it; empty where it was not asked.
    pub advertise: String,
    pub contents: StoreContents,
}

/// What engines keep in a store, digested; what it tells of networks is told as that of networks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreContents {
    /// Engines that announce themselves, by `address:port`.
    pub nodes: BTreeSet<String>,
    /// Members of a standalone Swarm, by `address:port` of their engines.
    pub swarm_nodes: BTreeSet<String>,
    pub networks: BTreeMap<NetworkId, StoredNetwork>,
    /// Addresses, by address space and subnet: `GlobalDefault/10.0.0.0/24`.
    pub pools: BTreeMap<String, StoreUse>,
    /// VXLAN network identifiers; none where none was ever taken.
    pub vnis: Option<StoreUse>,
    /// Values of engines that could not be read.
    pub unread: u32,
    /// Why the keys could not be read, where they could not; the rest is of the last time that they could.
    pub error: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredNetwork {
    pub name: String,
    /// With an address and in a container, on all hosts.
    pub endpoints: u32,
}

/// How many of a kind of number there are, and are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreUse {
    pub all: u64,
    pub used: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    Etcd,
    Consul,
    ZooKeeper,
    #[default]
    #[serde(other)]
    Unknown,
}

impl StoreKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Consul => "Consul",
            Self::ZooKeeper => "ZooKeeper",
            Self::Unknown => "store",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreMember {
    pub name: String,
    pub version: String,
    /// `leader`, `follower`, `standalone`; empty where it is not known.
    pub role: String,
    /// Whether it knows of a leader.
    pub has_leader: bool,
    /// Servers that have a say in who leads, in the store's own words; empty where it does not tell.
    pub servers: BTreeSet<String>,
    /// Others tell this of it: where it serves clients is not known, so it was not asked itself.
    pub is_hearsay: bool,
    /// Of its answer, rounded up so that it rarely changes: 5, 10, 20, 50, …
    pub latency_ms: u32,
    /// In what way it fails, and how it says so.
    pub trouble: Trouble,
    pub error: String,
}
