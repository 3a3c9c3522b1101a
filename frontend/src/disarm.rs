//! What others named may turn the direction of writing around or hide in it: such marks are shown and not obeyed. Ids stay
//! as they are, as the app is asked by them.

use std::borrow::Cow;

use shared::view::{Children, Connections, Details, Finding, Parent, Row, Summary, Table};

/// Whether a character changes how others are written, or cannot be seen.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The text with what is hidden in it to be seen. Lines stay lines.
pub fn shown(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c == '\n' || c == '\t' || !is_hidden(c);
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let seen = |c: char| match c {
        c if is_plain(c) => c.to_string(),
        // Pictures of the control codes.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}').to_string(),
        c => format!("‹U+{:04X}›", u32::from(c)),
    };
    Cow::Owned(text.chars().map(seen).collect())
}

fn text(text: &mut String) {
    if let Cow::Owned(seen) = shown(text) {
        *text = seen;
    }
}

fn rows(rows: &mut [Row]) {
    for row in rows {
        text(&mut row.label);
        text(&mut row.value);
    }
}

fn parents(parents: &mut [Parent]) {
    parents.iter_mut().for_each(|parent| text(&mut parent.label));
}

fn tables(tables: &mut [Table]) {
    for table in tables {
        text(&mut table.label);
        for value in table.rows.iter_mut().flat_map(|row| row.entries.values_mut()) {
            text(value);
        }
    }
}

pub fn summary(node: &mut Summary) {
    text(&mut node.label);
    text(&mut node.label_minor);
    rows(&mut node.metadata);
    parents(&mut node.parents);
    parents(&mut node.networks);
    tables(&mut node.tables);
}

pub fn details(details: &mut Details) {
    summary(&mut details.summary);
    for Children { nodes, .. } in &mut details.children {
        nodes.iter_mut().for_each(summary);
    }
    for Connections { connections, .. } in &mut details.connections {
        for row in connections {
            text(&mut row.label);
            text(&mut row.label_minor);
            rows(&mut row.metadata);
        }
    }
    details.findings.iter_mut().for_each(finding);
}

pub fn finding(finding: &mut Finding) {
    text(&mut finding.subject.label);
    text(&mut finding.summary);
    text(&mut finding.advice);
    finding.evidence.iter_mut().for_each(|side| text(&mut side.says));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_writing_around_is_seen_and_what_is_written_so_stays() {
        assert_eq!(shown("invoice\u{202e}gnp.exe"), "invoice‹U+202E›gnp.exe");
        assert_eq!(shown("a\u{1b}[31mb\u{200b}"), "a␛[31mb‹U+200B›");
        for plain in ["web-1", "שלום", "名前", "a\nb\tc", "<b>", ""] {
            assert!(matches!(shown(plain), Cow::Borrowed(same) if same == plain));
        }
    }

    #[test]
    fn every_name_of_a_node_is_disarmed_and_its_id_is_not() {
        let bad = || "x\u{202e}y".to_owned();
        let seen = "x‹U+202E›y";
        let row = || Row { id: bad(), value: bad(), ..Row::default() };
        let parent = Parent { id: bad(), label: bad(), ..Parent::default() };
        let node = Summary {
            id: bad(),
            label: bad(),
            label_minor: bad(),
            metadata: vec![row()],
            parents: vec![parent.clone()],
            networks: vec![parent],
            ..Summary::default()
        };
        let mut all = Details {
            summary: node.clone(),
            children: vec![Children { nodes: vec![node], ..Children::default() }],
            ..Details::default()
        };
        details(&mut all);
        for node in [&all.summary, &all.children[0].nodes[0]] {
            assert_eq!((node.id.as_str(), node.label.as_str(), node.label_minor.as_str()), ("x\u{202e}y", seen, seen));
            assert_eq!((node.metadata[0].value.as_str(), node.metadata[0].id.as_str()), (seen, "x\u{202e}y"));
            assert_eq!((node.parents[0].label.as_str(), node.networks[0].label.as_str()), (seen, seen));
        }
    }
}
