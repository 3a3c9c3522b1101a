//! What containers use, as rates.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use shared::id::ContainerId;
use shared::report::ContainerMetrics;

use super::{Group, Mounts, Usage, network_bytes};
use crate::docker::Watch;
use crate::{host, procfs};

pub struct Meter {
    proc_root: PathBuf,
    mounts: Mounts,
    last: HashMap<ContainerId, Sample>,
}

struct Sample {
    at_s: f64,
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
            let directory = procfs::pid_dir(&self.proc_root, watch.pid);
            let Ok(text) = std::fs::read_to_string(directory.join("cgroup")) else { continue };
            let Some(usage) = Group::of(&text, &self.mounts).usage() else { continue };
            let network = match watch.host_network {
                true => (0, 0),
                false => network_bytes(&directory.join("net/dev")),
            };
            let mut sample = ContainerMetrics { memory_bytes: usage.memory_bytes, ..ContainerMetrics::default() };
            if let Some(then) = self.last.get(&id) {
                let rate = |old, new| host::per_second(old, new, at_s - then.at_s);
                let busy_ns = rate(then.usage.cpu_ns, usage.cpu_ns);
                sample.cpu_percent = (busy_ns / 1e9 * 1e4).round() / 100.0;
                sample.read_bytes_per_s = rate(then.usage.read_bytes, usage.read_bytes).round();
                sample.written_bytes_per_s = rate(then.usage.written_bytes, usage.written_bytes).round();
                sample.received_bytes_per_s = rate(then.network.0, network.0).round();
                sample.sent_bytes_per_s = rate(then.network.1, network.1).round();
            }
            metrics.insert(id.clone(), sample);
            last.insert(id, Sample { at_s, usage, network });
        }
        self.last = last;
        metrics
    }
}
