//! The machine itself, through sysinfo; its name, kernel and addresses from where the kernel keeps them.

mod interfaces;

use std::fs;
use std::path::{Path, PathBuf};

use shared::addr::Subnet;
use shared::report::{Host, HostMetrics};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, System};

use self::interfaces::Interfaces;
use crate::Config;

pub struct Reader {
    /// None on a system that sysinfo does not know.
    system: Option<System>,
    proc_root: PathBuf,
    interfaces: Interfaces,
    last: Option<Counters>,
    /// What passed between the last two readings of that, and nothing else.
    rates: HostMetrics,
    /// As they were read last, and how often they were asked for since.
    facts: Option<Host>,
    asked: u32,
}

/// What a host is, but for its addresses, is read every so many times.
const FACTS_EVERY: u32 = 10;
/// What the kernel has of the host's interfaces.
const INTERFACES: &str = "/sys/class/net";
/// Seconds between two readings of what passes, at least.
const RATES_S: f64 = 2.5;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counters {
    at_s: f64,
    received: u64,
    sent: u64,
    read: u64,
    written: u64,
}

impl Reader {
    pub fn new(config: &Config) -> Self {
        Self {
            system: System::new().ok(),
            proc_root: config.proc_root.clone(),
            interfaces: Interfaces::new(Path::new(INTERFACES)),
            last: None,
            rates: HostMetrics::default(),
            facts: None,
            asked: 0,
        }
    }

    /// What rarely changes. `local_networks` is the reading of the host's own namespace.
    pub fn facts(&mut self, config: &Config, local_networks: Vec<Subnet>) -> Host {
        self.asked += 1;
        let known = self.facts.take().filter(|_| !self.asked.is_multiple_of(FACTS_EVERY));
        let facts = known.unwrap_or_else(|| self.read_facts(config));
        self.facts = Some(facts.clone());
        Host { local_networks, ..facts }
    }

    fn read_facts(&mut self, config: &Config) -> Host {
        let memory_bytes = self.system.as_mut().map_or(0, |system| {
            system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
            system.total_memory()
        });
        let read = |path: &str| {
            fs::read_to_string(self.proc_root.join(path)).map(|text| text.trim().to_owned()).unwrap_or_default()
        };
        let uname = rustix::system::uname();
        let name = config.hostname.clone().unwrap_or_else(|| uname.nodename().to_string_lossy().into_owned());
        Host {
            name,
            os: uname.sysname().to_string_lossy().to_lowercase(),
            distribution: System::long_os_version().unwrap_or_default(),
            kernel: format!("{} {}", uname.release().to_string_lossy(), uname.version().to_string_lossy()),
            boot_id: read("sys/kernel/random/boot_id"),
            booted_at_ms: System::boot_time().unwrap_or(0) * 1000,
            cpus: std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
            memory_bytes,
            local_networks: Vec::new(),
            ephemeral_ports: port_range(&read("sys/net/ipv4/ip_local_port_range")),
            scope_version: config.version.clone(),
            engine: None,
        }
    }

    /// `at_s` is a clock that only goes forward, in seconds. Rates are zero until there are two samples.
    pub fn metrics(&mut self, at_s: f64) -> HostMetrics {
        self.renew_rates(at_s);
        let load1 = System::load_average().map_or(0.0, |load| load.one);
        let mut metrics = HostMetrics { load1, ..self.rates };
        if let Some(system) = &mut self.system {
            system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_usage());
            system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
            metrics.cpu_percent = f64::from(system.global_cpu_usage());
            metrics.memory_bytes = system.used_memory();
        }
        metrics
    }

    /// What passes through interfaces and disks. The kernel adds that up over all of them for whoever asks.
    fn renew_rates(&mut self, at_s: f64) {
        if self.last.is_some_and(|last| at_s - last.at_s < RATES_S) {
            return;
        }
        let now = self.counters(at_s);
        let Some(last) = self.last.replace(now) else { return };
        let rate = |old, new| per_second(old, new, now.at_s - last.at_s);
        self.rates = HostMetrics {
            received_bytes_per_s: rate(last.received, now.received),
            sent_bytes_per_s: rate(last.sent, now.sent),
            read_bytes_per_s: rate(last.read, now.read),
            written_bytes_per_s: rate(last.written, now.written),
            ..HostMetrics::default()
        };
    }

    fn counters(&mut self, at_s: f64) -> Counters {
        let text = |name: &str| fs::read_to_string(self.proc_root.join(name)).unwrap_or_default();
        let (interfaces, disks) = (text("net/dev"), text("diskstats"));
        let (received, sent) = self.interfaces.sum(interfaces::counters(&interfaces));
        let (read, written) = disk_bytes(&disks);
        Counters { at_s, received, sent, read, written }
    }
}

/// A counter that went backwards was reset: its rate is unknown, so zero.
pub fn per_second(old: u64, new: u64, seconds: f64) -> f64 {
    if seconds <= 0.0 { 0.0 } else { new.saturating_sub(old) as f64 / seconds }
}

/// Received and sent bytes of all interfaces but loopback, of a file such as /proc/net/dev.
pub fn interface_bytes(path: &Path) -> (u64, u64) {
    let text = fs::read_to_string(path).unwrap_or_default();
    interfaces::counters(&text).fold((0, 0), |sum, (_, received, sent)| (sum.0 + received, sum.1 + sent))
}

/// Bytes read and written by whole disks, of /proc/diskstats, which counts sectors of 512 bytes. Partitions and
/// stacked devices would count the same bytes again.
fn disk_bytes(text: &str) -> (u64, u64) {
    let mut sum = (0, 0);
    for line in text.lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (Some(name), Some(read), Some(written)) = (fields.get(2), fields.get(5), fields.get(9)) else { continue };
        if !is_whole_disk(name) {
            continue;
        }
        sum.0 += read.parse::<u64>().unwrap_or(0) * 512;
        sum.1 += written.parse::<u64>().unwrap_or(0) * 512;
    }
    sum
}

fn is_whole_disk(name: &str) -> bool {
    let letters = |prefix: &str| {
        name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase()))
    };
    let numbered = |prefix: &str| name.starts_with(prefix) && !name.trim_start_matches(prefix).contains('p');
    letters("sd") || letters("vd") || letters("xvd") || letters("hd") || numbered("nvme") || numbered("mmcblk")
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let mut ends = text.split_ascii_whitespace().map(str::parse);
    match (ends.next(), ends.next()) {
        (Some(Ok(low)), Some(Ok(high))) => Some((low, high)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_disks_are_counted_once() {
        // Disks of a virtual machine, with a partition and a device-mapper volume.
        let text = " 254       0 vda 100 0 2000 5 50 0 1000 9 0 0 0\n 254       1 vda1 90 0 1900 5 50 0 900 9 0 0 0\n \
                    253       0 dm-0 100 0 2000 5 50 0 1000 9 0 0 0\n 259 0 nvme0n1 1 0 10 0 1 0 20 0 0 0 0\n \
                    259 1 nvme0n1p1 1 0 10 0 1 0 20 0 0 0 0\n";
        assert_eq!(disk_bytes(text), (2010 * 512, 1020 * 512));
    }

    #[test]
    fn a_counter_that_went_backwards_has_no_rate() {
        assert_eq!(per_second(10, 30, 2.0), 10.0);
        assert_eq!(per_second(30, 10, 2.0), 0.0);
        assert_eq!(per_second(10, 30, 0.0), 0.0);
        assert_eq!(per_second(10, 30, -5.0), 0.0);
    }

    #[test]
    fn the_port_range_is_two_numbers() {
        assert_eq!(port_range("32768\t60999\n"), Some((32768, 60999)));
        assert_eq!(port_range(""), None);
    }
}
