//! The network namespaces of the host: those that processes are in, and those that are only mounted, such as the ones
//! that Docker makes for its overlay networks. One that is gone is forgotten; its inode, used again, is another
//! namespace.

mod cookie;
mod home;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use shared::addr::Subnet;
use shared::id::{NetNsId, ProcessId};
use shared::report::Namespace;

use crate::link::address;
use crate::process::Scanner;
use crate::procfs;
use home::Home;

/// Where engines and iproute2 mount namespaces.
const MOUNTED: [&str; 3] = ["/run/docker/netns", "/run/netns", "/var/run/netns"];
/// Where nothing was made or removed, what is mounted there is looked at now and then: a file is made first, then a namespace
/// is mounted on it.
const MOUNTS_INTERVAL: Duration = Duration::from_secs(10);
const MOUNTS_SETTLE: Duration = Duration::from_secs(3);
/// More mounted namespaces are not looked at, but counted.
const MOUNTED_MAX: usize = 2_000;
/// As many processes are kept as a way in as find one that still lives at the next pass.
const WAYS_MAX: usize = 4;

/// A network namespace as the kernel tells of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetNs {
    /// That of /proc/pid/ns/net. The namespace that is made next may get the inode of one that is gone.
    pub inode: u64,
    /// What no other is called later; 0 where the kernel tells none (before 5.14).
    pub cookie: u64,
}

pub struct Namespaces {
    proc_root: PathBuf,
    mounts: Mounts,
    home: Option<Home>,
    host_inode: Option<u64>,
    by_inode: BTreeMap<u64, Met>,
    next: u32,
    /// Mounted namespaces beyond those that are looked at.
    pub left_out: usize,
    /// Since it was last cleared: which namespaces there are, or what addresses they have.
    pub changed: bool,
}

pub struct Met {
    pub id: NetNsId,
    /// Processes in it, through whom it is entered.
    pub inside: Vec<ProcessId>,
    mount: Option<PathBuf>,
    /// None where it may not be entered, or the kernel tells none.
    cookie: Option<u64>,
    /// The kernel told of another by its inode.
    is_doubted: Cell<bool>,
    pub addresses: Vec<Subnet>,
}

impl Met {
    /// A namespace without processes has no sockets that anybody owns.
    pub fn has_processes(&self) -> bool {
        !self.inside.is_empty()
    }

    /// Whether these are others than before.
    fn take_addresses(&mut self, addresses: Vec<Subnet>) -> bool {
        std::mem::replace(&mut self.addresses, addresses) != self.addresses
    }

    fn name(&self) -> &str {
        self.mount.as_deref().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default()
    }
}

impl Namespaces {
    pub fn new(proc_root: PathBuf) -> Self {
        let host_inode = std::fs::read_link("/proc/self/ns/net").ok().and_then(|l| procfs::bracketed(&l));
        Self {
            proc_root,
            mounts: Mounts::in_directories(MOUNTED.map(PathBuf::from).to_vec()),
            home: Home::of_this_thread().ok(),
            host_inode,
            by_inode: BTreeMap::new(),
            next: 0,
            left_out: 0,
            changed: false,
        }
    }

    /// Which namespaces there are now.
    pub fn renew(&mut self, scanner: &Scanner) {
        let mut ways: BTreeMap<u64, (Vec<ProcessId>, Option<PathBuf>)> = BTreeMap::new();
        let pid = std::process::id();
        let own = scanner.of_pid(pid).unwrap_or(ProcessId { pid, start: 0 });
        ways.extend(self.host_inode.map(|inode| (inode, (vec![own], None))));
        for (id, process) in &scanner.processes {
            if let Some(inode) = process.namespace {
                let (inside, _) = ways.entry(inode).or_default();
                if inside.len() < WAYS_MAX {
                    inside.push(*id);
                }
            }
        }
        let mut mounts = self.mounts.now();
        self.left_out = mounts.len().saturating_sub(MOUNTED_MAX);
        mounts.truncate(MOUNTED_MAX);
        for (inode, path) in mounts {
            ways.entry(inode).or_default().1 = Some(path);
        }
        let before = self.by_inode.len();
        self.by_inode.retain(|inode, _| ways.contains_key(inode));
        self.changed |= self.by_inode.len() != before;
        for (inode, (inside, mount)) in ways {
            let known =
                self.by_inode.get(&inode).is_some_and(|met| self.is_same((inode, met), mount.as_deref(), scanner));
            let cookie = if known { None } else { self.cookie(inode, &inside, mount.as_deref()) };
            match self.by_inode.get_mut(&inode).filter(|met| known || (cookie.is_some() && cookie == met.cookie)) {
                Some(met) => {
                    self.changed |= met.mount != mount;
                    (met.inside, met.mount) = (inside, mount);
                    met.is_doubted.set(false);
                }
                None => {
                    self.next += 1;
                    let (id, is_doubted, addresses) = (NetNsId(self.next), Cell::new(false), Vec::new());
                    self.by_inode.insert(inode, Met { id, inside, mount, cookie, is_doubted, addresses });
                    self.changed = true;
                }
            }
        }
    }

    /// Whether what has an inode is sure to be what had it at the last pass: the kernel gives the inode of one that is gone
    /// to the next.
    fn is_same(&self, (inode, met): (u64, &Met), mount: Option<&Path>, scanner: &Scanner) -> bool {
        let is_inside = |id| scanner.processes.get(id).is_some_and(|process| process.namespace == Some(inode));
        let is_mounted = mount.is_some() && met.mount.as_deref() == mount;
        self.is_host(inode) || (!met.is_doubted.get() && (is_mounted || met.inside.iter().any(is_inside)))
    }

    fn cookie(&self, inode: u64, inside: &[ProcessId], mount: Option<&Path>) -> Option<u64> {
        self.enter(inode, inside, mount, cookie::of_this_thread).ok()
    }

    pub fn id(&self, inode: u64) -> Option<NetNsId> {
        self.by_inode.get(&inode).map(|met| met.id)
    }

    /// Which one the kernel tells of; none where that is not known yet.
    pub fn find(&self, told: NetNs) -> Option<NetNsId> {
        let met = self.by_inode.get(&told.inode)?;
        let is_another = told.cookie != 0 && met.cookie.is_some_and(|cookie| cookie != told.cookie);
        met.is_doubted.set(met.is_doubted.get() || is_another);
        (!is_another).then_some(met.id)
    }

    /// Whether the kernel told of namespaces that only the next pass can tell from others.
    pub fn has_doubts(&self) -> bool {
        self.by_inode.values().any(|met| met.is_doubted.get())
    }

    pub fn inode(&self, id: NetNsId) -> Option<u64> {
        self.by_inode.iter().find(|(_, met)| met.id == id).map(|(inode, _)| *inode)
    }

    pub fn is_host(&self, inode: u64) -> bool {
        Some(inode) == self.host_inode
    }

    pub fn all(&self) -> impl Iterator<Item = (u64, &Met)> {
        self.by_inode.iter().map(|(inode, met)| (*inode, met))
    }

    pub fn host_addresses(&self) -> Vec<Subnet> {
        let met = self.host_inode.and_then(|inode| self.by_inode.get(&inode));
        match met {
            Some(met) if !met.addresses.is_empty() => met.addresses.clone(),
            _ => address::subnets().unwrap_or_default(),
        }
    }

    pub fn set_addresses(&mut self, inode: u64, addresses: Vec<Subnet>) {
        if let Some(met) = self.by_inode.get_mut(&inode) {
            self.changed |= met.take_addresses(addresses);
        }
    }

    /// The same of several, by their numbers.
    pub fn set_all_addresses(&mut self, mut all: BTreeMap<NetNsId, Vec<Subnet>>) {
        for met in self.by_inode.values_mut() {
            if let Some(addresses) = all.remove(&met.id) {
                self.changed |= met.take_addresses(addresses);
            }
        }
    }

    pub fn records(&self) -> BTreeMap<NetNsId, Namespace> {
        let record = |(inode, met): (&u64, &Met)| {
            let (inode, is_host) = (*inode, self.is_host(*inode));
            (met.id, Namespace { inode, is_host, addresses: met.addresses.clone(), name: met.name().to_owned() })
        };
        self.by_inode.iter().map(record).collect()
    }

    /// Runs `read` inside a namespace.
    ///
    /// # Errors
    /// Where it is gone or may not be entered, and whatever `read` gives.
    pub fn visit<T>(&self, inode: u64, read: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let (inside, mount) = self.doors(inode);
        self.enter(inode, inside, mount, read)
    }

    fn enter<T>(
        &self,
        inode: u64,
        inside: &[ProcessId],
        mount: Option<&Path>,
        read: impl Fn() -> io::Result<T>,
    ) -> io::Result<T> {
        if self.is_host(inode) {
            return read();
        }
        let mut result = Err(io::Error::from_raw_os_error(libc::ESRCH));
        let Some(home) = &self.home else { return result };
        for way in self.ways(inside, mount) {
            result = opened(&way, inode).and_then(|there| home.visit(there, &read));
            if result.is_ok() {
                break;
            }
        }
        result
    }

    /// A process that is in it.
    pub fn through(&self, inode: u64) -> Option<ProcessId> {
        self.doors(inode).0.first().copied()
    }

    /// A descriptor of the namespace, to be closed before anybody could miss what it keeps alive.
    pub fn open(&self, inode: u64) -> io::Result<File> {
        let mut result = Err(io::Error::from_raw_os_error(libc::ESRCH));
        let (inside, mount) = self.doors(inode);
        for way in self.ways(inside, mount) {
            result = opened(&way, inode);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    fn doors(&self, inode: u64) -> (&[ProcessId], Option<&Path>) {
        self.by_inode.get(&inode).map(|met| (&met.inside[..], met.mount.as_deref())).unwrap_or_default()
    }

    /// The ways into a namespace, best first.
    fn ways(&self, inside: &[ProcessId], mount: Option<&Path>) -> impl Iterator<Item = PathBuf> {
        let through = inside.iter().map(|id| procfs::pid_dir(&self.proc_root, id.pid).join("ns/net"));
        through.chain(mount.map(Path::to_path_buf))
    }
}

/// The way may since lead to another namespace, or to a file that nothing is mounted on.
fn opened(way: &Path, inode: u64) -> io::Result<File> {
    let file = File::open(way)?;
    match file.metadata()?.ino() == inode {
        true => Ok(file),
        false => Err(io::Error::from_raw_os_error(libc::ESRCH)),
    }
}

/// Whether an error says that a namespace went while it was looked at.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT))
}

/// The namespaces that are mounted in some directories, and when that was looked at.
struct Mounts {
    directories: Vec<PathBuf>,
    /// When each directory changed last; none of one that is not there.
    changed: Vec<Option<SystemTime>>,
    looked: Option<Instant>,
    /// When the directories were seen to have changed.
    seen_to_change: Instant,
    found: Vec<(u64, PathBuf)>,
}

impl Mounts {
    fn in_directories(directories: Vec<PathBuf>) -> Self {
        Self { directories, changed: Vec::new(), looked: None, seen_to_change: Instant::now(), found: Vec::new() }
    }

    fn now(&mut self) -> Vec<(u64, PathBuf)> {
        let now = Instant::now();
        let changed_at = |directory: &PathBuf| std::fs::metadata(directory).and_then(|it| it.modified()).ok();
        let changed: Vec<_> = self.directories.iter().map(changed_at).collect();
        if changed != self.changed {
            (self.changed, self.seen_to_change) = (changed, now);
        }
        let is_settled = now.duration_since(self.seen_to_change) > MOUNTS_SETTLE;
        let is_recent = self.looked.is_some_and(|looked| now.duration_since(looked) < MOUNTS_INTERVAL);
        if !is_settled || !is_recent {
            self.found = mounts(&self.directories);
            self.looked = Some(now);
        }
        self.found.clone()
    }
}

/// Inodes and paths of the namespaces that are mounted in these directories. A file that is no mount, as one is left
/// behind when a machine goes down, is on another file system than a namespace.
fn mounts(directories: &[PathBuf]) -> Vec<(u64, PathBuf)> {
    let Ok(own) = std::fs::metadata("/proc/self/ns/net") else { return Vec::new() };
    let mut found = Vec::new();
    for entry in directories.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten().flatten() {
        let path = entry.path();
        if let Ok(metadata) = std::fs::metadata(&path)
            && metadata.dev() == own.dev()
        {
            found.push((metadata.ino(), path));
        }
    }
    found.sort();
    found.dedup_by_key(|(inode, _)| *inode);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    /// A process in a namespace of its own, until it is dropped.
    struct Apart(Child);

    impl Apart {
        /// With the inode of the namespace. It needs root, as the end-to-end tests do.
        fn new() -> (Self, u64) {
            let mut command = Command::new("unshare");
            let silent = command.args(["-n", "sleep", "1000"]).stdout(Stdio::null()).stderr(Stdio::null());
            let apart = Self(silent.spawn().unwrap());
            let (own, pid) = (inode_of("self"), apart.0.id().to_string());
            while inode_of(&pid) == own {
                std::thread::yield_now();
            }
            let inode = inode_of(&pid);
            (apart, inode)
        }
    }

    impl Drop for Apart {
        fn drop(&mut self) {
            let _ = self.0.kill().and_then(|()| self.0.wait());
        }
    }

    fn inode_of(pid: &str) -> u64 {
        std::fs::read_link(format!("/proc/{pid}/ns/net")).ok().and_then(|link| procfs::bracketed(&link)).unwrap()
    }

    #[test]
    fn who_gets_the_inode_of_a_namespace_that_is_gone_is_another() {
        let mut scanner = Scanner::new(PathBuf::from("/proc"), true);
        let mut look = |namespaces: &mut [&mut Namespaces], tick| {
            scanner.scan(tick, tick as f64).unwrap();
            namespaces.iter_mut().for_each(|namespaces| namespaces.renew(&scanner));
        };
        let [mut followed, mut fresh] = [(); 2].map(|()| Namespaces::new(PathBuf::from("/proc")));
        let (first, inode) = Apart::new();
        look(&mut [&mut followed], 1);
        let before = followed.id(inode).unwrap();
        drop(first);
        let until = Instant::now() + Duration::from_secs(20);
        // The least that is free is given, and one that is gone is free a moment later: those that got others stay for a while.
        let mut others = Vec::new();
        let _second = loop {
            let (second, other) = Apart::new();
            if other == inode {
                break second;
            }
            assert!(Instant::now() < until, "the inode is not given again");
            others.push(second);
            if others.len() > 100 {
                others.clear();
            }
        };
        drop(others);
        // Nobody looked in between.
        look(&mut [&mut fresh], 2);
        let told = NetNs { inode, cookie: fresh.by_inode[&inode].cookie.expect("a kernel of 5.14 or later") };
        assert!(fresh.find(told).is_some());
        assert_eq!(followed.find(told), None);
        assert!(followed.has_doubts());
        look(&mut [&mut followed], 3);
        let after = followed.find(told).unwrap();
        assert!(after != before && !followed.has_doubts());
        look(&mut [&mut followed], 4);
        assert_eq!(followed.find(told), Some(after), "it stays");
    }

    #[test]
    fn a_way_that_leads_elsewhere_since_is_one_into_a_namespace_that_is_gone() {
        let own = procfs::bracketed(&std::fs::read_link("/proc/self/ns/net").unwrap()).unwrap();
        let way = Path::new("/proc/self/ns/net");
        assert!(opened(way, own).is_ok());
        assert!(is_gone(&opened(way, own + 1).unwrap_err()));
        assert!(is_gone(&opened(Path::new("/proc/self/status"), own).unwrap_err()));
    }

    #[test]
    fn a_file_that_is_no_namespace_is_none() {
        let directory = std::env::temp_dir().join(format!("scope-netns-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("left-behind"), "").unwrap();
        std::os::unix::fs::symlink("/proc/self/ns/net", directory.join("alive")).unwrap();
        let missing = directory.join("no-such-directory");
        let found = mounts(&[directory.clone(), missing]);
        let own = procfs::bracketed(&std::fs::read_link("/proc/self/ns/net").unwrap()).unwrap();
        assert_eq!(found, [(own, directory.join("alive"))]);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
