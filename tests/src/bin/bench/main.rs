//! What Scope costs, measured on this machine, with the goal beside each figure.
//!
//! The processes under test are apart from this one; the load and its readers share the machine with them, so latencies
//! include their share of its cores; the load's threads have a lower priority, because they stand for other machines. Nothing leaves loopback and the testbed.

mod app;
mod audit;
mod figures;
mod links;
mod page;
mod probe;
mod process;
mod record;
mod soak;
mod stream;
mod talk;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use figures::Figures;
use scope_tests::load::Load;

const USAGE: &str =
    "usage: bench [BINARY [PART]...]        PART: app, fleet, overlays, audit, links, probe, networks, page; all of them unless said
       bench soak BINARY [MINUTES]    churn for so long (60), and whether memory stayed flat
       bench record ADDRESS:PORT FILE [FRAMES]    what the first probe that connects says, as a fixture
       bench load ADDRESS:PORT [HOSTS [BESIDE [ACROSS]]]    only the load, against an app that runs, until it is ended, beside the first BESIDE
           hosts of another; where that is 0, each has ACROSS conversations with others (70)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["hold", processes, conversations, short] => {
            talk::hold(number(processes), number(conversations), number(short))
        }
        ["call", count, short] => talk::call(number(count), number(short)),
        ["answer", count] => talk::answer(number(count)),
        ["dial", app, count] => {
            let Ok(app) = app.parse() else { return usage() };
            runtime().block_on(talk::dial(app, number(count)));
        }
        ["load", address, ref counts @ ..] => {
            let count = |n: usize, default| counts.get(n).unwrap_or(&default).parse();
            let counts = (count(0, "100"), count(1, "0"), count(2, "70"));
            let (Ok(address), (Ok(hosts), Ok(beside), Ok(across))) = (address.parse(), counts) else {
                return usage();
            };
            runtime().block_on(async {
                let _load = match beside {
                    0 => Load::shaped(address, hosts, across),
                    _ => Load::more(address, beside, hosts),
                };
                std::future::pending::<()>().await;
            });
        }
        ["record", listen, file, ref frames @ ..] => {
            let Ok(frames) = frames.first().unwrap_or(&"20").parse() else { return usage() };
            runtime().block_on(record::run(listen, Path::new(file), frames));
        }
        ["soak", binary, ref minutes @ ..] => {
            let Ok(minutes) = minutes.first().unwrap_or(&"60").parse() else { return usage() };
            return match runtime().block_on(soak::run(Path::new(binary), minutes)) {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            };
        }
        [option, ..] if option.starts_with('-') => return usage(),
        [] => figures(Path::new("target/release/scope"), &[]),
        [binary, ref parts @ ..] => figures(Path::new(binary), parts),
    }
    ExitCode::SUCCESS
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn figures(binary: &Path, parts: &[&str]) {
    let wanted = |part| parts.is_empty() || parts.contains(&part);
    let mut figures = Figures::default();
    if wanted("app") {
        println!("the app under the load of 100 hosts:");
        runtime().block_on(app::measure(binary, &mut figures));
    }
    if wanted("fleet") {
        println!("the app under the load of 1,000 hosts:");
        runtime().block_on(app::measure_fleet(binary, &mut figures));
    }
    if wanted("overlays") {
        println!("the app with 100 hosts on 20 overlays:");
        runtime().block_on(app::measure_overlays(binary, &mut figures));
    }
    if wanted("audit") {
        println!("control plane against kernel:");
        audit::measure(&mut figures);
    }
    if wanted("links") {
        println!("the links of 500 namespaces:");
        links::measure(&mut figures);
    }
    if wanted("probe") {
        println!("a probe on a host with 50 containers:");
        probe::measure(binary, &mut figures);
    }
    if wanted("networks") {
        println!("a probe on a host with 100 containers, with overlays and without:");
        probe::measure_networks(binary, &mut figures);
    }
    if wanted("page") {
        println!("the page in a browser:");
        let runtime = runtime();
        runtime.block_on(page::measure(binary, &mut figures));
        runtime.shutdown_timeout(Duration::from_secs(1));
    }
    figures.print_table();
    let path = PathBuf::from("target/bench.json");
    if let Err(error) = fs::write(&path, figures.to_json()) {
        eprintln!("{} cannot be written: {error}", path.display());
    }
}
