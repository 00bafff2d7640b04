//! Pings every 20 ms, and what was lost of them.

use std::collections::BTreeSet;
use std::fs::File;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Host, eventually};

/// Answers that must have come before work begins, and that must come after it: half a second of them.
const SOME: u32 = 25;

/// A ping that runs until it is [asked](Self::lost) for the result.
pub(crate) struct Pings {
    child: Child,
    report: tempfile::NamedTempFile,
    address: String,
    /// The last number answered when work began: what was lost before says nothing about it.
    begin: u32,
}

impl Pings {
    /// Starts pinging, and returns when answers come.
    pub(crate) fn start(from: &Host, address: &str) -> Self {
        let report = tempfile::NamedTempFile::new().unwrap();
        let out = File::create(report.path()).unwrap();
        let mut ping = from.program("ping");
        ping.args(["-n", "-i", "0.02", "-W", "5", address]).stdout(out).stderr(Stdio::null());
        let mut pings = Self { child: ping.spawn().unwrap(), report, address: address.to_owned(), begin: 0 };
        eventually(&format!("answers from {address}"), || pings.last() >= SOME);
        pings.begin = pings.last();
        pings
    }

    /// Waits for answers to pings sent from now on, ends, and says which numbers below the last answer are missing.
    pub(crate) fn lost(self) -> Vec<u32> {
        let reached = self.last();
        eventually(&format!("further answers from {}", self.address), || self.last() >= reached + SOME);
        let answered = self.answered();
        let last = answered.last().copied().unwrap_or(0);
        (self.begin..=last).filter(|number| !answered.contains(number)).collect()
    }

    fn last(&self) -> u32 {
        self.answered().last().copied().unwrap_or(0)
    }

    fn answered(&self) -> BTreeSet<u32> {
        let report = std::fs::read_to_string(self.report.path()).unwrap();
        let number = |line: &str| {
            let (_, rest) = line.split_once("icmp_seq=")?;
            let answered = rest.contains("time=");
            rest.split(' ').next()?.parse().ok().filter(|_| answered)
        };
        report.lines().filter_map(number).collect()
    }
}

impl Drop for Pings {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        let _ = kill(pid, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
