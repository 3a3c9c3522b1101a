//! The JSON of a view, put together from the pieces that the engine keeps.

use std::fmt::Write;

use shared::view::Summary;

use crate::view::live::{Fragment, NodeSnapshot, Snapshot};

/// What a reader asks not to be told (Scope's `hideCommandLineArguments` and `hideEnvironmentVariables`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Censor {
    pub arguments: bool,
    pub environment: bool,
}

impl Censor {
    pub fn from_pairs(pairs: &[(String, String)]) -> Self {
        let on = |name: &str| pairs.iter().any(|(n, v)| n == name && v == "true");
        Self { arguments: on("hideCommandLineArguments"), environment: on("hideEnvironmentVariables") }
    }

    pub fn is_idle(self) -> bool {
        self == Self::default()
    }

    pub fn apply(self, summary: &mut Summary) {
        if self.arguments {
            for row in &mut summary.metadata {
                if matches!(row.id.as_str(), "cmdline" | "docker_container_command") {
                    row.value = row.value.split(' ').next().unwrap_or_default().to_owned();
                }
            }
        }
        if self.environment {
            summary.tables.retain(|table| table.id != "docker_env_");
        }
    }
}

/// `{"nodes": {…}, "edges": […]}`.
pub fn view(snapshot: &Snapshot, censor: Censor, now_ms: u64) -> String {
    let mut text = String::with_capacity(snapshot.nodes.len() * 3000 + 1024);
    text.push_str("{\"nodes\":{");
    for (n, item) in snapshot.nodes.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push_str(&json(&item.id));
        text.push(':');
        node(&mut text, item, censor, now_ms);
    }
    text.push_str("},\"edges\":");
    text.push_str(&json(&snapshot.edges));
    text.push('}');
    text
}

/// One node as `view` has it.
pub fn node(text: &mut String, node: &NodeSnapshot, censor: Censor, now_ms: u64) {
    let censored;
    let fragment = if censor.is_idle() {
        &*node.fragment
    } else {
        let mut summary = Summary::clone(&node.summary);
        censor.apply(&mut summary);
        censored = Fragment::of(&summary);
        &censored
    };
    let mut clocks = fragment.clocks.iter();
    for (n, piece) in fragment.pieces.iter().enumerate() {
        if n > 0 {
            let value = clocks.next().map(|row| row.value_at(now_ms)).unwrap_or_default();
            text.push_str(&json(&value));
        }
        text.push_str(piece);
    }
    for (n, measured) in node.measured.iter().enumerate() {
        text.push_str(if n == 0 { ",\"metrics\":[" } else { "," });
        measured.write_json(text);
    }
    if !node.measured.is_empty() {
        text.push(']');
    }
    if !node.adjacency.is_empty() {
        let _ = write!(text, ",\"adjacency\":{}", json(&node.adjacency));
    }
    text.push('}');
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".into())
}
