use serde::{Deserialize, Serialize};

use crate::id::{ContainerId, NetNsId};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// First argument, else the kernel's name in brackets: `nginx`, `[kworker/0:1]`.
    pub name: String,
    /// Arguments joined by spaces; empty for kernel threads and where arguments are omitted.
    pub command: String,
    pub parent: u32,
    pub namespace: Option<NetNsId>,
    pub container: Option<ContainerId>,
    /// Path in the unified hierarchy, else in the memory controller's.
    pub cgroup: String,
    /// Soft limit of open files; none where it cannot be read or is unlimited.
    pub open_files_limit: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessMetrics {
    /// Of one core, so that four busy threads show 400.
    pub cpu_percent: f64,
    /// Resident set.
    pub memory_bytes: u64,
    pub threads: u32,
    /// None where /proc/pid/fd cannot be read.
    pub open_files: Option<u32>,
}
