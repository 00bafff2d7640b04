//! The table that every benchmark prints, and how times are taken. Absolute times in a virtual machine mean nothing, so
//! most rows are ratios against `wg` in the same run.

use std::process::Command;
use std::time::{Duration, Instant};

/// Rows, and how many of them miss their limit.
pub(crate) struct Table {
    rows: Vec<[String; 5]>,
    missed: usize,
}

impl Table {
    pub(crate) fn new() -> Self {
        let titles = ["operation", "measured", "at most", "ours", "theirs"];
        Self { rows: vec![titles.map(str::to_owned)], missed: 0 }
    }

    /// What we take of what the other takes.
    pub(crate) fn ratio(&mut self, operation: &str, (ours, theirs): (Duration, Duration), limit: f64) {
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        let texts = [format!("{limit:.2}"), format!("{ours:.1?}"), format!("{theirs:.1?}")];
        self.row(operation, format!("{ratio:.2}"), ratio <= limit, texts);
    }

    /// An amount that has a limit, or `None`, of its own.
    pub(crate) fn amount(&mut self, operation: &str, amount: f64, limit: Option<f64>) {
        let texts = [limit.map_or("-".to_owned(), |limit| format!("{limit:.2}")), "-".into(), "-".into()];
        let kept = limit.is_none_or(|limit| amount <= limit);
        self.row(operation, format!("{amount:.2}"), kept, texts);
    }

    fn row(&mut self, operation: &str, measured: String, kept: bool, [limit, ours, theirs]: [String; 3]) {
        let mark = if kept { "" } else { " !" };
        self.missed += usize::from(!kept);
        self.rows.push([operation.to_owned(), measured + mark, limit, ours, theirs]);
    }

    /// Prints every row, and fails if a limit was missed.
    pub(crate) fn conclude(self) {
        for [operation, measured, limit, ours, theirs] in self.rows {
            say(&format!("{operation:<52} {measured:>9} {limit:>8} {ours:>10} {theirs:>10}"));
        }
        assert_eq!(self.missed, 0, "limits missed (see !)");
    }
}

/// Whether the kernel has WireGuard. Without, the benchmark is skipped loudly, or fails where it is required.
pub(crate) fn has_kernel_wireguard() -> bool {
    if runs("wg", &["show"]) && runs("ip", &["link", "add", "pst-probe", "type", "wireguard"]) {
        runs("ip", &["link", "del", "pst-probe"]);
        return true;
    }
    let required = std::env::var("POSTERN_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.contains("kernel"), "kernel WireGuard is required and not there");
    say("SKIPPED: no kernel WireGuard here; run `make bench`");
    false
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let done = work();
    (started.elapsed(), done)
}

/// Whether a program succeeds.
pub(crate) fn runs(program: &str, arguments: &[&str]) -> bool {
    command(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

#[expect(clippy::disallowed_methods, reason = "the programs compared with, or measured")]
pub(crate) fn command(program: &str) -> Command {
    Command::new(program)
}

fn say(text: &str) {
    println!("{text}");
}
