//! What the host's NAT makes of a connection, told by conntrack as it begins or asked for, one connection at a time: a host
//! has many more entries than sockets; and which conversations there are of what has no connections. Format:
//! include/uapi/linux/netfilter/nfnetlink_conntrack.h.

pub mod events;

use std::io;
use std::net::{IpAddr, SocketAddr};

use shared::addr::{Protocol, Tuple};

use crate::netlink::{self, AF_INET, AF_INET6, Attributes, Family, NLM_F_DUMP, attribute, ip};

const IPCTNL_MSG_CT_GET: u16 = (1 << 8) | 1;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_TIMEOUT: u16 = 7;
const CTA_COUNTERS_ORIG: u16 = 9;
const CTA_COUNTERS_REPLY: u16 = 10;
const CTA_COUNTERS_PACKETS: u16 = 1;
const CTA_COUNTERS_BYTES: u16 = 2;
const CTA_ZONE: u16 = 18;
const CTA_FILTER: u16 = 25;
const CTA_FILTER_ORIG_FLAGS: u16 = 1;
const CTA_FILTER_REPLY_FLAGS: u16 = 2;
/// The number of the protocol is to be that of the tuple.
const FILTER_PROTO_NUM: u32 = 1 << 3;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_TUPLE_ZONE: u16 = 3;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
const NESTED: u16 = 0x8000;
/// The kernel goes through a table of many thousand rows to list what is in it: so many entries are sooner asked for one by
/// one.
const FEW: usize = 256;

/// Of the namespace in which it was opened.
pub struct Conntrack {
    link: netlink::Socket,
    /// What asks for each of the entries that were listed last; empty where those were not all, or too many.
    few: Vec<Vec<u8>>,
}

/// A tracked conversation: as its first packet was, and as answers come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub original: Tuple,
    pub reply: Tuple,
}

/// One that is listed with all that are of its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    pub protocol: Protocol,
    pub entry: Entry,
    /// Seconds until it is forgotten where nothing passes; each packet sets that anew.
    pub timeout_s: u32,
    /// Packets and bytes, IP headers among them, of the original direction and of the reply; none where the kernel does
    /// not count them (`net.netfilter.nf_conntrack_acct`).
    pub counted: Option<[(u64, u64); 2]>,
    /// It is in a zone, where other conversations may have the same addresses.
    pub is_zoned: bool,
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
        Ok(Self { link: netlink::Socket::open(Family::Netfilter)?, few: Vec::new() })
    }

    /// The entry that one end of which is `here`; none where the connection is not tracked.
    pub fn find(&mut self, protocol: Protocol, here: Tuple) -> io::Result<Option<Entry>> {
        let mut entry = None;
        let each = |_, payload: &[u8]| entry = parse(payload).map(|tracked| tracked.entry);
        match self.link.request(IPCTNL_MSG_CT_GET, 0, &request(protocol, here), each) {
            Ok(()) => Ok(entry),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Conntrack {
    /// All entries, whatever their protocol, but for those that have no ports. `count` is how many the kernel says that
    /// there are: where it is as many as were listed last, and each of those is still there, nothing else can be.
    ///
    /// # Errors
    /// The kernel's own.
    pub fn all(&mut self, count: usize) -> io::Result<Vec<Tracked>> {
        if count == self.few.len()
            && let Some(same) = self.same()
        {
            return Ok(same);
        }
        let (mut found, mut few) = (Vec::new(), Vec::new());
        self.link.request(IPCTNL_MSG_CT_GET, NLM_F_DUMP, &[0; 4], |_, payload| {
            found.extend(parse(payload));
            if few.len() <= FEW {
                few.push(question(payload));
            }
        })?;
        self.few = if few.len() <= FEW { few } else { Vec::new() };
        Ok(found)
    }

    /// The entries that were listed last, as they are now; none where one of them is gone, or cannot be asked for: whoever
    /// goes through the table then hears of what is wrong.
    fn same(&mut self) -> Option<Vec<Tracked>> {
        let mut found = Vec::with_capacity(self.few.len());
        for question in &self.few {
            self.link.request(IPCTNL_MSG_CT_GET, 0, question, |_, payload| found.extend(parse(payload))).ok()?;
        }
        Some(found)
    }

    /// All entries of these protocols, of a table of many: there is a question for each protocol and family. Kernels before
    /// 5.8 list all others too then, which are left out here.
    ///
    /// # Errors
    /// The kernel's own.
    pub fn all_of(&mut self, protocols: &[Protocol]) -> io::Result<Vec<Tracked>> {
        let mut found = Vec::new();
        for (protocol, family) in protocols.iter().flat_map(|protocol| [AF_INET, AF_INET6].map(|f| (*protocol, f))) {
            let request = dump_request(family, protocol);
            self.link.request(IPCTNL_MSG_CT_GET, NLM_F_DUMP, &request, |_, payload| {
                found.extend(parse(payload).filter(|tracked| protocols.contains(&tracked.protocol)));
            })?;
        }
        Ok(found)
    }
}

/// What asks for an entry that was listed, whatever its protocol: as the kernel describes it.
fn question(payload: &[u8]) -> Vec<u8> {
    let (header, attributes) = payload.split_at(payload.len().min(4));
    let mut bytes = header.to_vec();
    for (kind, value) in Attributes(attributes) {
        match kind {
            CTA_TUPLE_ORIG => attribute(&mut bytes, kind | NESTED, |b| b.extend_from_slice(value)),
            CTA_ZONE => attribute(&mut bytes, kind, |b| b.extend_from_slice(value)),
            _ => {}
        }
    }
    bytes
}

/// `struct nfgenmsg`, then what entries are to be like; the kernel wants a family with that.
fn dump_request(family: u8, protocol: Protocol) -> Vec<u8> {
    let mut bytes = vec![family, 0, 0, 0];
    attribute(&mut bytes, CTA_TUPLE_ORIG | NESTED, |b| {
        attribute(b, CTA_TUPLE_PROTO | NESTED, |b| attribute(b, CTA_PROTO_NUM, |b| b.push(number(protocol))));
    });
    attribute(&mut bytes, CTA_FILTER | NESTED, |b| {
        attribute(b, CTA_FILTER_ORIG_FLAGS, |b| b.extend(FILTER_PROTO_NUM.to_ne_bytes()));
        attribute(b, CTA_FILTER_REPLY_FLAGS, |b| b.extend(0u32.to_ne_bytes()));
    });
    bytes
}

fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp | Protocol::Unknown => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

/// `struct nfgenmsg` (family, version, resource id), then the tuple to look for in either direction.
fn request(protocol: Protocol, tuple: Tuple) -> Vec<u8> {
    let family = if tuple.from.is_ipv4() { AF_INET } else { AF_INET6 };
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
            attribute(b, CTA_PROTO_NUM, |b| b.push(number(protocol)));
            attribute(b, CTA_PROTO_SRC_PORT, |b| b.extend(tuple.from.port().to_be_bytes()));
            attribute(b, CTA_PROTO_DST_PORT, |b| b.extend(tuple.to.port().to_be_bytes()));
        });
    });
    bytes
}

fn parse(payload: &[u8]) -> Option<Tracked> {
    let (mut original, mut reply, mut timeout_s, mut counted) = (None, None, 0, [None; 2]);
    let mut is_zoned = false;
    for (kind, value) in Attributes(payload.get(4..)?) {
        match kind {
            CTA_TUPLE_ORIG => {
                original = tuple(value);
                is_zoned |= Attributes(value).any(|(kind, _)| kind == CTA_TUPLE_ZONE);
            }
            CTA_ZONE => is_zoned = true,
            CTA_TUPLE_REPLY => reply = tuple(value).map(|(_, reply)| reply),
            CTA_TIMEOUT => timeout_s = value.first_chunk().map(|b| u32::from_be_bytes(*b))?,
            CTA_COUNTERS_ORIG => counted[0] = counters(value),
            CTA_COUNTERS_REPLY => counted[1] = counters(value),
            _ => {}
        }
    }
    let (protocol, original) = original?;
    let counted = counted[0].zip(counted[1]).map(|(original, reply)| [original, reply]);
    Some(Tracked { protocol, entry: Entry { original, reply: reply? }, timeout_s, counted, is_zoned })
}

fn counters(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut counts = [None; 2];
    for (kind, value) in Attributes(bytes) {
        let count = || value.first_chunk().map(|b| u64::from_be_bytes(*b));
        match kind {
            CTA_COUNTERS_PACKETS => counts[0] = count(),
            CTA_COUNTERS_BYTES => counts[1] = count(),
            _ => {}
        }
    }
    counts[0].zip(counts[1])
}

fn tuple(bytes: &[u8]) -> Option<(Protocol, Tuple)> {
    let (mut source, mut destination, mut source_port, mut destination_port) = (None, None, None, None);
    let mut protocol = Protocol::Unknown;
    for (kind, value) in Attributes(bytes) {
        for (inner, value) in Attributes(value) {
            let port = || value.first_chunk().map(|b| u16::from_be_bytes(*b));
            match (kind, inner) {
                (CTA_TUPLE_IP, 1 | 3) => source = ip(value),
                (CTA_TUPLE_IP, 2 | 4) => destination = ip(value),
                (CTA_TUPLE_PROTO, CTA_PROTO_NUM) => {
                    let mut known = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter();
                    protocol = known.find(|p| value == [number(*p)]).unwrap_or(Protocol::Unknown);
                }
                (CTA_TUPLE_PROTO, CTA_PROTO_SRC_PORT) => source_port = port(),
                (CTA_TUPLE_PROTO, CTA_PROTO_DST_PORT) => destination_port = port(),
                _ => {}
            }
        }
    }
    let from = SocketAddr::new(source?, source_port?);
    Some((protocol, Tuple { from, to: SocketAddr::new(destination?, destination_port?) }))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::netlink::recorded;

    pub fn pair(from: &str, to: &str) -> Tuple {
        Tuple { from: from.parse().unwrap(), to: to.parse().unwrap() }
    }

    /// Made by hand: the same nesting as a request, for both directions, and more that is skipped.
    fn answer(original: Tuple, reply: Tuple) -> Vec<u8> {
        answer_of(Protocol::Tcp, original, reply)
    }

    fn answer_of(protocol: Protocol, original: Tuple, reply: Tuple) -> Vec<u8> {
        let mut bytes = request(protocol, original);
        let mut other = request(protocol, reply).split_off(4);
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
        assert_eq!(
            payloads.iter().map(|payload| parse(payload).map(|tracked| tracked.entry)).collect::<Vec<_>>(),
            [Some(whole)]
        );
        assert_eq!(whole.beyond(whole.original), Some(whole.reply.reversed()), "the client sees the server behind it");
        assert_eq!(whole.beyond(whole.reply), Some(whole.original));
        for length in 0..payloads[0].len() {
            assert!(parse(&payloads[0][..length]).is_none_or(|tracked| tracked.entry == whole));
        }
    }

    #[test]
    fn a_published_port_shows_both_sides_of_the_translation() {
        let original = pair("10.77.0.12:40000", "10.77.0.11:8080");
        let reply = pair("172.18.0.2:80", "10.77.0.12:40000");
        let Tracked { entry, protocol, counted, .. } = parse(&answer(original, reply)).unwrap();
        assert_eq!((protocol, counted), (Protocol::Tcp, None));
        assert_eq!(entry, Entry { original, reply });
        assert_eq!(entry.beyond(original), Some(pair("10.77.0.12:40000", "172.18.0.2:80")));
        assert_eq!(entry.beyond(reply), Some(original));
    }

    #[test]
    fn a_connection_that_is_not_translated_has_no_other_side() {
        let original = pair("[fd00::2]:40000", "[fd00::3]:80");
        let entry = parse(&answer(original, original.reversed())).unwrap().entry;
        assert_eq!(entry.beyond(original), None);
        assert_eq!(entry.beyond(original.reversed()), None);
    }

    #[test]
    fn an_answer_that_is_cut_short_is_none_or_whole() {
        let original = pair("10.0.0.1:1", "10.0.0.2:2");
        let bytes = answer(original, original.reversed());
        for length in 0..bytes.len() {
            if let Some(tracked) = parse(&bytes[..length]) {
                assert_eq!(tracked.entry.original, original);
            }
        }
    }

    /// Made by hand, as this project's kernels have no SCTP.
    #[test]
    fn an_entry_of_sctp_is_read_with_what_is_counted_and_how_long_it_lasts() {
        let original = pair("10.77.0.12:40000", "10.77.0.11:3868");
        let mut bytes = request(Protocol::Sctp, original);
        let mut other = request(Protocol::Sctp, original.reversed()).split_off(4);
        other[2..4].copy_from_slice(&(CTA_TUPLE_REPLY | NESTED).to_ne_bytes());
        bytes.extend(other);
        attribute(&mut bytes, CTA_TIMEOUT, |b| b.extend(210u32.to_be_bytes()));
        for (kind, packets, size) in [(CTA_COUNTERS_ORIG, 7u64, 700u64), (CTA_COUNTERS_REPLY, 5, 9_000)] {
            attribute(&mut bytes, kind | NESTED, |b| {
                attribute(b, CTA_COUNTERS_PACKETS, |b| b.extend(packets.to_be_bytes()));
                attribute(b, CTA_COUNTERS_BYTES, |b| b.extend(size.to_be_bytes()));
            });
        }
        let tracked = parse(&bytes).unwrap();
        assert_eq!((tracked.protocol, tracked.timeout_s), (Protocol::Sctp, 210));
        assert_eq!((tracked.entry.original, tracked.counted), (original, Some([(7, 700), (5, 9_000)])));
    }

    #[test]
    fn what_is_listed_is_asked_for_again_as_it_was_described() {
        let record = &recorded::kernel()["conntrack"];
        for payload in recorded::payloads(record) {
            let original = parse(&payload).unwrap().entry.original;
            assert_eq!(question(&payload), request(Protocol::Tcp, original));
        }
    }

    /// The kernel's table of a namespace in which nothing else is.
    pub struct FreshTable(Conntrack);

    const NLM_F_ACK: u16 = 4;
    const NLM_F_CREATE: u16 = 0x400;

    impl FreshTable {
        /// Of the calling thread, which stays in it. It needs root, as the end-to-end tests do.
        pub fn of_this_thread() -> Self {
            // SAFETY: nothing that threads share is taken from this one but where it is in the network.
            unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }.unwrap();
            Self(Conntrack::open().unwrap())
        }

        fn change(&mut self, kind: u16, flags: u16, mut described: Vec<u8>) {
            attribute(&mut described, CTA_TIMEOUT, |b| b.extend(600u32.to_be_bytes()));
            self.0.link.request((1 << 8) | kind, NLM_F_ACK | flags, &described, |_, _| {}).unwrap();
        }

        pub fn add(&mut self, protocol: Protocol, original: Tuple) {
            self.change(0, NLM_F_CREATE, answer_of(protocol, original, original.reversed()));
        }

        /// What goes to the one goes to another, of version 4, instead.
        pub fn translate(&mut self, original: Tuple, to: &str) {
            const CTA_NAT_DST: u16 = 13;
            const CTA_NAT_V4_MINIP: u16 = 1;
            const CTA_NAT_PROTO: u16 = 3;
            const CTA_PROTONAT_PORT_MIN: u16 = 1;
            let to: SocketAddr = to.parse().unwrap();
            let IpAddr::V4(address) = to.ip() else { panic!("{to}") };
            let mut described = answer(original, original.reversed());
            attribute(&mut described, CTA_NAT_DST | NESTED, |b| {
                attribute(b, CTA_NAT_V4_MINIP, |b| b.extend(address.octets()));
                attribute(b, CTA_NAT_PROTO | NESTED, |b| {
                    attribute(b, CTA_PROTONAT_PORT_MIN, |b| b.extend(to.port().to_be_bytes()));
                });
            });
            self.change(0, NLM_F_CREATE, described);
        }

        pub fn remove(&mut self, protocol: Protocol, original: Tuple) {
            self.change(2, 0, answer_of(protocol, original, original.reversed()));
        }

        fn all(&mut self, count: usize) -> Vec<Tuple> {
            let mut all: Vec<Tuple> = self.0.all(count).unwrap().iter().map(|tracked| tracked.entry.original).collect();
            all.sort();
            all
        }
    }

    #[test]
    fn a_table_of_the_same_few_entries_is_not_gone_through_again() {
        std::thread::spawn(|| {
            let mut table = FreshTable::of_this_thread();
            let [first, second, third] = [1, 2, 3].map(|port| pair(&format!("10.0.0.1:{port}"), "10.0.0.2:80"));
            table.add(Protocol::Tcp, first);
            table.add(Protocol::Tcp, second);
            assert_eq!(table.all(2), [first, second]);
            table.add(Protocol::Tcp, third);
            assert_eq!(table.all(2), [first, second], "nobody says that there are more");
            assert_eq!(table.all(3), [first, second, third]);
            table.remove(Protocol::Tcp, first);
            let fourth = pair("[fd00::1]:4", "[fd00::2]:80");
            table.add(Protocol::Tcp, fourth);
            assert_eq!(table.all(3), [second, third, fourth], "as many, but others");
            assert_eq!(table.all(3), [second, third, fourth]);
        })
        .join()
        .unwrap();
    }
}
