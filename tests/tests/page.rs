//! The page in a real browser, on real hosts.

use std::time::Duration;

use fantoccini::Locator;
use scope_tests::api::{edges, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::{Testbed, call, serve};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn the_page_shows_what_runs_and_follows_it() {
    let testbed = Testbed::up(2, false);
    let app = testbed.address(1);
    testbed.launch(1, &[]);
    testbed.launch(2, &[&app]);
    testbed.docker(1, &["network", "create", "lan"]);
    testbed.container(1, "cache", &["--network", "lan"], &serve(6379));
    testbed.container(1, "worker", &["--network", "lan"], &call("cache", 6379));
    eventually("the connection is known", PATIENCE, || {
        let found = edges(&view(&testbed.url(1), "containers")?);
        if found.contains("worker -> cache:6379") { Ok(()) } else { Err(format!("{found:?}")) }
    });
    // The runtime stays on this thread, which is on the hosts' switch.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, false).await;
        let base = testbed.url(1);
        browser.client.goto(&format!("{base}/")).await.unwrap();
        browser.until("live", "return document.querySelector('.live')?.textContent === 'Live'").await;
        browser.until("two nodes drawn", "return document.querySelector('canvas')?.dataset.nodes === '2'").await;
        browser.until("two hosts", "return document.querySelector('.status').textContent.includes('2 hosts report')").await;
        browser.screenshot("graph-dark").await;

        // By keyboard to the table, by click to the details.
        let body = browser.client.find(Locator::Css("body")).await.unwrap();
        body.send_keys("t").await.unwrap();
        browser.until("rows", "return document.querySelectorAll('table.nodes tbody tr').length === 2").await;
        browser.screenshot("table-dark").await;
        let row = "[...document.querySelectorAll('table.nodes tbody tr')].find(r => r.textContent.includes('cache'))";
        browser.client.execute(&format!("{row}.click()"), Vec::new()).await.unwrap();
        browser.until("details", "return document.querySelector('.card h2')?.textContent === 'cache'").await;
        let inbound = "return [...document.querySelectorAll('.card section')].some(s => s.textContent.includes('Inbound') \
                       && s.textContent.includes('worker') && s.textContent.includes('6379'))";
        browser.until("who calls it", inbound).await;
        browser.until("a minute's curve", "return document.querySelector('.card .curve')?.getAttribute('d')?.length > 10").await;
        let body = browser.client.find(Locator::Css("body")).await.unwrap();
        body.send_keys("g").await.unwrap();
        browser.until("the graph", "return !!document.querySelector('canvas')").await;
        browser.screenshot("details-dark").await;

        // Its interfaces, which stay open while the details are read again.
        let table = "[...document.querySelectorAll('.card details')].find(d => d.textContent.includes('Interfaces'))";
        browser.until("its interfaces", &format!("return !!{table}")).await;
        browser.client.execute(&format!("{table}.querySelector('summary').click(); {table}.scrollIntoView()"), Vec::new()).await.unwrap();
        browser.until("where eth0 leads", &format!("return {table}.open && {table}.textContent.includes('of the host')")).await;
        browser.until("its traffic", &format!("return {table}.open && {table}.textContent.includes('B/s')")).await;
        browser.screenshot("interfaces-dark").await;

        // The address holds the state: back undoes, and a link shows the same.
        browser.client.back().await.unwrap();
        browser.until("the table again", "return !!document.querySelector('table.nodes')").await;
        browser.client.forward().await.unwrap();
        browser.client.refresh().await.unwrap();
        browser.until("the same node", "return document.querySelector('.card h2')?.textContent === 'cache'").await;

        // Search.
        let search = browser.client.find(Locator::Css("#search")).await.unwrap();
        search.send_keys("work").await.unwrap();
        browser.until("one match", "return document.querySelector('.hits').textContent === '1 of 2'").await;
        browser.screenshot("search-dark").await;

        // What comes appears by itself.
        browser.client.goto(&format!("{base}/#/containers?mode=table")).await.unwrap();
        testbed.container(2, "newcomer", &[], "sleep 1000");
        let there = "return document.querySelector('table.nodes')?.textContent.includes('newcomer')";
        browser.until("the new container", there).await;

        // An option, and help.
        let option = "const s = document.querySelectorAll('.choice select')[2]; s.value = 'show'; \
                      s.dispatchEvent(new Event('change', {bubbles: true}))";
        browser.client.execute(option, Vec::new()).await.unwrap();
        browser.until("uncontained", "return document.querySelector('table.nodes').textContent.includes('Uncontained')").await;
        browser.client.find(Locator::Css("body")).await.unwrap().send_keys("?").await.unwrap();
        browser.until("help", "return !!document.querySelector('.help')").await;
        browser.screenshot("help-dark").await;

        // The app goes: nothing old looks live. It comes back: so does the page.
        testbed.scope(1, &["stop"]);
        browser.until("not live", "return document.querySelector('.live').textContent === 'Not live' && !!document.querySelector('.banner')").await;
        browser.screenshot("lost-dark").await;
        testbed.launch(1, &[]);
        browser.until("live again", "return document.querySelector('.live').textContent === 'Live' && !document.querySelector('.banner')").await;
        browser.close().await;
    });
}

/// By its tabs a narrow screen leads everywhere.
async fn tabs(browser: &Browser, fits: &str) {
    let press = async |word: &str| {
        let button = format!("//nav[@class='tabs']/button[span='{word}']");
        browser.client.find(fantoccini::Locator::XPath(&button)).await.unwrap().click().await.unwrap();
    };
    let places =
        [("Table", "table.nodes"), ("Findings", ".findings"), ("Networks", ".map-wrap"), ("Graph", "canvas.graph")];
    for (word, place) in places {
        press(word).await;
        browser.until(word, &format!("return !!document.querySelector('{place}')")).await;
        let chosen = format!("return document.querySelector('.tabs [aria-current=page]')?.textContent === '{word}'");
        browser.until("the tab is chosen", &chosen).await;
        browser.until("nothing to scroll aside", fits).await;
    }
    browser.until("what runs", "return +document.querySelector('canvas.graph').dataset.drawn === 26").await;
    browser.screenshot("tabs-narrow-dark").await;
    press("More").await;
    browser.until("all commands", "return document.querySelectorAll('.commands .suggestion').length > 5").await;
    browser.screenshot("tabs-more-narrow-dark").await;
}

#[test]
fn the_page_holds_in_every_size_and_light_and_says_what_is_not_there() {
    let testbed = Testbed::up(1, false);
    testbed.launch(1, &["--app-only"]);
    let base = testbed.url(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (name, width, height, light) in [("wide-light", 1680, 1000, true), ("narrow-dark", 500, 900, false)] {
            let browser = Browser::open(width, height, light).await;
            let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
            // Nobody reports yet.
            browser.client.goto(&format!("{base}/")).await.unwrap();
            browser.until("live", "return document.querySelector('.live')?.textContent === 'Live'").await;
            browser.until("why it is empty", "return document.querySelector('.empty')?.textContent.length > 20").await;
            browser.screenshot(&format!("empty-{name}")).await;
            browser.until("nothing to scroll aside", fits).await;

            testbed.scope(1, &["stop"]);
            testbed.launch(1, &[]);
            if light {
                testbed.docker(1, &["network", "create", "lan"]);
                for n in 0..24 {
                    testbed.container(1, &format!("service-{n}"), &["--network", "lan"], "sleep 1000");
                }
                testbed.container(1, "a-cache-with-a-rather-long-name-of-its-own", &["--network", "lan"], &serve(6379));
                testbed.container(
                    1,
                    "worker",
                    &["--network", "lan"],
                    &call("a-cache-with-a-rather-long-name-of-its-own", 6379),
                );
            }
            browser.until("26 nodes drawn", "return document.querySelector('canvas')?.dataset.nodes === '26'").await;
            browser.until("the connection", "return document.querySelector('canvas')?.dataset.edges === '1'").await;
            browser.screenshot(&format!("graph-{name}")).await;
            browser.until("nothing to scroll aside", fits).await;

            // A link to what is not there any more shows what is.
            browser.client.goto(&format!("{base}/#/containers?stopped=nonsense&mode=table")).await.unwrap();
            browser.until("the rows", "return document.querySelectorAll('table.nodes tbody tr').length === 26").await;
            browser.until("a link without it", "return !location.hash.includes('nonsense')").await;
            browser.screenshot(&format!("table-{name}")).await;
            browser.until("nothing to scroll aside", fits).await;
            browser.client.goto(&format!("{base}/#/pods?q=worker")).await.unwrap();
            browser.until("the containers", "return location.hash.startsWith('#/containers')").await;
            browser.until("one match", "return document.querySelector('.hits').textContent === '1 of 26'").await;
            browser.client.goto(&format!("{base}/#/containers?q=nobody")).await.unwrap();
            browser.until("no match", "return document.querySelector('.hits').textContent === '0 of 26'").await;
            browser.screenshot(&format!("nothing-found-{name}")).await;

            browser.client.goto(&format!("{base}/#/processes?mode=table")).await.unwrap();
            browser.until("processes", "return document.querySelectorAll('table.nodes tbody tr').length > 1").await;
            let first = "document.querySelector('table.nodes tbody tr').click()";
            browser.client.execute(first, Vec::new()).await.unwrap();
            browser.until("details", "return !!document.querySelector('.card section')").await;
            browser.screenshot(&format!("process-{name}")).await;
            browser.until("nothing to scroll aside", fits).await;
            browser.client.goto(&format!("{base}/#/networks")).await.unwrap();
            browser.until("networks", "return +document.querySelector('canvas')?.dataset.nodes >= 2").await;
            browser.screenshot(&format!("networks-{name}")).await;
            if !light {
                tabs(&browser, fits).await;
            }
            browser.close().await;
            testbed.scope(1, &["stop"]);
            testbed.launch(1, &["--app-only"]);
        }
    });
}
