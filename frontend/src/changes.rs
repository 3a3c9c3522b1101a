//! What came to a view and what went from it in the last minutes, since the view was opened.

use std::collections::BTreeMap;

use shared::view::Summary;

/// For so long it is known who came and who went.
pub const KEPT_MS: u64 = 15 * 60_000;
/// Of those that went so many are known by name; of more only how many.
const GONE_MAX: usize = 500;
/// Who is back within this time was not away.
const MOMENT_MS: u64 = 15_000;
/// Minutes that can be looked back.
pub const WINDOWS: [u32; 3] = [1, 5, 15];

#[derive(Clone, Debug, PartialEq)]
pub struct Gone {
    pub node: Summary,
    pub at_ms: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// By id, when.
    came: BTreeMap<String, u64>,
    /// Oldest first.
    went: Vec<Gone>,
    /// When those went that are not known by name.
    unnamed: Vec<u64>,
}

/// What is marked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marks {
    /// Those who came, by id, with when.
    pub new: BTreeMap<String, u64>,
    /// Those who went, oldest first.
    pub gone: Vec<Gone>,
    /// How many more went.
    pub unnamed: usize,
}

impl Changes {
    /// Who came and who went in the last minutes.
    pub fn marks(&self, minutes: u32, now_ms: u64) -> Marks {
        let window_ms = u64::from(minutes) * 60_000;
        let new = self.newcomers(window_ms, now_ms).map(|(id, at_ms)| (id.to_owned(), at_ms)).collect();
        let unnamed = self.unnamed.iter().filter(|at_ms| now_ms.saturating_sub(**at_ms) <= window_ms).count();
        Marks { new, gone: self.gone(window_ms, now_ms).cloned().collect(), unnamed }
    }

    /// What is there now instead of what was: who is in both stayed.
    pub fn replaced<'a>(
        &mut self,
        before: &BTreeMap<u32, Summary>,
        now: impl Iterator<Item = &'a Summary>,
        now_ms: u64,
    ) {
        let mut left: BTreeMap<&str, &Summary> = before.values().map(|node| (node.id.as_str(), node)).collect();
        for node in now {
            if left.remove(node.id.as_str()).is_none() {
                self.came(&node.id, now_ms);
            }
        }
        left.into_values().for_each(|node| self.went(node.clone(), now_ms));
    }

    /// Who went before and is there again came back; after a moment, as where the app was started anew, it never was away.
    pub fn came(&mut self, id: &str, now_ms: u64) {
        let at = self.went.iter().position(|gone| gone.node.id == id);
        let away_ms = at.map(|at| now_ms.saturating_sub(self.went.remove(at).at_ms));
        if away_ms.is_none_or(|ms| ms > MOMENT_MS) {
            self.came.insert(id.to_owned(), now_ms);
        }
    }

    pub fn went(&mut self, node: Summary, now_ms: u64) {
        self.came.remove(&node.id);
        self.went.retain(|gone| gone.node.id != node.id);
        self.went.push(Gone { node, at_ms: now_ms });
        let extra = self.went.len().saturating_sub(GONE_MAX);
        self.unnamed.extend(self.went.drain(..extra).map(|gone| gone.at_ms));
    }

    /// Lets go of what is too long ago to be asked for.
    pub fn forget(&mut self, now_ms: u64) {
        let is_late = |at_ms: u64| now_ms.saturating_sub(at_ms) <= KEPT_MS;
        self.came.retain(|_, at_ms| is_late(*at_ms));
        self.went.retain(|gone| is_late(gone.at_ms));
        self.unnamed.retain(|at_ms| is_late(*at_ms));
    }

    /// Ids of those who came within `window_ms`, with when.
    pub fn newcomers(&self, window_ms: u64, now_ms: u64) -> impl Iterator<Item = (&str, u64)> {
        let all = self.came.iter().map(|(id, at_ms)| (id.as_str(), *at_ms));
        all.filter(move |(_, at_ms)| now_ms.saturating_sub(*at_ms) <= window_ms)
    }

    /// Those who went within `window_ms`, oldest first.
    pub fn gone(&self, window_ms: u64, now_ms: u64) -> impl Iterator<Item = &Gone> {
        self.went.iter().filter(move |gone| now_ms.saturating_sub(gone.at_ms) <= window_ms)
    }

    /// Whether it is known by name that it went.
    pub fn is_gone(&self, id: &str) -> bool {
        self.went.iter().any(|gone| gone.node.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str) -> Summary {
        Summary { id: id.into(), ..Summary::default() }
    }

    fn ids(changes: &Changes, window_ms: u64, now_ms: u64) -> (Vec<String>, Vec<String>) {
        let gone = changes.gone(window_ms, now_ms).map(|gone| gone.node.id.clone());
        (changes.newcomers(window_ms, now_ms).map(|(id, _)| id.to_owned()).collect(), gone.collect())
    }

    fn named(new: &[&str], gone: &[&str]) -> (Vec<String>, Vec<String>) {
        let all = |list: &[&str]| list.iter().map(|id| (*id).to_owned()).collect();
        (all(new), all(gone))
    }

    #[test]
    fn who_comes_and_goes_is_known_for_as_long_as_is_asked() {
        let mut changes = Changes::default();
        changes.came("a", 1_000);
        changes.went(node("b"), 2_000);
        assert_eq!(ids(&changes, 60_000, 3_000), named(&["a"], &["b"]));
        assert_eq!(ids(&changes, 60_000, 61_500), named(&[], &["b"]));
        changes.came("b", 70_000);
        assert_eq!(ids(&changes, 60_000, 70_000), named(&["b"], &[]), "it is back");
        changes.went(node("b"), 75_000);
        changes.came("b", 76_000);
        assert_eq!(ids(&changes, 60_000, 76_000), named(&[], &[]), "it was not away");
        changes.went(node("b"), 80_000);
        assert_eq!(ids(&changes, KEPT_MS, 80_000), named(&["a"], &["b"]), "it came and went");
        changes.forget(80_000 + KEPT_MS);
        assert_eq!(ids(&changes, u64::MAX, 0), named(&[], &["b"]));
    }

    #[test]
    fn what_is_told_anew_is_compared_with_what_was() {
        let before: BTreeMap<u32, Summary> = (0..).zip([node("a"), node("b")]).collect();
        let mut changes = Changes::default();
        changes.replaced(&before, [node("b"), node("c")].iter(), 5);
        assert_eq!(ids(&changes, 10, 10), named(&["c"], &["a"]));
    }

    #[test]
    fn of_too_many_it_is_known_how_many() {
        let mut changes = Changes::default();
        for n in 0..GONE_MAX as u64 + 7 {
            changes.went(node(&n.to_string()), n);
        }
        assert_eq!(changes.gone(KEPT_MS, 600).count(), GONE_MAX);
        assert_eq!(changes.marks(15, 600).unnamed, 7);
    }
}
