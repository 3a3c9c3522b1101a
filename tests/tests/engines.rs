//! Other container engines than the installed Docker: what runs there, on which networks, and who talks to whom.

use std::time::Duration;

use scope_tests::api::{container_edges, get, labels, node, row, view};
use scope_tests::eventually;
use scope_tests::testbed::{Testbed, call, program, text};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

const SERVER: &str = "while :; do nc -l -p 7000 -e cat; done";

fn until_edges(base: &str, expect: &[&str]) {
    eventually("exactly these edges", PATIENCE, || {
        let found = container_edges(base)?;
        if found.iter().eq(expect) { Ok(()) } else { Err(format!("{found:?}, wanted {expect:?}")) }
    });
}

fn until_node(base: &str, label: &str, what: &str, holds: impl Fn(&Value) -> bool) {
    eventually(&format!("{label}: {what}"), PATIENCE, || {
        let shown = view(base, "containers")?;
        let found = node(&shown, label).ok_or_else(|| format!("no {label}"))?;
        if holds(found) { Ok(()) } else { Err(found.to_string()) }
    });
}

/// What the docker collector of the first probe says once it works.
fn engine(base: &str) -> String {
    eventually("the engine answers", PATIENCE, || {
        let status = get(&format!("{base}/api/status"))?;
        let collectors = status["probes"][0]["collectors"].as_array().cloned().unwrap_or_default();
        let docker = collectors.into_iter().find(|c| c["name"] == "docker").ok_or("no docker collector")?;
        match docker["state"].as_str() {
            Some("ok") => Ok(docker["message"].as_str().unwrap_or_default().to_owned()),
            _ => Err(docker.to_string()),
        }
    })
}

/// The labels of the network that an edge goes over.
fn network_of(base: &str, source: &str) -> Option<String> {
    let (shown, networks) = (view(base, "containers").unwrap(), view(base, "networks").unwrap());
    let id = node(&shown, source).unwrap()["id"].clone();
    let edge = shown["edges"].as_array().unwrap().iter().find(|edge| edge["source"] == id).unwrap();
    Some(networks["nodes"][edge["network"].as_str()?]["label"].as_str()?.to_owned())
}

#[test]
fn docker_engine_26_is_read_as_20_is() {
    let testbed = Testbed::up_with_engine(&program("SCOPE_NEWER_DOCKERD"), 2);
    let app = testbed.address(1);
    testbed.launch(1, &["--window", "4s"]);
    testbed.launch(2, &["--probe-only", &app]);
    let base = testbed.url(1);
    assert!(engine(&base).contains(" 26."), "{}", engine(&base));
    testbed.docker(1, &["network", "create", "lan"]);
    testbed.container(1, "lan-server", &["--network", "lan"], SERVER);
    testbed.container(1, "lan-client", &["--network", "lan"], &call("lan-server", 7000));
    testbed.container(1, "published", &["-p", "8088:7000"], SERVER);
    testbed.container(2, "caller", &[], &call(&app, 8088));
    testbed.docker(1, &["network", "create", "-d", "overlay", "--attachable", "mesh"]);
    testbed.container(1, "mesh-server", &["--network", "mesh"], SERVER);
    testbed.container(2, "mesh-client", &["--network", "mesh"], &call("mesh-server", 7000));
    let all = ["caller -> published:7000", "lan-client -> lan-server:7000", "mesh-client -> mesh-server:7000"];
    until_edges(&base, &all);
    assert_eq!(network_of(&base, "lan-client").as_deref(), Some("lan"));
    assert_eq!(network_of(&base, "mesh-client").as_deref(), Some("mesh"));
    testbed.docker(1, &["pause", "lan-server"]);
    until_node(&base, "lan-server", "is paused", |n| n["state"] == "paused");
    testbed.docker(1, &["kill", "lan-client"]);
    until_node(&base, "lan-client", "is stopped", |n| {
        row(n, "docker_container_state_human").starts_with("Exited (137)")
    });
    until_edges(&base, &[all[0], all[2]]);
    testbed.docker(1, &["rm", "-f", "lan-client"]);
    eventually("a removed container is gone", PATIENCE, || match node(&view(&base, "containers")?, "lan-client") {
        None => Ok(()),
        Some(found) => Err(found.to_string()),
    });
}

#[test]
fn podman_is_read_through_its_socket() {
    let testbed = Testbed::up(1, false);
    let socket = "unix:///run/podman/podman.sock";
    let root = testbed.directory(1).join("podman");
    let settings = "[network]\nnetwork_backend=\"netavark\"\nnetwork_config_dir=\"/run/podman/networks\"\n[engine]\nruntime=\"runc\"\ncgroup_manager=\"cgroupfs\"\n\
                    [containers]\ndefault_ulimits=[\"nofile=1024:1024\",\"nproc=4096:4096\"]\n";
    testbed.shell(
        1,
        &format!(
            "mkdir -p /run/podman && printf '{settings}' >/run/podman/containers.conf && \
             export CONTAINERS_CONF=/run/podman/containers.conf && \
             (setsid podman --root {} --runroot /run/podman/run system service -t 0 {socket} \
             </dev/null >/run/podman/log 2>&1 &)",
            root.display()
        ),
    );
    let podman = |line: &str| testbed.shell(1, &format!("docker -H {socket} {line}"));
    eventually("podman answers", PATIENCE, || {
        let output = testbed.exec(1, &["docker", "-H", socket, "version"]);
        if output.status.success() { Ok(()) } else { Err(text(&output).1) }
    });
    podman(&format!("load -q -i {}", testbed.image().display()));
    podman("network create lan");
    let run = |name: &str, options: &str, line: &str| {
        podman(&format!("run -d --name {name} {options} rp/busybox:1 sh -c '{line}'"));
    };
    run("server", "--network lan", SERVER);
    testbed.launch(1, &["--docker", socket, "--window", "4s"]);
    let base = testbed.url(1);
    assert!(engine(&base).contains("Podman"), "{}", engine(&base));
    run("client", "--network lan", &call("server", 7000));
    run("published", "-p 8088:7000", SERVER);
    until_edges(&base, &["client -> server:7000"]);
    assert_eq!(network_of(&base, "client").as_deref(), Some("lan"));
    until_node(&base, "published", "says its port", |n| row(n, "docker_container_ports").contains(":8088->7000/tcp"));
    let networks = view(&base, "networks").unwrap();
    assert_eq!(row(node(&networks, "lan").unwrap(), "container"), "2");
    podman("pause server");
    until_node(&base, "server", "is paused", |n| n["state"] == "paused");
    podman("stop -t 0 client");
    until_node(&base, "client", "is stopped", |n| n["state"] == "stopped");
    until_edges(&base, &[]);
    podman("rm client");
    eventually("a removed container is gone", PATIENCE, || match node(&view(&base, "containers")?, "client") {
        None => Ok(()),
        Some(found) => Err(found.to_string()),
    });
}

#[test]
fn a_thousand_dead_containers_keep_nothing_from_being_seen() {
    const DEAD: usize = 1000;
    let testbed = Testbed::up(1, false);
    // One client, one connection: a thousand starts of the command line would take minutes.
    let create = format!(
        "i=0; while [ $i -lt {DEAD} ]; do [ $i -gt 0 ] && echo next; i=$((i+1)); \
         printf 'unix-socket = /run/docker.sock\\nurl = http://d/containers/create?name=dead-%s\\n' $i; \
         printf 'header = \"Content-Type: application/json\"\\ndata = \"{{\\\\\"Image\\\\\":\\\\\"rp/busybox:1\\\\\"}}\"\\n'; \
         printf 'output = /dev/null\\nfail\\n'; done >/run/create && curl -sS -K /run/create"
    );
    testbed.shell(1, &create);
    testbed.container(1, "alive", &[], "sleep 1000");
    testbed.launch(1, &[]);
    let base = testbed.url(1);
    until_node(&base, "alive", "is there", |n| n["state"].is_null());
    eventually("all are there", PATIENCE, || {
        let shown = labels(&view(&base, "containers")?);
        let dead = shown.iter().filter(|label| label.starts_with("dead-")).count();
        if dead == DEAD { Ok(()) } else { Err(format!("{dead} of {DEAD}")) }
    });
    testbed.container(1, "later", &[], "sleep 1000");
    until_node(&base, "later", "is there", |n| n["state"].is_null());
    let running = labels(&get(&format!("{base}/api/topology/containers")).unwrap());
    assert!(running.iter().all(|label| !label.starts_with("dead-")), "dead ones are shown when asked for only");
}
