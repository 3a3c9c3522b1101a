//! What the page is told may be anything, and may stop: it says so, comes back by itself, and takes no name for markup.

use std::time::Duration;

use scope_tests::api::view;
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::Testbed;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(30);
const LIVE: &str =
    "return document.querySelector('.live .words')?.textContent === 'Live' && !document.querySelector('.banner')";
/// Keeps every socket that is made from now on, and what goes wrong.
const WATCH: &str = "window.sockets = []; window.broken = []; \
                     window.addEventListener('error', event => window.broken.push(event.message)); \
                     const Own = window.WebSocket; \
                     window.WebSocket = class extends Own { constructor(...all) { super(...all); window.sockets.push(this); } }";

#[test]
fn a_socket_that_is_silent_garbled_or_skips_is_noticed_and_the_page_comes_back() {
    let testbed = Testbed::up(1, false);
    let base = testbed.url(1);
    testbed.launch(1, &[]);
    testbed.container(1, "cache", &[], "sleep 10000");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        browser.client.goto(&format!("{base}/#/hosts")).await.unwrap();
        browser.until("live", LIVE).await;
        browser.client.execute(WATCH, Vec::new()).await.unwrap();
        browser.client.goto(&format!("{base}/#/containers")).await.unwrap();
        let one = "return document.querySelector('canvas.graph')?.dataset.nodes === '1'";
        browser
            .until(
                "one container over a socket of ours",
                &format!("if (window.sockets.length === 0) return false; {one}"),
            )
            .await;

        // A message that cannot be read: said, and asked for again, though not at once.
        let say = |data: &str| {
            format!("window.sockets.at(-1).dispatchEvent(new MessageEvent('message', {{ data: {data} }}))")
        };
        browser.client.execute(&say("'{\"sequence\": tr'"), Vec::new()).await.unwrap();
        browser
            .until(
                "it is told",
                "return (document.querySelector('.banner')?.textContent ?? '').includes('is not understood')",
            )
            .await;
        browser.screenshot("garbled-light").await;
        browser.until("live again", LIVE).await;
        browser.until("over another socket", "return window.sockets.length === 2").await;
        browser.until("the same node", one).await;

        // A number that does not follow: the whole view anew, without a word.
        browser.client.execute(&say("JSON.stringify({ sequence: 1e9, gone: [0] })"), Vec::new()).await.unwrap();
        browser.until("a third socket", "return window.sockets.length === 3").await;
        browser.until("live", LIVE).await;
        browser.until("the same node", one).await;

        // The app is there and says nothing, as behind a broken way.
        testbed.exec(1, &["pkill", "-STOP", "-f", "scope launch"]);
        browser
            .until(
                "it is told",
                "return (document.querySelector('.banner')?.textContent ?? '').includes('says nothing any more')",
            )
            .await;
        browser
            .until("nothing looks live", "return document.querySelector('.live .words').textContent === 'Not live'")
            .await;
        browser.screenshot("silent-light").await;
        testbed.exec(1, &["pkill", "-CONT", "-f", "scope launch"]);
        browser.until("live again", LIVE).await;
        browser.until("the same node", one).await;
        assert_eq!(browser.client.execute("return window.broken", Vec::new()).await.unwrap(), json!([]));
        browser.close().await;
    });
}

#[test]
fn names_are_shown_as_they_are_whatever_is_in_them() {
    let testbed = Testbed::up(1, false);
    let base = testbed.url(1);
    testbed.launch(1, &[]);
    let markup = "<img src=x onerror=window.pwned=1>";
    let label = format!("evil={markup}<script>window.pwned=1</script>");
    testbed.container(1, "marked", &["--label", &label], "sleep 10000");
    // Right to left, and turned around; and a name of two thousand letters.
    let turned = "\u{202e}gnp.exe\u{202c} שלום";
    let long = format!("long-{}-end", "x".repeat(2_000));
    for name in [markup, turned, long.as_str()] {
        let quoted = name.replace('\'', "'\\''");
        testbed.shell(1, &format!("bash -c 'exec -a \"$1\" sleep 10000' run '{quoted}' </dev/null >/dev/null 2>&1 &"));
    }
    eventually("the processes are known", PATIENCE, || {
        let shown = view(&base, "processes")?.to_string();
        if shown.contains("onerror") && shown.contains("-end") { Ok(()) } else { Err("not yet".to_owned()) }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        let clean = "return window.pwned === undefined && !document.querySelector('img, script:not([src])')";
        let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
        for mode in ["graph", "table"] {
            browser.client.goto(&format!("{base}/#/processes?unconnected=show&mode={mode}&q=10000")).await.unwrap();
            browser.until("they are found", "return parseInt(document.querySelector('.hits')?.textContent) >= 3").await;
            browser.screenshot(&format!("names-{mode}-light")).await;
            browser.until("nothing was taken for markup", clean).await;
            browser.until("nothing to scroll aside", fits).await;
        }
        let row = |part: &str| {
            format!("[...document.querySelectorAll('table.nodes tbody tr')].find(r => r.innerHTML.includes('{part}'))")
        };
        for part in ["onerror", "long-xxx", "שלום"] {
            browser.client.execute(&format!("{}.click()", row(part)), Vec::new()).await.unwrap();
            browser
                .until(
                    "its card",
                    &format!(
                        "return (document.querySelector('.card')?.textContent ?? '').includes('{}')",
                        if part == "long-xxx" { "long-" } else { part }
                    ),
                )
                .await;
            browser.until("nothing was taken for markup", clean).await;
            browser.until("nothing to scroll aside", fits).await;
        }
        // What turns the direction around is seen, and turns nothing.
        browser
            .until("the mark", "return document.querySelector('.card h2').textContent.startsWith('‹U+202E›gnp.exe')")
            .await;
        browser.screenshot("names-card-light").await;
        browser.client.goto(&format!("{base}/#/containers?mode=table&q=marked")).await.unwrap();
        browser.until("the container", "return document.querySelectorAll('table.nodes tbody tr').length === 1").await;
        browser.client.execute("document.querySelector('table.nodes tbody tr').click()", Vec::new()).await.unwrap();
        browser
            .until(
                "its label as it is",
                "return (document.querySelector('.card')?.textContent ?? '').includes('onerror=window.pwned=1>')",
            )
            .await;
        browser.until("nothing was taken for markup", clean).await;
        browser.close().await;
    });
}
