//! Hears from the kernel that links, addresses or routes change, in this namespace and in those that it has links to.

use std::io;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

// include/uapi/linux/rtnetlink.h: RTNLGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE.
const GROUPS: [u32; 5] = [1, 5, 7, 9, 11];

pub struct Monitor {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Monitor {
    /// In the calling thread's namespace.
    ///
    /// # Errors
    /// The kernel's own, where it refuses.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        for group in GROUPS {
            socket.add_membership(group)?;
        }
        // Only root is told of other namespaces; without it they are read at their time.
        let _ = socket.set_listen_all_namespaces(true);
        Ok(Self { socket, buffer: Vec::with_capacity(64 << 10) })
    }

    /// Whether anything was said since the last call. What, is read from the tables: messages may have been lost.
    pub fn heard(&mut self) -> bool {
        let mut any = false;
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, libc::MSG_DONTWAIT) {
                Ok(_) => any = true,
                // More was said than is kept for who does not listen.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => any = true,
                Err(_) => return any,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_not_taken_for_news() {
        let mut monitor = Monitor::open().unwrap();
        monitor.heard();
        // Others may change the links of this machine at the same time, but not without end.
        assert!((0..1000).any(|_| !monitor.heard()));
    }
}
