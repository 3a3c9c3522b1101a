//! What a node says of itself, written once and sent many times.

use std::hash::{DefaultHasher, Hash, Hasher};

use shared::view::{self, Row, Summary};

/// A node's JSON but for its metrics and its neighbours, with gaps where the clock's values go.
#[derive(Debug, PartialEq)]
pub struct Fragment {
    /// An object that is not closed.
    text: Box<str>,
    clocks: Box<[Clock]>,
    /// Where the tables begin: streams leave them out, they are long and looked at one by one.
    tables_at: usize,
    pub hash: u64,
}

/// A value that the clock moves on.
#[derive(Debug, PartialEq)]
struct Clock {
    /// Where in the text it goes.
    at: usize,
    since_ms: u64,
    template: Box<str>,
}

impl Fragment {
    pub fn of(mut summary: Summary) -> Self {
        let metadata = std::mem::take(&mut summary.metadata);
        let tables = std::mem::take(&mut summary.tables);
        (summary.metrics, summary.adjacency) = (Vec::new(), Vec::new());
        let mut text = json(&summary);
        text.pop();
        let mut clocks = Vec::new();
        for (n, row) in metadata.iter().enumerate() {
            text.push_str(if n == 0 { ",\"metadata\":[" } else { "," });
            let start = text.len();
            let Some(since_ms) = row.since else {
                text.push_str(&json(row));
                continue;
            };
            text.push_str(&json(&Row { value: String::new(), ..row.clone() }));
            // Ids and labels of such rows are our own words, so this is the value and nothing that looks like it.
            if let Some(at) = text[start..].find("\"value\":\"") {
                let at = start + at + "\"value\":\"".len();
                clocks.push(Clock { at, since_ms, template: row.template.as_str().into() });
            }
        }
        if !metadata.is_empty() {
            text.push(']');
        }
        let tables_at = text.len();
        if !tables.is_empty() {
            text.push_str(",\"tables\":");
            text.push_str(&json(&tables));
        }
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self { text: text.into(), clocks: clocks.into(), tables_at, hash: hasher.finish() }
    }

    /// What it was made of.
    pub fn summary(&self) -> Summary {
        serde_json::from_str(&format!("{}}}", self.text)).unwrap_or_default()
    }

    /// The object but for its end.
    pub fn write(&self, text: &mut Vec<u8>, now_ms: u64) {
        let mut from = 0;
        for Clock { at, since_ms, template } in &self.clocks {
            text.extend_from_slice(&self.text.as_bytes()[from..*at]);
            // Nothing in it that JSON escapes.
            text.extend_from_slice(view::clock(*since_ms, template, now_ms).as_bytes());
            from = *at;
        }
        text.extend_from_slice(&self.text.as_bytes()[from..]);
    }

    /// As streams have it: without tables, and the clock is the reader's.
    pub fn write_for_stream(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(&self.text.as_bytes()[..self.tables_at]);
    }

    /// Of its text, bytes.
    pub fn size(&self) -> usize {
        self.text.len()
    }
}

/// As JSON writes it, without the quotes.
pub fn escaped(text: &str) -> String {
    unquoted(&json(text)).to_owned()
}

pub fn unquoted(json: &str) -> &str {
    json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json)
}

pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::view::{Table, TableRow};

    fn summary() -> Summary {
        let table = Table { id: "t".into(), rows: vec![TableRow::default()], ..Table::default() };
        let plain = Row { id: "cmdline".into(), value: "sh -c \"\u{1}\"".into(), ..Row::default() };
        let clock = Row { id: "state".into(), since: Some(1_000), template: "Up {}".into(), ..Row::default() };
        Summary {
            id: "a\"b".into(),
            label: "\"value\":\"".into(),
            metadata: vec![plain, clock],
            tables: vec![table],
            ..Summary::default()
        }
    }

    #[test]
    fn a_fragment_is_the_summary_with_the_clock_told() {
        let fragment = Fragment::of(summary());
        let mut text = Vec::new();
        fragment.write(&mut text, 6_000);
        text.push(b'}');
        let mut expected = summary();
        expected.metadata[1].value = "Up 5 seconds".into();
        assert_eq!(serde_json::from_slice::<Summary>(&text).unwrap(), expected);
        assert_eq!(fragment.summary(), summary(), "and gives back what it was made of");
    }
}
