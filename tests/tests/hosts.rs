//! Three real hosts, each with its own Docker Engine: what runs there and who talks to whom is what is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use scope_tests::api::{container_edges, edges, escaped, get, labels, node, row, until_edges, view};
use scope_tests::eventually;
use scope_tests::testbed::{Testbed, call, serve, text};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

fn until_node(base: &str, topology: &str, label: &str, what: &str, holds: impl Fn(&Value) -> bool) {
    eventually(&format!("{label}: {what}"), PATIENCE, || {
        let shown = view(base, topology)?;
        let found = node(&shown, label).ok_or_else(|| format!("no {label}"))?;
        if holds(found) { Ok(()) } else { Err(found.to_string()) }
    });
}

#[test]
fn what_talks_to_what_is_shown_once_and_the_right_way_round() {
    let testbed = Testbed::up(3, true);
    let app = testbed.address(1);
    let out = testbed.launch(1, &["--window", "4s"]);
    assert!(out.contains(&format!("http://{app}:4040/")), "{out}");
    testbed.launch(2, &[&app]);
    testbed.launch(3, &[&app]);
    let base = testbed.url(1);

    eventually("all hosts report", PATIENCE, || {
        let hosts = labels(&view(&base, "hosts")?);
        let found: Vec<&str> = hosts.iter().map(String::as_str).collect();
        if found == ["h1", "h2", "h3"] { Ok(()) } else { Err(format!("{found:?}")) }
    });
    let own = labels(&view(&testbed.url(2), "hosts").unwrap());
    assert_eq!(own.into_iter().collect::<Vec<_>>(), ["h2"], "another host's app sees exactly its own");

    // A bridge.
    testbed.docker(1, &["network", "create", "lan"]);
    testbed.container(1, "bridge-server", &["--network", "lan"], &serve(7000));
    testbed.container(1, "bridge-client", &["--network", "lan"], &call("bridge-server", 7000));
    // A published port, called from a container of another host: NAT at both ends.
    testbed.container(1, "published-server", &["-p", "8088:7001"], &serve(7001));
    testbed.container(3, "published-client", &[], &call(&app, 8088));
    // The host's own network.
    testbed.container(2, "host-server", &["--network", "host"], &serve(7002));
    testbed.container(2, "host-client", &["--network", "host"], &call("127.0.0.1", 7002));
    // Loopback inside one container.
    let both = format!("(while :; do nc -l -p 7003 -e cat; done) & {}", call("127.0.0.1", 7003));
    testbed.container(2, "loop", &[], &both);
    // An overlay from host to host.
    testbed.docker(1, &["network", "create", "-d", "overlay", "--attachable", "mesh"]);
    testbed.container(1, "overlay-server", &["--network", "mesh"], &serve(7004));
    testbed.container(3, "overlay-client", &["--network", "mesh"], &call("overlay-server", 7004));
    let all = [
        "bridge-client -> bridge-server:7000",
        "published-client -> published-server:7001",
        "host-client -> host-server:7002",
        "loop -> loop:7003",
        "overlay-client -> overlay-server:7004",
    ];
    until_edges(&base, &all);

    let processes = view(&base, "processes").unwrap();
    let nc = |label: &str| {
        let mine = |n: &&Value| n["labelMinor"].as_str().is_some_and(|minor| minor.contains(label));
        processes["nodes"].as_object().unwrap().values().filter(mine).count()
    };
    assert!(nc("(loop:") >= 2, "processes name their container");
    let networks = view(&base, "networks").unwrap();
    let mesh = node(&networks, "mesh").expect("the overlay is a network");
    assert_eq!(row(mesh, "network_driver"), "overlay");
    assert_eq!(row(mesh, "network_hosts"), "h1, h3", "an overlay is one network on all its hosts");
    let shown = view(&base, "containers").unwrap();
    let over = |source: &str| {
        let id = node(&shown, source).unwrap()["id"].clone();
        let edge = shown["edges"].as_array().unwrap().iter().find(|e| e["source"] == id).unwrap().clone();
        let network = edge["network"].as_str().map(str::to_owned);
        network.map(|id| networks["nodes"][&id]["label"].as_str().unwrap().to_owned())
    };
    assert_eq!(over("overlay-client").as_deref(), Some("mesh"));
    assert_eq!(over("bridge-client").as_deref(), Some("lan"));
    assert_eq!(over("host-client"), None);

    // What the hosts make of the addresses on the way of a published port.
    let [client, server] = ["published-client", "published-server"]
        .map(|name| escaped(node(&shown, name).unwrap()["id"].as_str().unwrap()));
    let ask = format!("{base}/api/paths/containers?source={client}&target={server}");
    let places = eventually("the addresses before and behind NAT", PATIENCE, || {
        let answer = get(&ask)?;
        let sights = answer["edges"][0]["conversations"][0]["sights"].clone();
        let places: Vec<[String; 3]> = serde_json::from_value::<Vec<BTreeMap<String, String>>>(sights)
            .map_err(|error| format!("{error}: {answer}"))?
            .iter()
            .map(|sight| ["place", "from", "to"].map(|part| sight[part].clone()))
            .collect();
        if places.len() == 3 { Ok(places) } else { Err(answer.to_string()) }
    });
    let [at_client, between, at_server] = &*places else { unreachable!() };
    assert_eq!([&at_client[0], &between[0], &at_server[0]], ["client", "network", "server"]);
    let published = format!("{app}:8088");
    assert!(at_client[1].starts_with("172.17.0.") && at_client[2] == published, "{places:?}");
    assert!(between[1].starts_with(&testbed.address(3)) && between[2] == published, "{places:?}");
    assert!(at_server[1] == between[1] && at_server[2].ends_with(":7001"), "{places:?}");

    // Containers that pause, stop and go.
    testbed.docker(1, &["pause", "bridge-server"]);
    until_node(&base, "containers", "bridge-server", "is paused", |n| n["state"] == "paused");
    testbed.docker(1, &["unpause", "bridge-server"]);
    until_node(&base, "containers", "bridge-server", "runs again", |n| n["state"].is_null());
    testbed.docker(1, &["kill", "bridge-client"]);
    until_node(&base, "containers", "bridge-client", "is stopped", |n| {
        n["state"] == "stopped" && row(n, "docker_container_state_human").starts_with("Exited (137)")
    });
    let running = get(&format!("{base}/api/topology/containers")).unwrap();
    assert!(node(&running, "bridge-client").is_none(), "stopped containers are hidden unless asked for");
    until_edges(&base, &all[1..]);
    testbed.docker(1, &["start", "bridge-client"]);
    until_edges(&base, &all);
    testbed.docker(2, &["rm", "-f", "loop"]);
    eventually("a removed container is gone", PATIENCE, || match node(&view(&base, "containers")?, "loop") {
        None => Ok(()),
        Some(_) => Err("still there".into()),
    });

    // An engine that is killed: its containers run on, and are shown.
    testbed.engine(3, "kill");
    eventually("the engine's absence is said", PATIENCE, || {
        let status = get(&format!("{base}/api/status"))?;
        let probe = status["probes"].as_array().unwrap().iter().find(|p| p["hostname"] == "h3").unwrap().clone();
        let docker = probe["collectors"].as_array().unwrap().iter().find(|c| c["name"] == "docker").unwrap().clone();
        if docker["state"] == "failed" { Ok(()) } else { Err(docker.to_string()) }
    });
    assert!(container_edges(&base).unwrap().contains(all[4]), "what it runs goes on talking");
    testbed.engine(3, "start");
    until_node(&base, "containers", "overlay-client", "is known to the new engine", |n| {
        n["state"].is_null() || n["state"] == "stopped"
    });

    // A probe that is killed, and comes back.
    testbed.exec(3, &["pkill", "-KILL", "-f", "scope launch"]);
    until_node(&base, "hosts", "h3", "is down", |n| n["state"] == "down");
    testbed.launch(3, &[&app]);
    until_node(&base, "hosts", "h3", "is back", |n| n["state"].is_null());

    // The app goes and comes: all report to it again.
    let stopped = testbed.scope(1, &["stop"]);
    assert!(stopped.status.success(), "{:?}", text(&stopped));
    testbed.launch(1, &["--window", "4s"]);
    eventually("all hosts report again", PATIENCE, || {
        let count = labels(&view(&base, "hosts")?).len();
        if count == 3 { Ok(()) } else { Err(count.to_string()) }
    });
    eventually("connections are shown again", PATIENCE, || {
        let found = container_edges(&base)?;
        if found.contains(all[0]) && found.contains(all[2]) { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

#[test]
fn the_api_is_what_weave_scopes_clients_rely_on() {
    let testbed = Testbed::up(2, false);
    let app = testbed.address(1);
    testbed.launch(1, &["--env-vars"]);
    testbed.launch(2, &[&app]);
    testbed.docker(1, &["network", "create", "lan"]);
    testbed.container(1, "server", &["--network", "lan", "-p", "8080:80", "--label", "tier=front"], &serve(80));
    testbed.container(2, "client", &[], &call(&app, 8080));
    testbed.container(1, "dead", &[], "true");
    until_edges(&testbed.url(1), &["client -> server:80"]);
    let check = std::process::Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/api_contract.py"))
        .args([&testbed.url(1), "--seconds", "3"])
        .output()
        .expect("python3");
    let (out, err) = text(&check);
    assert!(check.status.success(), "{out}{err}");

    // What a reader asks not to be told is not told.
    let plain = view(&testbed.url(1), "containers").unwrap();
    assert!(row(node(&plain, "server").unwrap(), "docker_container_command").contains("nc -l"));
    let base = testbed.url(1);
    let censored =
        get(&format!("{base}/api/topology/containers?hideCommandLineArguments=true&hideEnvironmentVariables=true"))
            .unwrap();
    let server = node(&censored, "server").unwrap();
    assert_eq!(row(server, "docker_container_command"), "sh");
    let tables = server["tables"].as_array().unwrap();
    assert!(tables.iter().all(|table| table["id"] != "docker_env_"), "{tables:?}");
}

#[test]
fn a_compose_project_is_a_group_and_a_choice() {
    let testbed = Testbed::up(1, false);
    testbed.launch(1, &[]);
    let base = testbed.url(1);
    testbed.docker(1, &["network", "create", "lan"]);
    let of_shop = ["--network", "lan", "--label", "com.docker.compose.project=shop"];
    testbed.container(1, "shop_web_1", &of_shop, "while :; do nc -l -p 7000 -e cat; done");
    let call = "while :; do (while :; do echo q; sleep 1; done) | nc shop_web_1 7000; sleep 0.2; done";
    testbed.container(1, "visitor", &["--network", "lan"], call);
    eventually("who calls the project is outside of it", PATIENCE, || {
        let shown = view(&base, "containers-by-stack")?;
        let found: BTreeSet<String> = edges(&shown).into_iter().filter(|edge| !edge.contains("Uncontained")).collect();
        let expect = BTreeSet::from(["No stack -> shop:7000".to_owned()]);
        if found == expect { Ok(()) } else { Err(format!("{found:?}")) }
    });
    let cut = get(&format!("{base}/api/topology/containers?stack=shop")).unwrap();
    assert_eq!(labels(&cut), BTreeSet::from(["shop_web_1".to_owned()]));
    let list = get(&format!("{base}/api/topology")).unwrap();
    let containers = list.as_array().unwrap().iter().find(|one| one["name"] == "Containers").unwrap();
    let choice = containers["options"].as_array().unwrap().iter().find(|one| one["id"] == "stack").unwrap();
    let values: Vec<&str> =
        choice["options"].as_array().unwrap().iter().map(|o| o["value"].as_str().unwrap()).collect();
    assert_eq!((choice["defaultValue"].as_str(), values), (Some("all"), vec!["all", "shop"]));
    testbed.docker(1, &["rm", "-f", "shop_web_1"]);
    eventually("without a stack there is no choice", PATIENCE, || {
        let list = get(&format!("{base}/api/topology"))?;
        let is_offered = list.to_string().contains("\"id\":\"stack\"");
        if is_offered { Err(list.to_string()) } else { Ok(()) }
    });
}
