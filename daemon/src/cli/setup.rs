//! `postern setup`: from a fresh package to a gateway that runs, with at most four questions. It writes the
//! configuration files and has the service follow; everything else is the daemon's.

mod answers;
mod design;
mod files;
mod found;
mod service;
mod terminal;

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use postern_gateway::chain;
use serde_json::{Value, json};

use super::doctor::{self, Findings};
use super::text::text;
use super::{Cli, Failure};
use crate::app;
use crate::config::edit::LocationKeys;
use crate::config::settings::{self, DOCUMENTED, text_at};
use crate::config::{ConfigErrors, Draft, Loaded, host_of, load_drafts};
use crate::durable::Changed;
use crate::location_files;
use crate::reload::{Change, ReloadError};
use crate::taken::Taken;
use answers::Answers;
use files::ServiceUser;
use found::Found;
use service::Outcome;
use terminal::Terminal;

/// What the package's service reads.
const SERVICE_CONFIG: &str = "/etc/postern/postern.toml";

#[derive(Args)]
pub(super) struct SetupArgs {
    /// A TOML file of answers: the options below by name, with underscores; the mail server's
    /// password, as `mail_password`, too.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Ask nothing: take what is given, what is configured and what is found on the host.
    #[arg(long)]
    yes: bool,
    /// As JSON; asks nothing.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    given: Answers,
}

/// What is there before.
struct Present {
    path: PathBuf,
    text: String,
    locations: Vec<String>,
}

/// What was written.
struct Written {
    files: Vec<PathBuf>,
    loaded: Loaded,
    url: String,
}

impl SetupArgs {
    pub(super) fn perform(
        &self,
        cli: &Cli,
        out: &mut impl Write,
        errors: &mut impl Write,
    ) -> Result<(), Failure> {
        if !nix::unistd::geteuid().is_root() {
            let why =
                "setup writes the configuration and starts the service: run it as root (sudo postern setup)";
            return Err(Failure::Refused(why.to_owned()));
        }
        let present = Present::read(&cli.config)?;
        let answers = self.complete(&present)?;
        let written = present.change(&answers, &Found::on_this_host())?;
        for warning in &written.loaded.warnings {
            writeln!(errors, "postern: warning: {warning}")?;
        }
        if !self.json {
            written.tell(out)?;
        }
        let outcome = service::follow(cli)?;
        let runs = !matches!(outcome, Outcome::Skipped(_)) || service::is_there(cli);
        let link = if runs { service::first_link(cli)? } else { None };
        if self.json {
            writeln!(out, "{}", written.json(&outcome, link.as_ref(), &doctor::examine(cli)))?;
            return Ok(());
        }
        tell_service(&outcome, out)?;
        writeln!(out)?;
        doctor::tell(&doctor::examine(cli), out)?;
        tell_next(link.as_ref(), &written.url, out)?;
        Ok(())
    }

    /// Options, then the file's, then what is said on the terminal.
    fn complete(&self, present: &Present) -> Result<Answers, Failure> {
        let file = self.answers.as_deref().map(Answers::read).transpose().map_err(Failure::Refused)?;
        let mut answers = self.given.clone().or(&file.unwrap_or_default());
        if self.yes || self.json || self.answers.is_some() {
            return Ok(answers);
        }
        if !io::stdin().is_terminal() {
            let why = "there is no terminal to ask on: give --yes and what is not to be found on this host, or --answers FILE";
            return Err(Failure::Refused(why.to_owned()));
        }
        let mut terminal = Terminal { input: &mut io::stdin().lock(), output: &mut io::stderr() };
        let asked =
            terminal.complete(&mut answers, &present.text, &Found::on_this_host(), &present.locations);
        asked.map_err(|error| Failure::Refused(format!("{error}: nothing was changed")))?;
        Ok(answers)
    }
}

impl Present {
    fn read(config: &Path) -> Result<Self, Failure> {
        let cannot = |error| Failure::Refused(format!("cannot find {}: {error}", config.display()));
        let path = std::path::absolute(config).map_err(cannot)?;
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => DOCUMENTED.to_owned(),
            Err(error) => return Err(Failure::Refused(format!("cannot read {}: {error}", path.display()))),
        };
        // Names only: whether the files are well is judged with what is going to be.
        let dir = text_at(&text, "", "locations_dir").or_else(|| text_at(DOCUMENTED, "", "locations_dir"));
        let dir = path.parent().unwrap_or(Path::new("/")).join(dir.unwrap_or_default());
        let entries =
            std::fs::read_dir(dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
        let name = |path: PathBuf| text_at(&std::fs::read_to_string(path).ok()?, "", "name");
        let locations = files.filter_map(name).collect();
        Ok(Self { path, text, locations })
    }

    /// Judges everything, then writes it.
    fn change(&self, answers: &Answers, found: &Found) -> Result<Written, Failure> {
        let secret_path = self.path.with_file_name("smtp-password");
        let settings = design::settings(answers, &self.text, found, &secret_path.to_string_lossy());
        let text = settings::set(&self.text, &settings.map_err(Failure::Refused)?);
        let text = text.map_err(|error| refused(&error))?;
        let url = text_at(&text, "", "public_url").unwrap_or_default();
        let user = if self.path == Path::new(SERVICE_CONFIG) {
            ServiceUser::of_the_package()
        } else {
            ServiceUser::none()
        };
        // The check reads the password; whatever fails after this takes it back.
        let password = answers.password().map_err(Failure::Refused)?;
        let secret =
            password.map(|password| user.write_secret(&secret_path, &format!("{}\n", password.as_str())));
        let secret = secret.transpose().map_err(Failure::Refused)?;
        let main = Draft { file: self.path.clone(), text: Some(text) };
        let mut drafts = vec![main];
        let loaded = load_drafts(&self.path, &drafts).map_err(|errors| invalid(&errors))?;
        drafts.extend(location(answers, &loaded, &url)?);
        let loaded = load_drafts(&self.path, &drafts).and_then(Loaded::with_https);
        let loaded = loaded.map_err(|errors| invalid(&errors))?;
        drafts.retain(|draft| draft.text != std::fs::read_to_string(&draft.file).ok());
        let changed = user.write(&self.path, &drafts).map_err(Failure::Refused)?;
        let mut files: Vec<PathBuf> = drafts.into_iter().map(|draft| draft.file).collect();
        files.extend(secret.is_some().then_some(secret_path));
        changed.into_iter().chain(secret).for_each(Changed::keep);
        Ok(Written { files, loaded, url })
    }
}

impl Written {
    fn tell(&self, out: &mut impl Write) -> io::Result<()> {
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

    fn json(&self, outcome: &Outcome, link: Option<&Value>, findings: &Findings) -> Value {
        let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        let (service, skipped) = match outcome {
            Outcome::Reloaded => ("reloaded", None),
            Outcome::Restarted => ("restarted", None),
            Outcome::Started => ("started", None),
            Outcome::Skipped(why) => ("skipped", Some(why)),
        };
        json!({ "files": files, "public_url": self.url, "service": service, "skipped": skipped, "first_administrator": link, "findings": findings.all() })
    }
}

/// The file of the location that is made or changed.
fn location(answers: &Answers, loaded: &Loaded, url: &str) -> Result<Option<Draft>, Failure> {
    let Some(keys) = design::location(answers, url, !loaded.files.is_empty()) else { return Ok(None) };
    let name = keys.name.clone().unwrap_or_default();
    let is_there = loaded.files.keys().any(|known| known.eq_ignore_ascii_case(&name));
    let without = BTreeSet::new();
    let random = app::random().first_chunk().copied().map_or(0, u64::from_ne_bytes);
    let change = if !is_there {
        location_files::add(loaded, keys, &without, Taken::on_this_host(), random)
    } else if answers.location_keys() == LocationKeys::default() {
        Ok(Change::Nothing)
    } else {
        location_files::edit(loaded, &name, answers.location_keys(), &without)
    };
    match change.map_err(|error: ReloadError| refused(&error))? {
        Change::File(draft) => Ok(Some(draft)),
        Change::Nothing | Change::Key(_) | Change::Import(_) => Ok(None),
    }
}

fn tell_service(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    match outcome {
        Outcome::Reloaded => writeln!(out, "service        has read the files; no tunnel was interrupted"),
        Outcome::Restarted => writeln!(out, "service        was restarted"),
        Outcome::Started => writeln!(out, "service        runs, and starts with the host"),
        Outcome::Skipped(why) => writeln!(out, "service        left alone: {why}"),
    }
}

fn tell_next(link: Option<&Value>, url: &str, out: &mut impl Write) -> io::Result<()> {
    if let Some(link) = link {
        writeln!(out, "\nEnroll yourself first, as {}:", text(link, "username"))?;
        writeln!(out, "  link     {}", text(link, "enrollment_url"))?;
        writeln!(out, "or in the Defguard desktop client, Add instance:")?;
        writeln!(out, "  URL      {url}\n  token    {}", text(link, "token"))?;
    }
    writeln!(out, "\nType next:\n  postern status")?;
    let endpoint = host_of(url);
    for file in found::wg_quick_files(Path::new("/etc/wireguard")) {
        writeln!(out, "  postern import wg-quick --endpoint {endpoint} {}", file.display())?;
    }
    writeln!(out, "  postern user invite ann --first-name Ann --last-name Example --email ann@example.com")
}

fn refused(error: &(impl std::error::Error + 'static)) -> Failure {
    Failure::Refused(format!("{}; nothing was changed", chain(error)))
}

fn invalid(errors: &ConfigErrors) -> Failure {
    let problems: Vec<String> = errors.0.iter().map(|problem| format!("\n  {problem}")).collect();
    Failure::Refused(format!(
        "that would be no valid configuration, and nothing was changed:{}",
        problems.concat()
    ))
}
