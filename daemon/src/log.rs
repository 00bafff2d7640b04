//! Where the log goes: into systemd's journal with every field by name, or to standard error, as text or JSON.
//!
//! The journal's message has the fields too: `journalctl` shows nothing else, and why a mail was not delivered is a field.

mod journal;

use std::io::{IsTerminal as _, stderr, stdout};
use std::os::fd::AsFd;

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use journal::Journal;

/// How standard error gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Starts it, once in a process. `POSTERN_LOG` says what is told.
pub fn start(format: LogFormat) {
    let wanted = std::env::var("POSTERN_LOG").ok().and_then(|wanted| wanted.parse().ok());
    // What strangers send as passkeys is none of our failures, and the library writes it down as its own.
    let usual =
        || Targets::new().with_default(LevelFilter::INFO).with_target("webauthn_rs_core", LevelFilter::OFF);
    let filter: Targets = wanted.unwrap_or_else(usual);
    let journal =
        if format == LogFormat::Text && is_the_journal(stderr()) { Journal::open().ok() } else { None };
    let layer = match (journal, format) {
        (Some(journal), _) => journal.boxed(),
        (None, LogFormat::Text) => fmt::layer().with_ansi(stderr().is_terminal()).with_writer(stderr).boxed(),
        (None, LogFormat::Json) => fmt::layer().json().with_writer(stderr).boxed(),
    };
    // It fails only if there is one already.
    let _ = registry().with(layer.with_filter(filter)).try_init();
}

/// Whether the journal keeps what is printed: systemd names one stream only, of two that are its own.
pub fn is_kept() -> bool {
    is_the_journal(stdout()) || is_the_journal(stderr())
}

/// Whether the stream is what systemd says is the journal's: `JOURNAL_STREAM` alone may be inherited from afar.
fn is_the_journal(stream: impl AsFd) -> bool {
    std::env::var("JOURNAL_STREAM").is_ok_and(|told| is(stream, &told))
}

/// Whether the stream is the one of this device and inode, `DEVICE:INODE`.
fn is(stream: impl AsFd, told: &str) -> bool {
    nix::sys::stat::fstat(stream.as_fd())
        .is_ok_and(|found| told == format!("{}:{}", found.st_dev, found.st_ino))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_stream_is_known_by_device_and_inode_and_not_by_there_being_a_journal() {
        let [journal, other] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        let metadata = journal.metadata().unwrap();
        let told = format!("{}:{}", metadata.dev(), metadata.ino());
        assert!(is(&journal, &told) && !is(&other, &told));
    }
}
