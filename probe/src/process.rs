//! Processes of the host: who they are is read when they appear, what they use at each tick.

pub mod tasks;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use foldhash::fast::RandomState;
use shared::id::ProcessId;
use shared::report::ProcessMetrics;

use crate::collector::boot_ms;
use crate::procfs::{self, Stat};
use tasks::{Tasks, Used};

/// A process that is this young may still be becoming what it is: the container runtime forks, enters namespaces and
/// cgroups, then executes.
const SETTLED_AFTER_TICKS: u64 = 10;
/// One that is older when it is met has become what it is, seconds.
const SETTLED_AFTER_S: f64 = 10.0;
/// Later changes (setns, a new title) are noticed within this many ticks.
const REFRESH_EVERY_TICKS: u64 = 60;
/// A process that used no CPU since its last reading is read every so many ticks only.
const IDLE_EVERY_TICKS: u64 = 2;

/// What the scanner knows of a process.
#[derive(Clone, Debug)]
pub struct Known {
    pub name: String,
    pub command: String,
    pub parent: u32,
    pub cgroup: String,
    /// Inode of its network namespace; none where that may not be read, or it ended meanwhile.
    pub namespace: Option<u64>,
    /// Neither that nor its descriptors may be read.
    is_hidden: bool,
    pub open_files_limit: Option<u64>,
    pub metrics: ProcessMetrics,
    /// The last tick at which it is still taken for young.
    settling_until: u64,
    identified: u64,
    /// When that is due again.
    identify_at: u64,
    sampled: Sample,
    idle: bool,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    tick: u64,
    at_s: f64,
    cpu_ns: u64,
}

pub struct Scanner {
    root: PathBuf,
    /// None where each process is asked by itself.
    tasks: Option<Tasks>,
    omit_arguments: bool,
    pub processes: BTreeMap<ProcessId, Known>,
    by_pid: HashMap<u32, ProcessId, RandomState>,
    ticks_per_second: f64,
    page_bytes: u64,
    buffer: Vec<u8>,
    /// Processes whose descriptors or namespaces may not be read, at the last scan.
    pub hidden: usize,
    changed: bool,
}

impl Scanner {
    pub fn new(root: PathBuf, omit_arguments: bool) -> Self {
        Self {
            root,
            tasks: None,
            omit_arguments,
            processes: BTreeMap::new(),
            by_pid: HashMap::default(),
            ticks_per_second: rustix::param::clock_ticks_per_second() as f64,
            page_bytes: rustix::param::page_size() as u64,
            buffer: Vec::with_capacity(4096),
            hidden: 0,
            changed: false,
        }
    }

    /// What processes use is told by the kernel from now on.
    pub fn use_tasks(&mut self, tasks: Tasks) {
        self.tasks = Some(tasks);
    }

    pub fn of_pid(&self, pid: u32) -> Option<ProcessId> {
        self.by_pid.get(&pid).copied()
    }

    /// Brings `processes` up to date. `at_s` is a clock that only goes forward, in seconds.
    ///
    /// # Errors
    /// Where /proc itself cannot be read; a process that ends meanwhile is none.
    pub fn scan(&mut self, tick: u64, at_s: f64) -> io::Result<()> {
        let pids = self.pids()?;
        let mut alive = Vec::with_capacity(pids.len());
        let mut before = std::mem::take(&mut self.processes).into_iter().peekable();
        for (pid, used) in pids {
            // Both are in the order of their numbers: those that are passed over have ended.
            while before.next_if(|(id, _)| id.pid < pid).is_some() {
                self.changed = true;
            }
            let known = before.next_if(|(id, _)| id.pid == pid);
            let was = known.as_ref().map(|(id, _)| *id);
            let now = self.look_at(pid, known, used.as_ref(), tick, at_s);
            self.changed |= was != now.as_ref().map(|(id, _)| *id);
            alive.extend(now);
        }
        self.changed |= before.next().is_some();
        self.processes = alive.into_iter().collect();
        self.by_pid = self.processes.keys().map(|id| (id.pid, *id)).collect();
        self.hidden = self.processes.values().filter(|p| p.is_hidden).count();
        Ok(())
    }

    /// In their order, with what they use where the kernel tells it of all.
    fn pids(&mut self) -> io::Result<Vec<(u32, Option<Used>)>> {
        match self.tasks.as_mut().map(Tasks::all) {
            Some(Ok(all)) => return Ok(all.into_iter().map(|used| (used.pid, Some(used))).collect()),
            Some(Err(error)) => {
                tracing::warn!(%error, "the kernel tells no more what processes use; /proc is read");
                self.tasks = None;
            }
            None => {}
        }
        let mut pids = procfs::pids(&self.root)?;
        pids.sort_unstable();
        Ok(pids.into_iter().map(|pid| (pid, None)).collect())
    }

    /// How it is known what processes use.
    pub fn source(&self) -> &'static str {
        if self.tasks.is_some() { "eBPF" } else { "/proc" }
    }

    fn look_at(
        &mut self,
        pid: u32,
        known: Option<(ProcessId, Known)>,
        used: Option<&Used>,
        tick: u64,
        at_s: f64,
    ) -> Option<(ProcessId, Known)> {
        let is_settled = |known: &Known| tick > known.settling_until && tick < known.identify_at;
        let known = match (known, used) {
            (Some((id, mut known)), Some(used)) if id.start == used.start && is_settled(&known) => {
                self.sample(used, &mut known, tick, at_s);
                return Some((id, known));
            }
            (known, _) => known,
        };
        let rests = |known: &Known| {
            used.is_none()
                && known.idle
                && !(tick + u64::from(pid)).is_multiple_of(IDLE_EVERY_TICKS)
                && tick > known.settling_until
        };
        let known = match known {
            Some((id, known)) if rests(&known) => return Some((id, known)),
            known => known,
        };
        let directory = procfs::pid_dir(&self.root, pid);
        procfs::read_into(&directory.join("stat"), &mut self.buffer).ok()?;
        let stat = Stat::parse(&self.buffer).filter(Stat::is_alive)?;
        let id = ProcessId { pid, start: stat.start };
        // A pid that was reused is another process.
        let known = known.filter(|(old, _)| *old == id).map(|(_, known)| known);
        let mut process = match known {
            Some(process) => process,
            None => Known {
                name: String::new(),
                command: String::new(),
                parent: stat.parent,
                cgroup: String::new(),
                namespace: None,
                is_hidden: false,
                open_files_limit: None,
                metrics: ProcessMetrics::default(),
                settling_until: if self.is_old(&stat) { tick } else { tick + SETTLED_AFTER_TICKS },
                identified: u64::MAX,
                identify_at: 0,
                sampled: Sample { tick, at_s, cpu_ns: used.map_or_else(|| self.cpu_ns(&stat), |used| used.cpu_ns) },
                idle: false,
            },
        };
        let first = process.identified == u64::MAX;
        if first || tick <= process.settling_until || tick >= process.identify_at {
            self.identify(&directory, &stat, &mut process, first);
            process.identified = tick;
            // Those that were met together do not all come again at once.
            let sooner = if first { u64::from(pid) % REFRESH_EVERY_TICKS } else { 0 };
            process.identify_at = tick + REFRESH_EVERY_TICKS - sooner;
        }
        match used.filter(|used| used.start == id.start) {
            Some(used) => self.sample(used, &mut process, tick, at_s),
            None => {
                let used = Used {
                    pid,
                    start: id.start,
                    cpu_ns: self.cpu_ns(&stat),
                    memory_bytes: stat.resident_pages * self.page_bytes,
                    threads: stat.threads,
                    open_files: None,
                };
                self.sample(&used, &mut process, tick, at_s);
            }
        }
        Some((id, process))
    }

    fn is_old(&self, stat: &Stat) -> bool {
        boot_ms() as f64 / 1000.0 - stat.start as f64 / self.ticks_per_second > SETTLED_AFTER_S
    }

    /// Whether any may still be becoming what it is.
    pub fn has_young(&self, tick: u64) -> bool {
        self.processes.values().any(|known| tick < known.settling_until)
    }

    /// Whether processes came, went or are others than they were, but for what they use, since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    fn identify(&mut self, directory: &Path, stat: &Stat, process: &mut Known, first: bool) {
        let facts = |process: &Known| {
            let Known { name, command, parent, cgroup, namespace, open_files_limit, .. } = process;
            (name.clone(), command.clone(), *parent, cgroup.clone(), *namespace, *open_files_limit)
        };
        let before = facts(process);
        process.parent = stat.parent;
        let arguments = match procfs::read_into(&directory.join("cmdline"), &mut self.buffer) {
            Ok(()) => procfs::arguments(&self.buffer),
            Err(_) => Vec::new(),
        };
        process.name = match arguments.first() {
            Some(first) if !first.is_empty() => first.clone(),
            _ if stat.name.is_empty() => "(unknown)".to_owned(),
            _ => format!("[{}]", stat.name),
        };
        process.command = if self.omit_arguments { String::new() } else { arguments.join(" ") };
        process.cgroup = match procfs::read_into(&directory.join("cgroup"), &mut self.buffer) {
            Ok(()) => procfs::cgroup_path(&String::from_utf8_lossy(&self.buffer)).to_owned(),
            Err(_) => String::new(),
        };
        let link = fs::read_link(directory.join("ns/net"));
        process.is_hidden = link.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        process.namespace = link.ok().and_then(|link| procfs::bracketed(&link));
        if first {
            let limits = procfs::read_into(&directory.join("limits"), &mut self.buffer).ok();
            process.open_files_limit = limits.and_then(|()| open_files_limit(&self.buffer));
        }
        self.changed |= facts(process) != before;
    }

    fn cpu_ns(&self, stat: &Stat) -> u64 {
        (stat.cpu_ticks as f64 / self.ticks_per_second * 1e9) as u64
    }

    fn sample(&mut self, used: &Used, process: &mut Known, tick: u64, at_s: f64) {
        let last = process.sampled;
        let seconds = at_s - last.at_s;
        if seconds > 0.0 {
            let busy_s = used.cpu_ns.saturating_sub(last.cpu_ns) as f64 / 1e9;
            process.metrics.cpu_percent = (busy_s / seconds * 1000.0).round() / 10.0;
            process.idle = used.cpu_ns == last.cpu_ns && tick != last.tick;
        }
        process.sampled = Sample { tick, at_s, cpu_ns: used.cpu_ns };
        process.metrics.memory_bytes = used.memory_bytes;
        process.metrics.threads = used.threads;
        if used.open_files.is_some() {
            process.metrics.open_files = used.open_files;
        } else if process.identified == tick || process.metrics.open_files.is_none() || !process.idle {
            process.metrics.open_files = open_files(&procfs::pid_dir(&self.root, used.pid).join("fd"));
        }
    }
}

/// Since Linux 6.2 the directory's size is the number of descriptors; before, it is 0 and the entries are counted.
fn open_files(directory: &Path) -> Option<u32> {
    let size = fs::metadata(directory).ok()?.len();
    if size > 0 {
        return u32::try_from(size).ok();
    }
    let count = fs::read_dir(directory).ok()?.count();
    u32::try_from(count).ok()
}

/// Of a file of limits.
fn open_files_limit(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn this_process_and_its_child_are_found_with_their_facts() {
        let mut scanner = Scanner::new("/proc".into(), false);
        let mut child = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
        // The child is ours before it has become `sleep`.
        let mut tick = 1;
        let found = loop {
            scanner.scan(tick, tick as f64).unwrap();
            let id = scanner.of_pid(child.id()).unwrap();
            let known = scanner.processes[&id].clone();
            if known.command == "sleep 60" || tick > 10_000 {
                break known;
            }
            tick += 1;
        };
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((found.name.as_str(), found.command.as_str()), ("sleep", "sleep 60"));
        assert_eq!(found.parent, std::process::id());
        let me = &scanner.processes[&scanner.of_pid(std::process::id()).unwrap()];
        assert_eq!(found.namespace, me.namespace);
        assert!(me.namespace.is_some() && me.metrics.memory_bytes > 0 && me.metrics.open_files.unwrap() > 2);
        scanner.scan(tick + 1, tick as f64 + 1.0).unwrap();
        assert_eq!(scanner.of_pid(child.id()), None, "an ended process is gone");
    }

    #[test]
    fn arguments_are_left_out_on_request() {
        let mut scanner = Scanner::new("/proc".into(), true);
        scanner.scan(1, 1.0).unwrap();
        assert!(scanner.processes.values().all(|p| p.command.is_empty()));
        assert!(!scanner.processes[&scanner.of_pid(std::process::id()).unwrap()].name.is_empty());
    }

    #[test]
    fn a_pid_that_was_reused_is_another_process() {
        let root = std::env::temp_dir().join(format!("scope-proc-{}", uuid::Uuid::new_v4()));
        let stat = |start: u64| format!("77 (x) S 1 1 1 0 -1 0 0 0 0 0 5 5 0 0 20 0 1 0 {start} 1 1 0");
        fs::create_dir_all(root.join("77")).unwrap();
        fs::write(root.join("77/stat"), stat(100)).unwrap();
        let mut scanner = Scanner::new(root.clone(), false);
        scanner.scan(1, 1.0).unwrap();
        assert!(scanner.take_changed(), "it came");
        assert_eq!(scanner.hidden, 0, "what is not there is not kept from anybody");
        let before = scanner.of_pid(77).unwrap();
        scanner.scan(2, 2.0).unwrap();
        assert!(!scanner.take_changed());
        fs::write(root.join("77/cmdline"), "now\0known").unwrap();
        scanner.scan(65, 65.0).unwrap();
        assert!(scanner.take_changed(), "it has a name");
        fs::remove_file(root.join("77/cmdline")).unwrap();
        fs::write(root.join("77/stat"), stat(200)).unwrap();
        scanner.scan(67, 67.0).unwrap();
        let after = scanner.of_pid(77).unwrap();
        assert_ne!(before, after);
        assert!(scanner.take_changed());
        assert_eq!(scanner.processes.len(), 1);
        assert_eq!(scanner.processes[&after].metrics.cpu_percent, 0.0, "its CPU is not counted against the old one's");
        fs::remove_dir_all(root.join("77")).unwrap();
        scanner.scan(68, 68.0).unwrap();
        assert!(scanner.take_changed(), "it ended");
        fs::remove_dir_all(root).unwrap();
    }
}
