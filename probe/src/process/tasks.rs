//! What all processes use, told by the kernel in one pass (`probe/bpf/tasks.bpf.c`): a file of /proc for each costs several
//! times as much. It needs BTF, and a kernel that counts memory as 6.2 and later do.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use aya::programs::Iter;
use aya::{Btf, Ebpf};

use crate::ebpf::{self, program, refused};
use crate::procfs::{self, Stat};

/// Compiled by `scripts/bpf.sh`.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/tasks.bpf.o");
const USED: &str = "tasks_used";
/// `struct used` of the program.
const USED_BYTES: usize = 56;
const UNKNOWN: u32 = u32::MAX;

/// The program, which is gone when this is dropped or its process ends.
pub struct Tasks {
    programs: Ebpf,
    ticks_per_second: u64,
    page_bytes: u64,
}

/// One process that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    pub pid: u32,
    /// Clock ticks after boot.
    pub start: u64,
    /// Of all its threads, those that are gone among them.
    pub cpu_ns: u64,
    pub memory_bytes: u64,
    pub threads: u32,
    /// None where they are too many to be counted in passing.
    pub open_files: Option<u32>,
}

impl Tasks {
    /// # Errors
    /// Why the kernel does not take it, or that it tells of other processes than /proc does; in words.
    pub fn load(mut programs: Ebpf, proc_root: &Path, btf: &Btf) -> Result<Self, String> {
        let used: &mut Iter = program(&mut programs, USED)?.try_into().map_err(|error| refused(&error))?;
        used.load("task", btf).map_err(|error| refused(&error))?;
        let mut tasks = Self {
            programs,
            ticks_per_second: rustix::param::clock_ticks_per_second(),
            page_bytes: rustix::param::page_size() as u64,
        };
        tasks.check(proc_root).map(|()| tasks)
    }

    /// Whether it tells of this process what /proc does, which is of another pid or time namespace otherwise.
    fn check(&mut self, proc_root: &Path) -> Result<(), String> {
        let mut text = Vec::new();
        let me = std::process::id();
        let read = procfs::read_into(&procfs::pid_dir(proc_root, me).join("stat"), &mut text);
        let own = read.ok().and_then(|()| Stat::parse(&text)).ok_or("its own process is not in /proc")?;
        let all = self.all().map_err(|error| format!("processes cannot be gone through: {error}"))?;
        match all.iter().find(|used| used.pid == me) {
            Some(used) if used.memory_bytes == 0 => Err("the kernel counts memory in another way".into()),
            Some(used) if used.start == own.start => Ok(()),
            _ => Err("/proc is of another namespace".into()),
        }
    }

    /// All processes of the probe's own pid namespace, in the order of their numbers.
    ///
    /// # Errors
    /// Where the kernel lets nobody go through them.
    pub fn all(&mut self) -> io::Result<Vec<Used>> {
        let Self { programs, ticks_per_second, page_bytes } = self;
        let tick_ns = 1_000_000_000 / *ticks_per_second;
        let mut all: Vec<Used> = Vec::with_capacity(256);
        let mut places: HashMap<u32, usize, foldhash::fast::RandomState> = HashMap::default();
        let mut last = None;
        ebpf::pass(programs, USED, USED_BYTES, |record| {
            let Some(Thread { process, ran_ns, first }) = parse(record, tick_ns, *page_bytes) else { return };
            if let Some(first) = first {
                places.insert(process, all.len());
                last = Some((process, all.len()));
                all.push(first);
            } else {
                // Threads mostly follow upon the first of their process.
                let place = last.filter(|(of, _)| *of == process).map(|(_, place)| place);
                if let Some(place) = place.or_else(|| places.get(&process).copied()) {
                    all[place].cpu_ns += ran_ns;
                }
            }
        })?;
        all.sort_unstable_by_key(|used| used.pid);
        Ok(all)
    }
}

struct Thread {
    /// As the kernel itself numbers it.
    process: u32,
    ran_ns: u64,
    /// With the first of a process that lives.
    first: Option<Used>,
}

/// `struct used` of the program.
fn parse(record: &[u8], tick_ns: u64, page_bytes: u64) -> Option<Thread> {
    let record: &[u8; USED_BYTES] = record.try_into().ok()?;
    let wide = |at: usize| u64::from_ne_bytes(record[at..at + 8].try_into().unwrap_or_default());
    let word = |at: usize| u32::from_ne_bytes(record[at..at + 4].try_into().unwrap_or_default());
    let (ran_ns, pages, pid, descriptors, is_dead) = (wide(8), wide(24), word(36), word(44), word(48) != 0);
    let first = (pid != 0 && !is_dead).then(|| Used {
        pid,
        start: wide(0) / tick_ns,
        cpu_ns: ran_ns + wide(16),
        memory_bytes: if pages == u64::from(UNKNOWN) { 0 } else { pages * page_bytes },
        threads: word(40),
        open_files: Some(descriptors).filter(|count| *count != UNKNOWN),
    });
    Some(Thread { process: word(32), ran_ns, first })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::ebpf;

    fn tasks() -> Tasks {
        ebpf::tests::programs(None, false).1.tasks.expect("a kernel with BTF, and root")
    }

    fn mine(tasks: &mut Tasks) -> Used {
        let me = std::process::id();
        tasks.all().unwrap().into_iter().find(|used| used.pid == me).unwrap()
    }

    #[test]
    fn the_kernel_tells_of_this_process_what_proc_does() {
        let mut tasks = tasks();
        let before = mine(&mut tasks);
        let files: Vec<File> = (0..100).map(|_| File::open("/dev/null").unwrap()).collect();
        let mut memory = vec![1u8; 64 << 20];
        let busy = std::thread::spawn(|| {
            let started = Instant::now();
            while started.elapsed() < Duration::from_millis(300) {
                std::hint::black_box(started.elapsed());
            }
        });
        busy.join().unwrap();
        memory.iter_mut().step_by(4096).for_each(|byte| *byte += 1);
        let now = mine(&mut tasks);
        assert_eq!(now.start, before.start);
        assert!(now.cpu_ns - before.cpu_ns > 100_000_000, "a thread that is gone ran: {before:?} {now:?}");
        assert!(now.memory_bytes > before.memory_bytes + (50 << 20), "{before:?} {now:?}");
        // Other tests run in threads of this process at the same time.
        let open = fd_count();
        assert!(now.open_files.unwrap().abs_diff(open) < 60 && now.open_files.unwrap() >= 100, "{open} {now:?}");
        drop((files, memory));
    }

    fn fd_count() -> u32 {
        u32::try_from(std::fs::read_dir("/proc/self/fd").unwrap().count()).unwrap()
    }

    #[test]
    fn a_record_that_is_cut_short_is_none() {
        assert!(parse(&[0; USED_BYTES - 1], 10_000_000, 4096).is_none());
    }
}
