//! A standalone Swarm: one endpoint for the engines of all nodes. Its manager, which is not to be had any more, is stood in
//! for by a server that speaks as github.com/docker/swarm does, of the real containers of real engines.

use std::collections::BTreeSet;
use std::time::Duration;

use scope_tests::api::{get, labels, node, row, view};
use scope_tests::eventually;
use scope_tests::testbed::Testbed;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

/// Answers for what lies in a file: nodes by name with their addresses, and containers with the node of each.
const MANAGER: &str = r#"
import http.server, json, re, sys, time
class Manager(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        cluster = json.load(open(sys.argv[1]))
        path = re.sub(r"^/v[0-9.]+", "", self.path.split("?")[0])
        if path == "/events":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            time.sleep(1000)
        containers = cluster["containers"]
        found = [c for _, c in containers if path == "/containers/" + c["Id"] + "/json"]
        status = [["Role", "primary"], ["Nodes", str(len(cluster["nodes"]))]]
        for name, address in cluster["nodes"]:
            status += [[" " + name, address + ":2375"], ["  \u2514 Status", "Healthy"]]
        answers = {
            "/version": {"Version": "swarm/1.2.9", "ApiVersion": "1.24", "Os": "linux", "Arch": "amd64"},
            "/info": {"SystemStatus": status, "Containers": len(containers), "ServerVersion": "swarm/1.2.9"},
            "/images/json": [], "/networks": [], "/_ping": "OK",
            "/containers/json": [{
                "Id": c["Id"], "Names": ["/" + name + c["Name"]], "State": c["State"]["Status"], "Status": "Up 2 seconds",
                "NetworkSettings": {"Networks": {n: {} for n in c["NetworkSettings"]["Networks"]}},
            } for name, c in containers],
        }
        answer = found[0] if found else answers.get(path)
        body = json.dumps(answer if answer is not None else {"message": "no such thing: " + path}).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("0.0.0.0", 3376), Manager).serve_forever()
"#;

#[test]
fn a_managers_containers_are_shown_each_once_with_a_probe_on_its_host_or_without() {
    let testbed = Testbed::up(3, false);
    let mut containers = Vec::new();
    for (host, name) in [(2, "two"), (3, "three")] {
        testbed.container(host, name, &["-p", "8080:80"], "sleep 10000");
        let inspected: Value = serde_json::from_str(&testbed.docker(host, &["inspect", name])).unwrap();
        containers.push(json!([format!("node-{host}"), inspected[0]]));
    }
    let nodes: Vec<Value> = (1..=3).map(|n| json!([format!("node-{n}"), testbed.address(n)])).collect();
    let directory = testbed.directory(1);
    let (script, cluster) = (directory.join("manager.py"), directory.join("cluster.json"));
    std::fs::write(&script, MANAGER).unwrap();
    std::fs::write(&cluster, json!({ "nodes": nodes, "containers": containers }).to_string()).unwrap();
    let pid = directory.join("manager.pid");
    let start = format!(
        "python3 {} {} </dev/null >/dev/null 2>&1 & echo $! >{}",
        script.display(),
        cluster.display(),
        pid.display()
    );
    testbed.shell(1, &start);

    let manager = format!("tcp://{}:3376", testbed.address(1));
    testbed.launch(1, &["--docker", &manager]);
    let base = testbed.url(1);
    let shown = eventually("what the manager lists", PATIENCE, || {
        let shown = view(&base, "containers")?;
        let found = labels(&shown);
        if ["two", "three"].iter().all(|name| found.contains(*name)) { Ok(shown) } else { Err(format!("{found:?}")) }
    });
    let three = node(&shown, "three").unwrap();
    assert_eq!((three["labelMinor"].as_str(), three["state"].as_str()), (Some("node-3"), Some("unprobed")));
    assert_eq!(
        (row(three, "docker_image_name").as_str(), row(three, "docker_container_state").as_str()),
        ("rp/busybox", "running")
    );
    assert!(row(three, "docker_container_ports").contains("8080->80/tcp"), "{three}");

    // A probe of its own tells of it instead, and nothing is counted twice.
    testbed.launch(2, &[&testbed.address(1)]);
    eventually("one of them by the probe on its host", PATIENCE, || {
        let shown = view(&base, "containers")?;
        let all = shown["nodes"].as_object().unwrap().values();
        let two: Vec<&Value> = all.filter(|n| n["label"] == "two").collect();
        match &*two {
            [one] if one["state"].is_null() && one["labelMinor"] == "h2" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let image = get(&format!("{base}/api/topology/containers?stopped=stopped")).unwrap();
    assert_eq!(labels(&image), BTreeSet::new(), "they run, wherever they are");
    testbed.scope(2, &["stop"]);

    std::fs::write(&cluster, json!({ "nodes": nodes, "containers": [] }).to_string()).unwrap();
    // Its list is read again when it is restarted, as an engine's is.
    testbed.shell(1, &format!("kill -9 $(cat {})", pid.display()));
    testbed.shell(1, &start);
    eventually("what is not listed any more goes", PATIENCE, || {
        let found = labels(&view(&base, "containers")?);
        if found.contains("three") { Err(format!("{found:?}")) } else { Ok(()) }
    });
}
