//! What the end-to-end tests and benchmarks stand on: several real hosts on one machine, the scope binary, a browser,
//! and a load that speaks the probes' protocol.

pub mod api;
pub mod browser;
pub mod load;
pub mod testbed;
pub mod zookeeper;

use std::time::{Duration, Instant};

/// Waits until `look` finds something.
///
/// # Panics
/// After `patience`, saying what was waited for and what was seen last.
pub fn eventually<T>(what: &str, patience: Duration, look: impl FnMut() -> Result<T, String>) -> T {
    eventually_every(Duration::from_millis(50), what, patience, look)
}

/// The same, looking so often: where it is measured when it was found.
///
/// # Panics
/// As `eventually` does.
pub fn eventually_every<T>(
    pause: Duration,
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let until = Instant::now() + patience;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if Instant::now() > until => panic!("{what}: not within {patience:?}; last seen: {seen}"),
            Err(_) => std::thread::sleep(pause),
        }
    }
}
