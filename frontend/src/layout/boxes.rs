//! Nodes of one group in a box, boxes side by side, and after them those that are in none.

use std::collections::{BTreeMap, BTreeSet};

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

/// Places for all nodes.
pub fn arrange(edges: &[(usize, usize)], parts: &[u32], manner: Manner, screen: f64) -> Vec<Point> {
    // Who is in no box comes last.
    let mut members: BTreeMap<(bool, u32), Vec<usize>> = BTreeMap::new();
    let mut within = vec![0; parts.len()];
    for (node, part) in parts.iter().enumerate() {
        let members = members.entry((*part == 0, *part)).or_default();
        within[node] = members.len();
        members.push(node);
    }
    let mut inside: BTreeMap<u32, Vec<(usize, usize)>> = BTreeMap::new();
    for (a, b) in edges.iter().filter(|(a, b)| parts[*a] == parts[*b]) {
        inside.entry(parts[*a]).or_default().push((within[*a], within[*b]));
    }
    let mut places = vec![Point { x: 0.0, y: 0.0 }; parts.len()];
    let mut frames = Vec::with_capacity(members.len());
    for ((_, part), nodes) in &members {
        let own = whole(nodes.len(), inside.get(part).map_or(&[][..], Vec::as_slice), manner, pack::SCREEN);
        frames.extend(frame(own.iter()));
        for (node, at) in nodes.iter().zip(own) {
            places[*node] = at;
        }
    }
    for ((nodes, frame), corner) in members.values().zip(&frames).zip(corners(&frames, screen)) {
        for node in nodes {
            let at = &mut places[*node];
            *at = Point { x: at.x - frame.left + corner.x, y: at.y - frame.top + corner.y };
        }
    }
    places
}

/// Places what is new in the box that it belongs to. Boxes stay where they are unless one grew into another.
pub fn follow(graph: &Graph, kept: Positions, manner: Manner, screen: f64) -> Positions {
    let mut parts: BTreeMap<(bool, Option<&String>), BTreeSet<&String>> = BTreeMap::new();
    for id in &graph.nodes {
        let key = graph.boxes.get(id);
        parts.entry((key.is_none(), key)).or_default().insert(id);
    }
    let mut positions = kept;
    let mut placed = Vec::with_capacity(parts.len());
    for nodes in parts.values() {
        if nodes.iter().any(|id| !positions.contains_key(*id)) {
            let is_in = |(a, b): &&(String, String)| nodes.contains(a) && nodes.contains(b);
            let own = Graph {
                nodes: nodes.iter().map(|id| (*id).clone()).collect(),
                edges: graph.edges.iter().filter(is_in).cloned().collect(),
                boxes: BTreeMap::new(),
            };
            let stood: Positions = nodes.iter().filter_map(|id| Some(((*id).clone(), *positions.get(*id)?))).collect();
            let stands = match stood.is_empty() {
                true => below(&positions, own.placed(super::arrange(&own.plan(manner, pack::SCREEN)))),
                false => beside::insert(&own, stood, 1),
            };
            positions.extend(stands);
        }
        placed.extend(frame(nodes.iter().filter_map(|id| positions.get(*id))));
    }
    let collide = placed.iter().enumerate().any(|(n, one)| placed[n + 1..].iter().any(|other| one.overlaps(other)));
    if collide {
        for ((nodes, frame), corner) in parts.values().zip(&placed).zip(corners(&placed, screen)) {
            for id in nodes {
                if let Some(at) = positions.get_mut(*id) {
                    *at = Point { x: at.x - frame.left + corner.x, y: at.y - frame.top + corner.y };
                }
            }
        }
    }
    positions
}

/// A box that is new, under all that is there.
fn below(positions: &Positions, mut own: Positions) -> Positions {
    let (Some(there), Some(here)) = (frame(positions.values()), frame(own.values())) else { return own };
    for at in own.values_mut() {
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
    pack::shelved(&frames.iter().map(size).collect::<Vec<_>>(), screen)
}
