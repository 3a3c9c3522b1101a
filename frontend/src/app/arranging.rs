//! Who is drawn for whom, and where.

use super::*;

impl Page {
    /// What nodes are put together by.
    pub fn grouped_by(&self) -> Option<String> {
        let many = self.opened_with.get() > GROUPED_FROM;
        let chosen = self.route.with(|route| route.group.clone());
        self.groupings.with(|offered| match chosen {
            Some(by) => (by.starts_with(folding::LABEL) || offered.contains(&by)).then_some(by),
            None => offered.first().cloned().filter(|_| many),
        })
    }

    /// Whether groups are folded unless somebody says otherwise.
    pub(super) fn folds_by_itself(&self) -> bool {
        self.opened_with.get_untracked() > FOLDED_FROM
    }

    /// Finds out anew who is drawn for whom.
    pub(super) fn regroup(&self) {
        let by = untrack(|| self.grouped_by());
        let shown = self.shown.get_untracked();
        let is_shown = |slot: u32| shown.as_ref().is_none_or(|shown| shown.contains(&slot));
        let folds = self.route.with_untracked(|route| route.folds.clone());
        let folding = by.map_or_else(Folding::default, |by| {
            let labels = self.labels.get_untracked();
            self.model.with_value(|model| Folding::of(model, &labels, &by, &folds, self.folds_by_itself(), is_shown))
        });
        self.folding.set_value(folding);
    }

    /// Says again how those are that stand for others.
    pub(super) fn refresh_groups(&self) {
        if let Some(by) = untrack(|| self.grouped_by()) {
            self.model.with_value(|model| self.folding.update_value(|folding| folding.refresh(model, &by)));
        }
    }

    /// What is drawn: the nodes as the app tells them, and those that stand for others.
    pub fn drawn<T>(&self, with: impl FnOnce(&Model, &Folding) -> T) -> T {
        self.model.with_value(|model| self.folding.with_value(|folding| with(model, folding)))
    }

    /// Folds a group that is open, and opens one that is folded.
    pub fn turn_group(&self, key: &str) {
        self.go(|route| route.folds.turn(key));
    }

    pub fn fold_all(&self, folded: bool) {
        self.go(|route| route.folds.set_all(folded));
    }

    pub(super) fn graph(&self) -> layout::Graph {
        let shown = self.shown.get_untracked();
        let is_shown = |slot: &u32| shown.as_ref().is_none_or(|shown| shown.contains(slot));
        self.drawn(|model, folding| {
            let boxes = folding.boxes();
            let node = |slot: u32| {
                let key = boxes.get(&slot).map(|key| (*key).to_owned());
                Some((slot, folding.node(model, slot)?.id.as_str(), key))
            };
            let nodes = model.nodes.keys().filter(|slot| is_shown(slot)).map(|slot| folding.end(*slot));
            let nodes: BTreeSet<u32> = nodes.collect();
            let edges = model.edges.values().filter(|e| is_shown(&e.source) && is_shown(&e.target));
            layout::Graph::of(nodes.into_iter().filter_map(node), edges.filter_map(|edge| folding.ends(edge)))
        })
    }

    /// Whether somebody who stands among those that talk to nobody does talk now.
    pub(super) fn wakes(&self, layout: &Layout) -> bool {
        self.drawn(|model, folding| {
            let id = |slot: u32| folding.node(model, slot).map(|node| &node.id);
            let talks = |slot: u32| id(slot).is_some_and(|id| layout.stands_alone(id));
            layout.has_lonely()
                && model
                    .edges
                    .values()
                    .any(|edge| edge.source != edge.target && (talks(edge.source) || talks(edge.target)))
        })
    }

    pub(super) fn lay_out_again(&self, afresh: bool) {
        self.regroup();
        self.lay_out(afresh);
    }

    /// Places who is drawn, as they are put together now.
    pub(super) fn lay_out(&self, afresh: bool) {
        self.arranged.update_value(|turn| *turn += 1);
        let turn = self.arranged.get_value();
        let graph = self.graph();
        let manner = self.route.with_untracked(|route| route.manner);
        let screen = self.screen.get_value();
        let follows = |layout: &mut Layout| {
            (layout.manner, layout.screen) = (manner, screen);
            !afresh && layout.follow(&graph)
        };
        let has_followed = self.layout.try_update_value(follows).unwrap_or(true);
        self.model.with_value(|model| {
            self.layout.update_value(|layout| layout.forget_left(|id| model.changes.is_gone(id)));
        });
        // Who is being placed is waited for; what came since is placed then.
        if has_followed || (!afresh && self.laying_out.get_untracked()) {
            return;
        }
        // What the camera looked at is elsewhere.
        self.camera.set_value(None);
        stage::mark("layout-asked");
        if graph.len() <= AT_ONCE_MAX {
            self.laying_out.set(false);
            self.layout.update_value(|layout| layout.afresh(&graph));
            return;
        }
        let page = *self;
        page.laying_out.set(true);
        let laying = page.laying.get_value();
        let view = page.view();
        Laying::ask(&laying, graph.plan(manner, screen), move |places| {
            // Somebody may look at another view meanwhile, which is laid out by itself.
            if page.view() != view {
                return;
            }
            page.laying_out.set(false);
            page.layout.update_value(|layout| layout.take(&graph, places));
            stage::mark("layout-done");
            page.structure.update(|n| *n += 1);
            page.look();
            // What came meanwhile has no place yet.
            if page.arranged.get_value() != turn {
                page.lay_out_again(false);
            }
        });
    }

    pub fn rearrange(&self) {
        self.lay_out_again(true);
        self.structure.update(|n| *n += 1);
        self.look();
    }
}
