//! What is asked of the app beside the stream.

use super::*;

/// The table of a node's labels.
const LABELS: &str = "docker_label_";

impl Page {
    pub(super) fn read_topologies(&self) {
        let page = *self;
        let query = page.route.with_untracked(Route::query);
        spawn_local(async move {
            if let Ok(list) = connection::get::<Vec<TopologyInfo>>(&format!("api/topology{query}")).await {
                page.adjust(|route| *route = route.offered(&list));
                if page.topologies.with_untracked(|known| *known != list) {
                    page.topologies.set(list);
                }
            }
        });
    }

    /// Asks the app for the labels of the nodes, where somebody groups by one or may want to.
    pub fn read_labels(&self) {
        let page = *self;
        let by_label = |by: &String| by.starts_with(folding::LABEL);
        let is_by_label = page.route.with_untracked(|route| route.group.as_ref().is_some_and(by_label));
        if !is_by_label && !page.arrangement.get_untracked() {
            return;
        }
        let (topology, query) = page.view();
        spawn_local(async move {
            #[derive(serde::Deserialize)]
            struct Answer {
                nodes: std::collections::BTreeMap<String, Summary>,
            }
            let path = format!("api/topology/{topology}{query}");
            let Ok(answer) = connection::get::<Answer>(&path).await else { return };
            let of = |(id, node): (String, Summary)| {
                let rows = node.tables.into_iter().filter(|table| table.id == LABELS).flat_map(|table| table.rows);
                let label = |row: TableRow| {
                    let entry = |name: &str| row.entries.get(name).cloned();
                    Some((entry("label")?, entry("value")?))
                };
                (id, rows.filter_map(label).collect())
            };
            let labels: Labels = answer.nodes.into_iter().map(of).collect();
            if page.view() == (topology, query) && page.labels.with_untracked(|known| **known != labels) {
                page.labels.set(Arc::new(labels));
                if is_by_label {
                    page.rearrange();
                }
            }
        });
    }

    pub(super) fn read_findings(&self) {
        let page = *self;
        spawn_local(async move {
            if let Ok(mut answer) = connection::get::<view::Findings>("api/findings").await {
                answer.findings.iter_mut().for_each(disarm::finding);
                if page.findings.with_untracked(|known| *known != answer.findings) {
                    page.findings.set(answer.findings);
                }
            }
        });
    }

    /// Shows the way of a connection, or hides it where it is shown.
    pub fn show_way(&self, way: Way) {
        let is_same = |shown: &Way| Way { edges: None, ..shown.clone() } == way;
        let is_shown = self.way.with_untracked(|shown| shown.as_ref().is_some_and(is_same));
        self.way.set((!is_shown).then_some(way));
        self.read_way();
    }

    pub(super) fn read_way(&self) {
        let page = *self;
        let Some(way) = page.way.get_untracked() else { return };
        let encode = crate::route::encode;
        let options = page.route.with_untracked(Route::query);
        let and = if options.is_empty() { "?" } else { "&" };
        let Way { topology, source, target, port, .. } = &way;
        let (source, target) = (encode(source), encode(target));
        let port = port.as_ref().map(|port| format!("&port={port}")).unwrap_or_default();
        let path = format!("api/paths/{topology}{options}{and}source={source}&target={target}{port}");
        spawn_local(async move {
            let Ok(answer) = connection::get::<EdgePaths>(&path).await else { return };
            page.way.update(|shown| {
                // Somebody may look at another one meanwhile.
                if let Some(shown) =
                    shown.as_mut().filter(|shown| Way { edges: way.edges.clone(), ..(*shown).clone() } == way)
                {
                    shown.edges = Some(answer.edges);
                }
            });
        });
    }

    /// Another second of what the selected line carries.
    pub(super) fn keep_passed(&self) {
        let Some(ends) = self.route.with_untracked(|route| route.edge.clone()) else { return };
        let told = self.model.with_value(|model| model.line(&ends, now_ms() as u64));
        if let Some(line) = told {
            let known = edge::samples(&line.strand).into_iter().filter_map(|(name, value)| Some((name, value?)));
            self.passed.update(|passed| known.for_each(|(name, value)| passed.push(name, value)));
        }
    }

    pub(super) fn read_details(&self) {
        let page = *self;
        let route = page.route.get_untracked();
        let Some(id) = route.selected.clone() else { return };
        let path = format!("api/topology/{}/{}{}", route.topology, crate::route::encode(&id), route.query());
        spawn_local(async move {
            #[derive(serde::Deserialize)]
            struct Answer {
                node: Details,
            }
            let answer = connection::get::<Answer>(&path).await;
            // Somebody may have chosen another one meanwhile.
            if page.route.with_untracked(|now| now.selected.as_ref() != Some(&id)) {
                return;
            }
            match answer {
                Ok(mut answer) => {
                    disarm::details(&mut answer.node);
                    page.gone.set(false);
                    page.details.set(Some(answer.node));
                }
                Err(error) if error.starts_with("404") => page.gone.set(true),
                Err(_) => {}
            }
        });
    }
}
