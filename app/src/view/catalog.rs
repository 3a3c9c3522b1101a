//! Which views there are, with Weave Scope's ids and options.

use std::collections::{BTreeMap, BTreeSet};

use shared::view::{OptionGroup, OptionValue, Stats, TopologyInfo};

use crate::config::LabelFilter;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Processes,
    ProcessesByName,
    Containers,
    ContainersByHostname,
    ContainersByImage,
    ContainersByStack,
    Hosts,
    Networks,
    Interfaces,
    SwarmServices,
    SwarmTasks,
    SwarmNodes,
    Weave,
    Daemons,
}

impl Kind {
    pub const ALL: [Self; 14] = [
        Self::Processes,
        Self::ProcessesByName,
        Self::Containers,
        Self::ContainersByHostname,
        Self::ContainersByImage,
        Self::ContainersByStack,
        Self::Hosts,
        Self::Networks,
        Self::Interfaces,
        Self::SwarmServices,
        Self::SwarmTasks,
        Self::SwarmNodes,
        Self::Weave,
        Self::Daemons,
    ];

    pub fn id(self) -> &'static str {
        match self {
            Self::Processes => "processes",
            Self::ProcessesByName => "processes-by-name",
            Self::Containers => "containers",
            Self::ContainersByHostname => "containers-by-hostname",
            Self::ContainersByImage => "containers-by-image",
            Self::ContainersByStack => "containers-by-stack",
            Self::Hosts => "hosts",
            Self::Networks => "networks",
            Self::Interfaces => "interfaces",
            Self::SwarmServices => "swarm-services",
            Self::SwarmTasks => "swarm-tasks",
            Self::SwarmNodes => "swarm-nodes",
            Self::Weave => "weave",
            Self::Daemons => "daemons",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Processes => "Processes",
            Self::ProcessesByName => "by name",
            Self::Containers => "Containers",
            Self::ContainersByHostname => "by DNS name",
            Self::ContainersByImage => "by image",
            Self::ContainersByStack => "by stack",
            Self::Hosts => "Hosts",
            Self::Networks => "Networks",
            Self::Interfaces => "Interfaces",
            Self::SwarmServices => "Services",
            Self::SwarmTasks => "Tasks",
            Self::SwarmNodes => "Swarm nodes",
            Self::Weave => "Weave Net",
            Self::Daemons => "Daemons",
        }
    }

    fn rank(self) -> u32 {
        match self {
            Self::Processes => 1,
            Self::Containers => 2,
            Self::Networks | Self::SwarmServices => 3,
            Self::Hosts => 4,
            Self::Daemons => 5,
            Self::ProcessesByName
            | Self::ContainersByHostname
            | Self::ContainersByImage
            | Self::ContainersByStack
            | Self::Interfaces
            | Self::SwarmTasks
            | Self::SwarmNodes
            | Self::Weave => 0,
        }
    }

    fn children(self) -> &'static [Self] {
        match self {
            Self::Processes => &[Self::ProcessesByName],
            Self::Containers => &[Self::ContainersByHostname, Self::ContainersByImage, Self::ContainersByStack],
            Self::Networks => &[Self::Interfaces],
            Self::SwarmServices => &[Self::SwarmTasks],
            Self::Hosts => &[Self::SwarmNodes, Self::Weave],
            Self::ProcessesByName
            | Self::ContainersByHostname
            | Self::ContainersByImage
            | Self::ContainersByStack
            | Self::Interfaces
            | Self::SwarmTasks
            | Self::SwarmNodes
            | Self::Weave
            | Self::Daemons => &[],
        }
    }

    pub fn is_of_containers(self) -> bool {
        matches!(
            self,
            Self::Containers | Self::ContainersByHostname | Self::ContainersByImage | Self::ContainersByStack
        )
    }

    pub fn is_of_swarm(self) -> bool {
        matches!(self, Self::SwarmServices | Self::SwarmTasks | Self::SwarmNodes)
    }

    pub fn is_of_processes(self) -> bool {
        matches!(self, Self::Processes | Self::ProcessesByName)
    }
}

/// Chosen values, by option id. Options that a view does not have, and values that an option does not have, are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Options(BTreeMap<&'static str, String>);

impl Options {
    pub fn get(&self, id: &str) -> &str {
        self.0.get(id).map_or("", String::as_str)
    }
}

/// One view with its options: what a stream or an answer is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Variant {
    pub kind: Kind,
    pub options: Options,
}

impl Variant {
    /// As `new`, for those who would rather hear of a value that no option has.
    ///
    /// # Errors
    /// Names the values that there are.
    pub fn checked<'a>(
        kind: Kind,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)> + Clone,
        filters: &[LabelFilter],
    ) -> Result<Self, String> {
        for group in groups(kind, filters, &BTreeSet::new()).into_iter().filter(|group| !group.is_open) {
            let wrong = pairs
                .clone()
                .into_iter()
                .find(|(name, value)| *name == group.id && group.values.iter().all(|(known, _)| known != value));
            if let Some((name, value)) = wrong {
                let known: Vec<&str> = group.values.iter().map(|(value, _)| value.as_str()).collect();
                return Err(format!("{name} is one of {}, not '{value}'", known.join(", ")));
            }
        }
        Ok(Self::new(kind, pairs, filters))
    }

    /// Reads options from a query string's pairs. With none given, a view's defaults hold.
    pub fn new<'a>(kind: Kind, pairs: impl IntoIterator<Item = (&'a str, &'a str)>, filters: &[LabelFilter]) -> Self {
        let groups = groups(kind, filters, &BTreeSet::new());
        let mut chosen: BTreeMap<&'static str, String> =
            groups.iter().map(|group| (group.id, group.default.to_owned())).collect();
        for (name, value) in pairs {
            let group = groups.iter().find(|group| group.id == name);
            if let Some(group) = group.filter(|group| group.is_open || group.values.iter().any(|(v, _)| v == value)) {
                chosen.insert(group.id, value.to_owned());
            }
        }
        Self { kind, options: Options(chosen) }
    }
}

struct Group {
    id: &'static str,
    default: &'static str,
    values: Vec<(String, String)>,
    /// What it may be is not known beforehand.
    is_open: bool,
}

/// The option by which views are cut down to a stack or a Compose project, and its value for all of them.
pub const STACK: &str = "stack";
pub const ALL_STACKS: &str = "all";

fn groups(kind: Kind, filters: &[LabelFilter], stacks: &BTreeSet<&str>) -> Vec<Group> {
    let group = |id, default, values: &[(&str, &str)]| Group {
        id,
        default,
        values: values.iter().map(|(v, l)| ((*v).to_owned(), (*l).to_owned())).collect(),
        is_open: false,
    };
    let mut by_stack = group(STACK, ALL_STACKS, &[(ALL_STACKS, "All stacks")]);
    by_stack.values.extend(stacks.iter().map(|name| ((*name).to_owned(), (*name).to_owned())));
    by_stack.is_open = true;
    if kind.is_of_processes() {
        let values = [("show", "Show unconnected"), ("hide", "Hide unconnected")];
        return vec![group("unconnected", "hide", &values)];
    }
    let pseudo = group("pseudo", "hide", &[("show", "Show uncontained"), ("hide", "Hide uncontained")]);
    if kind == Kind::SwarmServices {
        return vec![by_stack, pseudo];
    }
    if kind == Kind::SwarmTasks {
        return vec![pseudo];
    }
    if !kind.is_of_containers() {
        return Vec::new();
    }
    let system = [("all", "All"), ("system", "System containers"), ("application", "Application containers")];
    let mut system = group("system", "application", &system);
    for (n, filter) in filters.iter().enumerate() {
        system.values.push((filter_value(n, filter), filter.title.clone()));
    }
    let stopped = [("stopped", "Stopped containers"), ("running", "Running containers"), ("both", "Both")];
    vec![system, group("stopped", "running", &stopped), by_stack, pseudo]
}

/// The option value of the n-th label filter.
pub fn filter_value(n: usize, filter: &LabelFilter) -> String {
    match filter.exclude {
        false => format!("containerLabelFilter{n}"),
        true => format!("containerLabelFilterExclude{n}"),
    }
}

/// The list of topologies, sorted by name as Scope sorts them. `stats` counts one view under given options, `stacks` are
/// those that there are.
pub fn list(
    filters: &[LabelFilter],
    stacks: &BTreeSet<&str>,
    mut stats: impl FnMut(Kind) -> Stats,
) -> Vec<TopologyInfo> {
    let mut info = |kind: Kind| TopologyInfo {
        name: kind.name().to_owned(),
        rank: kind.rank(),
        hide_if_empty: kind.is_of_processes()
            || kind.is_of_swarm()
            || matches!(
                kind,
                Kind::Networks | Kind::Interfaces | Kind::Weave | Kind::Daemons | Kind::ContainersByStack
            ),
        options: groups(kind, filters, stacks)
            .into_iter()
            // One that leaves no choice is none.
            .filter(|group| !group.is_open || group.values.len() > 1)
            .map(|group| OptionGroup {
                id: group.id.to_owned(),
                default_value: group.default.to_owned(),
                options: group.values.into_iter().map(|(value, label)| OptionValue { value, label }).collect(),
            })
            .collect(),
        url: format!("/api/topology/{}", kind.id()),
        sub_topologies: Vec::new(),
        stats: stats(kind),
    };
    let top = [Kind::Containers, Kind::Daemons, Kind::Hosts, Kind::Networks, Kind::Processes, Kind::SwarmServices];
    let mut list: Vec<TopologyInfo> = top
        .into_iter()
        .map(|kind| {
            let sub_topologies = kind.children().iter().map(|child| info(*child)).collect();
            TopologyInfo { sub_topologies, ..info(kind) }
        })
        .collect();
    list.sort_by(|a, b| a.name.cmp(&b.name));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, pairs: &[(&str, &str)], option: &str, expect: &str) {
        let filters = [LabelFilter { title: "Red".into(), key: "team".into(), value: "red".into(), exclude: true }];
        let variant = Variant::new(kind, pairs.iter().copied(), &filters);
        assert_eq!(variant.options.get(option), expect, "{kind:?} {pairs:?}");
    }

    #[test]
    fn an_option_that_is_not_given_or_not_known_has_its_default() {
        check(Kind::Containers, &[], "system", "application");
        check(Kind::Containers, &[("system", "nonsense")], "system", "application");
        check(Kind::Containers, &[("nonsense", "1"), ("stopped", "both")], "stopped", "both");
        check(
            Kind::Containers,
            &[("system", "containerLabelFilterExclude0")],
            "system",
            "containerLabelFilterExclude0",
        );
        check(Kind::Processes, &[("unconnected", "show")], "unconnected", "show");
        check(Kind::Hosts, &[("system", "all")], "system", "");
        check(Kind::Containers, &[], "stack", "all");
        check(Kind::Containers, &[("stack", "a stack that comes later")], "stack", "a stack that comes later");
    }

    #[test]
    fn every_view_is_listed_under_the_url_that_leads_to_it() {
        let mut seen = Vec::new();
        for info in list(&[], &BTreeSet::new(), |_| Stats::default()) {
            for one in std::iter::once(&info).chain(&info.sub_topologies) {
                seen.push(Kind::from_id(one.url.rsplit('/').next().unwrap()).unwrap());
            }
        }
        seen.sort();
        assert_eq!(seen, Kind::ALL);
    }
}
