//! Signals that wait while something is done as a whole or not at all.

use std::io;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// What would end this process (Ctrl-C, `kill`, a terminal that closes) does so once this is dropped, after everything that
/// was undone or kept in between.
pub(super) struct HeldBack {
    before: SigSet,
}

impl HeldBack {
    /// For this thread, which is the only one.
    pub(super) fn begin() -> io::Result<Self> {
        let ending: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        Ok(Self { before: ending.thread_swap_mask(SigmaskHow::SIG_BLOCK)? })
    }
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        // Fails for no mask that was one.
        let _ = self.before.thread_set_mask();
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::raise;

    use super::*;

    #[test]
    fn what_would_end_the_process_waits() {
        let before = SigSet::thread_get_mask().unwrap();
        let held_back = HeldBack::begin().unwrap();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            raise(signal).unwrap();
            // Still here, and it is taken away before it comes.
            assert_eq!([signal].into_iter().collect::<SigSet>().wait().unwrap(), signal);
        }
        drop(held_back);
        assert_eq!(SigSet::thread_get_mask().unwrap(), before);
    }
}
