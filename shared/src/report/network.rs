use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::addr::Subnet;
use crate::id::ContainerId;

/// A network as the container engine knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    pub name: String,
    /// `bridge`, `overlay`, `macvlan`, a plugin's name.
    pub driver: String,
    pub scope: NetworkScope,
    pub subnets: Vec<Subnet>,
    pub gateways: Vec<IpAddr>,
    pub internal: bool,
    pub attachable: bool,
    pub ingress: bool,
    pub labels: BTreeMap<String, String>,
    /// The driver's, in its own words: `encrypted`, `com.docker.network.bridge.name`, `parent`.
    pub options: BTreeMap<String, String>,
    /// Who is attached on this engine, with the addresses there.
    pub attached: BTreeMap<ContainerId, Vec<IpAddr>>,
}

impl Network {
    /// VXLAN network identifiers, one for each subnet.
    pub fn vnis(&self) -> Vec<u32> {
        let list = self.options.get("com.docker.network.driver.overlay.vxlanid_list");
        list.into_iter().flat_map(|list| list.split(',')).filter_map(|vni| vni.trim().parse().ok()).collect()
    }

    pub fn is_encrypted(&self) -> bool {
        // Given at all is given, as the driver has it.
        self.options.get("encrypted").is_some_and(|value| value != "false")
    }
}

/// How far a network reaches, as the engine says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkScope {
    #[default]
    Local,
    /// Through a cluster store.
    Global,
    Swarm,
    #[serde(other)]
    Unknown,
}

/// A network namespace of the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespace {
    pub inode: u64,
    /// The one the host's own interfaces are in.
    pub is_host: bool,
    pub addresses: Vec<Subnet>,
    /// Under which it is mounted: Docker's key of a sandbox, `1-` and the start of an overlay network's id, a name that
    /// was given with `ip netns`. Empty where it is not.
    pub name: String,
}
