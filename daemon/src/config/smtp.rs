//! `[mail.smtp]`: the mail server, and where its password is.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::load::below;
use super::problem::Problems;
use super::raw::{RawSecurity, RawSmtp};
use super::values;

/// Whatever is longer is not a password, but the wrong file.
const MOST_PASSWORD_BYTES: u64 = 4096;
/// Longer than any chain of certificates.
const MOST_CA_BYTES: u64 = 1024 * 1024;

/// A mail server and how to speak with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// A name or an address; what its certificate has to be for.
    pub host: String,
    /// TCP.
    pub port: u16,
    /// Whether and how the connection is encrypted.
    pub security: Security,
    /// With what to log in; `None`: without.
    pub login: Option<Login>,
    /// PEM: the only authorities that are trusted; `None`: those of the system.
    pub ca: Option<Vec<u8>>,
    /// How long each step of the conversation may take.
    pub timeout: Duration,
    /// As what we introduce ourselves.
    pub hello_name: String,
}

/// Whether and how a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// It starts in the clear and is encrypted before anything is said, or ended.
    StartTls,
    /// It is encrypted from the first byte.
    Tls,
    /// It is not.
    Unencrypted,
}

/// With what to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub username: String,
    /// Where its password is.
    pub password: PasswordSource,
}

/// Where a password is. It is read whenever it is needed: a changed one needs no reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// A file for its owner alone.
    File(PathBuf),
    /// A credential that systemd gave us, by name.
    Credential(String),
}

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Not started by systemd, or without credentials.
    #[error(
        "the credential {0:?} is not there: systemd gave this process none (LoadCredential= in the unit)"
    )]
    NoCredentials(String),
    /// The file.
    #[error("cannot read {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others could read it.
    #[error("{} may be read by others than its owner: chmod 0600 it", .0.display())]
    Open(PathBuf),
    /// Nothing in it, or far too much.
    #[error("{} holds no password: one line, at most {MOST_PASSWORD_BYTES} bytes", .0.display())]
    Unusable(PathBuf),
}

impl PasswordSource {
    /// The password; a line break at its end is not part of it.
    pub fn read(&self) -> Result<Zeroizing<String>, PasswordError> {
        match self {
            Self::File(path) => {
                let io = |source| PasswordError::Io { path: path.clone(), source };
                if fs::metadata(path).map_err(io)?.permissions().mode() & 0o077 != 0 {
                    return Err(PasswordError::Open(path.clone()));
                }
                read_line(path)
            }
            // The folder is this process's alone, whatever the mode of the file in it.
            Self::Credential(name) => {
                let dir = std::env::var_os("CREDENTIALS_DIRECTORY");
                let dir = dir.ok_or_else(|| PasswordError::NoCredentials(name.clone()))?;
                read_line(&Path::new(&dir).join(name))
            }
        }
    }
}

fn read_line(path: &Path) -> Result<Zeroizing<String>, PasswordError> {
    let io = |source| PasswordError::Io { path: path.to_owned(), source };
    let unusable = || PasswordError::Unusable(path.to_owned());
    let mut text = Zeroizing::new(String::new());
    let file = fs::File::open(path).map_err(io)?;
    file.take(MOST_PASSWORD_BYTES + 1).read_to_string(&mut text).map_err(io)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let is_usable = !line.is_empty() && !line.contains(['\n', '\r', '\0']);
    if !is_usable || text.len() > usize::try_from(MOST_PASSWORD_BYTES).unwrap_or(usize::MAX) {
        return Err(unusable());
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// `None` without a host. `own_host` is what we are called when nothing else is said.
pub(super) fn smtp(
    raw: RawSmtp,
    own_host: &str,
    base: &Path,
    file: &Path,
    problems: &mut Problems,
) -> Option<Smtp> {
    if raw.host.is_empty() {
        return None;
    }
    let mut told = |key: &str, reason: String| problems.add(file, &format!("mail.smtp.{key}"), reason);
    let hello_name = if raw.hello_name.is_empty() { own_host.to_owned() } else { raw.hello_name };
    for (key, host) in [("host", &raw.host), ("hello_name", &hello_name)] {
        values::mail_host(host).unwrap_or_else(|reason| told(key, reason));
    }
    let login = login(raw.username, raw.password_file, raw.password_credential, base);
    let login = login.unwrap_or_else(|(key, reason)| {
        told(key, reason);
        None
    });
    let ca = raw.ca_file.map(|ca| read_ca(&below(base, &ca))).transpose();
    let timeout = values::duration(&raw.timeout);
    let security = match raw.security {
        RawSecurity::Starttls => Security::StartTls,
        RawSecurity::Tls => Security::Tls,
        RawSecurity::None => Security::Unencrypted,
    };
    Some(Smtp {
        port: if raw.port == 0 { security.usual_port() } else { raw.port },
        host: raw.host,
        security,
        login,
        ca: ca.unwrap_or_else(|reason| {
            told("ca_file", reason);
            None
        }),
        timeout: timeout.unwrap_or_else(|reason| {
            told("timeout", reason);
            Duration::ZERO
        }),
        hello_name,
    })
}

impl Security {
    fn usual_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::Unencrypted => 25,
        }
    }
}

fn login(
    username: String,
    file: Option<PathBuf>,
    credential: Option<String>,
    base: &Path,
) -> Result<Option<Login>, (&'static str, String)> {
    let password = match (file, credential) {
        (Some(file), None) => PasswordSource::File(below(base, &file)),
        (None, Some(name)) if is_file_name(&name) => PasswordSource::Credential(name),
        (None, Some(name)) => {
            return Err(("password_credential", format!("{name:?} is not the name of a credential")));
        }
        (None, None) if username.is_empty() => return Ok(None),
        (None, None) => {
            let reason = "needs a password: give password_file or password_credential";
            return Err(("username", reason.to_owned()));
        }
        (Some(_), Some(_)) => {
            let reason = "there is a password_file too: leave one of them out";
            return Err(("password_credential", reason.to_owned()));
        }
    };
    if username.is_empty() {
        return Err(("username", "is missing: there is a password".to_owned()));
    }
    // Credentials are there only in the daemon; a file can be judged here.
    if let PasswordSource::File(_) = &password {
        password.read().map_err(|error| ("password_file", postern_gateway::chain(&error)))?;
    }
    Ok(Some(Login { username, password }))
}

pub(super) fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}

pub(super) fn read_ca(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("{}: cannot be read: {error}", path.display());
    let mut pem = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(MOST_CA_BYTES).read_to_end(&mut pem).map_err(unreadable)?;
    if crate::mailbox::are_certificates(&pem) {
        Ok(pem)
    } else {
        Err(format!("{}: holds no certificates in PEM form", path.display()))
    }
}

#[cfg(test)]
mod tests;
