//! What goes wrong with TCP of all namespaces and shows in no change of a socket's state, summed by the kernel
//! (`probe/bpf/trouble.bpf.c`): connections that get no answer to what they send again, and calls that were refused here.
//! It needs BTF; calls that are refused are told by 6.10 and later.

use std::collections::HashMap as Counts;
use std::hash::Hash;
use std::io;
use std::net::SocketAddr;

use aya::maps::{HashMap, MapData, MapError};
use aya::{Btf, Ebpf, Pod};
use shared::addr::canonical;

use crate::ebpf::{map, refused, trace};
use crate::netlink::ip;
use crate::netns::NetNs;

/// Compiled by `scripts/bpf.sh`.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/trouble.bpf.o");
const PROGRAMS: [(&str, &str); 2] = [("sent_again", "tcp_retransmit_skb"), ("answered_with_a_reset", "tcp_send_reset")];
/// The kernel keeps no more of each.
const KEPT_MAX: usize = 4_096;
const AF_INET: u16 = 2;

/// `struct refusal` of the program.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Refusal {
    namespace_cookie: u64,
    namespace: u32,
    local_port: u16,
    family: u16,
    local: [u8; 16],
    remote: [u8; 16],
}

// SAFETY: integers without a gap between them.
unsafe impl Pod for Refusal {}

/// Calls of one who was refused at one place because nobody listens there, since the last reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub namespace: NetNs,
    pub local: SocketAddr,
    /// Without a port: there were several.
    pub remote: SocketAddr,
    pub count: u64,
}

/// Since the last reading.
#[derive(Debug, Default)]
pub struct News {
    /// Sockets by their cookies, and what each sent again though it had no answer to that three times in a row: once for the
    /// third time, twice for the fourth, and so on.
    pub unanswered: Vec<(u64, u64)>,
    pub refused: Vec<Refused>,
}

/// The programs, which are detached when this is dropped or its process ends.
pub struct Trouble {
    _programs: Ebpf,
    unanswered: Tally<u64>,
    refusals: Tally<Refusal>,
    /// Why the kernel does not tell some of it, in words.
    pub lacks: Option<String>,
}

impl Trouble {
    /// # Errors
    /// Why the kernel takes none of it, in words.
    pub fn load(mut programs: Ebpf, btf: &Btf) -> Result<Self, String> {
        let attach = |(program, tracepoint)| {
            trace(&mut programs, program, tracepoint, btf).map_err(|error| format!("{tracepoint}: {error}"))
        };
        let failed: Vec<String> = PROGRAMS.into_iter().map(attach).filter_map(Result::err).collect();
        let lacks = (!failed.is_empty()).then(|| failed.join("; "));
        if failed.len() == PROGRAMS.len() {
            return Err(failed.join("; "));
        }
        let unanswered = Tally::of(map(&mut programs, "unanswered")?.try_into().map_err(|error| refused(&error))?);
        let refusals = Tally::of(map(&mut programs, "refusals")?.try_into().map_err(|error| refused(&error))?);
        Ok(Self { _programs: programs, unanswered, refusals, lacks })
    }

    /// # Errors
    /// The kernel's own, where it lets nobody read.
    pub fn news(&mut self) -> io::Result<News> {
        let unanswered = self.unanswered.news().map_err(io::Error::other)?;
        let refusals = self.refusals.news().map_err(io::Error::other)?;
        Ok(News { unanswered, refused: refusals.into_iter().filter_map(described).collect() })
    }
}

fn described((refusal, count): (Refusal, u64)) -> Option<Refused> {
    let Refusal { namespace_cookie: cookie, namespace, local_port, family, local, remote } = refusal;
    let length = if family == AF_INET { 4 } else { 16 };
    let at = |bytes: &[u8; 16], port| Some(SocketAddr::new(canonical(ip(&bytes[..length])?), port));
    let namespace = NetNs { inode: namespace.into(), cookie };
    Some(Refused { namespace, local: at(&local, local_port)?, remote: at(&remote, 0)?, count })
}

/// Numbers that the kernel counts up, by what they are of.
struct Tally<K> {
    counts: HashMap<MapData, K, u64>,
    before: Counts<K, u64>,
}

impl<K: Pod + Eq + Hash> Tally<K> {
    fn of(counts: HashMap<MapData, K, u64>) -> Self {
        Self { counts, before: Counts::new() }
    }

    /// What came to each since the last time. What did not change is forgotten, by the kernel too: one that is counted up
    /// in that moment loses no more than this.
    fn news(&mut self) -> Result<Vec<(K, u64)>, MapError> {
        let before = std::mem::take(&mut self.before);
        // They change while they are gone through.
        let keys: Vec<K> = self.counts.keys().take(KEPT_MAX).filter_map(Result::ok).collect();
        let mut news = Vec::new();
        for key in keys {
            let count = match self.counts.get(&key, 0) {
                Ok(count) => count,
                Err(MapError::KeyNotFound) => continue,
                Err(error) => return Err(error),
            };
            // What was pushed out is counted anew.
            let known = before.get(&key).copied().filter(|known| *known <= count).unwrap_or_default();
            if count > known {
                news.push((key, count - known));
                self.before.insert(key, count);
            } else {
                match self.counts.remove(&key) {
                    Ok(()) | Err(MapError::KeyNotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use crate::ebpf::tests::{apart, run};

    /// Of the kernel that the tests run on; it needs root, as the end-to-end tests do.
    fn trouble() -> Trouble {
        crate::ebpf::tests::programs(None, false).1.trouble.expect("a kernel with BTF, and root")
    }

    fn until<T>(trouble: &mut Trouble, mut wanted: impl FnMut(&News) -> Option<T>) -> T {
        let before = Instant::now();
        loop {
            if let Some(found) = wanted(&trouble.news().unwrap()) {
                return found;
            }
            assert!(before.elapsed() < Duration::from_secs(60));
            std::thread::yield_now();
        }
    }

    #[test]
    fn calls_that_are_refused_are_counted_by_who_called_whom() {
        let mut trouble = trouble();
        assert_eq!(trouble.lacks, None);
        for home in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let free = TcpListener::bind((home, 0)).unwrap().local_addr().unwrap();
            let mut count = 0;
            let mut refused = |trouble: &mut Trouble, calls: u64| {
                (0..calls).for_each(|_| assert!(TcpStream::connect(free).is_err()));
                until(trouble, |news| {
                    let found = news.refused.iter().find(|refused| refused.local == free)?;
                    count += found.count;
                    (count == calls).then(|| (std::mem::take(&mut count), found.remote.ip()))
                })
            };
            assert_eq!(refused(&mut trouble, 7), (7, home));
            assert_eq!(refused(&mut trouble, 2), (2, home), "what was told is not told again");
            until(&mut trouble, |news| news.refused.iter().all(|refused| refused.local != free).then_some(()));
            assert_eq!(refused(&mut trouble, 3), (3, home), "after what was silent was forgotten");
        }
    }

    #[test]
    fn what_comes_late_for_a_connection_that_is_over_is_no_call_that_is_refused() {
        let mut trouble = trouble();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(at).unwrap();
        drop(listener.accept().unwrap());
        drop(listener);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        // To who is gone, which is answered with a reset.
        client.write_all(b"word").unwrap();
        let other = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(TcpStream::connect(other).is_err());
        until(&mut trouble, |news| {
            assert!(news.refused.iter().all(|refused| refused.local != at), "{news:?}");
            news.refused.iter().any(|refused| refused.local == other).then_some(())
        });
    }

    #[test]
    fn a_connection_that_gets_no_answer_is_told_as_long_as_it_tries() {
        let mut trouble = trouble();
        apart(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let _server = listener.accept().unwrap();
            let cookie = rustix::net::sockopt::socket_cookie(&client).unwrap();
            client.write_all(b"heard").unwrap();
            assert!(trouble.news().unwrap().unanswered.iter().all(|(told, _)| *told != cookie));
            run("iptables -A INPUT -p tcp -j DROP");
            client.write_all(b"unheard").unwrap();
            let mut count = 0;
            until(&mut trouble, |news| {
                count +=
                    news.unanswered.iter().filter(|(told, _)| *told == cookie).map(|(_, times)| times).sum::<u64>();
                (count >= 2).then_some(())
            });
        });
    }
}
