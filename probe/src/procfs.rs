//! Small readers of /proc that take the root as an argument. Formats: proc(5), Documentation/filesystems/proc.rst.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Reads a file of /proc into `buffer`, which is reused from call to call.
pub fn read_into(path: &Path, buffer: &mut Vec<u8>) -> io::Result<()> {
    read_again(&fs::File::open(path)?, buffer)
}

/// The same of one that is open, from its beginning. Such a file gives all that there is room for, so one that gives less is
/// at its end: no size is asked for, nor for more.
pub fn read_again(file: &fs::File, buffer: &mut Vec<u8>) -> io::Result<()> {
    const ROOM: usize = 4096;
    buffer.resize(ROOM.max(buffer.capacity()), 0);
    let mut filled = 0;
    loop {
        let room = buffer.len() - filled;
        let read = file.read_at(&mut buffer[filled..], filled as u64)?;
        filled += read;
        if read < room {
            buffer.truncate(filled);
            return Ok(());
        }
        buffer.resize(buffer.len() + ROOM, 0);
    }
}

/// The numeric entries of /proc, in no order.
pub fn pids(root: &Path) -> io::Result<Vec<u32>> {
    let mut pids = Vec::with_capacity(256);
    for entry in fs::read_dir(root)? {
        if let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
            pids.push(pid);
        }
    }
    Ok(pids)
}

pub fn pid_dir(root: &Path, pid: u32) -> PathBuf {
    root.join(pid.to_string())
}

/// The number in a namespace link such as `net:[4026531840]` or a descriptor such as `socket:[12345]`.
pub fn bracketed(link: &Path) -> Option<u64> {
    let text = link.to_str()?;
    let (_, rest) = text.split_once(":[")?;
    rest.strip_suffix(']')?.parse().ok()
}

/// What of /proc/pid/stat is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub name: String,
    pub state: u8,
    pub parent: u32,
    /// User and system time, clock ticks.
    pub cpu_ticks: u64,
    pub threads: u32,
    /// Clock ticks after boot.
    pub start: u64,
    pub resident_pages: u64,
}

impl Stat {
    /// The name stands in parentheses and may itself hold spaces, parentheses and bytes that are not UTF-8; what
    /// follows the last closing one are numbers.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let open = bytes.iter().position(|&b| b == b'(')?;
        let close = bytes.iter().rposition(|&b| b == b')')?;
        let name = String::from_utf8_lossy(bytes.get(open + 1..close)?).into_owned();
        let rest = std::str::from_utf8(bytes.get(close + 2..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        // proc(5) counts from 1: the state is field 3.
        let mut at = 3;
        let mut field = |number: usize| {
            let value = fields.nth(number - at - 1)?;
            at = number;
            Some(value)
        };
        let parent = field(4)?.parse().ok()?;
        let user: u64 = field(14)?.parse().ok()?;
        let system: u64 = field(15)?.parse().ok()?;
        let threads = field(20)?.parse().ok()?;
        let start = field(22)?.parse().ok()?;
        let resident: i64 = field(24)?.parse().ok()?;
        Some(Self {
            name,
            state,
            parent,
            cpu_ticks: user + system,
            threads,
            start,
            resident_pages: resident.max(0).cast_unsigned(),
        })
    }

    /// Zombies and dead entries hold no resources worth showing.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Arguments of /proc/pid/cmdline, which ends each with a zero byte; some programs overwrite them with spaces.
pub fn arguments(cmdline: &[u8]) -> Vec<String> {
    let trimmed = match cmdline.iter().rposition(|&b| b != 0) {
        Some(last) => &cmdline[..=last],
        None => return Vec::new(),
    };
    trimmed.split(|&b| b == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}

/// The path of /proc/pid/cgroup that names the process's group: the unified hierarchy's unless that is the root
/// while a v1 controller says more.
pub fn cgroup_path(text: &str) -> &str {
    let mut best = "";
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let better = match controllers {
            "" => path != "/",
            _ if controllers.split(',').any(|c| c == "memory") => best.len() <= 1,
            _ => best.is_empty(),
        };
        if better {
            best = path;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    // What follows the name in /proc/pid/stat.
    const TAIL: &str = " S 1 4321 4321 0 -1 4194304 102 0 0 0 12 34 0 0 20 0 7 0 98765 3182592 250 18446744073709551615 \
                        1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0";

    fn check(name: &[u8], expect: &str) {
        let mut line = b"4321 (".to_vec();
        line.extend_from_slice(name);
        line.push(b')');
        line.extend_from_slice(TAIL.as_bytes());
        let stat = Stat::parse(&line).unwrap();
        assert_eq!(stat.name, expect);
        assert_eq!((stat.parent, stat.cpu_ticks, stat.threads), (1, 46, 7));
        assert_eq!((stat.start, stat.resident_pages), (98765, 250));
    }

    #[test]
    fn a_name_may_hold_spaces_parentheses_and_any_byte() {
        check(b"nginx", "nginx");
        check(b"a b) (c", "a b) (c");
        check(b") S 1 2", ") S 1 2");
        check(b"\xff\xfe", "\u{fffd}\u{fffd}");
        check(b"", "");
    }

    #[test]
    fn a_truncated_stat_is_none() {
        let line = [b"4321 (x)".as_slice(), TAIL.as_bytes()].concat();
        let needed = line.windows(4).position(|w| w == b" 250").unwrap() + 1;
        for length in 0..needed {
            assert_eq!(Stat::parse(&line[..length]), None, "{length}");
        }
    }

    #[test]
    fn arguments_keep_their_spaces_and_lose_the_trailing_zeros() {
        assert_eq!(arguments(b"nc\0db\x005432\0"), ["nc", "db", "5432"]);
        assert_eq!(arguments(b"nginx: worker process\0\0\0\0"), ["nginx: worker process"]);
        assert_eq!(arguments(b"a\0\0b\0"), ["a", "", "b"]);
        assert_eq!(arguments(b""), Vec::<String>::new());
    }

    #[test]
    fn the_group_is_found_in_both_hierarchies() {
        assert_eq!(cgroup_path("0::/system.slice/docker-ab.scope\n"), "/system.slice/docker-ab.scope");
        assert_eq!(cgroup_path("12:cpu,cpuacct:/docker/ab\n3:memory:/docker/ab\n0::/\n"), "/docker/ab");
        assert_eq!(cgroup_path("0::/\n"), "");
        assert_eq!(cgroup_path("garbage"), "");
    }

    #[test]
    fn links_of_namespaces_and_sockets_give_their_number() {
        assert_eq!(bracketed(Path::new("net:[4026531840]")), Some(4026531840));
        assert_eq!(bracketed(Path::new("socket:[77]")), Some(77));
        assert_eq!(bracketed(Path::new("/dev/null")), None);
    }
}
