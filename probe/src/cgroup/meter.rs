//! What containers use, as rates.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use shared::id::ContainerId;
use shared::report::ContainerMetrics;

use super::{Group, Mounts, Usage, network_bytes};
use crate::docker::Watch;
use crate::{host, procfs};

/// A container in which nothing runs is looked at as a whole this often, seconds.
const RESTS_S: f64 = 10.0;

pub struct Meter {
    proc_root: PathBuf,
    mounts: Mounts,
    last: HashMap<ContainerId, Sample>,
}

struct Sample {
    /// Through whom the group was found.
    pid: u32,
    group: Group,
    /// When its CPU time was read last, and when all else was, seconds.
    at_s: f64,
    whole_at_s: f64,
    usage: Usage,
    /// Received and sent bytes.
    network: (u64, u64),
}

impl Meter {
    pub fn new(proc_root: PathBuf) -> Self {
        Self { proc_root, mounts: Mounts::find(), last: HashMap::new() }
    }

    /// Rates from two samples of each container's group; a container seen once has none yet.
    pub fn read(
        &mut self,
        running: BTreeMap<ContainerId, Watch>,
        at_s: f64,
    ) -> BTreeMap<ContainerId, ContainerMetrics> {
        let (mut metrics, mut last) = (BTreeMap::new(), HashMap::new());
        for (id, watch) in running {
            let then = self.last.remove(&id).filter(|then| then.pid == watch.pid);
            let Some((sample, now)) = self.look_at(&watch, then, at_s) else { continue };
            metrics.insert(id.clone(), sample);
            last.insert(id, now);
        }
        self.last = last;
        metrics
    }

    fn look_at(&self, watch: &Watch, then: Option<Sample>, at_s: f64) -> Option<(ContainerMetrics, Sample)> {
        // Where nothing ran, nothing was sent, written or taken; the kernel may have freed memory.
        let rests = |then: &Sample| at_s - then.whole_at_s < RESTS_S && then.group.cpu_ns() == Some(then.usage.cpu_ns);
        let then = match then {
            Some(then) if rests(&then) => {
                let memory_bytes = then.usage.memory_bytes;
                let sample = ContainerMetrics { memory_bytes, ..ContainerMetrics::default() };
                return Some((sample, Sample { at_s, ..then }));
            }
            then => then,
        };
        let directory = procfs::pid_dir(&self.proc_root, watch.pid);
        let (group, usage) = match then.as_ref().and_then(|then| Some((then.group.clone(), then.group.usage()?))) {
            Some(found) => found,
            None => {
                let group = Group::of(&std::fs::read_to_string(directory.join("cgroup")).ok()?, &self.mounts);
                let usage = group.usage()?;
                (group, usage)
            }
        };
        let network = match watch.host_network {
            true => (0, 0),
            false => network_bytes(&directory.join("net/dev")),
        };
        let mut sample = ContainerMetrics { memory_bytes: usage.memory_bytes, ..ContainerMetrics::default() };
        if let Some(then) = &then {
            let rate = |old, new| host::per_second(old, new, at_s - then.at_s);
            let busy_ns = rate(then.usage.cpu_ns, usage.cpu_ns);
            sample.cpu_percent = (busy_ns / 1e9 * 1e4).round() / 100.0;
            sample.read_bytes_per_s = rate(then.usage.read_bytes, usage.read_bytes).round();
            sample.written_bytes_per_s = rate(then.usage.written_bytes, usage.written_bytes).round();
            sample.received_bytes_per_s = rate(then.network.0, network.0).round();
            sample.sent_bytes_per_s = rate(then.network.1, network.1).round();
        }
        Some((sample, Sample { pid: watch.pid, group, at_s, whole_at_s: at_s, usage, network }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_container_in_which_nothing_runs_is_looked_at_now_and_then() {
        let root = std::env::temp_dir().join(format!("scope-meter-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(root.join("7/net")).unwrap();
        fs::create_dir_all(root.join("group")).unwrap();
        let write = |file: &str, text: &str| fs::write(root.join(file), text).unwrap();
        write("7/cgroup", "0::/group\n");
        let network = |bytes: u64| {
            let line = format!("eth0: {bytes} 1 0 0 0 0 0 0 {bytes} 1 0 0 0 0 0 0\n");
            write("7/net/dev", &format!("Inter-|\n face |\n{line}"));
        };
        let cpu = |ms: u64| write("group/cpu.stat", &format!("usage_usec {}\n", ms * 1000));
        let memory = |bytes: u64| write("group/memory.current", &bytes.to_string());
        let mounts = Mounts { unified: Some(root.clone()), ..Mounts::default() };
        let mut meter = Meter { proc_root: root.clone(), mounts, last: HashMap::new() };
        let mut read = |at_s| {
            let watch = Watch { pid: 7, host_network: false };
            meter.read([("c".into(), watch)].into(), at_s).remove(&ContainerId::from("c")).unwrap()
        };
        network(0);
        cpu(100);
        memory(1_000);
        read(0.0);
        network(5_000);
        cpu(600);
        memory(2_000);
        let busy = read(1.0);
        assert_eq!((busy.cpu_percent, busy.received_bytes_per_s, busy.memory_bytes), (50.0, 5_000.0, 2_000));
        memory(1_500);
        let idle = read(2.0);
        assert_eq!((idle.cpu_percent, idle.received_bytes_per_s, idle.memory_bytes), (0.0, 0.0, 2_000));
        assert_eq!(read(11.0).memory_bytes, 1_500, "memory may go without anybody running");
        network(6_000);
        cpu(700);
        let again = read(12.0);
        assert_eq!((again.cpu_percent, again.received_bytes_per_s), (10.0, 1_000.0), "since it was last known to rest");
        fs::remove_dir_all(root).unwrap();
    }
}
