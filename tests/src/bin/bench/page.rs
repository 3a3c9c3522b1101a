//! The page in headless Chromium, which draws in software here: how soon it shows something, and how smoothly it moves.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use scope_tests::browser::Browser;
use scope_tests::load::Load;
use tokio::time::sleep;

use crate::figures::Figures;
use crate::process::Process;

const ASSETS: [&str; 9] = [
    "",
    "ui/boot.js",
    "ui/scope.js",
    "ui/scope_bg.wasm",
    "ui/tokens.css",
    "ui/style.css",
    "ui/inter-400.woff2",
    "ui/inter-500.woff2",
    "ui/inter-600.woff2",
];

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

    let (_app, address) = Process::app(binary).await;
    let _load = Load::shaped(address, 20, 160);
    sleep(Duration::from_secs(6)).await;
    let browser = Browser::open(1280, 800, false).await;
    first_graph_ms(&browser, address).await;
    // The first seconds belong to the browser's own start.
    sleep(Duration::from_secs(3)).await;
    let count = "const c = document.querySelector('canvas').dataset; return [+c.nodes, +c.edges]";
    let count = browser.client.execute(count, Vec::new()).await.expect("the graph's size");
    figures.add("page, nodes in the graph", count[0].as_f64().unwrap_or(f64::NAN), "", None);
    figures.add("page, edges in the graph", count[1].as_f64().unwrap_or(f64::NAN), "", None);
    for (name, action) in
        [("page, panned: time between frames, p95", PAN), ("page, zoomed: time between frames, p95", ZOOM)]
    {
        let script = FRAMES.replace("ACTION", action);
        let p95 = browser.client.execute_async(&script, Vec::new()).await.expect("a measured move");
        figures.add(name, p95.as_f64().unwrap_or(f64::NAN), "ms", 33.0);
    }
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

/// Moves the pointer for three seconds, and tells what lay between frames.
const FRAMES: &str = r"
    const done = arguments[arguments.length - 1];
    const canvas = document.querySelector('canvas.graph');
    const at = (x, y, more) => ({clientX: x, clientY: y, bubbles: true, cancelable: true, pointerId: 1, ...more});
    const gaps = [];
    let last = null, n = 0;
    const start = performance.now();
    canvas.setPointerCapture = () => {};
    ACTION
    const frame = now => {
        if (last !== null) gaps.push(now - last);
        last = now;
        if (now - start < 3000) {
            act(n++);
            requestAnimationFrame(frame);
        } else {
            end();
            gaps.sort((a, b) => a - b);
            done(gaps[Math.min(gaps.length - 1, Math.ceil(gaps.length * 0.95) - 1)]);
        }
    };
    requestAnimationFrame(frame);
";

const PAN: &str = r"
    canvas.dispatchEvent(new PointerEvent('pointerdown', at(640, 400, {button: 0})));
    const act = n => canvas.dispatchEvent(
        new PointerEvent('pointermove', at(640 + 120 * Math.sin(n / 15), 400 + 60 * Math.cos(n / 15), {})));
    const end = () => canvas.dispatchEvent(new PointerEvent('pointerup', at(640, 400, {button: 0})));
";

const ZOOM: &str = r"
    const act = n => canvas.dispatchEvent(
        new WheelEvent('wheel', at(640, 400, {deltaY: Math.sin(n / 20) * 40})));
    const end = () => {};
";
