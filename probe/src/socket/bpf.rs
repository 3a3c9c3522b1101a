//! TCP sockets of all namespaces as they change their state, told by the programs in `probe/bpf`: those that live for a
//! millisecond too, and those that never come to be; and all sockets with who has them, in one pass. What they need of
//! the kernel is BTF (5.8 and later).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{Array, MapData, PerCpuArray, RingBuf};
use aya::programs::Iter;
use aya::{Btf, Ebpf};
use shared::addr::{Protocol, canonical};

use super::sock_diag::state;
use super::traffic::Carried;
use super::{Socket, State};
use crate::ebpf::{self, map, program, refused, trace};
use crate::netlink::ip;
use crate::netns::NetNs;

/// Compiled from `probe/bpf/sockets.bpf.c` by `scripts/bpf.sh`.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/sockets.bpf.o");
const CHANGES: [&str; 2] = ["state_changed", "state_changed_meanwhile"];
const TRACEPOINT: &str = "inet_sock_set_state";
const RESETS: [&str; 2] = ["reset_came", "reset_came_meanwhile"];
const RESET_TRACEPOINT: &str = "tcp_receive_reset";
const HELD: &str = "sockets_held";
/// So many are taken at a time: as many as the ring has room for.
const EVENTS_MAX: usize = 10_000;
/// Fewer never filled it: what is lost is where there is no room.
const FULL_MIN: usize = EVENTS_MAX / 4;
/// `struct event` and `struct held` of the program.
const EVENT_BYTES: usize = 112;
const HELD_BYTES: usize = 104;
/// How long `struct carried` is, the last of both.
const CARRIED_BYTES: usize = 32;

const AF_INET: u16 = 2;
const IPPROTO_UDP: u8 = 17;
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const FIN_WAIT1: u8 = 4;
const CLOSE: u8 = 7;
const LAST_ACK: u8 = 9;
const LISTEN: u8 = 10;
const CLOSING: u8 = 11;
/// Of how an attempt was answered: by no reset, as far as the programs heard.
const NO_RESET: u8 = 1;

/// What happened to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It connected; `pid` is who called, 0 where that is nobody of the probe's own pid namespace.
    Connected {
        pid: u32,
        waited_us: u32,
    },
    /// It came to be by a connection that was accepted.
    Accepted,
    /// With the error that ended it, 0 where none did.
    Closed {
        error: i32,
        /// This end broke it off, without a word: the kernel answers the other one with a reset.
        is_broken_off: bool,
    },
    /// It tried to connect, and it came to nothing.
    Failed {
        pid: u32,
        error: i32,
        /// No reset came: if it is refused, then not by who was called.
        is_without_reset: bool,
        waited_us: u32,
    },
    Listens {
        pid: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The socket, as sock_diag names it too.
    pub cookie: u64,
    pub namespace: NetNs,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// When it happened, milliseconds since the machine booted.
    pub boot_ms: u64,
    pub change: Change,
    /// All that it carried, where it was open and is closed.
    pub carried: Carried,
    /// It stands for so many sockets: 1 unless only some are looked at.
    pub weight: u32,
}

/// A socket that a process has open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub socket: Socket,
    pub namespace: NetNs,
    pub pid: u32,
}

/// The programs, which are detached when this is dropped or its process ends.
pub struct Watch {
    programs: Ebpf,
    events: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
    lost_before: u64,
    latest: Latest,
    sampling: Array<MapData, u32>,
    /// Why the kernel does not tell of resets, in words.
    pub lacks_resets: Option<String>,
}

/// The events that came last, of which one may come again.
#[derive(Default)]
struct Latest([(u64, [u8; 2]); 8], usize);

impl Watch {
    /// # Errors
    /// Why the kernel does not take it, in words.
    pub fn load(mut programs: Ebpf, btf: &Btf) -> Result<Self, String> {
        let held: &mut Iter = program(&mut programs, HELD)?.try_into().map_err(|error| refused(&error))?;
        held.load("task_file", btf).map_err(|error| refused(&error))?;
        // Before the first attempt is told: what had no reset by then had none.
        let mut attach = |name| trace(&mut programs, name, RESET_TRACEPOINT, btf);
        let lacks_resets = RESETS.into_iter().try_for_each(&mut attach).err();
        for changes in CHANGES {
            trace(&mut programs, changes, TRACEPOINT, btf)?;
        }
        let events = map(&mut programs, "events")?.try_into().map_err(|error| refused(&error))?;
        let sampling = map(&mut programs, "sampling")?.try_into().map_err(|error| refused(&error))?;
        let lost = map(&mut programs, "lost")?.try_into().map_err(|error| refused(&error))?;
        Ok(Self { programs, events, lost, lost_before: 0, latest: Latest::default(), sampling, lacks_resets })
    }

    /// Gives all sockets that processes of the probe's own pid namespace have open now, those of one process after another.
    ///
    /// # Errors
    /// Where the kernel lets nobody go through them.
    pub fn held(&mut self, mut each: impl FnMut(Held)) -> io::Result<()> {
        ebpf::pass(&mut self.programs, HELD, HELD_BYTES, |record| parse_held(record).into_iter().for_each(&mut each))
    }

    /// From now on one socket of so many is told of, a power of two.
    ///
    /// # Errors
    /// The kernel's own.
    pub fn look_at_one_of(&mut self, weight: u32) -> io::Result<()> {
        self.sampling.set(0, weight.max(1) - 1, 0).map_err(io::Error::other)
    }

    /// Wakes who waits for it when it has filled so far that it is better to drain it.
    pub fn ring(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Gives what happened since the last call, and how many events of that time are lost.
    pub fn drain(&mut self, mut take: impl FnMut(Event)) -> u64 {
        let mut taken = 0;
        while taken < EVENTS_MAX
            && let Some(record) = self.events.next()
        {
            taken += 1;
            if let Some(event) = parse(&record, self.lacks_resets.is_none())
                && self.latest.is_new(event.cookie, [record[44], record[45]])
            {
                take(event);
            }
        }
        if taken < FULL_MIN {
            return 0;
        }
        let lost: u64 = self.lost.get(&0, 0).map(|counts| counts.iter().sum()).unwrap_or(self.lost_before);
        let new = lost.saturating_sub(self.lost_before);
        self.lost_before = lost;
        new
    }
}

impl Latest {
    fn is_new(&mut self, cookie: u64, states: [u8; 2]) -> bool {
        let Self(latest, next) = self;
        if latest.contains(&(cookie, states)) {
            return false;
        }
        latest[*next] = (cookie, states);
        *next = (*next + 1) % latest.len();
        true
    }
}

/// `struct event` of the program; `tells_resets` where it hears of them.
fn parse(record: &[u8], tells_resets: bool) -> Option<Event> {
    let record = Record(record.get(..EVENT_BYTES)?);
    let (pid, waited_us, error) = (record.word(28), record.word(32), i32::from(record.0[36]));
    let is_without_reset = tells_resets && record.0[37] == NO_RESET;
    let change = match (record.0[44], record.0[45]) {
        (SYN_SENT, ESTABLISHED) => Change::Connected { pid, waited_us },
        (_, ESTABLISHED) => Change::Accepted,
        (SYN_SENT, CLOSE) => Change::Failed { pid, error, is_without_reset, waited_us },
        (LISTEN, CLOSE) => return None,
        // Both have hung up: what is refused of a last word, as TLS has one, was wanted by nobody.
        (LAST_ACK | CLOSING, CLOSE) => Change::Closed { error: 0, is_broken_off: false },
        // What comes after whoever hung up had said all, and was heard, fails nobody.
        (FIN_WAIT1, CLOSE) if record.is_done() => Change::Closed { error: 0, is_broken_off: false },
        // Whoever hangs up in peace first waits for the other end.
        (old, CLOSE) => Change::Closed { error, is_broken_off: error == 0 && old == ESTABLISHED },
        (_, LISTEN) => Change::Listens { pid },
        _ => return None,
    };
    let family = record.short(38);
    Some(Event {
        cookie: record.wide(0),
        namespace: NetNs { inode: record.word(24).into(), cookie: record.wide(16) },
        local: record.address(family, 48, 40)?,
        remote: record.address(family, 64, 42)?,
        boot_ms: record.wide(8) / 1_000_000,
        change,
        carried: record.carried(),
        weight: record.short(46).max(1).into(),
    })
}

/// `struct held` of the program; none of a socket that is neither open nor listening.
fn parse_held(record: &[u8]) -> Option<Held> {
    let record = Record(record.get(..HELD_BYTES)?);
    let (family, protocol) = (record.short(32), record.0[38]);
    let socket = Socket {
        protocol: if protocol == IPPROTO_UDP { Protocol::Udp } else { Protocol::Tcp },
        state: state(protocol, record.0[39])?,
        local: record.address(family, 40, 34)?,
        remote: record.address(family, 56, 36)?,
        inode: record.wide(8),
        cookie: record.wide(0),
        carried: (protocol != IPPROTO_UDP && record.0[39] != LISTEN).then(|| record.carried()),
    };
    let namespace = NetNs { inode: record.word(24).into(), cookie: record.wide(16) };
    let is_bound = socket.state == State::Open || socket.local.port() != 0;
    is_bound.then_some(Held { socket, namespace, pid: record.word(28) })
}

/// A record of a program, in the machine's byte order.
struct Record<'a>(&'a [u8]);

impl Record<'_> {
    fn wide(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.0[at..at + 8].try_into().unwrap_or_default())
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.0[at..at + 4].try_into().unwrap_or_default())
    }

    fn short(&self, at: usize) -> u16 {
        u16::from_ne_bytes(self.0[at..at + 2].try_into().unwrap_or_default())
    }

    fn carried(&self) -> Carried {
        let at = self.0.len() - CARRIED_BYTES;
        let least = self.word(at + 24);
        Carried {
            sent_bytes: self.wide(at),
            received_bytes: self.wide(at + 8),
            retransmits: self.word(at + 16),
            rtt_us: self.word(at + 20) / 8,
            // All bits are set where none was measured.
            min_rtt_us: if least == u32::MAX { 0 } else { least },
        }
    }

    /// Of one that ends.
    fn is_done(&self) -> bool {
        self.word(self.0.len() - 4) != 0
    }

    fn address(&self, family: u16, at: usize, port: usize) -> Option<SocketAddr> {
        let length = if family == AF_INET { 4 } else { 16 };
        let ip: IpAddr = ip(&self.0[at..at + length])?;
        Some(SocketAddr::new(canonical(ip), self.short(port)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use crate::bell::{Bell, Sleeper};
    use crate::ebpf::tests::{apart, run};

    /// Of the kernel that the tests run on; it needs root, as the end-to-end tests do.
    fn watch() -> Watch {
        crate::ebpf::tests::programs(None, false).0.expect("a kernel with BTF, and root")
    }

    fn held(watch: &mut Watch) -> Vec<Held> {
        let mut all = Vec::new();
        watch.held(|held| all.push(held)).unwrap();
        all
    }

    /// A listener, and who called it.
    fn called() -> (TcpListener, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener, client)
    }

    fn until(watch: &mut Watch, what: &str, mut wanted: impl FnMut(&Event) -> bool) -> Event {
        let before = Instant::now();
        loop {
            let mut found = None;
            watch.drain(|event| found = found.or(Some(event).filter(&mut wanted)));
            if let Some(event) = found {
                return event;
            }
            assert!(before.elapsed() < Duration::from_secs(10), "{what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_kernel_tells_of_both_ends_from_the_handshake_to_the_end() {
        let mut watch = watch();
        let (me, before_ms) = (std::process::id(), crate::collector::boot_ms());
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let listens = until(&mut watch, "it listens", |event| event.local.port() == port);
        assert_eq!(listens.change, Change::Listens { pid: me });
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let here = client.local_addr().unwrap();
        let connected = until(&mut watch, "it connects", |event| event.local == here);
        assert_eq!(connected.remote.port(), port);
        assert!(matches!(connected.change, Change::Connected { pid, .. } if pid == me), "{connected:?}");
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(&[7; 5_000]).unwrap();
        server.read_exact(&mut [0; 5_000]).unwrap();
        let sockets = held(&mut watch);
        let of = |local: SocketAddr, remote: SocketAddr| {
            let found = sockets.iter().find(|held| held.socket.local == local && held.socket.remote == remote);
            *found.expect("a socket that is open")
        };
        let mine = of(here, client.peer_addr().unwrap());
        assert_eq!((mine.pid, mine.socket.cookie, mine.namespace), (me, connected.cookie, connected.namespace));
        let theirs = of((Ipv4Addr::LOCALHOST, port).into(), here);
        assert_eq!(theirs.socket.state, State::Open);
        assert_eq!(theirs.socket.carried.map(|carried| (carried.sent_bytes, carried.received_bytes)), Some((0, 5_000)));
        assert!(mine.socket.carried.is_some_and(|carried| carried.rtt_us > 0 && carried.min_rtt_us > 0), "{mine:?}");
        drop(client);
        let in_peace = Change::Closed { error: 0, is_broken_off: false };
        let closed = |cookie| move |event: &Event| event.cookie == cookie && event.change == in_peace;
        until(&mut watch, "who hangs up first waits", |event| {
            event.cookie == theirs.socket.cookie || event.local == here
        });
        drop(server);
        let closed = until(&mut watch, "the server's end is closed", closed(theirs.socket.cookie));
        let times = [before_ms, listens.boot_ms, connected.boot_ms, closed.boot_ms, crate::collector::boot_ms()];
        assert!(times.is_sorted(), "{times:?}");
        assert!(
            (5_000..=5_001).contains(&closed.carried.received_bytes),
            "the end of a stream counts as a byte: {closed:?}"
        );
    }

    #[test]
    fn an_attempt_that_is_refused_is_told_with_its_error() {
        let mut watch = watch();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(TcpStream::connect(free).is_err());
        let failed = until(&mut watch, "it is refused", |event| event.remote == free);
        let Change::Failed { pid, error, .. } = failed.change else { panic!("{failed:?}") };
        assert_eq!((pid, error), (std::process::id(), libc::ECONNREFUSED));
    }

    #[test]
    fn a_call_is_refused_by_who_is_called_or_by_a_firewall_and_it_shows_by_which() {
        let mut watch = watch();
        assert_eq!(watch.lacks_resets, None);
        apart(|| {
            let mut without_reset = |ip: IpAddr, port| {
                let called = SocketAddr::new(ip, port);
                let error = TcpStream::connect(called).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{called}");
                let failed = until(&mut watch, "it is refused", |event| event.remote == called);
                let Change::Failed { error, is_without_reset, .. } = failed.change else { panic!("{failed:?}") };
                assert_eq!(error, libc::ECONNREFUSED);
                is_without_reset
            };
            run("iptables -A OUTPUT -p tcp --dport 81 -j REJECT");
            run("ip6tables -A OUTPUT -p tcp --dport 81 -j REJECT");
            run("iptables -A OUTPUT -p tcp --dport 82 -j REJECT --reject-with tcp-reset");
            for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
                assert!(!without_reset(ip, 80), "{ip}: nobody listens there");
                assert!(without_reset(ip, 81), "{ip}: a rule");
            }
            assert!(!without_reset(Ipv4Addr::LOCALHOST.into(), 82), "a rule that speaks in the name of who is called");
        });
    }

    #[test]
    fn who_breaks_a_connection_off_is_told_from_who_hangs_up() {
        let mut watch = watch();
        let (listener, mut client) = called();
        let here = client.local_addr().unwrap();
        client.write_all(b"word").unwrap();
        let (server, _) = listener.accept().unwrap();
        server.peek(&mut [0; 4]).unwrap();
        // What came is not read.
        drop(server);
        let is_end = |event: &Event| matches!(event.change, Change::Closed { .. });
        let mut ends = HashMap::new();
        until(&mut watch, "both ends are closed", |event| {
            if is_end(event) && [event.local, event.remote].contains(&here) {
                ends.insert(event.local == here, event.change);
            }
            ends.len() == 2
        });
        assert_eq!(ends[&false], Change::Closed { error: 0, is_broken_off: true });
        assert_eq!(ends[&true], Change::Closed { error: libc::ECONNRESET, is_broken_off: false });
    }

    #[test]
    fn a_last_word_to_who_has_hung_up_is_no_failure() {
        let mut watch = watch();
        let (listener, mut client) = called();
        let here = client.local_addr().unwrap();
        drop(listener.accept().unwrap());
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        // Both leave in one segment.
        rustix::net::sockopt::set_tcp_cork(&client, true).unwrap();
        client.write_all(b"bye").unwrap();
        drop(client);
        let closed = until(&mut watch, "the client's end is closed", |event| {
            event.local == here && matches!(event.change, Change::Closed { .. })
        });
        assert_eq!(closed.change, Change::Closed { error: 0, is_broken_off: false });
    }

    /// How the client's end closes that had its answer and got nothing through any more before the server broke off.
    fn end_after(said_last: impl FnOnce(TcpStream) -> Option<TcpStream> + Send) -> Change {
        let mut watch = watch();
        apart(|| {
            let (listener, mut client) = called();
            let (mut server, _) = listener.accept().unwrap();
            client.write_all(b"ask").unwrap();
            server.read_exact(&mut [0; 3]).unwrap();
            server.write_all(b"answer").unwrap();
            client.read_exact(&mut [0; 6]).unwrap();
            let cookie = rustix::net::sockopt::socket_cookie(&client).unwrap();
            run("iptables -A INPUT -p tcp ! --tcp-flags RST RST -j DROP");
            let _open = said_last(client);
            rustix::net::sockopt::set_socket_linger(&server, Some(Duration::ZERO)).unwrap();
            drop(server);
            let is_end = |event: &Event| event.cookie == cookie && matches!(event.change, Change::Closed { .. });
            until(&mut watch, "the client's end is closed", is_end).change
        })
    }

    #[test]
    fn a_reset_is_no_failure_of_who_has_hung_up_and_had_said_all() {
        let in_peace = Change::Closed { error: 0, is_broken_off: false };
        let reset = Change::Closed { error: libc::ECONNRESET, is_broken_off: false };
        assert_eq!(end_after(|_hangs_up| None), in_peace);
        let unheard = end_after(|mut client| {
            client.write_all(b"more").unwrap();
            None
        });
        assert_eq!(unheard, reset);
        let still_listens = end_after(|client| {
            client.shutdown(Shutdown::Write).unwrap();
            Some(client)
        });
        assert_eq!(still_listens, reset);
    }

    #[test]
    fn who_waits_is_woken_where_more_happens_than_there_will_be_room_for() {
        let mut watch = watch();
        let sleeper = Sleeper::new(Bell::default());
        drop(called());
        sleeper.watch(watch.ring());
        // For what was in it.
        sleeper.wait(Duration::ZERO);
        let is_over = Arc::new(AtomicBool::new(false));
        let calling = std::thread::spawn({
            let is_over = is_over.clone();
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    drop(called());
                }
            }
        });
        let (before, patience) = (Instant::now(), Duration::from_secs(60));
        sleeper.wait(patience);
        is_over.store(true, Ordering::Relaxed);
        calling.join().unwrap();
        assert!(before.elapsed() < patience);
        let mut count = 0;
        assert_eq!(watch.drain(|_| count += 1), 0, "none was lost");
        assert!(count > 1_000, "{count}: not by each of them");
    }

    #[test]
    fn a_udp_socket_is_held_with_its_peer_or_as_one_that_is_bound() {
        let mut watch = watch();
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        let sockets = held(&mut watch);
        let of = |socket: &UdpSocket| {
            let local = socket.local_addr().unwrap();
            let found = sockets.iter().find(|held| held.socket.local == local && held.socket.protocol == Protocol::Udp);
            found.map(|held| (held.socket.state, held.pid))
        };
        assert_eq!(of(&client), Some((State::Open, std::process::id())));
        assert_eq!(of(&server), Some((State::Listening, std::process::id())));
    }

    #[test]
    fn of_sockets_that_are_looked_at_in_part_each_stands_for_as_many() {
        let mut watch = watch();
        watch.look_at_one_of(4).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        for _ in 0..400 {
            let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            drop(client);
            assert_eq!(server.read(&mut [0]).unwrap(), 0);
        }
        let (mut opened, mut closed) = (0, 0);
        watch.drain(|event| {
            if event.remote.port() == port {
                assert_eq!(event.weight, 4);
                match event.change {
                    Change::Connected { .. } => opened += event.weight,
                    Change::Closed { .. } => closed += event.weight,
                    _ => {}
                }
            }
        });
        assert!((300..=500).contains(&opened), "about 400: {opened}");
        assert!(opened.abs_diff(closed) <= 4, "{opened} {closed}: one of which the beginning is told has an end");
    }

    #[test]
    fn what_is_told_twice_is_taken_once() {
        let mut latest = Latest::default();
        assert!(latest.is_new(1, [SYN_SENT, ESTABLISHED]) && latest.is_new(1, [ESTABLISHED, CLOSE]));
        assert!(latest.is_new(2, [SYN_SENT, ESTABLISHED]));
        assert!(!latest.is_new(1, [ESTABLISHED, CLOSE]));
    }

    #[test]
    fn a_record_that_is_cut_short_is_none() {
        assert_eq!(parse(&[0; EVENT_BYTES - 1], true), None);
        assert_eq!(parse_held(&[0; HELD_BYTES - 1]), None);
    }
}
