//! Puts the configuration files into force while the daemon runs: as they are, or together with a change of one of
//! them, or of a location's key. It happens as a whole or not at all.
//!
//! The order makes it so. Everything that may be refused is judged first, against a draft that is on no disk. Then the
//! file is renamed into place, then the database commits, then the site is replaced. If the daemon dies in between, the
//! next start puts the file into force, which has been judged already; if the commit fails, the file is put back.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use postern_gateway::{BackendKind, PrivateKey};

use crate::app::App;
use crate::background::own_files;
use crate::config::{ConfigErrors, Draft, Loaded, Problem, load_with};
use crate::durable::{self, Changed};
use crate::flows::configure::{ConfigureError, Fit, fit};
use crate::flows::refusal::Refusal;
use crate::keys::{Keys, KeysError};
use crate::site::{Site, SiteKeys};
use crate::store::{Revision, StoreError, Tx};

/// A new location file: for everybody to read, as there is no secret in it.
const FILE_MODE: u32 = 0o644;

/// Why everything stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The files have errors, or do not fit the host or the database.
    #[error("the configuration has errors: nothing was changed, the running one stays")]
    Config(#[source] ConfigErrors),
    /// What was wished for is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A location file.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// See [`KeysError`].
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// What is to change together with the files' being read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Only what was edited by hand.
    Nothing,
    /// A location file is written, or moved aside.
    File(Draft),
    /// The location of this name gets another key.
    Key(String),
    /// A location that ran elsewhere.
    Import(Box<Import>),
}

impl Change {
    /// Which file is written, or moved aside.
    fn into_file(self) -> Option<PathBuf> {
        match self {
            Self::File(draft) => Some(draft.file),
            Self::Import(import) => Some(import.draft.file),
            Self::Nothing | Self::Key(_) => None,
        }
    }
}

/// A location's file, and the key its clients know.
#[derive(Clone, PartialEq, Eq)]
pub struct Import {
    /// Its file.
    pub draft: Draft,
    /// As in the file.
    pub name: String,
    /// Its own.
    pub key: PrivateKey,
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").field("draft", &self.draft).finish_non_exhaustive()
    }
}

/// What was put into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded<T> {
    /// What the transaction gave.
    pub value: T,
    /// The file that was changed.
    pub file: Option<PathBuf>,
    /// The gateway follows once it has tried this.
    pub revision: Revision,
    /// Keys that differ from what runs and that only a restart changes.
    pub needs_restart: Vec<&'static str>,
    /// What works, but hardly as it was meant.
    pub warnings: Vec<Problem>,
    /// Locations whose clients get through again only with a fresh configuration.
    pub cut_off: Vec<String>,
}

/// Puts files into force, one caller after the other. Clones are the same one.
#[derive(Clone)]
pub struct Reloader(Arc<Parts>);

struct Parts {
    app: App,
    path: PathBuf,
    keys: Keys,
    available: Vec<BackendKind>,
    turn: Mutex<()>,
}

impl Reloader {
    /// `path` is `postern.toml`; `available` is what the host can run.
    pub fn new(app: App, path: &Path, keys: Keys, available: Vec<BackendKind>) -> Self {
        Self(Arc::new(Parts { app, path: path.to_owned(), keys, available, turn: Mutex::default() }))
    }

    /// Puts the files into force with the change that `plan` makes of what they say at present. `within` is done in
    /// the same transaction, before anything else.
    pub async fn apply<T: Send + 'static>(
        &self,
        plan: impl FnOnce(&Loaded) -> Result<Change, ReloadError> + Send + 'static,
        within: impl FnOnce(&Tx<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<Reloaded<T>, ReloadError> {
        let parts = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || parts.apply(plan, within)).await {
            Ok(result) => result,
            Err(error) => Err(StoreError::Panicked(error.to_string()).into()),
        }
    }

    /// Which file each location is written in; none while the files cannot be loaded.
    pub async fn files(&self) -> BTreeMap<String, PathBuf> {
        let parts = Arc::clone(&self.0);
        let loaded = tokio::task::spawn_blocking(move || load_with(&parts.path, None)).await;
        loaded.ok().and_then(Result::ok).map(|loaded| loaded.files).unwrap_or_default()
    }
}

impl Parts {
    fn apply<T>(
        &self,
        plan: impl FnOnce(&Loaded) -> Result<Change, ReloadError>,
        within: impl FnOnce(&Tx<'_>) -> Result<T, Refusal>,
    ) -> Result<Reloaded<T>, ReloadError> {
        // Whoever panicked here left nothing half done.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let present = load_with(&self.path, None)?;
        let change = plan(&present)?;
        let loaded = match &change {
            // Whoever edited files wants to hear of it; who changes a location has nothing to do with it.
            Change::Nothing => present.with_https()?,
            Change::Key(_) => present,
            Change::File(draft) => load_with(&self.path, Some(draft))?,
            Change::Import(import) => load_with(&self.path, Some(&import.draft))?,
        };
        let (config, needs_restart) = loaded.config.keeping_what_runs(&self.app.site().config);
        let warnings: Vec<Problem> = loaded.warnings.iter().chain(&loaded.https).cloned().collect();
        let is_of_https = change == Change::Nothing || config.http.tls != self.app.site().config.http.tls;
        let loaded = Loaded { config, ..loaded };
        let (mut changed, mut cut_off) = (Vec::new(), Vec::new());
        let (value, revision) = self.app.store.write_blocking(|tx| {
            let value = within(tx)?;
            let fit = fit(tx, loaded, &self.available)?;
            changed = self.place(tx, &change)?;
            let site = put_into_force::<ReloadError>(tx, fit, &self.keys, || self.app.random())?;
            let app = self.app.clone();
            cut_off = locations_cut_off(&app.site(), &site);
            tx.after_commit(move || app.replace_site(site.into()));
            Ok::<_, ReloadError>(value)
        })?;
        changed.into_iter().for_each(Changed::keep);
        if is_of_https {
            own_files::present(&self.app);
            self.app.presented.ask_to_try();
        }
        for key in &needs_restart {
            tracing::warn!(key, "changed in the configuration, but only a restart puts it into force");
        }
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        Ok(Reloaded { value, file: change.into_file(), revision, needs_restart, warnings, cut_off })
    }

    fn place(&self, tx: &Tx<'_>, change: &Change) -> Result<Vec<Changed>, ReloadError> {
        match change {
            Change::Nothing => Ok(Vec::new()),
            Change::File(draft) => Ok(vec![place_file(draft)?]),
            Change::Import(import) => {
                // The key first: a start in between makes none of its own for the file.
                let key = self.keys.put_location_key(tx.location_id(&import.name)?, &import.key)?;
                Ok(vec![key, place_file(&import.draft)?])
            }
            Change::Key(name) => {
                let unknown = || Refusal::UnknownLocation(name.clone());
                let id = tx.known_location(name)?.ok_or_else(unknown)?;
                Ok(vec![self.keys.rotate_location_key(id, self.app.random())?])
            }
        }
    }
}

/// Puts a configuration into force, with the keys of the key files, which are made where they are missing.
pub fn put_into_force<E: From<KeysError> + From<StoreError>>(
    tx: &Tx<'_>,
    fit: Fit,
    keys: &Keys,
    random: impl Fn() -> [u8; 32],
) -> Result<Site, E> {
    let site_keys = SiteKeys { token: keys.token_key(random())?, seal: keys.seal_key(random())? };
    if !tx.opens_what_is_sealed(&site_keys.seal)? {
        return Err(keys.other_seal().into());
    }
    fit.put_into_force(tx, site_keys, |id| Ok(keys.location_key(id, random())?), random())
}

fn locations_cut_off(before: &Site, after: &Site) -> Vec<String> {
    let changed = after.locations().filter(|location| {
        before.location(location.id).is_some_and(|before| !location.answers_clients_of(before))
    });
    changed.map(|location| location.config.name.clone()).collect()
}

/// Where a removed location's file is kept.
pub fn aside(file: &Path) -> PathBuf {
    let mut aside = file.as_os_str().to_owned();
    aside.push(".removed");
    aside.into()
}

fn place_file(draft: &Draft) -> Result<Changed, ReloadError> {
    let (action, placed) = match &draft.text {
        Some(text) => ("write", durable::write(&draft.file, text, FILE_MODE)),
        None => ("rename", durable::move_aside(&draft.file, &aside(&draft.file))),
    };
    placed.map_err(|source| ReloadError::File { action, path: draft.file.clone(), source })
}

impl From<ConfigErrors> for ReloadError {
    fn from(errors: ConfigErrors) -> Self {
        Self::Config(errors)
    }
}

impl From<ConfigureError> for ReloadError {
    fn from(error: ConfigureError) -> Self {
        match error {
            ConfigureError::Unfit(errors) => Self::Config(errors),
            ConfigureError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for ReloadError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}
