//! Findings in the order in which they are read: by severity, each with what follows from it below.

use std::collections::BTreeMap;

use shared::view::Finding;

/// By severity; what follows from another stands below it.
pub fn groups(all: &[Finding]) -> Vec<(&'static str, Vec<(Finding, usize)>)> {
    let is_listed = |id: &String| all.iter().any(|finding| finding.id == *id);
    let mut below: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    let mut top = Vec::new();
    for finding in all {
        match finding.because.as_ref().filter(|cause| is_listed(cause) && **cause != finding.id) {
            Some(cause) => below.entry(cause).or_default().push(finding),
            None => top.push(finding),
        }
    }
    fn with_below(
        finding: &Finding,
        depth: usize,
        below: &BTreeMap<&str, Vec<&Finding>>,
        into: &mut Vec<(Finding, usize)>,
    ) {
        into.push((finding.clone(), depth));
        for next in below.get(finding.id.as_str()).into_iter().flatten().filter(|_| depth < 3) {
            with_below(next, depth + 1, below, into);
        }
    }
    /// Whether it is told below that one.
    fn reaches(from: &Finding, wanted: &Finding, below: &BTreeMap<&str, Vec<&Finding>>) -> bool {
        let mut told = Vec::new();
        with_below(from, 0, below, &mut told);
        told.iter().any(|(one, _)| one.id == wanted.id)
    }
    let group = |name, severity: &str| {
        let mut inside = Vec::new();
        for finding in top.iter().filter(|finding| finding.severity == severity) {
            with_below(finding, 0, &below, &mut inside);
        }
        // Of those that follow from one another in a circle, or further down than is told, none is left out.
        let left_out = |finding: &&Finding| !inside.iter().any(|(one, _)| one.id == finding.id);
        let is_below = |finding: &&Finding| !top.iter().any(|one| reaches(one, finding, &below));
        let more: Vec<(Finding, usize)> = all
            .iter()
            .filter(|finding| finding.severity == severity)
            .filter(left_out)
            .filter(is_below)
            .map(|finding| (finding.clone(), 0))
            .collect();
        inside.extend(more);
        (name, inside)
    };
    let mut groups = vec![group("Failing", "failing"), group("Warning", "warning")];
    groups.retain(|(_, inside)| !inside.is_empty());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(id: &str, severity: &str, because: Option<&str>) -> Finding {
        Finding { id: id.into(), severity: severity.into(), because: because.map(Into::into), ..Finding::default() }
    }

    #[test]
    fn what_follows_stands_below_its_cause_and_nothing_is_left_out() {
        let all = [
            finding("w", "warning", None),
            finding("c", "failing", Some("b")),
            finding("a", "failing", None),
            finding("b", "failing", Some("a")),
            finding("d", "failing", Some("gone")),
        ];
        let shape: Vec<(&str, Vec<(String, usize)>)> = groups(&all)
            .into_iter()
            .map(|(name, inside)| (name, inside.into_iter().map(|(f, depth)| (f.id, depth)).collect()))
            .collect();
        let failing = vec![("a".to_owned(), 0), ("b".to_owned(), 1), ("c".to_owned(), 2), ("d".to_owned(), 0)];
        assert_eq!(shape, [("Failing", failing), ("Warning", vec![("w".to_owned(), 0)])]);
    }

    #[test]
    fn those_that_follow_from_one_another_are_told_all_the_same() {
        let all =
            [finding("a", "failing", Some("b")), finding("b", "failing", Some("a")), finding("c", "warning", None)];
        let told: usize = groups(&all).iter().map(|(_, inside)| inside.len()).sum();
        assert_eq!(told, 3);
    }
}
