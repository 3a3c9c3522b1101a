//! Whose socket is it: a walk over the descriptors of processes, only where a socket is new.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, Mode, OFlags, openat, readlinkat};
use shared::id::ProcessId;

use crate::procfs;

/// A socket without an owner is looked for this often before it is taken for the kernel's own.
const TRIES_MAX: u8 = 4;

pub struct Owners {
    root: PathBuf,
    known: HashMap<u64, ProcessId>,
    tries: HashMap<u64, u8>,
    link: Vec<u8>,
    /// Processes whose descriptors may not be read, at the last walk that met any.
    pub refused: usize,
}

impl Owners {
    pub fn new(root: PathBuf) -> Self {
        Self { root, known: HashMap::new(), tries: HashMap::new(), link: Vec::with_capacity(128), refused: 0 }
    }

    pub fn of(&self, inode: u64) -> Option<ProcessId> {
        self.known.get(&inode).copied()
    }

    /// Which of these sockets are worth a walk.
    pub fn unknown(&self, inodes: impl Iterator<Item = u64>) -> HashSet<u64> {
        inodes
            .filter(|i| *i != 0 && !self.known.contains_key(i) && self.tries.get(i).is_none_or(|t| *t < TRIES_MAX))
            .collect()
    }

    /// Looks for the owners of `wanted` among `candidates`, and stops when all are found.
    pub fn search(&mut self, mut wanted: HashSet<u64>, candidates: impl Iterator<Item = ProcessId>) {
        let mut refused = 0;
        for process in candidates {
            if wanted.is_empty() {
                break;
            }
            let directory = procfs::pid_dir(&self.root, process.pid).join("fd");
            match self.walk(&directory, process, &mut wanted) {
                Ok(()) => {}
                Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => refused += 1,
                // It ended meanwhile.
                Err(_) => {}
            }
        }
        for inode in wanted {
            *self.tries.entry(inode).or_default() += 1;
        }
        self.refused = refused;
    }

    fn walk(&mut self, directory: &Path, process: ProcessId, wanted: &mut HashSet<u64>) -> rustix::io::Result<()> {
        let fd = openat(CWD, directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let mut entries = Dir::read_from(&fd)?;
        while let Some(entry) = entries.read() {
            let entry = entry?;
            if entry.file_name().to_bytes().starts_with(b".") {
                continue;
            }
            let buffer = std::mem::take(&mut self.link);
            // The descriptor may be closed by now.
            let Ok(link) = readlinkat(&fd, entry.file_name(), buffer) else { continue };
            let inode = link
                .to_bytes()
                .strip_prefix(b"socket:[")
                .and_then(|rest| std::str::from_utf8(rest.strip_suffix(b"]")?).ok()?.parse::<u64>().ok());
            self.link = link.into_bytes();
            if let Some(inode) = inode
                && wanted.remove(&inode)
            {
                self.known.insert(inode, process);
            }
        }
        Ok(())
    }

    /// Forgets sockets that are gone and owners that ended (a socket outlives them where it was inherited).
    pub fn retain(&mut self, exists: &HashSet<u64>, lives: impl Fn(ProcessId) -> bool) {
        self.known.retain(|inode, owner| exists.contains(inode) && lives(*owner));
        self.tries.retain(|inode, _| exists.contains(inode));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    #[test]
    fn the_owner_of_a_socket_is_the_process_that_has_it_open() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
        let inode = procfs::bracketed(&link).unwrap();
        let me = ProcessId { pid: std::process::id(), start: 1 };
        let mut owners = Owners::new("/proc".into());
        let wanted = owners.unknown([inode, 0].into_iter());
        assert_eq!(wanted.len(), 1);
        owners.search(wanted, [me].into_iter());
        assert_eq!(owners.of(inode), Some(me));
        owners.retain(&HashSet::from([inode]), |_| false);
        assert_eq!(owners.of(inode), None);
    }

    #[test]
    fn a_socket_that_nobody_has_is_given_up() {
        let mut owners = Owners::new("/proc".into());
        for _ in 0..TRIES_MAX {
            let wanted = owners.unknown([u64::MAX].into_iter());
            assert_eq!(wanted.len(), 1);
            owners.search(wanted, std::iter::empty());
        }
        assert!(owners.unknown([u64::MAX].into_iter()).is_empty());
    }
}
