//! What wakes the thread that reads the kernel before its time: somebody who rings, or a ring of the kernel's programs that
//! fills.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;
use tracing::debug;

/// Rung from any thread.
#[derive(Clone)]
pub struct Bell(Option<Arc<OwnedFd>>);

/// Waits for it.
pub struct Sleeper {
    bell: Bell,
    epoll: Option<OwnedFd>,
}

impl Default for Bell {
    /// Where there can be none nobody is woken before the time.
    fn default() -> Self {
        Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok().map(Arc::new))
    }
}

impl Bell {
    pub fn ring(&self) {
        // It may have been rung so often that there is no room for more: then it rings.
        let _ = self.0.as_ref().map(|bell| rustix::io::write(bell, &1u64.to_ne_bytes()));
    }

    fn hush(&self) {
        let _ = self.0.as_ref().map(|bell| rustix::io::read(bell, &mut [0; 8]));
    }
}

impl Sleeper {
    pub fn new(bell: Bell) -> Self {
        let sleeper = Self { bell, epoll: epoll::create(epoll::CreateFlags::CLOEXEC).ok() };
        if let Some(bell) = &sleeper.bell.0 {
            sleeper.heed(bell.as_fd(), epoll::EventFlags::IN);
        }
        sleeper
    }

    /// Also wakes when that ring asks for it, and once now if there is something in it already.
    pub fn watch(&self, ring: impl AsFd) {
        self.heed(ring, epoll::EventFlags::IN | epoll::EventFlags::ET);
    }

    fn heed(&self, fd: impl AsFd, flags: epoll::EventFlags) {
        let Some(epoll) = &self.epoll else { return };
        if let Err(error) = epoll::add(epoll, fd, epoll::EventData::new_u64(0), flags) {
            debug!(%error, "nobody is woken by that");
        }
    }

    /// Until then, unless somebody rings or rang since the last time.
    pub fn wait(&self, patience: Duration) {
        let Some(epoll) = &self.epoll else { return std::thread::sleep(patience) };
        let until = Timespec::try_from(patience).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let mut events = [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 4];
        match epoll::wait(epoll, &mut events, Some(&until)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => self.bell.hush(),
            // Who cannot wait must not ask again and again.
            Err(_) => std::thread::sleep(patience),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn waited(sleeper: &Sleeper, patience: Duration) -> Duration {
        let before = Instant::now();
        sleeper.wait(patience);
        before.elapsed()
    }

    #[test]
    fn who_waits_is_woken_by_who_rings_meanwhile_or_did_before_and_once() {
        let bell = Bell::default();
        let sleeper = Sleeper::new(bell.clone());
        bell.ring();
        bell.ring();
        assert!(waited(&sleeper, LONG) < LONG);
        let short = Duration::from_millis(20);
        assert!(waited(&sleeper, short) >= short, "it was heard");
        let ringing = std::thread::spawn(move || bell.ring());
        assert!(waited(&sleeper, LONG) < LONG);
        ringing.join().unwrap();
    }
}
