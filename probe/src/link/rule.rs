//! Rules by which one namespace chooses among its routing tables. Format: include/uapi/linux/fib_rules.h.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use shared::addr::Subnet;
use shared::report::{RouteKind, Rule};

use crate::netlink::{AF_INET, AF_INET6, Attributes, NLM_F_DUMP, Socket, ip, number};

const RTM_GETRULE: u16 = 34;
const RTM_NEWRULE: u16 = 32;
const FR_ACT_TO_TABLE: u8 = 1;
const FR_ACT_BLACKHOLE: u8 = 6;
const FR_ACT_UNREACHABLE: u8 = 7;
const FR_ACT_PROHIBIT: u8 = 8;
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_TABLE: u16 = 15;
const FRA_OIFNAME: u16 = 17;
/// Those that every namespace has: tables local, main and default.
const EVERYWHERES: [u32; 3] = [0, 32766, 32767];

/// Rules of the calling thread's namespace that somebody made, at most `most`, in the order in which they are tried.
///
/// # Errors
/// The kernel's own, where it refuses. A kernel without policy routing has none.
pub fn all(link: &mut Socket, families: &[u8], most: usize) -> io::Result<Vec<Rule>> {
    let mut found = Vec::new();
    for family in families {
        let mut request = [0; 12];
        request[0] = *family;
        let asked = link.request(RTM_GETRULE, NLM_F_DUMP, &request, |kind, payload| {
            if kind == RTM_NEWRULE && found.len() < most {
                found.extend(parse(payload));
            }
        });
        match asked {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            other => other?,
        }
    }
    found.sort_by_key(|rule| rule.priority);
    Ok(found)
}

/// `struct fib_rule_hdr`, then attributes.
fn parse(payload: &[u8]) -> Option<Rule> {
    let (header, attributes) = payload.split_at_checked(12)?;
    let any: IpAddr = match header[0] {
        AF_INET => Ipv4Addr::UNSPECIFIED.into(),
        AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let (to_prefix, from_prefix) = (header[1], header[2]);
    let kind = match header[7] {
        FR_ACT_TO_TABLE => RouteKind::Unicast,
        FR_ACT_BLACKHOLE => RouteKind::Blackhole,
        FR_ACT_UNREACHABLE => RouteKind::Unreachable,
        FR_ACT_PROHIBIT => RouteKind::Prohibit,
        _ => RouteKind::Unknown,
    };
    let mut rule = Rule { table: header[4].into(), kind, is_v6: any.is_ipv6(), ..Rule::default() };
    let name = |value: &[u8]| String::from_utf8_lossy(value).trim_end_matches('\0').to_owned();
    for (kind, value) in Attributes(attributes) {
        match kind {
            FRA_DST => rule.to = ip(value).map(|address| Subnet { address, prefix: to_prefix }),
            FRA_SRC => rule.from = ip(value).map(|address| Subnet { address, prefix: from_prefix }),
            FRA_IIFNAME => rule.input = name(value),
            FRA_OIFNAME => rule.output = name(value),
            FRA_PRIORITY => rule.priority = number(value).unwrap_or(0),
            FRA_FWMARK => rule.mark = number(value).unwrap_or(0),
            FRA_TABLE => rule.table = number(value).unwrap_or(rule.table),
            _ => {}
        }
    }
    (!EVERYWHERES.contains(&rule.priority)).then_some(rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::recorded;

    #[test]
    fn recorded_rules_are_read_but_for_those_that_are_everywhere() {
        let record = &recorded::kernel()["rules"];
        let found: Vec<Rule> = recorded::payloads(record).iter().filter_map(|p| parse(p)).collect();
        let subnet = |value: &serde_json::Value| value.as_str().map(|text| text.parse::<Subnet>().unwrap());
        let expect = record["expect"].as_array().unwrap();
        assert_eq!(found.len(), expect.len(), "{found:?}");
        for (rule, expect) in found.iter().zip(expect) {
            assert_eq!(u64::from(rule.priority), expect["priority"].as_u64().unwrap(), "{expect}");
            assert_eq!((rule.from, rule.to), (subnet(&expect["from"]), subnet(&expect["to"])), "{expect}");
            assert_eq!(u64::from(rule.mark), expect["mark"].as_u64().unwrap(), "{expect}");
            assert_eq!(rule.input, recorded::text(&expect["input"]), "{expect}");
            assert_eq!(rule.kind.name(), recorded::text(&expect["kind"]), "{expect}");
            assert_eq!(u64::from(rule.table), expect["table"].as_u64().unwrap(), "{expect}");
        }
    }

    #[test]
    fn a_rule_that_is_cut_short_breaks_nothing() {
        for payload in recorded::payloads(&recorded::kernel()["rules"]) {
            for length in 0..payload.len() {
                let _ = parse(&payload[..length]);
            }
        }
    }
}
