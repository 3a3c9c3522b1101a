//! What comes stands beside those it talks to, where nobody stands.

use std::collections::{BTreeMap, BTreeSet};

use super::{COLUMN, GRID_ROW, Graph, Point, Positions, ROW};

/// Puts what is new beside its neighbours, or among those that have none, where nobody stands.
/// A row of those that talk to nobody has `columns` places at least.
pub fn insert(graph: &Graph, mut kept: Positions, columns: usize) -> Positions {
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
    let mut shelf = Shelf::below(graph, &kept, columns);
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
    fn below(graph: &Graph, kept: &Positions, columns: usize) -> Self {
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
        // A few in a narrow box stand one below the other: it grows where it has room.
        let few = if columns > 1 { 0 } else { 6 };
        let square = if count > few { (count as f64 * 0.9).sqrt().ceil() as usize } else { 1 };
        Self { left, top, columns: square.max(wide.round() as usize + 1).max(columns), place: 0 }
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
