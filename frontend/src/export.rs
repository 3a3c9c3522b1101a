//! The view in the words of other tools.

use std::collections::{BTreeMap, BTreeSet};

use shared::view::Summary;

use crate::model::Model;

/// Nodes and lines that are shown, in the order of their names.
pub struct Shown<'a> {
    nodes: Vec<(u32, &'a Summary)>,
    /// Between whom, and to which ports.
    lines: BTreeMap<(u32, u32), BTreeSet<u16>>,
}

impl<'a> Shown<'a> {
    /// Of a view that filters narrow to those nodes.
    pub fn of(model: &'a Model, passing: Option<&BTreeSet<u32>>) -> Self {
        let is_shown = |slot: &u32| passing.is_none_or(|passing| passing.contains(slot));
        let mut nodes: Vec<(u32, &Summary)> =
            model.nodes.iter().filter(|(slot, _)| is_shown(slot)).map(|(slot, node)| (*slot, node)).collect();
        nodes.sort_by(|a, b| (&a.1.label, &a.1.id).cmp(&(&b.1.label, &b.1.id)));
        let mut lines: BTreeMap<(u32, u32), BTreeSet<u16>> = BTreeMap::new();
        for edge in model.edges.values().filter(|edge| is_shown(&edge.source) && is_shown(&edge.target)) {
            lines.entry((edge.source, edge.target)).or_default().insert(edge.port);
        }
        Self { nodes, lines }
    }

    /// For Graphviz.
    pub fn dot(&self) -> String {
        let mut out = String::from("digraph scope {\n  rankdir=TB;\n  node [fontname=\"Inter\", fontsize=11];\n");
        let number = self.numbers();
        for (slot, node) in &self.nodes {
            let shape = match node.kind.as_str() {
                "container" => "hexagon",
                "host" | "node" | "peer" => "ellipse",
                "process" => "box",
                "image" => "diamond",
                "service" | "stack" => "septagon",
                "task" => "triangle",
                "daemon" => "pentagon",
                "interface" => "trapezium",
                _ => "oval",
            };
            let label = [node.label.as_str(), node.label_minor.as_str()].map(quoted).join("\\n");
            let label = label.trim_end_matches("\\n");
            out.push_str(&format!("  n{} [label=\"{label}\", shape={shape}];\n", number[slot]));
        }
        for ((source, target), ports) in &self.lines {
            if let (Some(source), Some(target)) = (number.get(source), number.get(target)) {
                out.push_str(&format!("  n{source} -> n{target} [label=\"{}\"];\n", joined(ports)));
            }
        }
        out.push_str("}\n");
        out
    }

    /// For Markdown.
    pub fn mermaid(&self) -> String {
        let mut out = String::from("flowchart TD\n");
        let number = self.numbers();
        for (slot, node) in &self.nodes {
            let minor =
                if node.label_minor.is_empty() { String::new() } else { format!("<br/>{}", entity(&node.label_minor)) };
            out.push_str(&format!("  n{}[\"{}{minor}\"]\n", number[slot], entity(&node.label)));
        }
        for ((source, target), ports) in &self.lines {
            if let (Some(source), Some(target)) = (number.get(source), number.get(target)) {
                out.push_str(&match joined(ports) {
                    ports if ports.is_empty() => format!("  n{source} --> n{target}\n"),
                    ports => format!("  n{source} -- \"{ports}\" --> n{target}\n"),
                });
            }
        }
        out
    }

    fn numbers(&self) -> BTreeMap<u32, usize> {
        self.nodes.iter().enumerate().map(|(n, (slot, _))| (*slot, n)).collect()
    }
}

/// Ports; nothing where a line has none.
fn joined(ports: &BTreeSet<u16>) -> String {
    let ports: Vec<String> = ports.iter().filter(|port| **port > 0).map(u16::to_string).collect();
    ports.join(", ")
}

fn quoted(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c]))
        .collect()
}

/// What Mermaid would take for its own, as an entity.
fn entity(text: &str) -> String {
    let safe = |c: char| c.is_alphanumeric() || " -_.:/,@()+".contains(c);
    text.chars().map(|c| if safe(c) { c.to_string() } else { format!("#{};", u32::from(c)) }).collect()
}

/// Rows of cells for spreadsheets (RFC 4180). A cell that one would take for a formula is told to be text.
pub fn csv(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let cell = |text: &String| {
        let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
        let text = if is_formula { format!("'{text}") } else { text.clone() };
        if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    let line = |row: Vec<String>| row.iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n";
    rows.into_iter().map(line).collect()
}

/// What a file with the view is called: what it shows, and when.
pub fn file_name(topology: &str, at: &str, ending: &str) -> String {
    // To the second.
    let at: String = at.chars().take(19).map(|c| if c.is_ascii_digit() { c } else { '-' }).collect();
    format!("scope-{topology}-{at}.{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::view::{StreamDelta, StreamEdge};

    fn model() -> Model {
        let node = |id: &str, label: &str, kind: &str| Summary {
            id: id.into(),
            label: label.into(),
            label_minor: "h1".into(),
            kind: kind.into(),
            ..Summary::default()
        };
        let edge = |source, target, port| StreamEdge { source, target, port, ..StreamEdge::default() };
        let mut model = Model::default();
        let delta = StreamDelta {
            reset: true,
            nodes: vec![
                (7, node("1", "web", "container")),
                (3, node("2", "a \"b\"]", "host")),
                (5, node("3", "x", "image")),
            ],
            edges: vec![(0, edge(7, 3, 443)), (1, edge(7, 3, 80)), (2, edge(3, 5, 0))],
            ..StreamDelta::default()
        };
        model.take(delta, 0);
        model
    }

    #[test]
    fn a_view_is_a_graph_for_other_tools_and_nothing_in_it_is_taken_for_theirs() {
        let model = model();
        let shown = Shown::of(&model, None);
        let dot = shown.dot();
        assert!(dot.contains("n0 [label=\"a \\\"b\\\"]\\nh1\", shape=ellipse];"), "{dot}");
        assert!(dot.contains("n1 -> n0 [label=\"80, 443\"];"), "{dot}");
        let mermaid = shown.mermaid();
        assert!(mermaid.contains("n0[\"a #34;b#34;#93;<br/>h1\"]"), "{mermaid}");
        assert!(mermaid.contains("n1 -- \"80, 443\" --> n0\n") && mermaid.contains("n0 --> n2\n"), "{mermaid}");
        let part = Shown::of(&model, Some(&[7, 5].into())).mermaid();
        assert!(!part.contains("--") && part.matches("[\"").count() == 2, "{part}");
    }

    #[test]
    fn cells_are_text_whatever_is_in_them() {
        let row = ["a", "b,c", "say \"x\"", "=1+1", "-3"].map(str::to_owned).to_vec();
        assert_eq!(csv([row]), "a,\"b,c\",\"say \"\"x\"\"\",'=1+1,-3\r\n");
    }

    #[test]
    fn a_file_is_named_after_what_it_shows() {
        assert_eq!(file_name("hosts", "2026-11-26T06:57:01.123Z", "csv"), "scope-hosts-2026-11-26-06-57-01.csv");
    }
}
