//! What the search box finds in the view that is shown, and what the app finds in the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::query::Query;
use shared::view::SearchAnswer;

use crate::connection;
use crate::model::Model;
use crate::route::{Route, encode};
use crate::search::{self, Mistake, Tables};

/// Nobody is asked while somebody types.
const SETTLED: Duration = Duration::from_millis(200);

/// Slots of nodes, with the reason unless name or host shows it.
pub type Found = BTreeMap<u32, Option<String>>;

#[derive(Clone, Copy)]
pub struct Searching {
    /// What filters and search find together; none while nothing is searched for.
    pub found: Memo<Option<Arc<Found>>>,
    /// What the filters leave, which alone is shown; none while there are none.
    pub passing: Memo<Option<Arc<BTreeSet<u32>>>>,
    pub mistake: Memo<Option<Mistake>>,
    /// How many nodes are found in each topology.
    pub counts: RwSignal<BTreeMap<String, u32>>,
    /// Rows of tables that are searched, which the stream leaves out.
    tables: RwSignal<Arc<Tables>>,
    /// What the app is asked for; none for nothing.
    asked: Memo<Option<String>>,
    /// Rises with each question, so that a late answer is known as such.
    turn: StoredValue<u64>,
}

impl Searching {
    pub fn new(
        route: RwSignal<Route>,
        model: StoredValue<Model, LocalStorage>,
        structure: RwSignal<u64>,
        values: RwSignal<u64>,
    ) -> Self {
        let tables = RwSignal::new(Arc::new(Tables::new()));
        let parts = Memo::new(move |_| route.with(|route| (route.filters.clone(), route.search.clone())));
        let look = move |text: &str| {
            let query = Query::parse(text).ok().filter(|query| !query.is_empty())?;
            structure.track();
            if query.compares() {
                values.track();
            }
            let tables = tables.get();
            model.with_value(|model| {
                let now_ms = model.now_ms(connection::now_ms());
                Some(search::find(&query, model.nodes.iter(), &tables, now_ms))
            })
        };
        let whole = Memo::new(move |_| {
            parts.with(|(filters, typed)| {
                let filters: Vec<String> = filters.iter().filter(|text| Query::parse(text).is_ok()).cloned().collect();
                let typed = if Query::parse(typed).is_ok() { typed.as_str() } else { "" };
                (search::together(&filters, typed), search::together(&filters, ""))
            })
        });
        Self {
            found: Memo::new(move |_| whole.with(|(whole, _)| look(whole)).map(Arc::new)),
            passing: Memo::new(move |_| {
                let passing = whole.with(|(_, filters)| look(filters));
                passing.map(|found| Arc::new(found.into_keys().collect()))
            }),
            mistake: Memo::new(move |_| {
                parts.with(|(_, typed)| Query::parse(typed).err().map(|wrong| Mistake::of(typed, &wrong)))
            }),
            counts: RwSignal::new(BTreeMap::new()),
            tables,
            asked: Memo::new(move |_| {
                let text = whole.with(|(whole, _)| whole.clone());
                let (topology, options) = route.with(|route| (route.topology.clone(), route.query()));
                let and = if options.is_empty() { "?" } else { "&" };
                (!text.is_empty())
                    .then(|| format!("api/search{options}{and}query={}&topology={topology}&tables=true", encode(&text)))
            }),
            turn: StoredValue::new(0),
        }
    }

    /// Asks the app whenever something else is searched for.
    pub fn follow(self) {
        Effect::new(move |_| {
            if self.asked.get().is_none() {
                self.forget();
            }
            let turn = self.next_turn();
            set_timeout(
                move || {
                    if self.turn.get_value() == turn {
                        self.ask();
                    }
                },
                SETTLED,
            );
        });
    }

    /// Asks again: what is found elsewhere changes too.
    pub fn ask(self) {
        let Some(path) = self.asked.get_untracked() else { return };
        let turn = self.next_turn();
        spawn_local(async move {
            let Ok(answer) = connection::get::<SearchAnswer>(&path).await else { return };
            if self.turn.get_value() != turn {
                return;
            }
            let counts = answer.topologies.into_iter().map(|topology| (topology.id, topology.matches)).collect();
            let tables: Tables = answer.tables.into_iter().map(|node| (node.id, node.tables)).collect();
            self.counts.set(counts);
            if self.tables.with_untracked(|known| **known != tables) {
                self.tables.set(Arc::new(tables));
            }
        });
    }

    fn forget(self) {
        self.counts.update(BTreeMap::clear);
        if self.tables.with_untracked(|known| !known.is_empty()) {
            self.tables.set(Arc::new(Tables::new()));
        }
    }

    fn next_turn(self) -> u64 {
        self.turn
            .try_update_value(|turn| {
                *turn += 1;
                *turn
            })
            .unwrap_or_default()
    }
}
