//! Which nodes a search finds, and why.

use shared::view::Summary;

use crate::text;

/// A search as it was typed: words that must all be found, each in any field or in the one that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    /// Start of a field's label in lower case, such as `image` or `host`.
    field: Option<String>,
    text: String,
    negated: bool,
}

impl Query {
    /// Words are parted by spaces, `field:text` looks in one field, `-` before a word excludes.
    pub fn parse(text: &str) -> Self {
        let terms = text.split_whitespace().map(|word| {
            let (negated, word) = match word.strip_prefix('-') {
                Some(rest) if !rest.is_empty() => (true, rest),
                _ => (false, word),
            };
            let word = word.to_lowercase();
            // An address with a port is no field: fields are words.
            let field = word
                .split_once(':')
                .filter(|(field, rest)| !rest.is_empty() && field.chars().all(|c| c.is_alphabetic() || c == '-'));
            let (field, text) = match field {
                Some((field, rest)) if !field.is_empty() => (Some(field.to_owned()), rest.to_owned()),
                _ => (None, word.clone()),
            };
            Term { field, text, negated }
        });
        Self(terms.collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// None where the node is not found; else where the first word was found, unless that is the label.
    pub fn find(&self, node: &Summary) -> Option<Option<String>> {
        let mut reason = None;
        for term in &self.0 {
            let found = term.look(node);
            match (found, term.negated) {
                (Some(_), true) | (None, false) => return None,
                (Some(why), false) => reason = reason.or(why),
                (None, true) => {}
            }
        }
        Some(reason)
    }
}

impl Term {
    fn look(&self, node: &Summary) -> Option<Option<String>> {
        let wanted = |label: &str| {
            let slug: String = label.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
            self.field.as_ref().is_none_or(|field| slug.starts_with(&field.replace('-', "")))
        };
        let has = |text: &str| text.to_lowercase().contains(&self.text);
        if wanted("name") && has(&node.label) {
            return Some(None);
        }
        if wanted("host") && has(&node.label_minor) {
            return Some(None);
        }
        for row in &node.metadata {
            if wanted(&row.label) && has(&row.value) {
                return Some(Some(format!("{} {}", row.label, text::shortened(&row.value, 32))));
            }
        }
        let kinds = [("containers", "container"), ("containers-by-image", "image"), ("hosts", "host")];
        for parent in &node.parents {
            let kind = kinds.iter().find(|(topology, _)| *topology == parent.topology_id).map_or("", |(_, kind)| kind);
            if wanted(kind) && has(&parent.label) {
                return Some(Some(format!("{kind} {}", parent.label)));
            }
        }
        let network = node.networks.iter().find(|network| wanted("network") && has(&network.label))?;
        Some(Some(format!("network {}", network.label)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::view::{Parent, Row};

    fn check(query: &str, expect: Option<Option<&str>>) {
        let row = |label: &str, value: &str| Row { label: label.into(), value: value.into(), ..Row::default() };
        let parent = |label: &str, topology: &str| Parent {
            label: label.into(),
            topology_id: topology.into(),
            ..Parent::default()
        };
        let node = Summary {
            label: "web".into(),
            label_minor: "h1".into(),
            metadata: vec![row("IPs", "10.0.1.2"), row("Ports", "10.77.0.11:8080->80/tcp"), row("Image name", "nginx")],
            parents: vec![parent("nginx", "containers-by-image")],
            networks: vec![parent("mesh", "networks")],
            ..Summary::default()
        };
        let found = Query::parse(query).find(&node);
        assert_eq!(found, expect.map(|why| why.map(str::to_owned)), "{query}");
    }

    #[test]
    fn words_are_looked_for_everywhere_and_the_reason_is_given() {
        check("WEB", Some(None));
        check("10.0.1", Some(Some("IPs 10.0.1.2")));
        check("web mesh", Some(Some("network mesh")));
        check("web db", None);
    }

    #[test]
    fn a_field_narrows_where_to_look() {
        check("image:nginx", Some(Some("Image name nginx")));
        check("image:web", None);
        check("host:h1", Some(None));
        check("network:mesh", Some(Some("network mesh")));
    }

    #[test]
    fn an_address_with_its_port_is_no_field() {
        check("10.77.0.11:8080", Some(Some("Ports 10.77.0.11:8080->80/tcp")));
    }

    #[test]
    fn a_minus_excludes() {
        check("-db", Some(None));
        check("web -mesh", None);
    }
}
