//! What one host reports: everything its probe sees, as typed records keyed by identity.
//!
//! Records carry facts, never labels or shapes. What changes each second (`metrics`) is apart from what rarely
//! changes, so that a delta of one does not repeat the other.

pub mod collector;
pub mod connection;
pub mod container;
pub mod host;
pub mod link;
pub mod network;
pub mod overlay;
pub mod process;
pub mod store;
pub mod swarm;
pub mod weave;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use collector::{Collector, CollectorState, CollectorStatus, Trouble};
pub use connection::{
    Connection, Evidence, Failures, Flow, FlowKey, FlowMetrics, FlowTotals, Listener, ListenerKey, Role,
    SharedConnection,
};
pub use container::{Container, ContainerMetrics, ContainerState, Elsewhere, Endpoint, Health, Image, PortMapping};
pub use host::{Engine, Host, HostMetrics};
pub use link::{
    Forwarding, Link, LinkKey, LinkMetrics, Neighbour, NeighbourState, Paths, Route, RouteKind, Rule, Vxlan,
};
pub use network::{Namespace, Network, NetworkScope};
pub use overlay::{Overlay, OverlayMember};
pub use process::{Process, ProcessMetrics};
pub use store::{Store, StoreContents, StoreKind, StoreMember, StoreUse, StoredNetwork};
pub use swarm::{Service, ServiceMode, ServicePort, SwarmManager, SwarmMember, SwarmNode, Task};
pub use weave::{WeaveConnection, WeaveDns, WeaveIpam, WeaveIpamStatus, WeaveName, WeaveOwner, WeavePeer, WeaveRouter};

use crate::id::{
    ConnectionId, ContainerId, ImageId, NetNsId, NetworkId, ProcessId, ServiceId, StoreId, SwarmNodeId, TaskId,
    WeavePeerId,
};

/// The whole of one host at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    pub host: Host,
    pub collectors: BTreeMap<Collector, CollectorStatus>,
    pub processes: BTreeMap<ProcessId, Process>,
    pub containers: BTreeMap<ContainerId, Container>,
    /// On other hosts, where the engine is the manager of a standalone Swarm.
    pub elsewhere: BTreeMap<ContainerId, Elsewhere>,
    pub images: BTreeMap<ImageId, Image>,
    pub networks: BTreeMap<NetworkId, Network>,
    /// What the engine believes of the overlay networks that it has a part in.
    pub overlays: BTreeMap<NetworkId, Overlay>,
    /// Of the swarm, where the engine manages one.
    pub swarm_nodes: BTreeMap<SwarmNodeId, SwarmNode>,
    pub services: BTreeMap<ServiceId, Service>,
    pub tasks: BTreeMap<TaskId, Task>,
    /// The host's Weave router, under its own name.
    pub weave: BTreeMap<WeavePeerId, WeaveRouter>,
    /// By how they are named, `etcd://10.0.0.1:2379,10.0.0.2:2379`.
    pub stores: BTreeMap<StoreId, Store>,
    pub namespaces: BTreeMap<NetNsId, Namespace>,
    pub links: BTreeMap<LinkKey, Link>,
    pub paths: BTreeMap<NetNsId, Paths>,
    pub listeners: BTreeMap<ListenerKey, Listener>,
    /// Shared with those who know them too: a host has tens of thousands.
    pub connections: BTreeMap<ConnectionId, SharedConnection>,
    pub flows: BTreeMap<FlowKey, Flow>,
    /// Of addresses that the host's processes talk to: the names that were asked for before, the first one first.
    pub names: BTreeMap<IpAddr, Vec<String>>,
    pub metrics: Metrics,
}

/// The latest sample of everything that is measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    pub host: Option<HostMetrics>,
    pub containers: BTreeMap<ContainerId, ContainerMetrics>,
    pub processes: BTreeMap<ProcessId, ProcessMetrics>,
    /// Of links that carry something.
    pub links: BTreeMap<LinkKey, LinkMetrics>,
    /// Of conversations whose bytes the kernel counts.
    pub flows: BTreeMap<FlowKey, FlowMetrics>,
    /// When the last reading of a source began whose result is in the report, by the host's boot clock, milliseconds. Of
    /// those that are read again and again: links, and what the engine believes of overlays.
    pub read_ms: BTreeMap<Collector, u64>,
}
