//! The connections and listeners of the host, kept from dump to dump: a pure function of what was seen.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use shared::addr::{Protocol, Tuple};
use shared::id::{ConnectionId, NetNsId, ProcessId};
use shared::report::{Connection, Evidence, Listener, ListenerKey, Role};

use super::conntrack::Entry;
use super::{Listeners, Socket, State, direction};

/// A listener that went still says which end was the server, for this many dumps.
const LISTENER_MEMORY_DUMPS: u64 = 4_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    namespace: NetNsId,
    protocol: Protocol,
    local: SocketAddr,
    remote: SocketAddr,
}

struct Held {
    id: ConnectionId,
    inode: u64,
    dump: u64,
    connection: Connection,
}

#[derive(Default)]
pub struct Table {
    held: HashMap<Key, Held>,
    pub listeners: BTreeMap<ListenerKey, Listener>,
    known_ports: HashMap<NetNsId, Listeners>,
    next_id: u64,
    dump: u64,
}

/// The sockets of one namespace.
pub struct Dump {
    pub namespace: NetNsId,
    pub sockets: Vec<Socket>,
}

impl Table {
    /// Takes in a dump of every namespace. `owner` names a socket's process, `track` asks conntrack about a new
    /// connection. Returns whether anything changed.
    pub fn update(
        &mut self,
        dumps: &[Dump],
        ephemeral: Option<(u16, u16)>,
        owner: impl Fn(u64) -> Option<ProcessId>,
        mut track: impl FnMut(Protocol, Tuple) -> Option<Entry>,
    ) -> bool {
        self.dump += 1;
        let dump = self.dump;
        let mut changed = self.take_listeners(dumps, &owner);
        for Dump { namespace, sockets } in dumps {
            let ports = self.known_ports.entry(*namespace).or_default();
            for socket in sockets.iter().filter(|s| s.state == State::Open && s.remote.port() != 0) {
                let key = Key {
                    namespace: *namespace,
                    protocol: socket.protocol,
                    local: socket.local,
                    remote: socket.remote,
                };
                let now = owner(socket.inode);
                let held = self.held.get_mut(&key).filter(|held| is_same(held, socket));
                if let Some(held) = held {
                    held.dump = dump;
                    // A socket loses its descriptor before it loses its connection: the last owner stays.
                    if now.is_some() && held.connection.owner != now {
                        held.connection.owner = now;
                        changed = true;
                    }
                    continue;
                }
                let here = Tuple { from: socket.local, to: socket.remote };
                let confined = socket.local.ip() == socket.remote.ip() || socket.remote.ip().is_loopback();
                let entry = if confined { None } else { track(socket.protocol, here) };
                let (role, evidence): (Role, Evidence) =
                    direction(socket.protocol, here, ports, entry.map(|e| e.original), ephemeral);
                self.next_id += 1;
                let connection = Connection {
                    namespace: *namespace,
                    protocol: socket.protocol,
                    local: socket.local,
                    remote: socket.remote,
                    owner: now,
                    role,
                    evidence,
                    nat: entry.and_then(|entry| entry.beyond(here)),
                };
                let held = Held { id: ConnectionId(self.next_id), inode: socket.inode, dump, connection };
                self.held.insert(key, held);
                changed = true;
            }
        }
        let before = self.held.len();
        self.held.retain(|_, held| held.dump == dump);
        changed || self.held.len() != before
    }

    fn take_listeners(&mut self, dumps: &[Dump], owner: &impl Fn(u64) -> Option<ProcessId>) -> bool {
        let dump = self.dump;
        let mut now = BTreeMap::new();
        for Dump { namespace, sockets } in dumps {
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

    pub fn connections(&self) -> BTreeMap<ConnectionId, Connection> {
        self.held.values().map(|held| (held.id, held.connection.clone())).collect()
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

/// The same tuple with another socket is another connection. A socket that was orphaned shows inode 0.
fn is_same(held: &Held, socket: &Socket) -> bool {
    held.inode == socket.inode || socket.inode == 0 || held.inode == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(state: State, local: &str, remote: &str, inode: u64) -> Socket {
        let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
        Socket { protocol: Protocol::Tcp, state, local, remote, inode }
    }

    fn update(table: &mut Table, sockets: &[Socket]) -> bool {
        let dump = Dump { namespace: NetNsId(1), sockets: sockets.to_vec() };
        let owner = |inode: u64| (inode != 0).then_some(ProcessId { pid: inode as u32, start: 1 });
        table.update(&[dump], Some((32768, 60999)), owner, |_, _| None)
    }

    #[test]
    fn a_connection_keeps_its_number_until_it_is_gone() {
        let mut table = Table::default();
        let open = socket(State::Open, "10.0.0.2:40000", "10.0.0.3:80", 5);
        assert!(update(&mut table, &[open]));
        let first = table.connections();
        assert!(!update(&mut table, &[open]), "nothing changed");
        assert_eq!(table.connections(), first);
        assert!(update(&mut table, &[]));
        assert!(table.is_empty());
        update(&mut table, &[open]);
        assert_ne!(table.connections().keys().next(), first.keys().next(), "a new connection has a new number");
    }

    #[test]
    fn a_tuple_that_another_socket_reuses_is_another_connection() {
        let mut table = Table::default();
        update(&mut table, &[socket(State::Open, "10.0.0.2:40000", "10.0.0.3:80", 5)]);
        let first = *table.connections().keys().next().unwrap();
        update(&mut table, &[socket(State::Open, "10.0.0.2:40000", "10.0.0.3:80", 6)]);
        assert_ne!(*table.connections().keys().next().unwrap(), first);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_connection_that_is_closing_keeps_its_last_owner() {
        let mut table = Table::default();
        update(&mut table, &[socket(State::Open, "10.0.0.2:40000", "10.0.0.3:80", 5)]);
        update(&mut table, &[socket(State::Open, "10.0.0.2:40000", "10.0.0.3:80", 0)]);
        assert_eq!(table.connections().values().next().unwrap().owner, Some(ProcessId { pid: 5, start: 1 }));
    }

    #[test]
    fn a_listener_that_went_still_tells_the_direction() {
        let mut table = Table::default();
        update(&mut table, &[socket(State::Listening, "0.0.0.0:40000", "0.0.0.0:0", 1)]);
        assert_eq!(table.listeners.len(), 1);
        update(&mut table, &[socket(State::Open, "10.0.0.2:40000", "10.0.0.3:50000", 5)]);
        assert!(table.listeners.is_empty());
        let connection = table.connections().into_values().next().unwrap();
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
}
