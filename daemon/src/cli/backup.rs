//! `postern backup`: has the daemon put a backup together, encrypts it, and writes it down whole or not at all. Where no
//! daemon runs, root puts it together here.

mod output;
mod scheduled;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use hyper::Method;
use postern_gateway::chain;
use serde_json::{Value, json};

use super::client::{AskError, FetchError, fetch};
use super::reload::Form;
use super::text::{items, text};
use super::{Cli, Failure, passphrase};
use crate::app::{Clock, StateDir};
use crate::backup::{self, KeyFiles, SUMMARY};
use crate::config::{self, Backups};
use crate::envelope::{self, Lock};
use output::Output;

#[derive(Args)]
pub(super) struct BackupArgs {
    /// The file to write; it must not be there yet.
    #[arg(value_name = "FILE", required_unless_present = "scheduled")]
    file: Option<PathBuf>,
    /// For whom to encrypt: a public key of age, age1...; may be given several times. Otherwise those of the
    /// configuration ([backup] recipients), or if there are none, under a passphrase that is asked for.
    #[arg(long, value_name = "KEY", conflicts_with = "passphrase_file")]
    recipient: Vec<String>,
    /// Encrypt under the passphrase in this file.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Leave private keys and passwords out. What is restored from it has other keys: every client needs a new
    /// configuration then.
    #[arg(long)]
    without_keys: bool,
    /// Overwrite the file.
    #[arg(long)]
    force: bool,
    /// As the timer does: for the configured recipients, into the configured folder; then remove the oldest.
    #[arg(long, conflicts_with_all = ["file", "recipient", "passphrase_file", "without_keys", "force"])]
    scheduled: bool,
    #[command(flatten)]
    form: Form,
}

impl BackupArgs {
    pub(super) fn perform(
        &self,
        cli: &Cli,
        out: &mut impl Write,
        errors: &mut impl Write,
    ) -> Result<(), Failure> {
        let answer = match &self.file {
            Some(file) => self.write(cli, file, errors)?,
            None => scheduled::perform(cli, errors)?,
        };
        for file in items(&answer, "left_out").iter().filter_map(Value::as_str) {
            writeln!(errors, "postern: warning: not in the backup: {file}")?;
        }
        Ok(self.form.tell(&answer, out, |out| tell(&answer, out))?)
    }

    fn write(&self, cli: &Cli, file: &Path, errors: &mut impl Write) -> Result<Value, Failure> {
        if file.exists() && !self.force {
            let why = format!("{} is there already: give --force to overwrite it", file.display());
            return Err(Failure::Refused(why));
        }
        let lock = self.lock(cli)?;
        let keys = if self.without_keys { KeyFiles::Without } else { KeyFiles::With };
        write(file, &lock, errors, |out| match from_daemon(cli, keys, out) {
            Err(Failure::Ask(error @ AskError::Unreachable { .. })) => without_daemon(cli, keys, error, out),
            other => other,
        })
    }

    fn lock(&self, cli: &Cli) -> Result<Lock, Failure> {
        if let Some(path) = &self.passphrase_file {
            let passphrase = passphrase::of_file(path)?;
            passphrase::long_enough(&passphrase)?;
            return Ok(Lock::Under(passphrase));
        }
        let configured = || configured(cli).map(|backups| backups.recipients);
        let recipients = if self.recipient.is_empty() { configured()? } else { self.recipient.clone() };
        if recipients.is_empty() { passphrase::chosen().map(Lock::Under) } else { for_all(&recipients) }
    }
}

fn configured(cli: &Cli) -> Result<Backups, Failure> {
    config::backups(&cli.config).map_err(|errors| Failure::Refused(errors.to_string()))
}

fn for_all(recipients: &[String]) -> Result<Lock, Failure> {
    let keys = recipients.iter().map(|text| envelope::recipient(text));
    keys.collect::<Result<_, _>>().map(Lock::For).map_err(Failure::Refused)
}

/// Writes an encrypted file; `fill` writes what is in it and says what that is.
fn write<E: Write>(
    path: &Path,
    lock: &Lock,
    errors: &mut E,
    fill: impl FnOnce(&mut Output<'_, E>) -> Result<Value, Failure>,
) -> Result<Value, Failure> {
    let cannot =
        |error: io::Error| Failure::Refused(format!("cannot write {}: {}", path.display(), chain(&error)));
    let mut output = Output::beside(path, lock, errors).map_err(cannot)?;
    let mut answer = fill(&mut output)?;
    let bytes = output.place(path).map_err(cannot)?;
    if let Value::Object(fields) = &mut answer {
        fields.insert("file".to_owned(), json!(path));
        fields.insert("bytes".to_owned(), json!(bytes));
    }
    Ok(answer)
}

/// Has the daemon write the archive into `out`; what it says of it.
fn from_daemon(cli: &Cli, keys: KeyFiles, out: &mut impl Write) -> Result<Value, Failure> {
    let body = json!({ "with_keys": keys == KeyFiles::With });
    let taking = |piece: &[u8]| out.write_all(piece);
    match fetch(&cli.socket()?, (Method::POST, "/backup"), &body, taking) {
        Ok(headers) => {
            let told = headers.get(SUMMARY).and_then(|told| serde_json::from_slice(told.as_bytes()).ok());
            told.ok_or_else(|| Failure::Refused("the daemon did not say what is in the backup".to_owned()))
        }
        Err(FetchError::Ask(error)) => Err(error.into()),
        Err(FetchError::Taking(error)) => Err(Failure::Refused(format!("cannot write the backup: {error}"))),
    }
}

/// Puts the archive together here, if nobody holds the state folder; `unreachable` says why the daemon did not.
fn without_daemon(
    cli: &Cli,
    keys: KeyFiles,
    unreachable: AskError,
    out: &mut Output<'_, impl Write>,
) -> Result<Value, Failure> {
    let Ok(parts) = config::parts(&cli.config) else { return Err(unreachable.into()) };
    // What the daemon sent before it went away is no beginning of another archive.
    if !out.is_empty() || !parts.state_dir.join(backup::DATABASE).exists() {
        return Err(unreachable.into());
    }
    let Ok(held) = StateDir::hold(&parts.state_dir) else { return Err(unreachable.into()) };
    let _acting = held.as_owner()?;
    let taken = backup::take(&cli.config, &parts.state_dir, keys, Clock::system().now());
    let taken = taken.map_err(|error| Failure::Refused(chain(&error)))?;
    let answer = taken.manifest.summary();
    taken.write(out).map_err(|error| Failure::Refused(format!("cannot write the backup: {error}")))?;
    Ok(answer)
}

fn tell(answer: &Value, out: &mut impl Write) -> io::Result<()> {
    let keys = if answer.get("with_keys") == Some(&Value::Bool(true)) { "with" } else { "without" };
    let bytes = answer.get("bytes").and_then(Value::as_u64).unwrap_or_default();
    let (file, at) = (text(answer, "file"), text(answer, "taken_at"));
    writeln!(out, "{file}: everything up to {at}, {keys} keys, {}", output::size(bytes))?;
    for removed in items(answer, "removed").iter().filter_map(Value::as_str) {
        writeln!(out, "removed {removed}")?;
    }
    Ok(())
}
