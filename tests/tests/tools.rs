//! The page's tools in a real browser: pause, commands, themes, files, and the screen on the wall.

use std::time::Duration;

use fantoccini::Locator;
use fantoccini::key::Key;
use scope_tests::api::{edges, get, view};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::{Testbed, call, serve};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn the_pages_tools_do_what_they_say_by_keyboard_and_by_pointer() {
    let testbed = Testbed::up(1, false);
    let base = testbed.url(1);
    testbed.launch(1, &[]);
    testbed.docker(1, &["network", "create", "lan"]);
    testbed.container(1, "cache", &["--network", "lan"], &serve(6379));
    testbed.container(1, "worker", &["--network", "lan"], &call("cache", 6379));
    eventually("the connection is known", PATIENCE, || {
        let found = edges(&view(&base, "containers")?);
        if found.contains("worker -> cache:6379") { Ok(()) } else { Err(format!("{found:?}")) }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        browser.client.goto(&format!("{base}/")).await.unwrap();
        browser.until("two nodes", "return document.querySelector('canvas')?.dataset.nodes === '2'").await;
        let press = async |keys: &str| {
            browser.client.find(Locator::Css("body")).await.unwrap().send_keys(keys).await.unwrap();
        };
        browser.until("the app's own typeface", "return document.fonts.check('500 13px Inter') && [...document.fonts].some(f => f.status === 'loaded')").await;

        let note = "window.broken = []; window.addEventListener('error', event => window.broken.push(event.message))";
        browser.client.execute(note, Vec::new()).await.unwrap();
        // What comes while it is paused waits, is counted, and is there afterwards.
        press(" ").await;
        browser.until("paused", "return document.querySelector('.live').textContent.includes('Paused')").await;
        testbed.container(1, "newcomer", &[], "sleep 1000");
        browser.until("it is counted", "return /\\d+ changes? waits?/.test(document.querySelector('.banner').textContent)").await;
        browser.until("two nodes still", "return document.querySelector('canvas').dataset.nodes === '2'").await;
        browser.screenshot("paused-light").await;
        let resume = browser.client.find(Locator::Css(".banner button")).await.unwrap();
        resume.click().await.unwrap();
        browser.until("three nodes", "return document.querySelector('canvas').dataset.nodes === '3'").await;
        browser.until("live", "return document.querySelector('.live').textContent.includes('Live') && !document.querySelector('.banner')").await;

        // What fills nodes: by key, by pointer, and nothing; and the whole in the corner.
        let pressed = |label: &str| format!("return document.querySelector('.metrics [aria-pressed=true]')?.textContent === '{label}'");
        browser.until("CPU first", &pressed("CPU")).await;
        press(">").await;
        browser.until("then memory", &pressed("Memory")).await;
        browser.screenshot("graph-memory-light").await;
        browser.until("a link to it", "return location.hash.includes('metric=Memory')").await;
        press("q").await;
        browser.until("none", "return !document.querySelector('.metrics [aria-pressed=true]')").await;
        browser.client.execute("document.querySelector('.metrics button').click()", Vec::new()).await.unwrap();
        browser.until("CPU again", &pressed("CPU")).await;
        let is_drawn = "const c = document.querySelector('canvas.minimap'); if (!c) return false; \
                        return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0)";
        browser.until("a map with something on it", is_drawn).await;
        press("m").await;
        browser.until("no map", "return !document.querySelector('canvas.minimap')").await;
        press("m").await;
        browser.until("the map again", is_drawn).await;

        // Commands by keyboard alone.
        let control_k = format!("{}k{}", char::from(Key::Control), char::from(Key::Null));
        press(&control_k).await;
        browser.until("the palette", "return document.activeElement?.closest('.palette') !== null").await;
        browser.screenshot("palette-light").await;
        let typed = browser.client.active_element().await.unwrap();
        typed.send_keys("go netw").await.unwrap();
        browser.until("one fits", "return document.querySelector('.commands .suggestion.on')?.textContent.includes('Go to Networks')").await;
        typed.send_keys(&Key::Enter.to_string()).await.unwrap();
        browser.until("it is there", "return location.hash.startsWith('#/networks') && !document.querySelector('.palette')").await;
        browser.client.back().await.unwrap();
        press(&control_k).await;
        let typed = browser.client.active_element().await.unwrap();
        typed.send_keys("work").await.unwrap();
        browser.until("a node", "return document.querySelector('.commands').textContent.includes('worker')").await;
        typed.send_keys(&Key::Escape.to_string()).await.unwrap();
        browser.until("it is closed", "return !document.querySelector('.palette')").await;

        // A node that is dragged stays where it was put, also at the next visit.
        let drag = "return (async () => { \
                      const c = document.querySelector('canvas.graph'), r = c.getBoundingClientRect(); \
                      const send = (kind, x, y) => c.dispatchEvent(new PointerEvent(kind, { clientX: x, clientY: y, button: 0, bubbles: true })); \
                      c.setPointerCapture = () => {}; \
                      for (let x = r.left + 20; x < r.right - 200; x += 16) for (let y = r.top + 20; y < r.bottom - 120; y += 16) { \
                          send('pointermove', x, y); \
                          for (let n = 0; n < 4; n++) await null; \
                          if (!c.classList.contains('pointing') || document.querySelector('.tip')) continue; \
                          send('pointerdown', x, y); send('pointermove', x + 60, y + 30); send('pointermove', x + 120, y + 40); send('pointerup', x + 120, y + 40); \
                          return localStorage.getItem('scope-pins-containers'); } })()";
        browser.until("three nodes", "const c = document.querySelector('canvas.graph'); return c?.dataset.drawn === '3' && c.dataset.settled === 'true'").await;
        let pins = browser.client.execute(drag, Vec::new()).await.unwrap();
        assert_eq!(pins.as_str().map(|pins| pins.matches('[').count()), Some(1), "{pins}");
        browser.client.refresh().await.unwrap();
        browser.until("three nodes", "return document.querySelector('canvas')?.dataset.nodes === '3'").await;
        browser.screenshot("pinned-light").await;
        assert_eq!(browser.client.execute("return localStorage.getItem('scope-pins-containers')", Vec::new()).await.unwrap(), pins);
        press(&control_k).await;
        let typed = browser.client.active_element().await.unwrap();
        typed.send_keys(&format!("unpin{}", char::from(Key::Enter))).await.unwrap();
        browser.until("no pins", "return localStorage.getItem('scope-pins-containers') === null").await;

        // A view is saved by a name, and is there at the next visit; topologies by number; a node's raw JSON.
        press("4").await;
        browser.until("the fourth", "return location.hash.startsWith('#/containers-by-hostname')").await;
        browser.client.goto(&format!("{base}/#/hosts?mode=table")).await.unwrap();
        browser.until("the host", "return document.querySelectorAll('table.nodes tbody tr').length === 1").await;
        press(&control_k).await;
        let typed = browser.client.active_element().await.unwrap();
        typed.send_keys(&format!("My hosts{}{}", char::from(Key::Up), char::from(Key::Enter))).await.unwrap();
        browser.until("it is kept", "return document.querySelector('.saved')?.textContent === 'My hosts'").await;
        browser.client.goto(&format!("{base}/#/containers")).await.unwrap();
        browser.client.refresh().await.unwrap();
        browser.until("it is there", "return !!document.querySelector('.saved .entry')").await;
        browser.screenshot("saved-light").await;
        browser.client.execute("document.querySelector('.saved .entry').click()", Vec::new()).await.unwrap();
        browser.until("its table", "return location.hash.startsWith('#/hosts?mode=table')").await;
        browser.client.execute("document.querySelector('table.nodes tbody tr').click()", Vec::new()).await.unwrap();
        browser.until("its details", "return document.querySelector('.card h2')?.textContent === 'h1'").await;
        let raw = browser.client.execute("return document.querySelector('.card a[aria-label=\"Raw JSON\"]').href", Vec::new()).await.unwrap();
        assert_eq!(get(raw.as_str().unwrap()).unwrap()["node"]["label"], "h1");
        browser.client.execute("document.querySelector('.saved .remove').click()", Vec::new()).await.unwrap();
        browser.until("it is forgotten", "return !document.querySelector('.saved') && localStorage.getItem('scope-views') === '[]'").await;
        browser.client.goto(&format!("{base}/#/containers")).await.unwrap();
        browser.until("three nodes", "return document.querySelector('canvas')?.dataset.nodes === '3'").await;
        browser.client.execute(note, Vec::new()).await.unwrap();

        // Each theme, kept for the next visit.
        let theme = "return document.documentElement.dataset.theme";
        assert_eq!(browser.client.execute(theme, Vec::new()).await.unwrap(), "light", "as the system");
        for expect in ["light", "dark", "contrast"] {
            browser.client.execute("document.querySelector('.tools [aria-label=Theme]').click()", Vec::new()).await.unwrap();
            browser.until(expect, &format!("return document.documentElement.dataset.theme === '{expect}'")).await;
        }
        browser.screenshot("graph-contrast").await;
        assert_eq!(browser.client.execute("return window.broken", Vec::new()).await.unwrap(), serde_json::json!([]));
        browser.client.goto("about:blank").await.unwrap();
        browser.client.goto(&format!("{base}/")).await.unwrap();
        browser.until("as it was", "return document.documentElement.dataset.theme === 'contrast' && document.querySelector('canvas')?.dataset.nodes === '3'").await;

        // Files: what the browser is given is what is shown.
        let catch = "window.given = []; const blobs = {}; const make = URL.createObjectURL; \
                     URL.createObjectURL = blob => { const url = make(blob); blobs[url] = blob; return url; }; \
                     HTMLAnchorElement.prototype.click = function () { \
                         blobs[this.href].text().then(text => window.given.push([this.download, text])); }";
        browser.client.execute(catch, Vec::new()).await.unwrap();
        for (format, ending, holds) in [
            ("PNG", "png", "PNG"),
            ("SVG", "svg", ">newcomer<"),
            ("JSON", "json", "\"nodes\""),
            ("CSV", "csv", "Name,"),
            ("DOT", "dot", "[label=\"6379\"]"),
            ("Mermaid", "mmd", "-- \"6379\" -->"),
        ] {
            press(&control_k).await;
            let typed = browser.client.active_element().await.unwrap();
            typed.send_keys(&format!("save as {format}")).await.unwrap();
            browser.until("it fits", &format!("return document.querySelector('.commands .suggestion.on')?.textContent.includes('Save as {format}')")).await;
            typed.send_keys(&Key::Enter.to_string()).await.unwrap();
            let holds = serde_json::to_string(holds).unwrap();
            let given = format!("return window.given.some(([name, text]) => name.startsWith('scope-containers-') && name.endsWith('.{ending}') && text.includes({holds}))");
            browser.until(format, &given).await;
        }

        let is_well = "const svg = window.given.find(([name]) => name.endsWith('.svg'))[1]; \
                       const file = new DOMParser().parseFromString(svg, 'image/svg+xml'); \
                       return !file.querySelector('parsererror') && file.querySelectorAll('path').length > 6 && URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }))";
        let url = browser.until("a file that can be read", is_well).await;
        browser.client.execute("document.body.innerHTML = `<img src='${arguments[0]}'>`", vec![url]).await.unwrap();
        browser.until("it is drawn", "return document.querySelector('img').naturalWidth > 500").await;
        browser.screenshot("graph-svg").await;

        // A wall's screen shows the view and nothing else.
        browser.client.goto(&format!("{base}/#/containers?kiosk&theme=dark")).await.unwrap();
        browser.client.refresh().await.unwrap();
        browser.until("three nodes", "return document.querySelector('canvas')?.dataset.nodes === '3'").await;
        browser.until("no more", "return ['.head', '.rail', '.viewbar', '.status'].every(part => getComputedStyle(document.querySelector(part)).display === 'none')").await;
        browser.until("all of it", "const c = document.querySelector('canvas'); return c.clientWidth === window.innerWidth && c.clientHeight === window.innerHeight").await;
        browser.until("the time", "return /^\\d\\d:\\d\\d$/.test(document.querySelector('.wall-clock b')?.textContent)").await;
        browser.screenshot("kiosk-dark").await;
        browser.close().await;
    });
}
