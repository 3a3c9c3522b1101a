//! The connections and listeners of the host, kept from dump to dump: a pure function of what was seen.

mod told;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use shared::addr::{Protocol, Tuple};
use shared::delta::Changes;
use shared::id::{ConnectionId, NetNsId, ProcessId};
use shared::report::{Connection, Evidence, FlowKey, FlowMetrics, Listener, ListenerKey, Role, SharedConnection};

use super::conntrack::Entry;
use super::flow::Flows;
use super::held::{AllHeld, Ends, Held};
use super::silent::Silent;
use super::traffic::{Carried, Traffic};
use super::{Listeners, Socket, State, direction};

/// A connection whose process is not known by then has none that will be.
const OWNERLESS_AFTER_MS: u64 = 3_000;
/// So many dumps in a row leave out what is on its way to its end.
const UNSHOWN_DUMPS: u32 = 3;
/// A listener that went still says which end was the server, for this many dumps.
const LISTENER_MEMORY_DUMPS: u32 = 4_000;

impl Held {
    /// Whether it is known of which flow it is: a process that has just begun is known a moment later.
    fn is_settled(&self, now_ms: u64) -> bool {
        self.is_tracked
            && (self.connection.owner.get().is_some()
                || self.began().is_none_or(|began| now_ms >= began.at_ms.get() + OWNERLESS_AFTER_MS))
    }

    /// Puts its beginning into the figures of its flow, unless that is in there.
    fn count(&mut self, flow: FlowKey, traffic: &mut Traffic, now_ms: u64) {
        if let Some(began) = self.began()
            && !std::mem::replace(&mut self.is_counted, true)
        {
            traffic.opened(flow, began.waited_us, self.weight, now_ms);
        }
    }

    /// Puts into the figures of its flow what is not in there yet.
    fn account(&mut self, flow: FlowKey, carried: Carried, traffic: &mut Traffic, now_ms: u64) {
        self.count(flow, traffic, now_ms);
        // Of those that last each is looked at by itself.
        let weight = if self.is_told { 1 } else { self.weight };
        traffic.carried(flow, self.carried(), carried, weight, now_ms);
        self.carry(carried);
    }
}

#[derive(Default)]
pub struct Table {
    held: AllHeld,
    pub listeners: BTreeMap<ListenerKey, Listener>,
    pub flows: Flows,
    pub traffic: Traffic,
    known_ports: HashMap<NetNsId, Listeners>,
    /// What changed since this was last asked: the ends of what is there, none of what is gone.
    changed: BTreeMap<ConnectionId, Option<Ends>>,
    silent: Silent,
    /// Something got no answer since this was last asked.
    has_unanswered: bool,
    next_id: u64,
    dump: u32,
}

/// What a dump shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All sockets there are.
    All,
    /// Those that processes have open: not those that their owner closed and the other end did not yet, nor the kernel's.
    Held,
}

/// The sockets of one namespace.
pub struct Dump {
    pub namespace: NetNsId,
    pub extent: Extent,
    pub sockets: Vec<Socket>,
}

impl Table {
    /// A dump of every namespace begins. Each of its sockets may be shown to `see` as it comes; the others are for `finish`.
    pub fn begin(&mut self) {
        self.dump += 1;
    }

    /// Takes in a socket that is known already, with its process; false where it is not, or is no connection.
    pub fn see(&mut self, namespace: NetNsId, socket: &Socket, owner: Option<ProcessId>, now_ms: u64) -> bool {
        if socket.state != State::Open || socket.remote.port() == 0 {
            return false;
        }
        let ends = ends_of(namespace, socket);
        let Some(held) = self.held.get_mut(ends).filter(|held| is_same(held, socket)) else { return false };
        // Of those who share a socket the first has it.
        if held.dump == self.dump && held.connection.owner.get().is_some() {
            return true;
        }
        held.dump = self.dump;
        held.inode = number(socket);
        // A socket loses its descriptor before it loses its connection: the last owner stays.
        if owner.is_some() && held.connection.owner.get() != owner {
            SharedConnection::make_mut(&mut held.connection).owner = owner.into();
            self.changed.insert(held.id, Some(ends));
        }
        if let Some(carried) = socket.carried
            && held.is_settled(now_ms)
        {
            held.account(held.connection.flow(), carried, &mut self.traffic, now_ms);
            self.silent.see(held.cookie, carried.sent_bytes);
        }
        true
    }

    /// Takes in a dump of every namespace. `owner` names a socket's process, `track` asks conntrack about a new
    /// connection. Returns whether listeners changed.
    pub fn update(
        &mut self,
        dumps: &[Dump],
        ephemeral: Option<(u16, u16)>,
        owner: impl Fn(u64) -> Option<ProcessId>,
        track: impl FnMut(Protocol, Tuple) -> Option<Entry>,
        now_ms: u64,
    ) -> bool {
        self.begin();
        self.finish(dumps, ephemeral, owner, track, now_ms)
    }

    /// Like `update`, of what `see` did not take since the dump began. What neither was shown is gone.
    pub fn finish(
        &mut self,
        dumps: &[Dump],
        ephemeral: Option<(u16, u16)>,
        owner: impl Fn(u64) -> Option<ProcessId>,
        mut track: impl FnMut(Protocol, Tuple) -> Option<Entry>,
        now_ms: u64,
    ) -> bool {
        let dump = self.dump;
        let changed = self.take_listeners(dumps, &owner);
        for Dump { namespace, sockets, .. } in dumps {
            for socket in sockets.iter().filter(|s| s.state == State::Open && s.remote.port() != 0) {
                let now = owner(socket.inode);
                if self.see(*namespace, socket, now, now_ms) {
                    continue;
                }
                let here = Tuple { from: socket.local, to: socket.remote };
                let entry = if is_confined(here) { None } else { track(socket.protocol, here) };
                let ports = self.known_ports.entry(*namespace).or_default();
                let (role, evidence): (Role, Evidence) =
                    direction(socket.protocol, here, ports, entry.map(|e| e.original), ephemeral);
                let connection = Connection {
                    namespace: *namespace,
                    protocol: socket.protocol,
                    local: socket.local.into(),
                    remote: socket.remote.into(),
                    owner: now.into(),
                    role,
                    evidence,
                    nat: beyond(entry, here),
                };
                let flow = connection.flow();
                let carried = socket.carried.unwrap_or_default();
                let held = self.insert(ends_of(*namespace, socket), connection, (number(socket), socket.cookie));
                held.is_tracked = true;
                held.carry(carried);
                if socket.carried.is_some() {
                    // What it carried before it was seen is nobody's.
                    self.traffic.carried(flow, carried, carried, 1, now_ms);
                }
            }
        }
        let there: HashMap<NetNsId, Extent> = dumps.iter().map(|dump| (dump.namespace, dump.extent)).collect();
        let is_gone = |held: &&Held| {
            let Connection { protocol, namespace, .. } = *held.connection;
            match there.get(&namespace) {
                None => true,
                Some(Extent::All) => held.dump != dump,
                // The end of a TCP connection is told by itself.
                Some(Extent::Held) => held.dump != dump && protocol == Protocol::Udp,
            }
        };
        let gone: Vec<Ends> = self.held.iter().filter(is_gone).map(Held::ends).collect();
        for ends in gone {
            self.remove(ends);
        }
        changed
    }

    /// One that nobody was told of yet.
    fn insert(&mut self, ends: Ends, connection: Connection, (inode, cookie): (u32, u64)) -> &mut Held {
        self.remove(ends);
        // A socket that is another's by now has no other connection.
        if cookie != 0
            && let Some(other) = self.held.of_cookie(cookie).map(Held::ends)
        {
            self.remove(other);
        }
        self.next_id += 1;
        let id = ConnectionId(self.next_id);
        self.changed.insert(id, Some(ends));
        self.held.insert(Held::new(id, (inode, cookie), self.dump, connection))
    }

    fn remove(&mut self, ends: Ends) -> Option<Held> {
        let held = self.held.remove(ends)?;
        self.silent.end(held.cookie);
        if held.is_told {
            self.changed.insert(held.id, None);
        } else {
            self.changed.remove(&held.id);
        }
        Some(held)
    }

    /// Whether anything changed since it was last told.
    pub fn has_news(&self) -> bool {
        !self.changed.is_empty()
    }

    /// What changed since this was last asked. Of what is new, `track` is asked what NAT makes of it. That it began is
    /// counted then: the kernel may interrupt itself so that nobody tells that it ended.
    pub fn news(
        &mut self,
        mut track: impl FnMut(NetNsId, Tuple) -> Option<Entry>,
        now_ms: u64,
    ) -> Changes<ConnectionId, SharedConnection> {
        let mut news = Changes::default();
        for (id, ends) in std::mem::take(&mut self.changed) {
            let Some(ends) = ends else {
                news.removed.push(id);
                continue;
            };
            let Some(held) = self.held.get_mut(ends) else { continue };
            held.is_told = true;
            if !std::mem::replace(&mut held.is_tracked, true) {
                let here = Tuple { from: ends.local.get(), to: ends.remote.get() };
                let entry = if is_confined(here) { None } else { track(ends.namespace, here) };
                let nat = beyond(entry, here);
                if held.connection.nat != nat {
                    SharedConnection::make_mut(&mut held.connection).nat = nat;
                }
            }
            if held.is_settled(now_ms) {
                held.count(held.connection.flow(), &mut self.traffic, now_ms);
            }
            news.set.push((id, held.connection.clone()));
        }
        news
    }

    /// What flows carry, where that differs from what was told last.
    pub fn traffic_news(&mut self, now_ms: u64) -> Changes<FlowKey, FlowMetrics> {
        self.traffic.news(&self.silent.by_flow(now_ms), now_ms)
    }

    /// Whether something got no answer since this was last asked.
    pub fn take_unanswered(&mut self) -> bool {
        std::mem::take(&mut self.has_unanswered)
    }

    /// The namespaces of TCP connections that the last dumps did not show. Who closed theirs may still have something to
    /// send; or nobody told that it ended.
    pub fn unshown(&self) -> HashSet<NetNsId> {
        let is_unshown = |held: &&Held| held.dump + UNSHOWN_DUMPS < self.dump;
        let connections = self.held.iter().filter(is_unshown).map(|held| &held.connection);
        connections.filter(|one| one.protocol == Protocol::Tcp).map(|one| one.namespace).collect()
    }

    fn take_listeners(&mut self, dumps: &[Dump], owner: &impl Fn(u64) -> Option<ProcessId>) -> bool {
        let dump = self.dump;
        let mut now = BTreeMap::new();
        for Dump { namespace, sockets, .. } in dumps {
            for socket in sockets.iter().filter(|s| s.state == State::Listening && s.local.port() != 0) {
                // A UDP socket is bound both by servers and by clients that have not connected it.
                if socket.protocol == Protocol::Tcp {
                    let ports = self.known_ports.entry(*namespace).or_default();
                    ports.note(socket.protocol, socket.local.port(), dump);
                }
                let key = ListenerKey { namespace: *namespace, protocol: socket.protocol, address: socket.local };
                let listener: &mut Listener = now.entry(key).or_default();
                listener.owner = listener.owner.or(owner(socket.inode));
            }
        }
        let oldest = dump.saturating_sub(LISTENER_MEMORY_DUMPS);
        self.known_ports.retain(|namespace, ports| {
            ports.forget_before(oldest);
            dumps.iter().any(|d| d.namespace == *namespace)
        });
        let changed = now != self.listeners;
        self.listeners = now;
        changed
    }

    /// The addresses that somebody here calls.
    pub fn called(&self) -> HashSet<IpAddr> {
        let flows = self.held.iter().map(|held| held.connection.flow()).chain(self.flows.keys());
        flows.filter(|flow| flow.role != Role::Server).map(|flow| flow.remote).collect()
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn ends_of(namespace: NetNsId, socket: &Socket) -> Ends {
    let Socket { protocol, local, remote, .. } = *socket;
    between(namespace, protocol, local, remote)
}

fn between(namespace: NetNsId, protocol: Protocol, local: SocketAddr, remote: SocketAddr) -> Ends {
    Ends { namespace, protocol, local: local.into(), remote: remote.into() }
}

/// Its inode, as the kernel numbers sockets.
fn number(socket: &Socket) -> u32 {
    u32::try_from(socket.inode & u64::from(u32::MAX)).unwrap_or_default()
}

/// The same tuple with another socket is another connection. A socket that was orphaned shows inode 0.
fn is_same(held: &Held, socket: &Socket) -> bool {
    if held.cookie != 0 && socket.cookie != 0 {
        return held.cookie == socket.cookie;
    }
    held.inode == number(socket) || socket.inode == 0 || held.inode == 0
}

/// The conversation on the far side of NAT, where that differs.
fn beyond(entry: Option<Entry>, here: Tuple) -> Option<Box<Tuple>> {
    entry.and_then(|entry| entry.beyond(here)).map(Box::new)
}

/// What stays in its namespace is not translated.
fn is_confined(here: Tuple) -> bool {
    here.from.ip() == here.to.ip() || here.to.ip().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::NetNs;
    use crate::socket::bpf::{Change, Event};
    use crate::socket::trouble::Refused;
    use shared::report::{Failures, Flow};

    fn socket(state: State, local: &str, remote: &str, inode: u64) -> Socket {
        let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
        Socket { protocol: Protocol::Tcp, state, local, remote, inode, cookie: 0, carried: None }
    }

    fn process(pid: u64) -> Option<ProcessId> {
        (pid != 0).then_some(ProcessId { pid: pid as u32, start: 1 })
    }

    /// Takes a dump in, and gives whether anything is told of it.
    fn update(table: &mut Table, sockets: &[Socket]) -> bool {
        let dump = Dump { namespace: NetNsId(1), extent: Extent::All, sockets: sockets.to_vec() };
        let listeners = table.update(&[dump], Some((32768, 60999)), process, |_, _| None, 0);
        listeners || table.has_news()
    }

    #[test]
    fn what_nobody_holds_open_any_more_is_there_until_the_kernel_says_that_it_is_not() {
        let mut table = Table::default();
        take(&mut table, 9, HERE, THERE, Change::Connected { pid: 5, waited_us: 300 });
        let mut udp = Socket { protocol: Protocol::Udp, cookie: 8, ..socket(State::Open, HERE, THERE, 5) };
        let update = |table: &mut Table, namespace: u32, sockets: &[Socket]| {
            let dump = Dump { namespace: NetNsId(namespace), extent: Extent::Held, sockets: sockets.to_vec() };
            table.update(&[dump], None, process, |_, _| None, 0);
            table.len()
        };
        assert_eq!(update(&mut table, 1, &[udp]), 2);
        udp.local.set_port(40001);
        assert_eq!(update(&mut table, 1, &[udp]), 2, "of UDP nothing is told");
        assert_eq!(update(&mut table, 1, &[]), 1);
        assert_eq!(update(&mut table, 2, &[]), 0, "with its namespace it is gone");
    }

    fn take(table: &mut Table, cookie: u64, local: &str, remote: &str, change: Change) {
        let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
        let carried = Carried { sent_bytes: 700, ..Carried::default() };
        let event =
            Event { cookie, namespace: NetNs::default(), local, remote, boot_ms: 0, change, carried, weight: 1 };
        table.take(&event, NetNsId(1), |pid| process(pid.into()), |_, _| None, 0);
    }

    fn news(table: &mut Table) -> (Vec<Connection>, usize) {
        let Changes { set, removed } = table.news(|_, _| None, 0);
        (set.into_iter().map(|(_, connection)| SharedConnection::unwrap_or_clone(connection)).collect(), removed.len())
    }

    fn ids(table: &Table) -> Vec<ConnectionId> {
        table.held.iter().map(|held| held.id).collect()
    }

    const HERE: &str = "10.0.0.2:40000";
    const THERE: &str = "10.0.0.3:80";

    #[test]
    fn a_connection_keeps_its_number_until_it_is_gone() {
        let mut table = Table::default();
        let open = socket(State::Open, HERE, THERE, 5);
        assert!(update(&mut table, &[open]));
        let first = ids(&table);
        assert_eq!(news(&mut table).0.len(), 1);
        assert!(!update(&mut table, &[open]), "nothing changed");
        assert_eq!(ids(&table), first);
        assert!(update(&mut table, &[]));
        assert!(table.is_empty());
        assert_eq!(news(&mut table).1, 1);
        update(&mut table, &[open]);
        assert_ne!(ids(&table), first, "a new connection has a new number");
    }

    #[test]
    fn a_tuple_that_another_socket_reuses_is_another_connection() {
        let mut table = Table::default();
        update(&mut table, &[socket(State::Open, HERE, THERE, 5)]);
        let first = ids(&table);
        update(&mut table, &[socket(State::Open, HERE, THERE, 6)]);
        assert_ne!(ids(&table), first);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_connection_that_is_closing_keeps_its_last_owner() {
        let mut table = Table::default();
        update(&mut table, &[socket(State::Open, HERE, THERE, 5)]);
        update(&mut table, &[socket(State::Open, HERE, THERE, 0)]);
        assert_eq!(news(&mut table).0[0].owner.get(), process(5));
    }

    #[test]
    fn a_listener_that_went_still_tells_the_direction() {
        let mut table = Table::default();
        update(&mut table, &[socket(State::Listening, "0.0.0.0:40000", "0.0.0.0:0", 1)]);
        assert_eq!(table.listeners.len(), 1);
        update(&mut table, &[socket(State::Open, HERE, "10.0.0.3:50000", 5)]);
        assert!(table.listeners.is_empty());
        let connection = news(&mut table).0.remove(0);
        assert_eq!((connection.role, connection.evidence), (Role::Server, Evidence::Listener));
    }

    #[test]
    fn a_udp_socket_without_a_peer_is_no_connection() {
        let mut table = Table::default();
        let mut bound = socket(State::Listening, "0.0.0.0:53", "0.0.0.0:0", 3);
        bound.protocol = Protocol::Udp;
        update(&mut table, &[bound]);
        assert!(table.is_empty());
        assert_eq!(table.listeners.len(), 1);
    }

    #[test]
    fn a_connection_whose_end_nobody_tells_is_counted_and_looked_for() {
        let mut table = Table::default();
        take(&mut table, 9, HERE, THERE, Change::Connected { pid: 5, waited_us: 300 });
        assert_eq!(news(&mut table).0.len(), 1);
        let [(_, told)] = &table.traffic_news(1_000).set[..] else { panic!("one flow") };
        assert_eq!((told.totals.opened, told.totals.connect_us), (1, 300));
        for _ in 0..=UNSHOWN_DUMPS {
            assert!(table.unshown().is_empty(), "it may be on its way");
            table.begin();
        }
        assert_eq!(table.unshown(), HashSet::from([NetNsId(1)]));
        take(&mut table, 9, HERE, THERE, Change::Closed { error: 0, is_broken_off: false });
        assert_eq!(table.traffic_news(2_000).set[0].1.totals.opened, 1, "once");
        assert!(table.unshown().is_empty());
    }

    #[test]
    fn what_the_kernel_tells_and_what_a_dump_shows_is_one_connection() {
        let mut table = Table::default();
        take(&mut table, 9, HERE, THERE, Change::Connected { pid: 5, waited_us: 300 });
        let (told, _) = news(&mut table);
        assert_eq!(
            (told[0].role, told[0].evidence, told[0].owner.get()),
            (Role::Client, Evidence::Handshake, process(5))
        );
        let dumped = Socket { cookie: 9, ..socket(State::Open, HERE, THERE, 5) };
        assert!(!update(&mut table, &[dumped]));
        take(&mut table, 9, HERE, THERE, Change::Closed { error: 0, is_broken_off: false });
        assert_eq!(news(&mut table), (vec![], 1));
        assert!(table.flows.is_empty(), "it was told of, so it is no short one");
        // The dump may be read before the event that is older.
        update(&mut table, &[dumped]);
        take(&mut table, 9, HERE, THERE, Change::Connected { pid: 5, waited_us: 300 });
        assert_eq!(table.len(), 1);
        let (told, _) = news(&mut table);
        assert_eq!((told.len(), told[0].evidence), (1, Evidence::Handshake));
    }

    #[test]
    fn what_came_and_went_untold_is_counted_and_so_is_what_never_came_to_be() {
        let mut table = Table::default();
        let flow = |table: &mut Table| table.flows.news().set.remove(0);
        take(&mut table, 8, "0.0.0.0:80", "0.0.0.0:0", Change::Listens { pid: 3 });
        take(&mut table, 9, "10.0.0.2:80", "10.0.0.9:50000", Change::Accepted);
        take(&mut table, 9, "10.0.0.2:80", "10.0.0.9:50000", Change::Closed { error: 0, is_broken_off: false });
        assert_eq!(news(&mut table), (vec![], 0));
        let (key, Flow { count, failures, .. }) = flow(&mut table);
        assert_eq!((key.owner, key.port, key.role, count), (process(3), 80, Role::Server, 1));
        assert_eq!(failures, Default::default());
        let mut fail = |error, is_without_reset, waited_us| {
            take(&mut table, 10, HERE, THERE, Change::Failed { pid: 5, error, is_without_reset, waited_us });
        };
        fail(libc::ECONNREFUSED, false, 50);
        fail(libc::ECONNREFUSED, true, 50);
        fail(libc::EHOSTUNREACH, true, 50);
        fail(libc::ENOPROTOOPT, true, 50);
        fail(libc::ETIMEDOUT, true, 9);
        fail(0, true, 2_000_000);
        fail(0, true, 10);
        take(&mut table, 11, HERE, THERE, Change::Connected { pid: 5, waited_us: 300 });
        take(&mut table, 11, HERE, THERE, Change::Closed { error: libc::ECONNRESET, is_broken_off: false });
        assert!(table.take_unanswered(), "of those that timed out");
        let (key, Flow { count, failures, .. }) = flow(&mut table);
        assert_eq!((key.remote.to_string(), key.port, key.role), ("10.0.0.3".into(), 80, Role::Client));
        let expect = Failures { refused: 2, rejected: 1, timed_out: 2, reset: 1, unreachable: 2 };
        assert_eq!((count, failures), (7, expect), "who changes their mind at once fails nobody");
        let ends = [
            (Change::Accepted, Change::Closed { error: 0, is_broken_off: true }, 1),
            (Change::Accepted, Change::Closed { error: libc::EPIPE, is_broken_off: false }, 0),
            (Change::Connected { pid: 6, waited_us: 300 }, Change::Closed { error: 0, is_broken_off: true }, 0),
            (
                Change::Connected { pid: 7, waited_us: 300 },
                Change::Closed { error: libc::EPIPE, is_broken_off: false },
                0,
            ),
        ];
        for (n, (beginning, end, resets)) in ends.into_iter().enumerate() {
            let server = format!("10.0.0.2:{}", 81 + n);
            take(&mut table, 13, &server, "10.0.0.9:50000", beginning);
            take(&mut table, 13, &server, "10.0.0.9:50000", end);
            let (_, Flow { failures, .. }) = flow(&mut table);
            assert_eq!(failures.reset, resets, "{beginning:?}, {end:?}");
        }
        take(&mut table, 12, HERE, THERE, Change::Closed { error: 0, is_broken_off: false });
        assert!(table.flows.news().is_empty(), "of what was never seen to open nothing is known");
    }

    #[test]
    fn calls_that_are_refused_count_where_somebody_may_be_meant() {
        let mut table = Table::default();
        take(&mut table, 8, "0.0.0.0:80", "0.0.0.0:0", Change::Listens { pid: 3 });
        let mut refuse = |port: u16, is_host| {
            let (local, remote) = (SocketAddr::from(([10, 0, 0, 2], port)), "10.0.0.9:0".parse().unwrap());
            let refused = Refused { namespace: NetNs::default(), local, remote, count: 3 };
            table.take_refused(&refused, NetNsId(1), is_host, 0);
            table.flows.news().set
        };
        assert!(refuse(81, true).is_empty(), "who tries all ports of a host");
        for (port, is_host) in [(80, true), (81, false)] {
            let told = refuse(port, is_host);
            let [(key, Flow { count, failures, .. })] = &told[..] else { panic!("{told:?}") };
            assert_eq!((key.port, key.role, key.owner), (port, Role::Server, None));
            assert_eq!((*count, failures.refused), (3, 3));
        }
    }

    #[test]
    fn what_gets_no_answer_is_of_the_flow_of_its_connection() {
        let mut table = Table::default();
        take(&mut table, 9, HERE, THERE, Change::Connected { pid: 5, waited_us: 300 });
        table.note_unanswered(9, 1, 0);
        assert!(!table.take_unanswered(), "nobody was told of it");
        news(&mut table);
        table.note_unanswered(10, 1, 0);
        assert!(!table.take_unanswered(), "another host's");
        table.note_unanswered(9, 2, 0);
        assert!(table.take_unanswered() && !table.take_unanswered());
        let told = |table: &mut Table, now_ms| {
            let told = table.traffic_news(now_ms).set;
            let [(key, FlowMetrics { totals, unanswered, .. })] = told[..] else { panic!("{told:?}") };
            assert_eq!((key.owner, key.port, totals.unanswered), (process(5), 80, 2));
            unanswered
        };
        assert_eq!(told(&mut table, 1_000), 1);
        let seen = |sent_bytes| {
            let carried = Some(Carried { sent_bytes, ..Carried::default() });
            Socket { cookie: 9, carried, ..socket(State::Open, HERE, THERE, 5) }
        };
        update(&mut table, &[seen(70)]);
        assert!(table.traffic_news(2_000).set.iter().all(|(_, metrics)| metrics.unanswered == 1), "still");
        update(&mut table, &[seen(90)]);
        assert_eq!(told(&mut table, 3_000), 0, "an answer came");
        table.note_unanswered(9, 0, 0);
        assert_eq!(told(&mut table, 4_000), 1);
        take(&mut table, 9, HERE, THERE, Change::Closed { error: 0, is_broken_off: false });
        assert_eq!(told(&mut table, 5_000), 0, "it is over");
    }

    #[test]
    fn what_connections_carry_is_summed_by_flow_whether_they_were_told_or_not() {
        let mut table = Table::default();
        let at = |sent_bytes| Some(Carried { sent_bytes, ..Carried::default() });
        let dumped = |cookie, carried| Socket { cookie, carried, ..socket(State::Open, HERE, THERE, 5) };
        // One that was there before is counted from when it was seen.
        update(&mut table, &[dumped(9, at(500))]);
        news(&mut table);
        update(&mut table, &[dumped(9, at(650))]);
        take(&mut table, 9, HERE, THERE, Change::Closed { error: 0, is_broken_off: false });
        let totals = |table: &mut Table| {
            let (key, FlowMetrics { totals, .. }) = table.traffic_news(5_000).set.remove(0);
            assert_eq!((key.port, key.role), (80, Role::Client));
            (totals.opened, totals.lived, totals.sent_bytes)
        };
        assert_eq!(totals(&mut table), (0, 0, 200));
        // Another that nobody was told of, then one that somebody was told of.
        for is_told in [false, true] {
            take(&mut table, 10, HERE, THERE, Change::Connected { pid: 5, waited_us: 300 });
            if is_told {
                news(&mut table);
            }
            take(&mut table, 10, HERE, THERE, Change::Closed { error: 0, is_broken_off: false });
        }
        assert_eq!(totals(&mut table), (2, 2, 200 + 2 * 700));
    }

    #[test]
    fn what_a_process_carries_that_is_known_a_moment_later_is_its_own() {
        let mut table = Table::default();
        take(&mut table, 9, HERE, THERE, Change::Connected { pid: 0, waited_us: 300 });
        news(&mut table);
        let carried = |sent_bytes| Some(Carried { sent_bytes, ..Carried::default() });
        let mut dumped = Socket { cookie: 9, carried: carried(50), ..socket(State::Open, HERE, THERE, 0) };
        update(&mut table, &[dumped]);
        assert!(table.traffic_news(1_000).is_empty(), "nobody's yet");
        (dumped.inode, dumped.carried) = (5, carried(70));
        update(&mut table, &[dumped]);
        let told = table.traffic_news(2_000).set;
        let [(key, FlowMetrics { totals, .. })] = told[..] else { panic!("{told:?}") };
        assert_eq!((key.owner, totals.opened, totals.connect_us, totals.sent_bytes), (process(5), 1, 300, 70));
    }

    #[test]
    fn a_short_one_is_counted_where_nat_leads_it() {
        let mut table = Table::default();
        let end = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (local, remote) = (end(HERE), end("10.77.0.1:8080"));
        let reply = Tuple { from: end("172.18.0.2:80"), to: local };
        let entry = Entry { original: Tuple { from: local, to: remote }, reply };
        for change in [Change::Connected { pid: 5, waited_us: 300 }, Change::Closed { error: 0, is_broken_off: false }]
        {
            let carried = Carried::default();
            let event =
                Event { cookie: 9, namespace: NetNs::default(), local, remote, boot_ms: 0, change, carried, weight: 1 };
            table.take(&event, NetNsId(1), |_| None, |_, _| Some(entry), 0);
        }
        let (key, _) = table.flows.news().set.remove(0);
        assert_eq!((key.remote.to_string(), key.port), ("172.18.0.2".into(), 80));
    }
}
