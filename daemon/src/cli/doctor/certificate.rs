//! The certificate that visitors are shown: whether there is one, for this host, and for how long.

use serde_json::Value;

use super::finding::Findings;
use super::service::Daemon;
use crate::app::Clock;
use crate::cli::apps::is_readable_on_the_way;
use crate::config::{Config, OwnFiles, Tls};

const CHECK: &str = "certificate";

/// Looks at the files, or asks the daemon for what it obtained.
pub(super) fn check(config: &Config, daemon: &Daemon, findings: &mut Findings) {
    match &config.http.tls {
        Tls::Proxy if is_readable_on_the_way(&config.public_url) => {
            let says =
                "public_url is http: passwords can be read on the way, and applications refuse it as issuer";
            let mend = "public_url = \"https://…\" in postern.toml; postern reload";
            findings.warning(CHECK, says.to_owned(), mend.to_owned());
        }
        Tls::Proxy => findings.ok(CHECK, "a reverse proxy has it".to_owned()),
        Tls::Files(files) => own(files, config.host(), findings),
        Tls::Acme(_) => obtained(daemon, findings),
    }
}

fn own(files: &OwnFiles, host: &str, findings: &mut Findings) {
    if files.key.path().is_err() {
        return findings.unseen(CHECK, "its key is a credential of the service alone".to_owned());
    }
    let mend = format!("put the renewed chain into {} (and its key beside it)", files.certificate.display());
    let pair = match files.read() {
        Ok(pair) => pair,
        Err(error) => return findings.failure(CHECK, postern_gateway::chain(&error), mend),
    };
    let (certificate, now) = (pair.certificate, Clock::system().now());
    let is_good = certificate.covers(host) && (certificate.not_before..certificate.not_after).contains(&now);
    match certificate.worry(host, now) {
        None => findings.ok(CHECK, format!("for {host}, until {}", certificate.not_after)),
        Some(worry) if is_good => findings.warning(CHECK, worry, mend),
        Some(worry) => findings.failure(CHECK, worry, mend),
    }
}

fn obtained(daemon: &Daemon, findings: &mut Findings) {
    let Daemon::Runs(status) = daemon else {
        return findings.unseen(CHECK, "the daemon obtains it, and has to run for that".to_owned());
    };
    let text = |key: &str| status.pointer(&format!("/https/{key}")).and_then(Value::as_str);
    let mend = "let port 80 or 443 of the public name lead here; postern status".to_owned();
    match (text("not_after"), text("failure")) {
        (Some(until), None) => findings.ok(CHECK, format!("obtained, good until {until}")),
        (Some(until), Some(failure)) => {
            findings.warning(CHECK, format!("good until {until}, but {failure}"), mend);
        }
        (None, Some(failure)) => findings.failure(CHECK, failure.to_owned(), mend),
        (None, None) => findings.warning(CHECK, "there is none yet: it is being asked for".to_owned(), mend),
    }
}
