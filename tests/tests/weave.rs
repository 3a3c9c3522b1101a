//! Weave Net's mesh as its routers report it. The reports are recorded from Weave 2.8, and served over HTTP where a
//! router would.

use std::collections::BTreeSet;
use std::time::Duration;

use scope_tests::api::{edges, get, labels, node, row, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::Testbed;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// Serves the file of that name, whatever it holds at the time, at the address of a router's API.
const ROUTER: &str = r#"
import http.server, sys
class Router(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = open(sys.argv[1], "rb").read()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 6784), Router).serve_forever()
"#;

/// What the router of a host says from now on.
fn says(testbed: &Testbed, host: usize, report: &str) {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../probe/fixtures/weave");
    let file = testbed.directory(host).join("weave.json");
    // In one step, so that nobody reads half of it.
    let next = file.with_extension("next");
    std::fs::copy(format!("{fixtures}/{report}.json"), &next).unwrap();
    std::fs::rename(next, file).unwrap();
}

fn serve(testbed: &Testbed, host: usize) {
    let directory = testbed.directory(host);
    let script = directory.join("router.py");
    std::fs::write(&script, ROUTER).unwrap();
    let file = directory.join("weave.json");
    let line = format!(
        "python3 {} {} </dev/null >/dev/null 2>&1 & echo $! >{}/router.pid",
        script.display(),
        file.display(),
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
