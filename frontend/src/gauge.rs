//! What the fill of nodes says: one of their metrics.

use shared::view::{Metric, Summary};

use crate::text;

/// The metrics that the nodes of a view have, each once by its label, in the order in which they matter.
pub fn offered<'a>(nodes: impl Iterator<Item = &'a Summary>) -> Vec<String> {
    let mut found: Vec<(f64, String)> = Vec::new();
    for metric in nodes.flat_map(|node| &node.metrics) {
        match found.iter_mut().find(|(_, label)| *label == metric.label) {
            Some((priority, _)) => *priority = priority.min(metric.priority),
            None => found.push((metric.priority, metric.label.clone())),
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    found.into_iter().map(|(_, label)| label).collect()
}

/// The metric that is shown, with the largest value that any node has.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauge {
    pub label: String,
    largest: f64,
}

impl Gauge {
    pub fn of<'a>(label: &str, nodes: impl Iterator<Item = &'a Summary>) -> Self {
        let values = nodes.filter_map(|node| Some(find(node, label)?.value));
        Self { label: label.to_owned(), largest: values.fold(0.0, f64::max) }
    }

    /// How high a node's fill is, 0 to 1, and what it says; none where it has no such metric. What has a natural end is shown
    /// as a part of that, all else as a part of the largest that there is.
    pub fn reading(&self, node: &Summary) -> Option<(f64, String)> {
        let metric = find(node, &self.label)?;
        let words = match metric.format.as_str() {
            "percent" => format!("{:.0}%", metric.value),
            _ => text::metric(&metric.format, "", metric.value),
        };
        Some((self.share_of(metric), words))
    }

    /// How high a node's fill is, as in `reading`.
    pub fn share(&self, node: &Summary) -> Option<f64> {
        Some(self.share_of(find(node, &self.label)?))
    }

    fn share_of(&self, metric: &Metric) -> f64 {
        let whole = if metric.format == "percent" { metric.max.max(1.0) } else { self.largest.max(f64::MIN_POSITIVE) };
        (metric.value / whole).clamp(0.0, 1.0)
    }
}

fn find<'a>(node: &'a Summary, label: &str) -> Option<&'a Metric> {
    node.metrics.iter().find(|metric| metric.label == label)
}

/// The one before or after, round about; the first where none is shown.
pub fn next(offered: &[String], shown: Option<&str>, forward: bool) -> Option<String> {
    let count = offered.len();
    let at = shown.and_then(|shown| offered.iter().position(|label| label == shown));
    let next = match (at, forward) {
        (None, true) => 0,
        (None, false) => count.checked_sub(1)?,
        (Some(at), true) => (at + 1) % count,
        (Some(at), false) => (at + count - 1) % count,
    };
    offered.get(next).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(cpu: f64, memory: f64) -> Summary {
        let metric = |label: &str, format: &str, priority, value, max| Metric {
            label: label.into(),
            format: format.into(),
            priority,
            value,
            max,
            ..Metric::default()
        };
        let metrics = vec![metric("Memory", "filesize", 2.0, memory, 1e12), metric("CPU", "percent", 1.0, cpu, 200.0)];
        Summary { metrics, ..Summary::default() }
    }

    #[test]
    fn a_fill_is_a_part_of_what_there_can_be_or_of_the_largest() {
        let nodes = [node(50.0, 2e6), node(0.0, 4e6), Summary::default()];
        assert_eq!(offered(nodes.iter()), ["CPU", "Memory"]);
        let cpu = Gauge::of("CPU", nodes.iter());
        assert_eq!(cpu.reading(&nodes[0]), Some((0.25, "50%".into())));
        let memory = Gauge::of("Memory", nodes.iter());
        assert_eq!(memory.reading(&nodes[0]), Some((0.5, "2.0\u{2009}MB".into())));
        assert_eq!(memory.reading(&nodes[2]), None);
    }

    #[test]
    fn one_metric_follows_another_round_about() {
        let all = ["a", "b"].map(str::to_owned);
        assert_eq!(next(&all, None, true).as_deref(), Some("a"));
        assert_eq!(next(&all, Some("b"), true).as_deref(), Some("a"));
        assert_eq!(next(&all, Some("a"), false).as_deref(), Some("b"));
        assert_eq!(next(&all, Some("gone"), true).as_deref(), Some("a"));
        assert_eq!(next(&[], None, false), None);
        assert_eq!(next(&[], None, true), None);
    }
}
