//! What setup did, told to people and to programs.

use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::service::Outcome;
use super::take_over::TakeOver;
use crate::cli::doctor::Findings;
use crate::cli::text::{items, joined, text};
use crate::config::{Loaded, host_of};

/// What was written.
pub(super) struct Written {
    pub(super) files: Vec<PathBuf>,
    pub(super) loaded: Loaded,
    pub(super) url: String,
    /// What the daemon takes over once it runs.
    pub(super) take_over: Option<TakeOver>,
}

impl Written {
    pub(super) fn tell(&self, out: &mut impl Write) -> io::Result<()> {
        if self.files.is_empty() {
            writeln!(out, "configuration  nothing to change")?;
        }
        for file in &self.files {
            writeln!(out, "written        {}", file.display())?;
        }
        for (name, location) in &self.loaded.config.locations {
            let subnets = location.ipv4.iter().map(ToString::to_string);
            let subnets: Vec<String> = subnets.chain(location.ipv6.iter().map(ToString::to_string)).collect();
            let (interface, port) = (location.interface.as_str(), location.listen_port.get());
            writeln!(out, "location       {name}: {interface}, UDP {port}, {}", subnets.join(", "))?;
        }
        Ok(())
    }

    pub(super) fn json(
        &self,
        outcome: &Outcome,
        taken: Option<&Value>,
        link: Option<&Value>,
        findings: &Findings,
    ) -> Value {
        let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        let (service, skipped) = match outcome {
            Outcome::Reloaded(_) => ("reloaded", None),
            Outcome::Restarted(_) => ("restarted", None),
            Outcome::Started => ("started", None),
            Outcome::Skipped(why) => ("skipped", Some(why)),
            Outcome::Waiting(why) => ("not_started", Some(why)),
        };
        json!({
            "files": files,
            "public_url": self.url,
            "service": service,
            "skipped": skipped,
            "reload": outcome.answer(),
            "taken_over": taken,
            "first_administrator": link,
            "findings": findings.all(),
        })
    }
}

pub(super) fn tell_service(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    match outcome {
        Outcome::Reloaded(answer) if items(answer, "cut_off").is_empty() => {
            writeln!(out, "service        has read the files; no tunnel was interrupted")
        }
        Outcome::Reloaded(answer) => {
            writeln!(out, "service        has read the files; clients cut off: {}", joined(answer, "cut_off"))
        }
        Outcome::Restarted(_) => writeln!(out, "service        was restarted"),
        Outcome::Started => writeln!(out, "service        runs, and starts with the host"),
        Outcome::Skipped(why) => writeln!(out, "service        left alone: {why}"),
        Outcome::Waiting(why) => writeln!(out, "service        not started: {why}"),
    }
}

pub(super) fn tell_next(
    link: Option<&Value>,
    url: &str,
    taken: Option<&str>,
    servers: &[PathBuf],
    out: &mut impl Write,
) -> io::Result<()> {
    if let Some(link) = link {
        writeln!(out, "\nEnroll yourself first, as {}:", text(link, "username"))?;
        writeln!(out, "  link     {}", text(link, "enrollment_url"))?;
        writeln!(out, "or in the Defguard desktop client, Add instance:")?;
        writeln!(out, "  URL      {url}\n  token    {}", text(link, "token"))?;
    }
    writeln!(out, "\nType next:\n  postern status")?;
    if let Some(name) = taken {
        // Nobody but the machines in the file is on it.
        writeln!(out, "  postern location edit {name} --everybody   # lets invited people join it")?;
    }
    let endpoint = host_of(url);
    // One that was taken over is called otherwise now.
    for file in servers.iter().filter(|file| file.exists()) {
        writeln!(out, "  postern import wg-quick --endpoint {endpoint} {}", file.display())?;
    }
    writeln!(out, "  postern user invite ann --first-name Ann --last-name Example --email ann@example.com")
}
