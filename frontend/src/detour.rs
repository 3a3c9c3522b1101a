//! The ways of lines: upright ones lead around the nodes and names between their ends, through gaps beside these.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::slice;

use crate::layout::{COLUMN, Point};
use crate::scene::{self, Curve, RADIUS, Run};

/// More lines than so many go straight on, and are drawn many in one stroke: nobody could follow one of them.
pub const FOLLOWED_MAX: usize = 400;
/// What a line keeps away from nodes and names.
const CLEAR: f64 = 8.0;
/// A name that is longer keeps no more room than this; it may be cut.
const NAME_MAX: f64 = 110.0;
/// A gap that is further aside than this is no way.
const ASIDE_MAX: f64 = COLUMN * 1.5;

/// A node as lines see it, in units of the graph.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    pub at: Point,
    /// From its middle up and down.
    pub top: f64,
    pub foot: f64,
    /// Width of the name at its right side.
    pub name: f64,
}

/// Where lines run that do not go the plain way, by the numbers of their ends.
#[derive(Default)]
pub struct Ways {
    run: Run,
    own: BTreeMap<(u32, u32), Vec<Curve>>,
}

/// Of one line: curves, each of which begins where the one before ends.
#[derive(Clone, Copy)]
pub enum Way<'a> {
    Plain(Curve),
    Own(&'a [Curve]),
}

impl Deref for Way<'_> {
    type Target = [Curve];

    fn deref(&self) -> &[Curve] {
        match self {
            Self::Plain(curve) => slice::from_ref(curve),
            Self::Own(curves) => curves,
        }
    }
}

impl Ways {
    /// `bodies` is asked only where the lines are few.
    pub fn of(
        run: Run,
        lines: impl ExactSizeIterator<Item = (u32, u32)>,
        bodies: impl FnOnce() -> BTreeMap<u32, Body>,
    ) -> Self {
        if run == Run::Straight || lines.len() > FOLLOWED_MAX {
            return Self { run, own: BTreeMap::new() };
        }
        let bodies = bodies();
        let rows = Rows::of(bodies.values());
        let own = lines.filter_map(|ends| Some((ends, rows.way(bodies.get(&ends.0)?, bodies.get(&ends.1)?)?)));
        Self { run, own: own.collect() }
    }

    /// From one place to another, which are those of its ends.
    pub fn way(&self, ends: (u32, u32), source: Point, target: Point) -> Way<'_> {
        match self.own.get(&ends) {
            Some(own) => Way::Own(own),
            None => Way::Plain(scene::edge_curve(source, target, self.run)),
        }
    }
}

/// What stands side by side.
struct Row {
    top: f64,
    bottom: f64,
    /// From left to right, with gaps between them.
    taken: Vec<(f64, f64)>,
}

struct Rows(Vec<Row>);

impl Rows {
    fn of<'a>(bodies: impl Iterator<Item = &'a Body>) -> Self {
        let mut bodies: Vec<&Body> = bodies.collect();
        bodies.sort_by(|a, b| a.at.y.total_cmp(&b.at.y));
        let mut rows: Vec<Row> = Vec::new();
        for Body { at, name, .. } in bodies {
            if rows.last().is_none_or(|row| at.y - row.top > RADIUS) {
                rows.push(Row { top: at.y, bottom: at.y, taken: Vec::new() });
            }
            if let Some(row) = rows.last_mut() {
                row.bottom = at.y;
                row.taken.push((at.x - RADIUS - CLEAR, at.x + RADIUS + name.min(NAME_MAX) + CLEAR));
            }
        }
        for row in &mut rows {
            row.taken.sort_by(|a, b| a.0.total_cmp(&b.0));
            row.taken.dedup_by(|next, before| {
                let is_one = next.0 <= before.1;
                before.1 = if is_one { before.1.max(next.1) } else { before.1 };
                is_one
            });
        }
        Self(rows)
    }

    /// None where that does not lead down.
    fn way(&self, source: &Body, target: &Body) -> Option<Vec<Curve>> {
        if !scene::is_downwards(source.at, target.at) {
            return None;
        }
        let from = Point { y: source.at.y + source.foot, ..source.at };
        let to = Point { y: target.at.y - target.top - scene::HEAD_GAP, ..target.at };
        let mut way = Vec::new();
        self.lead(from, to, &mut way);
        Some(way)
    }

    fn lead(&self, from: Point, to: Point, way: &mut Vec<Curve>) {
        let between = self.0.iter().filter(|row| from.y < row.top && row.bottom < to.y);
        match between.filter_map(|row| row.past(from, to)).next() {
            // There are fewer rows between on both sides of it.
            Some(gap) => {
                self.lead(from, gap, way);
                self.lead(gap, to, way);
            }
            None => way.push(scene::upright(from, to)),
        }
    }
}

impl Row {
    /// Where to go instead of straight on; none where nothing is met, or there is no gap near.
    fn past(&self, from: Point, to: Point) -> Option<Point> {
        let y = (self.top + self.bottom) / 2.0;
        let [enters, x, leaves] = [self.top - RADIUS, y, self.bottom + RADIUS].map(|y| x_at(from, to, y));
        self.met(enters.min(leaves), enters.max(leaves))?;
        let free = match self.met(x, x) {
            Some((left, right)) if x - left <= right - x => left,
            Some((_, right)) => right,
            None => x,
        };
        ((free - x).abs() <= ASIDE_MAX).then_some(Point { x: free, y })
    }

    /// What stands between these, as the leftmost of it.
    fn met(&self, left: f64, right: f64) -> Option<(f64, f64)> {
        let at = self.taken.partition_point(|(_, ends)| *ends <= left);
        self.taken.get(at).copied().filter(|(begins, _)| *begins < right)
    }
}

/// Where an upright line from one place to another that is below is at that height.
fn x_at(from: Point, to: Point, y: f64) -> f64 {
    let down = ((y - from.y) / (to.y - from.y)).clamp(0.0, 1.0);
    // Its height over its course is t(t² - 1.5t + 1.5), as its handles are half as long as it is high.
    let mut t = down;
    for _ in 0..4 {
        t -= (t * (t * (t - 1.5) + 1.5) - down) / (t * (3.0 * t - 3.0) + 1.5);
    }
    from.x + (to.x - from.x) * t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::ROW;

    fn body(column: f64, row: f64, name: f64) -> Body {
        Body { at: Point { x: column * COLUMN, y: row * ROW }, top: RADIUS, foot: RADIUS, name }
    }

    fn is_met(way: &[Curve], body: &Body) -> bool {
        let points = way.iter().flat_map(|curve| (0..=50).map(|n| scene::on_curve(*curve, f64::from(n) / 50.0)));
        points.into_iter().any(|p| {
            (p.y - body.at.y).abs() < RADIUS && (body.at.x - RADIUS..body.at.x + RADIUS + body.name).contains(&p.x)
        })
    }

    fn ways(bodies: &[Body], lines: &[(u32, u32)]) -> Ways {
        Ways::of(Run::Upright, lines.iter().copied(), || (0..).zip(bodies.iter().copied()).collect())
    }

    #[test]
    fn a_long_line_goes_through_the_gaps_between_columns() {
        let mut bodies = vec![body(0.0, 0.0, 80.0), body(0.0, 4.0, 80.0)];
        for row in 1..4 {
            bodies.extend((-2..=2).map(|column| body(f64::from(column), f64::from(row), 80.0)));
        }
        let ways = ways(&bodies, &[(0, 1)]);
        let way = ways.way((0, 1), bodies[0].at, bodies[1].at);
        assert!(is_met(&[scene::edge_curve(bodies[0].at, bodies[1].at, Run::Upright)], &bodies[4]));
        assert!(bodies[2..].iter().all(|body| !is_met(&way, body)));
        for pair in way.windows(2) {
            assert_eq!(pair[0][3], pair[1][0], "one begins where the other ends");
            assert_eq!((pair[0][2].x, pair[1][1].x), (pair[0][3].x, pair[0][3].x), "without a bend between them");
        }
        let (first, last) = (way[0][0], way[way.len() - 1][3]);
        assert_eq!((first.y, last.y), (RADIUS, 4.0 * ROW - RADIUS - scene::HEAD_GAP));
    }

    #[test]
    fn where_a_line_is_at_a_height_is_where_it_is_drawn() {
        let (from, to) = (Point { x: 10.0, y: 20.0 }, Point { x: -300.0, y: 500.0 });
        for step in 0..=20 {
            let drawn = scene::on_curve(scene::upright(from, to), f64::from(step) / 20.0);
            assert!((x_at(from, to, drawn.y) - drawn.x).abs() < 0.1, "{drawn:?}");
        }
    }

    #[test]
    fn a_line_that_meets_nobody_is_one_curve() {
        let bodies = [body(0.0, 0.0, 80.0), body(1.0, 2.0, 80.0), body(3.0, 1.0, 80.0)];
        let ways = ways(&bodies, &[(0, 1), (1, 0)]);
        let way = ways.way((0, 1), bodies[0].at, bodies[1].at);
        assert_eq!(*way, [scene::edge_curve(bodies[0].at, bodies[1].at, Run::Upright)]);
        let upwards = ways.way((1, 0), bodies[1].at, bodies[0].at);
        assert_eq!(*upwards, [scene::edge_curve(bodies[1].at, bodies[0].at, Run::Upright)]);
    }

    #[test]
    fn where_there_is_no_gap_near_a_line_goes_straight_on() {
        let mut bodies = vec![body(0.0, 0.0, 80.0), body(0.0, 2.0, 80.0)];
        bodies.extend((-40..40).map(|n| body(f64::from(n) * 0.2, 1.0, 80.0)));
        let ways = ways(&bodies, &[(0, 1)]);
        assert_eq!(ways.way((0, 1), bodies[0].at, bodies[1].at).len(), 1);
    }

    #[test]
    fn a_line_leaves_and_ends_where_shapes_do() {
        let task = Body { foot: 11.0, ..body(0.0, 0.0, 0.0) };
        let square = Body { top: 18.0, ..body(0.0, 1.0, 0.0) };
        let ways = ways(&[task, square], &[(0, 1)]);
        let way = ways.way((0, 1), task.at, square.at);
        assert_eq!((way[0][0].y, way[0][3].y), (11.0, ROW - 18.0 - scene::HEAD_GAP));
    }

    #[test]
    fn more_lines_than_anybody_follows_go_the_plain_way() {
        let mut bodies = vec![body(0.0, 0.0, 80.0), body(0.0, 2.0, 80.0), body(0.0, 1.0, 80.0)];
        bodies.extend((0..500).map(|n| body(f64::from(n), 3.0, 80.0)));
        let lines: Vec<(u32, u32)> = (0..500).map(|n| (0, if n == 0 { 1 } else { n + 2 })).collect();
        let at = (bodies[0].at, bodies[1].at);
        assert!(ways(&bodies, &lines[..400]).way((0, 1), at.0, at.1).len() > 1);
        assert_eq!(ways(&bodies, &lines).way((0, 1), at.0, at.1).len(), 1);
    }
}
