//! Forwarding databases of one namespace's bridges and vxlan devices: behind which port, or at which VTEP, a hardware
//! address is. Format: include/uapi/linux/neighbour.h, family AF_BRIDGE.

use std::io;

use shared::report::Forwarding;

use super::interface::hardware_address;
use crate::netlink::{Attributes, NLM_F_DUMP, Socket, ip, number};

const RTM_GETNEIGH: u16 = 30;
const RTM_NEWNEIGH: u16 = 28;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_NOARP: u16 = 0x40;
const NUD_PERMANENT: u16 = 0x80;

/// Entries of the calling thread's namespace, at most `most`, and how many more there are.
///
/// # Errors
/// The kernel's own, where it refuses.
pub fn all(link: &mut Socket, most: usize) -> io::Result<(Vec<Forwarding>, usize)> {
    let (mut found, mut left_out) = (Vec::new(), 0);
    // Struct ndmsg.
    let mut request = [0; 12];
    request[0] = u8::try_from(libc::AF_BRIDGE).unwrap_or_default();
    link.request(RTM_GETNEIGH, NLM_F_DUMP, &request, |kind, payload| {
        if kind == RTM_NEWNEIGH
            && let Some(entry) = parse(payload)
        {
            if found.len() < most {
                found.push(entry);
            } else {
                left_out += 1;
            }
        }
    })?;
    found.sort_by(|a, b| (&a.mac, a.link, a.vtep).cmp(&(&b.mac, b.link, b.vtep)));
    Ok((found, left_out))
}

/// `struct ndmsg`, then attributes.
fn parse(payload: &[u8]) -> Option<Forwarding> {
    let (header, attributes) = payload.split_at_checked(12)?;
    let link = number(header.get(4..)?)?;
    let state = u16::from_ne_bytes([header[8], header[9]]);
    let (mut vtep, mut mac) = (None, None);
    for (kind, value) in Attributes(attributes) {
        match kind {
            NDA_DST => vtep = ip(value),
            NDA_LLADDR => mac = value.get(..6),
            _ => {}
        }
    }
    // Without a VTEP, that is a port's own address or a group that the bridge listens to.
    if state & NUD_PERMANENT != 0 && vtep.is_none() {
        return None;
    }
    let mac = match mac? {
        // For whatever has no entry of its own.
        [0, 0, 0, 0, 0, 0] => "00:00:00:00:00:00".into(),
        mac => hardware_address(mac),
    };
    Some(Forwarding { mac, link, vtep, is_learned: state & (NUD_PERMANENT | NUD_NOARP) == 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::recorded;

    #[test]
    fn recorded_entries_are_read_without_the_ports_own_addresses() {
        let record = &recorded::kernel()["forwarding"];
        let mut found: Vec<(String, u64, String)> = recorded::payloads(record)
            .iter()
            .filter_map(|p| parse(p))
            .map(|e| (e.mac, u64::from(e.link), e.vtep.map(|ip| ip.to_string()).unwrap_or_default()))
            .collect();
        found.sort();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let mut expect: Vec<_> = record["expect"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| (text(&e["mac"]), e["link"].as_u64().unwrap(), text(&e["vtep"])))
            .collect();
        expect.sort();
        assert!(expect.iter().any(|e| !e.2.is_empty()) && expect.iter().any(|e| e.2.is_empty()), "{expect:?}");
        assert_eq!(found, expect);
    }

    #[test]
    fn an_entry_that_is_cut_short_breaks_nothing() {
        for payload in recorded::payloads(&recorded::kernel()["forwarding"]) {
            for length in 0..payload.len() {
                let _ = parse(&payload[..length]);
            }
        }
    }
}
