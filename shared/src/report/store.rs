//! A key-value store in which Docker Engines keep their networks, as one host sees it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::collector::Trouble;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Store {
    pub kind: StoreKind,
    /// By `host:port` at which clients are served.
    pub members: BTreeMap<String, StoreMember>,
    /// Where this host's engine says that others reach it; empty where it was not asked.
    pub advertise: String,
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
    /// Of its answer, rounded up so that it rarely changes: 1, 2, 5, 10, …
    pub latency_ms: u32,
    /// In what way it fails, and how it says so.
    pub trouble: Trouble,
    pub error: String,
}
