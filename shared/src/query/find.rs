//! Looks into a node for what a search wants, and says where it was.

use serde::{Deserialize, Serialize};

use super::measure::Measure;
use super::{How, Query, Term, What, slug};
use crate::view::{Row, Summary, Table, TableRow};

/// Why a node was found, where its name and host do not show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// Of the row, the metric, the table's row, or what kind of parent it is.
    pub label: String,
    #[serde(flatten)]
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A metric, in its own format and unit.
    Number {
        value: f64,
        format: String,
    },
    Text {
        value: String,
    },
}

/// A node that was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// One for each thing that was looked for and is not in the name; in the order in which they were typed.
    pub reasons: Vec<Reason>,
}

/// Of a parent by the topology that it is in; of those that are not here it is the topology's own name.
const PARENTS: [(&str, &str); 9] = [
    ("containers", "container"),
    ("containers-by-image", "image"),
    ("containers-by-stack", "stack"),
    ("hosts", "host"),
    ("swarm-services", "service"),
    ("swarm-tasks", "task"),
    ("swarm-nodes", "node"),
    ("networks", "network"),
    ("processes", "process"),
];

impl Query {
    /// None where the node is not found. `now_ms` is the app's time: some rows are moved on by the clock.
    pub fn find(&self, node: &Summary, now_ms: u64) -> Option<Found> {
        let mut found = Found::default();
        let is_found = self.what.as_ref().is_none_or(|what| what.is_in(node, now_ms, &mut found));
        is_found.then_some(found)
    }

    /// Of a node's tables the first row of each thing that this search looks for: with these it finds in the node what it
    /// finds with all of them.
    pub fn rows(&self, tables: &[Table]) -> Vec<Table> {
        let mut left: Vec<_> = self.terms().into_iter().filter_map(|term| Some((term, term.how.test()?))).collect();
        let mut found = Vec::new();
        for table in tables {
            let mut is_wanted = |row: &&TableRow| {
                let before = left.len();
                left.retain(|(term, is_it)| term.look_into(table, row, is_it).is_none());
                left.len() < before
            };
            let rows: Vec<TableRow> = table.rows.iter().filter(&mut is_wanted).cloned().collect();
            if !rows.is_empty() {
                found.push(Table { rows, ..table.clone() });
            }
        }
        found
    }

    /// Whether what it finds changes with what is measured, and with time.
    pub fn compares(&self) -> bool {
        self.terms().iter().any(|term| matches!(term.how, How::Compares(..)))
    }

    fn terms(&self) -> Vec<&Term> {
        let mut terms = Vec::new();
        self.what.iter().for_each(|what| what.terms(&mut terms));
        terms
    }
}

/// Whether a text is what is looked for.
type Test<'a> = Box<dyn Fn(&str) -> bool + 'a>;

impl How {
    /// None of what is compared.
    fn test(&self) -> Option<Test<'_>> {
        match self {
            Self::Has(wanted) => Some(Box::new(|text| has(text, wanted))),
            Self::Matches(regex) => Some(Box::new(|text| regex.is_match(text))),
            Self::Compares(..) => None,
        }
    }
}

impl What {
    fn terms<'a>(&'a self, found: &mut Vec<&'a Term>) {
        match self {
            Self::All(all) | Self::Any(all) => all.iter().for_each(|what| what.terms(found)),
            Self::Not(what) => what.terms(found),
            Self::Is(term) => found.push(term),
        }
    }

    fn is_in(&self, node: &Summary, now_ms: u64, found: &mut Found) -> bool {
        match self {
            Self::All(all) => all.iter().all(|what| what.is_in(node, now_ms, found)),
            Self::Any(any) => {
                // Each that is found is a reason, not only the first.
                any.iter().fold(false, |is_in, what| {
                    let mut mine = Found::default();
                    let is_mine = what.is_in(node, now_ms, &mut mine);
                    found.reasons.extend(mine.reasons.into_iter().filter(|_| is_mine));
                    is_in || is_mine
                })
            }
            Self::Not(what) => !what.is_in(node, now_ms, &mut Found::default()),
            Self::Is(term) => match term.look(node, now_ms) {
                Some(reason) => {
                    found.reasons.extend(reason.filter(|reason| !found.reasons.contains(reason)));
                    true
                }
                None => false,
            },
        }
    }
}

impl Term {
    /// None where it is not there; else why, unless the name or the host shows it.
    fn look(&self, node: &Summary, now_ms: u64) -> Option<Option<Reason>> {
        match &self.how {
            How::Compares(order, than) => {
                let is_meant = |id: &str, label: &str| self.names(label) || self.names(id);
                let metric = node.metrics.iter().find(|metric| is_meant(&metric.id, &metric.label));
                if let Some(metric) = metric {
                    let value = Value::Number { value: metric.value, format: metric.format.clone() };
                    let reason = Reason { label: metric.label.clone(), value };
                    let is_part = than.is_share && metric.format != "percent" && metric.max > 0.0;
                    let value = if is_part { metric.value / metric.max * 100.0 } else { metric.value };
                    return than.admits(*order, value).then_some(Some(reason));
                }
                let compared = |row: &&Row| {
                    let passed = row.since.map(|since| now_ms.saturating_sub(since) as f64 / 1_000.0);
                    let value = passed.or_else(|| Some(Measure::leading(&row.value)?.value));
                    value.is_some_and(|value| than.admits(*order, value))
                };
                let mut rows = node.metadata.iter().filter(|row| is_meant(&row.id, &row.label));
                rows.find(compared).map(|row| Some(text(&row.label, row.value_at(now_ms).into_owned())))
            }
            How::Has(wanted) => {
                let found = self.look_for(node, now_ms, &|text| has(text, wanted));
                let without_field = |whole: &String| {
                    let term = Self { field: None, how: How::Has(whole.clone()), whole: None };
                    term.look(node, now_ms)
                };
                found.or_else(|| self.whole.as_ref().and_then(without_field))
            }
            How::Matches(regex) => self.look_for(node, now_ms, &|text| regex.is_match(text)),
        }
    }

    fn look_for(&self, node: &Summary, now_ms: u64, is_it: &dyn Fn(&str) -> bool) -> Option<Option<Reason>> {
        if (self.names("name") || self.names("label")) && is_it(&node.label) {
            return Some(None);
        }
        if self.names("host") && is_it(&node.label_minor) {
            return Some(None);
        }
        // Words that hold of so many that nobody looks for them without saying where.
        for (name, value) in [("kind", &node.kind), ("state", &node.state), ("health", &node.health), ("id", &node.id)]
        {
            if self.field.as_deref() == Some(name) && is_it(value) {
                return Some(Some(text(name, value.clone())));
            }
        }
        for row in &node.metadata {
            if self.names(&row.label) || (self.field.is_some() && self.names(&row.id)) {
                let value = row.value_at(now_ms);
                if is_it(&value) {
                    return Some(Some(text(&row.label, value.into_owned())));
                }
            }
        }
        // What is looked for is seldom there: where it would be said to be is worked out only if it is.
        for parent in node.parents.iter().filter(|parent| is_it(&parent.label)) {
            let known = PARENTS.iter().find(|(topology, _)| *topology == parent.topology_id);
            let kind = known.map_or(parent.topology_id.as_str(), |(_, kind)| kind);
            if self.names(kind) {
                return Some(Some(text(kind, parent.label.clone())));
            }
        }
        if self.names("network")
            && let Some(network) = node.networks.iter().find(|network| is_it(&network.label))
        {
            return Some(Some(text("network", network.label.clone())));
        }
        let rows = node.tables.iter().flat_map(|table| table.rows.iter().map(move |row| (table, row)));
        rows.into_iter().find_map(|(table, row)| self.look_into(table, row, is_it)).map(Some)
    }

    /// A table is meant by its own name, by a column's, or, where it lists properties, by that of one of them.
    fn look_into(&self, table: &Table, row: &TableRow, is_it: &dyn Fn(&str) -> bool) -> Option<Reason> {
        let is_table = self.names(&table.label);
        let property = row.entries.get("label").filter(|_| table.columns.is_empty());
        if let (Some(label), Some(value)) = (property, row.entries.get("value")) {
            let is_meant = self.names(label) || self.names_end_of(label);
            let is_found = (is_table && (is_it(value) || is_it(label))) || (is_meant && is_it(value));
            return is_found.then(|| text(label, value.clone()));
        }
        row.entries.iter().find_map(|(column, value)| {
            let label = table.columns.iter().find(|known| known.id == *column).map_or(column, |known| &known.label);
            let is_found = (is_table || self.names(label)) && is_it(value);
            is_found.then(|| text(&format!("{} {}", table.label, label.to_lowercase()), value.clone()))
        })
    }

    /// Labels are named as domains are, the other way round: `com.docker.compose.project` is a `project` too. What all nodes
    /// have by that name goes first.
    fn names_end_of(&self, label: &str) -> bool {
        let is_own = self.field.as_deref().is_some_and(|field| {
            ["name", "label", "host", "kind", "state", "health", "id", "network"].contains(&field)
                || PARENTS.iter().any(|(_, kind)| *kind == field)
        });
        !is_own && label.rsplit_once('.').is_some_and(|(_, last)| self.names(last))
    }

    /// Whether what has this name is looked into.
    fn names(&self, name: &str) -> bool {
        self.field.as_ref().is_none_or(|field| begins(name, field))
    }
}

fn text(label: &str, value: String) -> Reason {
    Reason { label: label.to_owned(), value: Value::Text { value } }
}

/// Whether the letters and digits of a name begin with those, as `slug` has them.
fn begins(name: &str, slugged: &str) -> bool {
    if name.is_ascii() && slugged.is_ascii() {
        let mut name = name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
        return slugged.bytes().all(|wanted| name.next() == Some(wanted));
    }
    slug(name).starts_with(slugged)
}

/// Without regard to case; `wanted` is in lower case.
fn has(text: &str, wanted: &str) -> bool {
    if !text.is_ascii() {
        return text.to_lowercase().contains(wanted);
    }
    let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
    let Some((first, rest)) = wanted.split_first() else { return true };
    let Some(last_start) = text.len().checked_sub(wanted.len()) else { return false };
    // Most places are not even begun as what is wanted, and that is soon seen.
    let begins = |at: &usize| text[*at].to_ascii_lowercase() == *first;
    (0..=last_start).filter(begins).any(|at| text[at + 1..][..rest.len()].eq_ignore_ascii_case(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{Column, Metric, Parent};

    fn node() -> Summary {
        let row = |label: &str, value: &str| Row { label: label.into(), value: value.into(), ..Row::default() };
        let parent = |label: &str, topology: &str| Parent {
            label: label.into(),
            topology_id: topology.into(),
            ..Parent::default()
        };
        let metric = |id: &str, label: &str, format: &str, value| Metric {
            id: id.into(),
            label: label.into(),
            format: format.into(),
            value,
            ..Metric::default()
        };
        let entries = |pairs: &[(&str, &str)]| TableRow {
            entries: pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..TableRow::default()
        };
        let labels = Table {
            label: "Docker labels".into(),
            rows: vec![entries(&[("label", "com.example.tier"), ("value", "front end")])],
            ..Table::default()
        };
        let columns = ["peer", "mac"].map(|id| Column { id: id.into(), label: id.to_uppercase(), ..Column::default() });
        let peers = Table {
            label: "Peers".into(),
            columns: columns.into(),
            rows: vec![entries(&[("peer", "10.9.9.9"), ("mac", "02:42:0a:00:00:02")])],
            ..Table::default()
        };
        Summary {
            label: "web".into(),
            label_minor: "h1".into(),
            kind: "container".into(),
            state: "paused".into(),
            metadata: vec![
                row("IPs", "10.0.1.2"),
                row("Ports", "10.77.0.11:8080->80/tcp"),
                row("Image name", "nginx"),
                row("Restart count", "3"),
                row("Size", "412 MB"),
                Row { since: Some(1_000), template: "Up {}".into(), ..row("Uptime", "") },
            ],
            parents: vec![parent("nginx", "containers-by-image"), parent("shop_web", "swarm-services")],
            networks: vec![parent("mesh", "networks")],
            metrics: vec![
                metric("docker_cpu_total_usage", "CPU", "percent", 74.0),
                Metric { max: 8e9, ..metric("docker_memory_usage", "Memory", "filesize", 2e9) },
            ],
            tables: vec![labels, peers],
            ..Summary::default()
        }
    }

    fn shown(reason: &Reason) -> String {
        match &reason.value {
            Value::Text { value } => format!("{} {value}", reason.label),
            Value::Number { value, .. } => format!("{} {value}", reason.label),
        }
    }

    /// The reasons in order; none where the node is not to be found.
    fn check(query: &str, expect: Option<&[&str]>) {
        let found = Query::parse(query).unwrap().find(&node(), 3_601_000);
        let found: Option<Vec<String>> = found.map(|found| found.reasons.iter().map(shown).collect());
        assert_eq!(found, expect.map(|all| all.iter().map(|one| (*one).to_owned()).collect()), "{query}");
    }

    #[test]
    fn words_are_looked_for_everywhere_and_the_reason_is_given() {
        check("", Some(&[]));
        check("WEB", Some(&[]));
        check("10.0.1", Some(&["IPs 10.0.1.2"]));
        check("web mesh nginx", Some(&["network mesh", "Image name nginx"]));
        check("web db", None);
        check("\"front end\"", Some(&["com.example.tier front end"]));
        check("container", None);
    }

    #[test]
    fn a_field_narrows_where_to_look() {
        check("image:nginx", Some(&["Image name nginx"]));
        check("image:web", None);
        check("host:h1", Some(&[]));
        check("network:mesh", Some(&["network mesh"]));
        check("service:shop", Some(&["service shop_web"]));
        check("state:paused kind:container", Some(&["state paused", "kind container"]));
        check("com.example.tier:front", Some(&["com.example.tier front end"]));
        check("tier:front", Some(&["com.example.tier front end"]));
        check("ier:front", None);
        check("docker-labels:front", Some(&["com.example.tier front end"]));
        check("peers:10.9", Some(&["Peers peer 10.9.9.9"]));
        check("mac:02:42", Some(&["Peers mac 02:42:0a:00:00:02"]));
    }

    #[test]
    fn an_address_or_a_name_with_its_port_is_no_field() {
        check("10.77.0.11:8080", Some(&["Ports 10.77.0.11:8080->80/tcp"]));
        let mut of_service = node();
        of_service.metadata[1].value = "db:5432".into();
        assert!(Query::parse("db:5432").unwrap().find(&of_service, 0).is_some());
        check("db:5432", None);
    }

    #[test]
    fn with_the_rows_that_it_looks_for_a_search_finds_the_same() {
        let whole = node();
        for (query, rows) in [
            ("front", 1),
            ("tier:front", 1),
            ("com.example.tier:front", 1),
            ("not 10.9", 1),
            ("web or /02:42/", 1),
            ("cpu > 50%", 0),
            ("", 0),
        ] {
            let query = Query::parse(query).unwrap();
            let part = Summary { tables: query.rows(&whole.tables), ..whole.clone() };
            assert_eq!(part.tables.iter().map(|table| table.rows.len()).sum::<usize>(), rows, "{query:?}");
            assert_eq!(query.find(&part, 0), query.find(&whole, 0), "{query:?}");
        }
        assert!(Query::parse("a or not (cpu > 5)").unwrap().compares());
        assert!(!Query::parse("a or not b").unwrap().compares());
    }

    #[test]
    fn conditions_are_joined_and_turned_round() {
        check("-db", Some(&[]));
        check("web -mesh", None);
        check("not (db or cache)", Some(&[]));
        check("db or nginx", Some(&["Image name nginx"]));
        check("db or (web and mesh)", Some(&["network mesh"]));
        check("db | web & mesh", Some(&["network mesh"]));
        check("-(-web)", Some(&[]));
        check("-/^w.b$/", None);
        check("/^w.b$/", Some(&[]));
        check("image:/NGIN./", Some(&["Image name nginx"]));
    }

    #[test]
    fn metrics_and_numbers_are_compared_in_their_units() {
        check("cpu > 50%", Some(&["CPU 74"]));
        check("cpu>74", None);
        check("cpu >= 74 %", Some(&["CPU 74"]));
        check("memory < 3GB", Some(&["Memory 2000000000"]));
        check("memory > 2000 MB", None);
        check("memory >= 25%", Some(&["Memory 2000000000"]));
        check("memory > 25%", None);
        check("restart > 2", Some(&["Restart count 3"]));
        check("size >= 412MB", Some(&["Size 412 MB"]));
        check("uptime > 30m", Some(&["Uptime Up About an hour"]));
        check("nothing > 0", None);
        check("not cpu > 50%", None);
    }
}
