//! `postern restore`: proves a backup from its first byte to its last, then puts state folder and configuration in place,
//! or changes nothing.

mod files;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use postern_gateway::chain;
use serde_json::{Value, json};

use super::reload::Form;
use super::service_user::ServiceUser;
use super::signals::HeldBack;
use super::text::{items, text};
use super::{Cli, Failure, passphrase};
use crate::app::{Clock, LOCK, StateDir};
use crate::backup::{BackupError, ConfigFile, MOMENT, Manifest, Place, Staging, Unpacked, unpack};
use crate::config::{self, Parts, settings};
use crate::envelope::{Closed, Envelope, Key, identities};
use files::{Files, Owner};

#[derive(Args)]
pub(super) struct RestoreArgs {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The private key, as age-keygen wrote it, for a backup that was encrypted for keys.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    identity: Option<PathBuf>,
    /// The passphrase; otherwise it is asked for.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Restore database and keys, and keep this host's configuration.
    #[arg(long)]
    without_config: bool,
    /// Restore over what is there: it is moved aside, not removed.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    form: Form,
}

/// Where a backup goes.
struct Target {
    /// The configuration that is in force afterwards.
    parts: Parts,
    owner: Option<Owner>,
    now: Timestamp,
    /// Tells the names of what is moved aside from all others.
    stamp: String,
    /// Nobody else uses the state folder meanwhile.
    _held: Option<StateDir>,
}

impl RestoreArgs {
    pub(super) fn perform(
        &self,
        cli: &Cli,
        out: &mut impl Write,
        errors: &mut impl Write,
    ) -> Result<(), Failure> {
        if !nix::unistd::geteuid().is_root() {
            let why = "restore writes the state folder and the configuration: run it as root (sudo postern restore FILE)";
            return Err(Failure::Refused(why.to_owned()));
        }
        let main = std::path::absolute(&cli.config)?;
        let now = Clock::system().now();
        let mut target = None;
        let unpacked = unpack::<_, Failure>(self.opened()?, |manifest, config| {
            let (staging, found) = self.begin(&main, manifest, config, now)?;
            target = Some(found);
            Ok(staging)
        })?;
        let Some(target) = target else { return Err(BackupError::NoManifest.into()) };
        let held_back = HeldBack::begin()?;
        let answer = self.put_in_place(unpacked, &target)?;
        drop(held_back);
        for file in items(&answer, "left_out").iter().filter_map(Value::as_str) {
            writeln!(errors, "postern: warning: not in the backup, look after it yourself: {file}")?;
        }
        Ok(self.form.tell(&answer, out, |out| tell(&answer, &target, out))?)
    }

    /// What is in the file, decrypted.
    fn opened(&self) -> Result<impl io::Read, Failure> {
        let refused = |error: &dyn std::error::Error| {
            Failure::Refused(format!("{}: {}; nothing was changed", self.file.display(), chain(error)))
        };
        let file = File::open(&self.file).map_err(|error| refused(&error))?;
        let envelope = Envelope::read(file).map_err(|error| refused(&error))?;
        let key = self.key(envelope.closed())?;
        envelope.open(&key).map_err(|error| refused(&error))
    }

    fn key(&self, closed: Closed) -> Result<Key, Failure> {
        match (closed, &self.identity, &self.passphrase_file) {
            (Closed::ForRecipients, Some(path), _) => {
                let shown = path.display();
                let read = fs::read_to_string(path).map_err(|error| format!("cannot read {shown}: {error}"));
                let keys =
                    read.and_then(|text| identities(&text).map_err(|error| format!("{shown} {error}")));
                keys.map(Key::Identities).map_err(Failure::Refused)
            }
            (Closed::ForRecipients, None, _) => {
                let why = "the backup was encrypted for keys: give --identity FILE with the private one";
                Err(Failure::Refused(why.to_owned()))
            }
            (Closed::UnderPassphrase, _, Some(path)) => passphrase::of_file(path).map(Key::Passphrase),
            (Closed::UnderPassphrase, Some(_), None) => {
                let why =
                    "the backup was encrypted under a passphrase: give --passphrase-file FILE, or let it ask";
                Err(Failure::Refused(why.to_owned()))
            }
            (Closed::UnderPassphrase, None, None) => passphrase::known().map(Key::Passphrase),
        }
    }

    /// Judges where it goes before anything is written there.
    fn begin(
        &self,
        main: &Path,
        manifest: &Manifest,
        config: &[ConfigFile],
        now: Timestamp,
    ) -> Result<(Staging, Target), Failure> {
        let parts = if self.without_config {
            config::parts(main)
        } else {
            let text = config.iter().find(|file| file.place == Place::Main);
            let text = text.map_or(Ok(""), |file| std::str::from_utf8(&file.bytes));
            config::parts_of(text.map_err(|_| BackupError::NoManifest)?, main)
        };
        let parts = parts.map_err(|errors| Failure::Refused(format!("{errors}; nothing was changed")))?;
        let held = match fs::symlink_metadata(&parts.state_dir) {
            Ok(_) => Some(StateDir::hold(&parts.state_dir).map_err(|error| Failure::Refused(chain(&error)))?),
            Err(_) => None,
        };
        self.may_replace(&parts)?;
        if !self.without_config && !self.force {
            Files::of(&parts, config).are_free()?;
        }
        let stamp = now.strftime(MOMENT).to_string();
        if let Some(parent) = parts.state_dir.parent() {
            let made = fs::create_dir_all(parent);
            made.map_err(|error| Failure::Refused(format!("cannot make {}: {error}", parent.display())))?;
        }
        let staging = Staging::beside(&parts.state_dir, &stamp)?;
        let user = ServiceUser::of(main).0;
        let owner = user.map(|user| Owner { uid: user.uid.as_raw(), gid: user.gid.as_raw() });
        tracing::debug!(instance = manifest.instance, "restoring");
        Ok((staging, Target { parts, owner, now, stamp, _held: held }))
    }

    fn may_replace(&self, parts: &Parts) -> Result<(), Failure> {
        if self.force || is_empty(&parts.state_dir)? {
            return Ok(());
        }
        let why = format!(
            "{} holds the data of an installation: nothing was changed; --force moves it aside and restores",
            parts.state_dir.display()
        );
        Err(Failure::Refused(why))
    }

    fn put_in_place(&self, unpacked: Unpacked, target: &Target) -> Result<Value, Failure> {
        let Unpacked { manifest, config, state } = unpacked;
        state.record(&manifest, target.now)?;
        state.complete(target.owner.map(|owner| (owner.uid, owner.gid)))?;
        let files = if self.without_config { Files::default() } else { Files::of(&target.parts, &config) };
        let had_state = !is_empty(&target.parts.state_dir)?;
        let aside = target.aside(&target.parts.state_dir);
        // What makes the daemon able to start comes last.
        let rest = files.write_all_but_main(target)?;
        let swapped = state.swap(&aside)?;
        let main = files.write_main(target)?;
        swapped.keep();
        let moved = [rest.keep(), main.keep()].concat();
        if !had_state {
            // The folder that was made for the package, with nothing in it.
            let _ = fs::remove_dir_all(&aside);
        }
        let mut answer = manifest.summary();
        if let Value::Object(fields) = &mut answer {
            let aside = had_state.then_some(aside);
            fields.insert("state_dir".to_owned(), json!(target.parts.state_dir));
            fields.insert("config_files".to_owned(), json!(files.paths()));
            fields
                .insert("moved_aside".to_owned(), json!(aside.into_iter().chain(moved).collect::<Vec<_>>()));
        }
        Ok(answer)
    }
}

impl Target {
    /// Where something is moved that has to make room.
    fn aside(&self, path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".before-restore-{}", self.stamp));
        name.into()
    }
}

/// Whether there is no state folder, or one that nobody has used.
fn is_empty(dir: &Path) -> Result<bool, Failure> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(Failure::Refused(format!("cannot read {}: {error}", dir.display()))),
    };
    for entry in entries {
        let entry =
            entry.map_err(|error| Failure::Refused(format!("cannot read {}: {error}", dir.display())))?;
        if entry.file_name() != LOCK {
            return Ok(false);
        }
    }
    Ok(true)
}

fn tell(answer: &Value, target: &Target, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "restored everything up to {}", text(answer, "taken_at"))?;
    writeln!(out, "  data           {}", target.parts.state_dir.display())?;
    let files = items(answer, "config_files");
    for file in files.iter().filter_map(Value::as_str) {
        writeln!(out, "  configuration  {file}")?;
    }
    for file in items(answer, "moved_aside").iter().filter_map(Value::as_str) {
        writeln!(out, "  moved aside    {file}")?;
    }
    let main = fs::read_to_string(&target.parts.main).unwrap_or_default();
    let url = settings::text_at(&main, "", "public_url").unwrap_or_default();
    if answer.get("with_keys") == Some(&Value::Bool(true)) {
        writeln!(
            out,
            "Start it: systemctl start postern. Clients reconnect once {url} leads to this host; in the browser everybody signs in \
             again."
        )
    } else {
        writeln!(
            out,
            "This backup holds no keys. If you have the folder {}/keys of the old host, put it there first; else every client \
             needs a new configuration. Clients with a preshared key need one in any case. Then start it: systemctl start postern",
            target.parts.state_dir.display()
        )
    }
}
