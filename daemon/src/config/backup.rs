//! Backups: what the timer does, and which files a configuration is made of. Of a file that is not valid as a whole it
//! still reads what is asked for here: a backup is wanted most when something is wrong.

use std::path::{Path, PathBuf};

use super::load::{below, parse, read};
use super::problem::{ConfigErrors, Problems};
use super::raw::{RawBackup, RawBackups, RawConfig};
use crate::envelope;
use raw_parts::RawParts;

mod raw_parts;

/// What the timer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backups {
    /// For whom backups are encrypted: public keys of age.
    pub recipients: Vec<String>,
    /// Where the timer's backups are.
    pub directory: PathBuf,
    /// How many of them stay; at least one.
    pub keep: usize,
}

/// Where the files are that a configuration is made of, and what it configures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// `postern.toml`.
    pub main: PathBuf,
    /// The folder of location files.
    pub locations_dir: PathBuf,
    /// The folder of texts that replace those of mails and pages.
    pub templates_dir: PathBuf,
    /// Other files that a key names; they need not be there.
    pub named: Vec<Named>,
    /// Keys whose secrets systemd hands in: they are in no file of the configuration.
    pub credentials: Vec<&'static str>,
    /// What is wrong with `postern.toml`: a key that is mistyped may have been to name some of these files.
    pub mistake: Option<String>,
    /// Database and keys.
    pub state_dir: PathBuf,
}

/// A file that a key names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is a password or a private key.
    pub is_secret: bool,
}

impl Parts {
    /// The folder of `postern.toml`.
    pub fn base(&self) -> &Path {
        self.main.parent().unwrap_or(Path::new("."))
    }
}

/// What the `[backup]` table of a file says. No other key is looked at.
pub fn backups(path: &Path) -> Result<Backups, ConfigErrors> {
    let mut problems = Problems::default();
    let raw: Option<RawBackups> = read(path, &[], &mut problems);
    let base = path.parent().unwrap_or(Path::new("."));
    let found = raw.map(|raw| judged(raw.backup, base, path, &mut problems));
    found.filter(|_| problems.refused.is_empty()).ok_or(ConfigErrors(problems.refused))
}

/// The files of the configuration at `path`.
pub fn parts(path: &Path) -> Result<Parts, ConfigErrors> {
    let mut problems = Problems::default();
    let raw = read(path, &[], &mut problems);
    let parts = raw.map(|raw| Parts { mistake: mistake(|strict| read(path, &[], strict)), ..of(&raw, path) });
    parts.ok_or(ConfigErrors(problems.refused))
}

/// The files of a configuration whose `text` is going to be at `path`.
pub fn parts_of(text: &str, path: &Path) -> Result<Parts, ConfigErrors> {
    let mut problems = Problems::default();
    let raw = parse(path, text, &mut problems);
    let parts =
        raw.map(|raw| Parts { mistake: mistake(|strict| parse(path, text, strict)), ..of(&raw, path) });
    parts.ok_or(ConfigErrors(problems.refused))
}

/// What the daemon would say of the file.
fn mistake(read: impl FnOnce(&mut Problems) -> Option<RawConfig>) -> Option<String> {
    let mut problems = Problems::default();
    read(&mut problems);
    problems.refused.first().map(ToString::to_string)
}

pub(super) fn judged(raw: RawBackup, base: &Path, file: &Path, problems: &mut Problems) -> Backups {
    for reason in raw.recipients.iter().filter_map(|text| envelope::recipient(text).err()) {
        problems.add(file, "backup.recipients", reason);
    }
    if raw.keep == 0 {
        problems.add(file, "backup.keep", "0 would keep no backup at all: 1 or more");
    }
    let keep = usize::try_from(raw.keep).unwrap_or(usize::MAX);
    Backups { recipients: raw.recipients, directory: below(base, &raw.directory), keep }
}

fn of(raw: &RawParts, path: &Path) -> Parts {
    let base = path.parent().unwrap_or(Path::new("."));
    let named = [
        (&raw.http.certificate_file, false),
        (&raw.http.key_file, true),
        (&raw.http.acme.ca_file, false),
        (&raw.branding.logo, false),
        (&raw.mail.smtp.ca_file, false),
        (&raw.mail.smtp.password_file, true),
    ];
    let named = named
        .into_iter()
        .filter_map(|(path, is_secret)| Some(Named { path: below(base, path.as_ref()?), is_secret }));
    let credentials = [
        ("http.key_credential", &raw.http.key_credential),
        ("mail.smtp.password_credential", &raw.mail.smtp.password_credential),
    ];
    let credentials =
        credentials.into_iter().filter(|(_, name)| name.is_some()).map(|(key, _)| key).collect();
    Parts {
        main: path.to_owned(),
        locations_dir: below(base, &raw.locations_dir),
        templates_dir: below(base, &raw.mail.templates_dir),
        named: named.collect(),
        credentials,
        mistake: None,
        state_dir: below(base, &raw.state_dir),
    }
}
