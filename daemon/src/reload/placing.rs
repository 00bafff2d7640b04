//! Which files a change puts where, and when: before the commit, to be put back if that fails, or beside their places
//! before it and into these after it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use postern_gateway::PrivateKey;

use super::{Change, Import, ReloadError};
use crate::config::Draft;
use crate::durable::{self, Changed, Staged};
use crate::flows::refusal::Refusal;
use crate::keys::Keys;
use crate::rules::ids::LocationId;
use crate::store::{StoreError, Tx};

/// A new location file: for everybody to read, as there is no secret in it.
const FILE_MODE: u32 = 0o644;

/// What is in its place before the commit.
pub(super) fn place(
    tx: &Tx<'_>,
    keys: &Keys,
    change: &Change,
    random: [u8; 32],
) -> Result<Option<Changed>, ReloadError> {
    match change {
        Change::Nothing | Change::Import(_) => Ok(None),
        Change::File(draft) => Ok(Some(place_file(draft)?)),
        Change::Key(name) => {
            let unknown = || Refusal::UnknownLocation(name.clone());
            let id = tx.known_location(name)?.ok_or_else(unknown)?;
            Ok(Some(keys.rotate_location_key(id, random)?))
        }
    }
}

/// What gets there after the commit, in this order: a location whose file is there has its key.
pub(super) fn stage(tx: &Tx<'_>, keys: &Keys, change: &Change) -> Result<Vec<Staged>, ReloadError> {
    let Change::Import(imports) = change else { return Ok(Vec::new()) };
    let mut staged = Vec::new();
    for Import { draft, name, key } in imports {
        staged.push(keys.stage_location_key(tx.location_id(name)?, key)?);
        let file = durable::stage(&draft.file, draft.text.as_deref().unwrap_or_default(), FILE_MODE);
        let failed = |source| ReloadError::File { action: "write", path: draft.file.clone(), source };
        staged.push(file.map_err(failed)?);
    }
    Ok(staged)
}

/// The keys of locations that have no key file before the commit.
pub(super) fn imported(tx: &Tx<'_>, change: &Change) -> Result<BTreeMap<LocationId, PrivateKey>, StoreError> {
    let Change::Import(imports) = change else { return Ok(BTreeMap::new()) };
    imports.iter().map(|import| Ok((tx.location_id(&import.name)?, import.key.clone()))).collect()
}

/// One of those.
pub(super) fn place_at_last(staged: Staged) -> Result<(), ReloadError> {
    let path = staged.path().to_owned();
    staged.place().map_err(|source| ReloadError::Unplaced { path, source })
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
