//! A netlink socket and the walk over its messages. Formats: include/uapi/linux/netlink.h, rtnetlink.h.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// Families of addresses, as requests and answers name them.
pub const AF_INET: u8 = 2;
pub const AF_INET6: u8 = 10;

pub const NLM_F_REQUEST: u16 = 1;
pub const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER: usize = 16;

/// A socket of the calling thread's network namespace, wherever that thread goes later.
pub struct Socket {
    fd: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
}

#[derive(Clone, Copy, Debug)]
pub enum Family {
    Route,
    SockDiag,
    Netfilter,
}

impl Socket {
    pub fn open(family: Family) -> io::Result<Self> {
        let protocol = match family {
            // NETLINK_ROUTE is protocol 0.
            Family::Route => None,
            Family::SockDiag => Some(netlink::SOCK_DIAG),
            Family::Netfilter => Some(netlink::NETFILTER),
        };
        let fd = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        // The kernel answers at once or not at all; nothing may hang the reading thread.
        let patience = Some(std::time::Duration::from_secs(5));
        rustix::net::sockopt::set_socket_timeout(&fd, rustix::net::sockopt::Timeout::Recv, patience)?;
        Ok(Self { fd, buffer: vec![0; 64 << 10], sequence: 0 })
    }

    /// Sends one request and gives the payload of each answer to `each`, with its type.
    ///
    /// # Errors
    /// The kernel's own error code where it refuses; `TimedOut`-like errors where it does not answer.
    pub fn request(
        &mut self,
        kind: u16,
        flags: u16,
        payload: &[u8],
        mut each: impl FnMut(u16, &[u8]),
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(HEADER + payload.len()).map_err(io::Error::other)?;
        let mut message = Vec::with_capacity(HEADER + payload.len());
        message.extend_from_slice(&length.to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        message.extend_from_slice(&self.sequence.to_ne_bytes());
        message.extend_from_slice(&0u32.to_ne_bytes());
        message.extend_from_slice(payload);
        rustix::net::sendto(&self.fd, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let many = flags & NLM_F_DUMP == NLM_F_DUMP;
        loop {
            let (length, _) = rustix::net::recv(self.fd.as_fd(), &mut self.buffer[..], RecvFlags::empty())?;
            for message in Messages(&self.buffer[..length]) {
                if message.sequence != self.sequence {
                    continue;
                }
                match message.kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => match error_of(message.payload) {
                        0 => return Ok(()),
                        code => return Err(io::Error::from_raw_os_error(code)),
                    },
                    kind => {
                        each(kind, message.payload);
                        if !many {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }
}

fn error_of(payload: &[u8]) -> i32 {
    payload.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code).wrapping_neg())
}

pub struct Message<'a> {
    pub kind: u16,
    pub sequence: u32,
    pub payload: &'a [u8],
}

/// The messages of one datagram; ends at the first that is cut short.
pub struct Messages<'a>(pub &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = u32::from_ne_bytes(*self.0.first_chunk()?) as usize;
        let message = self.0.get(..length).filter(|m| m.len() >= HEADER)?;
        self.0 = self.0.get(align(length)..).unwrap_or_default();
        Some(Message {
            kind: u16::from_ne_bytes([message[4], message[5]]),
            sequence: u32::from_ne_bytes([message[8], message[9], message[10], message[11]]),
            payload: &message[HEADER..],
        })
    }
}

/// The attributes (type, value) of a payload; ends at the first that is cut short. Nesting flags are cleared.
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let length = usize::from(u16::from_ne_bytes(*self.0.first_chunk()?));
        let attribute = self.0.get(..length).filter(|a| a.len() >= 4)?;
        self.0 = self.0.get(align(length)..).unwrap_or_default();
        let kind = u16::from_ne_bytes([attribute[2], attribute[3]]) & 0x3fff;
        Some((kind, &attribute[4..]))
    }
}

/// Appends an attribute whose value `write` appends.
pub fn attribute(buffer: &mut Vec<u8>, kind: u16, write: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0, 0]);
    buffer.extend_from_slice(&kind.to_ne_bytes());
    write(buffer);
    let length = u16::try_from(buffer.len() - start).unwrap_or(u16::MAX);
    buffer[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    buffer.resize(start + align(usize::from(length)), 0);
}

const fn align(length: usize) -> usize {
    (length + 3) & !3
}

/// A number of the machine's own byte order, from the start of a value.
pub fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

pub fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?))),
        16 => Some(IpAddr::V6(Ipv6Addr::from(*bytes.first_chunk::<16>()?))),
        _ => None,
    }
}

/// What a kernel answered, with what was known of it: fixtures/netlink/record.py.
#[cfg(test)]
pub mod recorded {
    use serde_json::Value;

    pub fn kernel() -> Value {
        serde_json::from_str(include_str!("../fixtures/netlink/kernel-6.18.json")).unwrap()
    }

    pub fn text(value: &Value) -> &str {
        value.as_str().unwrap()
    }

    /// The payloads of the messages in `record`'s datagrams, but for the end of a dump.
    pub fn payloads(record: &Value) -> Vec<Vec<u8>> {
        let bytes = |hex: &str| -> Vec<u8> {
            let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
            digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
        };
        let datagrams: Vec<Vec<u8>> =
            record["datagrams"].as_array().unwrap().iter().map(|datagram| bytes(text(datagram))).collect();
        let messages = datagrams.iter().flat_map(|datagram| super::Messages(datagram));
        messages.filter(|m| m.kind != super::NLMSG_DONE).map(|m| m.payload.to_vec()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_end_where_the_buffer_is_cut() {
        let mut buffer = Vec::new();
        attribute(&mut buffer, 1, |b| b.extend([1, 2, 3]));
        attribute(&mut buffer, 2, |b| b.extend([4]));
        assert_eq!(Attributes(&buffer).collect::<Vec<_>>(), [(1, &[1u8, 2, 3][..]), (2, &[4][..])]);
        assert_eq!(Attributes(&buffer[..9]).count(), 1);
        assert_eq!(Attributes(&[0, 0, 0, 0]).count(), 0);
    }
}
