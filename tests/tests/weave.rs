//! Weave Net's mesh as its routers report it. The reports are recorded from Weave 2.8, and served over HTTP where a
//! router would.

use std::collections::BTreeSet;
use std::time::Duration;

use scope_tests::api::{edges, escaped, get, labels, node, row, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::{Testbed, text};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// Serves the file of that name, whatever it holds at the time, at the address of a router's API. Names that are entered
/// lie in another file, which stands for what routers tell one another.
const ROUTER: &str = r#"
import http.server, json, sys, urllib.parse
def names():
    try: return json.load(open(sys.argv[2]))
    except FileNotFoundError: return []
class Router(http.server.BaseHTTPRequestHandler):
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        body = open(sys.argv[1], "rb").read()
        report = json.loads(body)
        if "DNS" in report:
            report["DNS"]["Entries"] += names()
            body = json.dumps(report).encode()
        self.answer(body)
    def change(self, keep):
        url = urllib.parse.urlparse(self.path)
        container, address = url.path.split("/")[2:4]
        name = urllib.parse.parse_qs(url.query)["fqdn"][0] + "."
        others = [e for e in names() if (e["Address"], e["Hostname"]) != (address, name)]
        own = [{"Hostname": name, "Origin": "", "ContainerID": container, "Address": address, "Version": 0, "Tombstone": 0}]
        json.dump(others + (own if keep else []), open(sys.argv[2], "w"))
        self.answer(b"")
    def do_PUT(self): self.change(True)
    def do_DELETE(self): self.change(False)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 6784), Router).serve_forever()
"#;

/// What the router of a host says from now on.
fn says(testbed: &Testbed, host: usize, report: &str) {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../probe/fixtures/weave");
    let file = testbed.directory(host).join("weave.json");
    // In one step, so that nobody reads half of it.
    let next = file.with_extension("next");
    // The hosts on which it was recorded had other addresses.
    let recorded = std::fs::read_to_string(format!("{fixtures}/{report}.json")).unwrap();
    let network = testbed.address(1).rsplit_once('.').unwrap().0.to_owned();
    std::fs::write(&next, recorded.replace("10.77.0.", &format!("{network}."))).unwrap();
    std::fs::rename(next, file).unwrap();
}

fn names(testbed: &Testbed) -> std::path::PathBuf {
    testbed.directory(1).join("names.json")
}

fn serve(testbed: &Testbed, host: usize) {
    let directory = testbed.directory(host);
    let script = directory.join("router.py");
    std::fs::write(&script, ROUTER).unwrap();
    let file = directory.join("weave.json");
    let line = format!(
        "python3 {} {} {} </dev/null >/dev/null 2>&1 & echo $! >{}/router.pid",
        script.display(),
        file.display(),
        names(testbed).display(),
        directory.display()
    );
    testbed.shell(host, &line);
}

fn router(testbed: &Testbed, host: usize, signal: &str) {
    testbed.shell(host, &format!("kill -{signal} $(cat {}/router.pid)", testbed.directory(host).display()));
}

fn until(base: &str, what: &str, expect: &[&str]) -> Vec<Value> {
    let wanted: BTreeSet<String> = expect.iter().map(|kind| (*kind).to_owned()).collect();
    eventually(&format!("{what}: {expect:?}"), PATIENCE, || {
        let answer = get(&format!("{base}/api/findings?state=open"))?;
        let all = answer["findings"].as_array().cloned().unwrap_or_default();
        let top: Vec<Value> = all.iter().filter(|finding| finding["because"].is_null()).cloned().collect();
        let kinds: BTreeSet<String> = top.iter().map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect();
        if kinds == wanted { Ok(top) } else { Err(format!("{all:?}")) }
    })
}

#[test]
fn a_mesh_is_shown_once_with_its_connections_and_what_its_routers_complain_of() {
    let testbed = Testbed::up(2, false);
    let app = testbed.address(1);
    says(&testbed, 1, "weave-report-h1-plain");
    says(&testbed, 2, "weave-report-h3-plain");
    serve(&testbed, 1);
    serve(&testbed, 2);
    testbed.launch(1, &[]);
    testbed.launch(2, &[&app]);
    let base = testbed.url(1);

    let shown = eventually("three peers and who connected to whom", PATIENCE, || {
        let shown = view(&base, "weave")?;
        let found = edges(&shown);
        let expect = ["h2 -> h1:6783", "h3 -> h1:6783", "h3 -> h2:6783"];
        let all: BTreeSet<String> = expect.iter().map(|edge| (*edge).to_owned()).collect();
        if labels(&shown).len() == 3 && found == all {
            Ok(shown)
        } else {
            Err(format!("{:?} {found:?}", labels(&shown)))
        }
    });
    let peer = node(&shown, "h1").unwrap();
    assert_eq!(
        (peer["id"].as_str(), peer["labelMinor"].as_str()),
        (Some("#de:ad:be:ef:00:01"), Some("de:ad:be:ef:00:01"))
    );
    assert_eq!(peer["parents"][0]["label"], "h1", "it is on a host");
    assert_eq!((row(peer, "weave_version").as_str(), row(peer, "weave_encryption").as_str()), ("2.8.1-rp", "disabled"));
    let tables: Vec<&str> = peer["tables"].as_array().unwrap().iter().map(|t| t["label"].as_str().unwrap()).collect();
    assert_eq!(tables, ["Connections", "IPAM", "DNS", "Proxy", "Plugin"]);
    assert!(row(node(&shown, "h2").unwrap(), "weave_probe").starts_with("none beside it, known from"), "{shown}");
    until(&base, "all is well", &[]);
    eventually("frames of the mesh go between the hosts' devices", PATIENCE, || {
        let shown = view(&base, "interfaces")?;
        let of = |id: &Value| shown["nodes"][id.as_str().unwrap_or_default()]["labelMinor"].clone();
        let edges = shown["edges"].as_array().into_iter().flatten().filter(|edge| edge["protocol"] == "sleeve");
        let mut found: Vec<String> =
            edges.map(|e| format!("{} -> {}:{}", of(&e["source"]), of(&e["target"]), e["port"])).collect();
        found.sort();
        let expect = ["\"h1\" -> \"h2\":6783", "\"h2\" -> \"h1\":6783"];
        if found == expect { Ok(()) } else { Err(format!("{found:?}")) }
    });
    one_network(&testbed, &base);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        browser.client.goto(&format!("{base}/#/weave?node=%23de%3Aad%3Abe%3Aef%3A00%3A01")).await.unwrap();
        let owners = "const d = [...document.querySelectorAll('.card details')].find(d => d.textContent.includes('Ranges by owner')); \
                      if (d) d.open = true; return !!d && d.textContent.includes('37.5')";
        browser.until("who owns which share of the addresses", owners).await;
        // Seen, not only known: the canvas has more colours than its grid.
        let colours = "const c = document.querySelector('canvas'); \
                       const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; const s = new Set(); \
                       for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); \
                       return s.size > 40";
        browser.until("a picture", colours).await;
        browser.screenshot("weave-light").await;
        browser.close().await;
    });

    says(&testbed, 1, "weave-report-h1-unreachable-target");
    let found = until(&base, "a target that is not there", &["weave-connection-failed"]);
    assert!(found[0].to_string().contains("no route to host"), "{found:?}");
    says(&testbed, 1, "weave-report-h1-failed-target");
    eventually("owners of addresses are not reached because their connections failed", PATIENCE, || {
        let all = get(&format!("{base}/api/findings?state=open"))?;
        let mut all = all["findings"].as_array().into_iter().flatten();
        let lost = all.find(|f| f["kind"] == "weave-ipam-owner-unreachable").ok_or("not found")?;
        let because = lost["because"].as_str().unwrap_or_default();
        if because.starts_with("weave-connection") { Ok(()) } else { Err(lost.to_string()) }
    });
    says(&testbed, 1, "weave-report-h1-plain");
    until(&base, "all is well again", &[]);
    says(&testbed, 2, "weave-report-h3-wrong-password");
    until(&base, "a wrong password", &["weave-wrong-password"]);
    says(&testbed, 2, "weave-report-h3-plain");
    until(&base, "the password is right", &[]);

    router(&testbed, 2, "STOP");
    let found = until(&base, "a router that hangs", &["weave-router-down"]);
    assert!(found[0]["summary"].as_str().unwrap().ends_with("does not answer"), "{found:?}");
    router(&testbed, 2, "CONT");
    until(&base, "it answers", &[]);
    std::fs::write(testbed.directory(2).join("weave.json"), "{\"Router\": 5}").unwrap();
    let found = until(&base, "a router that talks nonsense", &["weave-router-down"]);
    assert!(found[0]["summary"].as_str().unwrap().ends_with("answers what cannot be read"), "{found:?}");
    says(&testbed, 2, "weave-report-h3-plain");
    until(&base, "it makes sense", &[]);
    router(&testbed, 2, "KILL");
    until(&base, "a router that is down", &["weave-router-down"]);
    serve(&testbed, 2);
    until(&base, "it is up", &[]);
}

/// The mesh's network, once, with a container that Docker knows to be in none: it was attached by hand.
fn one_network(testbed: &Testbed, base: &str) {
    testbed.container(1, "byhand", &["--network", "none"], "sleep 10000");
    let pid = testbed.docker(1, &["inspect", "-f", "{{.State.Pid}}", "byhand"]);
    let pid = pid.trim();
    let attach = format!(
        "ip link add vethwepl1 type veth peer name ethwe && ip link set ethwe netns {pid} && ip link set vethwepl1 up && \
         nsenter -t {pid} -n ip addr add 10.32.0.77/12 dev ethwe && nsenter -t {pid} -n ip link set ethwe up"
    );
    testbed.shell(1, &attach);
    eventually("one network for both routers, with its member", PATIENCE, || {
        let networks = view(base, "networks")?;
        let all: Vec<&Value> =
            networks["nodes"].as_object().unwrap().values().filter(|n| n["label"] == "weave").collect();
        let [one] = &*all else { return Err(format!("{all:?}")) };
        let found = (row(one, "network_subnets"), row(one, "network_hosts"), row(one, "container"));
        if found == ("10.32.0.0/12".into(), "h1, h2".into(), "1".into()) { Ok(()) } else { Err(format!("{found:?}")) }
    });
    let shown = view(base, "containers").unwrap();
    let container = node(&shown, "byhand").unwrap();
    let networks: Vec<&str> =
        container["networks"].as_array().unwrap().iter().map(|n| n["label"].as_str().unwrap()).collect();
    assert!(networks.contains(&"weave"), "{container}");
    let id = escaped(container["id"].as_str().unwrap());
    eventually("its hardware address, as the kernel has it", PATIENCE, || {
        let details = get(&format!("{base}/api/topology/containers/{id}"))?;
        let (mac, way_out) =
            (row(&details["node"], "weave_mac_address"), row(&details["node"], "docker_container_way_out"));
        if !mac.is_empty() && way_out == "none" { Ok(()) } else { Err(format!("{mac} {way_out}")) }
    });
    testbed.docker(1, &["rm", "-f", "byhand"]);
    eventually("and it goes with it", PATIENCE, || {
        let networks = view(base, "networks")?;
        let count = row(node(&networks, "weave").ok_or("no network")?, "container");
        if count == "0" { Ok(()) } else { Err(count) }
    });
}

#[test]
fn a_probe_without_peers_finds_the_app_by_its_name_in_weavedns() {
    let testbed = Testbed::up(2, false);
    says(&testbed, 1, "weave-report-h1-plain");
    says(&testbed, 2, "weave-report-h3-plain");
    serve(&testbed, 1);
    let lost = testbed.scope(2, &["launch", "--probe-only"]);
    let (_, error) = text(&lost);
    assert!(
        !lost.status.success() && error.contains("name an app"),
        "without a router there is nobody to ask: {error}"
    );
    serve(&testbed, 2);
    testbed.launch(1, &[]);
    let entered = || std::fs::read_to_string(names(&testbed)).unwrap_or_default();
    eventually("the app is entered", PATIENCE, || {
        let entered = entered();
        let is_there = entered.contains("scope.weave.local") && entered.contains(&testbed.address(1));
        // A bridge's address would lead each host to itself.
        if is_there && !entered.contains("172.17.0.1") { Ok(()) } else { Err(entered) }
    });
    let out = testbed.launch(2, &["--probe-only"]);
    assert!(out.contains("scope.weave.local"), "{out}");
    eventually("both hosts report", PATIENCE, || {
        let hosts = labels(&view(&testbed.url(1), "hosts")?);
        if hosts.len() == 2 { Ok(()) } else { Err(format!("{hosts:?}")) }
    });
    testbed.scope(1, &["stop"]);
    eventually("who stops is taken out", PATIENCE, || {
        let entered = entered();
        if entered.contains("scope.weave.local") { Err(entered) } else { Ok(()) }
    });
}
