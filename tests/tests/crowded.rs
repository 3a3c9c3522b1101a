//! The page before a fleet that is told of over the probes' own wire.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use scope_tests::api::get;
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::load::Load;

const PATIENCE: Duration = Duration::from_secs(60);
const HOSTS: u16 = 101;
/// Of each host.
const CONTAINERS: usize = 50;

struct App(Child);

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An app, and a fleet that reports to it; gives where it is.
fn fleet(runtime: &tokio::runtime::Runtime) -> (App, Load, String) {
    let address: SocketAddr = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let binary = std::env::var("SCOPE_BINARY").expect("SCOPE_BINARY names the binary under test");
    let mut command = Command::new(binary);
    command.args(["app", "--listen", &address.to_string(), "--log-level", "warn"]).stdout(Stdio::null());
    let app = App(command.spawn().expect("the binary starts"));
    let base = format!("http://{address}");
    eventually("the app listens", PATIENCE, || get(&format!("{base}/api")).map(drop));
    let all = usize::from(HOSTS) * CONTAINERS;
    let load = {
        let _inside = runtime.enter();
        Load::start(address, HOSTS)
    };
    eventually("the fleet is known", PATIENCE, || {
        let topologies = get(&format!("{base}/api/topology"))?;
        let containers = topologies.as_array().into_iter().flatten().find(|one| one["name"] == "Containers");
        let count = containers.map_or(0, |one| one["stats"]["nonpseudo_node_count"].as_u64().unwrap_or(0)) as usize;
        if count == all { Ok(()) } else { Err(format!("{count} of {all}: {topologies}")) }
    });
    (app, load, base)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn thousands_of_nodes_at_once_open_by_host_and_can_all_be_laid_out() {
    let runtime = runtime();
    let (_app, _load, base) = fleet(&runtime);
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        browser.client.goto(&format!("{base}/")).await.unwrap();
        let told = format!(
            "return document.querySelector('.status')?.textContent.includes('in {HOSTS} hosts, {HOSTS} folded')"
        );
        browser.until("it says how it is grouped", &told).await;
        let drawn = |count: usize| format!("return +document.querySelector('canvas.graph')?.dataset.drawn === {count}");
        // And what is outside.
        browser.until("as many as hosts are drawn", &drawn(usize::from(HOSTS) + 1)).await;
        browser.screenshot("crowded-folded-light").await;
        let press = "window.ticks = 0; const tick = () => { window.ticks += 1; setTimeout(tick, 100); }; tick()";
        browser.client.execute(press, Vec::new()).await.unwrap();
        browser.client.goto(&format!("{base}/#/containers?group=")).await.unwrap();
        browser.until("all are drawn", &drawn(usize::from(HOSTS) * CONTAINERS + 1)).await;
        browser.until("the page went on meanwhile", "return window.ticks > 2").await;
        browser.screenshot("crowded-light").await;
        browser.client.goto(&format!("{base}/#/containers?group=hosts&folded=none")).await.unwrap();
        let open =
            format!("return document.querySelector('.status')?.textContent.includes('in {HOSTS} hosts, 0 folded')");
        browser.until("all groups are open", &open).await;
        browser.until("all are drawn", &drawn(usize::from(HOSTS) * CONTAINERS + 1)).await;
        browser.screenshot("crowded-open-light").await;
        browser.close().await;
    });
}

#[test]
fn a_table_of_thousands_of_rows_has_few_in_the_page_and_leads_to_each() {
    let runtime = runtime();
    let (_app, _load, base) = fleet(&runtime);
    let all = usize::from(HOSTS) * CONTAINERS;
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        browser.client.goto(&format!("{base}/#/containers?mode=table")).await.unwrap();
        let rows = "const rows = [...document.querySelectorAll('table.nodes tbody tr')]; const of = row => +row.getAttribute('aria-rowindex');";
        // And what is outside.
        let total = format!("const n = +document.querySelector('table.nodes')?.getAttribute('aria-rowcount'); return n >= {all} && n");
        let all = browser.until("all rows are there", &total).await;
        browser.until("few are in the page", &format!("{rows} return rows.length > 20 && rows.length < 120 && of(rows[0]) === 1")).await;
        let end = "const s = document.querySelector('.table-scroll'); s.scrollTop = s.scrollHeight; return true";
        browser.client.execute(end, Vec::new()).await.unwrap();
        browser.until("the last", &format!("{rows} return of(rows.at(-1)) === {all} && rows.length < 120")).await;
        let in_sight = format!("{rows} const s = document.querySelector('.table-scroll').getBoundingClientRect(); \
                                const r = rows.at(-1).getBoundingClientRect(); return r.bottom <= s.bottom + 1 && r.top >= s.top");
        browser.until("it is in sight", &in_sight).await;
        browser.screenshot("table-crowded-light").await;
        browser.client.execute(&format!("{rows} rows.at(-1).focus()"), Vec::new()).await.unwrap();
        let focused = browser.client.active_element().await.unwrap();
        focused.send_keys(&fantoccini::key::Key::Up.to_string()).await.unwrap();
        let before = format!("return +document.activeElement.getAttribute('aria-rowindex') === {all} - 1");
        browser.until("the one before", &before).await;
        // The keyboard stays there, however often the figures change, and so does the row.
        // By its whole label, beside which it may say at any time that its host has not been heard for a while.
        let name = "return document.activeElement.querySelector('.name span').title";
        let focused = browser.client.execute(name, Vec::new()).await.unwrap();
        browser.until("it says so", "return document.querySelector('.foot').textContent.includes('held while you are in it')").await;
        for _ in 0..2 {
            let figures = "document.querySelector('table.nodes tbody').textContent";
            browser.client.execute(&format!("window.figures = {figures}"), Vec::new()).await.unwrap();
            browser.until("other figures", &format!("return window.figures !== {figures}")).await;
        }
        assert_eq!(browser.client.execute(&before, Vec::new()).await.unwrap(), true, "the row has the focus");
        assert_eq!(browser.client.execute(name, Vec::new()).await.unwrap(), focused, "the same one");
        browser.client.execute("document.activeElement.blur()", Vec::new()).await.unwrap();
        let is_free = "return !document.querySelector('.foot').textContent.includes('held')";
        browser.until("others may come to stand there", is_free).await;
        browser.close().await;
    });
}
