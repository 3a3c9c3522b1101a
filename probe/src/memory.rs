//! Memory that the process has although nobody needs it.

/// Gives it back to the host: what was needed for a moment would else be the probe's for as long as it runs.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it only gives back memory that nobody holds.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// For a process of few threads that do little: they share what was freed instead of each keeping its own. To be called
/// before they start.
pub fn be_thrifty() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it sets a number that the allocator looks at when a thread asks it for the first time.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
