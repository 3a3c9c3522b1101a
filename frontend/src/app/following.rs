//! The stream of the view that is shown: what comes of each message, and what waits while the page stands still.

use super::*;

impl Page {
    /// Opens the stream of the view that the route names.
    pub(super) fn follow(&self, topology: &str, query: &str) {
        let page = *self;
        page.forget_pause();
        page.model.set_value(Model::default());
        let layout = page.leave_for((topology.to_owned(), query.to_owned()));
        let pins = storage::get(&format!("{PINS}{topology}")).unwrap_or_default();
        let pins: std::collections::BTreeMap<String, (f64, f64)> = serde_json::from_str(&pins).unwrap_or_default();
        let pins = pins.into_iter().map(|(id, (x, y))| (id, layout::Point { x, y })).collect();
        // What comes is other than what is there, however it is counted.
        page.membership.set(u64::MAX);
        page.folding.set_value(Folding::default());
        page.labels.set(Arc::new(Labels::new()));
        page.opened_with.set(0);
        page.laying_out.set(false);
        page.layout.set_value(layout);
        page.layout.update_value(|layout| layout.pin_all(pins));
        page.structure.update(|n| *n += 1);
        page.hovered.set(None);
        page.hovered_line.set(None);
        page.hovered_box.set(None);
        let first = std::cell::Cell::new(true);
        let take = move |delta: StreamDelta| {
            if let Some(taken) = page.take_behind(&delta) {
                return taken != Taken::Gap;
            }
            let came = delta.nodes.len();
            let taken = page.model.try_update_value(|model| model.take(delta, now_ms() as u64));
            if came >= MANY && !first.get() {
                stage::mark_nodes("nodes-came", came, connection::received_ms());
            }
            match taken {
                Some(Taken::Structure) if first.replace(false) => {
                    // Known before anything else comes, which would be put together by it.
                    page.opened_with.set(page.model.with_value(|model| model.nodes.len()));
                    if came > AT_ONCE_MAX {
                        page.in_turn(page.view(), &[Self::know_members, Self::place_members, Self::show_members]);
                    } else {
                        page.show_structure();
                        page.look();
                    }
                }
                Some(Taken::Structure) => page.show_structure(),
                Some(Taken::Values) => {
                    page.refresh_groups();
                    page.values.update(|n| *n += 1);
                }
                Some(Taken::Status) => {}
                Some(Taken::Gap) | None => return false,
            }
            page.status.update(|n| *n += 1);
            true
        };
        let path = format!("api/topology/{topology}/ws{query}");
        self.connection.with_value(|held| {
            if let Some(held) = held {
                // The old one is closed before the new one is opened.
                held.borrow_mut().take();
                *held.borrow_mut() = Some(Connection::open(path, page.link, take));
            }
        });
    }

    /// Does one after the other, each in a task of its own: where much came, who does something meanwhile goes first.
    fn in_turn(self, of: (String, String), turns: &'static [fn(Self)]) {
        let Some((first, rest)) = turns.split_first() else { return };
        let next = move || {
            // Somebody may look at another view by then.
            if self.view() == of {
                first(self);
                self.in_turn(of, rest);
            }
        };
        set_timeout(next, std::time::Duration::ZERO);
    }

    fn know_members(self) {
        self.membership.set(self.model.with_value(|model| model.membership));
        // What they can be put together by is found out here, and not with their places.
        untrack(|| self.grouped_by());
    }

    fn place_members(self) {
        self.lay_out_again(false);
    }

    fn show_members(self) {
        self.structure.update(|n| *n += 1);
        self.values.update(|n| *n += 1);
        self.look();
    }

    /// Has everybody see that nodes or edges changed.
    fn show_structure(&self) {
        // Others are put together only once it is known what can be.
        let members = self.model.with_value(|model| model.membership);
        if self.membership.get_untracked() != members {
            self.membership.set(members);
            self.lay_out_again(false);
        } else if self.layout.with_value(|layout| self.wakes(layout)) {
            self.lay_out_again(false);
        } else {
            self.refresh_groups();
        }
        self.structure.update(|n| *n += 1);
        self.values.update(|n| *n += 1);
    }

    /// What is shown stands still from now on; what comes is kept.
    pub fn pause(&self) {
        self.behind.set_value(Some(self.model.with_value(Clone::clone)));
        self.waiting.set(0);
        self.paused.set(Some(now_ms()));
    }

    /// Shows what is so now.
    pub fn resume(&self) {
        if let Some(now) = self.behind.try_update_value(Option::take).flatten() {
            self.membership.set(now.membership);
            self.model.set_value(now);
            self.lay_out_again(false);
            self.structure.update(|n| *n += 1);
            self.values.update(|n| *n += 1);
            self.status.update(|n| *n += 1);
        }
        self.forget_pause();
        self.read_details();
    }

    pub fn toggle_pause(&self) {
        match self.paused.with_untracked(Option::is_some) {
            true => self.resume(),
            false => self.pause(),
        }
    }

    pub(super) fn forget_pause(&self) {
        self.behind.set_value(None);
        self.waiting.set(0);
        if self.paused.with_untracked(Option::is_some) {
            self.paused.set(None);
        }
    }

    /// Takes in what came behind what is shown; none where that does not stand still.
    fn take_behind(&self, delta: &StreamDelta) -> Option<Taken> {
        let StreamDelta { nodes, gone, edges, edges_gone, .. } = delta;
        let changes = nodes.len() + gone.len() + edges.len() + edges_gone.len();
        let taken = self
            .behind
            .try_update_value(|behind| behind.as_mut().map(|behind| behind.take(delta.clone(), now_ms() as u64)))??;
        if changes > 0 && !delta.reset {
            self.waiting.update(|count| *count += changes);
        }
        Some(taken)
    }
}
