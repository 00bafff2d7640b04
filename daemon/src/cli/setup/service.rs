//! Puts a new configuration into force: asks the daemon that runs, or has systemd start one, and waits until it answers.

use std::path::Path;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::cli::client::AskError;
use crate::cli::text::{items, text};
use crate::cli::{Cli, Failure, tools};
use crate::config::DEFAULT_FILE;

/// What the service is called.
const UNIT: &str = "postern.service";
/// A start is over when every tunnel is back. Longer than systemd's own patience (`TimeoutStartSec=` in the unit): whether it
/// started is systemd's word, and until then it may.
const START: Duration = Duration::from_mins(6);
/// Questions to systemd.
const QUICK: Duration = Duration::from_secs(10);

/// What became of the daemon.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// It was running and read the files anew: this is its answer.
    Reloaded(Value),
    /// It was running, and what was changed needed another start; what it said before.
    Restarted(Value),
    /// It was not running and is now, after each start of the host too.
    Started,
    /// None is started here, for this reason.
    Skipped(String),
    /// The administrator first has to see to this.
    Waiting(String),
}

impl Outcome {
    /// What the daemon said of the files.
    pub(super) fn answer(&self) -> Option<&Value> {
        match self {
            Self::Reloaded(answer) | Self::Restarted(answer) => Some(answer),
            Self::Started | Self::Skipped(_) | Self::Waiting(_) => None,
        }
    }
}

/// Has the daemon follow the files.
pub(super) fn follow(cli: &Cli) -> Result<Outcome, Failure> {
    if !is_there(cli) {
        return start(cli);
    }
    let mut answer = cli.ask(Method::POST, "/reload", &json!({}))?;
    let needs_restart = !items(&answer, "needs_restart").is_empty();
    // One that was started by hand is not ours to end: its answer says what to do.
    if !needs_restart || why_not(&cli.config).is_some() {
        return Ok(Outcome::Reloaded(answer));
    }
    systemctl(&["restart", UNIT])?;
    if let Value::Object(fields) = &mut answer {
        fields.remove("needs_restart");
    }
    Ok(Outcome::Restarted(answer))
}

/// What has it started once it may be; `None`: it runs, or is none of systemd's.
pub(super) fn to_start(cli: &Cli) -> Option<String> {
    (!is_there(cli) && why_not(&cli.config).is_none()).then(|| format!("systemctl enable --now {UNIT}"))
}

/// Whether there is a daemon, also one that says no.
pub(super) fn is_there(cli: &Cli) -> bool {
    let asked = cli.ask(Method::GET, "/status", &json!({}));
    !matches!(asked, Err(Failure::Ask(AskError::Unreachable { .. })))
}

/// The first administrator's link while none has enrolled: username and what the daemon answered.
pub(super) fn first_link(cli: &Cli) -> Result<Option<Value>, Failure> {
    let users = cli.ask(Method::GET, "/users", &json!({}))?;
    let is = |user: &Value, key: &str| user.get(key) == Some(&Value::Bool(true));
    let users = users.as_array().cloned().unwrap_or_default();
    let admins: Vec<&Value> =
        users.iter().filter(|user| is(user, "admin") && !is(user, "disabled")).collect();
    let Some(first) = admins.first().filter(|_| !admins.iter().any(|user| is(user, "enrolled"))) else {
        return Ok(None);
    };
    let path = format!("/users/{}/reinvite", crate::cli::user::segment(text(first, "username")));
    cli.ask(Method::POST, &path, &json!({ "no_mail": true })).map(Some)
}

fn start(cli: &Cli) -> Result<Outcome, Failure> {
    if let Some(why) = why_not(&cli.config) {
        return Ok(Outcome::Skipped(why));
    }
    // One that failed too often is not started otherwise; where there is none this fails, which is well.
    drop(tools::run("systemctl", &["reset-failed", UNIT], QUICK));
    systemctl(&["enable", "--now", UNIT])?;
    cli.ask(Method::GET, "/status", &json!({}))?;
    Ok(Outcome::Started)
}

/// Why systemd is not asked to start it; `None`: it is.
fn why_not(config: &Path) -> Option<String> {
    let by_hand = format!("start it with: postern --config {} run", config.display());
    if config != Path::new(DEFAULT_FILE) {
        return Some(format!("the service reads {DEFAULT_FILE}, not this file; {by_hand}"));
    }
    if !Path::new("/run/systemd/system").is_dir() {
        return Some(format!("no systemd runs here; {by_hand}"));
    }
    (!tools::knows_unit(UNIT)).then(|| format!("systemd knows no {UNIT}; {by_hand}"))
}

fn systemctl(arguments: &[&str]) -> Result<(), Failure> {
    let command = format!("systemctl {}", arguments.join(" "));
    let why = match tools::run("systemctl", arguments, START) {
        Ok(said) if said.is_success => return Ok(()),
        Ok(_) => last_lines(),
        Err(error) => error.to_string(),
    };
    Err(Failure::Refused(format!(
        "the files are written, but the service does not run ({command}): {why}\n  `postern doctor` and `journalctl -u postern` \
         say more; after mending it: {command}"
    )))
}

/// What the service said before it ended.
fn last_lines() -> String {
    let journal = tools::run("journalctl", &["-u", UNIT, "-n", "3", "-o", "cat", "--no-pager"], QUICK);
    let said = journal.map(|said| said.out).unwrap_or_default();
    said.lines().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setup_waits_longer_for_a_start_than_systemd_does() {
        let unit = include_str!("../../../../systemd/postern.service");
        let patience =
            unit.lines().find_map(|line| line.strip_prefix("TimeoutStartSec=")?.strip_suffix("min"));
        let patience = Duration::from_mins(patience.unwrap().parse().unwrap());
        assert!(START > patience);
    }
}
