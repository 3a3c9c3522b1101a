//! The names under which addresses are asked for: answers of DNS that reach the host, seen as they pass.
//!
//! What is seen is what the host's own namespace receives over UDP from port 53: answers to its processes, and those that
//! it passes on to containers; and, where the kernel tells, what servers of names answer that run here, also those in
//! containers to others. Whoever answers may say anything, so a name is a word beside an address and no more. Where
//! somebody wants that, addresses that nobody asked for by name are asked for themselves.

mod reverse;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::mem::size_of;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use shared::addr::canonical;
use shared::delta::Changes;
use shared::report::CollectorStatus;
use simple_dns::rdata::RData;
use simple_dns::{Packet, PacketFlag, RCODE};

use self::reverse::Reverse;
use super::filter::{self, ANY_BIT, EQUAL, LOAD_BYTE, LOAD_HALF, LOAD_HALF_AT_X, LOAD_HEADER_LENGTH, RETURN, op};
use crate::collector::{degraded, failed, ok};

/// More addresses are not kept; those that were answered longest ago are forgotten first.
const KNOWN_MAX: usize = 8_192;
/// Who talks to more addresses in a minute has no names for the others.
const USED_MAX: usize = 65_536;
/// Of one address: the first that was asked for, and the last of the others.
const NAMES_MAX: usize = 4;
/// So many answers are read at a time.
const ANSWERS_MAX: usize = 1_000;
/// An address that nobody talks to any more keeps its names for so long.
const UNUSED_FOR: Duration = Duration::from_secs(60);
/// How often it is asked whether any were lost.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);
/// Room for answers that wait to be read.
const WAITING_BYTES: libc::c_int = 256 << 10;

/// Answers as they arrive, of one version of IP.
struct Tap(OwnedFd);

struct Known {
    names: Vec<String>,
    at: Instant,
    /// Nobody asked for it by that name: it is what the address itself is called.
    is_own: bool,
}

pub struct Names {
    taps: Option<io::Result<[Tap; 2]>>,
    reverse: Option<io::Result<Reverse>>,
    known: HashMap<IpAddr, Known>,
    /// Addresses that somebody talks to, and when that began last.
    used: HashMap<IpAddr, Instant>,
    /// Of those, which have names that were told.
    told: HashSet<IpAddr>,
    changed: BTreeSet<IpAddr>,
    lost: u64,
    next_count: Instant,
}

impl Names {
    /// Of the calling thread's network namespace, where answers are wanted; addresses are asked for where `is_asked`.
    pub fn open(is_wanted: bool, is_asked: bool) -> Self {
        let taps = is_wanted.then(|| Ok([Tap::open(&V4, libc::ETH_P_IP)?, Tap::open(&V6, libc::ETH_P_IPV6)?]));
        Self {
            taps,
            reverse: is_asked.then(|| Reverse::start(reverse::resolver)),
            known: HashMap::new(),
            used: HashMap::new(),
            told: HashSet::new(),
            changed: BTreeSet::new(),
            lost: 0,
            next_count: Instant::now(),
        }
    }

    /// Reads the answers that came.
    pub fn follow(&mut self, now: Instant) {
        self.follow_taps(now);
        let Some(Ok(reverse)) = &mut self.reverse else { return };
        for (address, name) in reverse.take() {
            // Who asked for the address by a name meant that one.
            if !self.known.contains_key(&address) {
                self.learn(address, &name, now);
                self.known.entry(address).and_modify(|known| known.is_own = true);
            }
        }
    }

    fn follow_taps(&mut self, now: Instant) {
        let Some(Ok(taps)) = &self.taps else { return };
        let mut buffer = [0; 4096];
        let (mut found, mut broken) = (Vec::new(), None);
        for tap in taps {
            for _ in 0..ANSWERS_MAX {
                match tap.receive(&mut buffer) {
                    Ok(length) => found.extend(buffer.get(..length).and_then(answer)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => {}
                    Err(error) => {
                        broken = Some(error);
                        break;
                    }
                }
            }
        }
        if now >= self.next_count {
            self.next_count = now + COUNT_INTERVAL;
            self.lost += taps.iter().map(Tap::lost).sum::<u64>();
        }
        if let Some(error) = broken {
            self.taps = Some(Err(error));
        }
        found.into_iter().for_each(|answer| self.learn_all(answer, now));
    }

    /// Takes in what a server of names that runs here answered: a message of DNS.
    pub fn hear(&mut self, message: &[u8], now: Instant) {
        if let Some(answer) = answered(message) {
            self.learn_all(answer, now);
        }
    }

    fn learn_all(&mut self, (name, addresses): (String, Vec<IpAddr>), now: Instant) {
        for address in addresses {
            self.learn(address, &name, now);
        }
    }

    /// So many answers were not heard.
    pub fn miss(&mut self, lost: u64) {
        self.lost += lost;
    }

    fn learn(&mut self, address: IpAddr, name: &str, now: Instant) {
        if self.known.len() >= KNOWN_MAX && !self.known.contains_key(&address) {
            let mut times: Vec<Instant> = self.known.values().map(|known| known.at).collect();
            let (_, oldest, _) = times.select_nth_unstable(KNOWN_MAX / 4);
            let oldest = *oldest;
            let Self { known, told, .. } = self;
            known.retain(|address, known| known.at > oldest || told.contains(address));
            // All are in use.
            if known.len() >= KNOWN_MAX {
                return;
            }
        }
        let known = self.known.entry(address).or_insert_with(|| Known { names: Vec::new(), at: now, is_own: false });
        known.at = now;
        if std::mem::take(&mut known.is_own) {
            known.names.clear();
        }
        if known.names.iter().any(|known| known == name) {
            return;
        }
        if known.names.len() >= NAMES_MAX {
            known.names.remove(1);
        }
        known.names.push(name.to_owned());
        if self.used.contains_key(&address) {
            self.changed.insert(address);
        }
    }

    /// Somebody talks to this address.
    pub fn use_of(&mut self, address: IpAddr, now: Instant) {
        if self.used.len() >= USED_MAX && !self.used.contains_key(&address) {
            return;
        }
        if self.used.insert(address, now).is_some() {
            return;
        }
        if self.known.contains_key(&address) {
            self.changed.insert(address);
        } else if let Some(Ok(reverse)) = &mut self.reverse {
            reverse.want(address, now);
        }
    }

    /// Forgets what is not used any more; `used` are the addresses that are talked to.
    pub fn forget_unused(&mut self, used: &HashSet<IpAddr>, now: Instant) {
        let Self { used: known_use, told, changed, .. } = self;
        known_use.retain(|address, since| {
            let is_in_use = used.contains(address) || now.duration_since(*since) < UNUSED_FOR;
            if !is_in_use && told.contains(address) {
                changed.insert(*address);
            }
            is_in_use
        });
        if let Some(Ok(reverse)) = &mut self.reverse {
            reverse.forget(|address| self.used.contains_key(address));
            self.used.keys().filter(|address| !self.known.contains_key(*address)).for_each(|address| {
                reverse.want(*address, now);
            });
        }
    }

    /// What changed of the names of those addresses that are talked to.
    pub fn news(&mut self) -> Changes<IpAddr, Vec<String>> {
        let mut news = Changes::default();
        for address in std::mem::take(&mut self.changed) {
            let names = self.known.get(&address).filter(|_| self.used.contains_key(&address));
            match names {
                Some(known) => {
                    self.told.insert(address);
                    news.set.push((address, known.names.clone()));
                }
                None if self.told.remove(&address) => news.removed.push(address),
                None => {}
            }
        }
        news
    }

    /// None where nobody wants them.
    pub fn status(&self) -> Option<CollectorStatus> {
        let asked = match &self.reverse {
            Some(Err(error)) => return Some(degraded(format!("names of addresses cannot be asked for: {error}"))),
            Some(Ok(_)) => "; addresses without a name are asked for theirs",
            None => "",
        };
        Some(match &self.taps {
            Some(Ok(_)) if self.lost > 0 => CollectorStatus {
                dropped: self.lost,
                ..degraded(format!("names of {} addresses, but {} answers came too fast", self.known.len(), self.lost))
            },
            Some(Ok(_)) => ok(format!("answers of DNS are read as they come{asked}")),
            Some(Err(error)) => {
                failed(format!("{error}: addresses outside have no names; run the probe as root or with CAP_NET_RAW"))
            }
            None if self.reverse.is_some() => ok("addresses are asked for their names".into()),
            None => return None,
        })
    }
}

/// UDP, whole or the first piece, from port 53; offsets from the IP header.
const V4: [libc::sock_filter; 8] = [
    op(LOAD_BYTE, 0, 0, 9),
    op(EQUAL, 0, 5, 17),
    op(LOAD_HALF, 0, 0, 6),
    op(ANY_BIT, 3, 0, 0x1fff),
    op(LOAD_HEADER_LENGTH, 0, 0, 0),
    op(LOAD_HALF_AT_X, 0, 0, 0),
    op(EQUAL, 1, 0, 53),
    op(RETURN, 0, 0, 0),
];
const V6: [libc::sock_filter; 5] =
    [op(LOAD_BYTE, 0, 0, 6), op(EQUAL, 0, 2, 17), op(LOAD_HALF, 0, 0, 40), op(EQUAL, 1, 0, 53), op(RETURN, 0, 0, 0)];

impl Tap {
    fn open(wanted: &[libc::sock_filter], protocol: libc::c_int) -> io::Result<Self> {
        let mut program = wanted.to_vec();
        program.push(op(RETURN, 0, 0, 4096));
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: a plain system call; what it gives is checked. It hears nothing until it is bound.
        let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just opened and is nobody else's.
        let tap = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        filter::attach(tap.0.as_fd(), &program)?;
        filter::set(tap.0.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, &WAITING_BYTES)?;
        // SAFETY: all fields are integers.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
        address.sll_protocol = u16::try_from(protocol).map_err(io::Error::other)?.to_be();
        let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
        // SAFETY: the address is that long and lives until the call is over.
        filter::check(unsafe { libc::bind(tap.0.as_raw_fd(), (&raw const address).cast(), length) })?;
        Ok(tap)
    }

    fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        let length = rustix::net::recv(&self.0, into, rustix::net::RecvFlags::DONTWAIT)?.0;
        Ok(length)
    }

    /// Since it was last asked.
    fn lost(&self) -> u64 {
        let mut counts = [0u32; 2];
        let mut length = 8;
        // SAFETY: there is room for as much as is said.
        let result = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut counts).cast(),
                &raw mut length,
            )
        };
        if result == 0 { counts[1].into() } else { 0 }
    }
}

/// What a packet of IP answers: the name that was asked for, and the addresses that it has.
fn answer(packet: &[u8]) -> Option<(String, Vec<IpAddr>)> {
    let header = match packet.first()? >> 4 {
        4 => usize::from(packet[0] & 0xf) * 4,
        _ => 40,
    };
    answered(packet.get(header + 8..)?)
}

/// The same of a message by itself.
fn answered(message: &[u8]) -> Option<(String, Vec<IpAddr>)> {
    let message = Packet::parse(message).ok()?;
    if !message.has_flags(PacketFlag::RESPONSE) || message.rcode() != RCODE::NoError {
        return None;
    }
    let addresses: Vec<IpAddr> = message
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::A(a) => Some(IpAddr::from(a.address.to_be_bytes())),
            RData::AAAA(aaaa) => Some(canonical(IpAddr::from(aaaa.address.to_be_bytes()))),
            _ => None,
        })
        .collect();
    // Aliases lead from the name that was asked for to the one that has the addresses.
    let name = message.questions.first()?.qname.to_string().to_ascii_lowercase();
    let name = name.trim_end_matches('.');
    (!addresses.is_empty() && !name.is_empty()).then(|| (name.to_owned(), addresses))
}

#[cfg(test)]
mod tests {
    use super::*;
    use simple_dns::rdata::{A, CNAME};
    use simple_dns::{CLASS, Name, Question, ResourceRecord, TYPE};
    use std::net::UdpSocket;

    /// An answer to `name`, which is another name for `alias`.
    fn message(name: &str, alias: &str, addresses: &[[u8; 4]]) -> Vec<u8> {
        let mut packet = Packet::new_reply(7);
        let of = |name| Name::new_unchecked(name).into_owned();
        packet.questions.push(Question::new(of(name), TYPE::A.into(), CLASS::IN.into(), false));
        packet.answers.push(ResourceRecord::new(of(name), CLASS::IN, 60, RData::CNAME(CNAME(of(alias)))));
        for address in addresses {
            let a = A { address: u32::from_be_bytes(*address) };
            packet.answers.push(ResourceRecord::new(of(alias), CLASS::IN, 60, RData::A(a)));
        }
        packet.build_bytes_vec_compressed().unwrap()
    }

    fn in_ip(message: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45; 20];
        packet.extend([0; 8]);
        packet.extend(message);
        packet
    }

    #[test]
    fn an_answer_names_its_addresses_as_they_were_asked_for() {
        let packet = in_ip(&message("WWW.Example.com", "edge.cdn.example", &[[203, 0, 113, 9], [203, 0, 113, 10]]));
        let (name, addresses) = answer(&packet).unwrap();
        assert_eq!(name, "www.example.com");
        assert_eq!(addresses, ["203.0.113.9", "203.0.113.10"].map(|a| a.parse::<IpAddr>().unwrap()));
        assert_eq!(answered(&packet[28..]), answer(&packet));
        for length in 0..packet.len() {
            let _ = answer(&packet[..length]);
        }
        assert_eq!(answer(&in_ip(&message("none.example", "nothing.example", &[]))), None);
    }

    #[test]
    fn only_addresses_that_are_talked_to_are_told_with_the_first_name_and_the_last_ones() {
        let mut names = Names::open(false, false);
        let (now, address) = (Instant::now(), "203.0.113.9".parse().unwrap());
        names.learn(address, "a.example", now);
        assert!(names.news().is_empty());
        names.use_of(address, now);
        assert_eq!(names.news().set, [(address, vec!["a.example".to_owned()])]);
        for name in ["a.example", "b.example", "c.example", "d.example", "e.example"] {
            names.learn(address, name, now);
        }
        let all = ["a.example", "c.example", "d.example", "e.example"].map(str::to_owned).to_vec();
        assert_eq!(names.news().set, [(address, all)]);
        let later = now + UNUSED_FOR;
        names.forget_unused(&[address].into(), later);
        assert!(names.news().is_empty());
        names.forget_unused(&HashSet::new(), later);
        assert_eq!(names.news().removed, [address]);
    }

    #[test]
    fn what_an_address_is_called_itself_counts_until_somebody_asks_for_it_by_a_name() {
        let mut names = Names::open(false, false);
        names.reverse = Some(Reverse::start(|address| Some(format!("ptr-{address}.example"))));
        let (now, address) = (Instant::now(), "203.0.113.9".parse().unwrap());
        names.use_of(address, now);
        while !names.known.contains_key(&address) {
            std::thread::yield_now();
            names.follow(now);
        }
        assert_eq!(names.news().set, [(address, vec!["ptr-203.0.113.9.example".to_owned()])]);
        names.learn(address, "shop.example", now);
        assert_eq!(names.news().set, [(address, vec!["shop.example".to_owned()])]);
        names.learn(address, "www.example", now);
        assert_eq!(names.news().set[0].1, ["shop.example", "www.example"]);
    }

    #[test]
    fn what_is_too_much_is_forgotten_oldest_first_but_not_what_is_in_use() {
        let mut names = Names::open(false, false);
        let begin = Instant::now();
        let at = |n: u32| (IpAddr::from(n.to_be_bytes()), begin + Duration::from_secs(n.into()));
        for n in 0..KNOWN_MAX as u32 + 1 {
            let (address, now) = at(n);
            names.learn(address, "x.example", now);
            if n == 0 {
                names.use_of(address, now);
                names.news();
            }
        }
        assert!(names.known.len() <= KNOWN_MAX * 3 / 4 + 2, "{}", names.known.len());
        assert!(names.known.contains_key(&at(0).0) && !names.known.contains_key(&at(1).0));
        assert!(names.known.contains_key(&at(KNOWN_MAX as u32).0));
    }

    /// It needs root, as the end-to-end tests do; and nobody answers at the loopback's port 53.
    #[test]
    fn answers_are_read_as_they_pass() {
        let mut names = Names::open(true, false);
        assert!(matches!(names.taps, Some(Ok(_))), "root: {:?}", names.status());
        let server = UdpSocket::bind("127.0.0.53:53").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let answer = message("real.example", "alias.example", &[[203, 0, 113, 77]]);
        server.send_to(&answer, client.local_addr().unwrap()).unwrap();
        client.recv(&mut [0; 512]).unwrap();
        let (now, address) = (Instant::now(), "203.0.113.77".parse().unwrap());
        names.use_of(address, now);
        names.follow(now);
        assert_eq!(names.news().set, [(address, vec!["real.example".to_owned()])]);
    }
}
