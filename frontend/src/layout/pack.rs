//! Groups of a graph side by side.

use std::collections::{BTreeSet, HashMap};

use super::{COLUMN, GRID_ROW, Point, ROW};

/// Of a screen: its width in its height.
pub const SCREEN: f64 = 1.8;
/// So many widths of shelves are tried.
const SHELVES_MAX: usize = 24;

/// Nodes that are joined by edges, largest group first.
pub fn components(nodes: &[usize], edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
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

/// Corners of boxes that stand on shelves one below the other: as wide as makes the whole the largest on a screen, whose
/// width in its height is `screen`. Below them so many nodes stand that are in none.
pub fn shelved(sizes: &[(f64, f64)], alone: usize, screen: f64) -> Vec<Point> {
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
        let columns = grid_columns(alone, widest, screen);
        let (grid_width, grid_height) = (columns as f64 * COLUMN, alone.div_ceil(columns.max(1)) as f64 * GRID_ROW);
        // How far it must shrink to fit, up to what the screen's size does to all alike.
        ((widest.max(grid_width) / screen).max(y + tallest + grid_height), corners)
    };
    let widest = sizes.iter().map(|(width, _)| *width).fold(0.0, f64::max);
    let area: f64 = sizes.iter().map(|(width, height)| width * height).sum();
    let shelves = sizes.iter().take(SHELVES_MAX).scan(0.0, |sum, (width, _)| {
        *sum += width;
        Some(*sum)
    });
    let tried = shelves.chain([(area * screen).sqrt()]).map(|shelf| on(shelf.max(widest)));
    tried.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, corners)| corners).unwrap_or_default()
}

/// The least and the largest place of some nodes.
pub fn bounds(at: &[Point], nodes: &[usize]) -> (Point, Point) {
    let mut places = nodes.iter().map(|n| at[*n]);
    let first = places.next().unwrap_or(Point { x: 0.0, y: 0.0 });
    places.fold((first, first), |(low, high), p| {
        let least = Point { x: low.x.min(p.x), y: low.y.min(p.y) };
        (least, Point { x: high.x.max(p.x), y: high.y.max(p.y) })
    })
}

/// How many of those that talk to nobody stand side by side, below others that are so wide.
fn grid_columns(count: usize, width: f64, screen: f64) -> usize {
    let square = (count as f64 * screen / 2.0).sqrt().ceil() as usize;
    let fitting = (width / COLUMN).round() as usize;
    square.max(fitting).max(if screen < 1.0 { 2 } else { 4 }).min(count)
}

/// Nodes that talk to nobody, in a grid below all others.
pub fn place_grid(nodes: &[usize], at: &mut [Point], others: &[usize], screen: f64) {
    let (low, high) = bounds(at, others);
    let width = if others.is_empty() { 0.0 } else { high.x - low.x + COLUMN };
    let columns = grid_columns(nodes.len(), width, screen);
    // Under a graph, its left edge is theirs.
    let (start, top) = match others.is_empty() {
        true => (-(columns as f64 - 1.0) / 2.0 * COLUMN, 0.0),
        false => (low.x, high.y + ROW * 1.1),
    };
    for (n, node) in nodes.iter().enumerate() {
        let (row, column) = (n / columns, n % columns);
        at[*node] = Point { x: start + column as f64 * COLUMN, y: top + row as f64 * GRID_ROW };
    }
}
