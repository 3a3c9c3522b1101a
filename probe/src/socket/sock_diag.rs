//! Sockets of one namespace through netlink. Format: include/uapi/linux/inet_diag.h.

use std::io;
use std::net::{IpAddr, SocketAddr};

use shared::addr::{Protocol, canonical};

use super::traffic::Carried;
use super::{Socket, State};
use crate::netlink::{self, AF_INET, AF_INET6, Attributes, Family, NLM_F_DUMP, ip};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;

const ESTABLISHED: u8 = 1;
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
/// What the kernel shows of a UDP socket without a peer.
const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LISTEN: u8 = 10;
/// The timer of what is left of a socket that is gone.
const TIME_WAIT_TIMER: u8 = 3;

/// All open and listening TCP sockets and all bound UDP sockets of the calling thread's namespace.
pub fn sockets(found: &mut Vec<Socket>) -> io::Result<()> {
    let mut link = netlink::Socket::open(Family::SockDiag)?;
    let tcp = mask(&[ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LISTEN]);
    let udp = mask(&[ESTABLISHED, CLOSE]);
    for (protocol, states) in [(IPPROTO_TCP, tcp), (IPPROTO_UDP, udp)] {
        for family in [AF_INET, AF_INET6] {
            let dumped =
                link.request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request(family, protocol, states), |_, payload| {
                    found.extend(parse(payload, protocol));
                });
            match dumped {
                Ok(()) => {}
                // A kernel without IPv6 or without udp_diag has no such sockets to show.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// What the kernel's state of a socket means; none of one that is neither open nor listening.
pub fn state(protocol: u8, state: u8) -> Option<State> {
    match (protocol, state) {
        (IPPROTO_TCP, LISTEN) | (IPPROTO_UDP, CLOSE) => Some(State::Listening),
        (IPPROTO_UDP, ESTABLISHED) | (_, ESTABLISHED | FIN_WAIT1 | FIN_WAIT2 | CLOSE_WAIT) => Some(State::Open),
        _ => None,
    }
}

fn mask(states: &[u8]) -> u32 {
    states.iter().fold(0, |mask, state| mask | 1 << state)
}

/// What comes with a TCP socket on request: `struct tcp_info`.
const INET_DIAG_INFO: u16 = 2;

/// `struct inet_diag_req_v2`: family, protocol, extensions, padding, states, and a socket id of zeros for "any".
fn request(family: u8, protocol: u8, states: u32) -> [u8; 56] {
    let mut bytes = [0; 56];
    bytes[0] = family;
    bytes[1] = protocol;
    bytes[2] = if protocol == IPPROTO_TCP { 1 << (INET_DIAG_INFO - 1) } else { 0 };
    bytes[4..8].copy_from_slice(&states.to_ne_bytes());
    bytes
}

/// `struct inet_diag_msg`: family, state, timer, retransmits, then the socket id (ports and addresses in network
/// order, 16 bytes an address, the interface, and the kernel's cookie), expiry, queues, uid, inode; attributes follow.
/// None of what only remembers a connection that its owner has done with, though the other end may still have to hang up:
/// that is shown in the state that it was in.
fn parse(payload: &[u8], protocol: u8) -> Option<Socket> {
    let (payload, attributes) = payload.split_at_checked(72)?;
    if payload[2] == TIME_WAIT_TIMER {
        return None;
    }
    let family = payload[0];
    let word = |at: usize| u32::from_ne_bytes([payload[at], payload[at + 1], payload[at + 2], payload[at + 3]]);
    let address = |at: usize, port: usize| -> Option<SocketAddr> {
        let length = if family == AF_INET { 4 } else { 16 };
        let ip: IpAddr = ip(payload.get(at..at + length)?)?;
        Some(SocketAddr::new(canonical(ip), u16::from_be_bytes([payload[port], payload[port + 1]])))
    };
    Some(Socket {
        protocol: if protocol == IPPROTO_TCP { Protocol::Tcp } else { Protocol::Udp },
        state: state(protocol, payload[1]).unwrap_or(State::Open),
        local: address(8, 4)?,
        remote: address(24, 6)?,
        inode: u64::from(word(68)),
        cookie: u64::from(word(44)) | u64::from(word(48)) << 32,
        carried: Attributes(attributes).find(|(kind, _)| *kind == INET_DIAG_INFO).and_then(|(_, info)| carried(info)),
    })
}

/// `struct tcp_info`, as far as Linux 4.9 and later have it; none of a socket that listens.
fn carried(info: &[u8]) -> Option<Carried> {
    let info = info.get(..152)?;
    let word = |at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
    let wide = |at: usize| u64::from_ne_bytes(info[at..at + 8].try_into().unwrap_or_default());
    (info[0] != LISTEN).then(|| Carried {
        sent_bytes: wide(120),
        received_bytes: wide(128),
        retransmits: word(100),
        rtt_us: word(68),
        // All bits are set where none was measured.
        min_rtt_us: Some(word(148)).filter(|least| *least != u32::MAX).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::recorded;
    use serde_json::Value;
    use std::collections::BTreeSet;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};

    use crate::socket::proc_net;

    /// Payloads with their protocol.
    fn messages() -> Vec<(u8, Vec<u8>)> {
        let kernel = recorded::kernel();
        let dumps = kernel["sockets"]["dumps"].as_array().unwrap();
        let of = |dump: &Value| {
            let protocol = if dump["protocol"] == "tcp" { IPPROTO_TCP } else { IPPROTO_UDP };
            recorded::payloads(dump).into_iter().map(move |payload| (protocol, payload))
        };
        dumps.iter().flat_map(of).collect()
    }

    #[test]
    fn recorded_sockets_are_read_as_their_owner_knew_them() {
        let kernel = recorded::kernel();
        let expect = kernel["sockets"]["expect"].as_array().unwrap();
        let told = |socket: &Socket| {
            let state = if socket.state == State::Open { "open" } else { "listening" };
            // Whether no address is one of v4 or of v6 is nothing to know.
            let remote = if state == "open" { socket.remote.to_string() } else { String::new() };
            (socket.protocol.name().to_owned(), state.to_owned(), socket.local.to_string(), remote, socket.inode)
        };
        let known = |e: &Value| {
            let text = |key: &str| recorded::text(&e[key]).to_owned();
            let remote = if e["state"] == "open" { text("remote") } else { String::new() };
            (text("protocol"), text("state"), text("local"), remote, e["inode"].as_u64().unwrap())
        };
        let found: BTreeSet<_> = messages().iter().map(|(protocol, p)| told(&parse(p, *protocol).unwrap())).collect();
        assert_eq!(found, expect.iter().map(known).collect());
    }

    #[test]
    fn a_message_that_is_cut_short_is_left_out() {
        for (protocol, payload) in messages() {
            for length in 0..72 {
                assert_eq!(parse(&payload[..length], protocol), None);
            }
        }
    }

    #[test]
    fn a_connection_of_this_process_is_found_with_both_ends_and_its_listener() {
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(&[7; 5_000]).unwrap();
        server.read_exact(&mut [0; 5_000]).unwrap();
        let mut found = Vec::new();
        sockets(&mut found).unwrap();
        let here = client.local_addr().unwrap();
        let theirs = found.iter().find(|s| s.remote == here).and_then(|s| s.carried).unwrap();
        assert_eq!((theirs.sent_bytes, theirs.received_bytes), (0, 5_000));
        assert!(found.iter().any(|s| s.local == here && s.remote.port() == port && s.inode != 0));
        assert!(found.iter().any(|s| s.remote == here && s.local.port() == port), "mapped addresses are v4");
        assert!(found.iter().any(|s| s.state == State::Listening && s.local.port() == port));
    }
    #[test]
    fn who_has_only_stopped_to_send_is_still_connected_and_who_has_hung_up_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, here) = listener.accept().unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
        let shown = || {
            let (mut by_netlink, mut by_proc) = (Vec::new(), Vec::new());
            sockets(&mut by_netlink).unwrap();
            proc_net::sockets("/proc/self/net".as_ref(), &mut by_proc);
            [by_netlink, by_proc].map(|found| found.iter().any(|socket| socket.local == here))
        };
        assert_eq!(shown(), [true, true]);
        drop(client);
        assert_eq!(shown(), [false, false]);
        let theirs = listener.local_addr().unwrap();
        let mut found = Vec::new();
        sockets(&mut found).unwrap();
        assert!(found.iter().any(|socket| socket.local == theirs && socket.remote == here), "the other end still is");
    }
}
