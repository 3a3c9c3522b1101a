//! Which nodes a view's options leave: predicates over one place.

use std::collections::BTreeMap;

use shared::report::Container;

use super::catalog::{ALL_STACKS, STACK, Variant, filter_value};
use super::place::{Place, image_group, stack};
use crate::config::LabelFilter;
use crate::store::Store;
use crate::topology::{Entity, Topology};
use petgraph::stable_graph::NodeIndex;

/// Whether the options let the place be shown, and whether it is shown only while something is connected to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub passes: bool,
    pub needs_connection: bool,
}

pub fn judge<'a>(
    variant: &Variant,
    filters: &[LabelFilter],
    place: &Place,
    members: impl IntoIterator<Item = &'a NodeIndex>,
    topology: &Topology,
    store: &Store,
) -> Verdict {
    let always = Verdict { passes: true, needs_connection: false };
    match place {
        Place::Single(Entity::Outside(_)) => Verdict { passes: true, needs_connection: true },
        Place::Uncontained(_) | Place::Unmanaged(_) => {
            Verdict { passes: variant.options.get("pseudo") == "show", needs_connection: true }
        }
        Place::Single(_) | Place::Group(_) if variant.kind.is_of_processes() => {
            Verdict { passes: true, needs_connection: variant.options.get("unconnected") == "hide" }
        }
        Place::Single(Entity::Unprobed(one)) if topology.elsewhere(store, one).is_some() => {
            let listed = topology.elsewhere(store, one);
            Verdict { passes: listed.is_some_and(|one| passes(variant, filters, &one.container)), ..always }
        }
        // That they run is all that is known of them.
        Place::Single(Entity::Unprobed(_)) => {
            let runs = matches!(variant.options.get("stopped"), "running" | "both");
            let runs = runs && variant.options.get(STACK) == ALL_STACKS;
            Verdict { passes: runs && matches!(variant.options.get("system"), "application" | "all"), ..always }
        }
        Place::Single(_) | Place::Group(_) if variant.kind.is_of_containers() => {
            let mut containers = members.into_iter().filter_map(|node| match topology.graph.node_weight(*node)? {
                Entity::Container(host, id) => store.hosts.get(host)?.report.containers.get(id),
                _ => None,
            });
            let passes = containers.any(|container| passes(variant, filters, container));
            Verdict { passes, ..always }
        }
        // Dead containers tell of tasks and services that are past, old tasks of nodes that have left.
        Place::Single(entity @ Entity::Task(id)) => {
            let is_there = topology.task(store, id).is_some() || topology.has_running_container(store, entity);
            Verdict { passes: is_there, ..always }
        }
        Place::Single(entity @ Entity::Service(id)) => {
            let service = topology.service(store, id);
            let is_there = service.is_some() || topology.has_running_container(store, entity);
            let labels = service.map(|service| &service.labels);
            let containers = topology.containers_of(store, entity);
            let mut labels = labels.into_iter().chain(containers.iter().map(|container| &container.labels));
            let is_meant =
                variant.options.get(STACK) == ALL_STACKS || labels.any(|labels| is_of_stack(variant, labels));
            Verdict { passes: is_there && is_meant, ..always }
        }
        Place::Single(Entity::SwarmNode(id)) => {
            Verdict { passes: topology.swarm_node(store, id).is_some() || topology.host_of(id).is_some(), ..always }
        }
        Place::Single(_) | Place::Group(_) => always,
    }
}

/// Whether one container is what the options ask for.
pub fn passes(variant: &Variant, filters: &[LabelFilter], container: &Container) -> bool {
    let stopped = match variant.options.get("stopped") {
        "running" => container.state.is_running(),
        "stopped" => !container.state.is_running(),
        _ => true,
    };
    let system = match variant.options.get("system") {
        "system" => is_system(container),
        "application" => !is_system(container),
        "all" | "" => true,
        value => filters
            .iter()
            .enumerate()
            .find(|(n, filter)| filter_value(*n, filter) == value)
            .is_none_or(|(_, f)| (container.labels.get(&f.key) == Some(&f.value)) != f.exclude),
    };
    stopped && system && is_of_stack(variant, &container.labels)
}

fn is_of_stack(variant: &Variant, labels: &BTreeMap<String, String>) -> bool {
    match variant.options.get(STACK) {
        ALL_STACKS | "" => true,
        wanted => stack(labels) == Some(wanted),
    }
}

/// Scope's rule: what runs for the platform's sake.
fn is_system(container: &Container) -> bool {
    const NAMES: [&str; 7] = ["weavescope", "weavedns", "weave", "weaveproxy", "weaveexec", "ecs-agent", "scope"];
    const IMAGES: [&str; 8] = [
        "swarm",
        "weaveworks/scope",
        "weaveworks/weavedns",
        "weaveworks/weave",
        "weaveworks/weaveproxy",
        "weaveworks/weaveexec",
        "amazon/amazon-ecs-agent",
        "openshift/origin-pod",
    ];
    let label = |key: &str| container.labels.get(key).map(String::as_str).unwrap_or_default();
    let image = image_group(&container.image_name);
    NAMES.contains(&container.name.as_str())
        || IMAGES.contains(&image)
        || image.ends_with("/pause") && (image.contains("google_containers") || image.contains("eks"))
        || label("works.weave.role") == "system"
        || label("io.kubernetes.docker.type") == "podsandbox"
        || label("io.kubernetes.pod.namespace") == "kube-system"
        || label("io.kubernetes.pod.name").starts_with("kube-system/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Kind;
    use shared::report::ContainerState;

    fn container(name: &str, image: &str, label: (&str, &str), state: ContainerState) -> Container {
        let labels = [(label.0.to_owned(), label.1.to_owned())].into();
        Container { name: name.into(), image_name: image.into(), labels, state, ..Container::default() }
    }

    fn check(options: &[(&str, &str)], container: &Container, expect: bool) {
        let filters = [
            LabelFilter { title: "Red".into(), key: "team".into(), value: "red".into(), exclude: false },
            LabelFilter { title: "Not red".into(), key: "team".into(), value: "red".into(), exclude: true },
        ];
        let variant = Variant::new(Kind::Containers, options.iter().copied(), &filters);
        assert_eq!(passes(&variant, &filters, container), expect, "{options:?} {}", container.name);
    }

    #[test]
    fn system_containers_are_known_by_name_image_and_label() {
        let running = ContainerState::Running;
        for system in [
            container("weave", "x", ("", ""), running),
            container("a", "weaveworks/scope:1.13", ("", ""), running),
            container("a", "k8s.gcr.io/google_containers/pause:3", ("", ""), running),
            container("a", "x", ("works.weave.role", "system"), running),
            container("a", "x", ("io.kubernetes.pod.namespace", "kube-system"), running),
        ] {
            check(&[("system", "system")], &system, true);
            check(&[("system", "application")], &system, false);
            check(&[("system", "all")], &system, true);
        }
        let ours = container("web", "swarm-web:1", ("", ""), running);
        check(&[("system", "application")], &ours, true);
        check(&[("system", "system")], &ours, false);
    }

    #[test]
    fn stopped_and_running_part_the_containers() {
        use ContainerState::{Created, Dead, Exited, Paused, Restarting, Running};
        for (state, is_running) in
            [(Running, true), (Paused, true), (Restarting, true), (Exited, false), (Created, false), (Dead, false)]
        {
            let one = container("a", "x", ("", ""), state);
            check(&[("stopped", "running")], &one, is_running);
            check(&[("stopped", "stopped")], &one, !is_running);
            check(&[("stopped", "both")], &one, true);
        }
    }

    #[test]
    fn a_stack_is_a_swarms_or_a_compose_project() {
        let running = ContainerState::Running;
        let of_swarm = container("a", "x", ("com.docker.stack.namespace", "shop"), running);
        let of_compose = container("b", "x", ("com.docker.compose.project", "shop"), running);
        let of_none = container("c", "x", ("", ""), running);
        for (one, is_shop) in [(&of_swarm, true), (&of_compose, true), (&of_none, false)] {
            check(&[("stack", "shop")], one, is_shop);
            check(&[("stack", "blog")], one, false);
            check(&[("stack", "all")], one, true);
        }
    }

    #[test]
    fn a_label_filter_includes_and_its_opposite_excludes() {
        let red = container("a", "x", ("team", "red"), ContainerState::Running);
        let blue = container("b", "x", ("team", "blue"), ContainerState::Running);
        check(&[("system", "containerLabelFilter0")], &red, true);
        check(&[("system", "containerLabelFilter0")], &blue, false);
        check(&[("system", "containerLabelFilterExclude1")], &red, false);
        check(&[("system", "containerLabelFilterExclude1")], &blue, true);
    }
}
