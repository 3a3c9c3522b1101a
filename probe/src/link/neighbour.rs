//! Neighbours of one namespace: who answers at which hardware address. Format: include/uapi/linux/neighbour.h.

use std::io;

use shared::report::{Neighbour, NeighbourState};

use super::interface::hardware_address;
use crate::netlink::{Attributes, NLM_F_DUMP, Socket, ip, number};

const RTM_GETNEIGH: u16 = 30;
const RTM_NEWNEIGH: u16 = 28;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_INCOMPLETE: u16 = 0x01;
const NUD_FAILED: u16 = 0x20;
/// Needs no asking: multicast, loopback.
const NUD_NOARP: u16 = 0x40;
const NUD_PERMANENT: u16 = 0x80;

/// Neighbours of the calling thread's namespace, at most `most`, and how many more there are.
///
/// # Errors
/// The kernel's own, where it refuses.
pub fn all(link: &mut Socket, most: usize) -> io::Result<(Vec<Neighbour>, usize)> {
    let (mut found, mut left_out) = (Vec::new(), 0);
    link.request(RTM_GETNEIGH, NLM_F_DUMP, &[0; 12], |kind, payload| {
        if kind == RTM_NEWNEIGH
            && let Some(neighbour) = parse(payload)
        {
            if found.len() < most {
                found.push(neighbour);
            } else {
                left_out += 1;
            }
        }
    })?;
    found.sort_by_key(|neighbour| (neighbour.address, neighbour.link));
    Ok((found, left_out))
}

/// `struct ndmsg`, then attributes.
fn parse(payload: &[u8]) -> Option<Neighbour> {
    let (header, attributes) = payload.split_at_checked(12)?;
    let link = number(header.get(4..)?)?;
    let state = u16::from_ne_bytes([header[8], header[9]]);
    if state & NUD_NOARP != 0 {
        return None;
    }
    let (mut address, mut mac) = (None, String::new());
    for (kind, value) in Attributes(attributes) {
        match kind {
            NDA_DST => address = ip(value),
            NDA_LLADDR => mac = hardware_address(value),
            _ => {}
        }
    }
    // Reachable, stale, to be probed: which of these changes all the time and says little.
    let state = match state {
        _ if state & NUD_PERMANENT != 0 => NeighbourState::Permanent,
        _ if state & (NUD_INCOMPLETE | NUD_FAILED) != 0 => NeighbourState::Silent,
        _ => NeighbourState::Learned,
    };
    Some(Neighbour { address: address?, mac, link, state })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::recorded;

    #[test]
    fn recorded_neighbours_are_read_without_those_that_nobody_asked_for() {
        let record = &recorded::kernel()["neighbours"];
        let mut found: Vec<(String, String, &str)> = recorded::payloads(record)
            .iter()
            .filter_map(|p| parse(p))
            .map(|n| (n.address.to_string(), n.mac, n.state.name()))
            .collect();
        found.sort();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let expect: Vec<_> = record["expect"].as_array().unwrap().iter().collect();
        assert_eq!(found.len(), expect.len(), "{found:?}");
        for expect in expect {
            let wanted = (text(&expect["address"]), text(&expect["mac"]), recorded::text(&expect["state"]));
            assert!(found.contains(&wanted), "{wanted:?}: {found:?}");
        }
    }

    #[test]
    fn a_neighbour_that_is_cut_short_breaks_nothing() {
        for payload in recorded::payloads(&recorded::kernel()["neighbours"]) {
            for length in 0..payload.len() {
                let _ = parse(&payload[..length]);
            }
        }
    }
}
