//! Addresses of interfaces. Format: include/uapi/linux/if_addr.h.

use std::io;

use shared::addr::Subnet;

use crate::netlink::{Attributes, Family, NLM_F_DUMP, Socket, ip, number};

const RTM_GETADDR: u16 = 22;
const RTM_NEWADDR: u16 = 20;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// Addresses of the calling thread's namespace with the index of the interface that has them, in order.
///
/// # Errors
/// The kernel's own, where it refuses.
pub fn all(link: &mut Socket) -> io::Result<Vec<(u32, Subnet)>> {
    let mut found = Vec::new();
    link.request(RTM_GETADDR, NLM_F_DUMP, &[0; 8], |kind, payload| {
        if kind == RTM_NEWADDR {
            found.extend(parse(payload));
        }
    })?;
    found.sort();
    found.dedup();
    Ok(found)
}

/// Addresses of all interfaces of the calling thread's namespace, in order, each once.
///
/// # Errors
/// The kernel's own, where it refuses.
pub fn subnets() -> io::Result<Vec<Subnet>> {
    let all = all(&mut Socket::open(Family::Route)?)?;
    let mut found: Vec<Subnet> = all.into_iter().map(|(_, subnet)| subnet).collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// `struct ifaddrmsg`, then attributes. On point-to-point links IFA_ADDRESS is the peer's, IFA_LOCAL one's own.
fn parse(payload: &[u8]) -> Option<(u32, Subnet)> {
    let prefix = *payload.get(1)?;
    let index = number(payload.get(4..)?)?;
    let (mut address, mut local) = (None, None);
    for (kind, value) in Attributes(payload.get(8..)?) {
        match kind {
            IFA_ADDRESS => address = ip(value),
            IFA_LOCAL => local = ip(value),
            _ => {}
        }
    }
    Some((index, Subnet { address: local.or(address)?, prefix }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::recorded;

    #[test]
    fn recorded_addresses_are_read_and_of_a_link_to_a_peer_the_own() {
        let record = &recorded::kernel()["addresses"];
        let payloads = recorded::payloads(record);
        let mut found: Vec<Subnet> = payloads.iter().filter_map(|p| Some(parse(p)?.1)).collect();
        let mut expect: Vec<Subnet> =
            record["expect"].as_array().unwrap().iter().map(|e| recorded::text(e).parse().unwrap()).collect();
        found.sort();
        expect.sort();
        assert_eq!(found, expect);
    }

    #[test]
    fn an_address_that_is_cut_short_is_none_or_whole() {
        for payload in recorded::payloads(&recorded::kernel()["addresses"]) {
            let (index, whole) = parse(&payload).unwrap();
            for length in 0..payload.len() {
                let found = parse(&payload[..length]);
                // Where the own address is cut off, the peer's is left.
                let peer = Subnet { address: [10, 8, 0, 2].into(), ..whole };
                let expect = [(index, whole), (index, peer)];
                assert!(found.is_none_or(|found| expect.contains(&found)), "{found:?}, wanted {whole:?}");
            }
        }
    }

    #[test]
    fn the_own_namespace_has_loopback() {
        let addresses = subnets().unwrap();
        assert!(addresses.iter().any(|a| a.address.is_loopback()), "{addresses:?}");
    }
}
