//! An overlay network as one engine believes it to be: told by gossip or read from a cluster store, never by the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overlay {
    /// VTEPs of the hosts that have a part in it, the own among them. Empty where the engine does not say.
    pub peers: BTreeSet<IpAddr>,
    /// On all hosts, by their address in the network.
    pub members: BTreeMap<IpAddr, OverlayMember>,
    /// Endpoints here that belong to no container, such as a load balancer's: address and MAC.
    pub own: BTreeMap<IpAddr, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OverlayMember {
    /// The container's.
    pub name: String,
    /// VTEP of its host; none where the engine does not say.
    pub vtep: Option<IpAddr>,
    /// Empty where the engine does not say.
    pub mac: String,
}
