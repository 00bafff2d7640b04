//! A server of `wg-quick` as the first location: its file is judged before anything is written; once the daemon runs,
//! `postern import wg-quick` does the rest, as if it had been typed.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use serde_json::Value;

use super::answers::Answers;
use crate::cli::client::AskError;
use crate::cli::wg_quick::{NOT_YET, Server, aside};
use crate::cli::{Cli, Failure};
use crate::config::edit::LocationKeys;
use crate::config::{DEFAULT_FILE, host_of};

/// A file that can be read, and what is wished of it.
pub(super) struct TakeOver {
    /// The location to be.
    pub(super) name: String,
    file: PathBuf,
    options: Vec<String>,
}

/// One that was taken over.
pub(super) struct TakenOver {
    /// The location.
    pub(super) name: String,
    /// What the daemon said, where a program asked.
    pub(super) answer: Value,
    /// Whether the gateway follows already.
    pub(super) is_in_force: bool,
}

impl TakenOver {
    /// What is not in force yet is taken over all the same.
    pub(super) fn of(name: &str, answer: Value, done: Result<(), Failure>) -> Result<Self, Failure> {
        let is_in_force = match done {
            Ok(()) => true,
            Err(Failure::NotInForce) => false,
            Err(failure) => return Err(failure),
        };
        Ok(Self { name: name.to_owned(), answer, is_in_force })
    }
}

impl TakeOver {
    /// `None`: nobody wishes it, or it was done before.
    pub(super) fn judged(answers: &Answers, url: &str) -> Result<Option<Self>, Failure> {
        let Some(file) = answers.wg_quick.as_deref().filter(|file| !is_done(file)) else { return Ok(None) };
        let said = answers.location_keys();
        if (LocationKeys { endpoint: None, routes: None, ..said }) != LocationKeys::default() {
            let why = "interface, port, subnets and resolvers of a server of wg-quick are those of its file: leave them out, or \
                       change them afterwards with postern location edit";
            return Err(Failure::Refused(why.to_owned()));
        }
        let server = Server::judged(file)?;
        let endpoint = answers.endpoint.clone().unwrap_or_else(|| host_of(url).to_owned());
        let mut options = vec!["--endpoint".to_owned(), endpoint];
        options.extend(answers.location.iter().flat_map(|name| ["--name".to_owned(), name.clone()]));
        let routes = answers.routes.iter().flatten();
        options.extend(routes.flat_map(|route| ["--route".to_owned(), route.clone()]));
        let name = answers.location.clone().unwrap_or(server.interface);
        Ok(Some(Self { name, file: file.to_owned(), options }))
    }

    /// Shows what will be, and what will not be as it was.
    pub(super) fn show(
        &self,
        cli: &Cli,
        out: &mut impl Write,
        errors: &mut impl Write,
    ) -> Result<(), Failure> {
        let mut told = Vec::new();
        self.import(cli, &[], &mut told, errors)?;
        // They are asked next.
        Ok(write!(out, "{}", String::from_utf8_lossy(&told).replace(NOT_YET, ""))?)
    }

    /// Does it, and shows what came of it.
    pub(super) fn perform(
        &self,
        cli: &Cli,
        out: &mut impl Write,
        errors: &mut impl Write,
    ) -> Result<(), Failure> {
        self.import(cli, &["--yes"], out, errors)
    }

    /// Does it; what the daemon says of it, and whether it is in force.
    pub(super) fn perform_for_programs(
        &self,
        cli: &Cli,
        errors: &mut impl Write,
    ) -> (Value, Result<(), Failure>) {
        let mut told = Vec::new();
        let done = self.import(cli, &["--yes", "--json"], &mut told, errors);
        let told: Value = serde_json::from_slice(&told).unwrap_or_default();
        (told.get(0).cloned().unwrap_or_default(), done)
    }

    /// What is typed to do it later.
    pub(super) fn command(&self, cli: &Cli) -> String {
        let words = self.words(cli, &["--yes"]);
        words.iter().map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
    }

    fn words(&self, cli: &Cli, more: &[&str]) -> Vec<OsString> {
        let mut words: Vec<OsString> = ["postern", "import", "wg-quick"].map(Into::into).into();
        if cli.config != Path::new(DEFAULT_FILE) {
            words.extend(["--config".into(), cli.config.clone().into_os_string()]);
        }
        let socket = cli.socket.iter();
        words.extend(socket.flat_map(|socket| ["--socket".into(), socket.clone().into_os_string()]));
        words.extend(self.options.iter().map(Into::into));
        words.extend(more.iter().map(Into::into));
        words.push(self.file.clone().into_os_string());
        words
    }

    fn import(
        &self,
        cli: &Cli,
        more: &[&str],
        out: &mut impl Write,
        errors: &mut impl Write,
    ) -> Result<(), Failure> {
        let typed = self.words(cli, more);
        let import = Cli::try_parse_from(typed).map_err(|error| Failure::Refused(error.to_string()))?;
        let mut done = import.perform(out, errors);
        if let Err(Failure::Ask(AskError::Refused { hint, .. })) = &mut done {
            let command = self.command(cli);
            *hint = Some(format!("the gateway runs without it; once this is mended: {command}"));
        }
        done
    }
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@,+=%".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// A file of answers may be used again.
fn is_done(file: &Path) -> bool {
    !file.exists() && aside(file, 1).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_to_type_can_be_typed() {
        let options = ["--endpoint", "[2001:db8::1]", "--name", "Ann's"].map(str::to_owned).into();
        let server = TakeOver { name: String::new(), file: "/etc/wireguard/wg0.conf".into(), options };
        let command = |words: &[&str]| server.command(&Cli::try_parse_from(words).unwrap());
        let end = "--endpoint '[2001:db8::1]' --name 'Ann'\\''s' --yes /etc/wireguard/wg0.conf";
        assert_eq!(command(&["postern", "setup"]), format!("postern import wg-quick {end}"));
        assert_eq!(
            command(&["postern", "--config", "/my files/p.toml", "--socket", "/run/p", "setup"]),
            format!("postern import wg-quick --config '/my files/p.toml' --socket /run/p {end}")
        );
    }
}
