//! Puts a backup together: a copy of the database that nobody has to wait for, then configuration and keys. What was
//! acknowledged before it began is in it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek as _, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tar::{Builder, Header};
use zeroize::Zeroizing;

use super::manifest::{self, Entry, Manifest};
use super::place::{Place, STATE_DIRS};
use super::staging::hex;
use super::{BackupError, DATABASE};
use crate::config::{self, Parts};
use crate::durable;
use crate::store::whole;

/// Longer than any file of a configuration, and any key.
pub(super) const LONGEST_FILE: u64 = 1024 * 1024;
/// Texts are in folders of one message each.
const DEEPEST: usize = 3;
/// The database's copy while it is read, in the state folder.
const COPY: &str = "backup.tmp";

/// Whether private keys, and passwords, are in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFiles {
    /// Clients reconnect to what is restored.
    With,
    /// They stay where they are.
    Without,
}

/// A backup that is ready to be written.
pub struct Taken {
    /// What is in it.
    pub manifest: Manifest,
    contents: Vec<Content>,
    _copy: DatabaseCopy,
}

enum Content {
    Bytes(Zeroizing<Vec<u8>>),
    /// From where it stands to its end.
    File(File),
}

/// Takes a backup of the installation whose `postern.toml` is at `config_path`. Blocks for as long as the database takes to
/// be copied.
pub fn take(
    config_path: &Path,
    state_dir: &Path,
    keys: KeyFiles,
    now: Timestamp,
) -> Result<Taken, BackupError> {
    let copy = DatabaseCopy::of(state_dir)?;
    let described = whole::describe(&copy.path).map_err(BackupError::Database)?;
    // What was committed before has its place now, by its right name.
    for (source, target) in whole::owed_renames(&copy.path).map_err(BackupError::Database)? {
        durable::rename(&source, &target).map_err(BackupError::file("put into its place", &target))?;
    }
    // After the database: whatever it names has its file and its key by now.
    let mut files = Files { keys, found: Vec::new(), left_out: Vec::new() };
    files.of_configuration(&config::parts(config_path)?)?;
    let database = copy.file.try_clone().map_err(BackupError::file("read", &copy.path))?;
    files.add(&Place::State(DATABASE.into()), Content::File(database));
    if keys == KeyFiles::With {
        files.of_state(state_dir)?;
    }
    let (mut entries, mut contents) = (Vec::new(), Vec::new());
    for (name, mut content) in files.found {
        let (bytes, sha256) = content.measure().map_err(BackupError::file("read", &copy.path))?;
        entries.push(Entry { name, bytes, sha256 });
        contents.push(content);
    }
    let manifest = Manifest {
        format: manifest::FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        schema: described.schema,
        instance: described.instance,
        // Whole seconds: nobody acts faster than that.
        taken_at: Timestamp::from_second(now.as_second()).unwrap_or(now),
        with_keys: keys == KeyFiles::With,
        left_out: files.left_out,
        files: entries,
    };
    Ok(Taken { manifest, contents, _copy: copy })
}

impl Taken {
    /// Writes the archive, unencrypted.
    pub fn write(self, out: impl Write) -> io::Result<()> {
        let mut archive = Builder::new(out);
        let second = u64::try_from(self.manifest.taken_at.as_second()).unwrap_or(0);
        let text = serde_json::to_vec_pretty(&self.manifest)?;
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        archive.append_data(&mut header(length, second), manifest::NAME, text.as_slice())?;
        for (entry, content) in self.manifest.files.iter().zip(self.contents) {
            let mut header = header(entry.bytes, second);
            match content {
                Content::Bytes(bytes) => archive.append_data(&mut header, &entry.name, bytes.as_slice())?,
                Content::File(file) => {
                    archive.append_data(&mut header, &entry.name, file.take(entry.bytes))?;
                }
            }
        }
        archive.into_inner()?.flush()
    }
}

fn header(bytes: u64, second: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_mtime(second);
    header
}

/// The files of a backup so far, by their names.
struct Files {
    keys: KeyFiles,
    found: Vec<(String, Content)>,
    left_out: Vec<String>,
}

impl Files {
    fn of_configuration(&mut self, parts: &Parts) -> Result<(), BackupError> {
        self.read(&Place::Main, &parts.main)?;
        for path in listed(&parts.locations_dir)? {
            if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|end| end == "toml"))
            {
                self.read(&Place::Location(name.into()), &path)?;
            }
        }
        self.texts(&parts.templates_dir, Path::new(""), 0)?;
        for named in &parts.named {
            match named.path.strip_prefix(parts.base()) {
                Ok(_) if named.is_secret && self.keys == KeyFiles::Without => {}
                Ok(below) => self.read_if_allowed(&Place::Named(below.to_owned()), &named.path),
                Err(_) => self.leave_out(&named.path, "it is outside of the configuration's folder"),
            }
        }
        let mistake = parts.mistake.iter();
        self.left_out
            .extend(mistake.map(|mistake| format!("what a mistyped key was to name, if one did: {mistake}")));
        if self.keys == KeyFiles::With {
            let handed_in = parts.credentials.iter();
            self.left_out.extend(
                handed_in.map(|key| format!("{key}: systemd hands it in, and knows where it is kept")),
            );
        }
        Ok(())
    }

    fn texts(&mut self, root: &Path, below: &Path, depth: usize) -> Result<(), BackupError> {
        for path in listed(&root.join(below))? {
            let Ok(below) = path.strip_prefix(root) else { continue };
            if path.is_dir() && depth < DEEPEST {
                self.texts(root, below, depth + 1)?;
            } else if path.is_file() {
                self.read_if_allowed(&Place::Text(below.to_owned()), &path);
            }
        }
        Ok(())
    }

    fn of_state(&mut self, state_dir: &Path) -> Result<(), BackupError> {
        for folder in STATE_DIRS {
            for path in listed(&state_dir.join(folder))? {
                let half_written = path.extension().is_some_and(|end| end == "new");
                if let Some(name) = path.file_name().filter(|_| !half_written) {
                    self.read(&Place::State(Path::new(folder).join(name)), &path)?;
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, place: &Place, path: &Path) -> Result<(), BackupError> {
        let bytes = read(path).map_err(BackupError::file("read", path))?;
        self.add(place, Content::Bytes(bytes));
        Ok(())
    }

    /// A file that the daemon may lack the right to read, and does without.
    fn read_if_allowed(&mut self, place: &Place, path: &Path) {
        match read(path) {
            Ok(_) if place.name().is_none() => self.leave_out(path, "its name is too long or not plain"),
            Ok(bytes) if self.keys == KeyFiles::Without && holds_a_private_key(&bytes) => {
                self.leave_out(path, "a private key is in it");
            }
            Ok(bytes) => self.add(place, Content::Bytes(bytes)),
            Err(error) => self.leave_out(path, &error.to_string()),
        }
    }

    fn add(&mut self, place: &Place, content: Content) {
        match place.name() {
            Some(name) if !self.found.iter().any(|(known, _)| *known == name) => {
                self.found.push((name, content));
            }
            Some(_) => {}
            None => self.left_out.push(format!("{place:?}: its name is too long or not plain")),
        }
    }

    fn leave_out(&mut self, path: &Path, why: &str) {
        self.left_out.push(format!("{}: {why}", path.display()));
    }
}

impl Content {
    /// Its length and its SHA-256; it stands at its beginning afterwards.
    fn measure(&mut self) -> io::Result<(u64, String)> {
        let mut hash = Sha256::new();
        let bytes = match self {
            Self::Bytes(bytes) => {
                hash.update(bytes.as_slice());
                u64::try_from(bytes.len()).unwrap_or(u64::MAX)
            }
            Self::File(file) => {
                file.rewind()?;
                let bytes = io::copy(file, &mut Hashing(&mut hash))?;
                file.rewind()?;
                bytes
            }
        };
        Ok((bytes, hex(&hash.finalize())))
    }
}

/// Whatever is written goes into the hash.
struct Hashing<'a>(&'a mut Sha256);

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The copy of the database, gone when this is dropped.
struct DatabaseCopy {
    path: PathBuf,
    /// Locked, so that there is one at a time.
    file: File,
}

impl DatabaseCopy {
    fn of(state_dir: &Path) -> Result<Self, BackupError> {
        let path = state_dir.join(COPY);
        let failed = |source| BackupError::File { action: "write", path: path.clone(), source };
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).clone();
        let file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BackupError::Busy),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // Whoever had it before has removed it since.
        if file.metadata().map_err(failed)?.nlink() == 0 {
            return Err(BackupError::Busy);
        }
        let this = Self { path, file };
        // What a daemon that was killed left there.
        this.file.set_len(0).map_err(BackupError::file("write", &this.path))?;
        whole::copy(&state_dir.join(DATABASE), &this.path).map_err(BackupError::Database)?;
        Ok(this)
    }
}

impl Drop for DatabaseCopy {
    fn drop(&mut self) {
        // It is for the daemon's user alone, and the next backup overwrites it.
        let _ = fs::remove_file(&self.path);
    }
}

/// What is in a folder, in the order of names; nothing where there is none.
fn listed(dir: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BackupError::file("read", dir)(error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>().map_err(BackupError::file("read", dir))?;
    paths.sort();
    Ok(paths)
}

/// As PEM, which may have it beside a certificate.
fn holds_a_private_key(bytes: &[u8]) -> bool {
    const MARK: &[u8] = b"PRIVATE KEY-----";
    bytes.windows(MARK.len()).any(|part| part == MARK)
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path)?;
    if file.metadata()?.len() > LONGEST_FILE {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "longer than any file of a configuration"));
    }
    file.take(LONGEST_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}
