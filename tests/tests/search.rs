//! The search box in a real browser, on real containers: what it finds, why, what it keeps, and what it offers.

use std::time::Duration;

use fantoccini::Locator;
use fantoccini::key::Key;
use scope_tests::api::get;
use scope_tests::browser::Browser;
use scope_tests::eventually;
use scope_tests::testbed::Testbed;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn what_is_searched_for_is_found_kept_and_told_apart_as_a_link_and_a_script_have_it() {
    let testbed = Testbed::up(2, false);
    let base = testbed.url(1);
    testbed.launch(1, &[]);
    testbed.launch(2, &[&testbed.address(1)]);
    testbed.docker(1, &["network", "create", "lan"]);
    for name in ["web", "cache", "cache-of-old"] {
        let label = format!("com.example.tier={}", if name == "web" { "front" } else { "back" });
        testbed.container(1, name, &["--network", "lan", "--label", &label], "sleep 1000");
    }
    testbed.container(2, "busy", &[], "while :; do :; done");
    eventually("all containers are known, and one that is busy", PATIENCE, || {
        let nodes = get(&format!("{base}/api/topology/containers?query=cpu+%3E+20%25"))?["nodes"].clone();
        let busy: Vec<&str> = nodes.as_object().unwrap().values().filter_map(|node| node["label"].as_str()).collect();
        let all = get(&format!("{base}/api/topology/containers"))?["nodes"].as_object().map_or(0, serde_json::Map::len);
        if busy == ["busy"] && all == 4 { Ok(()) } else { Err(format!("{busy:?} of {all}")) }
    });
    let labels = |query: &str| {
        let answer = get(&format!("{base}/api/search?topology=containers&query={query}")).unwrap();
        let labels = answer["nodes"].as_array().unwrap().iter().map(|node| node["label"].as_str().unwrap().to_owned());
        let mut labels: Vec<String> = labels.collect();
        labels.sort();
        labels
    };
    assert_eq!(labels("tier:back"), ["cache", "cache-of-old"]);
    assert_eq!(labels("com.example.tier:front"), ["web"]);
    assert_eq!(labels("cache+-/old$/"), ["cache"]);
    assert_eq!(labels("not+(network:lan+or+host:h2)"), [""; 0]);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, true).await;
        browser.client.goto(&format!("{base}/")).await.unwrap();
        browser.until("four nodes", "return document.querySelector('canvas')?.dataset.nodes === '4'").await;
        browser.client.find(Locator::Css("body")).await.unwrap().send_keys("/").await.unwrap();
        let search = browser.client.find(Locator::Css("#search")).await.unwrap();
        let hits = |text: &str| format!("return document.querySelector('.hits').textContent === '{text}'");
        let offers = |text: &str| {
            format!("return [...document.querySelectorAll('.suggestion')].some(s => s.textContent.includes('{text}'))")
        };

        // What stands in tables, which only the app has at hand, with its reason.
        search.send_keys("com.example.tier:back").await.unwrap();
        browser.until("two are found", &hits("2 of 4")).await;
        browser.until("why", &offers("com.example.tier back")).await;
        browser
            .until(
                "how many there are elsewhere",
                "return [...document.querySelectorAll('.entry')].some(e => \
            e.textContent.startsWith('Containers2'))",
            )
            .await;
        browser.screenshot("search-light").await;

        // Kept: only these are shown, and the box is free for more.
        search.send_keys(&Key::Enter.to_string()).await.unwrap();
        browser.until("a chip", "return document.querySelector('.chip')?.textContent.includes('tier:back')").await;
        browser.until("an empty box", "return document.querySelector('#search').value === ''").await;
        browser
            .until(
                "what is hidden",
                "return document.querySelector('.status').textContent.includes('2 hidden by filters')",
            )
            .await;
        search.send_keys("-old").await.unwrap();
        browser.until("one of them", &hits("1 of 4")).await;
        let hash = "return location.hash.includes('f=com.example.tier%3Aback') && location.hash.includes('q=-old')";
        browser.until("a link to it", hash).await;
        browser.client.refresh().await.unwrap();
        browser.until("the same again", &hits("1 of 4")).await;
        browser.until("the chip again", "return !!document.querySelector('.chip')").await;
        browser.client.execute("document.querySelector('.chip .remove').click()", Vec::new()).await.unwrap();
        browser.until("without it", &hits("3 of 4")).await;

        // What may come next, taken by keyboard.
        let search = browser.client.find(Locator::Css("#search")).await.unwrap();
        search.clear().await.unwrap();
        search.send_keys("netw").await.unwrap();
        browser.until("a field", &offers("network:")).await;
        search.send_keys(&Key::Tab.to_string()).await.unwrap();
        browser.until("it is there", "return document.querySelector('#search').value === 'network:'").await;
        search.send_keys("l").await.unwrap();
        browser.until("its values", &offers("network:lan")).await;
        search.send_keys(&Key::Tab.to_string()).await.unwrap();
        browser.until("its members", &hits("3 of 4")).await;
        search.send_keys("web").await.unwrap();
        browser.until("one", &hits("1 of 4")).await;
        search.send_keys(&format!("{}{}", char::from(Key::Down), char::from(Key::Enter))).await.unwrap();
        browser.until("its details", "return document.querySelector('.card h2')?.textContent === 'web'").await;

        // Live figures, and what is wrong, where it is.
        search.clear().await.unwrap();
        search.send_keys("cpu > 20%").await.unwrap();
        browser.until("who is busy", &hits("1 of 4")).await;
        browser.until("how busy", &offers("CPU")).await;
        search.clear().await.unwrap();
        search.send_keys("host:h1 cpu >").await.unwrap();
        browser
            .until(
                "what is missing",
                "return document.querySelector('.mistake')?.textContent.includes('such as `cpu > 50%`')",
            )
            .await;
        browser.screenshot("search-mistake-light").await;
        browser.close().await;

        let browser = Browser::open(500, 900, false).await;
        browser.client.goto(&format!("{base}/#/containers?f=host:h1&q=cache")).await.unwrap();
        browser.until("two of four", &hits("2 of 4")).await;
        browser.client.find(Locator::Css("#search")).await.unwrap().click().await.unwrap();
        browser.until("what is found", &offers("cache-of-old")).await;
        browser.screenshot("search-narrow-dark").await;
        browser
            .until("nothing to scroll aside", "return document.documentElement.scrollWidth <= window.innerWidth")
            .await;
        browser.close().await;
    });
}
