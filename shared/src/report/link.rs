//! Interfaces of network namespaces, and where what they send goes.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::addr::Subnet;
use crate::id::NetNsId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkKey {
    pub namespace: NetNsId,
    pub index: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    pub name: String,
    /// As the kernel names it: `veth`, `bridge`, `vxlan`, `macvlan`, `tun`; else `loopback` or `physical`.
    pub kind: String,
    /// Empty where there is none.
    pub mac: String,
    pub mtu: u32,
    /// Set up by its administrator.
    pub up: bool,
    /// Able to carry packets.
    pub running: bool,
    pub addresses: Vec<Subnet>,
    /// Index of the bridge, bond or other link of the same namespace that it is a port of.
    pub master: Option<u32>,
    /// The other end of a pair; none where that is in a namespace that is not seen.
    pub peer: Option<LinkKey>,
    /// Index of the link that it is on top of.
    pub lower: Option<u32>,
    /// The namespace of that one; none where it is in the same.
    pub lower_in: Option<NetNsId>,
    pub vxlan: Option<Vxlan>,
}

impl Link {
    /// The link that it is on top of; `namespace` is its own.
    pub fn below(&self, namespace: NetNsId) -> Option<LinkKey> {
        Some(LinkKey { namespace: self.lower_in.unwrap_or(namespace), index: self.lower? })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vxlan {
    pub vni: u32,
    /// UDP port that it sends to.
    pub port: u16,
    /// Address that it sends from; none where the route decides.
    #[serde(default)]
    pub local: Option<IpAddr>,
    /// Index of the device that it sends through, in the namespace that it was made in.
    #[serde(default)]
    pub underlay: Option<u32>,
}

/// Over the time since the last reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkMetrics {
    pub received_bytes_per_s: f64,
    pub sent_bytes_per_s: f64,
    pub received_packets_per_s: f64,
    pub sent_packets_per_s: f64,
    pub errors_per_s: f64,
    pub dropped_per_s: f64,
}

/// Where a namespace sends what it sends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Paths {
    /// But for those to the namespace's own addresses.
    pub routes: Vec<Route>,
    /// By which tables of routes are chosen, but for the three that every namespace has; in the order of priority.
    pub rules: Vec<Rule>,
    pub neighbours: Vec<Neighbour>,
    /// But for the own addresses of its links.
    pub forwarding: Vec<Forwarding>,
    /// How many more there are than are reported.
    pub routes_left_out: u32,
    pub neighbours_left_out: u32,
    pub forwarding_left_out: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    pub to: Subnet,
    /// None where the target is a neighbour itself.
    #[serde(default)]
    pub via: Option<IpAddr>,
    /// Index of the interface.
    #[serde(default)]
    pub link: Option<u32>,
    /// Address that is sent from.
    #[serde(default)]
    pub source: Option<IpAddr>,
    #[serde(default)]
    pub metric: u32,
    #[serde(default)]
    pub table: u32,
    #[serde(default)]
    pub kind: RouteKind,
}

/// What it does not name it does not ask for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    pub priority: u32,
    pub is_v6: bool,
    pub from: Option<Subnet>,
    pub to: Option<Subnet>,
    /// Of the packet; 0 for any.
    pub mark: u32,
    /// Names of interfaces that it comes in or goes out by.
    pub input: String,
    pub output: String,
    pub table: u32,
    /// Unicast where it leads to a table.
    pub kind: RouteKind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteKind {
    Unicast,
    Blackhole,
    Unreachable,
    Prohibit,
    #[default]
    #[serde(other)]
    Unknown,
}

impl RouteKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unicast => "unicast",
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    pub address: IpAddr,
    /// Empty where it does not answer.
    pub mac: String,
    /// Index of the interface.
    pub link: u32,
    #[serde(default)]
    pub state: NeighbourState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NeighbourState {
    /// Somebody entered it, such as an overlay's driver.
    Permanent,
    Learned,
    /// Was asked for and does not answer.
    Silent,
    #[default]
    #[serde(other)]
    Unknown,
}

impl NeighbourState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Learned => "learned",
            Self::Silent => "no answer",
            Self::Unknown => "unknown",
        }
    }
}

/// An entry of a bridge's or vxlan device's forwarding database (FDB): behind what a hardware address is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarding {
    /// All zeros for whatever has no entry of its own.
    pub mac: String,
    /// Index of the port or vxlan device.
    pub link: u32,
    /// VTEP that a vxlan device sends to.
    #[serde(default)]
    pub vtep: Option<IpAddr>,
    /// Seen by the kernel itself, not entered by anybody.
    #[serde(default)]
    pub is_learned: bool,
}
