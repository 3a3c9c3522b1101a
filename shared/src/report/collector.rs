use serde::{Deserialize, Serialize};

/// A source that the probe reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Collector {
    Host,
    Process,
    Socket,
    Conntrack,
    Link,
    Docker,
    #[serde(other)]
    Unknown,
}

impl Collector {
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Process => "process",
            Self::Socket => "socket",
            Self::Conntrack => "conntrack",
            Self::Link => "link",
            Self::Docker => "docker",
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
