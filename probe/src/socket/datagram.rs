//! UDP of all namespaces, summed by the kernel by who talks to whom (`probe/bpf/datagrams.bpf.c`). It needs BTF; what came
//! back to who asked is told by 6.3 and later. And what servers of names answer that run here, word for word.

use std::collections::HashMap as Sums;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{HashMap, MapData, MapError, PerCpuArray, RingBuf};
use aya::{Btf, Ebpf, Pod};
use shared::addr::canonical;

use crate::ebpf::{map, refused, trace};
use crate::netns::NetNs;

/// Compiled by `scripts/bpf.sh`.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/datagrams.bpf.o");
/// The kernel keeps no more.
const TALKS_MAX: usize = 8_192;
/// What was silent for so many readings is forgotten.
const SILENT_READINGS: u64 = 20;
const MISSED_READINGS: u64 = 3;
/// So many answers are taken at a time: as many as the ring has room for.
const ANSWERS_MAX: usize = 4_000;
const AF_INET: u16 = 2;

/// `struct talk` of the program.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Talk {
    namespace_cookie: u64,
    namespace: u32,
    /// 0 for any of the ephemeral range.
    local_port: u16,
    remote_port: u16,
    local: [u8; 16],
    remote: [u8; 16],
    family: u16,
    pad: [u16; 3],
}

/// `struct sum` of the program.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    sent_packets: u64,
    sent_bytes: u64,
    received_packets: u64,
    received_bytes: u64,
    inode: u64,
    pid: u32,
    local_port: u16,
    remote_port: u16,
}

// SAFETY: integers without a gap between them.
unsafe impl Pod for Talk {}
// SAFETY: as above.
unsafe impl Pod for Sum {}

/// What one end sent to another since the last reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub namespace: NetNs,
    /// With the ports of the last datagram, where there were several.
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Of the socket that sent last.
    pub inode: u64,
    /// Who used it, 0 where that is nobody of the probe's own pid namespace.
    pub pid: u32,
    pub packets: u64,
    pub bytes: u64,
    /// Answers, as far as they came to who asked last; none where the kernel does not tell.
    pub received_packets: u64,
    pub received_bytes: u64,
}

/// The programs, which are detached when this is dropped or its process ends.
pub struct Datagrams {
    _programs: Ebpf,
    sums: HashMap<MapData, Talk, Sum>,
    answers: RingBuf<MapData>,
    unheard: PerCpuArray<MapData, u64>,
    unheard_before: u64,
    /// As they were when they changed last.
    before: Sums<Talk, Seen>,
    readings: u64,
}

#[derive(Default)]
struct Seen {
    sum: Sum,
    /// The readings at which it changed last, and at which it was there last.
    changed_at: u64,
    there_at: u64,
}

impl Datagrams {
    /// # Errors
    /// Why the kernel does not take it, in words.
    pub fn load(mut programs: Ebpf, btf: &Btf) -> Result<Self, String> {
        trace(&mut programs, "leaves", "net_dev_queue", btf)?;
        // Older kernels lack these: then a datagram may count for each device that it passes, and no answers do.
        for (program, tracepoint) in [("is_sent", "sock_send_length"), ("is_received", "sock_recv_length")] {
            if let Err(error) = trace(&mut programs, program, tracepoint, btf) {
                tracing::info!(tracepoint, error, "what UDP sends is counted by guess");
            }
        }
        let sums = map(&mut programs, "sums")?.try_into().map_err(|error| refused(&error))?;
        let answers = map(&mut programs, "answers")?.try_into().map_err(|error| refused(&error))?;
        let unheard = map(&mut programs, "unheard")?.try_into().map_err(|error| refused(&error))?;
        Ok(Self { _programs: programs, sums, answers, unheard, unheard_before: 0, before: Sums::new(), readings: 0 })
    }

    /// Wakes who waits for it when it has filled so far that it is better to take the answers.
    pub fn ring(&self) -> BorrowedFd<'_> {
        self.answers.as_fd()
    }

    /// Gives the messages that servers of names sent since the last call, each with the inode of the network namespace that
    /// it is from, and how many of that time are lost. There are none unless the programs were loaded to hear them.
    pub fn answers(&mut self, mut take: impl FnMut(u64, &[u8])) -> u64 {
        let mut taken = 0;
        while taken < ANSWERS_MAX
            && let Some(message) = self.answers.next()
        {
            taken += 1;
            if let Some((namespace, message)) = message.split_first_chunk() {
                take(u32::from_ne_bytes(*namespace).into(), message);
            }
        }
        if taken == 0 {
            return 0;
        }
        let unheard: u64 = self.unheard.get(&0, 0).map(|counts| counts.iter().sum()).unwrap_or(self.unheard_before);
        unheard - std::mem::replace(&mut self.unheard_before, unheard).min(unheard)
    }

    /// # Errors
    /// Where the kernel's sums cannot be read.
    pub fn news(&mut self) -> io::Result<Vec<Sent>> {
        self.readings += 1;
        let Self { sums, before, readings, .. } = self;
        let (mut news, mut silent) = (Vec::new(), Vec::new());
        // What changes meanwhile may come twice.
        for found in sums.iter().take(2 * TALKS_MAX) {
            let (talk, sum) = match found {
                Ok(found) => found,
                Err(MapError::KeyNotFound) => continue,
                Err(error) => return Err(io::Error::other(error)),
            };
            let seen = before.entry(talk).or_default();
            seen.there_at = *readings;
            let new = since(sum, seen.sum);
            if new != (0, 0, 0, 0) {
                (seen.sum, seen.changed_at) = (sum, *readings);
                news.extend(sent(&talk, &sum, new));
            } else if *readings - seen.changed_at >= SILENT_READINGS {
                silent.push(talk);
            }
        }
        for talk in silent {
            before.remove(&talk);
            // Whoever wakes up at this moment is seen at the next datagram.
            let _ = sums.remove(&talk);
        }
        // Others pushed out what is not there any more; a pass through what changes may miss one.
        before.retain(|_, seen| seen.there_at + MISSED_READINGS >= *readings);
        Ok(news)
    }
}

/// What came since; all of it where the kernel began anew.
fn since(now: Sum, before: Sum) -> (u64, u64, u64, u64) {
    let before = if now.sent_packets < before.sent_packets { Sum::default() } else { before };
    (
        now.sent_packets - before.sent_packets,
        now.sent_bytes.saturating_sub(before.sent_bytes),
        now.received_packets.saturating_sub(before.received_packets),
        now.received_bytes.saturating_sub(before.received_bytes),
    )
}

fn sent(talk: &Talk, sum: &Sum, new: (u64, u64, u64, u64)) -> Option<Sent> {
    let address = |bytes: &[u8; 16]| -> IpAddr {
        match bytes.first_chunk::<4>() {
            Some(v4) if talk.family == AF_INET => IpAddr::from(*v4),
            _ => canonical(IpAddr::from(*bytes)),
        }
    };
    let (local, remote) = (address(&talk.local), address(&talk.remote));
    // What goes to many is nobody's conversation.
    let is_to_many = remote.is_multicast() || matches!(remote, IpAddr::V4(v4) if v4.is_broadcast());
    let (packets, bytes, received_packets, received_bytes) = new;
    (!is_to_many).then(|| Sent {
        namespace: NetNs { inode: talk.namespace.into(), cookie: talk.namespace_cookie },
        local: SocketAddr::new(local, sum.local_port),
        remote: SocketAddr::new(remote, sum.remote_port),
        inode: sum.inode,
        pid: sum.pid,
        packets,
        bytes,
        received_packets,
        received_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ebpf::tests::programs;
    use std::net::UdpSocket;

    #[test]
    fn datagrams_are_summed_by_who_sends_them_to_whom() {
        let mut datagrams = programs(None, true).1.datagrams.expect("a kernel with BTF, and root");
        let server = UdpSocket::bind("127.0.0.1:7").or_else(|_| UdpSocket::bind("127.0.0.1:1007")).unwrap();
        let there = server.local_addr().unwrap();
        let clients = [0, 1].map(|_| UdpSocket::bind("0.0.0.0:0").unwrap());
        for client in &clients {
            for _ in 0..3 {
                client.send_to(&[1; 100], there).unwrap();
                let (length, from) = server.recv_from(&mut [0; 200]).unwrap();
                server.send_to(&[2; 500], from).unwrap();
                assert_eq!((length, client.recv(&mut [0; 600]).unwrap()), (100, 500));
            }
        }
        let news = datagrams.news().unwrap();
        let of = |wanted: &dyn Fn(&&Sent) -> bool| {
            let found: Vec<&Sent> = news.iter().filter(wanted).collect();
            assert_eq!(found.len(), 1, "{news:?}");
            *found[0]
        };
        let asked = of(&|sent| sent.remote == there);
        assert_eq!((asked.packets, asked.bytes, asked.pid), (6, 600, std::process::id()));
        assert_eq!((asked.received_packets, asked.received_bytes), (6, 3_000));
        let answered = of(&|sent| sent.local == there);
        assert_eq!((answered.packets, answered.bytes, answered.received_packets), (6, 3_000, 0));
        assert!(datagrams.news().unwrap().iter().all(|sent| sent.remote != there), "nothing since");
    }

    #[test]
    fn what_comes_from_the_port_of_dns_is_heard_word_for_word_and_once_where_somebody_wants_that() {
        let server = UdpSocket::bind("127.0.0.54:53").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        for is_wanted in [true, false] {
            let mut datagrams = programs(None, is_wanted).1.datagrams.expect("a kernel with BTF, and root");
            for message in [&[1; 11][..], &[2; 12], &[3; 1232], &[4; 1233]] {
                server.send_to(message, client.local_addr().unwrap()).unwrap();
            }
            let mut heard = Vec::new();
            let is_ours = |message: &[u8]| message.iter().all(|byte| *byte == message[0]);
            let here = crate::procfs::bracketed(&std::fs::read_link("/proc/self/ns/net").unwrap()).unwrap();
            let take = |namespace, message: &[u8]| {
                heard.extend((namespace == here && is_ours(message)).then(|| message.to_vec()));
            };
            assert_eq!(datagrams.answers(take), 0);
            assert_eq!(heard, if is_wanted { vec![vec![2; 12], vec![3; 1232]] } else { Vec::new() });
        }
    }
}
