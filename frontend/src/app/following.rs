//! The stream of the view that is shown: what comes of each message, and what waits while the page stands still.

use super::*;

/// What is done with a large view that came, each in a task of its own.
const FIRST_SHOWN: [fn(Page); 5] =
    [Page::know_members, Page::group_members, Page::place_members, Page::show_members, Page::catch_up];

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
        page.opening.set_value(None);
        page.laying_out.set(false);
        page.layout.set_value(layout);
        page.layout.update_value(|layout| layout.pin_all(pins));
        page.structure.update(|n| *n += 1);
        page.hovered.set(None);
        page.hovered_line.set(None);
        page.hovered_box.set(None);
        let first = std::cell::Cell::new(true);
        // What came of the parts so far.
        let begun = std::cell::Cell::new(None);
        let take = move |delta: StreamDelta| {
            let Some(delta) = page.take_behind(delta) else { return };
            let (came, more) = (delta.nodes.len(), delta.more);
            let taken = page.model.try_update_value(|model| model.take(delta, now_ms() as u64));
            let taken = taken.max(begun.take());
            if came >= MANY && !first.get() {
                stage::mark_nodes("nodes-came", came, connection::received_ms());
            }
            if more {
                // Everybody sees it together with the rest.
                return begun.set(taken);
            }
            match taken {
                Some(Taken::Structure) if first.replace(false) => {
                    // Known before anything else comes, which would be put together by it.
                    page.opened_with.set(page.model.with_value(|model| model.nodes.len()));
                    if came > AT_ONCE_MAX {
                        page.opening.set_value(Some(false));
                        page.in_turn(page.view(), &FIRST_SHOWN);
                    } else {
                        page.show_structure();
                        page.look();
                    }
                }
                // It is seen with the rest, or right after it.
                Some(taken) if page.opening.with_value(Option::is_some) => {
                    if taken == Taken::Structure {
                        page.opening.set_value(Some(true));
                    }
                }
                Some(Taken::Structure) => page.show_structure(),
                Some(Taken::Values) => {
                    page.refresh_groups();
                    page.values.update(|n| *n += 1);
                }
                Some(Taken::Status) => {}
                None => return,
            }
            page.status.update(|n| *n += 1);
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

    fn group_members(self) {
        self.regroup();
    }

    fn place_members(self) {
        self.lay_out(false);
    }

    fn show_members(self) {
        self.structure.update(|n| *n += 1);
        self.values.update(|n| *n += 1);
        self.look();
    }

    fn catch_up(self) {
        if self.opening.try_update_value(Option::take).flatten() == Some(true) {
            self.show_structure();
        }
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

    /// Takes it in behind what is shown, where that stands still; gives it back where it does not.
    fn take_behind(&self, delta: StreamDelta) -> Option<StreamDelta> {
        if self.paused.with_untracked(Option::is_none) {
            return Some(delta);
        }
        let StreamDelta { nodes, gone, edges, edges_gone, .. } = &delta;
        let changes = nodes.len() + gone.len() + edges.len() + edges_gone.len();
        if changes > 0 && !delta.reset {
            self.waiting.update(|count| *count += changes);
        }
        self.behind.update_value(|behind| {
            if let Some(behind) = behind {
                behind.take(delta, now_ms() as u64);
            }
        });
        None
    }
}
