//! The search box's words: what is typed and kept, what they find, and what may be typed next.

use std::collections::BTreeMap;

use shared::query::{Query, Reason, Value, Wrong, slug};
use shared::view::{Row, Summary, Table};

use crate::text;

/// So many suggestions of each sort are offered.
const MATCHES_MAX: usize = 6;
const FIELDS_MAX: usize = 4;
const VALUES_MAX: usize = 6;
/// Fields that every node has.
const FIELDS: [&str; 6] = ["name", "host", "network", "kind", "state", "health"];

/// So many nodes are looked at for what may be typed.
const LOOKED_AT: usize = 60;
/// Longer words say little in a box.
const WORD_MAX: usize = 16;

/// Examples of searches that find some of these nodes, for a box that is empty.
pub fn examples(nodes: &BTreeMap<u32, Summary>) -> Vec<String> {
    let some = || nodes.values().filter(|node| !node.pseudo && node.state.is_empty()).take(LOOKED_AT);
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_word = |word: &&str| (2..=WORD_MAX).contains(&word.len()) && word.chars().all(is_plain);
    let shortest = |words: &mut dyn Iterator<Item = &str>| {
        words.filter(is_word).min_by_key(|word| (word.len(), *word)).map(str::to_owned)
    };
    let name = shortest(&mut some().map(|node| text::base_name(&node.label)));
    let parents = |of: &'static str| {
        some().flat_map(move |node| node.parents.iter().filter(move |p| p.topology_id == of)).map(|p| p.label.as_str())
    };
    let host = shortest(&mut parents("hosts")).map(|host| format!("host:{host}"));
    let network = shortest(&mut some().flat_map(|node| &node.networks).map(|network| network.label.as_str()))
        .map(|network| format!("-network:{network}"));
    let percent = some().flat_map(|node| &node.metrics).find(|metric| metric.format == "percent");
    let metric = percent.map(|metric| format!("{} > 50%", slug(&metric.label)));
    [name, host, metric, network].into_iter().flatten().collect()
}

/// What is kept as filters and what is being typed, as one search.
pub fn together(filters: &[String], typed: &str) -> String {
    let mut parts: Vec<String> = filters.iter().map(|filter| format!("({filter})")).collect();
    if !typed.trim().is_empty() {
        parts.push(if parts.is_empty() { typed.trim().to_owned() } else { format!("({})", typed.trim()) });
    }
    parts.join(" ")
}

/// What a search has to look into beside what the stream tells.
pub type Tables = BTreeMap<String, Vec<Table>>;

/// The nodes that a search finds, each with its reasons unless its name or host shows them.
pub fn find<'a>(
    query: &Query,
    nodes: impl Iterator<Item = (&'a u32, &'a Summary)>,
    tables: &Tables,
    now_ms: u64,
) -> BTreeMap<u32, Option<String>> {
    let look = |(slot, node): (&u32, &Summary)| {
        let found = match tables.get(&node.id) {
            Some(tables) => query.find(&Summary { tables: tables.clone(), ..node.clone() }, now_ms),
            None => query.find(node, now_ms),
        };
        Some((*slot, words(&found?.reasons)))
    };
    nodes.filter_map(look).collect()
}

/// The first reason, and how many more there are.
fn words(reasons: &[Reason]) -> Option<String> {
    let first = reason(reasons.first()?);
    Some(match reasons.len() {
        1 => first,
        all => format!("{first}, {} more", all - 1),
    })
}

fn reason(reason: &Reason) -> String {
    match &reason.value {
        Value::Number { value, format } => {
            format!("{} {}", reason.label, text::metric(format, &reason.label, *value))
        }
        Value::Text { value } => format!("{} {}", reason.label, text::shortened(value, 32)),
    }
}

/// What is wrong with what was typed: what of it is right, what is not, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub before: String,
    pub from: String,
    pub why: String,
}

impl Mistake {
    pub fn of(typed: &str, wrong: &Wrong) -> Self {
        let before: String = typed.chars().take(wrong.at).collect();
        let from = typed.chars().skip(wrong.at).collect();
        Self { before, from, why: wrong.message.clone() }
    }
}

/// Something that may be typed, or gone to.
#[derive(Clone, Debug, PartialEq)]
pub enum Suggestion {
    /// A node that is found.
    Match { id: String, kind: String, label: String, minor: String, reason: Option<String> },
    /// What the box says once it is taken, of how many nodes it holds, and what it is.
    Completion { whole: String, shown: String, what: &'static str, count: usize },
}

/// What may come next, where these are all fields that nodes have: nodes that are found, and fields and values that go on with the last word.
pub fn suggest(
    typed: &str,
    nodes: &BTreeMap<u32, Summary>,
    known: &[Field],
    found: Option<&BTreeMap<u32, Option<String>>>,
) -> (Vec<Suggestion>, Vec<Suggestion>) {
    let begun = typed.rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    let head = &typed[..typed.len() - begun.len()];
    let (sign, word) = match begun.strip_prefix(['-', '!']) {
        Some(word) => (&begun[..1], word),
        None => ("", begun),
    };
    let completions = match word.split_once(':') {
        Some((field, value)) if !field.is_empty() => values(nodes, field, value)
            .into_iter()
            .map(|(value, count)| {
                let shown = if value.contains(char::is_whitespace) { format!("\"{value}\"") } else { value };
                let shown = format!("{sign}{field}:{shown}");
                Suggestion::Completion { whole: format!("{head}{shown} "), shown, what: "", count }
            })
            .collect(),
        _ => fields(known, word)
            .into_iter()
            .map(|Field { name: field, is_number, count }| {
                let (shown, what) = match is_number {
                    true => (format!("{sign}{field} > "), "compared"),
                    false => (format!("{sign}{field}:"), "field"),
                };
                Suggestion::Completion { whole: format!("{head}{shown}"), shown: shown.trim_end().into(), what, count }
            })
            .collect(),
    };
    let matches = found.map(|found| matches(nodes, found, word)).unwrap_or_default();
    (matches, completions)
}

/// Those whose name begins as the last word does come first.
fn matches(nodes: &BTreeMap<u32, Summary>, found: &BTreeMap<u32, Option<String>>, word: &str) -> Vec<Suggestion> {
    let word = word.to_lowercase();
    let mut all: Vec<(&Summary, &Option<String>)> =
        found.iter().filter_map(|(slot, reason)| Some((nodes.get(slot)?, reason))).collect();
    all.sort_by_cached_key(|(node, reason)| {
        let label = node.label.to_lowercase();
        (!label.starts_with(&word), reason.is_some(), label)
    });
    let suggestion = |(node, reason): (&Summary, &Option<String>)| Suggestion::Match {
        id: node.id.clone(),
        kind: node.kind.clone(),
        label: text::base_name(&node.label).to_owned(),
        minor: node.label_minor.clone(),
        reason: reason.clone(),
    };
    all.into_iter().take(MATCHES_MAX).map(suggestion).collect()
}

/// Fields whose names begin so, whether they are compared, and how many nodes have them: most first.
fn fields(known: &[Field], begins: &str) -> Vec<Field> {
    let begins = slug(begins);
    if begins.is_empty() {
        return Vec::new();
    }
    let fits = |field: &&Field| field.name.starts_with(&begins) && field.name != begins;
    let mut all: Vec<Field> = known.iter().filter(fits).cloned().collect();
    all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.len().cmp(&b.name.len())));
    all.truncate(FIELDS_MAX);
    all
}

/// Something that nodes have and a search can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    /// It can be compared.
    pub is_number: bool,
    /// How many nodes have it.
    pub count: usize,
}

/// All fields of some nodes, by name.
pub fn known(nodes: &BTreeMap<u32, Summary>) -> Vec<Field> {
    // Thousands of nodes have a few dozen labels among them: what a field is called is worked out once for each.
    let mut labels: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    for node in nodes.values() {
        node.metrics.iter().for_each(|metric| *labels.entry((&metric.label, true)).or_default() += 1);
        node.metadata.iter().for_each(|row| *labels.entry((&row.label, is_number(row))).or_default() += 1);
        if node.parents.iter().any(|parent| parent.topology_id == "containers-by-image") {
            *labels.entry(("image", false)).or_default() += 1;
        }
    }
    labels.extend(FIELDS.map(|field| ((field, false), nodes.len())));
    let mut counts: BTreeMap<(String, bool), usize> = BTreeMap::new();
    for ((label, is_number), count) in labels {
        // A rate is known by what there is so much of a second.
        *counts.entry((slug(label.trim_end_matches("/s")), is_number)).or_default() += count;
    }
    let field = |((name, is_number), count)| Field { name, is_number, count };
    counts.into_iter().map(field).filter(|field| !field.name.is_empty()).collect()
}

fn is_number(row: &Row) -> bool {
    row.since.is_some() || matches!(row.data_type.as_str(), "number" | "integer" | "percent" | "filesize" | "duration")
}

/// Values of a field that have these letters in them, and how many nodes have each: most first.
fn values(nodes: &BTreeMap<u32, Summary>, field: &str, has: &str) -> Vec<(String, usize)> {
    let (field, has) = (slug(field), has.trim_start_matches('"').to_lowercase());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for node in nodes.values() {
        let mut mine: Vec<&str> = Vec::new();
        match field.as_str() {
            "name" => mine.push(&node.label),
            "kind" => mine.push(&node.kind),
            "state" => mine.push(&node.state),
            "health" => mine.push(&node.health),
            "network" | "networks" => mine.extend(node.networks.iter().map(|network| network.label.as_str())),
            "host" => {
                let hosts = node.parents.iter().filter(|parent| parent.topology_id == "hosts");
                mine.extend(hosts.map(|parent| parent.label.as_str()));
            }
            "image" => {
                let images = node.parents.iter().filter(|parent| parent.topology_id == "containers-by-image");
                mine.extend(images.map(|parent| parent.label.as_str()));
            }
            _ => {
                let rows =
                    node.metadata.iter().filter(|row| row.since.is_none() && slug(&row.label).starts_with(&field));
                mine.extend(rows.map(|row| row.value.as_str()));
            }
        }
        mine.sort_unstable();
        mine.dedup();
        for value in mine.into_iter().filter(|value| !value.is_empty() && value.len() <= 60) {
            let lower = value.to_lowercase();
            if lower.contains(&has) && lower != has {
                *counts.entry(value.to_owned()).or_default() += 1;
            }
        }
    }
    let mut all: Vec<(String, usize)> = counts.into_iter().collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.truncate(VALUES_MAX);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::view::{Metric, Parent, TableRow};

    #[test]
    fn examples_are_of_what_there_is_and_can_be_searched_for() {
        assert_eq!(examples(&BTreeMap::new()), Vec::<String>::new());
        let pseudo = Summary { pseudo: true, ..node("in", "", 0.0) };
        let all =
            [pseudo, node("odd (one)", "nginx", 3.0), node("much-too-long-for-a-box", "", 1.0), node("web", "", 80.0)];
        let nodes: BTreeMap<u32, Summary> = (0..).zip(all).collect();
        let found = examples(&nodes);
        assert_eq!(found, ["web", "host:h1", "cpu > 50%", "-network:mesh"]);
        let finds =
            |example: &String| find(&Query::parse(example).expect(example), nodes.iter(), &Tables::new(), 0).len();
        assert_eq!(found.iter().map(finds).collect::<Vec<_>>(), [1, 4, 1, 0]);
    }

    fn node(label: &str, image: &str, cpu: f64) -> Summary {
        let row = Row { label: "Image name".into(), value: image.into(), ..Row::default() };
        let parent = |label: &str, topology: &str| Parent {
            label: label.into(),
            topology_id: topology.into(),
            ..Parent::default()
        };
        let metric = Metric { label: "CPU".into(), format: "percent".into(), value: cpu, ..Metric::default() };
        Summary {
            id: format!("id-{label}"),
            label: label.into(),
            kind: "container".into(),
            metadata: vec![row],
            parents: vec![parent(image, "containers-by-image"), parent("h1", "hosts")],
            networks: vec![parent("mesh", "networks")],
            metrics: vec![metric],
            ..Summary::default()
        }
    }

    fn nodes() -> BTreeMap<u32, Summary> {
        let all = [node("web", "nginx", 74.0), node("db", "postgres", 3.0), node("dbadmin", "my tool", 0.5)];
        (0..).zip(all).collect()
    }

    fn found(query: &str, tables: &Tables) -> Vec<(u32, Option<String>)> {
        let nodes = nodes();
        find(&Query::parse(query).unwrap(), nodes.iter(), tables, 0).into_iter().collect()
    }

    #[test]
    fn what_is_found_says_why_and_what_more() {
        let none = Tables::new();
        assert_eq!(found("web", &none), [(0, None)]);
        assert_eq!(found("cpu > 50%", &none), [(0, Some("CPU 74\u{2009}%".into()))]);
        assert_eq!(found("cpu > 50% nginx", &none), [(0, Some("CPU 74\u{2009}%, 1 more".into()))]);
        let entries = [("label", "tier"), ("value", "front")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let rows = vec![TableRow { entries: entries.into(), ..TableRow::default() }];
        let tables = [("id-db".to_owned(), vec![Table { rows, ..Table::default() }])].into();
        assert_eq!(found("tier:front", &tables), [(1, Some("tier front".into()))]);
        assert_eq!(found("-tier:front -web", &tables), [(2, None)]);
    }

    #[test]
    fn filters_and_what_is_typed_are_one_search() {
        let filters = ["a or b".to_owned(), "c".to_owned()];
        assert_eq!(together(&filters, " d or e "), "(a or b) (c) (d or e)");
        assert_eq!(together(&[], "d or e"), "d or e");
        assert_eq!(together(&filters[..1], "  "), "(a or b)");
        assert_eq!(together(&[], ""), "");
    }

    fn completions(typed: &str) -> Vec<(String, usize)> {
        let of = |suggestion| match suggestion {
            Suggestion::Completion { whole, count, .. } => Some((whole, count)),
            Suggestion::Match { .. } => None,
        };
        suggest(typed, &nodes(), &known(&nodes()), None).1.into_iter().filter_map(of).collect()
    }

    #[test]
    fn fields_and_their_values_go_on_with_the_last_word() {
        let names = |typed: &str| completions(typed).into_iter().map(|(whole, _)| whole).collect::<Vec<_>>();
        assert_eq!(names("web im"), ["web image:", "web imagename:"]);
        assert_eq!(names("-cp"), ["-cpu > "]);
        assert_eq!(names(""), [""; 0]);
        assert_eq!(completions("network:"), [("network:mesh ".into(), 3)]);
        assert_eq!(completions("(image:my"), [("(image:\"my tool\" ".into(), 1)]);
        assert_eq!(completions("a -host:h"), [("a -host:h1 ".into(), 3)]);
        assert_eq!(completions("network:mesh"), [], "it is there");
    }

    #[test]
    fn nodes_that_begin_so_are_offered_first() {
        let nodes = nodes();
        let all = find(&Query::parse("db").unwrap(), nodes.iter(), &Tables::new(), 0);
        let labels: Vec<String> = suggest("db", &nodes, &[], Some(&all))
            .0
            .into_iter()
            .filter_map(|suggestion| match suggestion {
                Suggestion::Match { label, .. } => Some(label),
                Suggestion::Completion { .. } => None,
            })
            .collect();
        assert_eq!(labels, ["db", "dbadmin"]);
    }

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        let wrong = Query::parse("ü cpu > much").unwrap_err();
        let mistake = Mistake::of("ü cpu > much", &wrong);
        assert_eq!((mistake.before.as_str(), mistake.from.as_str()), ("ü cpu > ", "much"));
    }
}
