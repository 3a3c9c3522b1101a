//! Which namespaces are looked at as a whole, with sockets that no process has open any more: that takes as long as the
//! kernel's table of all namespaces is large, once for each of them, so few at a time are.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use shared::id::NetNsId;

/// How often each is.
const INTERVAL: Duration = Duration::from_secs(300);
/// The same of one in which connections are not shown any more of which nobody told that they ended.
const INTERVAL_WHILE_UNSHOWN: Duration = Duration::from_secs(60);
/// Passes in which all have had their turn, in less than the interval.
const PASSES: usize = 20;

#[derive(Default)]
pub struct Whole {
    /// When each was looked at last; when it was met, at first.
    last: HashMap<NetNsId, Instant>,
    all_at: Option<Instant>,
}

impl Whole {
    /// Something may have been missed, wherever: by then all are.
    pub fn all_by(&mut self, at: Instant) {
        self.all_at = Some(self.all_at.map_or(at, |before| before.min(at)));
    }

    /// Those of the namespaces that are `there` whose turn it is with this pass, `unshown` those in which something is not
    /// shown any more.
    pub fn due(&mut self, there: &[NetNsId], unshown: &HashSet<NetNsId>, now: Instant) -> HashSet<NetNsId> {
        let before = std::mem::take(&mut self.last);
        self.last = there.iter().map(|id| (*id, before.get(id).copied().unwrap_or(now))).collect();
        let due: Vec<NetNsId> = match self.all_at.take_if(|at| now >= *at) {
            Some(_) => there.to_vec(),
            None => {
                let interval = |id| if unshown.contains(id) { INTERVAL_WHILE_UNSHOWN } else { INTERVAL };
                let mut due: Vec<(Instant, NetNsId)> = self
                    .last
                    .iter()
                    .filter(|(id, last)| now.duration_since(**last) >= interval(id))
                    .map(|(id, last)| (*last, *id))
                    .collect();
                due.sort_unstable();
                due.into_iter().map(|(_, id)| id).take(there.len().div_ceil(PASSES)).collect()
            }
        };
        self.last.extend(due.iter().map(|id| (*id, now)));
        due.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: impl IntoIterator<Item = u32>) -> Vec<NetNsId> {
        numbers.into_iter().map(NetNsId).collect()
    }

    /// How often each of so many has its turn within some time, with a pass each ten seconds.
    fn turns(there: u32, unshown: &[u32], seconds: u64) -> (HashMap<NetNsId, usize>, usize) {
        let (mut whole, start) = (Whole::default(), Instant::now());
        let (there, unshown) = (ids(0..there), ids(unshown.iter().copied()).into_iter().collect());
        let (mut turns, mut most) = (HashMap::new(), 0);
        for at in (0..seconds).step_by(10) {
            let due = whole.due(&there, &unshown, start + Duration::from_secs(at));
            most = most.max(due.len());
            due.into_iter().for_each(|id| *turns.entry(id).or_default() += 1);
        }
        (turns, most)
    }

    #[test]
    fn each_namespace_has_its_turn_and_few_at_a_time() {
        let (of_each, most) = turns(100, &[], 300 + 200 + 10);
        assert_eq!((of_each.len(), most), (100, 5));
        assert!(of_each.values().all(|turns| *turns == 1), "{of_each:?}");
        assert!(turns(100, &[], 300).0.is_empty(), "what is there since it was met is told as it comes");
    }

    #[test]
    fn one_where_something_is_not_shown_any_more_comes_sooner() {
        let (of_each, _) = turns(10, &[3], 300);
        assert_eq!(of_each, HashMap::from([(NetNsId(3), 4)]));
        let (of_each, most) = turns(40, &Vec::from_iter(0..40), 601);
        assert_eq!(most, 2, "however many there are");
        assert!(of_each.values().all(|turns| (2..=4).contains(turns)), "{of_each:?}");
    }

    #[test]
    fn all_are_looked_at_once_after_something_was_missed() {
        let (mut whole, now) = (Whole::default(), Instant::now());
        let (there, none) = (ids(0..100), HashSet::new());
        let due = |whole: &mut Whole, at| whole.due(&there, &none, now + Duration::from_secs(at)).len();
        whole.all_by(now + Duration::from_secs(9));
        whole.all_by(now + Duration::from_secs(5));
        let found = [4, 5, 6, 304].map(|at| due(&mut whole, at));
        assert_eq!(found, [0, 100, 0, 0], "and each after its interval again");
        assert_eq!(due(&mut whole, 305), 5);
    }
}
