//! Takes a backup apart: nothing is written but a folder beside the state folder, and every file is what the manifest says,
//! or there is no outcome at all.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};
use tar::{Archive, Entries};
use zeroize::Zeroizing;

use super::manifest::{self, Entry, Manifest};
use super::place::Place;
use super::staging::{Staging, hex};
use super::{BackupError, take};

/// A file of the configuration.
pub struct ConfigFile {
    /// What it is; never of the state folder.
    pub place: Place,
    /// It may be a password or a key.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// A backup that is whole.
pub struct Unpacked {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its configuration.
    pub config: Vec<ConfigFile>,
    /// Its state folder.
    pub state: Staging,
}

/// Reads a whole archive. Once manifest and configuration are read, `begin` says where the state folder is made.
pub fn unpack<R: Read, E: From<BackupError>>(
    reader: R,
    begin: impl FnOnce(&Manifest, &[ConfigFile]) -> Result<Staging, E>,
) -> Result<Unpacked, E> {
    let mut archive = Archive::new(reader);
    let mut entries = archive.entries().map_err(BackupError::Damaged)?;
    let manifest = read_manifest(&mut entries)?;
    // Configuration goes first in every archive made here; the order of the manifest says whether this is one.
    let is_config = |entry: &&Entry| !matches!(Place::of(&entry.name), Some(Place::State(_)) | None);
    let mut config = Vec::new();
    for entry in manifest.files.iter().take_while(is_config) {
        config.push(read_config(&mut entries, entry)?);
    }
    let state = begin(&manifest, &config)?;
    for entry in manifest.files.iter().skip(config.len()) {
        let Some(Place::State(path)) = Place::of(&entry.name) else {
            return Err(BackupError::Foreign(entry.name.clone()).into());
        };
        state.write(&path, &mut next(&mut entries, entry)?, entry)?;
    }
    if let Some(more) = entries.next() {
        return Err(more
            .map_or_else(BackupError::Damaged, |more| BackupError::Foreign(name_of(&more)))
            .into());
    }
    // The last piece proves that nothing is missing.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(BackupError::Damaged)?;
    let described = state.describe()?;
    if (described.schema, &described.instance) != (manifest.schema, &manifest.instance) {
        return Err(BackupError::Differs(super::place::DATABASE_NAME.to_owned()).into());
    }
    Ok(Unpacked { manifest, config, state })
}

fn read_manifest<R: Read>(entries: &mut Entries<'_, R>) -> Result<Manifest, BackupError> {
    let first = entries.next().ok_or(BackupError::NoManifest)?.map_err(BackupError::Damaged)?;
    if name_of(&first) != manifest::NAME || first.size() > manifest::MOST_BYTES {
        return Err(BackupError::NoManifest);
    }
    let mut text = Vec::new();
    first.take(manifest::MOST_BYTES).read_to_end(&mut text).map_err(BackupError::Damaged)?;
    Manifest::read(&text)
}

fn read_config<R: Read>(entries: &mut Entries<'_, R>, entry: &Entry) -> Result<ConfigFile, BackupError> {
    let place = Place::of(&entry.name).ok_or_else(|| BackupError::Foreign(entry.name.clone()))?;
    let mut bytes = Zeroizing::new(Vec::new());
    let found = next(entries, entry)?;
    found.take(take::LONGEST_FILE).read_to_end(&mut bytes).map_err(BackupError::Damaged)?;
    let is_same = hex(&Sha256::digest(&bytes)) == entry.sha256;
    if is_same { Ok(ConfigFile { place, bytes }) } else { Err(BackupError::Differs(entry.name.clone())) }
}

/// The next file of the archive, which has to be the one that the manifest names.
fn next<'a, R: Read>(entries: &mut Entries<'a, R>, wanted: &Entry) -> Result<tar::Entry<'a, R>, BackupError> {
    let found = entries.next().ok_or_else(|| BackupError::Differs(wanted.name.clone()))?;
    let found = found.map_err(BackupError::Damaged)?;
    let name = name_of(&found);
    if name != wanted.name || !found.header().entry_type().is_file() {
        return Err(BackupError::Foreign(name));
    }
    if found.size() == wanted.bytes { Ok(found) } else { Err(BackupError::Differs(name)) }
}

fn name_of<R: Read>(entry: &tar::Entry<'_, R>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).into_owned()
}
