//! Whoever cannot see the page, or not well, can use it: every state of it is checked by axe-core in all three themes.

use std::time::Duration;

use fantoccini::Locator;
use fantoccini::key::Key;
use scope_tests::api::{edges, get, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::{Testbed, call, program, serve};

const PATIENCE: Duration = Duration::from_secs(30);

/// What is serious, and where.
const CHECK: &str = "
    const done = arguments[arguments.length - 1];
    const told = violation => violation.nodes.map(node =>
        `${violation.id}: ${node.target.join(' ')}: ${node.failureSummary}`.replaceAll('\\n', ' '));
    axe.run(document, {resultTypes: ['violations']}).then(
        result => done(result.violations.filter(v => v.impact === 'serious' || v.impact === 'critical').flatMap(told)),
        error => done([String(error)]));
";

struct Checked<'a> {
    browser: &'a Browser,
    axe: String,
    wrong: Vec<String>,
}

impl Checked<'_> {
    async fn serious(&self) -> Vec<String> {
        let is_there = self.browser.client.execute("return typeof axe === 'object'", Vec::new()).await.unwrap();
        if is_there != true {
            self.browser.client.execute(&self.axe, Vec::new()).await.unwrap();
        }
        let found = self.browser.client.execute_async(CHECK, Vec::new()).await.unwrap();
        found.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    async fn state(&mut self, name: &str) {
        let found = self.serious().await;
        self.wrong.extend(found.into_iter().map(|what| format!("{name}: {what}")));
    }
}

#[test]
fn no_state_of_the_page_has_a_serious_finding_of_axe() {
    let axe = std::fs::read_to_string(program("SCOPE_AXE")).unwrap();
    let testbed = Testbed::up(2, true);
    let base = testbed.url(1);
    testbed.launch(1, &[]);
    testbed.launch(2, &[&testbed.address(1)]);
    testbed.docker(1, &["network", "create", "-d", "overlay", "--attachable", "mesh"]);
    testbed.container(1, "cache", &["--network", "mesh"], &serve(6379));
    testbed.container(2, "worker", &["--network", "mesh"], &call("cache", 6379));
    testbed.container(2, "caller", &["--network", "mesh"], "while :; do nc -w 1 cache 81 </dev/null; sleep 0.5; done");
    eventually("the connection is known", PATIENCE, || {
        let found = edges(&view(&base, "containers")?);
        if found.contains("worker -> cache:6379") { Ok(()) } else { Err(format!("{found:?}")) }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        let mut checked = Checked { browser: &browser, axe, wrong: Vec::new() };
        let press = async |keys: &str| {
            browser.client.find(Locator::Css("body")).await.unwrap().send_keys(keys).await.unwrap();
        };
        let go = async |address: &str| {
            browser.client.goto("about:blank").await.unwrap();
            browser.client.goto(&format!("{base}/#/{address}")).await.unwrap();
            browser.until("the page", "return document.querySelector('.status .link')?.textContent === 'Connected'").await;
        };
        let escape = char::from(Key::Escape).to_string();
        for theme in ["light", "dark", "contrast"] {
            go(&format!("containers?theme={theme}")).await;
            browser.until("nodes", "return +document.querySelector('canvas.graph')?.dataset.nodes >= 3").await;
            checked.state(&format!("{theme} graph")).await;
            for (key, shown) in [("l", ".popover.arrangement"), ("c", ".popover.changes"), ("?", ".help")] {
                press(key).await;
                browser.until(shown, &format!("return !!document.querySelector('{shown}')")).await;
                checked.state(&format!("{theme} {shown}")).await;
                press(&escape).await;
            }
            press(&format!("{}k{}", char::from(Key::Control), char::from(Key::Null))).await;
            browser.until("the palette", "return !!document.querySelector('.palette')").await;
            checked.state(&format!("{theme} palette")).await;
            press(&escape).await;
            press("/").await;
            browser.client.active_element().await.unwrap().send_keys("wor").await.unwrap();
            browser.until("suggestions", "return !!document.querySelector('.suggestion')").await;
            checked.state(&format!("{theme} suggestions")).await;
            go(&format!("containers?theme={theme}&q=cpu%20%3E")).await;
            browser.until("the mistake", "return !!document.querySelector('.mistake')").await;
            checked.state(&format!("{theme} mistake")).await;

            go(&format!("containers?theme={theme}&mode=table&f=kind:container&changes=5")).await;
            browser.until("rows", "return document.querySelectorAll('table.nodes tbody tr').length >= 3").await;
            browser.client.execute("[...document.querySelectorAll('table.nodes tbody tr')].find(r => r.textContent.includes('cache')).click()", Vec::new()).await.unwrap();
            browser.until("its card", "return document.querySelectorAll('.card .list tbody tr').length >= 2").await;
            browser.client.execute("document.querySelectorAll('.card details').forEach(d => d.open = true)", Vec::new()).await.unwrap();
            checked.state(&format!("{theme} table, card")).await;
            browser.client.execute("document.querySelector('.card .rate').click()", Vec::new()).await.unwrap();
            browser.until("the line's card", "return !!document.querySelector('.edge-card .hop')").await;
            checked.state(&format!("{theme} line")).await;

            for (address, shown) in [
                ("containers?mode=resources", ".block"),
                ("networks?mode=map", ".map-wrap"),
                ("daemons?mode=board", ".board-wrap"),
                ("hosts?mode=table", "table.nodes tbody tr"),
            ] {
                go(&format!("{address}&theme={theme}")).await;
                browser.until(address, &format!("return !!document.querySelector('{shown}')")).await;
                checked.state(&format!("{theme} {address}")).await;
            }
            go(&format!("swarm-services?theme={theme}")).await;
            browser.until("nothing", "return !!document.querySelector('.empty')").await;
            checked.state(&format!("{theme} empty")).await;
        }
        testbed.engine(2, "freeze");
        eventually("a finding", PATIENCE, || {
            let found = get(&format!("{base}/api/findings?state=open"))?;
            if found["findings"].as_array().is_some_and(|all| !all.is_empty()) { Ok(()) } else { Err(found.to_string()) }
        });
        for theme in ["light", "dark", "contrast"] {
            go(&format!("containers?mode=findings&theme={theme}")).await;
            browser.until("the finding", "return !!document.querySelector('.sides pre')").await;
            checked.state(&format!("{theme} findings")).await;
        }
        testbed.engine(2, "thaw");
        assert!(checked.wrong.is_empty(), "{} serious:\n{}", checked.wrong.len(), checked.wrong.join("\n"));

        // What finds nothing can find something.
        let spoil = "const b = document.createElement('button'); b.innerHTML = '<svg></svg>'; document.querySelector('.head').append(b)";
        browser.client.execute(spoil, Vec::new()).await.unwrap();
        let found = checked.serious().await;
        assert!(found.iter().any(|what| what.starts_with("button-name")), "{found:?}");
        browser.close().await;
    });
}
