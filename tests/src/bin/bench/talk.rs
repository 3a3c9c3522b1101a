//! What runs in the containers of a benchmark of the probe: processes that hold conversations with one of them, replace
//! some of these now and then, and have short ones beside.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use shared::view::StreamDelta;

use crate::stream::follow;

const HELD: u16 = 7000;
const SHORT: u16 = 7001;
/// Of those who are called once each.
const FIRST: u16 = 20_000;
/// So long it is waited until a call is told.
const PATIENCE: Duration = Duration::from_secs(5);
/// A tenth of the conversations is replaced this often.
const REPLACED_EVERY: Duration = Duration::from_secs(3);
/// How long a short one lasts.
const LASTS: Duration = Duration::from_millis(5);
/// Nothing of this needs the two megabytes that a thread is given.
const STACK: usize = 64 << 10;

/// So many processes with so many conversations among them, and so many short ones a second.
pub fn hold(processes: usize, conversations: usize, short_per_s: usize) {
    let listen = |port| TcpListener::bind(("0.0.0.0", port)).expect("a port of the container's own");
    let (held, short) = (listen(HELD), listen(SHORT));
    let open = Arc::new(Mutex::new(Vec::new()));
    let accepted = Arc::clone(&open);
    let (came, coming) = mpsc::channel();
    spawn(move || {
        for stream in held.incoming().flatten() {
            accepted.lock().expect("a list").push(stream);
            let _ = came.send(());
        }
    });
    let ended = Arc::clone(&open);
    spawn(move || {
        loop {
            thread::sleep(Duration::from_millis(500));
            ended.lock().expect("a list").retain(|stream| !is_over(stream));
        }
    });
    spawn(move || short.incoming().flatten().for_each(|mut stream| drop(stream.read(&mut [0]))));
    let itself = std::env::current_exe().expect("its own path");
    let callers = processes - 1;
    let children: Vec<_> = (0..callers)
        .map(|n| {
            let calls = conversations / callers + usize::from(n < conversations % callers);
            let short = if n == 0 { short_per_s } else { 0 };
            let mut command = Command::new(&itself);
            command.args(["call", &calls.to_string(), &short.to_string()]).stdin(Stdio::piped());
            command.spawn().expect("a caller")
        })
        .collect();
    coming.iter().take(conversations).for_each(drop);
    println!("held");
    wait_for_end();
    drop(children);
}

/// `count` calls to the process that holds them, by the container's own address, and so many short ones a second.
pub fn call(count: usize, short_per_s: usize) {
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // The host's files are this container's root, its addresses are its own.
    let table = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let own = own_address(&table).unwrap_or_else(|| panic!("{} has no address", hostname.trim()));
    let connect = move |port| TcpStream::connect((own.as_str(), port)).expect("the one who holds");
    if short_per_s > 0 {
        let connect = connect.clone();
        let pause = Duration::from_secs(1) / u32::try_from(short_per_s).expect("a number of calls");
        spawn(move || {
            let mut next = Instant::now();
            loop {
                let call = connect(SHORT);
                thread::sleep(LASTS);
                drop(call);
                next += pause;
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        });
    }
    let mut held: VecDeque<TcpStream> = (0..count).map(|_| connect(HELD)).collect();
    spawn(move || {
        let mut due = 0.0;
        loop {
            thread::sleep(REPLACED_EVERY);
            due += held.len() as f64 / 10.0;
            while due >= 1.0 {
                due -= 1.0;
                held.pop_front();
                held.push_back(connect(HELD));
            }
        }
    });
    wait_for_end();
}

/// Has so many ports on loopback, each for one call.
pub fn answer(count: usize) {
    for port in ports(count) {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port of its own");
        spawn(move || {
            let _held = listener.accept();
            thread::park();
        });
    }
    println!("ready");
    wait_for_end();
}

/// Calls each of so many ports once, the next as soon as whoever follows the processes of that app is told of the last, and
/// says how many milliseconds that took. So each call just misses a telling, and waits for the whole of the next interval.
pub async fn dial(app: SocketAddr, count: usize) {
    let itself = std::env::current_exe().expect("its own path");
    let mut command = Command::new(itself);
    // One more: the first shows that those who talk are known, and does not count.
    command.args(["answer", &(count + 1).to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut answering = command.spawn().expect("who answers");
    let mut said = BufReader::new(answering.stdout.take().expect("what it says"));
    said.read_line(&mut String::new()).expect("that it is ready");
    let mut told = follow(app, "processes").await;
    let mut held = Vec::new();
    for port in ports(count + 1) {
        let at = Instant::now();
        held.push(TcpStream::connect(("127.0.0.1", port)).expect("who answers"));
        let hears = async {
            while let Some(Ok(message)) = told.next().await {
                let delta = message.to_text().ok().and_then(|text| serde_json::from_str::<StreamDelta>(text).ok());
                if delta.iter().flat_map(|delta| &delta.edges).any(|(_, edge)| edge.port == port) {
                    break;
                }
            }
        };
        // Who hears nothing has waited for as long.
        let _ = tokio::time::timeout(PATIENCE, hears).await;
        if port > FIRST {
            println!("{}", at.elapsed().as_secs_f64() * 1e3);
        }
    }
    let _ = answering.kill();
    let _ = answering.wait();
}

fn ports(count: usize) -> impl Iterator<Item = u16> {
    (FIRST..).take(count)
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(STACK).spawn(work).expect("a thread");
}

/// Whether the other end has closed it.
fn is_over(stream: &TcpStream) -> bool {
    let _ = stream.set_nonblocking(true);
    matches!(stream.peek(&mut [0]), Ok(0))
}

/// The first address of the namespace's own that is not of loopback: a leaf followed by `/32 host LOCAL`.
fn own_address(table: &str) -> Option<String> {
    let lines: Vec<&str> = table.lines().collect();
    let leaves = lines.windows(2).filter(|pair| pair[1].contains("/32 host LOCAL"));
    let addresses = leaves.filter_map(|pair| pair[0].trim().strip_prefix("|-- "));
    addresses.filter(|address| !address.starts_with("127.")).map(str::to_owned).next()
}

fn wait_for_end() {
    let _ = std::io::stdin().read(&mut [0]);
    loop {
        thread::park();
    }
}
