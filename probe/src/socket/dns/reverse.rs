//! The names that addresses have themselves (PTR), asked of the host's own resolver; only where somebody wants that, as
//! whoever answers learns to whom the host talks.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

/// A resolver that does not answer holds up one of them for its time-out, 5 to 30 s.
const THREADS: usize = 4;
/// So many wait at a time; the others are asked for later.
const WAITING_MAX: usize = 512;
/// Nor is an address asked for again sooner, whether it had a name or not.
const AGAIN_AFTER: Duration = Duration::from_mins(30);

pub struct Reverse {
    /// When which address was asked for last.
    asked: HashMap<IpAddr, Instant>,
    requests: SyncSender<IpAddr>,
    answers: Receiver<(IpAddr, String)>,
}

impl Reverse {
    /// `ask` waits for the answer: a name, or none.
    ///
    /// # Errors
    /// Those of starting threads.
    pub fn start(ask: impl Fn(IpAddr) -> Option<String> + Clone + Send + 'static) -> io::Result<Self> {
        let (requests, waiting) = sync_channel(WAITING_MAX);
        let (found, answers) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..THREADS {
            let (ask, waiting, found) = (ask.clone(), waiting.clone(), found.clone());
            thread::Builder::new().name("reverse-dns".into()).spawn(move || work(&ask, &waiting, &found))?;
        }
        Ok(Self { asked: HashMap::new(), requests, answers })
    }

    /// Asks for an address that somebody talks to, unless that was done. Where too many wait, this has to be called again.
    pub fn want(&mut self, address: IpAddr, now: Instant) {
        let is_known = self.asked.get(&address).is_some_and(|at| now.duration_since(*at) < AGAIN_AFTER);
        if is_known || shared::addr::is_confined(address) {
            return;
        }
        match self.requests.try_send(address) {
            Ok(()) => {
                self.asked.insert(address, now);
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }

    /// Forgets what nobody talks to any more.
    pub fn forget(&mut self, is_used: impl Fn(&IpAddr) -> bool) {
        self.asked.retain(|address, _| is_used(address));
    }

    /// The names that came since this was last asked.
    pub fn take(&mut self) -> Vec<(IpAddr, String)> {
        self.answers.try_iter().collect()
    }
}

/// Until nobody can ask any more.
fn work(ask: &impl Fn(IpAddr) -> Option<String>, waiting: &Mutex<Receiver<IpAddr>>, found: &Sender<(IpAddr, String)>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(address) = next else { return };
        if let Some(name) = ask(address).and_then(|name| sound(&name))
            && found.send((address, name)).is_err()
        {
            return;
        }
    }
}

/// The host's resolver, with what its hosts file says.
pub fn resolver(address: IpAddr) -> Option<String> {
    dns_lookup::lookup_addr(&address).ok()
}

/// Whoever has an address says what it is called: a name of the letters that names have, or none.
fn sound(name: &str) -> Option<String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_sound = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    (is_sound && !name.is_empty() && name.len() <= 253 && name.parse::<IpAddr>().is_err()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn address(n: u8) -> IpAddr {
        [203, 0, 113, n].into()
    }

    /// What comes until `count` names are there.
    fn until(reverse: &mut Reverse, count: usize) -> HashSet<(IpAddr, String)> {
        let mut names = HashSet::new();
        while names.len() < count {
            let (address, name) = reverse.answers.recv_timeout(Duration::from_secs(10)).expect("an answer");
            names.insert((address, name));
        }
        names
    }

    #[test]
    fn an_address_is_asked_for_once_until_a_while_has_passed_or_nobody_talked_to_it() {
        let mut reverse = Reverse::start(|address| Some(format!("Host-{address}.Example."))).unwrap();
        let now = Instant::now();
        let named = |n: u8| (address(n), format!("host-203.0.113.{n}.example"));
        for n in [1, 1, 2] {
            reverse.want(address(n), now);
        }
        reverse.want([127, 0, 0, 1].into(), now);
        assert_eq!(until(&mut reverse, 2), [named(1), named(2)].into());
        reverse.want(address(1), now + AGAIN_AFTER);
        reverse.forget(|used| *used != address(2));
        reverse.want(address(2), now);
        assert_eq!(until(&mut reverse, 2), [named(1), named(2)].into());
        assert_eq!(reverse.asked.len(), 2, "loopback is nobody's but the host's");
        assert!(reverse.take().is_empty());
    }

    #[test]
    fn what_finds_no_room_is_asked_for_later() {
        let (go, gate) = channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let ask = move |address: IpAddr| {
            let _ = gate.lock().unwrap().recv();
            Some(format!(
                "n{}",
                u32::from_be_bytes(address.to_string().parse::<std::net::Ipv4Addr>().unwrap().octets())
            ))
        };
        let mut reverse = Reverse::start(ask).unwrap();
        let all = WAITING_MAX + THREADS + 100;
        let addresses: Vec<IpAddr> = (0..all as u32).map(|n| IpAddr::from((0x0b00_0000 + n).to_be_bytes())).collect();
        let now = Instant::now();
        addresses.iter().for_each(|address| reverse.want(*address, now));
        assert!((WAITING_MAX..=WAITING_MAX + THREADS).contains(&reverse.asked.len()), "{}", reverse.asked.len());
        drop(go);
        let mut names = HashSet::new();
        while names.len() < all {
            addresses.iter().for_each(|address| reverse.want(*address, now));
            names.extend(until(&mut reverse, 1));
        }
        assert_eq!(reverse.asked.len(), all);
    }

    #[test]
    fn what_is_no_name_is_none() {
        for (text, expect) in [
            ("A.example.", Some("a.example")),
            ("<b>.example", None),
            ("a b", None),
            ("", None),
            (".", None),
            ("10.0.0.1", None),
        ] {
            assert_eq!(sound(text).as_deref(), expect, "{text}");
        }
        assert_eq!(sound(&"a".repeat(254)), None);
    }

    /// Every machine's hosts file says what it calls itself.
    #[test]
    fn the_hosts_own_resolver_is_asked() {
        assert_eq!(resolver([127, 0, 0, 1].into()).and_then(|name| sound(&name)).as_deref(), Some("localhost"));
    }
}
