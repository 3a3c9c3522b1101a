//! Who uses how much of each host: the host, its containers below it, their processes below these.

use std::collections::BTreeMap;

use shared::view::Summary;

use crate::text;

/// What is shown as width.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resource {
    #[default]
    Cpu,
    Memory,
}

impl Resource {
    pub const ALL: [Self; 2] = [Self::Cpu, Self::Memory];

    pub fn id(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Memory => "Memory",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.id() == id)
    }

    /// Which processes are asked for: those that are worth a look, in the language of searches.
    pub fn worth_a_look(self) -> &'static str {
        match self {
            Self::Cpu => "cpu >= 1%",
            Self::Memory => "memory >= 8MB",
        }
    }

    /// Cores or bytes in words.
    pub fn words(self, amount: f64) -> String {
        match self {
            Self::Cpu if amount < 10.0 => format!("{amount:.2}"),
            Self::Cpu => format!("{amount:.1}"),
            Self::Memory => text::metric("filesize", "", amount),
        }
    }

    /// The same of a mark of the scale, which is round.
    pub fn mark(self, amount: f64) -> String {
        match self {
            Self::Cpu => format!("{amount:.3}").trim_end_matches('0').trim_end_matches('.').to_owned(),
            Self::Memory => text::metric("filesize", "", amount),
        }
    }

    /// What a node uses, in cores or bytes.
    fn used(self, node: &Summary) -> f64 {
        let metric = node.metrics.iter().find(|metric| metric.label == self.label());
        let value = metric.map_or(0.0, |metric| metric.value);
        match self {
            // Of one core, in percent; hosts are apart.
            Self::Cpu => value / 100.0,
            Self::Memory => value,
        }
    }
}

/// One that uses something, or many that use little.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bar {
    /// Empty for those that are too small to be shown one by one.
    pub id: String,
    pub label: String,
    /// Cores or bytes: where it begins, and how much it is.
    pub from: f64,
    pub used: f64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    pub id: String,
    pub label: String,
    pub used: f64,
    pub whole: f64,
    pub containers: Vec<Bar>,
    pub processes: Vec<Bar>,
}

impl Machine {
    /// Where the last of its bars ends, cores or bytes: what is measured at different moments may be more than there is.
    pub fn end(&self) -> f64 {
        let ends = self.containers.iter().chain(&self.processes).map(|bar| bar.from + bar.used);
        ends.fold(self.whole.max(self.used), f64::max)
    }
}

/// Hosts by name, with what runs on each by how much it uses. What is less than `least` of the largest host is put together.
pub fn machines(
    resource: Resource,
    hosts: &[Summary],
    containers: &[Summary],
    processes: &[Summary],
    least: f64,
) -> Vec<Machine> {
    // What is outside is no machine of ours.
    let own = hosts.iter().filter(|host| !host.pseudo);
    let mut machines: Vec<Machine> = own.map(|host| machine(resource, host)).collect();
    machines.sort_by(|a, b| a.label.cmp(&b.label));
    let smallest = machines.iter().map(|machine| machine.whole).fold(0.0, f64::max) * least;
    let mut on: BTreeMap<&str, (Vec<&Summary>, Vec<&Summary>)> = BTreeMap::new();
    for node in containers.iter().filter(|node| !node.pseudo) {
        on.entry(parent(node, "hosts")).or_default().0.push(node);
    }
    for node in processes.iter().filter(|node| !node.pseudo) {
        on.entry(parent(node, "hosts")).or_default().1.push(node);
    }
    for machine in &mut machines {
        let Some((containers, processes)) = on.remove(machine.id.as_str()) else { continue };
        machine.containers = row(resource, &containers, smallest, 0.0);
        let mut of: BTreeMap<&str, Vec<&Summary>> = BTreeMap::new();
        for process in processes {
            of.entry(parent(process, "containers")).or_default().push(process);
        }
        // Each below its container; those of small containers and of none after all others.
        let mut rest: Vec<&Summary> = Vec::new();
        let mut end = 0.0;
        for bar in machine.containers.iter().filter(|bar| !bar.id.is_empty()) {
            let own = row(resource, &of.remove(bar.id.as_str()).unwrap_or_default(), smallest, bar.from.max(end));
            end = own.last().map_or(end, |last| last.from + last.used);
            machine.processes.extend(own);
        }
        rest.extend(of.into_values().flatten());
        let from = machine.containers.iter().filter(|bar| !bar.id.is_empty()).map(|bar| bar.from + bar.used);
        machine.processes.extend(row(resource, &rest, smallest, from.fold(end, f64::max)));
    }
    machines
}

fn machine(resource: Resource, host: &Summary) -> Machine {
    let metric = host.metrics.iter().find(|metric| metric.label == resource.label());
    let (value, most) = metric.map_or((0.0, 0.0), |metric| (metric.value, metric.max));
    let cores = host.metadata.iter().find(|row| row.id == "host_cpus").and_then(|row| row.value.parse::<f64>().ok());
    let (used, whole) = match resource {
        // Of all cores together, in percent.
        Resource::Cpu => (value / 100.0 * cores.unwrap_or(1.0), cores.unwrap_or(1.0)),
        Resource::Memory => (value, most),
    };
    Machine { id: host.id.clone(), label: host.label.clone(), used, whole, ..Machine::default() }
}

fn parent<'a>(node: &'a Summary, topology: &str) -> &'a str {
    node.parents.iter().find(|parent| parent.topology_id == topology).map_or("", |parent| parent.id.as_str())
}

/// One after the other, those that use most first.
fn row(resource: Resource, nodes: &[&Summary], smallest: f64, from: f64) -> Vec<Bar> {
    let mut sized: Vec<(f64, &Summary)> = nodes.iter().map(|node| (resource.used(node), *node)).collect();
    sized.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
    let small = sized.iter().position(|(used, _)| *used < smallest || *used <= 0.0).unwrap_or(sized.len());
    let rest = sized.split_off(small);
    let mut at = from;
    let mut bars = Vec::with_capacity(sized.len() + 1);
    let mut add = |id: String, label: String, used: f64| {
        bars.push(Bar { id, label, from: at, used });
        at += used;
    };
    for (used, node) in sized {
        add(node.id.clone(), text::base_name(&node.label).to_owned(), used);
    }
    let left: f64 = rest.iter().map(|(used, _)| used).sum();
    if !rest.is_empty() && left > 0.0 {
        add(String::new(), format!("{} smaller", text::grouped(rest.len())), left);
    }
    bars
}

/// Marks of a scale up to `most`: four to eight in what is seen at once, at numbers that are round in cores or bytes.
pub fn marks(resource: Resource, most: f64, zoom: f64) -> Vec<f64> {
    let base = match resource {
        Resource::Cpu => 10f64,
        Resource::Memory => 2.0,
    };
    let steps: &[f64] = if resource == Resource::Cpu { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let seen = most / zoom;
    let mut scale = base.powf((seen / 8.0).max(1e-9).log(base).floor());
    let step = loop {
        match steps.iter().map(|step| step * scale).find(|step| seen / step <= 8.0) {
            Some(step) => break step,
            None => scale *= base,
        }
    };
    (0..=(most / step + 1e-9) as usize).map(|n| n as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::view::{Metric, Parent, Row};

    fn node(id: &str, parents: &[(&str, &str)], cpu: f64, memory: f64) -> Summary {
        let metric = |label: &str, value, max| Metric { label: label.into(), value, max, ..Metric::default() };
        let parent = |(topology, id): &(&str, &str)| Parent {
            id: (*id).into(),
            topology_id: (*topology).into(),
            ..Parent::default()
        };
        Summary {
            id: id.into(),
            label: id.into(),
            parents: parents.iter().map(parent).collect(),
            metrics: vec![metric("CPU", cpu, 100.0), metric("Memory", memory, 1000.0)],
            ..Summary::default()
        }
    }

    fn host(id: &str, cores: u32, cpu: f64) -> Summary {
        let cores = Row { id: "host_cpus".into(), value: cores.to_string(), ..Row::default() };
        Summary { metadata: vec![cores], ..node(id, &[], cpu, 500.0) }
    }

    #[test]
    fn processes_stand_below_their_containers_and_small_ones_together() {
        let outside = Summary { pseudo: true, ..host("outside", 1, 0.0) };
        let hosts = [host("h2", 2, 0.0), outside, host("h1", 8, 50.0)];
        let on = [("hosts", "h1")];
        let containers = [
            node("small", &on, 1.0, 0.0),
            node("big", &on, 150.0, 0.0),
            node("mid", &on, 50.0, 0.0),
            node("idle", &on, 0.0, 0.0),
        ];
        let of = |container: &'static str| [("hosts", "h1"), ("containers", container)];
        let processes = [
            node("p1", &of("big"), 100.0, 0.0),
            node("p2", &of("big"), 40.0, 0.0),
            node("p3", &of("mid"), 49.0, 0.0),
            node("p4", &on, 120.0, 0.0),
        ];
        let machines = machines(Resource::Cpu, &hosts, &containers, &processes, 0.005);
        let names: Vec<&str> = machines.iter().map(|machine| machine.label.as_str()).collect();
        assert_eq!(names, ["h1", "h2"]);
        let h1 = &machines[0];
        assert_eq!((h1.used, h1.whole), (4.0, 8.0));
        let bars = |bars: &[Bar]| bars.iter().map(|bar| (bar.label.clone(), bar.from, bar.used)).collect::<Vec<_>>();
        let told =
            |told: &[(&str, f64, f64)]| told.iter().map(|(l, f, u)| ((*l).to_owned(), *f, *u)).collect::<Vec<_>>();
        assert_eq!(bars(&h1.containers), told(&[("big", 0.0, 1.5), ("mid", 1.5, 0.5), ("2 smaller", 2.0, 0.01)]));
        assert_eq!(
            bars(&h1.processes),
            told(&[("p1", 0.0, 1.0), ("p2", 1.0, 0.4), ("p3", 1.5, 0.49), ("p4", 2.0, 1.2)])
        );
        assert!(machines[1].containers.is_empty());
        assert_eq!(h1.end(), 8.0, "of the host");
        let over = Machine { whole: 2.0, used: 1.0, ..h1.clone() };
        assert_eq!(over.end(), 3.2, "of the last process");
    }

    #[test]
    fn a_scale_has_few_marks_at_round_numbers() {
        assert_eq!(marks(Resource::Cpu, 8.0, 1.0), (0..=8).map(f64::from).collect::<Vec<_>>());
        assert_eq!(marks(Resource::Cpu, 12.0, 1.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
        assert_eq!(marks(Resource::Cpu, 128.0, 1.0).len(), 7);
        let gib = 1024f64.powi(3);
        assert_eq!(
            marks(Resource::Memory, 32.0 * gib, 1.0),
            (0..=8).map(|n| f64::from(n) * 4.0 * gib).collect::<Vec<_>>()
        );
        for most in [0.5, 1.0, 3.0, 96.0, 1000.0] {
            assert!((2..=9).contains(&marks(Resource::Cpu, most, 1.0).len()), "{most}");
            // As many where only a part is seen.
            assert!((8..=65).contains(&marks(Resource::Cpu, most, 8.0).len()), "{most}");
        }
        let words: Vec<String> =
            marks(Resource::Cpu, 1.0, 4.0).into_iter().map(|mark| Resource::Cpu.mark(mark)).collect();
        assert_eq!(words[..4], ["0", "0.05", "0.1", "0.15"]);
        assert_eq!(Resource::Cpu.mark(10.0), "10");
    }
}
