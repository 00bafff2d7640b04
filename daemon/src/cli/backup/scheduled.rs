//! `postern backup --scheduled`, what the timer runs: a backup with its moment in its name, and the oldest of those removed
//! once it is whole.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{configured, for_all, from_daemon, write};
use crate::app::Clock;
use crate::backup::{KeyFiles, MOMENT, is_moment};
use crate::cli::service_user::is_hidden;
use crate::cli::{Cli, Failure};
use crate::config::DEFAULT_FILE;

/// In front of the moment, and after it.
const NAME: (&str, &str) = ("postern-", ".tar.age");

pub(super) fn perform(cli: &Cli, errors: &mut impl Write) -> Result<Value, Failure> {
    let backups = configured(cli)?;
    if backups.recipients.is_empty() {
        let why = "nobody is configured to encrypt backups for: make a key on another machine (age-keygen -o key.txt), and put its \
                   public key into [backup] recipients";
        return Err(Failure::Refused(why.to_owned()));
    }
    let lock = for_all(&backups.recipients)?;
    let dir = &backups.directory;
    // Only the package's timer has a sandbox.
    if cli.config == Path::new(DEFAULT_FILE) && is_hidden(dir) {
        let why = format!(
            "backup.directory: postern-backup.service does not see {}, its sandbox hides that folder: take one that is not below \
             /home, /root or a folder for temporary files",
            dir.display()
        );
        return Err(Failure::Refused(why));
    }
    let cannot = |action: &str, path: &Path, error| {
        Failure::Refused(format!("cannot {action} {}: {error}", path.display()))
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| cannot("make", dir, error))?;
    let moment = Clock::system().now().strftime(MOMENT);
    let path = dir.join(format!("{}{moment}{}", NAME.0, NAME.1));
    let mut answer = write(&path, &lock, errors, |out| from_daemon(cli, KeyFiles::With, out))?;
    let old = too_many(dir, backups.keep, &path).map_err(|error| cannot("read", dir, error))?;
    for path in &old {
        fs::remove_file(path).map_err(|error| cannot("remove", path, error))?;
    }
    if let Value::Object(fields) = &mut answer {
        fields.insert("removed".to_owned(), json!(old));
    }
    Ok(answer)
}

/// The oldest backups in a folder, beyond the `keep` newest. No other file is one, and `made` stays even if a wrong clock
/// dated others later.
fn too_many(dir: &Path, keep: usize, made: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.extend(entry.file_name().into_string().ok().filter(|name| is_ours(name)));
        }
    }
    names.sort();
    let old = names.len().saturating_sub(keep);
    let paths = names.into_iter().map(|name| dir.join(name)).filter(|path| path != made);
    Ok(paths.take(old).collect())
}

fn is_ours(name: &str) -> bool {
    let moment = name.strip_prefix(NAME.0).and_then(|name| name.strip_suffix(NAME.1));
    moment.is_some_and(is_moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay_and_so_does_every_file_of_another_name() {
        let dir = tempfile::tempdir().unwrap();
        let ours = |day: u8| format!("postern-2026-01-{day:02}T031500Z.tar.age");
        let others = [
            "postern-2026-01-01.tar.age",
            "postern-2026-01-01T031500Z.tar.age.tmp",
            "postern-2026-01-0xT031500Z.tar.age",
            "my-postern-2026-01-01T031500Z.tar.age",
            "postern-2026-01-01T031500Z.tar",
        ];
        for name in (1..=5).map(ours).chain(others.map(str::to_owned)) {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::create_dir(dir.path().join(ours(6))).unwrap();
        let path = |day| dir.path().join(ours(day));
        let old = too_many(dir.path(), 3, &path(5)).unwrap();
        assert_eq!(old, [ours(1), ours(2)].map(|name| dir.path().join(name)));
        assert_eq!(too_many(dir.path(), 5, &path(5)).unwrap(), Vec::<PathBuf>::new());
        // The clock was ahead when the others were made.
        assert_eq!(too_many(dir.path(), 4, &path(1)).unwrap(), [path(2)]);
    }
}
