//! A server of `wg-quick` as the first location: its file is judged before anything is written; once the daemon runs,
//! `postern import wg-quick` does the rest, as if it had been typed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use serde_json::Value;
use zeroize::Zeroizing;

use super::answers::Answers;
use crate::cli::client::AskError;
use crate::cli::{Cli, Failure};
use crate::config::edit::LocationKeys;
use crate::config::host_of;
use crate::rules::wg_quick::parse;

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
        let shown = file.display();
        let text = fs::read_to_string(file).map(Zeroizing::new);
        let text = text.map_err(|error| Failure::Refused(format!("cannot read {shown}: {error}")))?;
        parse(&text).map_err(|error| {
            let problems = error.0.join("\n  ");
            Failure::Refused(format!("{shown} cannot be taken over, and nothing was changed:\n  {problems}"))
        })?;
        let endpoint = answers.endpoint.clone().unwrap_or_else(|| host_of(url).to_owned());
        let mut options = vec!["--endpoint".to_owned(), endpoint];
        options.extend(answers.location.iter().flat_map(|name| ["--name".to_owned(), name.clone()]));
        let routes = answers.routes.iter().flatten();
        options.extend(routes.flat_map(|route| ["--route".to_owned(), route.clone()]));
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = answers.location.clone().unwrap_or(stem);
        Ok(Some(Self { name, file: file.to_owned(), options }))
    }

    /// Shows what will be, and what will not be as it was.
    pub(super) fn show(
        &self,
        cli: &Cli,
        out: &mut impl Write,
        errors: &mut impl Write,
    ) -> Result<(), Failure> {
        self.import(cli, &[], out, errors)
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
    pub(super) fn command(&self) -> String {
        format!("postern import wg-quick {} --yes {}", self.options.join(" "), self.file.display())
    }

    fn import(
        &self,
        cli: &Cli,
        more: &[&str],
        out: &mut impl Write,
        errors: &mut impl Write,
    ) -> Result<(), Failure> {
        let mut typed = vec!["postern".into(), "--config".into(), cli.config.clone().into_os_string()];
        typed.extend(
            cli.socket.iter().flat_map(|socket| ["--socket".into(), socket.clone().into_os_string()]),
        );
        typed.extend(["import", "wg-quick"].map(Into::into));
        typed.extend(self.options.iter().map(Into::into));
        typed.extend(more.iter().map(Into::into));
        typed.push(self.file.clone().into_os_string());
        let import = Cli::try_parse_from(typed).map_err(|error| Failure::Refused(error.to_string()))?;
        let mut done = import.perform(out, errors);
        if let Err(Failure::Ask(AskError::Refused { hint, .. })) = &mut done {
            *hint = Some(format!("the gateway runs without it; once this is mended: {}", self.command()));
        }
        done
    }
}

/// A file of answers may be used again.
fn is_done(file: &Path) -> bool {
    let mut aside = file.as_os_str().to_owned();
    aside.push(".imported");
    !file.exists() && Path::new(&aside).exists()
}
