use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SwarmMember;
use crate::addr::Subnet;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    pub name: String,
    /// `linux`, as uname gives it, in lower case.
    pub os: String,
    /// The distribution's own name, `Debian GNU/Linux 12 (bookworm)`; empty where /etc/os-release is missing.
    pub distribution: String,
    /// Release and version of the kernel.
    pub kernel: String,
    pub boot_id: String,
    /// Milliseconds since the epoch.
    pub booted_at_ms: u64,
    pub cpus: u32,
    pub memory_bytes: u64,
    /// Addresses of all interfaces with their prefixes, v4 and v6, loopback among them.
    pub local_networks: Vec<Subnet>,
    /// `net.ipv4.ip_local_port_range`, both ends included: which ports the kernel picks for clients.
    pub ephemeral_ports: Option<(u16, u16)>,
    pub scope_version: String,
    pub engine: Option<Engine>,
}

/// The container engine of the host, from its `info` and `version`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Engine {
    /// `Docker Engine` or `Podman Engine`, as the engine says.
    pub name: String,
    pub version: String,
    pub api_version: String,
    pub storage_driver: String,
    pub cgroup_version: String,
    /// Engine labels, Docker Machine's `provider` among them.
    pub labels: BTreeMap<String, String>,
    /// Its part in a swarm; none where it is in none.
    pub swarm: Option<SwarmMember>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostMetrics {
    /// Of all cores together, 0 to 100.
    pub cpu_percent: f64,
    /// Not counting buffers and page cache.
    pub memory_bytes: u64,
    pub load1: f64,
    /// Over all interfaces but loopback.
    pub received_bytes_per_s: f64,
    pub sent_bytes_per_s: f64,
    pub read_bytes_per_s: f64,
    pub written_bytes_per_s: f64,
}
