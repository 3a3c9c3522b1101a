//! Sockets from /proc/pid/net/{tcp,tcp6,udp,udp6}, where netlink is refused. Format: Documentation/networking/proc_net_tcp.rst.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use shared::addr::{Protocol, canonical};

use super::{Socket, State};

/// How the timer begins of what is left of a socket that is gone; it is shown in the state that it was in.
const TIME_WAIT_TIMER: &str = "03:";

/// Sockets of the namespace whose files are under `net`, such as /proc/1/net. A file that is missing has none.
pub fn sockets(net: &Path, found: &mut Vec<Socket>) {
    for (file, protocol) in
        [("tcp", Protocol::Tcp), ("tcp6", Protocol::Tcp), ("udp", Protocol::Udp), ("udp6", Protocol::Udp)]
    {
        if let Ok(text) = fs::read_to_string(net.join(file)) {
            found.extend(text.lines().skip(1).filter_map(|line| parse(line, protocol)));
        }
    }
}

fn parse(line: &str, protocol: Protocol) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace();
    let local = address(fields.nth(1)?)?;
    let remote = address(fields.next()?)?;
    let state = match (protocol, fields.next()?) {
        (Protocol::Tcp, "0A") | (Protocol::Udp, "07") => State::Listening,
        (_, "01" | "04" | "05" | "08") => State::Open,
        _ => return None,
    };
    if fields.nth(1)?.starts_with(TIME_WAIT_TIMER) {
        return None;
    }
    let inode = fields.nth(3)?.parse().ok()?;
    Some(Socket { protocol, state, local, remote, inode, cookie: 0, carried: None })
}

/// Hex of the address as the machine's words, a colon, hex of the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (n, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(n * 8)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(canonical(ip), u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        // Laid out as /proc/net/tcp and tcp6 on x86-64.
        let listening =
            "   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   106        0 10917 1";
        let socket = parse(listening, Protocol::Tcp).unwrap();
        assert_eq!((socket.state, socket.local), (State::Listening, "127.0.0.1:5432".parse().unwrap()));
        let open = "   1: 0000000000000000FFFF00000200000A:0050 0000000000000000FFFF00000300000A:A112 01 00000000:00000000 \
                    00:00000000 00000000     0        0 77123 1";
        let socket = parse(open, Protocol::Tcp).unwrap();
        assert_eq!((socket.inode, socket.local), (77123, "10.0.0.2:80".parse().unwrap()));
        let time_wait = "   2: 0100007F:1538 0100007F:1539 06 00000000:00000000 00:00000000 00000000 0 0 0 1";
        assert_eq!(parse(time_wait, Protocol::Tcp), None);
        let hung_up = "   3: 0100007F:1538 0100007F:1539 05 00000000:00000000 03:000016E2 00000000 0 0 0 3";
        assert_eq!(parse(hung_up, Protocol::Tcp), None);
    }

    #[test]
    fn odd_lines_are_left_out() {
        for line in ["", "x", "0: 0100007F 00000000:0000 0A", "0: ZZ00007F:1538 00000000:0000 0A a b c d e 1"] {
            assert_eq!(parse(line, Protocol::Tcp), None, "{line}");
        }
    }
}
