//! What a network namespace is called that no other is called later, as its inode may be.

use std::io;
use std::os::fd::AsRawFd;

use rustix::net::{AddressFamily, SocketType};

/// That of the namespace which this thread is in.
///
/// # Errors
/// Where the kernel tells none: before 5.14.
pub fn of_this_thread() -> io::Result<u64> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
    let mut cookie = 0u64;
    let mut length = libc::socklen_t::try_from(size_of_val(&cookie)).map_err(io::Error::other)?;
    // SAFETY: there is room for as much as is said.
    let result = unsafe {
        let (at, length) = ((&raw mut cookie).cast(), &raw mut length);
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NETNS_COOKIE, at, length)
    };
    if result == 0 { Ok(cookie) } else { Err(io::Error::last_os_error()) }
}
