//! The classic filter, which the kernel runs before it gives a socket what is for it, and other options of sockets for
//! which there is no safe call. Format: include/uapi/linux/filter.h.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

pub const LOAD: u16 = 0x00;
pub const LOAD_WORD: u16 = 0x20;
pub const LOAD_HALF: u16 = 0x28;
pub const LOAD_BYTE: u16 = 0x30;
pub const LOAD_WORD_AT_X: u16 = 0x40;
pub const LOAD_HALF_AT_X: u16 = 0x48;
pub const LOAD_BYTE_AT_X: u16 = 0x50;
pub const LOAD_X: u16 = 0x01;
pub const LOAD_HEADER_LENGTH: u16 = 0xb1;
pub const TO_X: u16 = 0x07;
pub const EQUAL: u16 = 0x15;
pub const ANY_BIT: u16 = 0x45;
pub const RETURN: u16 = 0x06;

/// One instruction; `jt` and `jf` are how many it skips where it compares, and it is so or not.
pub const fn op(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// From now on a socket is given no more of each message than the program returns.
///
/// # Errors
/// The kernel's own, where it takes no such program.
pub fn attach(socket: BorrowedFd<'_>, program: &[libc::sock_filter]) -> io::Result<()> {
    let mut program = program.to_vec();
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Sets an option of a socket.
///
/// # Errors
/// The kernel's own.
pub fn set<T>(socket: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the value is that long and lives until the call is over.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const *value).cast(), length) })
}

/// # Errors
/// That of the call that gave this.
pub fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
