//! Nodes of one group in a box, boxes side by side, and after them those that are in none.

use std::collections::BTreeMap;

use super::{GRID_ROW, Graph, Manner, Point, Positions, beside, pack, whole};
use crate::room::Frame;

/// From the outermost nodes to the frame: room for names at the right, for the title above.
const LEFT: f64 = 44.0;
const RIGHT: f64 = 156.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = 44.0;
const GAP: f64 = 36.0;
/// Below a box is room for another row, so that it can grow a little without moving others.
const SPARE: f64 = GRID_ROW;

/// Nodes by boxes, those in none last, and what goes on within each.
struct Boxed {
    members: Vec<Vec<usize>>,
    /// In the places of nodes among the members.
    edges: Vec<Vec<(usize, usize)>>,
}

impl Boxed {
    fn of(edges: impl Iterator<Item = (usize, usize)>, parts: &[u32]) -> Self {
        let mut order: BTreeMap<(bool, u32), Vec<usize>> = BTreeMap::new();
        let mut within = vec![0; parts.len()];
        for (node, part) in parts.iter().enumerate() {
            let members = order.entry((*part == 0, *part)).or_default();
            within[node] = members.len();
            members.push(node);
        }
        let place: BTreeMap<u32, usize> = order.keys().map(|(_, part)| *part).zip(0..).collect();
        let mut inside = vec![Vec::new(); order.len()];
        for (a, b) in edges.filter(|(a, b)| parts[*a] == parts[*b]) {
            inside[place[&parts[a]]].push((within[a], within[b]));
        }
        Self { members: order.into_values().collect(), edges: inside }
    }
}

/// Places for all nodes.
pub fn arrange(edges: &[(usize, usize)], parts: &[u32], manner: Manner, screen: f64) -> Vec<Point> {
    let boxed = Boxed::of(edges.iter().copied(), parts);
    let mut places = vec![Point { x: 0.0, y: 0.0 }; parts.len()];
    let mut frames = Vec::with_capacity(boxed.members.len());
    for (nodes, edges) in boxed.members.iter().zip(&boxed.edges) {
        let own = whole(nodes.len(), edges, manner, pack::SCREEN);
        frames.extend(frame(own.iter()));
        for (node, at) in nodes.iter().zip(own) {
            places[*node] = at;
        }
    }
    for ((nodes, frame), corner) in boxed.members.iter().zip(&frames).zip(corners(&frames, screen)) {
        for node in nodes {
            let at = &mut places[*node];
            *at = Point { x: at.x - frame.left + corner.x, y: at.y - frame.top + corner.y };
        }
    }
    places
}

/// Places who has no place yet in the box that it belongs to. Boxes stay where they are unless one grew into another.
pub fn follow(graph: &Graph, places: &mut [Option<Point>], manner: Manner, screen: f64) {
    let boxed = Boxed::of(graph.edges.iter().map(|(a, b)| (*a as usize, *b as usize)), &graph.parts);
    let mut placed = Vec::with_capacity(boxed.members.len());
    for (nodes, edges) in boxed.members.iter().zip(&boxed.edges) {
        let mut own: Vec<Option<Point>> = nodes.iter().map(|node| places[*node]).collect();
        if own.iter().any(Option::is_none) {
            if own.iter().all(Option::is_none) {
                let stand = below(places, whole(nodes.len(), edges, manner, pack::SCREEN));
                own = stand.into_iter().map(Some).collect();
            } else {
                let edges: Vec<(u32, u32)> = edges.iter().map(|(a, b)| (*a as u32, *b as u32)).collect();
                beside::insert(&edges, &mut own, 1);
            }
            for (node, at) in nodes.iter().zip(&own) {
                places[*node] = *at;
            }
        }
        placed.extend(frame(own.iter().flatten()));
    }
    let collide = placed.iter().enumerate().any(|(n, one)| placed[n + 1..].iter().any(|other| one.overlaps(other)));
    if collide {
        for ((nodes, frame), corner) in boxed.members.iter().zip(&placed).zip(corners(&placed, screen)) {
            for node in nodes {
                let moved = |at: Point| Point { x: at.x - frame.left + corner.x, y: at.y - frame.top + corner.y };
                places[*node] = places[*node].map(moved);
            }
        }
    }
}

/// A box that is new, under all that is there.
fn below(there: &[Option<Point>], mut own: Vec<Point>) -> Vec<Point> {
    let (Some(there), Some(here)) = (frame(there.iter().flatten()), frame(own.iter())) else { return own };
    for at in &mut own {
        *at = Point { x: at.x - here.left + there.left, y: at.y - here.top + there.bottom + GAP };
    }
    own
}

/// Around nodes, with room for their names and a title.
fn frame<'a>(points: impl Iterator<Item = &'a Point>) -> Option<Frame> {
    let grown = |frame: Option<Frame>, at: &Point| {
        let own = Frame { left: at.x - LEFT, top: at.y - TOP, right: at.x + RIGHT, bottom: at.y + BOTTOM };
        Some(frame.map_or(own, |frame| Frame {
            left: frame.left.min(own.left),
            top: frame.top.min(own.top),
            right: frame.right.max(own.right),
            bottom: frame.bottom.max(own.bottom),
        }))
    };
    points.fold(None, grown)
}

pub fn frames(boxes: &BTreeMap<String, String>, positions: &Positions) -> BTreeMap<String, Frame> {
    let mut points: BTreeMap<&String, Vec<&Point>> = BTreeMap::new();
    for (id, key) in boxes {
        points.entry(key).or_default().extend(positions.get(id));
    }
    points.into_iter().filter_map(|(key, points)| Some((key.clone(), frame(points.into_iter())?))).collect()
}

fn corners(frames: &[Frame], screen: f64) -> Vec<Point> {
    let size = |frame: &Frame| (frame.right - frame.left + GAP, frame.bottom - frame.top + GAP + SPARE);
    pack::shelved(&frames.iter().map(size).collect::<Vec<_>>(), 0, screen)
}
