//! The JSON that a Weave router answers with, as it is written by Weave 2.8.

use std::net::IpAddr;

use serde::Deserialize;
use shared::id::{ContainerId, WeavePeerId};
use shared::report::{
    WeaveConnection, WeaveDns, WeaveIpam, WeaveIpamStatus, WeaveName, WeaveOwner, WeavePeer, WeaveRouter,
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    #[serde(default)]
    version: String,
    #[serde(default, rename = "Ready")]
    pub is_ready: bool,
    router: Router,
    #[serde(rename = "IPAM")]
    ipam: Option<Ipam>,
    #[serde(rename = "DNS")]
    dns: Option<Dns>,
    proxy: Option<Proxy>,
    plugin: Option<Plugin>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Router {
    name: String,
    #[serde(default)]
    nick_name: String,
    #[serde(default)]
    protocol_min_version: u32,
    #[serde(default)]
    protocol_max_version: u32,
    #[serde(default)]
    encryption: bool,
    #[serde(default)]
    peer_discovery: bool,
    peers: Option<Vec<Peer>>,
    connections: Option<Vec<Connection>>,
    targets: Option<Vec<String>>,
    trusted_subnets: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Peer {
    name: String,
    #[serde(default)]
    nick_name: String,
    connections: Option<Vec<PeerConnection>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PeerConnection {
    name: String,
    #[serde(default)]
    outbound: bool,
    #[serde(default)]
    established: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Connection {
    #[serde(default)]
    address: String,
    #[serde(default)]
    outbound: bool,
    #[serde(default)]
    state: String,
    #[serde(default)]
    info: String,
    attrs: Option<Attributes>,
}

#[derive(Debug, Deserialize)]
struct Attributes {
    #[serde(default)]
    encrypted: bool,
    #[serde(default)]
    mtu: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ipam {
    paxos: Option<Paxos>,
    #[serde(default)]
    range: String,
    #[serde(default, rename = "ActiveIPs")]
    active: u32,
    #[serde(default)]
    default_subnet: String,
    entries: Option<Vec<Range>>,
    pending_allocates: Option<Vec<serde_json::Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Paxos {
    #[serde(default)]
    elector: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Range {
    #[serde(default)]
    size: u64,
    peer: String,
    #[serde(default)]
    nickname: String,
    #[serde(default)]
    is_known_peer: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dns {
    #[serde(default)]
    domain: String,
    #[serde(default)]
    address: String,
    upstream: Option<Vec<String>>,
    #[serde(default, rename = "TTL")]
    ttl: u32,
    entries: Option<Vec<Name>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Name {
    #[serde(default)]
    hostname: String,
    #[serde(default, rename = "ContainerID")]
    container: String,
    address: String,
    #[serde(default)]
    tombstone: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Proxy {
    addresses: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Plugin {
    #[serde(default)]
    driver_name: String,
    #[serde(default)]
    mesh_driver_name: String,
}

impl Answer {
    pub fn record(self) -> (WeavePeerId, WeaveRouter) {
        let Self { version, is_ready: _, router, ipam, dns, proxy, plugin } = self;
        let peers = router.peers.unwrap_or_default().into_iter().map(|peer| {
            let opened = peer.connections.unwrap_or_default().into_iter().filter(|connection| connection.outbound);
            let opened = opened.map(|connection| (connection.name.into(), connection.established)).collect();
            (WeavePeerId::from(peer.name), WeavePeer { nickname: peer.nick_name, opened })
        });
        let mut connections: Vec<WeaveConnection> =
            router.connections.unwrap_or_default().into_iter().map(Connection::record).collect();
        connections.sort_by(|a, b| (&a.address, a.outbound).cmp(&(&b.address, b.outbound)));
        let drivers = plugin.map(|plugin| [plugin.driver_name, plugin.mesh_driver_name]);
        let record = WeaveRouter {
            version,
            nickname: router.nick_name,
            protocol: format!("{}..{}", router.protocol_min_version, router.protocol_max_version),
            encrypted: router.encryption,
            peer_discovery: router.peer_discovery,
            trusted_subnets: router.trusted_subnets.unwrap_or_default(),
            targets: router.targets.unwrap_or_default(),
            connections,
            peers: peers.collect(),
            ipam: ipam.map(Ipam::record).unwrap_or_default(),
            dns: dns.map(Dns::record),
            proxy: proxy.and_then(|proxy| proxy.addresses).unwrap_or_default(),
            drivers: drivers.into_iter().flatten().filter(|name| !name.is_empty()).collect(),
        };
        (router.name.into(), record)
    }
}

impl Connection {
    fn record(self) -> WeaveConnection {
        // When it is tried next is different each time, and is over when somebody reads it.
        let info = self.info.split(", retry: ").next().unwrap_or_default().split_whitespace();
        WeaveConnection {
            address: self.address,
            outbound: self.outbound,
            state: self.state,
            info: info.collect::<Vec<_>>().join(" "),
            encrypted: self.attrs.as_ref().is_some_and(|attributes| attributes.encrypted),
            mtu: self.attrs.map_or(0, |attributes| attributes.mtu),
        }
    }
}

impl Ipam {
    fn record(self) -> WeaveIpam {
        let mut owners = std::collections::BTreeMap::<WeavePeerId, WeaveOwner>::new();
        for range in self.entries.unwrap_or_default() {
            let owner = owners.entry(range.peer.into()).or_default();
            owner.addresses += range.size;
            owner.is_reachable |= range.is_known_peer;
            if owner.nickname.is_empty() {
                owner.nickname = range.nickname;
            }
        }
        let waits = self.pending_allocates.is_some_and(|pending| !pending.is_empty());
        let status = match (&self.paxos, owners.is_empty()) {
            (Some(paxos), true) if paxos.elector => WeaveIpamStatus::AwaitingConsensus,
            (Some(_), true) => WeaveIpamStatus::Priming,
            (None, true) => WeaveIpamStatus::Idle,
            (_, false) if owners.values().all(|owner| !owner.is_reachable) => WeaveIpamStatus::OwnersUnreachable,
            (_, false) if waits => WeaveIpamStatus::WaitingForGrant,
            (_, false) => WeaveIpamStatus::Ready,
        };
        let Self { range, default_subnet, active, .. } = self;
        WeaveIpam { range, default_subnet, status, active, owners }
    }
}

impl Dns {
    fn record(self) -> WeaveDns {
        let (gone, there): (Vec<Name>, Vec<Name>) =
            self.entries.unwrap_or_default().into_iter().partition(|name| name.tombstone != 0);
        let mut entries: Vec<WeaveName> = there
            .into_iter()
            .filter_map(|name| {
                Some(WeaveName {
                    address: name.address.parse::<IpAddr>().ok()?,
                    container: (!name.container.is_empty()).then(|| ContainerId::from(name.container)),
                    name: name.hostname,
                })
            })
            .collect();
        entries.sort_by(|a, b| (&a.name, a.address).cmp(&(&b.name, b.address)));
        WeaveDns {
            domain: self.domain,
            address: self.address,
            upstream: self.upstream.unwrap_or_default(),
            ttl_s: self.ttl,
            entries,
            tombstones: u32::try_from(gone.len()).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports of Weave 2.8 routers, recorded in a mesh of three: all is well, and with what was done to it.
    fn recorded(text: &str) -> (WeavePeerId, WeaveRouter) {
        serde_json::from_str::<Answer>(text).unwrap().record()
    }

    #[test]
    fn a_recorded_mesh_is_read_with_who_connects_to_whom() {
        let (name, router) = recorded(include_str!("../../fixtures/weave/weave-report-h1-plain.json"));
        assert_eq!((&*name.0, router.nickname.as_str(), router.protocol.as_str()), ("de:ad:be:ef:00:01", "h1", "1..2"));
        assert_eq!((router.peers.len(), router.connections.len(), router.encrypted), (3, 2, false));
        let opened = |name: &str| router.peers[&WeavePeerId::from(name)].opened.len();
        let counts = ["01", "02", "03"].map(|n| opened(&format!("de:ad:be:ef:00:{n}")));
        assert_eq!(counts, [0, 1, 2], "each connection once, at the one who opened it");
        assert_eq!(router.connections[0].info, "sleeve de:ad:be:ef:00:02(h2)");
        assert_eq!((router.ipam.status, router.ipam.owners.len()), (WeaveIpamStatus::Ready, 3));
        assert_eq!(router.drivers, ["weave", "weavemesh"]);
        let dns = router.dns.unwrap();
        assert_eq!((dns.entries.len(), dns.tombstones), (5, 0));
        assert_eq!(dns.entries[0].name, "att-h1.weave.local.");
        assert!(dns.entries[0].container.is_some());
    }

    #[test]
    fn what_goes_wrong_in_recorded_meshes_is_read_without_what_changes_by_itself() {
        let (_, router) = recorded(include_str!("../../fixtures/weave/weave-report-h3-wrong-password.json"));
        let told: Vec<(&str, &str)> = router.connections.iter().map(|c| (&*c.state, &*c.info)).collect();
        assert_eq!(told, [("failed", "Unable to decrypt TCP msg"); 2]);
        let (_, router) = recorded(include_str!("../../fixtures/weave/weave-report-h1-unreachable-target.json"));
        let retrying = router.connections.iter().find(|c| c.state == "retrying").unwrap();
        assert_eq!(retrying.info, "dial tcp :0->10.77.0.99:6783: connect: no route to host");
        let (_, router) = recorded(include_str!("../../fixtures/weave/weave-report-h1-failed-target.json"));
        let lost: Vec<&str> = router.ipam.owners.values().filter(|o| !o.is_reachable).map(|o| &*o.nickname).collect();
        assert_eq!(lost, ["h2", "h3"]);
        let (_, router) = recorded(include_str!("../../fixtures/weave/weave-report-h1-encrypted.json"));
        assert!(
            router.encrypted && router.connections.iter().filter(|c| c.state == "established").all(|c| c.encrypted)
        );
    }

    #[test]
    fn the_state_of_address_allocation_is_what_weave_says_of_it() {
        for (ipam, expect) in [
            (r#"{"Paxos":null,"Entries":[]}"#, WeaveIpamStatus::Idle),
            (r#"{"Paxos":{"Elector":true,"KnownNodes":1,"Quorum":2}}"#, WeaveIpamStatus::AwaitingConsensus),
            (r#"{"Paxos":{"Elector":false}}"#, WeaveIpamStatus::Priming),
            (r#"{"Entries":[{"Peer":"a","Size":4,"IsKnownPeer":false}]}"#, WeaveIpamStatus::OwnersUnreachable),
            (
                r#"{"Entries":[{"Peer":"a","Size":4,"IsKnownPeer":true}],"PendingAllocates":["x"]}"#,
                WeaveIpamStatus::WaitingForGrant,
            ),
            (r#"{"Entries":[{"Peer":"a","Size":4,"IsKnownPeer":true}]}"#, WeaveIpamStatus::Ready),
        ] {
            assert_eq!(serde_json::from_str::<Ipam>(ipam).unwrap().record().status, expect, "{ipam}");
        }
    }
}
