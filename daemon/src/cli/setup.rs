//! `postern setup`: from a fresh package to a gateway that runs, with at most four questions. It writes the
//! configuration files and has the service follow; everything else is the daemon's.

mod answers;
mod design;
mod files;
mod found;
mod service;
mod take_over;
mod terminal;
mod written;

use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use postern_gateway::chain;
use serde_json::Value;

use super::doctor::{self, Findings};
use super::reload::warn;
use super::service_user::ServiceUser;
use super::signals::HeldBack;
use super::{Cli, Failure};
use crate::app;
use crate::config::edit::LocationKeys;
use crate::config::settings::{self, DOCUMENTED, text_at};
use crate::config::{ConfigErrors, Draft, Loaded, load_drafts};
use crate::durable::Changed;
use crate::location_files;
use crate::reload::{Change, ReloadError};
use crate::taken::Taken;
use answers::Answers;
use found::Found;
use service::Outcome;
use take_over::{TakeOver, TakenOver};
use terminal::Terminal;
use written::{Written, tell_next, tell_service};

#[derive(Args)]
pub(super) struct SetupArgs {
    /// A TOML file of answers: the options below by name, with underscores; the mail server's
    /// password, as `mail_password`, too.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Ask nothing: take what is given, what is configured and what is found on the host.
    #[arg(long)]
    yes: bool,
    /// Start the service even where this host loses its own IPv6 default route by that; otherwise it is asked, and with
    /// --yes the service is not started.
    #[arg(long)]
    accept_ipv6_route_loss: bool,
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
        let found = Found::on_this_host();
        for refused in &found.refused {
            writeln!(errors, "postern: warning: {refused}")?;
        }
        let answers = self.complete(&present, &found)?;
        let written = present.change(&answers, &found)?;
        for warning in &written.loaded.warnings {
            writeln!(errors, "postern: warning: {warning}")?;
        }
        if !self.json {
            written.tell(out)?;
        }
        self.start(cli, &found, &written, out, errors)
    }

    /// Has the service follow what was written, and tells what came of it.
    fn start(
        &self,
        cli: &Cli,
        found: &Found,
        written: &Written,
        out: &mut impl Write,
        errors: &mut impl Write,
    ) -> Result<(), Failure> {
        let (outcome, mut in_force) = self.follow(cli, errors)?;
        let runs = !matches!(outcome, Outcome::Skipped(_) | Outcome::Waiting(_)) || service::is_there(cli);
        if !self.json {
            tell_service(&outcome, out)?;
        }
        let wished = written.take_over.as_ref();
        let taken = wished.map(|server| self.take_over(cli, server, runs, (out, errors)));
        // Told at the end: what was written, and runs, is to be known in any case.
        let taken = taken.transpose().unwrap_or_else(|failure| {
            in_force = Err(failure);
            None
        });
        let taken = taken.flatten();
        if taken.as_ref().is_some_and(|taken| !taken.is_in_force) {
            in_force = Err(Failure::NotInForce);
        }
        let link = if runs { service::first_link(cli) } else { Ok(None) };
        let link = link.unwrap_or_else(|failure| {
            in_force = Err(failure);
            None
        });
        let findings = doctor::examine(cli);
        if self.json {
            writeln!(
                out,
                "{}",
                written.json(&outcome, taken.as_ref().map(|taken| &taken.answer), link.as_ref(), &findings)
            )?;
            return in_force;
        }
        writeln!(out)?;
        doctor::tell(&findings, out)?;
        let taken = taken.as_ref().map(|taken| taken.name.as_str());
        tell_next(link.as_ref(), &written.url, taken, &found.wg_quick, out)?;
        in_force
    }

    /// Has the service follow, if it may; what came of it, and whether that is in force.
    fn follow(&self, cli: &Cli, errors: &mut impl Write) -> Result<(Outcome, Result<(), Failure>), Failure> {
        if let Some(why) = self.objection(cli, errors)? {
            return Ok((Outcome::Waiting(why), Err(Failure::NotInForce)));
        }
        let outcome = service::follow(cli)?;
        let in_force = outcome.answer().map_or(Ok(()), |answer| warn(answer, errors));
        Ok((outcome, in_force))
    }

    /// Why the service is not to be started now: its start would cost this host its own IPv6, and nobody said that it may.
    fn objection(&self, cli: &Cli, errors: &mut impl Write) -> Result<Option<String>, Failure> {
        // Afterwards nobody may come in any more to read it.
        let mut lost = Findings::default();
        doctor::uplink(&mut lost);
        doctor::tell(&lost, errors)?;
        let Some(command) = service::to_start(cli).filter(|_| !lost.all().is_empty()) else {
            return Ok(None);
        };
        if self.consents(&mut Terminal { input: &mut io::stdin().lock(), output: &mut io::stderr() })? {
            return Ok(None);
        }
        Ok(Some(format!(
            "this host would lose its IPv6 default route; do what stands above, then: {command} (or run setup again, with \
             --accept-ipv6-route-loss if it may)"
        )))
    }

    /// Whether the host may lose its IPv6 default route: where nobody said so, whoever sits there is asked.
    fn consents<R: BufRead, W: Write>(&self, terminal: &mut Terminal<'_, R, W>) -> io::Result<bool> {
        if self.accept_ipv6_route_loss || self.is_silent() {
            return Ok(self.accept_ipv6_route_loss);
        }
        terminal.confirm("Start the service all the same, and lose that route?", "no")
    }

    /// On a terminal it is shown what will be, and asked once more. `None`: not yet; otherwise what the daemon said to
    /// programs.
    fn take_over(
        &self,
        cli: &Cli,
        server: &TakeOver,
        runs: bool,
        (out, errors): (&mut impl Write, &mut impl Write),
    ) -> Result<Option<TakenOver>, Failure> {
        if !runs {
            writeln!(errors, "postern: warning: once the daemon runs: {}", server.command(cli))?;
            return Ok(None);
        }
        if self.json {
            let (answer, done) = server.perform_for_programs(cli, errors);
            return TakenOver::of(&server.name, answer, done).map(Some);
        }
        if self.is_silent() {
            return TakenOver::of(&server.name, Value::Null, server.perform(cli, out, errors)).map(Some);
        }
        server.show(cli, out, errors)?;
        let mut terminal = Terminal { input: &mut io::stdin().lock(), output: &mut io::stderr() };
        if !terminal.confirm("Take it over now, while its tunnels are up?", "yes")? {
            writeln!(out, "location       none yet; later: {}", server.command(cli))?;
            return Ok(None);
        }
        let done = server.perform(cli, &mut io::sink(), errors);
        let taken = TakenOver::of(&server.name, Value::Null, done)?;
        writeln!(out, "location       {}: taken over from wg-quick", server.name)?;
        Ok(Some(taken))
    }

    /// Nothing is asked.
    fn is_silent(&self) -> bool {
        self.yes || self.json || self.answers.is_some()
    }

    /// Options, then the file's, then what is said on the terminal.
    fn complete(&self, present: &Present, found: &Found) -> Result<Answers, Failure> {
        let file = self.answers.as_deref().map(Answers::read).transpose().map_err(Failure::Refused)?;
        let mut answers = self.given.clone().or(&file.unwrap_or_default());
        if self.is_silent() {
            return Ok(answers.absolute());
        }
        if !io::stdin().is_terminal() {
            let why = "there is no terminal to ask on: give --yes and what is not to be found on this host, or --answers FILE";
            return Err(Failure::Refused(why.to_owned()));
        }
        let mut terminal = Terminal { input: &mut io::stdin().lock(), output: &mut io::stderr() };
        let asked = terminal.complete(&mut answers, &present.text, found, &present.locations);
        asked.map_err(|error| Failure::Refused(format!("{error}: nothing was changed")))?;
        Ok(answers.absolute())
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
        let take_over = TakeOver::judged(answers, &url)?;
        let user = ServiceUser::of(&self.path);
        // Whoever ends this does so before it, or after what was written was tried.
        let _held_back = HeldBack::begin()?;
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
        // Tried with the files in place; what is dropped is undone.
        if let Some(objection) = user.objection(&self.path, &loaded.config) {
            let why = format!("{}; nothing was changed\n  mend: {}", objection.says, objection.mend);
            return Err(Failure::Refused(why));
        }
        let mut files: Vec<PathBuf> = drafts.into_iter().map(|draft| draft.file).collect();
        files.extend(secret.is_some().then_some(secret_path));
        changed.into_iter().chain(secret).for_each(Changed::keep);
        Ok(Written { files, loaded, url, take_over })
    }
}

/// The file of the location that is made or changed.
fn location(answers: &Answers, loaded: &Loaded, url: &str) -> Result<Option<Draft>, Failure> {
    let keys = design::location(answers, url, !loaded.files.is_empty()).map_err(Failure::Refused)?;
    let Some(keys) = keys else { return Ok(None) };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whoever_says_so_has_the_host_lose_its_route() {
        let consents = |yes, accept_ipv6_route_loss, said: &str| {
            let given = Answers::default();
            let setup = SetupArgs { answers: None, yes, accept_ipv6_route_loss, json: false, given };
            let mut asked = Vec::new();
            let mut terminal = Terminal { input: &mut said.as_bytes(), output: &mut asked };
            let consents = setup.consents(&mut terminal).unwrap();
            (consents, !asked.is_empty())
        };
        assert_eq!(consents(false, false, "\n"), (false, true), "by default not");
        assert_eq!(consents(false, false, "yes\n"), (true, true));
        assert_eq!(consents(true, false, ""), (false, false));
        assert_eq!(consents(true, true, ""), (true, false));
        assert_eq!(consents(false, true, ""), (true, false));
    }
}
