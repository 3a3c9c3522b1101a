//! What is pointed at, selected, pinned or found, and what of the graph that concerns.

use super::*;

impl Page {
    pub(super) fn is_live_untracked(&self) -> bool {
        self.link.with_untracked(|link| *link == Link::Live)
    }

    /// The network whose members are shown, and all ids that go by its name: hosts have bridges of the same name.
    pub fn network(&self) -> Option<(String, BTreeSet<String>)> {
        let name = self.previewed.get().or_else(|| self.route.with(|route| route.network.clone()))?;
        self.structure.track();
        let ids = self.model.with_value(|model| {
            let all = model.nodes.values().flat_map(|node| &node.networks);
            all.filter(|network| network.label == name).map(|network| network.id.clone()).collect()
        });
        Some((name, ids))
    }

    /// The metric that fills nodes: the one under the pointer, the one that was chosen, or the first.
    pub fn shown_metric(&self) -> Option<String> {
        let chosen = self.previewed_metric.get().or_else(|| self.route.with(|route| route.metric.clone()));
        self.metrics.with(|offered| match chosen {
            Some(chosen) => offered.contains(&chosen).then_some(chosen),
            None => offered.first().cloned(),
        })
    }

    pub(super) fn next_metric(&self, forward: bool) {
        let shown = untrack(|| self.shown_metric());
        let next = self.metrics.with_untracked(|offered| gauge::next(offered, shown.as_deref(), forward));
        if next.is_some() {
            self.adjust(|route| route.metric = next);
        }
    }

    /// Fills nodes with nothing, or with the first metric again.
    pub(super) fn toggle_metric(&self) {
        let is_shown = untrack(|| self.shown_metric()).is_some();
        self.go(|route| route.metric = is_shown.then(String::new));
    }

    /// Pins a network, another one, or none.
    pub fn pin_network(&self, name: Option<String>) {
        self.go(|route| route.network = name);
    }

    /// The next of the networks that are shown, then none.
    pub(super) fn pin_next_network(&self) {
        let names = self.model.with_value(Model::networks);
        let now = self.route.with_untracked(|route| route.network.clone());
        let at = now.and_then(|now| names.iter().position(|(name, _)| *name == now));
        let next = at.map_or(0, |at| at + 1);
        self.pin_network(names.into_iter().nth(next).map(|(name, _)| name));
    }

    /// The line that is selected, by the numbers of its ends.
    pub fn shown_line(&self) -> Option<(u32, u32)> {
        let (source, target) = self.route.with(|route| route.edge.clone())?;
        self.structure.track();
        self.drawn(|model, folding| Some((folding.end(model.slot_of(&source)?), folding.end(model.slot_of(&target)?))))
    }

    /// Ids of the nodes that are drawn in full: all, or those that the pointer, the selection or a network concerns.
    pub fn lit(&self) -> Option<BTreeSet<u32>> {
        let depth = self.route.with(|route| route.depth);
        self.structure.track();
        let around = |slot: u32, depth| self.drawn(|model, folding| folding.neighbourhood(model, slot, depth));
        if let Some(slot) = self.hovered.get() {
            return Some(around(slot, 1));
        }
        if let Some(ends) = self.shown_line() {
            return Some([ends.0, ends.1].into());
        }
        if let Some(way) = self.path() {
            return Some(way.into_iter().collect());
        }
        if let Some(slot) = self.selected_slot() {
            return Some(around(slot, depth));
        }
        if let Some(key) = self.hovered_box.get() {
            return self
                .drawn(|_, folding| folding.groups.get(&key).map(|group| group.members.iter().copied().collect()));
        }
        let (name, ids) = self.network()?;
        Some(
            self.drawn(|model, folding| model.members(&name, &ids).into_iter().map(|slot| folding.end(slot)).collect()),
        )
    }

    /// The way from what is selected to what was asked for, as it is drawn; none where nothing joins them.
    pub fn path(&self) -> Option<Vec<u32>> {
        let to = self.route.with(|route| route.path.clone())?;
        let from = self.selected_slot()?;
        self.drawn(|model, folding| {
            let edges: BTreeSet<(u32, u32)> = model.edges.values().filter_map(|edge| folding.ends(edge)).collect();
            paths::between(&edges, from, folding.end(model.slot_of(&to)?))
        })
    }

    /// Lights the way from what is selected to what is under the pointer, else to the card that was pinned last; or not
    /// any more.
    pub fn turn_path(&self) {
        let pointed = self.hovered.get_untracked();
        let pointed = pointed.and_then(|slot| self.model.with_value(|model| Some(model.nodes.get(&slot)?.id.clone())));
        self.go(|route| {
            let Some(from) = route.selected.as_deref() else { return };
            let pinned = route.pins.iter().rev().find(|pin| pin.topology == route.topology && pin.id != from);
            let to = pointed.filter(|id| id != from).or_else(|| pinned.map(|pin| pin.id.clone()));
            route.path = to.filter(|to| route.path.as_ref() != Some(to));
        });
    }

    /// Who is drawn for the selected node.
    pub fn selected_slot(&self) -> Option<u32> {
        let id = self.route.with(|route| route.selected.clone())?;
        self.structure.track();
        self.drawn(|model, folding| Some(folding.end(model.slot_of(&id)?)))
    }

    /// What is searched for, as it is drawn: a folded group is found with any of its members.
    pub fn found_drawn(&self) -> Option<Arc<Found>> {
        let found = self.found()?;
        self.structure.track();
        self.drawn(|model, folding| {
            if folding.folded() == 0 {
                return Some(found.clone());
            }
            let mut drawn = Found::new();
            let mut inside: std::collections::BTreeMap<u32, usize> = std::collections::BTreeMap::new();
            for (slot, reason) in found.iter() {
                match folding.end(*slot) {
                    own if own == *slot => drop(drawn.insert(own, reason.clone())),
                    group => *inside.entry(group).or_default() += 1,
                }
            }
            let all = |slot| folding.node(model, slot).map_or(0, |node| node.count as usize);
            drawn.extend(inside.into_iter().map(|(slot, count)| (slot, Some(format!("{count} of {}", all(slot))))));
            Some(Arc::new(drawn))
        })
    }

    /// Who uses how much: of what is looked at, or of the hosts.
    pub fn show_resources(&self) {
        self.go(|route| {
            if !Mode::Resources.is_of(&route.topology) {
                route.show("hosts");
            }
            route.mode = Mode::Resources;
        });
    }

    /// Folds the list of topologies to its icons, or unfolds it; the browser keeps that.
    pub fn fold_rail(&self) {
        self.rail_folded.update(|folded| *folded = !*folded);
        storage::set(RAIL, self.rail_folded.get_untracked().then_some("1"));
    }

    /// Selects the next node that something is wrong with, or shows the next finding where these are looked at.
    pub(super) fn next_finding(&self, forward: bool) {
        fn after<T: Clone + PartialEq>(all: &[T], now: Option<&T>, forward: bool) -> Option<T> {
            let at = now.and_then(|now| all.iter().position(|one| one == now));
            let step = if forward { 1 } else { all.len().checked_sub(1)? };
            let next = at.map_or(if forward { 0 } else { step }, |at| (at + step) % all.len());
            all.get(next).cloned()
        }
        let route = self.route.get_untracked();
        if route.mode == Mode::Findings {
            let all: Vec<String> = self.findings.with_untracked(|all| all.iter().map(|one| one.id.clone()).collect());
            if let Some(next) = after(&all, route.finding.as_ref(), forward) {
                self.adjust(|route| route.finding = Some(next));
            }
            return;
        }
        let mut sick: Vec<(bool, String)> = self.model.with_value(|model| {
            let sick = model.nodes.values().filter(|node| !node.health.is_empty());
            sick.map(|node| (node.health != "failing", node.id.clone())).collect()
        });
        sick.sort();
        let ids: Vec<String> = sick.into_iter().map(|(_, id)| id).collect();
        if let Some(next) = after(&ids, route.selected.as_ref(), forward) {
            self.select(Some(next));
            self.aim.set(Some(Aim::Selection));
        }
    }

    /// Shows the selected node with those around it alone, or everything again.
    pub fn show_alone(&self) {
        self.go(|route| route.alone = !route.alone && route.selected.is_some());
    }

    /// Looks further around the selected node, then at it alone again.
    pub fn deepen(&self) {
        if self.route.with_untracked(|route| route.selected.is_some()) {
            self.go(|route| route.depth = if route.depth >= DEPTH_MAX { 1 } else { route.depth + 1 });
        }
    }
}
