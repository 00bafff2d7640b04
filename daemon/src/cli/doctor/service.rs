//! Whether the daemon runs, and what it says itself.

use std::path::Path;

use hyper::Method;
use serde_json::{Value, json};

use super::finding::Findings;
use crate::cli::client::AskError;
use crate::cli::text::items;
use crate::cli::{Cli, Failure, tools};

/// What is known of the daemon.
pub(super) enum Daemon {
    /// It answered: this is its status.
    Runs(Value),
    /// It is there, and does not answer us.
    Silent,
    /// It is not there.
    Absent,
}

impl Daemon {
    /// Whether there is one.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Self::Runs(_) | Self::Silent => true,
            Self::Absent => false,
        }
    }
}

/// Asks the daemon how it is.
pub(super) fn check(cli: &Cli, findings: &mut Findings) -> Daemon {
    match cli.ask(Method::GET, "/status", &json!({})) {
        Ok(status) => {
            tell(&status, findings);
            Daemon::Runs(status)
        }
        Err(Failure::Ask(AskError::Unreachable { path, .. })) => {
            let says = format!("the daemon does not run: nobody answers on {}", path.display());
            findings.failure("service", says, start());
            Daemon::Absent
        }
        Err(_) => {
            findings.unseen("service", "only root and the group postern-admin may ask the daemon".to_owned());
            Daemon::Silent
        }
    }
}

fn tell(status: &Value, findings: &mut Findings) {
    let problems = items(status, "problems");
    for problem in problems.iter().filter_map(Value::as_str) {
        findings.failure("service", problem.to_owned(), "postern status".to_owned());
    }
    if problems.is_empty() {
        findings.ok("service", "the daemon runs and has nothing to complain of".to_owned());
    }
}

fn start() -> String {
    let has_systemd = Path::new("/run/systemd/system").is_dir();
    if has_systemd && tools::knows_unit("postern.service") {
        "systemctl restart postern; journalctl -u postern says why it ended".to_owned()
    } else {
        "postern run".to_owned()
    }
}
