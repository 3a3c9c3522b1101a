//! Connections that last a moment, and those that never come to be: seen, each on the right edge and on no other.

use std::process::Command;
use std::time::Duration;

use scope_tests::api::{collector, container_edges, escaped, node, until_edges, until_well, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::Testbed;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

/// Answers many at a time and hangs up at once.
fn serve(port: u16) -> String {
    format!("nc -ll -p {port} -e true")
}

/// Calls again and again, each time for a moment.
fn call(host: &str, port: u16) -> String {
    format!("while :; do nc {host} {port} </dev/null; sleep 0.05; done")
}

/// In the card of who is refused, below the connection that comes to nothing.
fn told_in_the_card(base: &str) {
    let shown = view(base, "containers").unwrap();
    let id = escaped(node(&shown, "refused").unwrap()["id"].as_str().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (light, name) in [(true, "failures-light"), (false, "failures-dark")] {
            let browser = Browser::open(1280, 800, light).await;
            browser.client.goto(&format!("{base}/#/containers?node={id}")).await.unwrap();
            let told = "return / refused$/.test(document.querySelector('.card tr.failed')?.textContent ?? '')";
            browser.until("the refusals below the connection", told).await;
            browser.screenshot(name).await;
            browser.close().await;
        }
        let to = escaped(node(&shown, "server").unwrap()["id"].as_str().unwrap());
        for (light, width, height, name) in [(true, 1280, 800, "failing-light"), (false, 390, 844, "failing-narrow")] {
            let browser = Browser::open(width, height, light).await;
            browser.client.goto(&format!("{base}/#/containers?from={id}&to={to}")).await.unwrap();
            let told = "return /Refused\\d+/.test(document.querySelector('.edge-card .reasons')?.textContent ?? '')
                && document.querySelectorAll('.small.bad').length === 1";
            browser.until("the refusals by reason in the card of the line", told).await;
            browser.screenshot(name).await;
            browser.close().await;
        }
    });
}

#[test]
fn connections_of_a_moment_are_on_their_edges_and_on_no_others() {
    let testbed = Testbed::up(2, false);
    let app = testbed.address(1);
    testbed.launch(1, &["--window", "4s"]);
    testbed.launch(2, &[&app]);
    let base = testbed.url(1);
    until_well(&base, "ebpf", &["h1", "h2"]);
    testbed.docker(1, &["network", "create", "lan"]);
    testbed.container(1, "server", &["--network", "lan"], &serve(7000));
    testbed.container(1, "client", &["--network", "lan"], &call("server", 7000));
    // A published port, called from another host: the server sees that host's address alone.
    testbed.container(1, "published", &["-p", "8088:7001"], &serve(7001));
    testbed.container(2, "far", &[], &call(&app, 8088));
    let both = format!("{} & {}", serve(7003), call("127.0.0.1", 7003));
    testbed.container(2, "alone", &[], &both);
    // Nobody listens there.
    testbed.container(1, "refused", &["--network", "lan"], &call("server", 7999));
    let all = ["client -> server:7000", "far -> published:7001", "alone -> alone:7003", "refused -> server:7999"];
    until_edges(&base, &all);
    let edge = |port: u16| {
        let shown = view(&base, "containers")?;
        let edge = shown["edges"].as_array().into_iter().flatten().find(|edge| edge["port"] == port).cloned();
        Ok::<Value, String>(edge.ok_or("no such edge")?)
    };
    eventually("the refusals are counted, and nothing else is", PATIENCE, || {
        let (refused, well) = (edge(7999)?, edge(7000)?);
        let is_none_open = refused["open"] == 0;
        let (refused, well) = (&refused["failures"], &well["failures"]);
        let is_counted = refused["refused"].as_u64() > Some(20) && refused.as_object().is_some_and(|f| f.len() == 1);
        if is_counted && is_none_open && well.is_null() { Ok(()) } else { Err(format!("{refused} {well}")) }
    });
    told_in_the_card(&base);
    for name in ["client", "refused"] {
        testbed.docker(1, &["kill", name]);
    }
    until_edges(&base, &["far -> published:7001", "alone -> alone:7003"]);
}

#[test]
fn an_address_that_goes_from_container_to_container_joins_each_to_those_who_talked_to_it_alone() {
    const ROUNDS: u16 = 6;
    let testbed = Testbed::up(1, false);
    testbed.launch(1, &["--window", "30s"]);
    let base = testbed.url(1);
    testbed.docker(1, &["network", "create", "--subnet", "10.99.0.0/24", "lan"]);
    let right = |edge: &str| edge.split_once(" -> s").is_some_and(|(c, s)| s.split(':').next() == c.strip_prefix('c'));
    for n in 0..ROUNDS {
        let (server, client, port) = (format!("s{n}"), format!("c{n}"), 7100 + n);
        testbed.container(1, &server, &["--network", "lan", "--ip", "10.99.0.9"], &serve(port));
        let call = format!("nc 10.99.0.9 {port}");
        let calls = format!("for n in $(seq 5); do {call} </dev/null; sleep 0.05; done; touch /done; sleep 1000");
        testbed.container(1, &client, &["--network", "lan"], &calls);
        let wanted = format!("{client} -> {server}:{port}");
        eventually(&wanted, PATIENCE, || {
            let found = container_edges(&base)?;
            assert!(found.iter().all(|edge| right(edge)), "{found:?}");
            let done = testbed.docker(1, &["exec", &client, "sh", "-c", "ls /done 2>/dev/null || true"]);
            if found.contains(&wanted) && done.contains("done") { Ok(()) } else { Err(format!("{found:?}")) }
        });
        testbed.docker(1, &["rm", "-f", &server]);
    }
    let found = container_edges(&base).unwrap();
    assert!(found.iter().all(|edge| right(edge)), "{found:?}");
}

/// Programs of the probe's that the kernel holds, one of each object; it keeps 15 letters of their names.
fn programs() -> usize {
    const ONE_OF_EACH: [&str; 4] = ["state_changed", "leaves", "sent_again", "tasks_used"];
    let all = aya::programs::loaded_programs().filter_map(Result::ok);
    all.filter(|program| program.name_as_str().is_some_and(|name| ONE_OF_EACH.contains(&name))).count()
}

/// That it was not who was called who refused.
fn told_in_the_card_of_the_line(base: &str) {
    let shown = view(base, "containers").unwrap();
    let id = |name: &str| escaped(node(&shown, name).unwrap()["id"].as_str().unwrap());
    let (from, to) = (id("barred"), id("server"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (light, name) in [(true, "rejected-light"), (false, "rejected-dark")] {
            let browser = Browser::open(1280, 800, light).await;
            browser.client.goto(&format!("{base}/#/containers?from={from}&to={to}")).await.unwrap();
            let told = "const told = document.querySelector('.edge-card .reasons')?.textContent ?? '';
                return told.startsWith('Rejected on the way') && told.endsWith('100 in all')
                    && !!document.querySelector('.reasons + .minor')";
            browser.until("who refused", told).await;
            browser.screenshot(name).await;
            browser.close().await;
        }
    });
}

#[test]
fn each_failure_is_counted_once_by_its_reason_and_a_probe_that_is_killed_leaves_nothing_in_the_kernel() {
    const EACH: u64 = 100;
    let testbed = Testbed::up(1, false);
    testbed.launch(1, &["--window", "60s"]);
    let base = testbed.url(1);
    until_well(&base, "ebpf", &["h1"]);
    assert!(programs() >= 4, "{}", programs());
    testbed.docker(1, &["network", "create", "lan"]);
    testbed.container(1, "server", &["--network", "lan"], "nc -ll -p 7002 -e cat");
    let of = |format: &str| testbed.docker(1, &["inspect", "-f", format, "server"]).trim().to_owned();
    let (pid, at) = (of("{{.State.Pid}}"), of("{{.NetworkSettings.Networks.lan.IPAddress}}"));
    // No answer to a first word on one port, and to the first data on another an end.
    for rule in [
        "--dport 7001 -j DROP",
        "--dport 7002 --tcp-flags PSH PSH -j REJECT --reject-with tcp-reset",
        "--dport 7003 -j REJECT",
    ] {
        testbed.shell(1, &format!("nsenter -t {pid} -n iptables -A INPUT -p tcp {rule}"));
    }
    // Else it says so to each caller once a second.
    testbed.shell(1, &format!("nsenter -t {pid} -n sysctl -q -w net.ipv4.icmp_ratelimit=0"));
    for (name, call) in [
        ("refused", format!("nc {at} 7000 </dev/null")),
        ("unheard", format!("nc -w 2 {at} 7001 </dev/null &")),
        ("broken", format!("echo word | nc {at} 7002")),
        // The kernel leaves out what ICMP tells of a call that is just being made on the same machine, and calls again after a
        // second.
        ("barred", format!("nc {at} 7003 </dev/null &")),
    ] {
        let calls = format!("for n in $(seq {EACH}); do {call}\ndone; sleep 1000");
        testbed.container(1, name, &["--network", "lan"], &calls);
    }
    for (port, expect) in [
        (7000, json!({ "refused": EACH })),
        (7001, json!({ "timed_out": EACH })),
        (7002, json!({ "reset": EACH })),
        (7003, json!({ "refused": EACH, "rejected": EACH })),
    ] {
        eventually(&format!("{expect}, as often as it was so"), PATIENCE, || {
            let shown = view(&base, "containers")?;
            let edges = shown["edges"].as_array().into_iter().flatten().filter(|edge| edge["port"] == port);
            let failures: Vec<&Value> = edges.map(|edge| &edge["failures"]).collect();
            if failures == [&expect] { Ok(()) } else { Err(format!("{failures:?}")) }
        });
    }
    told_in_the_card_of_the_line(&base);
    // In the middle of its work.
    testbed.container(1, "storm", &["--network", "lan"], &format!("while :; do nc {at} 7000 </dev/null; done"));
    testbed.exec(1, &["pkill", "-9", "-f", "scope launch"]);
    eventually("its programs are gone", PATIENCE, || match programs() {
        0 => Ok(()),
        more => Err(format!("{more} programs")),
    });
}

#[test]
fn a_call_from_outside_for_which_nobody_listens_fails_on_its_edge_and_who_tries_all_ports_has_none() {
    const OUTSIDE: &str = "198.51.100.90";
    const CALLS: u64 = 20;
    let testbed = Testbed::up(1, false);
    testbed.open_the_world(1, OUTSIDE);
    testbed.launch(1, &["--window", "60s"]);
    let base = testbed.url(1);
    until_well(&base, "ebpf", &["h1"]);
    testbed.container(1, "server", &["-p", "8090:7000"], "sleep 10000");
    let call = |port: u16| {
        let at = format!("http://{}:{port}/", testbed.address(1));
        let called = Command::new("curl").args(["-s", "--interface", OUTSIDE, "--max-time", "10", &at]).status();
        assert_eq!(called.unwrap().code(), Some(7), "{at} is refused");
    };
    (9_000..9_050).for_each(call);
    (0..CALLS).for_each(|_| call(8090));
    eventually("it is told by who refused it", PATIENCE, || {
        let shown = view(&base, "containers")?;
        let all = shown["edges"].as_array().into_iter().flatten();
        let failing: Vec<&Value> = all.filter(|edge| !edge["failures"].is_null()).collect();
        let failures = json!({ "refused": CALLS });
        let is_told = |edge: &&Value| edge["port"] == 7000 && edge["failures"] == failures;
        match failing[..] {
            [edge] if is_told(&edge) && container_edges(&base)?.contains("The Internet -> server:7000") => Ok(()),
            _ => Err(format!("{failing:?}")),
        }
    });
}

#[test]
fn each_way_to_read_sockets_is_enough_for_connections_that_last() {
    let testbed = Testbed::up(2, false);
    let app = testbed.address(1);
    testbed.launch(1, &["--sockets", "netlink"]);
    testbed.launch(2, &[&app, "--sockets", "proc"]);
    let base = testbed.url(1);
    testbed.container(1, "server", &["-p", "8088:7000"], "while :; do nc -l -p 7000 -e cat; done");
    let call = format!("while :; do (while :; do echo q; sleep 1; done) | nc {app} 8088; sleep 0.2; done");
    testbed.container(2, "client", &[], &call);
    until_edges(&base, &["client -> server:7000"]);
    for (host, words) in [("h1", "sock_diag in"), ("h2", "/proc/net in")] {
        for (name, state, words) in [("socket", "ok", words), ("ebpf", "off", "--sockets")] {
            let found = collector(&base, host, name).unwrap();
            assert!(found["state"] == state && found["message"].to_string().contains(words), "{host}: {found}");
        }
    }
}
