//! A container's memory limit: a resource limit on its process, which all its children inherit.

use std::io;

use nix::libc;

/// How much memory each process of a container may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Limit {
    None,
    /// Bytes of data: heap, and private mappings that can be written.
    Bytes(u64),
}

impl Limit {
    /// Twenty times what a worker or a git command needs, and less than half of what the answer to
    /// a memory-hungry instruction takes while it is read ([`crate::site::HUNGRY_FILES`]).
    pub(super) const TIGHT: Self = Self::Bytes(24 << 20);
}

/// Makes the built-in worker's allocator ask the system for memory only when that is needed: no limit would reach what
/// it has taken ahead.
pub(super) const NOTHING_AHEAD: (&str, &str) = ("MIMALLOC_ARENA_EAGER_COMMIT", "0");

/// Limits a process (0: the calling one), and with it all that it starts from now on.
///
/// # Errors
/// When the system refuses: the process is gone, or not this user's.
#[cfg(target_os = "linux")]
pub(super) fn limit_memory(process: u32, limit: Limit) -> io::Result<()> {
    let limit = libc::rlimit64 {
        rlim_cur: match limit {
            Limit::None => libc::RLIM64_INFINITY,
            Limit::Bytes(bytes) => bytes,
        },
        // The hard limit stays, so that the soft one can be lifted again.
        rlim_max: libc::RLIM64_INFINITY,
    };
    let id = libc::pid_t::try_from(process).map_err(io::Error::other)?;
    // SAFETY: the limit lives longer than the call, and nothing is asked back.
    let done = unsafe {
        libc::prlimit64(
            id,
            libc::RLIMIT_DATA,
            &raw const limit,
            std::ptr::null_mut(),
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
