//! TCP sockets of all namespaces as they change their state, told by the program in `probe/bpf`: those that live for a
//! millisecond too, and those that never come to be. What it needs of the kernel is BTF (5.8 and later).

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use aya::maps::{MapData, PerCpuArray, RingBuf};
use aya::programs::BtfTracePoint;
use aya::{Btf, Ebpf, EbpfLoader};
use shared::addr::canonical;

use crate::netlink::ip;
use crate::procfs;

/// Compiled from `probe/bpf/sockets.bpf.c` by `scripts/bpf.sh`.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/sockets.bpf.o");
const PROGRAM: &str = "state_changed";
const TRACEPOINT: &str = "inet_sock_set_state";

const AF_INET: u16 = 2;
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const CLOSE: u8 = 7;
const LISTEN: u8 = 10;

/// What happened to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It connected; `pid` is who called, 0 where that is nobody of the probe's own pid namespace.
    Connected {
        pid: u32,
    },
    /// It came to be by a connection that was accepted.
    Accepted,
    /// With the error that ended it, 0 where none did.
    Closed {
        error: i32,
    },
    /// It tried to connect, and it came to nothing.
    Failed {
        pid: u32,
        error: i32,
        waited_us: u32,
    },
    Listens {
        pid: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The socket, as sock_diag names it too.
    pub cookie: u64,
    /// The inode of its network namespace.
    pub namespace: u64,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub change: Change,
}

/// The program, which is detached when this is dropped or its process ends.
pub struct Watch {
    _program: Ebpf,
    events: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
    lost_before: u64,
}

impl Watch {
    /// # Errors
    /// Why the kernel has none of it, in words.
    pub fn open(proc_root: &Path) -> Result<Self, String> {
        let own = std::fs::read_link(proc_root.join("self/ns/pid")).ok().and_then(|link| procfs::bracketed(&link));
        let own = own.and_then(|inode| u32::try_from(inode).ok()).ok_or("its own pid namespace has no number")?;
        let btf = Btf::from_sys_fs().map_err(|error| format!("the kernel has no BTF: {error}"))?;
        let mut program = EbpfLoader::new()
            .btf(Some(&btf))
            .override_global("own_pid_namespace", &own, true)
            .load(OBJECT)
            .map_err(|error| format!("the kernel refuses it: {}", whole(&error)))?;
        let tracing: &mut BtfTracePoint = program
            .program_mut(PROGRAM)
            .ok_or("the object lacks its program")?
            .try_into()
            .map_err(|error| format!("the object's program is another: {error}"))?;
        tracing.load(TRACEPOINT, &btf).map_err(|error| format!("the kernel refuses it: {}", whole(&error)))?;
        tracing.attach().map_err(|error| format!("it cannot be attached: {}", whole(&error)))?;
        let map = |program: &mut Ebpf, name| program.take_map(name).ok_or_else(|| format!("the object lacks {name}"));
        let events = map(&mut program, "events")?.try_into().map_err(|error| format!("no ring of events: {error}"))?;
        let lost =
            map(&mut program, "lost")?.try_into().map_err(|error| format!("no count of lost events: {error}"))?;
        Ok(Self { _program: program, events, lost, lost_before: 0 })
    }

    /// Gives all that happened since the last call, and how many events of that time are lost.
    pub fn drain(&mut self, mut take: impl FnMut(Event)) -> u64 {
        while let Some(record) = self.events.next() {
            if let Some(event) = parse(&record) {
                take(event);
            }
        }
        let lost: u64 = self.lost.get(&0, 0).map(|counts| counts.iter().sum()).unwrap_or(self.lost_before);
        let new = lost.saturating_sub(self.lost_before);
        self.lost_before = lost;
        new
    }
}

/// An error with what caused it.
fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut words: Vec<String> = causes.map(ToString::to_string).collect();
    words.dedup();
    words.join(": ").lines().next().unwrap_or_default().to_owned()
}

/// `struct event` of the program.
fn parse(record: &[u8]) -> Option<Event> {
    let record = record.get(..104)?;
    let wide = |at: usize| u64::from_ne_bytes(record[at..at + 8].try_into().unwrap_or_default());
    let word = |at: usize| u32::from_ne_bytes(record[at..at + 4].try_into().unwrap_or_default());
    let short = |at: usize| u16::from_ne_bytes(record[at..at + 2].try_into().unwrap_or_default());
    let (namespace, pid, waited_us, error) = (word(32), word(36), word(40), short(52));
    let address = |at: usize, port: usize| -> Option<SocketAddr> {
        let length = if short(54) == AF_INET { 4 } else { 16 };
        let ip: IpAddr = ip(&record[at..at + length])?;
        Some(SocketAddr::new(canonical(ip), short(port)))
    };
    let change = match (record[60], record[61]) {
        (SYN_SENT, ESTABLISHED) => Change::Connected { pid },
        (_, ESTABLISHED) => Change::Accepted,
        (SYN_SENT, CLOSE) => Change::Failed { pid, error: error.into(), waited_us },
        (LISTEN, CLOSE) => return None,
        (_, CLOSE) => Change::Closed { error: error.into() },
        (_, LISTEN) => Change::Listens { pid },
        _ => return None,
    };
    let (local, remote) = (address(68, 56)?, address(84, 58)?);
    Some(Event { cookie: wide(0), namespace: namespace.into(), local, remote, change })
}
