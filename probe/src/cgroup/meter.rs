//! What containers use, as rates.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use shared::id::ContainerId;
use shared::report::ContainerMetrics;

use super::{Counters, Group, Mounts, Usage, network_bytes};
use crate::docker::Watch;
use crate::{host, procfs};

/// A container in which nothing runs is looked at as a whole this often, seconds, and one in which little runs: of it only
/// its CPU time is read, and that this often.
const RESTS_S: f64 = 10.0;
const DAWDLES_S: f64 = 10.0;
const GLANCES_S: f64 = 1.5;
/// Less of one CPU is little.
const LITTLE_PERCENT: f64 = 1.0;
/// Of more containers the file that says it is opened anew each time, and of more than so many those that say all else:
/// few processes may have more than 1,024 files open.
const CPU_KEPT_OPEN_MAX: usize = 256;
const KEPT_OPEN_MAX: usize = 64;

pub struct Meter {
    proc_root: PathBuf,
    mounts: Mounts,
    last: HashMap<ContainerId, Sample>,
}

struct Sample {
    /// Through whom the group was found.
    pid: u32,
    group: Group,
    /// Those of its files that are kept open.
    open: Option<Counters>,
    /// When its CPU time was read last, and when all else was, seconds.
    at_s: f64,
    whole_at_s: f64,
    /// Until when it used no more than it had when it was read as a whole.
    rested_until_s: f64,
    /// Its CPU time when that was read last.
    cpu_ns: u64,
    /// Little ran before it was read as a whole.
    dawdles: bool,
    usage: Usage,
    /// When all was read, and as they were told last.
    rates: ContainerMetrics,
    told: ContainerMetrics,
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
        let mut open = 0;
        for (id, watch) in running {
            let then = self.last.remove(&id).filter(|then| then.pid == watch.pid);
            let Some((sample, now)) = self.look_at(&watch, then, open, at_s) else { continue };
            open += usize::from(now.open.is_some());
            metrics.insert(id.clone(), sample);
            last.insert(id, now);
        }
        self.last = last;
        metrics
    }

    fn look_at(
        &self,
        watch: &Watch,
        then: Option<Sample>,
        open: usize,
        at_s: f64,
    ) -> Option<(ContainerMetrics, Sample)> {
        let mut then = then;
        if let Some(metrics) = then.as_mut().and_then(|then| then.glance(at_s)) {
            return then.map(|now| (metrics, now));
        }
        let directory = procfs::pid_dir(&self.proc_root, watch.pid);
        let (group, counters, usage) = match then.as_mut().and_then(Sample::again) {
            Some(found) => found,
            None => {
                let group = Group::of(&std::fs::read_to_string(directory.join("cgroup")).ok()?, &self.mounts);
                let counters = group.open();
                let usage = counters.usage()?;
                (group, counters, usage)
            }
        };
        let network = match watch.host_network {
            true => (0, 0),
            false => network_bytes(&directory.join("net/dev")),
        };
        let mut rates = ContainerMetrics { memory_bytes: usage.memory_bytes, ..ContainerMetrics::default() };
        if let Some(then) = &then {
            let rate = |old, new| host::per_second(old, new, at_s - then.rested_until_s).round();
            rates.cpu_percent = percent(host::per_second(then.cpu_ns, usage.cpu_ns, at_s - then.at_s));
            rates.read_bytes_per_s = rate(then.usage.read_bytes, usage.read_bytes);
            rates.written_bytes_per_s = rate(then.usage.written_bytes, usage.written_bytes);
            rates.received_bytes_per_s = rate(then.network.0, network.0);
            rates.sent_bytes_per_s = rate(then.network.1, network.1);
        }
        let dawdles = then.is_some() && rates.cpu_percent < LITTLE_PERCENT;
        let open = match open {
            _ if open < KEPT_OPEN_MAX => Some(counters),
            _ if open < CPU_KEPT_OPEN_MAX => Some(counters.only_cpu()),
            _ => None,
        };
        let now = Sample {
            pid: watch.pid,
            group,
            open,
            at_s,
            whole_at_s: at_s,
            rested_until_s: at_s,
            cpu_ns: usage.cpu_ns,
            dawdles,
            usage,
            rates,
            told: rates,
            network,
        };
        Some((rates, now))
    }
}

impl Sample {
    /// All that is counted now, by its files as they are known; none where they are not there any more.
    fn again(&mut self) -> Option<(Group, Counters, Usage)> {
        let counters = self.open.take().filter(Counters::is_whole).unwrap_or_else(|| self.group.open());
        let usage = counters.usage()?;
        Some((std::mem::take(&mut self.group), counters, usage))
    }

    /// What its CPU time alone tells; none where all else has to be read too.
    fn glance(&mut self, at_s: f64) -> Option<ContainerMetrics> {
        if self.dawdles && at_s - self.at_s < GLANCES_S {
            return Some(self.told);
        }
        let cpu_ns = match &self.open {
            Some(counters) => counters.cpu_ns()?,
            None => self.group.open_cpu().cpu_ns()?,
        };
        let whole_s = at_s - self.whole_at_s;
        let cpu_percent = percent(host::per_second(self.cpu_ns, cpu_ns, at_s - self.at_s));
        if self.usage.cpu_ns == cpu_ns && whole_s < RESTS_S {
            // Where nothing ran, nothing was sent, written or taken; the kernel may have freed memory.
            self.rates = ContainerMetrics { memory_bytes: self.usage.memory_bytes, ..ContainerMetrics::default() };
            self.rested_until_s = at_s;
        } else if !self.dawdles || cpu_percent >= LITTLE_PERCENT || whole_s >= DAWDLES_S {
            return None;
        }
        (self.at_s, self.cpu_ns) = (at_s, cpu_ns);
        self.told = ContainerMetrics { cpu_percent, ..self.rates };
        Some(self.told)
    }
}

/// Of one CPU, to two places.
fn percent(busy_ns_per_s: f64) -> f64 {
    (busy_ns_per_s / 1e9 * 1e4).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A container's group and its part of /proc.
    struct Files(PathBuf);

    impl Files {
        fn new() -> Self {
            let root = std::env::temp_dir().join(format!("scope-meter-{}", uuid::Uuid::new_v4()));
            fs::create_dir_all(root.join("7/net")).unwrap();
            fs::create_dir_all(root.join("group")).unwrap();
            let files = Self(root);
            files.write("7/cgroup", "0::/group\n");
            files
        }

        fn write(&self, file: &str, text: &str) {
            fs::write(self.0.join(file), text).unwrap();
        }

        fn network(&self, bytes: u64) {
            let line = format!("eth0: {bytes} 1 0 0 0 0 0 0 {bytes} 1 0 0 0 0 0 0\n");
            self.write("7/net/dev", &format!("Inter-|\n face |\n{line}"));
        }

        fn cpu(&self, ms: u64) {
            self.write("group/cpu.stat", &format!("usage_usec {}\n", ms * 1000));
        }

        fn memory(&self, bytes: u64) {
            self.write("group/memory.current", &bytes.to_string());
        }

        fn meter(&self) -> impl FnMut(f64) -> ContainerMetrics {
            let mounts = Mounts { unified: Some(self.0.clone()), ..Mounts::default() };
            let mut meter = Meter { proc_root: self.0.clone(), mounts, last: HashMap::new() };
            move |at_s| {
                let watch = Watch { pid: 7, host_network: false };
                meter.read([("c".into(), watch)].into(), at_s).remove(&ContainerId::from("c")).unwrap()
            }
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_container_in_which_little_runs_is_looked_at_as_a_whole_now_and_then() {
        let files = Files::new();
        let mut read = files.meter();
        let mut use_all = |at_s: f64, ms: u64, bytes: u64| {
            files.cpu(ms);
            files.network(bytes);
            files.memory(bytes);
            let ContainerMetrics { cpu_percent, received_bytes_per_s, memory_bytes, .. } = read(at_s);
            (cpu_percent, received_bytes_per_s, memory_bytes)
        };
        use_all(0.0, 0, 0);
        assert_eq!(use_all(1.0, 500, 9_000), (50.0, 9_000.0, 9_000));
        assert_eq!(use_all(2.0, 501, 10_000), (0.1, 1_000.0, 10_000), "what it had while it was busy is over");
        assert_eq!(use_all(3.0, 503, 12_000), (0.1, 1_000.0, 10_000), "not looked at again so soon");
        assert_eq!(use_all(4.0, 505, 12_000), (0.2, 1_000.0, 10_000), "as when it was looked at");
        assert_eq!(use_all(9.0, 510, 15_000), (0.1, 1_000.0, 10_000));
        assert_eq!(use_all(12.0, 513, 30_000), (0.1, 2_000.0, 30_000), "over the time since it was looked at");
        assert_eq!(use_all(14.0, 713, 48_000), (10.0, 9_000.0, 48_000), "one that is busy is looked at at once");
    }

    #[test]
    fn a_container_in_which_nothing_runs_is_looked_at_now_and_then() {
        let files = Files::new();
        let mut read = files.meter();
        let network = |bytes| files.network(bytes);
        let cpu = |ms| files.cpu(ms);
        let memory = |bytes| files.memory(bytes);
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
        network(7_000);
        cpu(800);
        let again = read(13.0);
        assert_eq!((again.cpu_percent, again.received_bytes_per_s), (10.0, 1_000.0), "since it was last known to rest");
    }
}
