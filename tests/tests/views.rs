//! The ways to look at the same things in a real browser: groups that fold, layouts, steps around a node, the map of
//! networks, and who uses how much.

use std::time::Duration;

use fantoccini::Locator;
use fantoccini::actions::{Actions, InputSource, PointerAction, TouchActions};
use fantoccini::key::Key;
use scope_tests::api::{get, until_edges};
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::{Testbed, call, inside, serve};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps what goes wrong on the page from now on.
const NOTE: &str = "window.broken = []; window.addEventListener('error', event => window.broken.push(event.message))";

async fn press(browser: &Browser, keys: &str) {
    browser.client.find(Locator::Css("body")).await.unwrap().send_keys(keys).await.unwrap();
}

/// Runs a command of the palette by name.
async fn command(browser: &Browser, name: &str) {
    press(browser, &format!("{}k{}", char::from(Key::Control), char::from(Key::Null))).await;
    browser.until("the palette", "return document.activeElement?.closest('.palette') !== null").await;
    let typed = browser.client.active_element().await.unwrap();
    typed.send_keys(name).await.unwrap();
    let first = format!("return document.querySelector('.commands .suggestion.on')?.textContent.startsWith('{name}')");
    browser.until(name, &first).await;
    typed.send_keys(&Key::Enter.to_string()).await.unwrap();
}

async fn drawn(browser: &Browser, count: usize) {
    let script = format!("return document.querySelector('canvas.graph')?.dataset.drawn === '{count}'");
    browser.until(&format!("{count} are drawn"), &script).await;
}

#[test]
fn nodes_are_grouped_folded_laid_out_and_looked_at_in_steps() {
    let testbed = Testbed::up(2, false);
    let base = testbed.url(1);
    testbed.launch(1, &[]);
    testbed.launch(2, &[&testbed.address(1)]);
    testbed.docker(1, &["network", "create", "lan"]);
    let on_lan = |tier: &'static str| ["--network", "lan", "--label", tier];
    testbed.container(1, "db", &on_lan("tier=back"), &serve(5432));
    testbed.container(1, "app", &on_lan("tier=back"), &format!("({}) & {}", call("db", 5432), serve(8080)));
    testbed.container(1, "web", &on_lan("tier=front"), &call("app", 8080));
    testbed.container(2, "alone", &["--label", "tier=front"], "sleep 10000");
    until_edges(&base, &["web -> app:8080", "app -> db:5432"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        browser.client.goto(&format!("{base}/#/containers?group=hosts")).await.unwrap();
        drawn(&browser, 4).await;
        browser.until("it says so", "return document.querySelector('.status').textContent.includes('in 2 hosts, 0 folded')").await;
        browser.screenshot("groups-light").await;
        command(&browser, "Fold all groups").await;
        drawn(&browser, 2).await;
        browser.until("a link to it", "return location.hash.includes('folded=all')").await;
        browser.screenshot("groups-folded-light").await;

        // A group is opened where it is clicked, and folded at its title; the address has both.
        let click = "return (async () => { \
                       const c = document.querySelector('canvas.graph'), r = c.getBoundingClientRect(); \
                       const send = (kind, x, y) => c.dispatchEvent(new PointerEvent(kind, { clientX: x, clientY: y, button: 0, bubbles: true })); \
                       c.setPointerCapture = () => {}; \
                       for (let y = r.top + 8; y < r.bottom - 120; y += 6) for (let x = r.left + 12; x < r.right - 200; x += 12) { \
                           send('pointermove', x, y); \
                           for (let n = 0; n < 4; n++) await null; \
                           if (!c.classList.contains('pointing')) continue; \
                           send('pointerdown', x, y); send('pointerup', x, y); \
                           return true; } })()";
        browser.client.execute(click, Vec::new()).await.unwrap();
        browser.until("one is open", "return location.hash.includes('turn=')").await;
        browser.until("and drawn", "return ['2', '4'].includes(document.querySelector('canvas.graph').dataset.drawn)").await;
        browser.client.refresh().await.unwrap();
        browser.until("it is so after a reload", "return document.querySelector('.status').textContent.includes('in 2 hosts, 1 folded')").await;
        browser.client.execute(NOTE, Vec::new()).await.unwrap();
        browser.client.back().await.unwrap();
        browser.until("and before it", "return document.querySelector('.status').textContent.includes('in 2 hosts, 2 folded')").await;

        // By a label, which the stream does not tell of, and by network.
        press(&browser, "l").await;
        browser.until("labels are offered", "return [...document.querySelectorAll('.pick option')].some(o => o.textContent === 'tier')").await;
        let choose = "const s = document.querySelector('.pick'); s.value = 'label:tier'; s.dispatchEvent(new Event('change', { bubbles: true }))";
        browser.client.execute(choose, Vec::new()).await.unwrap();
        browser.until("two tiers", "return document.querySelector('.status').textContent.includes('in 2 tiers, 0 folded')").await;
        browser.screenshot("arrangement-light").await;
        press(&browser, &Key::Escape.to_string()).await;
        browser.until("the panel is closed", "return !document.querySelector('.popover')").await;
        command(&browser, "Group by network").await;
        browser.until("one network, and who is on the default one", "return document.querySelector('.status').textContent.includes('in 2 networks')").await;
        browser.screenshot("groups-network-light").await;
        command(&browser, "Do not group").await;
        drawn(&browser, 4).await;
        command(&browser, "Layout: Force").await;
        browser.until("a link to it", "return location.hash.includes('layout=force')").await;
        browser.screenshot("force-light").await;
        command(&browser, "Layout: Layers").await;

        // From node to node by the arrows, around one in steps, and that alone.
        browser.client.goto(&format!("{base}/#/containers")).await.unwrap();
        drawn(&browser, 4).await;
        press(&browser, "/").await;
        browser.client.active_element().await.unwrap().send_keys(&Key::Escape.to_string()).await.unwrap();
        command(&browser, "web").await;
        browser.until("it is selected", "return document.querySelector('.card h2')?.textContent === 'web'").await;
        press(&browser, &Key::Down.to_string()).await;
        browser.until("whom it calls", "return document.querySelector('.card h2')?.textContent === 'app'").await;
        press(&browser, &Key::Down.to_string()).await;
        browser.until("and whom that calls", "return document.querySelector('.card h2')?.textContent === 'db'").await;
        press(&browser, "F").await;
        drawn(&browser, 2).await;
        press(&browser, "f").await;
        drawn(&browser, 3).await;
        browser.until("a link to it", "return location.hash.includes('depth=2') && location.hash.includes('alone=1')").await;
        browser.until("what is left out is counted", "return document.querySelector('.status').textContent.includes('1 hidden around')").await;
        press(&browser, "z").await;
        browser.screenshot("alone-light").await;
        press(&browser, "F").await;
        drawn(&browser, 4).await;
        press(&browser, "[").await;
        browser.until("the rail is folded", "return document.querySelector('.rail').clientWidth < 60").await;
        browser.screenshot("rail-folded-light").await;
        press(&browser, "[").await;
        browser.until("and back", "return document.querySelector('.rail').clientWidth > 150").await;
        // A card that is pinned stays behind the next one, also after a reload, and comes forward by a click.
        let h2 = |name: &str| format!("return document.querySelector('.card h2')?.textContent === '{name}'");
        browser.until("the last one", &h2("db")).await;
        browser.client.execute("document.querySelector('.card [aria-label=\"Pin this card\"]').click()", Vec::new()).await.unwrap();
        command(&browser, "web").await;
        browser.until("another one", &h2("web")).await;
        let behind = "return [...document.querySelectorAll('.behind b')].map(b => b.textContent).join() === 'db'";
        browser.until("the pinned one behind it", behind).await;
        browser.screenshot("cards-light").await;
        browser.client.refresh().await.unwrap();
        browser.until("it is there", behind).await;
        browser.client.execute(NOTE, Vec::new()).await.unwrap();
        browser.client.execute("document.querySelector('.behind .forward').click()", Vec::new()).await.unwrap();
        browser.until("it is in front", &h2("db")).await;
        browser.until("nothing is behind it", "return !document.querySelector('.behind')").await;
        browser.client.execute("document.querySelector('.card [aria-label=\"Pin this card\"]').click()", Vec::new()).await.unwrap();
        browser.until("it is let go", "return !location.hash.includes('pin=')").await;

        // The table's columns are chosen, kept in the address, and what is sorted by them.
        browser.client.goto(&format!("{base}/#/containers?mode=table")).await.unwrap();
        let heads = "const heads = [...document.querySelectorAll('table.nodes th button')].map(b => b.firstChild.textContent);";
        browser.until("the table", &format!("{heads} return heads.includes('CPU') && !heads.includes('IPs')")).await;
        let pick = |label: &str| format!("[...document.querySelectorAll('.choose-columns label')].find(l => l.textContent === '{label}').querySelector('input').click()");
        browser.client.execute("document.querySelector('.columns').click()", Vec::new()).await.unwrap();
        browser.until("what can be shown", "return document.querySelectorAll('.choose-columns label').length > 8").await;
        browser.screenshot("columns-light").await;
        browser.client.execute(&pick("IPs"), Vec::new()).await.unwrap();
        browser.until("one more", &format!("{heads} return heads.includes('IPs')")).await;
        browser.client.execute(&pick("CPU"), Vec::new()).await.unwrap();
        browser.until("one less", &format!("{heads} return !heads.includes('CPU') && heads.includes('IPs')")).await;
        browser.until("its cells", "return /\\d+\\.\\d+\\.\\d+\\.\\d+/.test(document.querySelector('table.nodes tbody').textContent)").await;
        browser.client.refresh().await.unwrap();
        browser.until("after a reload", &format!("{heads} return !heads.includes('CPU') && heads.includes('IPs')")).await;
        browser.client.execute(NOTE, Vec::new()).await.unwrap();

        assert_eq!(browser.client.execute("return window.broken", Vec::new()).await.unwrap_or_default(), serde_json::json!([]));
        browser.close().await;
    });
}

#[test]
fn who_comes_and_goes_is_marked_ways_are_lit_and_lists_are_sorted_and_searched() {
    let testbed = Testbed::up(1, false);
    let base = testbed.url(1);
    testbed.launch(1, &[]);
    testbed.docker(1, &["network", "create", "lan"]);
    let on_lan = ["--network", "lan"];
    testbed.container(1, "db", &on_lan, &serve(5432));
    testbed.container(1, "app", &on_lan, &format!("({}) & {}", call("db", 5432), serve(8080)));
    testbed.container(1, "web", &on_lan, &call("app", 8080));
    until_edges(&base, &["web -> app:8080", "app -> db:5432"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        browser.client.goto(&format!("{base}/#/containers")).await.unwrap();
        drawn(&browser, 3).await;
        browser.client.execute(NOTE, Vec::new()).await.unwrap();

        // Marked from when it is asked for, and known since the view was opened.
        testbed.container(1, "newcomer", &[], "sleep 1000");
        drawn(&browser, 4).await;
        press(&browser, "c").await;
        browser.until("nothing is marked", "return document.querySelector('.popover.changes .on')?.textContent === 'Off'").await;
        browser.client.execute("[...document.querySelectorAll('.popover.changes .picks button')].at(-1).click()", Vec::new()).await.unwrap();
        let told = |came: &str, went: &str| {
            format!("const told = [...document.querySelectorAll('.change')].map(c => [c.querySelector('.sign').textContent, c.querySelector('.name').textContent].join(' ')).join(); \
                     return told === '{}'", [came, went].iter().filter(|one| !one.is_empty()).copied().collect::<Vec<_>>().join(","))
        };
        browser.until("it came", &told("came newcomer", "")).await;
        let both = "return / here, .* UTC$/.test(document.querySelector('.change .when').title)";
        browser.until("when, here and as UTC", both).await;
        browser.screenshot("changes-light").await;
        testbed.docker(1, &["rm", "-f", "newcomer"]);
        drawn(&browser, 3).await;
        browser.until("it went", &told("", "went newcomer")).await;
        press(&browser, &Key::Escape.to_string()).await;
        browser.until("the list is closed, the marks stay", "return !document.querySelector('.popover') && document.querySelector('.arrange.on')?.textContent === '0 new, 1 gone'").await;
        browser.screenshot("changes-gone-light").await;

        // The way from what is selected to what was pinned.
        let h2 = |name: &str| format!("return document.querySelector('.card h2')?.textContent === '{name}'");
        command(&browser, "web").await;
        browser.until("one end", &h2("web")).await;
        browser.client.execute("document.querySelector('.card [aria-label=\"Pin this card\"]').click()", Vec::new()).await.unwrap();
        command(&browser, "db").await;
        browser.until("the other", &h2("db")).await;
        press(&browser, "p").await;
        browser.until("the way", "return document.querySelector('.status').textContent.includes('db – app – web')").await;
        browser.screenshot("path-light").await;
        press(&browser, "p").await;
        browser.until("no way any more", "return !location.hash.includes('path=')").await;
        command(&browser, "Colour lines by open").await;
        browser.until("a link to it", "return location.hash.includes('colour=open')").await;
        let slide = "const s = document.querySelector('.zoom-slider'); s.value = 1; s.dispatchEvent(new Event('input', { bubbles: true }))";
        browser.client.goto(&format!("{base}/#/containers")).await.unwrap();
        drawn(&browser, 3).await;
        browser.client.execute(slide, Vec::new()).await.unwrap();
        browser.until("as near as can be", "return document.querySelector('.zoom-slider').getAttribute('aria-valuetext') === '300 %'").await;

        // Two fingers make it larger and smaller; who comes back finds it as they left it, unless they left it to itself.
        let finger = |id: &str, from: f64, to: f64| {
            let at = |x| PointerAction::MoveTo { duration: Some(Duration::from_millis(100)), x, y: 300.0 };
            let (down, up) = (PointerAction::Down { button: 0 }, PointerAction::Up { button: 0 });
            TouchActions::new(id.into()).then(at(from)).then(down).then(at(to)).then(up)
        };
        let zoomed = |to: u32| format!("return Math.abs(parseInt(document.querySelector('.zoom-slider').getAttribute('aria-valuetext')) - {to}) < 4");
        let fingers = Actions::from(finger("left", 300.0, 400.0)).and(finger("right", 700.0, 600.0));
        browser.client.perform_actions(fingers).await.unwrap();
        browser.until("half as large", &zoomed(150)).await;
        assert_eq!(browser.client.execute("return location.hash.includes('node=')", Vec::new()).await.unwrap(), false);
        press(&browser, "1").await;
        browser.until("another view", "return location.hash.includes('processes')").await;
        browser.client.back().await.unwrap();
        drawn(&browser, 3).await;
        browser.until("as it was left", &zoomed(150)).await;
        press(&browser, "0").await;
        // Before, it was 0.849.
        let zoom = "const zoom = document.querySelector('.zoom-slider').value; \
                    return document.querySelector('canvas.graph').dataset.settled === 'true' && zoom < 0.83 && zoom";
        let all = browser.until("all of it", zoom).await;
        press(&browser, "1").await;
        browser.until("another view", "return location.hash.includes('processes')").await;
        browser.client.back().await.unwrap();
        drawn(&browser, 3).await;
        browser.until("all of it again", &format!("return document.querySelector('.zoom-slider').value === {all}")).await;

        // What is selected is not below its card, wherever the camera was.
        browser.client.execute(slide, Vec::new()).await.unwrap();
        let send = "const c = document.querySelector('canvas.graph'), r = c.getBoundingClientRect(); c.setPointerCapture = () => {}; \
                    const send = (kind, x, y) => c.dispatchEvent(new PointerEvent(kind, { clientX: r.left + x, clientY: r.top + y, button: 0, bubbles: true }));";
        let drag = format!("{send} send('pointerdown', 10, 10); send('pointermove', 300, 10); send('pointermove', 700, 10); send('pointerup', 700, 10)");
        browser.client.execute(&drag, Vec::new()).await.unwrap();
        command(&browser, "web").await;
        browser.until("its card", &h2("web")).await;
        let is_there = format!(
            "{send} if (c.dataset.settled !== 'true') return false; \
             send('pointermove', (r.width - 416) / 2, (r.height - 96) / 2); return c.classList.contains('pointing')"
        );
        browser.until("it is in the middle of what the card leaves", &is_there).await;
        browser.screenshot("uncovered-light").await;

        // Lists of a card: sorted by a column, searched in the language of the page's search, as they change.
        browser.client.goto(&format!("{base}/#/hosts?mode=table")).await.unwrap();
        browser.until("the host", "return document.querySelectorAll('table.nodes tbody tr').length === 1").await;
        browser.client.execute("document.querySelector('table.nodes tbody tr').click()", Vec::new()).await.unwrap();
        let list = "const list = [...document.querySelectorAll('.card section')].find(s => s.querySelector('h3')?.textContent.startsWith('Processes'));";
        browser.until("what runs on it", &format!("{list} return list?.querySelectorAll('tbody tr').length >= 4")).await;
        let by = format!("{list} const head = [...list.querySelectorAll('th button')].find(b => b.textContent.trim().startsWith('PID')); head.click();");
        browser.client.execute(&by, Vec::new()).await.unwrap();
        let sorted = format!(
            "{list} const head = [...list.querySelectorAll('th')].find(t => t.textContent.startsWith('PID')); \
             const at = [...list.querySelectorAll('th')].indexOf(head); \
             const all = [...list.querySelectorAll('tbody tr')].map(r => +r.children[at].textContent); \
             return head.ariaSort === 'descending' && all.length > 3 && all.every((v, n) => n === 0 || all[n - 1] >= v)"
        );
        browser.until("the largest first", &sorted).await;
        let search = |words: &str| format!("{list} const i = list.querySelector('input'); i.value = '{words}'; i.dispatchEvent(new Event('input', {{ bubbles: true }}))");
        browser.client.execute(&search("name:/scope$/"), Vec::new()).await.unwrap();
        let only = format!(
            "{list} const rows = [...list.querySelectorAll('tbody tr')]; \
             return rows.length > 0 && rows.every(r => r.textContent.startsWith('scope')) && / of /.test(list.querySelector('.aside').textContent)"
        );
        browser.until("those alone, and of how many", &only).await;
        browser.screenshot("card-list-light").await;
        browser.client.execute(&search("cpu >"), Vec::new()).await.unwrap();
        browser.until("a search that is none", &format!("{list} return list.querySelector('input').classList.contains('wrong')")).await;
        browser.client.execute(&search("nobody"), Vec::new()).await.unwrap();
        browser.until("none", &format!("{list} return list.textContent.includes('None of them match')")).await;

        // What a line of the last minute says under the pointer, with its time.
        let point = "const s = document.querySelector('.spark > div:last-child'), r = s.getBoundingClientRect(); \
                     s.dispatchEvent(new PointerEvent('pointermove', { clientX: r.right - 2, clientY: r.top + 5, bubbles: true }))";
        browser.client.execute(point, Vec::new()).await.unwrap();
        browser.until("when", "return /^\\d\\d:\\d\\d:\\d\\d$/.test(document.querySelector('.spark .figures span').textContent) && / UTC$/.test(document.querySelector('.spark').title)").await;
        press(&browser, "?").await;
        browser.until("help has room, and the fields of this view", "return document.querySelector('.help')?.clientHeight > 400 && [...document.querySelectorAll('.help .fields code')].some(c => c.textContent === 'cpu >')").await;
        browser.screenshot("help-light").await;

        assert_eq!(browser.client.execute("return window.broken", Vec::new()).await.unwrap_or_default(), serde_json::json!([]));
        browser.close().await;
    });
}

/// The network of a name on the map, with the names of its places.
fn on_the_map(base: &str, name: &str) -> Result<(Value, Vec<(String, u64)>), String> {
    let map = get(&format!("{base}/api/network-map"))?;
    let all = map["networks"].as_array().ok_or("no networks")?;
    let network = all.iter().find(|network| network["label"] == name).ok_or(format!("no {name}: {map}"))?;
    let host = |place: &Value| map["hosts"][place["host"].as_u64().unwrap_or(99) as usize].clone();
    let places = network["places"].as_array().into_iter().flatten();
    let places = places.map(|place| {
        let host = host(place);
        let name = if host["state"] == "unprobed" { "unprobed" } else { host["label"].as_str().unwrap_or("") };
        (name.to_owned(), place["members"].as_u64().unwrap_or(0))
    });
    Ok((network.clone(), places.collect()))
}

#[test]
fn the_map_shows_who_is_where_and_which_hosts_a_network_does_not_reach() {
    let testbed = Testbed::up(3, true);
    let base = testbed.url(1);
    testbed.launch(1, &["--window", "4s"]);
    testbed.launch(2, &[&testbed.address(1)]);
    testbed.docker(1, &["network", "create", "-d", "overlay", "--attachable", "--subnet", "10.20.0.0/24", "mesh"]);
    for (host, name, address) in [(1, "web", "10.20.0.11"), (2, "db", "10.20.0.12"), (3, "cache", "10.20.0.13")] {
        let line = if name == "db" { "while :; do :; done" } else { "sleep 10000" };
        testbed.container(host, name, &["--network", "mesh", "--ip", address], line);
    }
    // No probe runs on the third: its member is known from what the engines have heard.
    let expect = [("h1", 1), ("h2", 1), ("unprobed", 1)].map(|(name, members)| (name.to_owned(), members));
    eventually("all places are known, and all ways", PATIENCE, || {
        let (network, places) = on_the_map(&base, "mesh")?;
        let whole =
            |place: &Value| place["forwarding"].as_array().is_none_or(|f| f[0] == f[1] && f[0].as_u64() > Some(0));
        let compared =
            network["places"].as_array().into_iter().flatten().filter(|place| place["forwarding"].is_array());
        let well = compared.clone().count() == 2
            && compared.clone().all(whole)
            && network["unreachable"] == serde_json::json!([]);
        if places == expect && well { Ok(()) } else { Err(format!("{places:?} {network}")) }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        browser.client.goto(&format!("{base}/#/hosts")).await.unwrap();
        browser.until("the rail", "return document.querySelectorAll('.rail .entry').length > 3").await;
        command(&browser, "Show the map of networks").await;
        let row = "const row = [...document.querySelectorAll('.map-row')].find(r => r.querySelector('b')?.textContent === 'mesh');";
        browser.until("three stations", &format!("{row} return row?.querySelectorAll('.station').length === 3 && row.querySelectorAll('.station.guessed').length === 1")).await;
        browser.screenshot("map-light").await;
        let locals = "return document.querySelectorAll('.map-row').length";
        let shared = browser.client.execute(locals, Vec::new()).await.unwrap().as_u64().unwrap();
        let left_out = "document.querySelector('.map-rest')?.textContent.includes('not shown')";
        browser.until("how many are left out", &format!("return {left_out}")).await;
        command(&browser, "Show all networks").await;
        browser.until("none is left out", &format!("return !{left_out}")).await;
        browser.until("those of one host too", &format!("return document.querySelectorAll('.map-row').length > {shared}")).await;

        // A lost way is drawn, told in words, and leads to its finding.
        let mac = testbed.docker(2, &["inspect", "-f", "{{(index .NetworkSettings.Networks \"mesh\").MacAddress}}", "db"]);
        inside(&testbed, 1, "mesh", &format!("bridge fdb del {} dev $dev dst {} self", mac.trim(), testbed.address(2)));
        browser.until("the arc", &format!("{row} return row?.querySelectorAll('.fault').length === 1 && row.querySelector('.glyph') !== null")).await;
        let marked = "return [...document.querySelectorAll('.rail .entry')].some(e => e.textContent.startsWith('Networks') && e.querySelector('.glyph'))";
        browser.until("the mark in the rail", marked).await;
        browser.until("in words", &format!("{row} return row.querySelector('[role=cell]').getAttribute('aria-label').includes('h1 does not reach 1 on h2')")).await;
        browser.client.execute(&format!("{row} row.querySelector('.map-name').click()"), Vec::new()).await.unwrap();
        browser.until("its card", "return (document.querySelector('.card .card-finding')?.textContent ?? '').includes('no way to db')").await;
        browser.until("its peers", "return document.querySelectorAll('.map-peers td.lacks').length === 1").await;
        browser.screenshot("map-broken-light").await;
        browser.close().await;
        let browser = Browser::open(1280, 800, false).await;
        browser.client.goto(&format!("{base}/#/networks?mode=map")).await.unwrap();
        browser.until("the arc", &format!("{row} return row?.querySelectorAll('.fault').length === 1")).await;
        browser.screenshot("map-broken-dark").await;
        // A network that had another line before the page was loaded again keeps it.
        let line = format!("{row} return row?.querySelector('.line')?.className");
        let before = browser.client.execute(&line, Vec::new()).await.unwrap().as_str().unwrap().to_owned();
        let other: usize = before.rsplit('-').next().unwrap().parse::<usize>().unwrap() % 6;
        let keep = format!("sessionStorage.setItem('scope.lines', JSON.stringify({{ mesh: {other} }}))");
        browser.client.execute(&keep, Vec::new()).await.unwrap();
        browser.client.refresh().await.unwrap();
        browser.until("its other line", &format!("{line} === 'line line-{}'", other + 1)).await;

        // Who uses how much: the busy one is the widest of its host, and leads to its details.
        press(&browser, "r").await;
        browser.until("both hosts", "return document.querySelectorAll('.machine').length === 2").await;
        let busy = "const bar = [...document.querySelectorAll('.block.container')].find(b => b.title.startsWith('db:'));";
        browser.until("the busy one is wide", &format!("{busy} return bar && parseFloat(bar.style.width) > 5")).await;
        let process = "return [...document.querySelectorAll('.block.process')].some(b => parseFloat(b.style.width) > 5)";
        browser.until("its process below it", process).await;
        browser.screenshot("resources-dark").await;
        // Wider, so that what is narrow is seen; who the bars are of stays in sight.
        let width = "return document.querySelector('.machine .along').getBoundingClientRect().width";
        let before = browser.client.execute(width, Vec::new()).await.unwrap().as_f64().unwrap();
        press(&browser, "++").await;
        let is_wider = format!("{width} > {before} * 1.5 && document.querySelector('.resources').scrollLeft > 0");
        browser.until("it is wider", &is_wider).await;
        let in_sight = "const at = document.querySelector('.machine .about').getBoundingClientRect().left; \
                        return Math.abs(at - document.querySelector('.resources').getBoundingClientRect().left) < 2";
        browser.until("whose bars they are", in_sight).await;
        browser.screenshot("resources-wide-dark").await;
        press(&browser, "0").await;
        browser.until("as it was", &format!("{width} === {before}")).await;
        browser.client.execute("[...document.querySelectorAll('.segments button')].find(b => b.textContent === 'Memory').click()", Vec::new()).await.unwrap();
        browser.until("a link to it", "return location.hash.includes('width=memory')").await;
        browser.until("bytes", "return document.querySelector('.machine .about span')?.textContent.includes('B of')").await;
        browser.client.execute("[...document.querySelectorAll('.segments button')].find(b => b.textContent === 'CPU').click()", Vec::new()).await.unwrap();
        browser.until("it is there again", &format!("{busy} return !!bar")).await;
        browser.client.execute(&format!("{busy} bar.click()"), Vec::new()).await.unwrap();
        browser.until("its card", "return document.querySelector('.card h2')?.textContent === 'db'").await;
        browser.close().await;
    });
}
