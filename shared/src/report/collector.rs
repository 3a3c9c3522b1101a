use serde::{Deserialize, Serialize};

/// A source that the probe reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Collector {
    Host,
    Process,
    Socket,
    Ebpf,
    Conntrack,
    Dns,
    Link,
    Docker,
    Weave,
    ClusterStore,
    #[serde(other)]
    Unknown,
}

impl Collector {
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Process => "process",
            Self::Socket => "socket",
            Self::Ebpf => "ebpf",
            Self::Conntrack => "conntrack",
            Self::Dns => "dns",
            Self::Link => "link",
            Self::Docker => "docker",
            Self::Weave => "weave",
            Self::ClusterStore => "cluster-store",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CollectorStatus {
    pub state: CollectorState,
    /// What it sees, or why it sees less: `sock_diag in 12 namespaces`, `no Docker Engine at /run/docker.sock`.
    pub message: String,
    /// In what way it failed.
    pub trouble: Trouble,
    /// When its source answered last, by the host's clock, milliseconds since the epoch; 0 where it never did or where
    /// that is not kept.
    pub answered_ms: u64,
    /// Of its answer, rounded up so that it rarely changes: 5, 10, 20, 50, … milliseconds. 0 where that is not known.
    pub latency_ms: u32,
    /// Records that were dropped or could not be read since the probe started.
    pub dropped: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CollectorState {
    /// Has not read its source yet.
    #[default]
    Starting,
    Ok,
    /// Sees a part.
    Degraded,
    /// Sees nothing, and tries again.
    Failed,
    /// Turned off by an option.
    Off,
    #[serde(other)]
    Unknown,
}

impl CollectorState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Off => "off",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a source that is asked for answers gives none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trouble {
    #[default]
    None,
    /// Nobody is there.
    Absent,
    /// Refuses the connection, or ends it.
    Unreachable,
    /// Takes the question and does not answer.
    Silent,
    /// Answers what cannot be read, or with an error.
    Confused,
    #[serde(other)]
    Unknown,
}
