//! Files: secrets that others could read, and room to write.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use super::finding::Findings;
use crate::backup::DATABASE;
use crate::config::{Config, PasswordSource, Smtp};

/// Below, the database cannot be written for long.
const LEAST_BYTES: u64 = 16 * 1024 * 1024;
/// Below, somebody should know.
const FEW_BYTES: u64 = 256 * 1024 * 1024;

/// State, keys and passwords are for one user alone, and all for the same.
pub(super) fn secrets(config: &Config, findings: &mut Findings) {
    let state = &config.state_dir;
    let folder = match fs::metadata(state) {
        Ok(folder) => folder,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return findings.ok("secrets", format!("{} is made at the first start", state.display()));
        }
        Err(_) => return findings.unseen("secrets", format!("{}: only its owner may look", state.display())),
    };
    let mut paths = vec![state.clone(), state.join(DATABASE), state.join("keys")];
    match fs::read_dir(state.join("keys")) {
        Ok(keys) => paths.extend(keys.filter_map(|key| Some(key.ok()?.path()))),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(_) => return findings.unseen("secrets", format!("{}: only its owner may look", state.display())),
    }
    paths.extend(password_file(config));
    let mut all_well = true;
    for path in paths {
        let Ok(found) = fs::metadata(&path) else { continue };
        if let Some((says, mend)) = judge(&path, &found, (state, &folder)) {
            all_well = false;
            findings.failure("secrets", says, mend);
        }
    }
    if all_well {
        findings.ok("secrets", "only the daemon's user may read them".to_owned());
    }
}

fn password_file(config: &Config) -> Option<PathBuf> {
    let Some(Smtp { login: Some(login), .. }) = &config.mail.smtp else { return None };
    match &login.password {
        PasswordSource::File(path) => Some(path.clone()),
        PasswordSource::Credential(_) => None,
    }
}

/// What is wrong with a file, by the side of the state folder, and what mends it.
fn judge(path: &Path, found: &Metadata, (state, folder): (&Path, &Metadata)) -> Option<(String, String)> {
    let shown = path.display();
    if found.mode() & 0o077 != 0 {
        let mode = if found.is_dir() { "0700" } else { "0600" };
        return Some((format!("others may use {shown}"), format!("chmod {mode} {shown}")));
    }
    if found.uid() != folder.uid() {
        let says = format!("{shown} does not belong to the daemon's user, which cannot read it");
        // What the daemon made there belongs to its user.
        return Some((says, format!("chown --reference={} {shown}", state.display())));
    }
    None
}

/// Whether there is room for the database.
pub(super) fn disk(state: &Path, findings: &mut Findings) {
    let there = state.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let Ok(found) = statvfs(there) else {
        return findings.unseen("disk", format!("{}: its file system does not tell", there.display()));
    };
    let free = found.blocks_available().saturating_mul(found.fragment_size());
    // Some file systems have no fixed number of files, and say 0.
    let has_files = found.files() == 0 || found.files_available() > 100;
    let mend = format!("free some on the file system of {0} (df {0}; du -x)", there.display());
    let says = format!("{} MiB are free for {}", free / 1024 / 1024, state.display());
    if free < LEAST_BYTES || !has_files {
        findings.failure("disk", says, mend);
    } else if free < FEW_BYTES {
        findings.warning("disk", says, mend);
    } else {
        findings.ok("disk", says);
    }
}
