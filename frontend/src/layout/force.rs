//! Nodes that talk pull at one another, and all push away who is near: after Fruchterman and Reingold, with a grid, so
//! that only who is near is looked at.

use std::collections::HashMap;

use super::pack::SCREEN;
use super::{COLUMN, GRID_ROW, Point};

/// How far apart two that talk are at rest.
const REST: f64 = 120.0;
/// Nobody pushes who is further away than so many of that.
const REACH: f64 = 3.0;
/// Steps are the fewer the more nodes there are: about so many looks at a node in all.
const LOOKS: usize = 400_000;
const STEPS: (usize, usize) = (60, 300);
/// Turns of a sunflower: nobody starts where another one does.
const GOLDEN: f64 = 2.399_963_229_728_653;

/// Places the nodes of one connected group around the origin. The same group comes out the same way.
pub fn settle(nodes: &[usize], edges: &[(usize, usize)], positions: &mut [Point]) {
    let index: HashMap<usize, usize> = nodes.iter().enumerate().map(|(n, node)| (*node, n)).collect();
    let edges: Vec<(usize, usize)> =
        edges.iter().filter_map(|(a, b)| Some((*index.get(a)?, *index.get(b)?))).filter(|(a, b)| a != b).collect();
    let mut at = start(nodes.len(), &edges);
    let steps = (LOOKS / nodes.len().max(1)).clamp(STEPS.0, STEPS.1);
    for step in 0..steps {
        // Who has much to move does so in the beginning.
        let most = REST * 2.0 * (1.0 - step as f64 / steps as f64).max(0.02);
        let mut push = vec![Point { x: 0.0, y: 0.0 }; at.len()];
        near_ones(&at, (REST * REACH, REST * REACH), |a, b| {
            let (dx, dy) = (at[a].x - at[b].x, at[a].y - at[b].y);
            let far = dx.hypot(dy).max(1.0);
            if far < REST * REACH {
                let force = REST * REST / far / far;
                push[a] = Point { x: push[a].x + dx * force, y: push[a].y + dy * force };
                push[b] = Point { x: push[b].x - dx * force, y: push[b].y - dy * force };
            }
        });
        for (a, b) in &edges {
            let (dx, dy) = (at[*b].x - at[*a].x, at[*b].y - at[*a].y);
            let force = dx.hypot(dy) / REST;
            push[*a] = Point { x: push[*a].x + dx * force, y: push[*a].y + dy * force };
            push[*b] = Point { x: push[*b].x - dx * force, y: push[*b].y - dy * force };
        }
        for (at, push) in at.iter_mut().zip(&push) {
            let far = push.x.hypot(push.y).max(1e-9);
            let share = far.min(most) / far;
            *at = Point { x: at.x + push.x * share, y: at.y + push.y * share };
        }
    }
    // As wide as a screen is, and as names need it.
    at.iter_mut().for_each(|at| at.x *= SCREEN);
    part(&mut at);
    for (node, at) in nodes.iter().zip(at) {
        positions[*node] = at;
    }
}

/// Those with most to say in the middle, and who they talk to around them.
fn start(count: usize, edges: &[(usize, usize)]) -> Vec<Point> {
    let mut near: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (a, b) in edges {
        near[*a].push(*b);
        near[*b].push(*a);
    }
    let mut order = Vec::with_capacity(count);
    let mut seen = vec![false; count];
    let mut by_degree: Vec<usize> = (0..count).collect();
    by_degree.sort_by_key(|n| (std::cmp::Reverse(near[*n].len()), *n));
    for first in by_degree {
        if std::mem::replace(&mut seen[first], true) {
            continue;
        }
        let mut next = order.len();
        order.push(first);
        while let Some(node) = order.get(next).copied() {
            next += 1;
            order.extend(near[node].iter().copied().filter(|other| !std::mem::replace(&mut seen[*other], true)));
        }
    }
    let mut at = vec![Point { x: 0.0, y: 0.0 }; count];
    for (n, node) in order.into_iter().enumerate() {
        let (far, turn) = (REST * (n as f64).sqrt(), GOLDEN * n as f64);
        at[node] = Point { x: far * turn.cos(), y: far * turn.sin() };
    }
    at
}

/// Moves apart who stands on another one or on its name.
fn part(at: &mut [Point]) {
    const ROUNDS: usize = 80;
    let (wide, high) = (COLUMN * 0.92, GRID_ROW * 0.95);
    for _ in 0..ROUNDS {
        let mut close = Vec::new();
        near_ones(at, (wide, high), |a, b| {
            if (at[a].x - at[b].x).abs() < wide && (at[a].y - at[b].y).abs() < high {
                close.push((a, b));
            }
        });
        if close.is_empty() {
            return;
        }
        for (a, b) in close {
            let (dx, dy) = (at[b].x - at[a].x, at[b].y - at[a].y);
            let (lack_x, lack_y) = (wide - dx.abs(), high - dy.abs());
            if lack_x <= 0.0 || lack_y <= 0.0 {
                continue;
            }
            // The way that is shorter; a little more, so that they do not meet again by rounding.
            if lack_y <= lack_x {
                let step = (lack_y / 2.0 + 0.5) * if dy < 0.0 { -1.0 } else { 1.0 };
                (at[a].y, at[b].y) = (at[a].y - step, at[b].y + step);
            } else {
                let step = (lack_x / 2.0 + 0.5) * if dx < 0.0 { -1.0 } else { 1.0 };
                (at[a].x, at[b].x) = (at[a].x - step, at[b].x + step);
            }
        }
    }
}

/// Calls `with` for each pair that is in the same or in neighbouring cells of a grid.
fn near_ones(at: &[Point], (wide, high): (f64, f64), mut with: impl FnMut(usize, usize)) {
    let cell = |p: &Point| ((p.x / wide).floor() as i64, (p.y / high).floor() as i64);
    let mut cells: HashMap<(i64, i64), Vec<usize>> = HashMap::new();
    for (n, p) in at.iter().enumerate() {
        cells.entry(cell(p)).or_default().push(n);
    }
    for (a, p) in at.iter().enumerate() {
        let (x, y) = cell(p);
        for near in (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (x + dx, y + dy))) {
            for b in cells.get(&near).into_iter().flatten().filter(|b| **b > a) {
                with(a, *b);
            }
        }
    }
}
