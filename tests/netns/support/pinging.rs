//! A ping that goes on while something else happens, and what became of its packets.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::Namespace;

/// A ping every millisecond.
pub(crate) struct Pinging {
    ping: Child,
    reader: Option<JoinHandle<Report>>,
}

/// Packets that were sent and answered, and the number of the last that was answered.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) sent: usize,
    pub(crate) answered: usize,
    last_answered: usize,
}

impl Report {
    /// Those before the last answered: after it, an answer may only not have come yet.
    pub(crate) fn lost(&self) -> usize {
        self.last_answered - self.answered
    }
}

impl Pinging {
    #[expect(clippy::disallowed_methods, reason = "ping is a program")]
    pub(crate) fn start(host: &Namespace, address: &str) -> Self {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", host.name(), "ping", "-n", "-i", "0.001", "-W", "1", address]);
        let mut ping = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(ping.stdout.take().unwrap()).lines();
        let reader = std::thread::spawn(|| {
            let mut report = Report::default();
            for line in lines.map_while(Result::ok) {
                let number = |word: &str| word.parse().ok();
                if let Some((_, rest)) = line.split_once("icmp_seq=") {
                    // It counts modulo 65536.
                    let seq = rest.split(' ').next().and_then(number).unwrap();
                    let step = (seq + 65_536 - report.last_answered % 65_536) % 65_536;
                    report.last_answered += step;
                    report.answered += 1;
                } else if line.contains("packets transmitted") {
                    report.sent = line.split(' ').next().and_then(number).unwrap();
                }
            }
            report
        });
        Self { ping, reader: Some(reader) }
    }

    pub(crate) fn stop(mut self) -> Report {
        kill(Pid::from_raw(self.ping.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        self.ping.wait().unwrap();
        self.reader.take().unwrap().join().unwrap()
    }
}

impl Drop for Pinging {
    fn drop(&mut self) {
        // One that was stopped is gone.
        let _ = self.ping.kill();
    }
}
