//! What containers use, from the counters of their control groups, versions 1 and 2. Formats:
//! Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.

pub mod meter;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::procfs;

use ::procfs::process::MountInfo;

/// Where the hierarchies are mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts {
    pub unified: Option<PathBuf>,
    pub memory: Option<PathBuf>,
    pub cpuacct: Option<PathBuf>,
    pub blkio: Option<PathBuf>,
}

impl Mounts {
    /// From /proc/self/mountinfo, with the procfs crate's reading of it.
    pub fn find() -> Self {
        let all = ::procfs::process::Process::myself().and_then(|me| me.mountinfo());
        Self::among(all.into_iter().flatten())
    }

    fn among(all: impl IntoIterator<Item = MountInfo>) -> Self {
        let mut mounts = Self::default();
        for mount in all {
            // Later mounts hide earlier ones at the same place; the first of a kind is the system's own.
            let at = Some(mount.mount_point);
            match mount.fs_type.as_str() {
                "cgroup2" => mounts.unified = mounts.unified.or(at),
                "cgroup" => {
                    let has = |controller: &str| mount.super_options.contains_key(controller);
                    if has("memory") {
                        mounts.memory = mounts.memory.or(at);
                    } else if has("cpuacct") {
                        mounts.cpuacct = mounts.cpuacct.or(at);
                    } else if has("blkio") {
                        mounts.blkio = mounts.blkio.or(at);
                    }
                }
                _ => {}
            }
        }
        mounts
    }
}

/// The groups of one container, by controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    pub unified: Option<PathBuf>,
    pub memory: Option<PathBuf>,
    pub cpuacct: Option<PathBuf>,
    pub blkio: Option<PathBuf>,
}

/// Counters since the group was made, and gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    pub cpu_ns: u64,
    /// Without inactive file pages.
    pub memory_bytes: u64,
    pub read_bytes: u64,
    pub written_bytes: u64,
}

impl Group {
    /// `text` is /proc/pid/cgroup of a process in the group.
    pub fn of(text: &str, mounts: &Mounts) -> Self {
        let mut group = Self::default();
        for line in text.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let under = |mount: &Option<PathBuf>| mount.as_ref().map(|m| m.join(path.trim_start_matches('/')));
            if controllers.is_empty() {
                group.unified = under(&mounts.unified);
            }
            for controller in controllers.split(',') {
                match controller {
                    "memory" => group.memory = under(&mounts.memory),
                    "cpuacct" => group.cpuacct = under(&mounts.cpuacct),
                    "blkio" => group.blkio = under(&mounts.blkio),
                    _ => {}
                }
            }
        }
        group
    }

    /// Its files, to be read again and again.
    pub fn open(&self) -> Counters {
        let memory = self.either(&self.memory, "memory.usage_in_bytes", "memory.current");
        let memory_stat = match memory {
            Some((_, Version::One)) => opened(&self.memory, "memory.stat"),
            Some((_, Version::Two)) => opened(&self.unified, "memory.stat"),
            None => None,
        };
        let io = self.either(&self.blkio, "blkio.throttle.io_service_bytes", "io.stat");
        Counters { rest: Some(Rest { memory, memory_stat, io }), ..self.open_cpu() }
    }

    /// The one of them that says what it used of CPUs.
    pub fn open_cpu(&self) -> Counters {
        Counters { cpu: self.either(&self.cpuacct, "cpuacct.usage", "cpu.stat"), rest: None }
    }

    /// A hybrid system has the unified hierarchy too, without controllers: what v1 counts goes first.
    fn either(&self, one: &Option<PathBuf>, in_one: &str, in_two: &str) -> Option<(File, Version)> {
        let one = opened(one, in_one).map(|file| (file, Version::One));
        one.or_else(|| Some((opened(&self.unified, in_two)?, Version::Two)))
    }
}

fn opened(group: &Option<PathBuf>, file: &str) -> Option<File> {
    File::open(group.as_ref()?.join(file)).ok()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A group's files, opened. They keep no group alive: of one that is gone they say nothing any more.
pub struct Counters {
    cpu: Option<(File, Version)>,
    /// None where only CPU time is of interest.
    rest: Option<Rest>,
}

struct Rest {
    memory: Option<(File, Version)>,
    memory_stat: Option<File>,
    io: Option<(File, Version)>,
}

impl Counters {
    /// Closes the others.
    pub fn only_cpu(self) -> Self {
        Self { rest: None, ..self }
    }

    pub fn is_whole(&self) -> bool {
        self.rest.is_some()
    }

    /// CPU time; none where the group is gone or nobody counts that.
    pub fn cpu_ns(&self) -> Option<u64> {
        let (file, version) = self.cpu.as_ref()?;
        // What is wanted stands in front: alone in version 1, as `usage_usec` in version 2.
        let mut buffer = [0; 64];
        let length = file.read_at(&mut buffer, 0).ok()?;
        let first = std::str::from_utf8(&buffer[..length]).ok()?.lines().next()?;
        match version {
            Version::One => first.trim().parse().ok(),
            Version::Two => Some(first.strip_prefix("usage_usec ")?.trim().parse::<u64>().ok()? * 1_000),
        }
    }

    /// None where the group is gone, no controller counts it, or these are not all of its files.
    pub fn usage(&self) -> Option<Usage> {
        let Rest { memory, memory_stat, io } = self.rest.as_ref()?;
        let mut buffer = Vec::new();
        let cpu_ns = self.cpu_ns();
        let mut seen = cpu_ns.is_some();
        let mut usage = Usage { cpu_ns: cpu_ns.unwrap_or(0), ..Usage::default() };
        if let Some((file, version)) = memory
            && let Some(bytes) = text(file, &mut buffer).and_then(number)
        {
            let key = if *version == Version::One { "total_inactive_file" } else { "inactive_file" };
            let cache = memory_stat.as_ref().and_then(|file| keyed(text(file, &mut buffer)?, key));
            (usage.memory_bytes, seen) = (bytes.saturating_sub(cache.unwrap_or(0)), true);
        }
        if let Some((file, version)) = io
            && let Some(text) = text(file, &mut buffer)
        {
            (usage.read_bytes, usage.written_bytes) = match version {
                Version::One => (summed(text, "Read"), summed(text, "Write")),
                Version::Two => (equated(text, "rbytes"), equated(text, "wbytes")),
            };
        }
        seen.then_some(usage)
    }
}

fn text<'a>(file: &File, buffer: &'a mut Vec<u8>) -> Option<&'a str> {
    procfs::read_again(file, buffer).ok()?;
    std::str::from_utf8(buffer).ok()
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// `key value` lines.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// `8:0 Read 4096` lines of v1, over all devices.
fn summed(text: &str, operation: &str) -> u64 {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let of_operation = fields.nth(1)? == operation;
            fields.next()?.parse::<u64>().ok().filter(|_| of_operation)
        })
        .sum()
}

/// `8:0 rbytes=4096 wbytes=0` lines of v2, over all devices.
fn equated(text: &str, key: &str) -> u64 {
    text.split_ascii_whitespace()
        .filter_map(|field| field.split_once('=').filter(|(k, _)| *k == key)?.1.parse::<u64>().ok())
        .sum()
}

/// The ids of containers that a group's path names, outermost first: 64 hex digits with or without what the runtime
/// puts around them (`docker-<id>.scope`, `libpod-<id>`).
pub fn container_ids(path: &str) -> impl Iterator<Item = &str> {
    path.split(|c: char| !c.is_ascii_hexdigit()).filter(|part| part.len() == 64)
}

/// Received and sent bytes of the namespace that `net_dev` (such as /proc/pid/net/dev) shows.
pub fn network_bytes(net_dev: &Path) -> (u64, u64) {
    crate::host::interface_bytes(net_dev)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use ::procfs::FromBufRead;
    use ::procfs::process::MountInfos;

    fn tree(files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("scope-cgroup-{}", uuid::Uuid::new_v4()));
        for (path, text) in files {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    }

    /// fixtures/cgroup/record.sh: a group that read 4 MiB of a disk, wrote 2 MiB and holds 8 MB.
    const RECORDED: &str = include_str!("../fixtures/cgroup/cgroup2-6.1.txt");

    #[test]
    fn a_recorded_tree_of_version_2_is_counted() {
        let files: Vec<(&str, &str)> = RECORDED.split("== ").filter_map(|part| part.split_once('\n')).collect();
        let file = |path: &str| files.iter().find(|(name, _)| *name == path).unwrap().1;
        let mountinfo = file("/proc/self/mountinfo");
        let mounts = Mounts::among(MountInfos::from_buf_read(mountinfo.as_bytes()).unwrap());
        assert_eq!(mounts, Mounts { unified: Some("/sys/fs/cgroup".into()), ..Mounts::default() });
        let group_files: Vec<(&str, &str)> =
            files.iter().filter_map(|(p, t)| Some((p.strip_prefix("/sys/")?, *t))).collect();
        let root = tree(&group_files);
        let text = file("/proc/PID/cgroup");
        assert_eq!(container_ids(text).collect::<Vec<_>>(), ["c".repeat(64)]);
        let usage =
            Group::of(text, &Mounts { unified: Some(root.join("fs/cgroup")), ..mounts }).open().usage().unwrap();
        let expect =
            Usage { cpu_ns: 949_682_000, memory_bytes: 8_368_128, read_bytes: 4_325_376, written_bytes: 2_097_152 };
        assert_eq!(usage, expect);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn version_2_is_counted_without_what_can_be_dropped() {
        let root = tree(&[
            ("u/d/ab/cpu.stat", "usage_usec 5000\nuser_usec 1\n"),
            ("u/d/ab/memory.current", "1000000\n"),
            ("u/d/ab/memory.stat", "anon 5\nfile 9\ninactive_file 400000\n"),
            ("u/d/ab/io.stat", "8:0 rbytes=4096 wbytes=10 rios=1\n8:16 rbytes=4 wbytes=1\n"),
        ]);
        let mounts = Mounts { unified: Some(root.join("u")), ..Mounts::default() };
        let usage = Group::of("0::/d/ab\n", &mounts).open().usage().unwrap();
        let expect = Usage { cpu_ns: 5_000_000, memory_bytes: 600_000, read_bytes: 4100, written_bytes: 11 };
        assert_eq!(usage, expect);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn version_1_is_counted_and_goes_before_an_empty_version_2() {
        let root = tree(&[
            ("c/d/ab/cpuacct.usage", "7\n"),
            ("m/d/ab/memory.usage_in_bytes", "1000\n"),
            ("m/d/ab/memory.stat", "inactive_file 1\ntotal_inactive_file 300\n"),
            ("b/d/ab/blkio.throttle.io_service_bytes", "8:0 Read 5\n8:0 Write 6\n8:0 Total 11\nTotal 11\n"),
            ("u/cpu.stat", "usage_usec 99\n"),
        ]);
        let at = |name: &str| Some(root.join(name));
        let mounts = Mounts { unified: at("u"), memory: at("m"), cpuacct: at("c"), blkio: at("b") };
        let text = "5:memory:/d/ab\n4:cpu,cpuacct:/d/ab\n3:blkio:/d/ab\n0::/\n";
        let usage = Group::of(text, &mounts).open().usage().unwrap();
        assert_eq!(usage, Usage { cpu_ns: 7, memory_bytes: 700, read_bytes: 5, written_bytes: 6 });
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_group_that_is_gone_has_no_usage() {
        let mounts = Mounts { unified: Some("/nonexistent".into()), ..Mounts::default() };
        assert_eq!(Group::of("0::/d/ab", &mounts).open().usage(), None);
    }

    #[test]
    fn container_ids_are_found_whatever_the_runtime_puts_around_them() {
        let (a, b) = ("a1".repeat(32), "b2".repeat(32));
        for path in [
            format!("/docker/{a}"),
            format!("/system.slice/docker-{a}.scope"),
            format!("/machine.slice/libpod-{a}.scope/container"),
        ] {
            assert_eq!(container_ids(&path).collect::<Vec<_>>(), [&a]);
        }
        let nested = format!("/docker/{a}/docker/{b}/init");
        assert_eq!(container_ids(&nested).collect::<Vec<_>>(), [&a, &b]);
        assert_eq!(container_ids("/user.slice/session-1.scope").count(), 0);
    }
}
