//! What the kernel tells of a connection, of datagrams and of conversations, between one dump and the next.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use shared::addr::{Protocol, Tuple};
use shared::id::{NetNsId, ProcessId};
use shared::report::{Connection, Evidence, FlowKey, ListenerKey, Role, SharedConnection};

use super::{Table, between, beyond, is_confined};
use crate::socket::bpf::{Change, Event};
use crate::socket::conntrack::Entry;
use crate::socket::datagram::Sent;
use crate::socket::flow::{IDLE_DATAGRAMS_MS, IDLE_RARELY_SEEN_MS, Outcome};
use crate::socket::held::{Began, Ends, Held};
use crate::socket::tracked::News;
use crate::socket::traffic::Carried;
use crate::socket::trouble::Refused;
use crate::socket::{Listeners, direction};

/// The kernel asks for the first time again after a second.
const GAVE_UP_US: u32 = 950_000;

impl Table {
    /// Takes in what the kernel told of one socket, which happened at `now_ms`; `of_pid` names a process.
    pub fn take(
        &mut self,
        event: &Event,
        namespace: NetNsId,
        of_pid: impl Fn(u32) -> Option<ProcessId>,
        mut track: impl FnMut(NetNsId, Tuple) -> Option<Entry>,
        now_ms: u64,
    ) {
        let Event { cookie, local, remote, change, weight, .. } = *event;
        let connection = |owner: Option<ProcessId>, role| Connection {
            namespace,
            protocol: Protocol::Tcp,
            local: local.into(),
            remote: remote.into(),
            owner: owner.into(),
            role,
            evidence: Evidence::Handshake,
            nat: None,
        };
        match change {
            Change::Connected { pid, waited_us } => {
                self.open(cookie, connection(of_pid(pid), Role::Client), Began::new(now_ms, waited_us), weight);
            }
            Change::Accepted => {
                let owner = self.listener(namespace, Protocol::Tcp, local);
                self.open(cookie, connection(owner, Role::Server), Began::new(now_ms, 0), weight);
            }
            Change::Closed { error, is_broken_off } => {
                let found = self.held.of_cookie(cookie).map(Held::ends).and_then(|ends| self.remove(ends));
                let Some(mut held) = found else { return };
                let outcome = match (error, held.connection.role) {
                    (libc::ECONNRESET, _) => Outcome::Reset,
                    (libc::ETIMEDOUT, _) => Outcome::TimedOut,
                    // Where the caller's host tells of it too, the app takes that alone.
                    (_, Role::Server) if is_broken_off => Outcome::Reset,
                    // Who calls and breaks it off means to. Who is sent more after hanging up has what they wanted.
                    _ => Outcome::Well,
                };
                let flow = if held.is_tracked { held.connection.flow() } else { flow_of(&held.connection, &mut track) };
                if !held.is_told || outcome != Outcome::Well {
                    let began_ms = held.began().map_or(now_ms, |began| began.at_ms.get());
                    self.flows.note(flow, outcome, held.weight, (began_ms, now_ms));
                }
                if let Some(Began { at_ms, .. }) = held.began() {
                    self.traffic.lived(flow, now_ms.saturating_sub(at_ms.get()), held.weight, now_ms);
                }
                held.account(flow, event.carried, &mut self.traffic, now_ms);
            }
            Change::Failed { pid, error, is_without_reset, waited_us } => {
                if let Some(outcome) = why(error, is_without_reset, waited_us) {
                    let flow = flow_of(&connection(of_pid(pid), Role::Client), &mut track);
                    self.flows.note(flow, outcome, weight, (now_ms, now_ms));
                    self.has_unanswered |= outcome == Outcome::TimedOut;
                }
            }
            Change::Listens { pid } => {
                self.known_ports.entry(namespace).or_default().note(Protocol::Tcp, local.port(), self.dump);
                let key = ListenerKey { namespace, protocol: Protocol::Tcp, address: local };
                let listener = self.listeners.entry(key).or_default();
                listener.owner = listener.owner.or_else(|| of_pid(pid));
            }
        }
    }

    /// Takes in that one socket sent something again so often, though it had no answer before.
    pub fn note_unanswered(&mut self, cookie: u64, times: u64, now_ms: u64) {
        // On one machine there may be several hosts of a test.
        let Some(held) = self.held.of_cookie(cookie).filter(|held| held.is_told) else { return };
        let flow = held.connection.flow();
        self.traffic.unanswered(flow, times, now_ms);
        self.silent.note(cookie, flow, now_ms);
        self.has_unanswered = true;
    }

    /// Takes in calls that were refused here. Where the caller's host tells of them too, the app takes that alone.
    pub fn take_refused(&mut self, refused: &Refused, namespace: NetNsId, is_host: bool, now_ms: u64) {
        let Refused { local, remote, count, .. } = *refused;
        // The world tries all ports of a host; a container's are called by who expects somebody there.
        let is_meant =
            !is_host || self.known_ports.get(&namespace).is_some_and(|p| p.listened(Protocol::Tcp, local.port()));
        if !is_meant {
            return;
        }
        let flow = FlowKey {
            namespace,
            protocol: Protocol::Tcp,
            owner: None,
            local: Some(local.ip()),
            remote: remote.ip(),
            port: local.port(),
            role: Role::Server,
        };
        self.flows.note(flow, Outcome::Refused, u32::try_from(count).unwrap_or(u32::MAX), (now_ms, now_ms));
    }

    /// Takes in what one end sent to another by UDP; `of_pid` names a process of the namespace. Gives it back where its
    /// owner is not known, unless this is the `last` time that it is asked for.
    pub fn take_datagrams<'a>(
        &mut self,
        sent: &'a Sent,
        namespace: NetNsId,
        of_pid: impl Fn(u32) -> Option<ProcessId>,
        track: &mut impl FnMut(Tuple) -> Option<Entry>,
        (ephemeral, is_last, now_ms): (Option<(u16, u16)>, bool, u64),
    ) -> Option<&'a Sent> {
        let Sent { local, remote, .. } = *sent;
        let protocol = Protocol::Udp;
        let ends = between(namespace, protocol, local, remote);
        let connected = self.held.get(ends).filter(|held| held.is_told);
        let is_told = connected.is_some();
        // Who has the socket: the process that ran while a datagram left may be another's.
        let owner = match connected {
            Some(held) => held.connection.owner.get(),
            None => self.listener(namespace, protocol, local).or_else(|| of_pid(sent.pid)),
        };
        if owner.is_none() && !is_last {
            return Some(sent);
        }
        let flow = match connected {
            Some(held) => held.connection.flow(),
            None => {
                let here = Tuple { from: local, to: remote };
                let entry = if is_confined(here) { None } else { track(here) };
                let original = entry.map(|entry| entry.original);
                let (role, evidence) = direction(protocol, here, &Listeners::default(), original, ephemeral);
                let nat = beyond(entry, here);
                let Ends { local, remote, .. } = ends;
                Connection { namespace, protocol, local, remote, owner: owner.into(), role, evidence, nat }.flow()
            }
        };
        if !is_told {
            self.flows.keep(flow, IDLE_DATAGRAMS_MS, now_ms);
        }
        let Sent { packets, bytes, received_packets, received_bytes, .. } = *sent;
        self.traffic.datagrams(flow, (packets, bytes), (received_packets, received_bytes), now_ms);
        None
    }

    /// Takes in a conversation that conntrack lists or tells of. `of` names the namespace that has an address, and whether that is
    /// the host's; `tells_clients` whether what is sent here is told by the kernel itself.
    pub fn take_tracked(
        &mut self,
        news: &News,
        of: impl Fn(IpAddr) -> Option<(NetNsId, bool)>,
        tells_clients: bool,
        now_ms: u64,
    ) {
        let News { protocol, entry, original, reply, is_over } = *news;
        let is_told = tells_clients && protocol == Protocol::Udp;
        let ends = [(entry.original, Role::Client), (entry.reply, Role::Server)];
        for (here, role) in ends.into_iter().filter(|(_, role)| *role == Role::Server || !is_told) {
            let Some((namespace, is_host)) = of(here.from.ip()) else { continue };
            let owner = self.listener(namespace, protocol, here.from);
            // Tunnels are the kernel's, and what they carry is seen inside.
            if protocol == Protocol::Udp && owner.is_none() && (role == Role::Server || is_host) {
                continue;
            }
            let nat = if role == Role::Client { beyond(Some(entry), here) } else { None };
            let ends = between(namespace, protocol, here.from, here.to);
            let Ends { local, remote, .. } = ends;
            let evidence = Evidence::Conntrack;
            let flow =
                Connection { namespace, protocol, local, remote, owner: owner.into(), role, evidence, nat }.flow();
            let is_connected = self.held.get(ends).is_some();
            if !is_connected {
                let idle_ms = match (is_over, tells_clients) {
                    (true, _) => 0,
                    (false, true) => IDLE_RARELY_SEEN_MS,
                    (false, false) => IDLE_DATAGRAMS_MS,
                };
                self.flows.keep(flow, idle_ms, now_ms);
            }
            // What a server sends is told by itself then.
            let sent = if is_told { (0, 0) } else { reply };
            match role {
                Role::Server => self.traffic.datagrams(flow, sent, original, now_ms),
                Role::Client | Role::Unknown => self.traffic.datagrams(flow, original, reply, now_ms),
            }
        }
    }

    fn open(&mut self, cookie: u64, connection: Connection, began: Began, weight: u32) {
        let Connection { namespace, protocol, local, remote, .. } = connection;
        let ends = Ends { namespace, protocol, local, remote };
        match self.held.get_mut(ends).filter(|held| held.cookie == cookie) {
            // A dump had it before its event was read.
            Some(held) => {
                let better = Connection { nat: held.connection.nat.clone(), ..connection };
                let better = Connection { owner: held.connection.owner.or(better.owner), ..better };
                if *held.connection != better {
                    held.connection = SharedConnection::new(better);
                    self.changed.insert(held.id, Some(ends));
                }
                if held.began().is_none() {
                    // All that it carried came after that.
                    held.carry(Carried::default());
                    held.weight = weight;
                }
                held.begin(began);
            }
            None => {
                let held = self.insert(ends, connection, (0, cookie));
                held.begin(began);
                held.weight = weight;
            }
        }
    }

    /// Who listens where something was accepted, or has the socket that is bound there.
    fn listener(&self, namespace: NetNsId, protocol: Protocol, at: SocketAddr) -> Option<ProcessId> {
        let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        [at.ip()].into_iter().chain(any).find_map(|ip| {
            let address = SocketAddr::new(ip, at.port());
            self.listeners.get(&ListenerKey { namespace, protocol, address })?.owner
        })
    }
}

/// The flow of a connection of which it is not known yet what NAT makes of it.
fn flow_of(connection: &Connection, track: &mut impl FnMut(NetNsId, Tuple) -> Option<Entry>) -> FlowKey {
    let here = Tuple { from: connection.local.get(), to: connection.remote.get() };
    let entry = match connection.role {
        Role::Client | Role::Unknown if !is_confined(here) => track(connection.namespace, here),
        Role::Client | Role::Unknown | Role::Server => None,
    };
    Connection { nat: beyond(entry, here), ..connection.clone() }.flow()
}

/// Why an attempt came to nothing; none where whoever made it changed their mind at once.
fn why(error: i32, is_without_reset: bool, waited_us: u32) -> Option<Outcome> {
    Some(match error {
        libc::ECONNREFUSED if is_without_reset => Outcome::Rejected,
        libc::ECONNREFUSED => Outcome::Refused,
        libc::ETIMEDOUT => Outcome::TimedOut,
        libc::ECONNRESET | libc::ECONNABORTED => Outcome::Reset,
        // Nothing came back, though the kernel asked more than once: whoever waited gave up before it did.
        0 if waited_us > GAVE_UP_US => Outcome::TimedOut,
        0 => return None,
        // Whatever else a message of ICMP makes of it: no route, no such host, prohibited, no such protocol.
        _ => Outcome::Unreachable,
    })
}
