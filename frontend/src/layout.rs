//! Where nodes stand: callers above those they call, and every node where it stood before.
//!
//! A layout is made anew only when it is asked for or when most of what is shown is new. Otherwise what is there stays,
//! and what comes is put beside those it talks to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

/// Room for a node and the label to its right.
pub const COLUMN: f64 = 190.0;
pub const ROW: f64 = 112.0;
/// Nodes that talk to nobody stand closer.
const GRID_ROW: f64 = 74.0;

/// A screen's width in its height.
const SCREEN: f64 = 1.8;
/// So many widths of shelves are tried.
const SHELVES_MAX: usize = 24;

/// What is laid out: nodes by their ids, and who calls whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    pub nodes: BTreeSet<String>,
    pub edges: BTreeSet<(String, String)>,
}

impl Graph {
    fn talking(&self) -> BTreeSet<&String> {
        self.edges.iter().filter(|(a, b)| a != b).flat_map(|(a, b)| [a, b]).collect()
    }
}

pub type Positions = BTreeMap<String, Point>;

/// Where the nodes of a graph stand that changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    pub positions: Positions,
    /// Who was put among those that talk to nobody, and talked to nobody since.
    alone: BTreeSet<String>,
    /// Where somebody put nodes by hand; also those that are not there now.
    pinned: Positions,
}

impl Layout {
    /// Places all nodes of `graph`, where they stood if they did. Of those that stood alone, who talks now moves to those
    /// it talks to; who falls silent later stays there.
    pub fn follow(&mut self, graph: &Graph) {
        let talking = graph.talking();
        let stays = |id: &String| graph.nodes.contains(id) && !(self.alone.contains(id) && talking.contains(id));
        let mut kept = std::mem::take(&mut self.positions);
        kept.retain(|id, _| stays(id));
        let new = graph.nodes.len() - kept.len();
        if new * 2 > graph.nodes.len() {
            return self.afresh(graph);
        }
        let silent = |id: &&String| !talking.contains(*id);
        let remains = |id: &&String| self.alone.contains(*id) || !kept.contains_key(*id);
        self.alone = graph.nodes.iter().filter(silent).filter(remains).cloned().collect();
        self.positions = insert(graph, kept);
        self.keep_pinned();
    }

    /// Places all nodes anew.
    pub fn afresh(&mut self, graph: &Graph) {
        let talking = graph.talking();
        self.alone = graph.nodes.iter().filter(|id| !talking.contains(id)).cloned().collect();
        self.positions = from_scratch(graph);
        self.keep_pinned();
    }

    /// Nodes stand where they were put by hand, whatever else changes.
    pub fn pinned(&self) -> &Positions {
        &self.pinned
    }

    /// What was pinned before, instead of what is.
    pub fn pin_all(&mut self, pinned: Positions) {
        self.pinned = pinned;
        self.keep_pinned();
    }

    pub fn pin(&mut self, id: &str, at: Point) {
        self.pinned.insert(id.to_owned(), at);
        self.keep_pinned();
    }

    fn keep_pinned(&mut self) {
        for (id, at) in &self.pinned {
            if let Some(position) = self.positions.get_mut(id) {
                *position = *at;
            }
        }
    }
}

fn from_scratch(graph: &Graph) -> Positions {
    let ids: Vec<&String> = graph.nodes.iter().collect();
    let index: HashMap<&String, usize> = ids.iter().enumerate().map(|(n, id)| (*id, n)).collect();
    let edges: Vec<(usize, usize)> = graph
        .edges
        .iter()
        .filter_map(|(a, b)| Some((*index.get(a)?, *index.get(b)?)))
        .filter(|(a, b)| a != b)
        .collect();
    let mut touched = vec![false; ids.len()];
    for (a, b) in &edges {
        (touched[*a], touched[*b]) = (true, true);
    }
    let connected: Vec<usize> = (0..ids.len()).filter(|n| touched[*n]).collect();
    let alone: Vec<usize> = (0..ids.len()).filter(|n| !touched[*n]).collect();
    let ranks = rank(ids.len(), &edges);
    let mut positions = vec![Point { x: 0.0, y: 0.0 }; ids.len()];
    pack(components(&connected, &edges), &ranks, &edges, &mut positions);
    let (left, right, bottom) = bounds(&positions, &connected);
    place_grid(&alone, &mut positions, left, right, bottom, connected.is_empty());
    ids.into_iter().zip(positions).map(|(id, at)| (id.clone(), at)).collect()
}

/// Nodes that are joined by edges, largest group first.
fn components(nodes: &[usize], edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut near: HashMap<usize, Vec<usize>> = HashMap::new();
    for (a, b) in edges {
        near.entry(*a).or_default().push(*b);
        near.entry(*b).or_default().push(*a);
    }
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let mut all = Vec::new();
    for start in nodes {
        if !seen.insert(*start) {
            continue;
        }
        let (mut group, mut todo) = (Vec::new(), vec![*start]);
        while let Some(node) = todo.pop() {
            group.push(node);
            todo.extend(near.get(&node).into_iter().flatten().filter(|n| seen.insert(**n)));
        }
        group.sort_unstable();
        all.push(group);
    }
    all.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
    all
}

/// Lays out each group by itself and puts them side by side, on shelves about as wide as a screen is.
fn pack(groups: Vec<Vec<usize>>, ranks: &[usize], edges: &[(usize, usize)], positions: &mut [Point]) {
    let mut placed = Vec::new();
    for group in groups {
        let inside: BTreeSet<usize> = group.iter().copied().collect();
        let own: Vec<(usize, usize)> = edges.iter().filter(|(a, _)| inside.contains(a)).copied().collect();
        let rows = rows(&group, ranks, &own);
        let at = place_rows(&rows, &own, positions.len());
        let (left, right, bottom) = bounds(&at, &group);
        let top = group.iter().map(|n| at[*n].y).fold(f64::MAX, f64::min);
        placed.push((group, at, left, top, right - left + COLUMN, bottom - top + ROW * 1.1));
    }
    let sizes: Vec<(f64, f64)> = placed.iter().map(|(.., width, height)| (*width, *height)).collect();
    for ((group, at, left, top, ..), corner) in placed.into_iter().zip(shelved(&sizes)) {
        for node in group {
            positions[node] = Point { x: at[node].x - left + corner.x, y: at[node].y - top + corner.y };
        }
    }
}

/// Corners of boxes that stand on shelves one below the other: as wide as makes the whole the largest on a screen.
fn shelved(sizes: &[(f64, f64)]) -> Vec<Point> {
    let on = |shelf: f64| {
        let (mut x, mut y, mut tallest, mut widest) = (0.0, 0.0, 0f64, 0f64);
        let mut corners = Vec::with_capacity(sizes.len());
        for (width, height) in sizes {
            if x > 0.0 && x + width > shelf + 1.0 {
                (x, y, tallest) = (0.0, y + tallest, 0.0);
            }
            corners.push(Point { x, y });
            x += width;
            (tallest, widest) = (tallest.max(*height), widest.max(x));
        }
        // How far it must shrink to fit, up to what the screen's size does to all alike.
        ((widest / SCREEN).max(y + tallest), corners)
    };
    let widest = sizes.iter().map(|(width, _)| *width).fold(0.0, f64::max);
    let area: f64 = sizes.iter().map(|(width, height)| width * height).sum();
    let shelves = sizes.iter().take(SHELVES_MAX).scan(0.0, |sum, (width, _)| {
        *sum += width;
        Some(*sum)
    });
    let tried = shelves.chain([(area * SCREEN).sqrt()]).map(|shelf| on(shelf.max(widest)));
    tried.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, corners)| corners).unwrap_or_default()
}

/// Longest way from those that nobody calls. Edges that close a circle do not count.
fn rank(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
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
fn rows(nodes: &[usize], ranks: &[usize], edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
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
    let widest = (((nodes.len() as f64) * 2.2).sqrt().ceil() as usize).max(7);
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
fn place_rows(rows: &[Vec<usize>], edges: &[(usize, usize)], count: usize) -> Vec<Point> {
    let mut at = vec![Point { x: 0.0, y: 0.0 }; count];
    for (r, row) in rows.iter().enumerate() {
        let start = -(row.len() as f64 - 1.0) / 2.0 * COLUMN;
        for (n, node) in row.iter().enumerate() {
            at[*node] = Point { x: start + n as f64 * COLUMN, y: r as f64 * ROW };
        }
    }
    let mut near: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (a, b) in edges {
        near[*a].push(*b);
        near[*b].push(*a);
    }
    for sweep in 0..12 {
        let all: Vec<usize> = if sweep % 2 == 0 { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for r in all {
            let row = &rows[r];
            let mut wanted: Vec<f64> = row
                .iter()
                .map(|node| {
                    let around = &near[*node];
                    if around.is_empty() {
                        return at[*node].x;
                    }
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
    at
}

fn bounds(at: &[Point], nodes: &[usize]) -> (f64, f64, f64) {
    let fold =
        |f: fn(f64, f64) -> f64, start: f64, of: fn(&Point) -> f64| nodes.iter().map(|n| of(&at[*n])).fold(start, f);
    if nodes.is_empty() {
        return (0.0, 0.0, 0.0);
    }
    (fold(f64::min, f64::MAX, |p| p.x), fold(f64::max, f64::MIN, |p| p.x), fold(f64::max, f64::MIN, |p| p.y))
}

fn place_grid(nodes: &[usize], at: &mut [Point], left: f64, right: f64, bottom: f64, only: bool) {
    if nodes.is_empty() {
        return;
    }
    let square = ((nodes.len() as f64) * 0.9).sqrt().ceil() as usize;
    let fitting = ((right - left) / COLUMN).round() as usize + 1;
    let columns = square.max(if only { 1 } else { fitting }).max(4).min(nodes.len());
    // Under a graph, its left edge is theirs.
    let start = if only { -(columns as f64 - 1.0) / 2.0 * COLUMN } else { left };
    let top = if only { 0.0 } else { bottom + ROW * 1.1 };
    for (n, node) in nodes.iter().enumerate() {
        let (row, column) = (n / columns, n % columns);
        at[*node] = Point { x: start + column as f64 * COLUMN, y: top + row as f64 * GRID_ROW };
    }
}

/// Puts what is new beside its neighbours, or among those that have none, where nobody stands.
fn insert(graph: &Graph, mut kept: Positions) -> Positions {
    let cell = |p: Point| ((p.x / (COLUMN / 2.0)).round() as i64, (p.y / (ROW / 2.0)).round() as i64);
    let mut taken: BTreeSet<(i64, i64)> = kept.values().map(|p| cell(*p)).collect();
    let mut near: BTreeMap<&String, (Vec<&String>, Vec<&String>)> = BTreeMap::new();
    for (a, b) in graph.edges.iter().filter(|(a, b)| a != b) {
        near.entry(b).or_default().0.push(a);
        near.entry(a).or_default().1.push(b);
    }
    let new: Vec<&String> = graph.nodes.iter().filter(|id| !kept.contains_key(*id)).collect();
    let mut waiting: Vec<&String> = new.iter().filter(|id| near.contains_key(*id)).copied().collect();
    while !waiting.is_empty() {
        // First whoever talks to someone who has a place; else one that nobody calls begins a group of its own.
        let has_place = |id: &&String| near[*id].0.iter().chain(&near[*id].1).any(|other| kept.contains_key(*other));
        let begins = |id: &&String| near[*id].0.is_empty();
        let next = waiting.iter().position(has_place).or_else(|| waiting.iter().position(begins)).unwrap_or(0);
        let id = waiting.swap_remove(next);
        let places = |ids: &[&String]| -> Vec<Point> { ids.iter().filter_map(|id| kept.get(*id)).copied().collect() };
        let (callers, called) = (places(&near[id].0), places(&near[id].1));
        let mean = |points: &[Point]| points.iter().map(|p| p.x).sum::<f64>() / points.len() as f64;
        let wished = if !callers.is_empty() {
            Point { x: mean(&callers), y: callers.iter().map(|p| p.y).fold(f64::MIN, f64::max) + ROW }
        } else if !called.is_empty() {
            Point { x: mean(&called), y: called.iter().map(|p| p.y).fold(f64::MAX, f64::min) - ROW }
        } else {
            let (left, lowest) =
                kept.values().fold((f64::MAX, f64::MIN), |(left, low), p| (left.min(p.x), low.max(p.y)));
            if kept.is_empty() { Point { x: 0.0, y: 0.0 } } else { Point { x: left, y: lowest + ROW } }
        };
        let at = free(wished, &taken, cell);
        taken.insert(cell(at));
        kept.insert(id.clone(), at);
    }
    let mut shelf = Shelf::below(graph, &kept);
    for id in new.into_iter().filter(|id| !near.contains_key(*id)) {
        let at = shelf.next(|at| is_free(at, &taken, cell));
        taken.insert(cell(at));
        kept.insert(id.clone(), at);
    }
    kept
}

/// Places for nodes that talk to nobody, row by row, about as wide as all of them are high.
struct Shelf {
    left: f64,
    top: f64,
    columns: usize,
    place: usize,
}

impl Shelf {
    /// Where those stand already that talk to nobody; else below everything.
    fn below(graph: &Graph, kept: &Positions) -> Self {
        let talking = graph.talking();
        let alone: Vec<&Point> = kept.iter().filter(|(id, _)| !talking.contains(id)).map(|(_, at)| at).collect();
        let all: Vec<&Point> = kept.values().collect();
        let least = |points: &[&Point], of: fn(&Point) -> f64| points.iter().map(|p| of(p)).fold(f64::MAX, f64::min);
        let most = |of: fn(&Point) -> f64| all.iter().map(|p| of(p)).fold(f64::MIN, f64::max);
        let (left, top) = match (alone.is_empty(), all.is_empty()) {
            (false, _) => (least(&alone, |p| p.x), least(&alone, |p| p.y)),
            (true, false) => (least(&all, |p| p.x), most(|p| p.y) + ROW),
            (true, true) => (0.0, 0.0),
        };
        let wide = if all.is_empty() { 0.0 } else { (most(|p| p.x) - left) / COLUMN };
        let count = graph.nodes.iter().filter(|id| !talking.contains(id)).count();
        let square = (count as f64 * 0.9).sqrt().ceil() as usize;
        Self { left, top, columns: square.max(wide.round() as usize + 1).max(4), place: 0 }
    }

    fn next(&mut self, is_free: impl Fn(Point) -> bool) -> Point {
        loop {
            let (row, column) = (self.place / self.columns, self.place % self.columns);
            self.place += 1;
            let at = Point { x: self.left + column as f64 * COLUMN, y: self.top + row as f64 * GRID_ROW };
            if is_free(at) {
                return at;
            }
        }
    }
}

fn is_free(at: Point, taken: &BTreeSet<(i64, i64)>, cell: impl Fn(Point) -> (i64, i64)) -> bool {
    let (x, y) = cell(at);
    !(-1..=1).any(|dx| taken.contains(&(x + dx, y)))
}

fn free(wished: Point, taken: &BTreeSet<(i64, i64)>, cell: impl Fn(Point) -> (i64, i64)) -> Point {
    for ring in 0..200 {
        let steps = [ring as f64, -(ring as f64)];
        for dx in steps {
            let at = Point { x: wished.x + dx * COLUMN, y: wished.y };
            if is_free(at, taken, &cell) {
                return at;
            }
        }
    }
    wished
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: &[&str], edges: &[(&str, &str)]) -> Graph {
        Graph {
            nodes: nodes.iter().map(|n| (*n).to_owned()).collect(),
            edges: edges.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        }
    }

    fn no_two_overlap(positions: &Positions) {
        let all: Vec<(&String, &Point)> = positions.iter().collect();
        for (n, (a, p)) in all.iter().enumerate() {
            for (b, q) in &all[n + 1..] {
                let apart = (p.x - q.x).abs() > COLUMN * 0.9 || (p.y - q.y).abs() > GRID_ROW * 0.9;
                assert!(apart, "{a} {p:?} {b} {q:?}");
            }
        }
    }

    #[test]
    fn clients_stand_above_their_servers() {
        let at = from_scratch(&graph(&["web", "app", "db", "lone"], &[("web", "app"), ("app", "db"), ("web", "db")]));
        assert!(at["web"].y < at["app"].y && at["app"].y < at["db"].y);
        assert!(at["lone"].y > at["db"].y);
        no_two_overlap(&at);
    }

    #[test]
    fn a_circle_is_laid_out_too() {
        let at = from_scratch(&graph(&["a", "b", "c"], &[("a", "b"), ("b", "c"), ("c", "a"), ("a", "a")]));
        assert_eq!(at.len(), 3);
        no_two_overlap(&at);
    }

    #[test]
    fn what_is_there_stays_when_something_comes_or_goes() {
        let before = graph(&["a", "b", "c", "d"], &[("a", "b"), ("a", "c"), ("b", "d")]);
        let mut layout = Layout::default();
        layout.afresh(&before);
        let at = layout.positions.clone();
        let after = graph(&["a", "b", "d", "e", "f"], &[("a", "b"), ("b", "d"), ("a", "e")]);
        layout.follow(&after);
        let moved = layout.positions;
        for id in ["a", "b", "d"] {
            assert_eq!(moved[id], at[id], "{id}");
        }
        assert!(moved["e"].y > moved["a"].y);
        no_two_overlap(&moved);
    }

    #[test]
    fn those_that_come_one_by_one_and_talk_to_nobody_fill_a_block_and_not_a_line() {
        let (mut graph, mut layout) = (Graph::default(), Layout::default());
        for n in 0..40 {
            graph.nodes.insert(format!("n{n:02}"));
            let before = layout.positions.clone();
            layout.follow(&graph);
            if n > 1 {
                assert!(before.iter().all(|(id, place)| layout.positions[id] == *place), "who was there stays");
            }
        }
        let at = layout.positions;
        no_two_overlap(&at);
        let span = |of: fn(&Point) -> f64| {
            at.values().map(of).fold(f64::MIN, f64::max) - at.values().map(of).fold(f64::MAX, f64::min)
        };
        assert!(span(|p| p.x) <= 10.0 * COLUMN && span(|p| p.y) <= 12.0 * GRID_ROW);
    }

    #[test]
    fn who_begins_to_talk_moves_to_those_it_talks_to_and_stays_there() {
        let mut graph = graph(&["a", "b", "c", "d", "e", "f", "g", "h"], &[("a", "b")]);
        let mut layout = Layout::default();
        layout.follow(&graph);
        let at = layout.positions.clone();
        graph.edges.insert(("b".into(), "h".into()));
        graph.edges.insert(("c".into(), "d".into()));
        layout.follow(&graph);
        let talks = layout.positions.clone();
        no_two_overlap(&talks);
        assert!(talks["h"].y > talks["b"].y && (talks["h"].x - talks["b"].x).abs() < COLUMN, "below its caller");
        assert!(talks["d"].y > talks["c"].y, "two that stood alone are a group of their own");
        for id in ["a", "b", "e", "f", "g"] {
            assert_eq!(talks[id], at[id], "{id}");
        }
        let talking = std::mem::take(&mut graph.edges);
        layout.follow(&graph);
        assert_eq!(layout.positions, talks, "who falls silent stays where it is");
        graph.edges = talking;
        layout.follow(&graph);
        assert_eq!(layout.positions, talks, "and does not move when it talks again");
    }

    #[test]
    fn the_same_graph_is_laid_out_the_same_way() {
        let one = graph(&["a", "b", "c", "d", "e"], &[("a", "b"), ("c", "b"), ("d", "e")]);
        assert_eq!(from_scratch(&one), from_scratch(&one));
    }

    #[test]
    fn groups_stand_beside_one_another_as_long_as_there_is_room() {
        // A deep one and three that are less deep, as interfaces of two hosts are.
        let deep: Vec<String> = (0..6).map(|n| format!("a{n}")).collect();
        let mut edges: Vec<(&str, &str)> = deep.windows(2).map(|w| (w[0].as_str(), w[1].as_str())).collect();
        edges.extend([("b0", "b1"), ("b1", "b2"), ("c0", "c1"), ("d0", "d1")]);
        let mut nodes: Vec<&str> = deep.iter().map(String::as_str).collect();
        nodes.extend(["b0", "b1", "b2", "c0", "c1", "d0", "d1"]);
        let positions = from_scratch(&graph(&nodes, &edges));
        no_two_overlap(&positions);
        for top in ["b0", "c0", "d0"] {
            assert_eq!(positions[top].y, positions["a0"].y, "{positions:?}");
        }
    }

    #[test]
    fn a_wide_rank_takes_several_rows() {
        let names: Vec<String> = (0..200).map(|n| format!("n{n}")).collect();
        let mut big = Graph::default();
        big.nodes.extend(names.iter().cloned());
        big.nodes.insert("hub".into());
        big.edges.extend(names.iter().map(|n| ("hub".to_owned(), n.clone())));
        let at = from_scratch(&big);
        no_two_overlap(&at);
        let width =
            at.values().map(|p| p.x).fold(f64::MIN, f64::max) - at.values().map(|p| p.x).fold(f64::MAX, f64::min);
        assert!(width < 40.0 * COLUMN, "{width}");
    }

    #[test]
    fn where_everybody_calls_everybody_the_picture_is_about_as_wide_as_a_screen() {
        for count in [17usize, 101, 1009] {
            let name = |n: usize| format!("n{n:04}");
            let nodes = (0..count).map(name).collect();
            // Each calls three others, so that ways in circles lead through all of them.
            let edges =
                (0..count).flat_map(|n| [1, 7, 31].map(|step| (name(n), name((n * 5 + step) % count)))).collect();
            let mut layout = Layout::default();
            layout.follow(&Graph { nodes, edges });
            let all: Vec<Point> = layout.positions.values().copied().collect();
            let (left, right, bottom) = bounds(&all, &(0..count).collect::<Vec<_>>());
            let top = all.iter().map(|p| p.y).fold(f64::MAX, f64::min);
            let ratio = (right - left + COLUMN) / (bottom - top + ROW);
            assert!((0.8..4.5).contains(&ratio), "{count}: {ratio}");
        }
    }

    #[test]
    fn a_chain_stays_a_chain_however_long() {
        let name = |n: usize| format!("n{n:04}");
        let nodes = (0..40).map(name).collect();
        let edges = (0..39).map(|n| (name(n), name(n + 1))).collect();
        let mut layout = Layout::default();
        layout.follow(&Graph { nodes, edges });
        let ys: Vec<f64> = layout.positions.values().map(|p| p.y).collect();
        assert!(ys.is_sorted_by(|a, b| a < b), "{ys:?}");
    }

    #[test]
    fn what_somebody_put_somewhere_stays_there() {
        let graph = |nodes: &[&str], edges: &[(&str, &str)]| Graph {
            nodes: nodes.iter().map(|id| (*id).to_owned()).collect(),
            edges: edges.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        };
        let (few, more) = (graph(&["a", "b"], &[]), graph(&["a", "b", "c", "d"], &[("c", "a"), ("a", "d")]));
        let mut layout = Layout::default();
        layout.follow(&few);
        let there = Point { x: 1234.0, y: -77.0 };
        layout.pin("a", there);
        for step in 0..3 {
            match step {
                0 => layout.follow(&more),
                1 => layout.afresh(&more),
                _ => layout.follow(&few),
            }
            assert_eq!(layout.positions["a"], there, "step {step}");
            assert!(layout.positions["b"] != there);
        }
        layout.follow(&graph(&["b"], &[]));
        assert!(!layout.positions.contains_key("a"), "who is not there stands nowhere");
        layout.follow(&few);
        assert_eq!(layout.positions["a"], there, "and is back where it was");
        layout.pin_all(Positions::new());
        layout.afresh(&few);
        assert_ne!(layout.positions["a"], there);
    }
}
