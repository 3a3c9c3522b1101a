//! What comes stands beside those it talks to, where nobody stands.

use std::collections::{BTreeMap, BTreeSet};

use super::{COLUMN, GRID_ROW, Point, ROW, talking};

/// Who calls a node, and whom it calls.
type Near = (Vec<usize>, Vec<usize>);

/// Puts who has no place yet beside its neighbours, or among those that have none, where nobody stands.
/// A row of those that talk to nobody has `columns` places at least.
pub fn insert(edges: &[(u32, u32)], places: &mut [Option<Point>], columns: usize) {
    if places.iter().all(Option::is_some) {
        return;
    }
    let mut taken: BTreeSet<(i64, i64)> = places.iter().flatten().map(|p| cell(*p)).collect();
    let mut near: BTreeMap<usize, Near> = BTreeMap::new();
    for (a, b) in edges.iter().map(|(a, b)| (*a as usize, *b as usize)) {
        if places[b].is_none() {
            near.entry(b).or_default().0.push(a);
        }
        if places[a].is_none() {
            near.entry(a).or_default().1.push(b);
        }
    }
    let mut waiting: Vec<usize> = near.keys().copied().collect();
    while !waiting.is_empty() {
        // First whoever talks to someone who has a place; else one that nobody calls begins a group of its own.
        let has_place = |node: &usize| near[node].0.iter().chain(&near[node].1).any(|other| places[*other].is_some());
        let begins = |node: &usize| near[node].0.is_empty();
        let next = waiting.iter().position(has_place).or_else(|| waiting.iter().position(begins)).unwrap_or(0);
        let node = waiting.swap_remove(next);
        let of = |nodes: &[usize]| -> Vec<Point> { nodes.iter().filter_map(|node| places[*node]).collect() };
        let (callers, called) = (of(&near[&node].0), of(&near[&node].1));
        let mean = |points: &[Point]| points.iter().map(|p| p.x).sum::<f64>() / points.len() as f64;
        let wished = if !callers.is_empty() {
            Point { x: mean(&callers), y: callers.iter().map(|p| p.y).fold(f64::MIN, f64::max) + ROW }
        } else if !called.is_empty() {
            Point { x: mean(&called), y: called.iter().map(|p| p.y).fold(f64::MAX, f64::min) - ROW }
        } else {
            let corner = |at: Option<(f64, f64)>, p: &Point| {
                Some(at.map_or((p.x, p.y), |(left, low)| (left.min(p.x), low.max(p.y))))
            };
            let corner = places.iter().flatten().fold(None, corner);
            corner.map_or(Point { x: 0.0, y: 0.0 }, |(left, lowest)| Point { x: left, y: lowest + ROW })
        };
        let at = free(wished, &taken);
        taken.insert(cell(at));
        places[node] = Some(at);
    }
    let talking = talking(places.len(), edges);
    let mut shelf = Shelf::below(&talking, places, columns);
    for node in (0..places.len()).filter(|node| !talking[*node]) {
        if places[node].is_none() {
            let at = shelf.next(|at| is_free(at, &taken));
            taken.insert(cell(at));
            places[node] = Some(at);
        }
    }
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
    fn below(talking: &[bool], places: &[Option<Point>], columns: usize) -> Self {
        let silent = places.iter().zip(talking).filter(|(_, talks)| !**talks);
        let alone: Vec<&Point> = silent.filter_map(|(place, _)| place.as_ref()).collect();
        let all: Vec<&Point> = places.iter().flatten().collect();
        let least = |points: &[&Point], of: fn(&Point) -> f64| points.iter().map(|p| of(p)).fold(f64::MAX, f64::min);
        let most = |of: fn(&Point) -> f64| all.iter().map(|p| of(p)).fold(f64::MIN, f64::max);
        let (left, top) = match (alone.is_empty(), all.is_empty()) {
            (false, _) => (least(&alone, |p| p.x), least(&alone, |p| p.y)),
            (true, false) => (least(&all, |p| p.x), most(|p| p.y) + ROW),
            (true, true) => (0.0, 0.0),
        };
        let wide = if all.is_empty() { 0.0 } else { (most(|p| p.x) - left) / COLUMN };
        let count = talking.iter().filter(|talks| !**talks).count();
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

fn cell(p: Point) -> (i64, i64) {
    ((p.x / (COLUMN / 2.0)).round() as i64, (p.y / (ROW / 2.0)).round() as i64)
}

fn is_free(at: Point, taken: &BTreeSet<(i64, i64)>) -> bool {
    let (x, y) = cell(at);
    !(-1..=1).any(|dx| taken.contains(&(x + dx, y)))
}

fn free(wished: Point, taken: &BTreeSet<(i64, i64)>) -> Point {
    for ring in 0..200 {
        for dx in [f64::from(ring), -f64::from(ring)] {
            let at = Point { x: wished.x + dx * COLUMN, y: wished.y };
            if is_free(at, taken) {
                return at;
            }
        }
    }
    wished
}
