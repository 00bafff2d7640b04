//! Puts the configuration files into force while the daemon runs: as they are, or together with a change of one of
//! them, or of a location's key. It happens as a whole or not at all.
//!
//! The order makes it so. Everything that may be refused is judged first, against a draft that is on no disk. Then the
//! files, keys among them, are written beside those they replace, then the database commits, with the names of both, then
//! the site is replaced and the files are renamed into place. If the daemon dies after the commit, the next start renames
//! them; before, all is as it was. So a location that ran elsewhere is never managed without its peers.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use postern_gateway::backend::host::is_kernel_wireguard_loaded;
use postern_gateway::{BackendKind, PrivateKey, chain};

use crate::app::App;
use crate::background::own_files;
use crate::config::{ConfigErrors, Draft, Loaded, Problem, load_drafts, load_with};
use crate::durable::Staged;
use crate::flows::configure::{ConfigureError, Fit, fit};
use crate::flows::refusal::Refusal;
use crate::keys::{Keys, KeysError};
use crate::rules::ids::LocationId;
use crate::site::{Site, SiteKeys};
use crate::store::{Revision, StoreError, Tx};

mod placing;
#[cfg(test)]
mod tests;

pub use placing::{aside, finish_renames};

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
    /// A file of a change before this one, for which nothing was done.
    #[error("{} could not be put in its place, where an earlier change wants it", path.display())]
    Owed {
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

impl ReloadError {
    /// What is late of an earlier change keeps this one from beginning.
    fn before_anything(self) -> Self {
        if let Self::Late { path, source } = self { Self::Owed { path, source } } else { self }
    }
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
    /// Locations that ran elsewhere.
    Import(Vec<Import>),
}

impl Change {
    /// Which files are written, or moved aside.
    fn into_files(self) -> Vec<PathBuf> {
        match self {
            Self::File(draft) => vec![draft.file],
            Self::Import(imports) => imports.into_iter().map(|import| import.draft.file).collect(),
            Self::Nothing | Self::Key(_) => Vec::new(),
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
    /// The files that were changed.
    pub files: Vec<PathBuf>,
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
    /// `path` is `postern.toml`; `available` is what the host can run at the start.
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

    /// The file `postern.toml`.
    pub fn path(&self) -> PathBuf {
        self.0.path.clone()
    }

    /// Whether [`Reloader::apply`] would do, and what its transaction would give; nothing is changed.
    pub async fn judge<T: Send + 'static>(
        &self,
        plan: impl FnOnce(&Loaded) -> Result<Change, ReloadError> + Send + 'static,
        within: impl FnOnce(&Tx<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, ReloadError> {
        let parts = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || parts.judge(plan, within)).await {
            Ok(result) => result,
            Err(error) => Err(StoreError::Panicked(error.to_string()).into()),
        }
    }

    /// Does what needs files, keys and database of one moment: no change of them begins or ends meanwhile.
    pub async fn undisturbed<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let parts = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || parts.undisturbed(work)).await;
        done.map_err(|error| StoreError::Panicked(error.to_string()))
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
        let Planned { change, loaded, needs_restart, is_of_https } = self.planned(plan)?;
        let warnings: Vec<Problem> = loaded.warnings.iter().chain(&loaded.https).cloned().collect();
        let (mut staged, mut cut_off) = (Vec::new(), Vec::new());
        let (value, revision) = self.app.store.write_blocking(|tx| {
            let value = within(tx)?;
            let fit = fit(tx, loaded, &self.available(), &self.app.site().backends())?;
            let other_keys = placing::other_keys(tx, &change, self.app.random())?;
            staged = placing::stage(tx, &self.keys, &change, &other_keys)?;
            let site = with_keys::<ReloadError>(tx, fit, &self.keys, || self.app.random(), &other_keys)?;
            let app = self.app.clone();
            cut_off = locations_cut_off(&app.site(), &site);
            tx.after_commit(move || app.replace_site(site.into()));
            Ok::<_, ReloadError>(value)
        })?;
        staged.into_iter().for_each(Staged::keep);
        // From here on nothing is refused: it is committed.
        let renamed = finish_renames(&self.app.store);
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
        match renamed {
            Err(ReloadError::Refused(error)) => {
                tracing::error!(
                    error = chain(&error),
                    "which files are in their places was not noted: it is looked at again"
                );
            }
            renamed => drop(renamed?),
        }
        Ok(Reloaded { value, files: change.into_files(), revision, needs_restart, warnings, cut_off })
    }

    fn undisturbed<T>(&self, work: impl FnOnce() -> T) -> T {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }

    fn judge<T>(
        &self,
        plan: impl FnOnce(&Loaded) -> Result<Change, ReloadError>,
        within: impl FnOnce(&Tx<'_>) -> Result<T, Refusal>,
    ) -> Result<T, ReloadError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = self.planned(plan)?.loaded;
        let judged = self.app.store.write_blocking(|tx| {
            let value = within(tx)?;
            fit(tx, loaded, &self.available(), &self.app.site().backends()).map_err(ReloadError::from)?;
            Err::<(), _>(Judged::Well(value))
        });
        match judged.err() {
            Some(Judged::Well(value)) => Ok(value),
            Some(Judged::Not(error)) => Err(error),
            None => Err(StoreError::Panicked("nothing was judged".to_owned()).into()),
        }
    }

    /// What the host can run: the kernel's module may be loaded while the daemon runs.
    fn available(&self) -> Vec<BackendKind> {
        let mut available = self.available.clone();
        if !available.contains(&BackendKind::Kernel) && is_kernel_wireguard_loaded() {
            available.push(BackendKind::Kernel);
        }
        available
    }

    fn planned(
        &self,
        plan: impl FnOnce(&Loaded) -> Result<Change, ReloadError>,
    ) -> Result<Planned, ReloadError> {
        finish_renames(&self.app.store).map_err(ReloadError::before_anything)?;
        let present = load_with(&self.path, None)?;
        let change = plan(&present)?;
        let loaded = match &change {
            // Whoever edited files wants to hear of it; who changes a location has nothing to do with it.
            Change::Nothing => present.with_https()?,
            Change::Key(_) => present,
            Change::File(draft) => load_with(&self.path, Some(draft))?,
            Change::Import(imports) => {
                let drafts: Vec<Draft> = imports.iter().map(|import| import.draft.clone()).collect();
                load_drafts(&self.path, &drafts)?
            }
        };
        let running = self.app.site();
        let (mut config, needs_restart) = loaded.config.keeping_what_runs(&running.config);
        if change != Change::Nothing && !loaded.https.is_empty() {
            // Whoever changes a location is not to take over what a reload refuses.
            config.http.tls.clone_from(&running.config.http.tls);
        }
        let is_of_https = change == Change::Nothing || config.http.tls != running.config.http.tls;
        Ok(Planned { change, loaded: Loaded { config, ..loaded }, needs_restart, is_of_https })
    }
}

/// A change, and what the files say with it.
struct Planned {
    change: Change,
    loaded: Loaded,
    needs_restart: Vec<&'static str>,
    /// Whether it may concern the certificate.
    is_of_https: bool,
}

/// How a transaction ends that is judged and never committed.
enum Judged<T> {
    Well(T),
    Not(ReloadError),
}

impl<T, E: Into<ReloadError>> From<E> for Judged<T> {
    fn from(error: E) -> Self {
        Self::Not(error.into())
    }
}

/// Puts a configuration into force, with the keys of the key files, which are made where they are missing.
pub fn put_into_force<E: From<KeysError> + From<StoreError>>(
    tx: &Tx<'_>,
    fit: Fit,
    keys: &Keys,
    random: impl Fn() -> [u8; 32],
) -> Result<Site, E> {
    with_keys(tx, fit, keys, random, &BTreeMap::new())
}

/// The same; `others` are the keys of locations that are not in their key files yet.
fn with_keys<E: From<KeysError> + From<StoreError>>(
    tx: &Tx<'_>,
    fit: Fit,
    keys: &Keys,
    random: impl Fn() -> [u8; 32],
    others: &BTreeMap<LocationId, PrivateKey>,
) -> Result<Site, E> {
    let site_keys = SiteKeys { token: keys.token_key(random())?, seal: keys.seal_key(random())? };
    if !tx.opens_what_is_sealed(&site_keys.seal)? {
        return Err(keys.other_seal().into());
    }
    let key_of = |id| match others.get(&id) {
        Some(key) => Ok(key.clone()),
        None => Ok(keys.location_key(id, random())?),
    };
    fit.put_into_force(tx, site_keys, key_of, random())
}

fn locations_cut_off(before: &Site, after: &Site) -> Vec<String> {
    let changed = after.locations().filter(|location| {
        before.location(location.id).is_some_and(|before| !location.answers_clients_of(before))
    });
    changed.map(|location| location.config.name.clone()).collect()
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
