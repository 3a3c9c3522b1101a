//! Sockets of the host's network namespaces, and what they say of who talks to whom.

pub mod bpf;
pub mod conntrack;
pub mod datagram;
pub mod dns;
mod filter;
pub mod flow;
pub(crate) mod held;
pub mod owner;
pub mod proc_net;
mod reader;
mod sampling;
mod silent;
pub mod sock_diag;
pub mod table;
pub mod tracked;
mod tracker;
pub mod traffic;
pub mod trouble;

pub use reader::Reader;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use shared::addr::{Protocol, Tuple};
use shared::report::{Evidence, Role};
use traffic::Carried;

/// The best that sockets are to be read with; what it lacks is read with the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum With {
    /// What the kernel tells of every TCP connection, beside what follows.
    #[default]
    Ebpf,
    /// sock_diag in each namespace.
    Netlink,
    /// /proc/net of each namespace.
    Proc,
}

/// One socket as the kernel lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    pub protocol: Protocol,
    pub state: State,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// 0 where no descriptor refers to it (any more).
    pub inode: u64,
    /// Of this socket alone as long as the machine runs; 0 where that is not told.
    pub cookie: u64,
    /// None where that is not told, and of what is no TCP connection.
    pub carried: Option<Carried>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Both sides agreed and at least one has not finished: established, FIN-WAIT and CLOSE-WAIT.
    Open,
    Listening,
}

/// What is known about the ports of one namespace.
#[derive(Clone, Debug, Default)]
pub struct Listeners {
    /// Ports that were listened on, by protocol, with the tick on which that was last so.
    seen: HashMap<(Protocol, u16), u32>,
}

impl Listeners {
    pub fn note(&mut self, protocol: Protocol, port: u16, tick: u32) {
        self.seen.insert((protocol, port), tick);
    }

    pub fn listened(&self, protocol: Protocol, port: u16) -> bool {
        self.seen.contains_key(&(protocol, port))
    }

    /// A port whose listener went keeps its meaning while connections that it accepted may live; not for ever.
    pub fn forget_before(&mut self, tick: u32) {
        self.seen.retain(|_, last| *last >= tick);
    }
}

/// The host's range of ports for those who call.
pub fn ephemeral_ports(proc_root: &Path) -> Option<(u16, u16)> {
    let range = std::fs::read_to_string(proc_root.join("sys/net/ipv4/ip_local_port_range")).ok()?;
    let mut ends = range.split_ascii_whitespace().map(|end| end.parse().ok());
    Some((ends.next()??, ends.next()??))
}

/// Which end of a connection the local one is, by the best evidence that this host has.
pub fn direction(
    protocol: Protocol,
    here: Tuple,
    listeners: &Listeners,
    original: Option<Tuple>,
    ephemeral: Option<(u16, u16)>,
) -> (Role, Evidence) {
    let (local, remote) = (here.from, here.to);
    let served = listeners.listened(protocol, local.port());
    // Within one machine both ends see the same listeners, and each is told by its own port.
    let serves_me = is_same_machine(local, remote) && listeners.listened(protocol, remote.port());
    match (served, serves_me) {
        (true, false) => return (Role::Server, Evidence::Listener),
        (false, true) => return (Role::Client, Evidence::Listener),
        _ => {}
    }
    if let Some(original) = original {
        if original.from == local {
            return (Role::Client, Evidence::Conntrack);
        }
        return (Role::Server, Evidence::Conntrack);
    }
    if let Some((low, high)) = ephemeral {
        let is_ephemeral = |port| (low..=high).contains(&port);
        match (is_ephemeral(local.port()), is_ephemeral(remote.port())) {
            (true, false) => return (Role::Client, Evidence::PortRange),
            (false, true) => return (Role::Server, Evidence::PortRange),
            _ => {}
        }
    }
    let role = if local.port() >= remote.port() { Role::Client } else { Role::Server };
    (role, Evidence::Guess)
}

fn is_same_machine(local: SocketAddr, remote: SocketAddr) -> bool {
    local.ip() == remote.ip() || remote.ip().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Option<(u16, u16)> = Some((32768, 60999));

    fn check(local: &str, remote: &str, listening: &[u16], original: Option<(&str, &str)>, expect: (Role, Evidence)) {
        let mut listeners = Listeners::default();
        for &port in listening {
            listeners.note(Protocol::Tcp, port, 1);
        }
        let tuple = |from: &str, to: &str| Tuple { from: from.parse().unwrap(), to: to.parse().unwrap() };
        let original = original.map(|(from, to)| tuple(from, to));
        let found = direction(Protocol::Tcp, tuple(local, remote), &listeners, original, RANGE);
        assert_eq!(found, expect, "{local} {remote}");
    }

    #[test]
    fn the_end_whose_port_is_listened_on_is_the_server() {
        check("10.0.0.2:40000", "10.0.0.3:50000", &[40000], None, (Role::Server, Evidence::Listener));
        check("127.0.0.1:50000", "127.0.0.1:40000", &[40000], None, (Role::Client, Evidence::Listener));
        check("127.0.0.1:40000", "127.0.0.1:50000", &[40000], None, (Role::Server, Evidence::Listener));
    }

    #[test]
    fn a_listener_here_says_nothing_of_a_port_elsewhere() {
        check("10.0.0.2:40000", "10.0.0.3:80", &[80], None, (Role::Client, Evidence::PortRange));
    }

    #[test]
    fn conntrack_knows_who_sent_the_first_packet() {
        let original = Some(("10.0.0.3:50000", "10.0.0.2:40000"));
        check("10.0.0.2:40000", "10.0.0.3:50000", &[], original, (Role::Server, Evidence::Conntrack));
        check("10.0.0.3:50000", "10.0.0.2:40000", &[], original, (Role::Client, Evidence::Conntrack));
    }

    #[test]
    fn one_port_out_of_the_kernels_range_is_the_servers() {
        check("10.0.0.2:40000", "10.0.0.3:5432", &[], None, (Role::Client, Evidence::PortRange));
        check("10.0.0.2:5432", "10.0.0.3:40000", &[], None, (Role::Server, Evidence::PortRange));
    }

    #[test]
    fn otherwise_the_higher_port_is_taken_for_the_client_and_marked() {
        check("10.0.0.2:40001", "10.0.0.3:40000", &[], None, (Role::Client, Evidence::Guess));
        check("10.0.0.2:700", "10.0.0.3:800", &[], None, (Role::Server, Evidence::Guess));
    }
}
