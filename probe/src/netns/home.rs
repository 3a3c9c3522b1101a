//! Entering network namespaces: enter, read, leave. Nothing stays open, because a descriptor kept in a namespace keeps
//! a dead container's interfaces alive.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The way back. Only for a thread that belongs to the caller alone: a namespace is a thread's, not a process's.
pub struct Home {
    namespace: File,
}

impl Home {
    pub fn of_this_thread() -> io::Result<Self> {
        Ok(Self { namespace: File::open("/proc/thread-self/ns/net")? })
    }

    /// Runs `read` inside a namespace, and comes back. The descriptor is closed as soon as the thread is inside.
    ///
    /// # Errors
    /// Where the namespace is gone or may not be entered, and whatever `read` gives.
    ///
    /// # Panics
    /// Where the thread cannot come back: everything it reads from then on would be of the wrong namespace.
    pub fn visit<T>(&self, there: File, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        move_into_link_name_space(there.as_fd(), Some(LinkNameSpaceType::Network))?;
        drop(there);
        let result = read();
        move_into_link_name_space(self.namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("a thread can go back to the namespace it came from");
        result
    }
}
