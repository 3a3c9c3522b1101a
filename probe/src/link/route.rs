//! Routes of one namespace. Format: include/uapi/linux/rtnetlink.h.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use shared::addr::Subnet;
use shared::report::{Route, RouteKind};

use crate::netlink::{AF_INET, AF_INET6, Attributes, NLM_F_DUMP, Socket, ip, number};

const RTM_GETROUTE: u16 = 26;
const RTM_NEWROUTE: u16 = 24;
/// Addresses of the host itself, which the kernel fills in.
const RT_TABLE_LOCAL: u32 = 255;
const RTN_UNICAST: u8 = 1;
const RTN_BLACKHOLE: u8 = 6;
const RTN_UNREACHABLE: u8 = 7;
const RTN_PROHIBIT: u8 = 8;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;

/// Routes of the calling thread's namespace, at most `most`, and how many more there are.
///
/// # Errors
/// The kernel's own, where it refuses.
pub fn all(link: &mut Socket, families: &[u8], most: usize) -> io::Result<(Vec<Route>, usize)> {
    let (mut found, mut left_out) = (Vec::new(), 0);
    for family in families {
        let mut request = [0; 12];
        request[0] = *family;
        link.request(RTM_GETROUTE, NLM_F_DUMP, &request, |kind, payload| {
            if kind == RTM_NEWROUTE {
                for route in parse(payload) {
                    if found.len() < most {
                        found.push(route);
                    } else {
                        left_out += 1;
                    }
                }
            }
        })?;
    }
    // v4 before v6, the widest first, as `route -n` prints them.
    found.sort_by_key(|route| (route.to.address.is_ipv6(), route.to.prefix, route.to, route.metric, route.via));
    Ok((found, left_out))
}

/// `struct rtmsg`, then attributes: one route for each way that it may take.
fn parse(payload: &[u8]) -> Vec<Route> {
    let Some((header, attributes)) = payload.split_at_checked(12) else { return Vec::new() };
    let kind = match header[7] {
        RTN_UNICAST => RouteKind::Unicast,
        RTN_BLACKHOLE => RouteKind::Blackhole,
        RTN_UNREACHABLE => RouteKind::Unreachable,
        RTN_PROHIBIT => RouteKind::Prohibit,
        _ => return Vec::new(),
    };
    let any: IpAddr = match header[0] {
        AF_INET => Ipv4Addr::UNSPECIFIED.into(),
        AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return Vec::new(),
    };
    let to = Subnet { address: any, prefix: header[1] };
    let mut route = Route { to, via: None, link: None, source: None, metric: 0, table: header[4].into(), kind };
    let mut ways = Vec::new();
    for (kind, value) in Attributes(attributes) {
        match kind {
            RTA_DST => route.to.address = ip(value).unwrap_or(any),
            RTA_OIF => route.link = number(value),
            RTA_GATEWAY => route.via = ip(value),
            RTA_PRIORITY => route.metric = number(value).unwrap_or(0),
            RTA_PREFSRC => route.source = ip(value),
            RTA_TABLE => route.table = number(value).unwrap_or(route.table),
            RTA_MULTIPATH => ways = next_hops(value),
            _ => {}
        }
    }
    if route.table == RT_TABLE_LOCAL {
        return Vec::new();
    }
    if ways.is_empty() {
        return vec![route];
    }
    ways.into_iter().map(|(link, via)| Route { link: Some(link), via, ..route.clone() }).collect()
}

/// `struct rtnexthop` with attributes, one after the other.
fn next_hops(mut value: &[u8]) -> Vec<(u32, Option<IpAddr>)> {
    let mut found = Vec::new();
    while let Some(header) = value.first_chunk::<8>() {
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let Some(hop) = value.get(8..length) else { break };
        let link = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
        found.push((link, Attributes(hop).find(|(kind, _)| *kind == RTA_GATEWAY).and_then(|(_, value)| ip(value))));
        value = value.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::recorded;

    #[test]
    fn recorded_routes_are_read_each_way_of_them() {
        let record = &recorded::kernel()["routes"];
        let found: Vec<Route> = recorded::payloads(record).iter().flat_map(|p| parse(p)).collect();
        let optional = |value: &serde_json::Value| value.as_str().map(|text| text.parse::<IpAddr>().unwrap());
        for expect in record["expect"].as_array().unwrap() {
            let to: Subnet = recorded::text(&expect["to"]).parse().unwrap();
            let via = optional(&expect["via"]);
            let link = expect["link"].as_u64();
            let is_it = |route: &&Route| route.to == to && route.via == via && route.link.map(u64::from) == link;
            let route = found.iter().find(is_it).unwrap_or_else(|| panic!("{expect}: {found:?}"));
            assert_eq!(route.kind.name(), recorded::text(&expect["kind"]), "{expect}");
            assert_eq!(u64::from(route.metric), expect["metric"].as_u64().unwrap(), "{expect}");
            assert_eq!(u64::from(route.table), expect["table"].as_u64().unwrap(), "{expect}");
        }
        assert!(found.iter().all(|route| route.table != RT_TABLE_LOCAL));
    }

    #[test]
    fn a_route_that_is_cut_short_breaks_nothing() {
        for payload in recorded::payloads(&recorded::kernel()["routes"]) {
            for length in 0..payload.len() {
                let _ = parse(&payload[..length]);
            }
        }
    }
}
