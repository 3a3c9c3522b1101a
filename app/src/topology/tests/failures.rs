//! What fails, and what gets no answer: whose it is.

use super::super::{ConnectsKey, NetworkKey, calls};
use super::*;
use shared::report::Failures;

#[test]
fn what_failed_before_it_was_known_who_calls_is_on_their_edge() {
    let with = |is_caller_there: bool, refused: u64| {
        let plan = Plan { containers: [is_caller_there.then_some(true), Some(true), None], ..quiet() };
        let mut report = report(0, &plan, &[plan.clone(), quiet()]);
        let key = FlowKey {
            namespace: NetNsId(2),
            protocol: Protocol::Tcp,
            owner: None,
            local: None,
            remote: address(0, 1, false),
            port: 8_099,
            role: Role::Client,
        };
        let failures = Failures { refused, ..Failures::default() };
        report.flows.insert(key, Flow { count: refused, failures, last_ms: 0 });
        report
    };
    let mut app = App::new();
    let open = [("system", "all"), ("unconnected", "show")];
    let mut refused = |is_caller_there, count, now_ms| {
        app.report(0, with(is_caller_there, count), now_ms);
        app.settle(now_ms);
        let mut view = View::new(Variant::new(Kind::Containers, open, &[]), &app.topology, &app.store, &[]);
        let nodes = view.snapshot(&app.store);
        let edge = nodes.edges().map(|(edge, carried)| edge.for_api(carried)).find(|edge| edge.port == 8_099);
        edge.map(|edge| edge.failures.refused)
    };
    assert_eq!(refused(false, 3, 10_000), None);
    assert_eq!(refused(false, 4, 10_300), None);
    assert_eq!(refused(true, 4, 10_600), Some(4));
    assert_eq!(refused(true, 6, 10_900), Some(6), "each once");
}

#[test]
fn who_calls_a_container_that_has_left_the_network_gets_no_answer_from_anybody() {
    let plan = Plan { containers: [Some(true), None, None], ..quiet() };
    let mut app = App::new();
    app.report(0, report(0, &plan, &[plan.clone(), quiet()]), 1_000);
    let mut is_noted = |container: &str, network: &str| {
        let key = ConnectsKey {
            source: Entity::Host(host(1)),
            target: Entity::Container(host(0), container.into()),
            medium: Medium::Transport(Protocol::Tcp),
            port: 80,
            network: Some(NetworkKey::Shared(network.into())),
        };
        app.topology.calls = calls::Calls::default();
        app.topology.calls.unanswered(&app.store, &key, 3, (1_000, calls::LATELY_MS));
        app.topology.calls.iter().count() == 1
    };
    assert!(is_noted("container-0-0", "mesh-identity"));
    assert!(!is_noted("container-0-0", "another"), "it is in no such network");
    assert!(!is_noted("container-0-1", "mesh-identity"), "it is gone");
}
