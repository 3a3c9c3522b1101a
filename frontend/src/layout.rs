//! Where nodes stand, and that every node stays where it stood.
//!
//! A layout is made anew only when it is asked for or when most of what is shown is new. Otherwise what is there stays,
//! and what comes is put beside those it talks to. Nodes of one box stand together.

mod beside;
mod boxes;
mod force;
mod layers;
mod pack;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use foldhash::HashMap;

use crate::room::Frame;

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

/// In which manner nodes are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Callers above those they call.
    #[default]
    Layers,
    /// As if those who talk pulled at one another, and all others pushed each other away.
    Force,
}

impl Manner {
    pub const ALL: [Self; 2] = [Self::Layers, Self::Force];

    pub fn id(self) -> &'static str {
        match self {
            Self::Layers => "layers",
            Self::Force => "force",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Layers => "Layers",
            Self::Force => "Force",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|manner| manner.id() == id)
    }
}

/// What is laid out, in numbers: a node's is its place in the order of the ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    ids: Vec<String>,
    /// Who calls whom, in order, each pair once; nobody calls themselves.
    edges: Vec<(u32, u32)>,
    /// Of each node, the number of its box; 0 for none.
    parts: Vec<u32>,
    /// The boxes' keys, that of box 1 first.
    keys: Vec<String>,
}

impl Graph {
    /// Of nodes as their makers know them, each with its id and the key of the box that it stands in, and of who calls whom
    /// among them.
    pub fn of<K: Copy + Eq + Hash, N: Into<String>>(
        nodes: impl IntoIterator<Item = (K, N, Option<String>)>,
        edges: impl IntoIterator<Item = (K, K)>,
    ) -> Self {
        let mut nodes: Vec<(K, String, Option<String>)> =
            nodes.into_iter().map(|(maker, id, key)| (maker, id.into(), key)).collect();
        nodes.sort_unstable_by(|(_, a, _), (_, b, _)| a.cmp(b));
        nodes.dedup_by(|(_, a, _), (_, b, _)| a == b);
        let number: HashMap<K, u32> = nodes.iter().map(|(maker, ..)| *maker).zip(0..).collect();
        let keys: BTreeSet<&String> = nodes.iter().filter_map(|(_, _, key)| key.as_ref()).collect();
        let keys: Vec<String> = keys.into_iter().cloned().collect();
        let part = |key: &Option<String>| {
            key.as_ref().and_then(|key| keys.binary_search(key).ok()).map_or(0, |place| place as u32 + 1)
        };
        let parts = nodes.iter().map(|(_, _, key)| part(key)).collect();
        let ends = |(a, b): (K, K)| Some((*number.get(&a)?, *number.get(&b)?));
        let mut edges: Vec<(u32, u32)> = edges.into_iter().filter_map(ends).filter(|(a, b)| a != b).collect();
        edges.sort_unstable();
        edges.dedup();
        Self { ids: nodes.into_iter().map(|(_, id, _)| id).collect(), edges, parts, keys }
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn contains(&self, id: &str) -> bool {
        self.ids.binary_search_by(|one| one.as_str().cmp(id)).is_ok()
    }

    /// Of each node, whether it talks to another.
    fn talking(&self) -> Vec<bool> {
        talking(self.len(), &self.edges)
    }

    /// The key of the box that a node stands in.
    fn key(&self, node: usize) -> Option<&String> {
        self.keys.get((self.parts[node] as usize).checked_sub(1)?)
    }

    /// Of the nodes that stand in one, the key of the box.
    fn boxes(&self) -> BTreeMap<String, String> {
        let boxed = self.ids.iter().enumerate().filter_map(|(node, id)| Some((id.clone(), self.key(node)?.clone())));
        boxed.collect()
    }

    pub fn plan(&self, manner: Manner, screen: f64) -> Plan {
        Plan { edges: self.edges.clone(), parts: self.parts.clone(), manner, screen }
    }

    /// Nodes with the places that `arrange` found for them.
    pub fn placed(&self, places: Vec<Point>) -> Positions {
        self.ids.iter().cloned().zip(places).collect()
    }
}

/// Of so many nodes, whether each talks to another.
fn talking(count: usize, edges: &[(u32, u32)]) -> Vec<bool> {
    let mut talking = vec![false; count];
    for (a, b) in edges {
        (talking[*a as usize], talking[*b as usize]) = (true, true);
    }
    talking
}

/// What `arrange` takes: a graph without its names.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub edges: Vec<(u32, u32)>,
    /// Of each node, the number of its box; 0 for none.
    pub parts: Vec<u32>,
    pub manner: Manner,
    /// For what it is laid out: width in height.
    pub screen: f64,
}

pub type Positions = BTreeMap<String, Point>;

/// Where the nodes of a graph stand that changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub positions: Positions,
    pub manner: Manner,
    /// For what it is laid out: width in height.
    pub screen: f64,
    /// Of the nodes that stand in one, the key of the box.
    boxes: BTreeMap<String, String>,
    /// Who was put among those that talk to nobody, and talked to nobody since.
    alone: BTreeSet<String>,
    /// Where somebody put nodes by hand; also those that are not there now.
    pinned: Positions,
    /// Where those stood that went since all were placed anew.
    left: Positions,
    /// Rises whenever somebody stands elsewhere.
    version: u64,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            positions: Positions::new(),
            manner: Manner::default(),
            screen: pack::SCREEN,
            boxes: BTreeMap::new(),
            alone: BTreeSet::new(),
            pinned: Positions::new(),
            left: Positions::new(),
            version: 0,
        }
    }
}

impl Layout {
    /// Places all nodes of `graph`, where they stood if they did; gives false where so much is new that all of them are to be
    /// placed anew. Of those that stood alone, who talks now moves to those it talks to; who falls silent later stays there.
    #[must_use]
    pub fn follow(&mut self, graph: &Graph) -> bool {
        let talking = graph.talking();
        let stood = |(node, id): (usize, &String)| {
            let wanders = talking[node] && self.alone.contains(id);
            self.positions.get(id).filter(|_| !wanders && self.boxes.get(id) == graph.key(node)).copied()
        };
        let mut places: Vec<Option<Point>> = graph.ids.iter().enumerate().map(stood).collect();
        let new = places.iter().filter(|place| place.is_none()).count();
        if new * 2 > graph.len() {
            return false;
        }
        let remains =
            |(node, id): &(usize, &String)| !talking[*node] && (places[*node].is_none() || self.alone.contains(*id));
        self.alone = graph.ids.iter().enumerate().filter(remains).map(|(_, id)| id.clone()).collect();
        match graph.keys.is_empty() {
            true => beside::insert(&graph.edges, &mut places, 4),
            false => boxes::follow(graph, &mut places, self.manner, self.screen),
        }
        self.stand(graph, places);
        self.boxes = graph.boxes();
        self.keep_pinned();
        true
    }

    /// Has everybody stand there, and keeps where those stood that went.
    fn stand(&mut self, graph: &Graph, places: Vec<Option<Point>>) {
        let left = &mut self.left;
        self.positions.retain(|id, at| {
            let stays = graph.contains(id);
            if !stays {
                left.insert(id.clone(), *at);
            }
            stays
        });
        for (id, place) in graph.ids.iter().zip(places) {
            let Some(place) = place else { continue };
            match self.positions.get_mut(id) {
                Some(at) => *at = place,
                None => _ = self.positions.insert(id.clone(), place),
            }
        }
    }

    /// Other than before where somebody stands elsewhere.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether a node stands among those that talk to nobody.
    pub fn stands_alone(&self, id: &str) -> bool {
        self.alone.contains(id)
    }

    pub fn has_lonely(&self) -> bool {
        !self.alone.is_empty()
    }

    /// Places all nodes anew.
    pub fn afresh(&mut self, graph: &Graph) {
        self.take(graph, arrange(&graph.plan(self.manner, self.screen)));
    }

    /// Takes the places that `arrange` found for all nodes.
    pub fn take(&mut self, graph: &Graph, places: Vec<Point>) {
        self.left.clear();
        let talking = graph.talking();
        self.alone = graph.ids.iter().zip(talking).filter(|(_, talks)| !talks).map(|(id, _)| id.clone()).collect();
        self.positions = graph.placed(places);
        self.boxes = graph.boxes();
        self.keep_pinned();
    }

    /// Where a node stood that went, unless all were placed anew since.
    pub fn left(&self, id: &str) -> Option<Point> {
        self.left.get(id).copied()
    }

    /// Lets go of the places of those that nobody asks for any more.
    pub fn forget_left(&mut self, is_asked_for: impl Fn(&str) -> bool) {
        self.left.retain(|id, _| is_asked_for(id));
    }

    /// The boxes that have nodes, by their keys.
    pub fn frames(&self) -> BTreeMap<String, Frame> {
        boxes::frames(&self.boxes, &self.positions)
    }

    /// Where all nodes are, and the corners of all boxes.
    pub fn extent(&self) -> Vec<Point> {
        let corners = self.frames().into_values().flat_map(|frame| {
            // Room for what is beside a node is in the box already.
            [Point { x: frame.left, y: frame.top }, Point { x: frame.right - COLUMN / 2.0, y: frame.bottom }]
        });
        corners.chain(self.positions.values().copied()).collect()
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

    /// The last step of whatever changes places.
    fn keep_pinned(&mut self) {
        self.version += 1;
        for (id, at) in &self.pinned {
            if let Some(position) = self.positions.get_mut(id) {
                *position = *at;
            }
        }
    }
}

/// Places for all nodes of a plan.
pub fn arrange(plan: &Plan) -> Vec<Point> {
    let edges: Vec<(usize, usize)> = plan.edges.iter().map(|(a, b)| (*a as usize, *b as usize)).collect();
    match plan.parts.iter().any(|part| *part > 0) {
        true => boxes::arrange(&edges, &plan.parts, plan.manner, plan.screen),
        false => whole(plan.parts.len(), &edges, plan.manner, plan.screen),
    }
}

/// Places for nodes that stand in no boxes.
fn whole(count: usize, edges: &[(usize, usize)], manner: Manner, screen: f64) -> Vec<Point> {
    let mut touched = vec![false; count];
    for (a, b) in edges {
        (touched[*a], touched[*b]) = (true, true);
    }
    let connected: Vec<usize> = (0..count).filter(|n| touched[*n]).collect();
    let alone: Vec<usize> = (0..count).filter(|n| !touched[*n]).collect();
    let ranks = layers::rank(count, edges);
    let mut positions = vec![Point { x: 0.0, y: 0.0 }; count];
    let groups = pack::components(&connected, edges);
    // Which group a node is in, so that edges are handed out in one pass.
    let mut of = vec![0; count];
    for (n, group) in groups.iter().enumerate() {
        group.iter().for_each(|node| of[*node] = n);
    }
    let mut own: Vec<Vec<(usize, usize)>> = vec![Vec::new(); groups.len()];
    for edge in edges {
        own[of[edge.0]].push(*edge);
    }
    let mut sizes = Vec::with_capacity(groups.len());
    for (group, edges) in groups.iter().zip(&own) {
        match manner {
            Manner::Layers => layers::place_rows(&layers::rows(group, &ranks, edges, screen), edges, &mut positions),
            Manner::Force => force::settle(group, edges, &mut positions),
        }
        let (low, high) = pack::bounds(&positions, group);
        sizes.push((high.x - low.x + COLUMN, high.y - low.y + ROW * 1.1));
    }
    for (group, corner) in groups.iter().zip(pack::shelved(&sizes, alone.len(), screen)) {
        let (low, _) = pack::bounds(&positions, group);
        for node in group {
            let at = &mut positions[*node];
            *at = Point { x: at.x - low.x + corner.x, y: at.y - low.y + corner.y };
        }
    }
    pack::place_grid(&alone, &mut positions, &connected, screen);
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A graph that changes, by the ids of its nodes.
    #[derive(Clone, Default)]
    struct Named {
        nodes: BTreeSet<String>,
        edges: BTreeSet<(String, String)>,
        boxes: BTreeMap<String, String>,
    }

    impl Named {
        fn graph(&self) -> Graph {
            let node = |id: &'_ String| (id.clone(), self.boxes.get(id).cloned());
            let nodes: Vec<(String, Option<String>)> = self.nodes.iter().map(node).collect();
            let nodes = nodes.iter().map(|(id, key)| (id.as_str(), id.as_str(), key.clone()));
            Graph::of(nodes, self.edges.iter().map(|(a, b)| (a.as_str(), b.as_str())))
        }

        fn placed(&self, manner: Manner, screen: f64) -> Positions {
            let graph = self.graph();
            graph.placed(arrange(&graph.plan(manner, screen)))
        }
    }

    fn graph(nodes: &[&str], edges: &[(&str, &str)]) -> Named {
        Named {
            nodes: nodes.iter().map(|n| (*n).to_owned()).collect(),
            edges: edges.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            ..Named::default()
        }
    }

    fn from_scratch(graph: &Named) -> Positions {
        graph.placed(Manner::Layers, pack::SCREEN)
    }

    fn afresh(layout: &mut Layout, graph: &Named) {
        layout.afresh(&graph.graph());
    }

    fn follow(layout: &mut Layout, graph: &Named) {
        if !layout.follow(&graph.graph()) {
            afresh(layout, graph);
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
    fn a_graph_is_as_wide_as_what_it_is_shown_on() {
        let pairs: Vec<(String, String)> = (0..12).map(|n| (format!("a{n}"), format!("b{n}"))).collect();
        let edges: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let nodes: Vec<&str> = edges.iter().flat_map(|(a, b)| [*a, *b]).collect();
        let graph = graph(&nodes, &edges);
        let ratio = |screen: f64| {
            let at = graph.placed(Manner::Layers, screen);
            let span = |of: fn(&Point) -> f64| {
                at.values().map(of).fold(f64::MIN, f64::max) - at.values().map(of).fold(f64::MAX, f64::min)
            };
            span(|p| p.x) / span(|p| p.y)
        };
        assert!(ratio(0.6) < 1.0 && ratio(1.8) > 1.2, "{} {}", ratio(0.6), ratio(1.8));
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
        afresh(&mut layout, &before);
        let at = layout.positions.clone();
        let after = graph(&["a", "b", "d", "e", "f"], &[("a", "b"), ("b", "d"), ("a", "e")]);
        follow(&mut layout, &after);
        let moved = layout.positions;
        for id in ["a", "b", "d"] {
            assert_eq!(moved[id], at[id], "{id}");
        }
        assert!(moved["e"].y > moved["a"].y);
        no_two_overlap(&moved);
        let mut layout = Layout::default();
        afresh(&mut layout, &before);
        follow(&mut layout, &after);
        assert_eq!((layout.left("c"), layout.left("a")), (Some(at["c"]), None), "where it was is known");
        afresh(&mut layout, &after);
        assert_eq!(layout.left("c"), None);
    }

    #[test]
    fn those_that_come_one_by_one_and_talk_to_nobody_fill_a_block_and_not_a_line() {
        let (mut graph, mut layout) = (Named::default(), Layout::default());
        for n in 0..40 {
            graph.nodes.insert(format!("n{n:02}"));
            let before = layout.positions.clone();
            follow(&mut layout, &graph);
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
        follow(&mut layout, &graph);
        let at = layout.positions.clone();
        graph.edges.insert(("b".into(), "h".into()));
        graph.edges.insert(("c".into(), "d".into()));
        follow(&mut layout, &graph);
        let talks = layout.positions.clone();
        no_two_overlap(&talks);
        assert!(talks["h"].y > talks["b"].y && (talks["h"].x - talks["b"].x).abs() < COLUMN, "below its caller");
        assert!(talks["d"].y > talks["c"].y, "two that stood alone are a group of their own");
        for id in ["a", "b", "e", "f", "g"] {
            assert_eq!(talks[id], at[id], "{id}");
        }
        let talking = std::mem::take(&mut graph.edges);
        follow(&mut layout, &graph);
        assert_eq!(layout.positions, talks, "who falls silent stays where it is");
        graph.edges = talking;
        follow(&mut layout, &graph);
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
        let mut big = Named::default();
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
    fn groups_stand_side_by_side_where_those_that_talk_to_nobody_need_room_below() {
        let mut shop = Named::default();
        for group in ["a", "b", "c"] {
            let calls = (0..4).map(|n| (format!("{group}-gateway"), format!("{group}-{n}")));
            shop.edges.extend(calls);
        }
        shop.edges.extend([("client", "web"), ("app", "db")].map(|(from, to)| (from.to_owned(), to.to_owned())));
        shop.nodes = shop.edges.iter().flat_map(|(from, to)| [from.clone(), to.clone()]).collect();
        let wide = |graph: &Named| {
            let at = graph.placed(Manner::Layers, 1.6);
            let across = |p: &Point| (p.x / COLUMN * 2.0).round() as i64;
            at.values().map(across).max().unwrap() - at.values().map(across).min().unwrap()
        };
        let before = wide(&shop);
        shop.nodes.extend((0..6).map(|n| format!("lonely-{n}")));
        assert!(before < 8 && wide(&shop) > 12, "{before} {}", wide(&shop));
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
            follow(&mut layout, &Named { nodes, edges, ..Named::default() });
            let all: Vec<Point> = layout.positions.values().copied().collect();
            let (low, high) = pack::bounds(&all, &(0..count).collect::<Vec<_>>());
            let ratio = (high.x - low.x + COLUMN) / (high.y - low.y + ROW);
            assert!((0.8..4.5).contains(&ratio), "{count}: {ratio}");
        }
    }

    #[test]
    fn a_chain_stays_a_chain_however_long() {
        let name = |n: usize| format!("n{n:04}");
        let nodes = (0..40).map(name).collect();
        let edges = (0..39).map(|n| (name(n), name(n + 1))).collect();
        let mut layout = Layout::default();
        follow(&mut layout, &Named { nodes, edges, ..Named::default() });
        let ys: Vec<f64> = layout.positions.values().map(|p| p.y).collect();
        assert!(ys.is_sorted_by(|a, b| a < b), "{ys:?}");
    }

    #[test]
    fn what_somebody_put_somewhere_stays_there() {
        let (few, more) = (graph(&["a", "b"], &[]), graph(&["a", "b", "c", "d"], &[("c", "a"), ("a", "d")]));
        let mut layout = Layout::default();
        follow(&mut layout, &few);
        let there = Point { x: 1234.0, y: -77.0 };
        layout.pin("a", there);
        for step in 0..3 {
            match step {
                0 => follow(&mut layout, &more),
                1 => afresh(&mut layout, &more),
                _ => follow(&mut layout, &few),
            }
            assert_eq!(layout.positions["a"], there, "step {step}");
            assert!(layout.positions["b"] != there);
        }
        follow(&mut layout, &graph(&["b"], &[]));
        assert!(!layout.positions.contains_key("a"), "who is not there stands nowhere");
        follow(&mut layout, &few);
        assert_eq!(layout.positions["a"], there, "and is back where it was");
        layout.pin_all(Positions::new());
        afresh(&mut layout, &few);
        assert_ne!(layout.positions["a"], there);
    }

    /// Two boxes of four and three who call one another, and one outside.
    fn boxed() -> Named {
        let mut graph = graph(
            &["a1", "a2", "a3", "a4", "b1", "b2", "b3", "out"],
            &[("a1", "a2"), ("a1", "b1"), ("b1", "b2"), ("a3", "out")],
        );
        let key = |id: &String| (id != "out").then(|| (id.clone(), format!("box {}", &id[..1])));
        graph.boxes = graph.nodes.iter().filter_map(key).collect();
        graph
    }

    fn each_in_its_own_box(layout: &Layout, graph: &Named) {
        let frames = layout.frames();
        for (id, at) in &layout.positions {
            for (key, frame) in &frames {
                assert_eq!(graph.boxes.get(id) == Some(key), frame.overlaps(&Frame::around(*at, 20.0)), "{id} {key}");
            }
        }
        let all: Vec<&Frame> = frames.values().collect();
        for (n, one) in all.iter().enumerate() {
            assert!(all[n + 1..].iter().all(|other| !one.overlaps(other)), "{frames:?}");
        }
    }

    #[test]
    fn boxes_hold_their_own_nodes_and_no_others() {
        for manner in Manner::ALL {
            let mut layout = Layout { manner, ..Layout::default() };
            afresh(&mut layout, &boxed());
            assert_eq!(layout.frames().len(), 2);
            each_in_its_own_box(&layout, &boxed());
            no_two_overlap(&layout.positions);
            assert!(layout.positions["a1"].y < layout.positions["a2"].y || manner == Manner::Force);
        }
    }

    #[test]
    fn who_comes_into_a_box_moves_nobody_as_long_as_there_is_room() {
        let mut graph = boxed();
        let mut layout = Layout::default();
        afresh(&mut layout, &graph);
        let before = layout.positions.clone();
        graph.nodes.insert("b4".into());
        graph.boxes.insert("b4".into(), "box b".into());
        assert!(layout.follow(&graph.graph()));
        assert!(before.iter().all(|(id, at)| layout.positions[id] == *at), "nobody else moved");
        each_in_its_own_box(&layout, &graph);
        // A box that is new, and one that grows until all have to make room.
        for n in 0..40 {
            for key in ["b", "c"] {
                graph.nodes.insert(format!("{key}{n:02}"));
                graph.boxes.insert(format!("{key}{n:02}"), format!("box {key}"));
            }
            follow(&mut layout, &graph);
            each_in_its_own_box(&layout, &graph);
        }
        no_two_overlap(&layout.positions);
        graph.boxes.clear();
        graph.nodes = ["a1", "a2"].map(str::to_owned).into();
        graph.edges.clear();
        follow(&mut layout, &graph);
        assert!(layout.frames().is_empty());
    }

    #[test]
    fn forces_bring_together_who_talks_and_leave_room_for_names() {
        let mut clusters = Named::default();
        for key in ["a", "b"] {
            let name = |n: usize| format!("{key}{n:02}");
            clusters.nodes.extend((0..12).map(name));
            clusters.edges.extend((0..12).flat_map(|n| [1, 2, 3].map(|step| (name(n), name((n + step) % 12)))));
        }
        clusters.edges.insert(("a00".into(), "b00".into()));
        let at = |manner| clusters.placed(manner, pack::SCREEN);
        let positions = at(Manner::Force);
        assert_eq!(positions, at(Manner::Force), "the same each time");
        no_two_overlap(&positions);
        let middle = |key: &str| {
            let of: Vec<&Point> = positions.iter().filter(|(id, _)| id.starts_with(key)).map(|(_, at)| at).collect();
            let count = of.len() as f64;
            Point { x: of.iter().map(|p| p.x).sum::<f64>() / count, y: of.iter().map(|p| p.y).sum::<f64>() / count }
        };
        let (a, b) = (middle("a"), middle("b"));
        for (id, p) in &positions {
            let far = |q: Point| (p.x - q.x).hypot((p.y - q.y) * pack::SCREEN);
            assert_eq!(id.starts_with('a'), far(a) < far(b), "{id}");
        }
    }
}
