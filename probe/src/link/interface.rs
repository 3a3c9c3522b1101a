//! Interfaces of one namespace. Format: include/uapi/linux/if_link.h.

use std::io;
use std::net::IpAddr;

use shared::report::{Link, Vxlan};

use crate::netlink::{Attributes, NLM_F_DUMP, Socket, ip, number};

const RTM_GETLINK: u16 = 18;
pub const RTM_NEWLINK: u16 = 16;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_STATS64: u16 = 23;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VXLAN_ID: u16 = 1;
const IFLA_VXLAN_LINK: u16 = 3;
const IFLA_VXLAN_LOCAL: u16 = 4;
const IFLA_VXLAN_PORT: u16 = 15;
const IFLA_VXLAN_LOCAL6: u16 = 17;

const ARPHRD_LOOPBACK: u16 = 772;
const IFF_UP: u32 = 1;
const IFF_RUNNING: u32 = 0x40;

/// An interface as the kernel tells of it, before its other end is found.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    pub index: u32,
    pub link: Link,
    /// The interface at the other end (veth) or below (vxlan, macvlan), which is in another namespace where `lower_in`
    /// is given.
    pub lower: Option<u32>,
    /// What this namespace calls the one that `lower` is in.
    pub lower_in: Option<i32>,
    pub counters: Counters,
}

/// Since the interface is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub received_bytes: u64,
    pub sent_bytes: u64,
    pub received_packets: u64,
    pub sent_packets: u64,
    pub errors: u64,
    pub dropped: u64,
}

/// All interfaces of the calling thread's namespace.
///
/// # Errors
/// The kernel's own, where it refuses.
pub fn all(link: &mut Socket) -> io::Result<Vec<Interface>> {
    let mut found = Vec::new();
    link.request(RTM_GETLINK, NLM_F_DUMP, &[0; 16], |kind, payload| {
        if kind == RTM_NEWLINK {
            found.extend(parse(payload));
        }
    })?;
    Ok(found)
}

fn u16_of(value: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(*value.first_chunk()?))
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// As `ip link` prints it; empty where there is none.
pub fn hardware_address(value: &[u8]) -> String {
    if value.iter().all(|byte| *byte == 0) {
        return String::new();
    }
    value.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// `struct ifinfomsg`, then attributes.
fn parse(payload: &[u8]) -> Option<Interface> {
    let hardware = u16_of(payload.get(2..)?)?;
    let index = number(payload.get(4..)?)?;
    let flags = number(payload.get(8..)?)?;
    let mut link = Link { up: flags & IFF_UP != 0, running: flags & IFF_RUNNING != 0, ..Link::default() };
    let (mut lower, mut lower_in, mut counters) = (None, None, Counters::default());
    for (kind, value) in Attributes(payload.get(16..)?) {
        match kind {
            IFLA_ADDRESS => link.mac = hardware_address(value),
            IFLA_IFNAME => link.name = text(value),
            IFLA_MTU => link.mtu = number(value)?,
            IFLA_LINK => lower = number(value).filter(|index| *index != 0),
            IFLA_MASTER => link.master = number(value),
            IFLA_LINK_NETNSID => lower_in = number(value).map(u32::cast_signed),
            IFLA_LINKINFO => {
                let mut data = None;
                for (kind, value) in Attributes(value) {
                    match kind {
                        IFLA_INFO_KIND => link.kind = text(value),
                        IFLA_INFO_DATA => data = Some(value),
                        _ => {}
                    }
                }
                if link.kind == "vxlan" {
                    link.vxlan = data.and_then(vxlan);
                }
            }
            IFLA_STATS64 => counters = stats(value)?,
            _ => {}
        }
    }
    if link.kind.is_empty() {
        link.kind = if hardware == ARPHRD_LOOPBACK { "loopback".into() } else { "physical".into() };
    }
    if let Some(vxlan) = &link.vxlan {
        lower = vxlan.underlay;
    }
    (!link.name.is_empty()).then_some(Interface { index, link, lower, lower_in, counters })
}

fn vxlan(data: &[u8]) -> Option<Vxlan> {
    let (mut vni, mut port, mut local, mut underlay) = (None, 0, None::<IpAddr>, None);
    for (kind, value) in Attributes(data) {
        match kind {
            IFLA_VXLAN_ID => vni = number(value),
            IFLA_VXLAN_LINK => underlay = number(value).filter(|index| *index != 0),
            IFLA_VXLAN_LOCAL | IFLA_VXLAN_LOCAL6 => local = ip(value).filter(|address| !address.is_unspecified()),
            // In the order of the network.
            IFLA_VXLAN_PORT => port = u16::from_be_bytes(*value.first_chunk()?),
            _ => {}
        }
    }
    Some(Vxlan { vni: vni?, port, local, underlay })
}

/// `struct rtnl_link_stats64`: packets, bytes, errors and drops, each received and sent.
fn stats(value: &[u8]) -> Option<Counters> {
    let at = |n: usize| Some(u64::from_ne_bytes(*value.get(n * 8..)?.first_chunk()?));
    Some(Counters {
        received_packets: at(0)?,
        sent_packets: at(1)?,
        received_bytes: at(2)?,
        sent_bytes: at(3)?,
        errors: at(4)?.saturating_add(at(5)?),
        dropped: at(6)?.saturating_add(at(7)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::recorded;

    #[test]
    fn recorded_interfaces_are_read() {
        let record = &recorded::kernel()["links"];
        let found: Vec<Interface> = recorded::payloads(record).iter().filter_map(|p| parse(p)).collect();
        for expect in record["expect"].as_array().unwrap() {
            let name = recorded::text(&expect["name"]);
            let interface = found.iter().find(|i| i.link.name == name).unwrap_or_else(|| panic!("{name}: {found:?}"));
            let number = |field: &str| expect[field].as_u64().map(|n| n as u32);
            let Interface { index, link, lower, .. } = interface;
            assert_eq!(link.kind, recorded::text(&expect["kind"]), "{name}");
            assert_eq!((Some(*index), Some(link.mtu)), (number("index"), number("mtu")), "{name}");
            assert_eq!((link.master, *lower), (number("master"), number("lower")), "{name}");
            assert_eq!(Some(link.up), expect["up"].as_bool(), "{name}");
            assert_eq!(link.mac, recorded::text(&expect["mac"]), "{name}");
            let vxlan = link.vxlan.as_ref();
            assert_eq!((vxlan.map(|v| v.vni), vxlan.map(|v| u32::from(v.port))), (number("vni"), number("port")));
            assert_eq!(interface.lower_in.is_some(), expect["peer_elsewhere"].as_bool().unwrap_or(false), "{name}");
            let received = expect["received_packets"].as_u64().unwrap();
            assert_eq!(interface.counters.received_packets, received, "{name}");
        }
        assert_eq!(found.len(), record["expect"].as_array().unwrap().len());
    }

    #[test]
    fn an_interface_that_is_cut_short_breaks_nothing() {
        for payload in recorded::payloads(&recorded::kernel()["links"]) {
            for length in 0..payload.len() {
                let _ = parse(&payload[..length]);
            }
        }
    }
}
