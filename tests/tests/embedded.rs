//! The page where others put it: below a path of a proxy's, and in a frame of another page.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use scope_tests::browser::Browser;
use scope_tests::testbed::{Testbed, call, serve};

const BELOW: &str = "/ops/scope";
const AROUND: &str = "<!doctype html><title>Ops</title><h1>Ops</h1>\
                      <iframe src='/ops/scope/' style='width: 1100px; height: 640px; border: 0'></iframe>";

/// Passes on to the app what is asked for below its path, without it, as proxies do; keeps what else is asked for.
struct Proxy {
    address: SocketAddr,
    elsewhere: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn before(app: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let address = listener.local_addr().expect("its address");
        let elsewhere = Arc::new(Mutex::new(Vec::new()));
        let (app, kept) = (app.to_owned(), elsewhere.clone());
        thread::spawn(move || {
            for browser in listener.incoming().flatten() {
                let (app, kept) = (app.clone(), kept.clone());
                // Who hangs up is not asked why.
                thread::spawn(move || pass_on(browser, &app, &kept).ok());
            }
        });
        Self { address, elsewhere }
    }
}

fn pass_on(mut browser: TcpStream, app: &str, elsewhere: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        browser.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let Some(own) = path.strip_prefix(BELOW).filter(|own| own.starts_with('/')) else {
        if path != "/" {
            elsewhere.lock().expect("whole").push(path);
        }
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n", AROUND.len());
        return browser.write_all(format!("{answer}Connection: close\r\n\r\n{AROUND}").as_bytes());
    };
    // Each connection has one question; what becomes a websocket stays.
    let head = head.replacen(&path, own, 1).replace("Connection: keep-alive", "Connection: close");
    let mut to_app = TcpStream::connect(app)?;
    to_app.write_all(head.as_bytes())?;
    let (mut back, mut into_browser) = (to_app.try_clone()?, browser.try_clone()?);
    let answering = thread::spawn(move || {
        let _ = io::copy(&mut back, &mut into_browser);
        let _ = into_browser.shutdown(Shutdown::Both);
    });
    let _ = io::copy(&mut browser, &mut to_app);
    let _ = to_app.shutdown(Shutdown::Write);
    let _ = answering.join();
    Ok(())
}

#[test]
fn below_a_path_behind_a_proxy_and_in_a_frame_the_page_is_whole_and_live() {
    let testbed = Testbed::up(1, false);
    testbed.launch(1, &[]);
    testbed.docker(1, &["network", "create", "lan"]);
    testbed.container(1, "cache", &["--network", "lan"], &serve(6379));
    testbed.container(1, "worker", &["--network", "lan"], &call("cache", 6379));
    let proxy = Proxy::before(testbed.url(1).trim_start_matches("http://"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(1280, 800, false).await;
        browser.client.goto(&format!("http://{}/", proxy.address)).await.unwrap();
        let inside = |what: &str| {
            format!("const page = document.querySelector('iframe').contentDocument; return !!page && ({what})")
        };
        let nodes = |count: u32| inside(&format!("page.querySelector('canvas.graph')?.dataset.nodes === '{count}'"));
        browser.until("the graph in the frame", &nodes(2)).await;
        browser.until("the typeface", &inside("[...page.fonts].some(font => font.status === 'loaded')")).await;
        browser.until("live", &inside("page.querySelector('.live .words').textContent === 'Live'")).await;
        testbed.container(1, "newcomer", &[], "sleep 1000");
        browser.until("who comes", &nodes(3)).await;
        // A card and its raw JSON are asked for below the same path.
        let select = "const frame = document.querySelector('iframe').contentWindow; \
                      frame.location.hash = '#/containers?mode=table'";
        browser.client.execute(select, Vec::new()).await.unwrap();
        browser
            .until("the table", &inside("page.querySelectorAll('.nodes tbody tr.row, .nodes tbody tr').length >= 3"))
            .await;
        let open = "document.querySelector('iframe').contentDocument.querySelector('.nodes td.name').click()";
        browser.client.execute(open, Vec::new()).await.unwrap();
        browser.until("a card", &inside("page.querySelector('.card h2')?.textContent.length > 2")).await;
        browser.screenshot("embedded-dark").await;
        browser.close().await;
    });
    let elsewhere = proxy.elsewhere.lock().unwrap().clone();
    let asked: Vec<&String> = elsewhere.iter().filter(|path| *path != "/favicon.ico").collect();
    assert!(asked.is_empty(), "{asked:?}");
}
