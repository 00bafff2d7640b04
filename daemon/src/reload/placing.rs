//! Which files a change puts where: they are beside their places before the commit, which holds the names of both, and
//! are renamed after it, by the next reload or start at the latest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use postern_gateway::PrivateKey;

use super::{Change, ReloadError};
use crate::config::Draft;
use crate::durable::{self, Staged};
use crate::flows::refusal::Refusal;
use crate::keys::Keys;
use crate::rules::ids::LocationId;
use crate::store::{Store, Tx};

/// A new location file: for everybody to read, as there is no secret in it.
const FILE_MODE: u32 = 0o644;

/// The locations that get another key, and which.
pub(super) fn other_keys(
    tx: &Tx<'_>,
    change: &Change,
    random: [u8; 32],
) -> Result<BTreeMap<LocationId, PrivateKey>, ReloadError> {
    match change {
        Change::Nothing | Change::File(_) => Ok(BTreeMap::new()),
        Change::Import(imports) => {
            imports.iter().map(|import| Ok((tx.location_id(&import.name)?, import.key.clone()))).collect()
        }
        Change::Key(name) => {
            let unknown = || Refusal::UnknownLocation(name.clone());
            let id = tx.known_location(name)?.ok_or_else(unknown)?;
            Ok([(id, PrivateKey::from_random(random))].into())
        }
    }
}

/// Has everything beside its place, the keys first: a location whose file is there has its key.
pub(super) fn stage(
    tx: &Tx<'_>,
    keys: &Keys,
    change: &Change,
    other_keys: &BTreeMap<LocationId, PrivateKey>,
) -> Result<Vec<Staged>, ReloadError> {
    let mut staged = Vec::new();
    for (id, key) in other_keys {
        staged.push(keys.stage_location_key(*id, key)?);
    }
    match change {
        Change::Nothing | Change::Key(_) => {}
        Change::File(draft) => staged.push(stage_file(draft)?),
        Change::Import(imports) => {
            for import in imports {
                staged.push(stage_file(&import.draft)?);
            }
        }
    }
    for (source, target) in staged.iter().map(Staged::names) {
        tx.owe_rename(source, target)?;
    }
    Ok(staged)
}

/// Renames the files of committed changes, also of those that a crash or an error kept from it. Says whether there were
/// any.
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

/// Where a removed location's file is kept.
pub fn aside(file: &Path) -> PathBuf {
    let mut aside = file.as_os_str().to_owned();
    aside.push(".removed");
    aside.into()
}

fn stage_file(draft: &Draft) -> Result<Staged, ReloadError> {
    let (action, staged) = match &draft.text {
        Some(text) => ("write", durable::stage(&draft.file, text, FILE_MODE)),
        None => ("rename", durable::stage_aside(&draft.file, &aside(&draft.file))),
    };
    staged.map_err(|source| ReloadError::File { action, path: draft.file.clone(), source })
}
