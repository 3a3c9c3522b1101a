//! How one node is reached from another over those between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A shortest way from one to the other, both included: as calls go, else as calls come back, else whoever calls whom.
/// None where nothing joins them.
pub fn between(edges: &BTreeSet<(u32, u32)>, from: u32, to: u32) -> Option<Vec<u32>> {
    let mut out: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut back: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (a, b) in edges.iter().filter(|(a, b)| a != b) {
        out.entry(*a).or_default().push(*b);
        back.entry(*b).or_default().push(*a);
    }
    let either =
        |node: u32| [&out, &back].into_iter().flat_map(move |near| near.get(&node).into_iter().flatten().copied());
    shortest(from, to, |node| out.get(&node).into_iter().flatten().copied())
        .or_else(|| shortest(from, to, |node| back.get(&node).into_iter().flatten().copied()))
        .or_else(|| shortest(from, to, either))
}

fn shortest<I: Iterator<Item = u32>>(from: u32, to: u32, near: impl Fn(u32) -> I) -> Option<Vec<u32>> {
    let mut came: BTreeMap<u32, u32> = BTreeMap::new();
    let mut todo = VecDeque::from([from]);
    while let Some(node) = todo.pop_front() {
        if node == to {
            let mut way = vec![to];
            while let Some(before) = way.last().and_then(|last| came.get(last)).filter(|_| way.last() != Some(&from)) {
                way.push(*before);
            }
            way.reverse();
            return Some(way);
        }
        for next in near(node) {
            if next != from && !came.contains_key(&next) {
                came.insert(next, node);
                todo.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_as_calls_go_if_it_can_be() {
        // web calls app, app calls db and cache, a job calls db.
        let edges: BTreeSet<(u32, u32)> = [(1, 2), (2, 3), (2, 4), (5, 3), (1, 1), (6, 6)].into();
        assert_eq!(between(&edges, 1, 3), Some(vec![1, 2, 3]));
        assert_eq!(between(&edges, 3, 1), Some(vec![3, 2, 1]), "against the calls");
        assert_eq!(between(&edges, 1, 5), Some(vec![1, 2, 3, 5]), "both call db");
        assert_eq!(between(&edges, 1, 6), None);
        assert_eq!(between(&edges, 4, 4), Some(vec![4]));
        let longer: BTreeSet<(u32, u32)> = [(1, 2), (2, 3), (3, 4), (4, 1)].into();
        assert_eq!(between(&longer, 1, 4), Some(vec![1, 2, 3, 4]), "calls go before the shorter way back");
    }
}
