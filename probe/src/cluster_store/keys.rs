//! The keys that Docker Engines keep in a cluster store, whatever store it is.
//!
//! Under `docker/nodes` each engine announces itself, under `docker/swarm/nodes` each member of a standalone Swarm.
//! Under `docker/network/v1.0` are networks, their endpoints and overlays, address pools and the VXLAN identifiers in
//! use. Format: github.com/moby/libnetwork, `network.go` and `endpoint.go` (MarshalJSON), `drivers/overlay`, `bitseq`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use shared::addr::Subnet;
use shared::id::NetworkId;
use shared::report::{Network, NetworkScope, Overlay, OverlayMember, StoreContents, StoreUse, StoredNetwork};

/// Under the store's own prefix, above all keys of engines.
pub const ROOT: &str = "docker";
const NODES: &str = "docker/nodes/";
const SWARM_NODES: &str = "docker/swarm/nodes/";
const NETWORKS: &str = "docker/network/v1.0/network/";
const OVERLAYS: &str = "docker/network/v1.0/overlay/network/";
const ENDPOINTS: &str = "docker/network/v1.0/endpoint/";
const POOLS: &str = "docker/network/v1.0/ipam/default/data/";
const VNIS: &str = "docker/network/v1.0/idm/vxlan-id";
/// In which the engines' own lists tell of VXLAN identifiers.
const VNI_OPTION: &str = "com.docker.network.driver.overlay.vxlanid_list";

/// Values by key; keys without the store's prefix and without slashes at their ends.
pub type Keys = BTreeMap<String, String>;

/// What is kept of one network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    pub network: Network,
    pub overlay: Overlay,
}

/// What the keys say of networks, and a digest of the whole. Keys of others are passed over, values that cannot be read
/// are counted.
pub fn parse(keys: &Keys) -> (BTreeMap<NetworkId, Kept>, StoreContents) {
    let mut kept: BTreeMap<NetworkId, Kept> = BTreeMap::new();
    let mut contents = StoreContents::default();
    for (key, value) in keys.iter().filter(|(_, value)| !value.is_empty()) {
        let is_read = if let Some(node) = key.strip_prefix(NODES) {
            contents.nodes.insert(node.to_owned())
        } else if let Some(node) = key.strip_prefix(SWARM_NODES) {
            contents.swarm_nodes.insert(node.to_owned())
        } else if let Some(id) = key.strip_prefix(NETWORKS) {
            network(value).map(|network| kept.entry(id.into()).or_default().network = network).is_some()
        } else if let Some(pool) = key.strip_prefix(POOLS) {
            in_use(value).map(|used| contents.pools.insert(pool.to_owned(), used)).is_some()
        } else if key == VNIS {
            contents.vnis = in_use(value);
            contents.vnis.is_some()
        } else {
            true
        };
        contents.unread += u32::from(!is_read);
    }
    // What is in a network that is gone, or that cannot be read, hangs in the air.
    for (key, value) in keys.iter().filter(|(_, value)| !value.is_empty()) {
        if let Some(id) = key.strip_prefix(OVERLAYS) {
            let Some(kept) = kept.get_mut(&NetworkId::from(id)) else { continue };
            match vnis(value) {
                Some(vnis) => drop(kept.network.options.insert(VNI_OPTION.into(), vnis)),
                None => contents.unread += 1,
            }
        } else if let Some((id, _)) = key.strip_prefix(ENDPOINTS).and_then(|rest| rest.split_once('/')) {
            let Some(kept) = kept.get_mut(&NetworkId::from(id)) else { continue };
            match endpoint(value) {
                Some((addresses, member)) => {
                    kept.overlay.peers.extend(member.vtep);
                    kept.overlay.members.extend(addresses.into_iter().map(|address| (address, member.clone())));
                }
                None => contents.unread += 1,
            }
        }
    }
    contents.networks = kept
        .iter()
        .map(|(id, Kept { network, overlay })| {
            let endpoints = u32::try_from(overlay.members.len()).unwrap_or(u32::MAX);
            (id.clone(), StoredNetwork { name: network.name.clone(), endpoints })
        })
        .collect();
    (kept, contents)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn words(value: &Value) -> BTreeMap<String, String> {
    let entries = value.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))).collect()
}

fn network(value: &str) -> Option<Network> {
    let value: Value = serde_json::from_str(value).ok()?;
    let name = value["name"].as_str().filter(|name| !name.is_empty())?;
    let flag = |key: &str| value[key].as_bool().unwrap_or(false);
    // JSON in JSON in JSON, one for each family.
    let pools = [&value["ipamV4Info"], &value["ipamV6Info"]].into_iter().filter_map(|info| {
        let list: Value = serde_json::from_str(info.as_str()?).ok()?;
        let data = list.as_array()?.iter().filter_map(|entry| serde_json::from_str(entry["IPAMData"].as_str()?).ok());
        Some(data.collect::<Vec<Value>>())
    });
    let pools: Vec<Value> = pools.flatten().collect();
    let subnet = |pool: &Value| pool["Pool"].as_str()?.parse::<Subnet>().ok();
    let gateway = |pool: &Value| pool["Gateway"].as_str()?.split('/').next()?.parse::<IpAddr>().ok();
    Some(Network {
        name: name.to_owned(),
        driver: text(&value["networkType"]),
        scope: NetworkScope::Global,
        subnets: pools.iter().filter_map(subnet).collect(),
        gateways: pools.iter().filter_map(gateway).collect(),
        internal: flag("internal"),
        attachable: flag("attachable"),
        ingress: flag("ingress"),
        labels: words(&value["labels"]),
        options: words(&value["generic"]["com.docker.network.generic"]),
        attached: BTreeMap::new(),
    })
}

fn vnis(value: &str) -> Option<String> {
    let value: Value = serde_json::from_str(value).ok()?;
    let subnets = value["subnets"].as_array()?;
    // 0 until the first container is attached.
    let vnis = subnets.iter().filter_map(|subnet| subnet["Vni"].as_u64()).filter(|vni| *vni > 0);
    Some(vnis.map(|vni| vni.to_string()).collect::<Vec<_>>().join(","))
}

/// Its addresses; none where it has none yet.
fn endpoint(value: &str) -> Option<(BTreeSet<IpAddr>, OverlayMember)> {
    let value: Value = serde_json::from_str(value).ok()?;
    let interface = value["ep_iface"].as_object()?;
    let address = |key: &str| interface.get(key)?.as_str()?.split('/').next()?.parse::<IpAddr>().ok();
    let mac = interface.get("mac").and_then(Value::as_str).unwrap_or_default().to_owned();
    let member = OverlayMember { name: text(&value["name"]), vtep: text(&value["locator"]).parse().ok(), mac };
    // Made, and not in any container: an engine that died on the way leaves such.
    let is_placed = !text(&value["sandbox"]).is_empty();
    let addresses =
        if is_placed { ["addr", "addrv6"].into_iter().filter_map(address).collect() } else { BTreeSet::new() };
    Some((addresses, member))
}

/// How many numbers of a `bitseq` there are and are taken: its head says how many there are and are not, both as 64 bits
/// with the highest first.
fn in_use(value: &str) -> Option<StoreUse> {
    let value: Value = serde_json::from_str(value).ok()?;
    let bytes = BASE64_STANDARD.decode(value["sequence"].as_str()?).ok()?;
    let (all, rest) = bytes.split_first_chunk::<8>()?;
    let (all, free) = (u64::from_be_bytes(*all), u64::from_be_bytes(*rest.first_chunk::<8>()?));
    Some(StoreUse { all, used: all.checked_sub(free)? })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Recorded from a real etcd 3.4 with three engines of 20.10 on it: GET /v2/keys/?recursive=true.
    pub const ETCD: &str = include_str!("../../fixtures/cluster-store/etcd-v2-docker.json");

    pub fn check(keys: &Keys) {
        let (kept, contents) = parse(keys);
        assert_eq!(
            contents.nodes.iter().map(|n| &**n).collect::<Vec<_>>(),
            ["10.77.0.11:2376", "10.77.0.12:2376", "10.77.0.13:2376"]
        );
        assert_eq!(contents.unread, 0);
        let vnis = contents.vnis.unwrap();
        assert_eq!((vnis.used, vnis.all), (2, (1 << 24) - 256));
        let pools: Vec<_> = contents.pools.iter().map(|(pool, used)| (&**pool, used.used, used.all)).collect();
        assert_eq!(pools, [("GlobalDefault/10.88.0.0/24", 5, 256), ("GlobalDefault/10.89.0.0/24", 5, 256)]);
        let named = |name: &str| kept.values().find(|kept| kept.network.name == name).unwrap();
        let (mesh, back) = (named("mesh"), named("back"));
        assert_eq!((mesh.network.vnis(), back.network.vnis()), (vec![256], vec![257]));
        assert_eq!((mesh.network.internal, back.network.internal), (false, true));
        assert_eq!(mesh.network.subnets, ["10.88.0.0/24".parse().unwrap()]);
        assert_eq!(mesh.network.gateways, ["10.88.0.1".parse::<IpAddr>().unwrap()]);
        let members: Vec<_> = mesh.overlay.members.iter().map(|(at, m)| (at.to_string(), &*m.name, m.vtep)).collect();
        let vtep = |text: &str| text.parse::<IpAddr>().ok();
        assert_eq!(
            members,
            [
                ("10.88.0.2".to_owned(), "web", vtep("10.77.0.11")),
                ("10.88.0.3".to_owned(), "client", vtep("10.77.0.13"))
            ]
        );
        assert_eq!(mesh.overlay.members.values().map(|m| &*m.mac).next(), Some("02:42:0a:58:00:02"));
        assert_eq!(contents.networks.values().map(|n| n.endpoints).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn what_is_of_others_is_passed_over_and_what_cannot_be_read_is_counted() {
        let keys = [
            ("docker/network/v1.0/network/a", "{"),
            ("docker/network/v1.0/network/b", "{}"),
            ("docker/network/v1.0/network/c", r#"{"name":"c","networkType":"overlay"}"#),
            ("docker/network/v1.0/overlay/network/c", "[]"),
            ("docker/network/v1.0/endpoint/c/1", "null"),
            ("docker/network/v1.0/endpoint/gone/1", "null"),
            ("docker/network/v1.0/ipam/default/data/P/10.0.0.0/24", r#"{"sequence":"AAAA"}"#),
            ("docker/network/v1.0/idm/vxlan-id", "?"),
            ("docker/else/what", "?"),
            ("docker/nodes/", ""),
        ];
        let keys = keys.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let (kept, contents) = parse(&keys);
        assert_eq!(kept.len(), 1);
        assert_eq!(contents.unread, 6);
        assert_eq!(parse(&Keys::new()), (BTreeMap::new(), StoreContents::default()), "an empty store");
    }

    #[test]
    fn an_endpoint_that_is_in_no_container_is_no_member() {
        let value = r#"{"ep_iface":{"addr":"10.0.0.5/24"},"locator":"10.77.0.1","name":"x","sandbox":""}"#;
        assert!(endpoint(value).unwrap().0.is_empty());
    }
}
