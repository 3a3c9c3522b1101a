//! Where words find room: beside their nodes, none over another or over a node.

use std::collections::HashMap;

use crate::layout::{COLUMN, Point};

/// What something covers, in the units of the graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Right,
    Left,
    Below,
}

impl Frame {
    pub fn around(at: Point, reach: f64) -> Self {
        Self { left: at.x - reach, top: at.y - reach, right: at.x + reach, bottom: at.y + reach }
    }

    /// Of words beside a node.
    pub fn beside(at: Point, reach: f64, side: Side, (width, height): (f64, f64)) -> Self {
        let (left, top) = match side {
            Side::Right => (at.x + reach, at.y - height / 2.0),
            Side::Left => (at.x - reach - width, at.y - height / 2.0),
            Side::Below => (at.x - width / 2.0, at.y + reach),
        };
        Self { left, top, right: left + width, bottom: top + height }
    }

    pub fn has(&self, at: Point) -> bool {
        (self.left..self.right).contains(&at.x) && (self.top..self.bottom).contains(&at.y)
    }

    fn holds(&self, other: &Self) -> bool {
        self.left <= other.left && other.right <= self.right && self.top <= other.top && other.bottom <= self.bottom
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }
}

/// So far over an edge a name may reach all the same.
const OVER_EDGE: f64 = 12.0;

/// What is taken, in squares as wide as a column, so that few have to be looked at.
#[derive(Default)]
pub struct Room(HashMap<(i64, i64), Vec<Frame>>);

impl Room {
    fn squares(frame: &Frame) -> impl Iterator<Item = (i64, i64)> + use<> {
        let of = |value: f64| (value / COLUMN).floor() as i64;
        let (rows, columns) = (of(frame.top)..=of(frame.bottom), of(frame.left)..=of(frame.right));
        rows.flat_map(move |row| columns.clone().map(move |column| (row, column)))
    }

    fn is_free(&self, frame: &Frame) -> bool {
        !Self::squares(frame).filter_map(|square| self.0.get(&square)).flatten().any(|taken| taken.overlaps(frame))
    }

    pub fn take(&mut self, frame: Frame) {
        for square in Self::squares(&frame) {
            self.0.entry(square).or_default().push(frame);
        }
    }

    /// A place for words of some sizes, the widest first, and which of them. Right of the node is where names are looked
    /// for: there they are cut before they go to another side, and before they go over the edge of what the node stands
    /// `inside` of.
    pub fn place(
        &mut self,
        at: Point,
        reach: f64,
        sizes: &[(f64, f64)],
        (bounds, inside): (&Frame, Option<&Frame>),
    ) -> Option<(usize, Side, Frame)> {
        let ends = |n: usize| Frame::beside(at, reach, Side::Right, sizes[n]).right;
        let fits = |n: &usize| inside.is_none_or(|inside| ends(*n) <= inside.right + OVER_EDGE);
        let right = (0..sizes.len()).filter(fits).chain((0..sizes.len()).filter(|n| !fits(n)));
        let right = right.map(|n| (Side::Right, n));
        let left = (0..sizes.len()).map(|n| (Side::Left, n));
        let below = (0..sizes.len()).map(|n| (Side::Below, n));
        for (side, n) in right.chain(left).chain(below) {
            let frame = Frame::beside(at, reach, side, sizes[n]);
            let is_seen = side == Side::Right || bounds.holds(&frame);
            if is_seen && self.is_free(&frame) {
                self.take(frame);
                return Some((n, side, frame));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::RADIUS;

    const REACH: f64 = 32.0;
    const EVERYWHERE: Frame = Frame { left: -1e6, top: -1e6, right: 1e6, bottom: 1e6 };

    fn at(x: f64, y: f64) -> Point {
        Point { x, y }
    }

    fn place(room: &mut Room, node: Point, widths: &[f64], bounds: &Frame) -> Option<(usize, Side)> {
        let sizes: Vec<(f64, f64)> = widths.iter().map(|width| (*width, 16.0)).collect();
        room.place(node, REACH, &sizes, (bounds, None)).map(|(n, side, _)| (n, side))
    }

    #[test]
    fn a_name_stands_where_there_is_room_for_it() {
        let mut room = Room::default();
        let nodes = [at(0.0, 0.0), at(COLUMN, 0.0), at(2.0 * COLUMN, 0.0)];
        nodes.iter().for_each(|p| room.take(Frame::around(*p, RADIUS)));
        let mut side = |node: Point, widths: &[f64]| place(&mut room, node, widths, &EVERYWHERE);
        assert_eq!(side(nodes[0], &[100.0]), Some((0, Side::Right)));
        assert_eq!(
            side(nodes[1], &[300.0, 100.0, 50.0]),
            Some((1, Side::Right)),
            "cut a little it stays where it belongs"
        );
        assert_eq!(side(nodes[2], &[400.0]), Some((0, Side::Right)), "whoever has nobody beside it may be long");
        assert_eq!(side(at(COLUMN, 200.0), &[160.0]), Some((0, Side::Right)));
        assert_eq!(side(at(COLUMN, 200.0), &[160.0, 40.0]), Some((0, Side::Left)), "where one stands already");
    }

    #[test]
    fn a_name_that_is_too_long_is_cut_before_it_is_left_out() {
        let mut room = Room::default();
        for x in -1..=1 {
            for y in -1..=1 {
                room.take(Frame::around(at(f64::from(x) * 100.0, f64::from(y) * 60.0), RADIUS));
            }
        }
        let mut side = |widths: &[f64]| place(&mut room, at(0.0, 0.0), widths, &EVERYWHERE);
        assert_eq!(side(&[300.0, 120.0]), None);
        assert_eq!(side(&[300.0, 120.0, 40.0]), Some((2, Side::Right)));
        assert_eq!(side(&[300.0, 120.0, 40.0]), Some((2, Side::Left)));
        assert_eq!(side(&[300.0, 120.0, 40.0]), None, "and below stands another node's");
    }

    #[test]
    fn a_name_is_cut_before_it_leaves_the_box_of_its_node() {
        let around = Frame { left: -50.0, top: -50.0, right: 150.0, bottom: 50.0 };
        let which = |widths: &[f64]| {
            let sizes: Vec<(f64, f64)> = widths.iter().map(|width| (*width, 16.0)).collect();
            Room::default().place(at(0.0, 0.0), REACH, &sizes, (&EVERYWHERE, Some(&around))).unwrap().0
        };
        assert_eq!(which(&[200.0, 150.0, 100.0]), 2);
        assert_eq!(which(&[100.0, 50.0]), 0);
        assert_eq!(which(&[200.0, 150.0]), 0, "where no cut is short enough it may as well be read");
    }

    #[test]
    fn no_name_goes_over_the_edge_for_want_of_room() {
        let mut room = Room::default();
        [at(0.0, 0.0), at(70.0, 0.0)].iter().for_each(|p| room.take(Frame::around(*p, RADIUS)));
        let stage = Frame { left: -60.0, top: -60.0, right: 500.0, bottom: 500.0 };
        assert_eq!(place(&mut room, at(0.0, 0.0), &[60.0], &stage), Some((0, Side::Below)));
    }

    #[test]
    fn whatever_is_placed_covers_nothing_else() {
        let mut room = Room::default();
        let mut taken = Vec::new();
        let nodes: Vec<Point> =
            (0..200).map(|n| at(f64::from(n % 20) * 57.0 - 500.0, f64::from(n / 20) * 43.0 - 200.0)).collect();
        for node in &nodes {
            let frame = Frame::around(*node, 8.0);
            room.take(frame);
            taken.push(frame);
        }
        for (n, node) in nodes.iter().enumerate() {
            let sizes = [90.0, 40.0, 25.0].map(|width| (width, 14.0));
            if let Some((_, _, frame)) = room.place(*node, 10.0, &sizes, (&EVERYWHERE, None)) {
                assert!(taken.iter().all(|other| !other.overlaps(&frame)), "{n}");
                taken.push(frame);
            }
        }
        assert!(taken.len() > 300, "most find a place: {}", taken.len());
    }
}
