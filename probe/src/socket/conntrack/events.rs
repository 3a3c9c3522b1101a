//! What conntrack tells as it happens: conversations without connections as they begin and end, and connections of TCP as
//! they begin, where something of them is translated. The kernel leaves out all others before it wakes anybody.

use std::io;
use std::os::fd::AsFd;

use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};

use super::{CTA_PROTO_NUM, CTA_STATUS, CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, Tracked, parse};
use crate::netlink::Messages;
use crate::socket::filter::{
    self, ANY_BIT, EQUAL, LOAD, LOAD_BYTE, LOAD_BYTE_AT_X, LOAD_WORD, LOAD_WORD_AT_X, LOAD_X, RETURN, TO_X, op,
};

// include/uapi/linux/netfilter/nfnetlink_compat.h: NFNLGRP_CONNTRACK_NEW, _DESTROY.
const GROUPS: [u32; 2] = [1, 3];
/// `IPCTNL_MSG_CT_NEW` and `_DELETE` of conntrack's part of netfilter.
const BEGINS: u16 = 1 << 8;
const ENDS: u16 = (1 << 8) | 2;
/// Room for what waits to be read: some thousand events.
const WAITING_BYTES: libc::c_int = 2 << 20;
/// So many messages are taken at a time.
const MESSAGES_MAX: usize = 10_000;

/// What was told of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Begins(Tracked),
    /// With all that it carried, where the kernel counts that.
    Ends(Tracked),
}

/// Of the namespace in which it was opened.
pub struct Events {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Events {
    /// # Errors
    /// The kernel's own, where it tells nobody, or not who asks.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        filter::attach(socket.as_fd(), &WANTED)?;
        let room = |option| filter::set(socket.as_fd(), libc::SOL_SOCKET, option, &WAITING_BYTES);
        // More than the host gives everybody is for who administers its network.
        room(libc::SO_RCVBUFFORCE).or_else(|_| room(libc::SO_RCVBUF))?;
        socket.bind(&SocketAddr::new(0, 0))?;
        for group in GROUPS {
            socket.add_membership(group)?;
        }
        Ok(Self { socket, buffer: Vec::with_capacity(64 << 10) })
    }

    /// Gives what was told since the last call, and whether anything of that time is lost.
    ///
    /// # Errors
    /// The kernel's own.
    pub fn drain(&mut self, mut each: impl FnMut(Event)) -> io::Result<bool> {
        let mut is_lossy = false;
        for _ in 0..MESSAGES_MAX {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, libc::MSG_DONTWAIT) {
                Ok(_) => Messages(&self.buffer)
                    .filter_map(|message| event(message.kind, message.payload))
                    .for_each(&mut each),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => is_lossy = true,
                Err(error) => return Err(error),
            }
        }
        Ok(is_lossy)
    }
}

fn event(kind: u16, payload: &[u8]) -> Option<Event> {
    let tracked = parse(payload)?;
    match kind {
        BEGINS => Some(Event::Begins(tracked)),
        ENDS => Some(Event::Ends(tracked)),
        _ => None,
    }
}

/// Where the attributes are: behind `struct nlmsghdr` and `struct nfgenmsg`.
const ATTRIBUTES: u32 = 20;
/// Finds the attribute whose kind is in X from A on, and inside the one that A is at; 0 where there is none.
const FIND: u32 = (-0x1000i32 + 12) as u32;
const FIND_INSIDE: u32 = (-0x1000i32 + 16) as u32;
/// `IPS_SRC_NAT` and `IPS_DST_NAT` of the status.
const TRANSLATED: u32 = 0x30;
/// The lower byte of a message's type.
const KIND_AT: u32 = if cfg!(target_endian = "big") { 5 } else { 4 };

const WANTED: [libc::sock_filter; 26] = [
    op(LOAD, 0, 0, ATTRIBUTES),
    op(LOAD_X, 0, 0, CTA_TUPLE_ORIG as u32),
    op(LOAD_WORD, 0, 0, FIND),
    op(EQUAL, 21, 0, 0),
    op(LOAD_X, 0, 0, CTA_TUPLE_PROTO as u32),
    op(LOAD_WORD, 0, 0, FIND_INSIDE),
    op(EQUAL, 18, 0, 0),
    op(LOAD_X, 0, 0, CTA_PROTO_NUM as u32),
    op(LOAD_WORD, 0, 0, FIND_INSIDE),
    op(EQUAL, 15, 0, 0),
    op(TO_X, 0, 0, 0),
    op(LOAD_BYTE_AT_X, 0, 0, 4),
    // UDP and SCTP.
    op(EQUAL, 11, 0, 17),
    op(EQUAL, 10, 0, 132),
    op(EQUAL, 0, 10, 6),
    op(LOAD_BYTE, 0, 0, KIND_AT),
    op(EQUAL, 0, 8, (BEGINS & 0xff) as u32),
    op(LOAD, 0, 0, ATTRIBUTES),
    op(LOAD_X, 0, 0, CTA_STATUS as u32),
    op(LOAD_WORD, 0, 0, FIND),
    op(EQUAL, 4, 0, 0),
    op(TO_X, 0, 0, 0),
    op(LOAD_WORD_AT_X, 0, 0, 4),
    op(ANY_BIT, 0, 1, TRANSLATED),
    op(RETURN, 0, 0, u32::MAX),
    op(RETURN, 0, 0, 0),
];

#[cfg(test)]
mod tests {
    use super::super::tests::{FreshTable, pair};
    use super::*;
    use shared::addr::Protocol;

    fn told(events: &mut Events) -> Vec<Event> {
        let mut told = Vec::new();
        assert!(!events.drain(|event| told.push(event)).unwrap());
        told
    }

    #[test]
    fn translated_connections_are_told_as_they_begin_and_datagrams_as_they_end_too() {
        std::thread::spawn(|| {
            let mut table = FreshTable::of_this_thread();
            let mut events = Events::open().unwrap();
            let called = pair("10.0.0.1:40000", "10.0.0.2:80");
            table.add(Protocol::Tcp, called);
            table.remove(Protocol::Tcp, called);
            assert_eq!(told(&mut events), [], "nothing is translated");
            table.translate(called, "10.0.0.3:8080");
            let [Event::Begins(tracked)] = told(&mut events)[..] else { panic!("one that begins") };
            assert_eq!((tracked.protocol, tracked.entry.original), (Protocol::Tcp, called));
            assert_eq!(tracked.entry.beyond(called), Some(pair("10.0.0.1:40000", "10.0.0.3:8080")));
            table.remove(Protocol::Tcp, called);
            let asked = pair("[fd00::1]:40000", "[fd00::2]:53");
            table.add(Protocol::Udp, asked);
            table.remove(Protocol::Udp, asked);
            let [Event::Begins(begun), Event::Ends(ended)] = told(&mut events)[..] else { panic!("of datagrams both") };
            assert_eq!((begun.entry.original, ended.entry.original), (asked, asked));
            assert_eq!(ended.protocol, Protocol::Udp);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn what_comes_faster_than_it_is_read_is_said_to_be_lost() {
        std::thread::spawn(|| {
            let mut table = FreshTable::of_this_thread();
            let mut events = Events::open().unwrap();
            let little: libc::c_int = 1;
            filter::set(events.socket.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, &little).unwrap();
            for port in 1..=100 {
                table.add(Protocol::Udp, pair(&format!("10.0.0.1:{port}"), "10.0.0.2:53"));
            }
            let mut count = 0;
            assert!(events.drain(|_| count += 1).unwrap());
            assert!((1..100).contains(&count), "{count}");
            assert!(!events.drain(|_| {}).unwrap(), "it is said once");
        })
        .join()
        .unwrap();
    }
}
