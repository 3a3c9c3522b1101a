//! The page in headless Chromium, which draws in software here: how soon it shows something, and how smoothly it moves.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use scope_tests::browser::Browser;
use scope_tests::load::{Activity, Load};
use tokio::time::sleep;

use crate::figures::Figures;
use crate::process::Process;

const ASSETS: [&str; 7] =
    ["", "ui/boot.js", "ui/scope.js", "ui/scope_bg.wasm", "ui/tokens.css", "ui/style.css", "ui/inter.woff2"];

pub async fn measure(binary: &Path, figures: &mut Figures) {
    let (_app, address) = Process::app(binary).await;
    let mut transfer = 0;
    for file in ASSETS {
        let url = format!("http://{address}/{file}");
        transfer += tokio::task::spawn_blocking(move || length(&url)).await.expect("a GET");
    }
    figures.add("page, compressed transfer", transfer as f64 / 1000.0, "KB", 700.0);
    let small = Load::start(address, 10);
    sleep(Duration::from_secs(5)).await;
    let browser = Browser::open(1280, 800, false).await;
    let first = first_graph_ms(&browser, address).await;
    figures.add("page, first graph of 500 containers from a cold start", first / 1000.0, "s", 1.5);
    drop((small, browser));

    for size in [
        Graph { hosts: 20, frames_ms: 33.0, main_ms: 8.0, layout_ms: 300.0 },
        Graph { hosts: 100, frames_ms: 50.0, main_ms: 16.0, layout_ms: 2_000.0 },
    ] {
        large(binary, size, figures).await;
    }
}

/// A graph of 50 nodes and 200 edges for each host, with what is wanted of it.
struct Graph {
    hosts: u16,
    /// Between frames while it moves, the page's own part of each, and to lay it out.
    frames_ms: f64,
    main_ms: f64,
    layout_ms: f64,
}

async fn large(binary: &Path, size: Graph, figures: &mut Figures) {
    let (_app, address) = Process::app(binary).await;
    let load = Load::shaped(address, size.hosts, 160);
    sleep(Duration::from_secs(8)).await;
    let browser = Browser::open(1280, 800, false).await;
    // All of them, however many they are.
    browser.client.goto(&format!("http://{address}/#/containers?group=")).await.expect("the page");
    let count = usize::from(size.hosts) * 50;
    let all = format!(
        "const c = document.querySelector('canvas.graph')?.dataset; \
         return +c?.drawn >= {count} && c.settled === 'true' && [+c.nodes, +c.edges]"
    );
    let told = browser.until("the graph", &all).await;
    let of = format!("page, {} nodes", told[0].as_f64().unwrap_or(f64::NAN));
    figures.add(format!("{of}: edges"), told[1].as_f64().unwrap_or(f64::NAN), "", None);
    let layout = "const last = name => performance.getEntriesByName(name).at(-1).startTime; \
                  return last('layout-done') - performance.getEntriesByName('layout-asked')[0].startTime";
    let took = browser.client.execute(layout, Vec::new()).await.expect("marks").as_f64().unwrap_or(f64::NAN);
    figures.add(format!("{of}: layout, beside the page"), took, "ms", size.layout_ms);
    let longest = browser.client.execute_async(LONGEST, Vec::new()).await.expect("the browser's long tasks");
    figures.add(
        format!("{of}: longest task of the page until it is drawn"),
        longest.as_f64().unwrap_or(f64::NAN),
        "ms",
        50.0,
    );
    // The first seconds belong to the browser's own start.
    sleep(Duration::from_secs(3)).await;
    for (name, action) in [("panned", PAN), ("zoomed", ZOOM)] {
        let script = FRAMES.replace("ACTION", action);
        let p95 = browser.client.execute_async(&script, Vec::new()).await.expect("a measured move");
        let figure = |n: usize| p95[n].as_f64().unwrap_or(f64::NAN);
        figures.add(format!("{of}, {name}: time between frames, p95"), figure(0), "ms", size.frames_ms);
        figures.add(format!("{of}, {name}: of that the page's own drawing, p95"), figure(1), "ms", size.main_ms);
    }
    let took = browser.client.execute_async(SEARCH, Vec::new()).await.expect("a measured search");
    let figure = |n: usize| took[n].as_f64().unwrap_or(f64::NAN);
    figures.add(format!("{of}: from a key in the search until what is found is marked, median"), figure(0), "ms", 50.0);
    figures.add(format!("{of}: the slowest of these, while all metrics change each second"), figure(1), "ms", None);
    let clear =
        "const input = document.querySelector('#search'); input.value = ''; input.dispatchEvent(new Event('input'))";
    browser.client.execute(clear, Vec::new()).await.expect("a cleared search");
    browser.until("the graph as it was", &all).await;
    // Two hosts more, of 50 containers each; the app may tell of both at once or of one after the other.
    let more = Load::more(address, size.hosts, 2);
    let all = format!("return document.querySelector('canvas.graph').dataset.drawn >= {}", count + 100);
    browser.until("the new nodes", &all).await;
    let told = browser.client.execute(ADDED, Vec::new()).await.expect("marks");
    let figure = |n: usize| told[n].as_f64().unwrap_or(f64::NAN);
    figures.add(format!("{of}: a message of {:.0} more until they are drawn", figure(1)), figure(0), "ms", 100.0);
    // Nothing changes any more, once what ended is out of the app's window.
    load.act(Activity::Still);
    more.act(Activity::Still);
    sleep(Duration::from_secs(25)).await;
    let before = browser.cpu_s();
    sleep(Duration::from_secs(10)).await;
    let share = (browser.cpu_s() - before) / 10.0 * 100.0;
    figures.add(format!("{of}: CPU of the page, all of its browser's, when nothing changes"), share, "%", 1.0);
    browser.close().await;
}

fn length(url: &str) -> usize {
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).accept_encoding("br").build().into();
    let answer = agent.get(url).call().expect("an asset");
    let length = answer.headers().get("content-length").and_then(|l| l.to_str().ok()?.parse::<usize>().ok());
    length.unwrap_or(0)
}

/// From the start of the navigation until the first graph with nodes is on the canvas.
async fn first_graph_ms(browser: &Browser, address: SocketAddr) -> f64 {
    browser.client.goto(&format!("http://{address}/")).await.expect("the page");
    let mark = "return performance.getEntriesByName('first-graph')[0]?.startTime";
    browser.until("the first graph", mark).await.as_f64().unwrap_or(f64::NAN)
}

/// Moves the pointer for three seconds, and tells what lay between frames and how much of that the page's own drawing took.
const FRAMES: &str = r"
    const done = arguments[arguments.length - 1];
    const canvas = document.querySelector('canvas.graph');
    const at = (x, y, more) => ({clientX: x, clientY: y, bubbles: true, cancelable: true, pointerId: 1, ...more});
    const gaps = [], own = [];
    const p95 = all => all.sort((a, b) => a - b)[Math.min(all.length - 1, Math.ceil(all.length * 0.95) - 1)];
    let last = null, n = 0;
    const start = performance.now();
    canvas.setPointerCapture = () => {};
    ACTION
    const frame = now => {
        if (last !== null) {
            gaps.push(now - last);
            own.push(+canvas.dataset.frameMs);
        }
        last = now;
        if (now - start < 3000) {
            act(n++);
            requestAnimationFrame(frame);
        } else {
            end();
            done([p95(gaps), p95(own)]);
        }
    };
    requestAnimationFrame(frame);
";

/// From the corner, where no node is that it would take along.
const PAN: &str = r"
    canvas.dispatchEvent(new PointerEvent('pointerdown', at(204, 100, {button: 0})));
    const act = n => canvas.dispatchEvent(
        new PointerEvent('pointermove', at(204 + 120 * Math.sin(n / 15), 100 + 60 * Math.cos(n / 15), {})));
    const end = () => canvas.dispatchEvent(new PointerEvent('pointerup', at(204, 100, {button: 0})));
";

const ZOOM: &str = r"
    const act = n => canvas.dispatchEvent(
        new WheelEvent('wheel', at(640, 400, {deltaY: Math.sin(n / 20) * 40})));
    const end = () => {};
";

/// The longest task that held up the page from when the layout was asked for until all was drawn.
const LONGEST: &str = r"
    const done = arguments[arguments.length - 1];
    const from = performance.getEntriesByName('layout-asked')[0].startTime;
    const until = performance.getEntriesByName('first-graph').at(-1).startTime;
    const during = task => task.startTime + task.duration > from && task.startTime < until;
    // Shorter ones than 50 ms the browser does not tell of.
    new PerformanceObserver((list, observer) => {
        observer.disconnect();
        done(Math.max(0, ...list.getEntries().filter(during).map(task => task.duration)));
    }).observe({type: 'longtask', buffered: true});
    setTimeout(() => done(0), 1000);
";

/// How long after the last message that told of many nodes a picture of them was there, and of how many it told.
const ADDED: &str = r"
    const mark = performance.getEntriesByName('nodes-came').at(-1);
    const drawn = performance.getEntriesByName('nodes-drawn').at(-1);
    return [drawn.startTime - mark.startTime, mark.detail];
";

/// Types and deletes letters, and tells how long it took until what is found is marked: half of the times, and the longest.
const SEARCH: &str = r"
    const done = arguments[arguments.length - 1];
    const input = document.querySelector('#search');
    const typed = ['a', 'ap', 'app', 'app-', 'app-0', 'app-00', 'app-0', 'app-01', 'app-011'];
    const took = [];
    const next = () => {
        const searched = () => document.querySelector('canvas.graph').dataset.searched;
        const start = performance.now();
        input.value = typed[took.length];
        input.dispatchEvent(new Event('input', {bubbles: true}));
        const look = () => {
            if (searched() === input.value) {
                took.push(performance.now() - start);
                if (took.length < typed.length) return setTimeout(next, 300);
                took.sort((a, b) => a - b);
                return done([took[(took.length - 1) / 2], took.at(-1)]);
            }
            setTimeout(look, 0);
        };
        look();
    };
    next();
";
