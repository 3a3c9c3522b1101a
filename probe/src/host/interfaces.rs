//! Which interfaces say what a host receives and sends. What passes a container's veth and its bridge passes the host's own
//! interface too, where it comes from elsewhere: it is counted there alone.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Those whose bytes another interface of the host carries.
const STACKED: [&str; 7] = ["bridge", "vxlan", "vlan", "macvlan", "ipvlan", "geneve", "bond"];

/// After so many sums it is looked again what each is: a container's end is put on its bridge after it is made.
const ANEW_EVERY: u32 = 20;

/// What an interface is to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Hardware, or what a virtual machine has for it.
    Device,
    /// Of a container, or of a host that is one.
    Virtual,
    /// Its bytes are counted at another one.
    Stacked,
}

/// The interfaces of one namespace, as they were met.
pub struct Interfaces {
    /// As at /sys/class/net.
    root: PathBuf,
    kinds: HashMap<String, Kind>,
    sums: u32,
}

impl Interfaces {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf(), kinds: HashMap::new(), sums: 0 }
    }

    /// Received and sent bytes: of devices where there are any, else of all that are not stacked on others. Of counters as
    /// `counters` reads them.
    pub fn sum<'a>(&mut self, counters: impl Iterator<Item = (&'a str, u64, u64)>) -> (u64, u64) {
        self.sums = self.sums.wrapping_add(1);
        if self.sums.is_multiple_of(ANEW_EVERY) {
            self.kinds.clear();
        }
        let (mut of_devices, mut of_virtual) = (None, (0, 0));
        for (name, received, sent) in counters {
            let add = |(so_far_received, so_far_sent): (u64, u64)| (so_far_received + received, so_far_sent + sent);
            match self.kind(name) {
                Kind::Device => of_devices = Some(add(of_devices.unwrap_or_default())),
                Kind::Virtual => of_virtual = add(of_virtual),
                Kind::Stacked => {}
            }
        }
        of_devices.unwrap_or(of_virtual)
    }

    fn kind(&mut self, name: &str) -> Kind {
        if let Some(kind) = self.kinds.get(name) {
            return *kind;
        }
        let kind = kind(&self.root.join(name));
        self.kinds.insert(name.to_owned(), kind);
        kind
    }
}

fn kind(at: &Path) -> Kind {
    let about = std::fs::read_to_string(at.join("uevent")).unwrap_or_default();
    let is_stacked = || {
        let kind = about.lines().find_map(|line| line.strip_prefix("DEVTYPE="));
        kind.is_some_and(|kind| STACKED.contains(&kind)) || at.join("master").exists()
    };
    match () {
        () if at.join("device").exists() => Kind::Device,
        () if is_stacked() => Kind::Stacked,
        () => Kind::Virtual,
    }
}

/// Name, received and sent bytes of each interface but loopback, of a file such as /proc/net/dev.
pub fn counters(text: &str) -> impl Iterator<Item = (&str, u64, u64)> {
    text.lines().skip(2).filter_map(|line| {
        let (name, counters) = line.split_once(':')?;
        let mut fields = counters.split_ascii_whitespace();
        let received = fields.next()?.parse().ok()?;
        Some((name.trim(), received, fields.nth(7)?.parse().ok()?)).filter(|(name, ..)| *name != "lo")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn counted(interfaces: &[(&str, &[&str])], lines: &[(&str, u64, u64)]) -> (u64, u64) {
        let root = std::env::temp_dir().join(format!("scope-interfaces-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&root).unwrap();
        for (name, files) in interfaces {
            fs::create_dir_all(root.join(name)).unwrap();
            for file in *files {
                let content = file.strip_prefix("uevent ").map(|kind| format!("DEVTYPE={kind}\nINTERFACE={name}\n"));
                fs::write(root.join(name).join(file.split(' ').next().unwrap()), content.unwrap_or_default()).unwrap();
            }
        }
        let sum = Interfaces::new(&root).sum(lines.iter().copied());
        fs::remove_dir_all(root).unwrap();
        sum
    }

    #[test]
    fn what_containers_receive_is_counted_once_where_it_comes_in() {
        let known: [(&str, &[&str]); 4] = [
            ("eth0", &["device", "uevent "]),
            ("docker0", &["uevent bridge"]),
            ("veth1", &["master", "uevent "]),
            ("vx-1", &["uevent vxlan"]),
        ];
        let lines = [("eth0", 100, 50), ("docker0", 30, 90), ("veth1", 31, 91), ("vx-1", 7, 7)];
        assert_eq!(counted(&known, &lines), (100, 50));
    }

    #[test]
    fn a_host_without_devices_has_what_is_not_stacked_on_others() {
        let known: [(&str, &[&str]); 3] =
            [("eth0", &["uevent "]), ("docker0", &["uevent bridge"]), ("veth1", &["master"])];
        let lines = [("eth0", 100, 50), ("docker0", 30, 90), ("veth1", 31, 91)];
        assert_eq!(counted(&known, &lines), (100, 50));
        assert_eq!(counted(&[], &lines), (161, 231), "all where nothing is known of them");
    }

    #[test]
    fn counters_of_interfaces_are_read_and_odd_lines_left_out() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes packets\n  \
                    eth0: 12 1 0 0 0 0 0 0 34 1 0 0 0 0 0 0\nodd\n  short: 1 2\n    lo:5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n   br0:7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0\n";
        assert_eq!(counters(text).collect::<Vec<_>>(), [("eth0", 12, 34), ("br0", 7, 8)]);
    }
}
