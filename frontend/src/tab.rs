//! Where the tabs of a narrow screen lead.

use crate::route::{Mode, Route};

/// Where a tab leads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Graph,
    Table,
    Networks,
    Findings,
}

impl Tab {
    pub fn of(route: &Route) -> Option<Self> {
        match route.mode {
            Mode::Findings => Some(Self::Findings),
            _ if route.topology == "networks" => Some(Self::Networks),
            Mode::Table => Some(Self::Table),
            Mode::Graph => Some(Self::Graph),
            Mode::Board | Mode::Map | Mode::Resources => None,
        }
    }

    pub fn open(self, route: &mut Route) {
        match self {
            Self::Networks => {
                route.mode = Mode::Map;
                route.show("networks");
            }
            Self::Findings => route.mode = Mode::Findings,
            Self::Graph | Self::Table => {
                // From the networks back to what runs.
                if route.topology == "networks" {
                    route.show(Route::default().topology.as_str());
                }
                route.mode = if self == Self::Graph { Mode::Graph } else { Mode::Table };
            }
        }
        // The card of what is selected would cover half of it.
        (route.selected, route.edge) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tab_leads_to_what_it_is_chosen_for() {
        let mut route = Route::default();
        for tab in [Tab::Table, Tab::Networks, Tab::Findings, Tab::Networks, Tab::Graph, Tab::Findings, Tab::Graph] {
            route.selected = Some("a".into());
            tab.open(&mut route);
            assert!(Tab::of(&route) == Some(tab) && route.selected.is_none(), "{route:?}");
        }
        assert_eq!(route.topology, Route::default().topology);
    }
}
