//! Hours of churn: what grows that should not. Not part of the figures, because it takes as long as it is told to.

use std::path::Path;
use std::time::Duration;

use scope_tests::browser::Browser;
use scope_tests::load::Load;
use tokio::time::{Instant, sleep};

use crate::process::Process;

/// So much more at the end than after the first tenth is not flat.
const GROWTH_MAX: f64 = 1.15;
const GROWTH_MIN_MB: f64 = 5.0;

/// Whether memory of the app and of the page stayed flat.
pub async fn run(binary: &Path, minutes: u64) -> bool {
    let (process, address) = Process::app(binary).await;
    let app = process.cost();
    let _load = Load::start(address, 20);
    sleep(Duration::from_secs(5)).await;
    let browser = Browser::open(1280, 800, false).await;
    browser.client.goto(&format!("http://{address}/")).await.expect("the page");
    browser.until("the first graph", "return performance.getEntriesByName('first-graph')[0]?.startTime").await;
    let (started, whole) = (Instant::now(), Duration::from_secs(minutes * 60));
    let mut base: Option<[f64; 3]> = None;
    let mut last = [0.0; 3];
    println!("| minute | app RSS | page heap | the page's process |\n|---:|---:|---:|---:|");
    while started.elapsed() < whole {
        sleep((whole / 30).min(Duration::from_secs(60))).await;
        browser.collect_garbage().await;
        let heap = "return performance.memory.usedJSHeapSize / 1e6";
        let heap = browser.client.execute(heap, Vec::new()).await.ok().and_then(|v| v.as_f64()).unwrap_or(f64::NAN);
        // The script's heap has not what the page's own code keeps.
        last = [app.rss_mb(), heap, browser.page_mb()];
        let [app, heap, page] = last;
        println!("| {:.1} | {app:.1} MB | {heap:.1} MB | {page:.1} MB |", started.elapsed().as_secs_f64() / 60.0);
        if started.elapsed() > whole / 10 {
            base.get_or_insert(last);
        }
    }
    browser.close().await;
    let base = base.unwrap_or(last);
    // Of what is small a share says nothing.
    let is_flat = |from: f64, to: f64| to <= (from * GROWTH_MAX).max(from + GROWTH_MIN_MB);
    let verdict = base.into_iter().zip(last).all(|(from, to)| is_flat(from, to));
    println!("memory is {}", if verdict { "flat" } else { "not flat" });
    verdict
}
