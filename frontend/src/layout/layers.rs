//! Callers above those they call: ranks, their order, and where in its row a node stands.

use std::collections::{BTreeSet, HashMap};

use super::{COLUMN, Point, ROW};

/// Longest way from those that nobody calls. Edges that close a circle do not count.
pub fn rank(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut called = vec![0usize; count];
    for (a, b) in edges {
        out[*a].push(*b);
        called[*b] += 1;
    }
    // Depth first from those that are called least, so that a circle is cut where it is entered.
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|n| (called[*n], *n));
    let mut state = vec![0u8; count];
    let mut done = Vec::with_capacity(count);
    let mut back: BTreeSet<(usize, usize)> = BTreeSet::new();
    for start in order {
        if state[start] != 0 {
            continue;
        }
        let mut stack = vec![(start, 0)];
        state[start] = 1;
        while let Some((node, next)) = stack.pop() {
            let Some(&child) = out[node].get(next) else {
                state[node] = 2;
                done.push(node);
                continue;
            };
            stack.push((node, next + 1));
            match state[child] {
                0 => {
                    state[child] = 1;
                    stack.push((child, 0));
                }
                1 => {
                    back.insert((node, child));
                }
                _ => {}
            }
        }
    }
    let mut ranks = vec![0usize; count];
    for node in done.into_iter().rev() {
        for &child in &out[node] {
            if !back.contains(&(node, child)) {
                ranks[child] = ranks[child].max(ranks[node] + 1);
            }
        }
    }
    // Whoever calls stands right above the nearest that it calls.
    for node in 0..count {
        let nearest = out[node].iter().filter(|c| !back.contains(&(node, **c))).map(|c| ranks[*c]).min();
        if let Some(nearest) = nearest.filter(|_| called[node] == 0) {
            ranks[node] = nearest.saturating_sub(1);
        }
    }
    ranks
}

/// Where everybody calls everybody, one by one below the other would say nothing: as many rows as make a picture about
/// as wide as a screen, each with the ranks that follow on each other. A chain, however long, stays one.
fn less_deep(rows: Vec<Vec<usize>>, nodes: usize, edges: usize) -> Vec<Vec<usize>> {
    let most = ((nodes as f64).sqrt().ceil() as usize).max(4);
    let is_dense = edges * 2 > nodes * 3;
    if !is_dense || rows.len() * 2 <= most * 3 {
        return rows;
    }
    let mut merged: Vec<Vec<usize>> = vec![Vec::new(); most];
    let mut before = 0;
    for row in rows {
        let at = before * most / nodes.max(1);
        before += row.len();
        merged[at.min(most - 1)].extend(row);
    }
    merged.retain(|row| !row.is_empty());
    merged
}

/// Nodes of each rank in an order with few crossings; a rank that is too wide takes several rows.
pub fn rows(nodes: &[usize], ranks: &[usize], edges: &[(usize, usize)], screen: f64) -> Vec<Vec<usize>> {
    let Some(deepest) = nodes.iter().map(|n| ranks[*n]).max() else { return Vec::new() };
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); deepest + 1];
    for node in nodes {
        rows[ranks[*node]].push(*node);
    }
    rows.retain(|row| !row.is_empty());
    let mut rows = less_deep(rows, nodes.len(), edges.len());
    let mut near: HashMap<usize, Vec<usize>> = HashMap::new();
    for (a, b) in edges {
        near.entry(*a).or_default().push(*b);
        near.entry(*b).or_default().push(*a);
    }
    let mut place: HashMap<usize, f64> = HashMap::new();
    let note = |row: &[usize], place: &mut HashMap<usize, f64>| {
        for (n, node) in row.iter().enumerate() {
            place.insert(*node, (n as f64 + 0.5) / row.len() as f64);
        }
    };
    for row in &rows {
        note(row, &mut place);
    }
    for sweep in 0..8 {
        let all: Vec<usize> = if sweep % 2 == 0 { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for r in all {
            let centre = |node: &usize| {
                let around = near.get(node).map_or(&[][..], Vec::as_slice);
                let sum: f64 = around.iter().map(|n| place.get(n).copied().unwrap_or(0.5)).sum();
                if around.is_empty() { place[node] } else { sum / around.len() as f64 }
            };
            let mut keyed: Vec<(f64, usize)> = rows[r].iter().map(|n| (centre(n), *n)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            rows[r] = keyed.into_iter().map(|(_, n)| n).collect();
            note(&rows[r], &mut place);
        }
    }
    let widest = ((nodes.len() as f64 * 1.22 * screen).sqrt().ceil() as usize).max(if screen < 1.0 { 4 } else { 7 });
    rows.into_iter()
        .filter(|row| !row.is_empty())
        .flat_map(|row| {
            let parts = row.len().div_ceil(widest);
            let each = row.len().div_ceil(parts);
            row.chunks(each).map(<[usize]>::to_vec).collect::<Vec<_>>()
        })
        .collect()
}

/// Each row in its order, every node as near above or below its neighbours as the row leaves room.
pub fn place_rows(rows: &[Vec<usize>], edges: &[(usize, usize)], at: &mut [Point]) {
    for (r, row) in rows.iter().enumerate() {
        let start = -(row.len() as f64 - 1.0) / 2.0 * COLUMN;
        for (n, node) in row.iter().enumerate() {
            at[*node] = Point { x: start + n as f64 * COLUMN, y: r as f64 * ROW };
        }
    }
    let mut near: HashMap<usize, Vec<usize>> = HashMap::new();
    for (a, b) in edges {
        near.entry(*a).or_default().push(*b);
        near.entry(*b).or_default().push(*a);
    }
    for sweep in 0..12 {
        let all: Vec<usize> = if sweep % 2 == 0 { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for r in all {
            let row = &rows[r];
            let mut wanted: Vec<f64> = row
                .iter()
                .map(|node| {
                    let Some(around) = near.get(node) else { return at[*node].x };
                    around.iter().map(|n| at[*n].x).sum::<f64>() / around.len() as f64
                })
                .collect();
            let ideal: f64 = wanted.iter().sum();
            for n in 1..wanted.len() {
                wanted[n] = wanted[n].max(wanted[n - 1] + COLUMN);
            }
            // Pushing to the right moved the row's centre: move it back as a whole.
            let shift = (ideal - wanted.iter().sum::<f64>()) / wanted.len() as f64;
            for (node, x) in row.iter().zip(wanted) {
                at[*node].x = x + shift;
            }
        }
    }
}
