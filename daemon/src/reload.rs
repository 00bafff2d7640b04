//! Puts the configuration files into force while the daemon runs: as they are, or together with a change of one of
//! them, or of a location's key. It happens as a whole or not at all.
//!
//! The order makes it so. Everything that may be refused is judged first, against a draft that is on no disk. Then the
//! file is written beside the one it replaces, then the database commits, with the names of both, then the site is
//! replaced and the file renamed into place. If the daemon dies after the commit, the next start renames it; before, all
//! is as it was.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use postern_gateway::{BackendKind, PrivateKey};

use crate::app::App;
use crate::background::own_files;
use crate::config::{ConfigErrors, Draft, Loaded, Problem, load_with};
use crate::durable::{self, Ready};
use crate::flows::configure::{ConfigureError, Fit, fit};
use crate::flows::refusal::Refusal;
use crate::keys::{Keys, KeysError};
use crate::rules::ids::LocationId;
use crate::site::{Site, SiteKeys};
use crate::store::{Revision, Store, StoreError, Tx};

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
    /// A file that is ready beside its place.
    #[error(
        "the change is in force, but {} could not be put in its place: that is tried again at the next reload or start",
        path.display()
    )]
    Late {
        /// Where it belongs.
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
        finish_renames(&self.app.store)?;
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
        let (mut ready, mut cut_off) = (Vec::new(), Vec::new());
        let (value, revision) = self.app.store.write_blocking(|tx| {
            let value = within(tx)?;
            let fit = fit(tx, loaded, &self.available)?;
            let key = self.other_key(tx, &change)?;
            ready = self.prepare(&change, key.as_ref())?;
            for (source, target) in ready.iter().map(Ready::names) {
                tx.owe_rename(source, target)?;
            }
            let site =
                with_other_key::<ReloadError>(tx, fit, &self.keys, key.as_ref(), || self.app.random())?;
            let app = self.app.clone();
            cut_off = locations_cut_off(&app.site(), &site);
            tx.after_commit(move || app.replace_site(site.into()));
            Ok::<_, ReloadError>(value)
        })?;
        ready.into_iter().for_each(Ready::keep);
        finish_renames(&self.app.store)?;
        if is_of_https {
            own_files::present(&self.app);
            self.app.presented.ask_to_try();
        }
        log(&needs_restart, &warnings);
        Ok(Reloaded { value, file: change.into_file(), revision, needs_restart, warnings, cut_off })
    }

    /// The location that gets another key, and which.
    fn other_key(
        &self,
        tx: &Tx<'_>,
        change: &Change,
    ) -> Result<Option<(LocationId, PrivateKey)>, ReloadError> {
        Ok(match change {
            Change::Nothing | Change::File(_) => None,
            Change::Import(import) => Some((tx.location_id(&import.name)?, import.key.clone())),
            Change::Key(name) => {
                let unknown = || Refusal::UnknownLocation(name.clone());
                let id = tx.known_location(name)?.ok_or_else(unknown)?;
                Some((id, PrivateKey::from_random(self.app.random())))
            }
        })
    }

    /// Makes the change's files ready. Nobody reads them yet.
    fn prepare(
        &self,
        change: &Change,
        key: Option<&(LocationId, PrivateKey)>,
    ) -> Result<Vec<Ready>, ReloadError> {
        let key = key.map(|(id, key)| self.keys.prepare_location_key(*id, key)).transpose()?;
        let file = match change {
            Change::Nothing | Change::Key(_) => None,
            Change::File(draft) => Some(prepare_file(draft)?),
            Change::Import(import) => Some(prepare_file(&import.draft)?),
        };
        Ok(key.into_iter().chain(file).collect())
    }
}

/// Puts a configuration into force, with the keys of the key files, which are made where they are missing.
pub fn put_into_force<E: From<KeysError> + From<StoreError>>(
    tx: &Tx<'_>,
    fit: Fit,
    keys: &Keys,
    random: impl Fn() -> [u8; 32],
) -> Result<Site, E> {
    with_other_key(tx, fit, keys, None, random)
}

fn with_other_key<E: From<KeysError> + From<StoreError>>(
    tx: &Tx<'_>,
    fit: Fit,
    keys: &Keys,
    other: Option<&(LocationId, PrivateKey)>,
    random: impl Fn() -> [u8; 32],
) -> Result<Site, E> {
    let site_keys = SiteKeys { token: keys.token_key(random())?, seal: keys.seal_key(random())? };
    if !tx.opens_what_is_sealed(&site_keys.seal)? {
        return Err(keys.other_seal().into());
    }
    let key_of = |id| match other {
        Some((location, key)) if *location == id => Ok(key.clone()),
        Some(_) | None => Ok(keys.location_key(id, random())?),
    };
    fit.put_into_force(tx, site_keys, key_of, random())
}

/// Renames the files of committed changes that a crash, or an error, kept from their places. Says whether there were any.
pub fn finish_renames(store: &Store) -> Result<bool, ReloadError> {
    let owed = store.read_blocking(|tx| tx.owed_renames().map_err(ReloadError::from))?;
    for (source, target) in &owed {
        let late = |source| ReloadError::Late { path: target.clone(), source };
        durable::rename(source, target).map_err(late)?;
    }
    if owed.is_empty() {
        return Ok(false);
    }
    store.write_blocking(|tx| tx.renames_done().map_err(ReloadError::from))?;
    Ok(true)
}

fn log(needs_restart: &[&str], warnings: &[Problem]) {
    for key in needs_restart {
        tracing::warn!(key, "changed in the configuration, but only a restart puts it into force");
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
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

fn prepare_file(draft: &Draft) -> Result<Ready, ReloadError> {
    let (action, ready) = match &draft.text {
        Some(text) => ("write", durable::prepare(&draft.file, text, FILE_MODE)),
        None => ("rename", durable::prepare_aside(&draft.file, &aside(&draft.file))),
    };
    ready.map_err(|source| ReloadError::File { action, path: draft.file.clone(), source })
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
