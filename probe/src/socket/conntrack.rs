//! What the host's NAT makes of a connection, asked of conntrack for one connection at a time: a host has many more
//! entries than sockets. Format: include/uapi/linux/netfilter/nfnetlink_conntrack.h.

use std::io;
use std::net::{IpAddr, SocketAddr};

use shared::addr::{Protocol, Tuple};

use crate::netlink::{self, Attributes, Family, attribute, ip};

const IPCTNL_MSG_CT_GET: u16 = (1 << 8) | 1;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
const NESTED: u16 = 0x8000;

/// Of the namespace in which it was opened.
pub struct Conntrack {
    link: netlink::Socket,
}

/// A tracked conversation: as its first packet was, and as answers come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub original: Tuple,
    pub reply: Tuple,
}

impl Entry {
    /// Seen from `here` (local to remote): the conversation on the other side of the NAT, client to server, where
    /// there is one.
    pub fn beyond(&self, here: Tuple) -> Option<Tuple> {
        let after = self.reply.reversed();
        if after == self.original {
            None
        } else if self.original == here {
            Some(after)
        } else {
            Some(self.original)
        }
    }
}

impl Conntrack {
    pub fn open() -> io::Result<Self> {
        Ok(Self { link: netlink::Socket::open(Family::Netfilter)? })
    }

    /// The entry that one end of which is `here`; none where the connection is not tracked.
    pub fn find(&mut self, protocol: Protocol, here: Tuple) -> io::Result<Option<Entry>> {
        let mut entry = None;
        match self.link.request(IPCTNL_MSG_CT_GET, 0, &request(protocol, here), |_, payload| entry = parse(payload)) {
            Ok(()) => Ok(entry),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// `struct nfgenmsg` (family, version, resource id), then the tuple to look for in either direction.
fn request(protocol: Protocol, tuple: Tuple) -> Vec<u8> {
    let family = if tuple.from.is_ipv4() { 2 } else { 10 };
    let mut bytes = vec![family, 0, 0, 0];
    attribute(&mut bytes, CTA_TUPLE_ORIG | NESTED, |b| {
        attribute(b, CTA_TUPLE_IP | NESTED, |b| {
            // CTA_IP_V4_SRC, _DST are 1, 2; CTA_IP_V6_SRC, _DST are 3, 4.
            let first = if tuple.from.is_ipv4() { 1 } else { 3 };
            for (kind, end) in [(first, tuple.from), (first + 1, tuple.to)] {
                attribute(b, kind, |b| match end.ip() {
                    IpAddr::V4(v4) => b.extend(v4.octets()),
                    IpAddr::V6(v6) => b.extend(v6.octets()),
                });
            }
        });
        attribute(b, CTA_TUPLE_PROTO | NESTED, |b| {
            let number = if protocol == Protocol::Udp { 17 } else { 6 };
            attribute(b, CTA_PROTO_NUM, |b| b.push(number));
            attribute(b, CTA_PROTO_SRC_PORT, |b| b.extend(tuple.from.port().to_be_bytes()));
            attribute(b, CTA_PROTO_DST_PORT, |b| b.extend(tuple.to.port().to_be_bytes()));
        });
    });
    bytes
}

fn parse(payload: &[u8]) -> Option<Entry> {
    let (mut original, mut reply) = (None, None);
    for (kind, value) in Attributes(payload.get(4..)?) {
        match kind {
            CTA_TUPLE_ORIG => original = tuple(value),
            CTA_TUPLE_REPLY => reply = tuple(value),
            _ => {}
        }
    }
    Some(Entry { original: original?, reply: reply? })
}

fn tuple(bytes: &[u8]) -> Option<Tuple> {
    let (mut source, mut destination, mut source_port, mut destination_port) = (None, None, None, None);
    for (kind, value) in Attributes(bytes) {
        for (inner, value) in Attributes(value) {
            let port = || value.first_chunk().map(|b| u16::from_be_bytes(*b));
            match (kind, inner) {
                (CTA_TUPLE_IP, 1 | 3) => source = ip(value),
                (CTA_TUPLE_IP, 2 | 4) => destination = ip(value),
                (CTA_TUPLE_PROTO, CTA_PROTO_SRC_PORT) => source_port = port(),
                (CTA_TUPLE_PROTO, CTA_PROTO_DST_PORT) => destination_port = port(),
                _ => {}
            }
        }
    }
    Some(Tuple { from: SocketAddr::new(source?, source_port?), to: SocketAddr::new(destination?, destination_port?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::recorded;

    fn pair(from: &str, to: &str) -> Tuple {
        Tuple { from: from.parse().unwrap(), to: to.parse().unwrap() }
    }

    /// Made by hand: the same nesting as a request, for both directions, and more that is skipped.
    fn answer(original: Tuple, reply: Tuple) -> Vec<u8> {
        let mut bytes = request(Protocol::Tcp, original);
        let mut other = request(Protocol::Tcp, reply).split_off(4);
        other[2..4].copy_from_slice(&(CTA_TUPLE_REPLY | NESTED).to_ne_bytes());
        bytes.extend(other);
        attribute(&mut bytes, 3, |b| b.extend([0, 0, 1, 0x8e]));
        bytes
    }

    #[test]
    fn a_recorded_entry_is_read_with_both_directions() {
        let record = &recorded::kernel()["conntrack"];
        let tuple = |direction: &str| {
            let end = |end: &str| recorded::text(&record[direction][end]).to_owned();
            pair(&end("from"), &end("to"))
        };
        let payloads = recorded::payloads(record);
        let whole = Entry { original: tuple("original"), reply: tuple("reply") };
        assert_eq!(payloads.iter().map(|payload| parse(payload)).collect::<Vec<_>>(), [Some(whole)]);
        assert_eq!(whole.beyond(whole.original), Some(whole.reply.reversed()), "the client sees the server behind it");
        assert_eq!(whole.beyond(whole.reply), Some(whole.original));
        for length in 0..payloads[0].len() {
            assert!(parse(&payloads[0][..length]).is_none_or(|entry| entry == whole));
        }
    }

    #[test]
    fn a_published_port_shows_both_sides_of_the_translation() {
        let original = pair("10.77.0.12:40000", "10.77.0.11:8080");
        let reply = pair("172.18.0.2:80", "10.77.0.12:40000");
        let entry = parse(&answer(original, reply)).unwrap();
        assert_eq!(entry, Entry { original, reply });
        assert_eq!(entry.beyond(original), Some(pair("10.77.0.12:40000", "172.18.0.2:80")));
        assert_eq!(entry.beyond(reply), Some(original));
    }

    #[test]
    fn a_connection_that_is_not_translated_has_no_other_side() {
        let original = pair("[fd00::2]:40000", "[fd00::3]:80");
        let entry = parse(&answer(original, original.reversed())).unwrap();
        assert_eq!(entry.beyond(original), None);
        assert_eq!(entry.beyond(original.reversed()), None);
    }

    #[test]
    fn an_answer_that_is_cut_short_is_none_or_whole() {
        let original = pair("10.0.0.1:1", "10.0.0.2:2");
        let bytes = answer(original, original.reversed());
        for length in 0..bytes.len() {
            if let Some(entry) = parse(&bytes[..length]) {
                assert_eq!(entry.original, original);
            }
        }
    }
}
