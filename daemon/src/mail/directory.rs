//! Delivers into a folder: one `.eml` file for each letter, whole or not there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, Mailbox};

use super::Letter;

/// Why a letter did not leave.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Sender or recipient.
    #[error("{address:?} is not an address mail can have")]
    Address {
        /// As configured, or as stored.
        address: String,
        /// Why.
        #[source]
        source: lettre::address::AddressError,
    },
    /// The mail cannot be put together.
    #[error("cannot write the mail down")]
    Message(#[from] lettre::error::Error),
    /// The folder or the file.
    #[error("cannot write {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Writes `letter` as `dir/name.eml`, for the owner alone, and has it on disk when it returns. The same `name` again
/// replaces the file, so that an attempt repeated after a crash leaves one letter.
pub fn deliver(
    dir: &Path,
    name: &str,
    from: &str,
    letter: &Letter,
    now: Timestamp,
) -> Result<PathBuf, DeliveryError> {
    let mail = lettre::Message::builder()
        .from(mailbox(from)?)
        .to(mailbox(&letter.to)?)
        .subject(letter.subject.as_str())
        .date(date(now))
        .header(ContentType::TEXT_PLAIN)
        .body(readable(&letter.body))?;
    let path = dir.join(format!("{name}.eml"));
    let written = write_whole(dir, &path, &mail.formatted());
    written.map_err(|source| DeliveryError::Io { path: path.clone(), source })?;
    Ok(path)
}

/// Links and tokens are copied out of the file: lines stay as they are, unless one is too long for a mail (RFC 5322,
/// section 2.1.1).
fn readable(text: &str) -> Body {
    if text.lines().any(|line| line.len() > 998 || line.contains(['\0', '\r'])) {
        return Body::new(text.to_owned());
    }
    let lines: Vec<u8> = text.lines().flat_map(|line| [line, "\r\n"]).flat_map(str::bytes).collect();
    Body::dangerous_pre_encoded(lines, ContentTransferEncoding::EightBit)
}

fn date(now: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0))
}

/// Whether mail can come from, or go to, what is written there.
pub fn is_mailbox(text: &str) -> bool {
    mailbox(text).is_ok()
}

fn mailbox(address: &str) -> Result<Mailbox, DeliveryError> {
    address.parse().map_err(|source| DeliveryError::Address { address: address.to_owned(), source })
}

fn write_whole(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let draft = path.with_extension("draft");
    if let Err(error) = fs::remove_file(&draft)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(dir)?.sync_all()
}
