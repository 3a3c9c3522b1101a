//! A real swarm of three engines: its services, tasks and nodes as its managers know them, each once.

use std::collections::BTreeSet;
use std::time::Duration;

use scope_tests::api::{edges, escaped, labels, node, row, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::Testbed;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(40);

fn until_node(base: &str, topology: &str, label: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{label} in {topology}: {what}"), PATIENCE, || {
        let shown = view(base, topology)?;
        // Tasks that follow on each other in one slot have one name.
        let all: Vec<&Value> = shown["nodes"].as_object().unwrap().values().filter(|n| n["label"] == label).collect();
        all.iter().find(|n| holds(n)).map(|n| (*n).clone()).ok_or_else(|| format!("{all:?} in {:?}", labels(&shown)))
    })
}

fn until_labels(base: &str, topology: &str, expect: &[&str]) {
    let expect: BTreeSet<String> = expect.iter().map(|label| (*label).to_owned()).collect();
    eventually(&format!("exactly these in {topology}"), PATIENCE, || {
        let shown = view(base, topology)?;
        let real = shown["nodes"].as_object().unwrap().values().filter(|n| n["pseudo"] != true);
        let found: Vec<String> = real.map(|n| n["label"].as_str().unwrap().to_owned()).collect();
        let once: BTreeSet<String> = found.iter().cloned().collect();
        if once == expect && once.len() == found.len() { Ok(()) } else { Err(format!("{found:?}, wanted {expect:?}")) }
    });
}

fn service(testbed: &Testbed, name: &str, options: &[&str], line: &str) {
    let mut arguments = vec!["service", "create", "-q", "-d", "--no-resolve-image", "--name", name];
    arguments.extend(["--endpoint-mode", "dnsrr", "--network", "mesh"]);
    arguments.extend(options);
    arguments.extend(["rp/busybox:1", "sh", "-c", line]);
    testbed.docker(1, &arguments);
}

#[test]
fn services_tasks_and_nodes_are_shown_once_as_the_managers_know_them() {
    let testbed = Testbed::up(3, true);
    let app = testbed.address(1);
    testbed.launch(1, &["--window", "4s"]);
    testbed.launch(2, &[&app]);
    testbed.launch(3, &[&app]);
    let base = testbed.url(1);
    // Two managers list the same: nothing is counted twice.
    testbed.docker(1, &["node", "promote", "h2"]);
    testbed.docker(1, &["network", "create", "-d", "overlay", "--attachable", "mesh"]);
    let stack = ["--label", "com.docker.stack.namespace=shop", "--container-label", "com.docker.stack.namespace=shop"];
    let web: Vec<&str> = ["--replicas", "3"].into_iter().chain(stack).collect();
    service(&testbed, "shop_web", &web, "while :; do nc -l -p 7000 -e cat; done");
    let call = "while :; do (while :; do echo q; sleep 1; done) | nc shop_web 7000; sleep 0.2; done";
    service(&testbed, "caller", &["--constraint", "node.hostname==h3"], call);
    testbed.container(2, "alone", &["--network", "mesh"], call);

    until_labels(&base, "swarm-nodes", &["h1", "h2", "h3"]);
    until_labels(&base, "swarm-services", &["web", "caller"]);
    until_labels(&base, "swarm-tasks", &["web.1", "web.2", "web.3", "caller.1"]);
    let all = |n: &Value| n["labelMinor"] == "3 of 3 tasks running" && n["state"].is_null();
    let web = until_node(&base, "swarm-services", "web", "all tasks run", all);
    assert!(web["id"].as_str().unwrap().ends_with(";<swarm_service>"));
    let rows =
        ["service_name", "stack_namespace", "swarm_service_mode", "swarm_service_networks"].map(|id| row(&web, id));
    assert_eq!(rows, ["web", "shop", "replicated", "mesh"]);
    let leader = until_node(&base, "swarm-nodes", "h1", "leads", |n| n["labelMinor"] == "manager, leader");
    assert_eq!(leader["parents"][0]["label"], "h1", "a node is a host where that has a probe");
    until_node(&base, "swarm-nodes", "h2", "is a manager too", |n| n["labelMinor"] == "manager");

    // Who talks to whom, seen as services, and as tasks with their nodes.
    let between = |topology: &'static str, from: &'static str, to: &'static str| {
        eventually(&format!("{from} calls {to}"), PATIENCE, || {
            let found = edges(&view(&base, topology)?);
            let calls: Vec<&String> = found.iter().filter(|edge| edge.starts_with(from)).collect();
            let wanted = |edge: &&String| edge.starts_with(&format!("{from} -> {to}")) && edge.ends_with(":7000");
            if calls.len() == 1 && calls.iter().all(wanted) { Ok(()) } else { Err(format!("{found:?}")) }
        });
    };
    between("swarm-services", "caller", "web");
    between("swarm-tasks", "caller.1", "web.");
    let task = until_node(&base, "swarm-tasks", "caller.1", "is placed", |n| n["labelMinor"] == "h3");
    let parents: Vec<&str> = task["parents"].as_array().unwrap().iter().map(|p| p["label"].as_str().unwrap()).collect();
    assert_eq!(parents, ["caller", "h3"]);
    let containers = view(&base, "containers").unwrap();
    let of_web = containers["nodes"].as_object().unwrap().values().filter(|n| {
        let mut parents = n["parents"].as_array().into_iter().flatten();
        parents.any(|p| p["topologyId"] == "swarm-services" && p["label"] == "web" && p["id"] == web["id"])
    });
    assert_eq!(of_web.count(), 3, "containers lead to their service");
    // What is in no service is not left out.
    between("swarm-services", "Unmanaged", "web");

    // As the page shows it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        browser.client.goto(&format!("{base}/#/swarm-services?pseudo=show")).await.unwrap();
        let drawn = |count| format!("return +document.querySelector('canvas')?.dataset.nodes >= {count}");
        browser.until("two services and what is in none", &drawn(3)).await;
        let offered =
            "return [...document.querySelectorAll('.rail .entry')].some(e => e.textContent.includes('Services'))";
        browser.until("services in the rail", offered).await;
        let id = escaped(web["id"].as_str().unwrap());
        browser.client.goto(&format!("{base}/#/swarm-services?pseudo=show&node={id}")).await.unwrap();
        let details =
            "return [...document.querySelectorAll('.card section')].some(s => s.textContent.includes('Tasks'))";
        browser.until("its tasks in the details", details).await;
        browser.screenshot("services-light").await;
        browser.client.goto(&format!("{base}/#/swarm-nodes?mode=table")).await.unwrap();
        browser.until("three nodes", "return document.querySelectorAll('table.nodes tbody tr').length === 3").await;
        browser.screenshot("swarm-nodes-light").await;
        browser.client.goto(&format!("{base}/#/swarm-tasks")).await.unwrap();
        browser.until("four tasks", &drawn(4)).await;
        // Seen, not only known: the canvas has more colours than its grid.
        let colours = "const c = document.querySelector('canvas'); \
                       const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; const s = new Set(); \
                       for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); \
                       return s.size > 40";
        browser.until("a picture", colours).await;
        browser.screenshot("swarm-tasks-light").await;
        browser.close().await;
    });

    // A worker's own app knows what runs there, from labels.
    let own = until_node(&testbed.url(3), "swarm-services", "caller", "is known", |_| true);
    assert_eq!(own["labelMinor"], "1 container");

    // A service whose tasks do not stay, and one that is scaled.
    let failing = ["--restart-delay", "1s", "--restart-max-attempts", "2"];
    service(&testbed, "broken", &failing, "exit 3");
    until_node(&base, "swarm-services", "broken", "is short of tasks", |n| n["state"] == "degraded");
    let failed = |n: &Value| n["state"] == "failed" && row(n, "swarm_task_error").contains("non-zero exit (3)");
    until_node(&base, "swarm-tasks", "broken.1", "says why", failed);
    testbed.docker(1, &["service", "rm", "broken"]);
    testbed.docker(1, &["service", "scale", "-d", "shop_web=2"]);
    until_labels(&base, "swarm-services", &["web", "caller"]);
    until_labels(&base, "swarm-tasks", &["web.1", "web.2", "caller.1"]);
    until_node(&base, "swarm-services", "web", "is smaller", |n| n["labelMinor"] == "2 of 2 tasks running");

    // A node that is drained, and one that leaves.
    testbed.docker(1, &["node", "update", "--availability", "drain", "h2"]);
    until_node(&base, "swarm-nodes", "h2", "is drained", |n| {
        n["state"] == "drained" && row(n, "swarm_node_tasks") == "0"
    });
    testbed.docker(3, &["swarm", "leave"]);
    until_node(&base, "swarm-nodes", "h3", "has left", |n| n["state"] == "down");
    let pending = |n: &Value| n["state"] == "degraded" && n["labelMinor"] == "0 of 1 task running";
    until_node(&base, "swarm-services", "caller", "has nowhere to run", pending);

    // Most managers gone: what was known stays, and the reason is said.
    testbed.engine(2, "kill");
    eventually("the manager's trouble is said", PATIENCE, || {
        let status = scope_tests::api::get(&format!("{base}/api/status"))?;
        let text = status.to_string();
        if text.contains("does not tell of its swarm") { Ok(()) } else { Err(text) }
    });
    until_node(&base, "swarm-services", "web", "is still known", |_| true);
    assert!(node(&view(&base, "containers").unwrap(), "alone").is_some(), "and so is all else");
}
