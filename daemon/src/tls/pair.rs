//! A chain of certificates and the key that belongs to it: read from PEM, and refused with what to do about it where
//! visitors could not use them.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use crate::rules::certificate::Certificate;

/// Longer than any chain or key.
const MOST_BYTES: u64 = 256 * 1024;

/// What TLS is served with.
#[derive(Debug, Clone)]
pub struct Pair {
    /// For rustls.
    pub key: Arc<CertifiedKey>,
    /// What the first certificate says.
    pub certificate: Certificate,
}

/// Where a private key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A PEM file.
    File(PathBuf),
    /// A credential that systemd gave us, by name.
    Credential(String),
}

/// Why TLS cannot be served with it.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// A file.
    #[error("cannot read {}{}", path.display(), remedy(path, source))]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not started by systemd, or without credentials.
    #[error(
        "the credential {0:?} is not there: systemd gave this process none (LoadCredential= in the unit)"
    )]
    NoCredentials(String),
    /// No PEM, or PEM of something else.
    #[error("{} holds no certificate in PEM form: it has to be the whole chain, the host's own certificate first", .0.display())]
    NoCertificate(PathBuf),
    /// What is between the PEM lines.
    #[error("{} holds something that is not an X.509 certificate", .0.display())]
    Malformed(PathBuf),
    /// The order, or a certificate between.
    #[error("the chain in {} is broken: {subject} is not followed by the certificate of its issuer, {issuer}", path.display())]
    Chain {
        /// Which file.
        path: PathBuf,
        /// Of the certificate before.
        subject: String,
        /// Who should come.
        issuer: String,
    },
    /// No PEM, or PEM of something else.
    #[error("{0} holds no private key in PEM form (without a passphrase)")]
    NoKey(String),
    /// Of another pair.
    #[error("{key} is not the key of the first certificate in {}", certificate.display())]
    Mismatch {
        /// Where the chain is.
        certificate: PathBuf,
        /// Where the key is.
        key: String,
    },
    /// Of a kind that is not spoken.
    #[error("{0} holds a key that cannot be used: make an ECDSA P-256 or RSA 2048 one")]
    Unusable(String),
}

/// The daemon is no longer root when it reads.
fn remedy(path: &Path, source: &io::Error) -> String {
    let shown = path.display();
    if source.kind() == ErrorKind::PermissionDenied {
        return format!(
            ": the daemon's user may not: chgrp postern {shown} && chmod 0640 {shown} (and let it enter the folder), or give \
             the key by http.key_credential"
        );
    }
    if source.kind() == ErrorKind::FileTooLarge {
        return format!(": it is longer than {MOST_BYTES} bytes");
    }
    String::new()
}

impl KeySource {
    /// Where the file is.
    pub fn path(&self) -> Result<PathBuf, PairError> {
        match self {
            Self::File(path) => Ok(path.clone()),
            Self::Credential(name) => {
                let dir = std::env::var_os("CREDENTIALS_DIRECTORY");
                dir.map(|dir| Path::new(&dir).join(name))
                    .ok_or_else(|| PairError::NoCredentials(name.clone()))
            }
        }
    }

    /// Whether everybody on this host may read it.
    pub fn is_open_to_all(&self) -> bool {
        let Self::File(path) = self else { return false };
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
    }
}

impl Pair {
    /// Reads and judges a chain in one file and its key in another, or in the same.
    pub fn read(chain: &Path, key: &KeySource) -> Result<Self, PairError> {
        let key_path = key.path()?;
        let (chain_pem, key_pem) = (read(chain)?, read(&key_path)?);
        Self::of(&chain_pem, chain, &key_pem, &key_path)
    }

    /// Reads and judges a chain, where its key is not to be had.
    pub fn certificate_alone(chain: &Path) -> Result<Certificate, PairError> {
        judged(&read(chain)?, chain).map(|(_, certificate)| certificate)
    }

    /// Judges what was read from these files.
    pub fn of(chain_pem: &[u8], chain: &Path, key_pem: &[u8], key: &Path) -> Result<Self, PairError> {
        let (certificates, certificate) = judged(chain_pem, chain)?;
        let shown = key.display().to_string();
        let der = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| PairError::NoKey(shown.clone()))?;
        let signing = default_provider().key_provider.load_private_key(der);
        let signing = signing.map_err(|_| PairError::Unusable(shown.clone()))?;
        let certified = CertifiedKey::new(certificates, signing);
        let mismatch = |_| PairError::Mismatch { certificate: chain.to_owned(), key: shown };
        certified.keys_match().map_err(mismatch)?;
        Ok(Self { key: Arc::new(certified), certificate })
    }
}

fn judged(pem: &[u8], path: &Path) -> Result<(Vec<CertificateDer<'static>>, Certificate), PairError> {
    let malformed = || PairError::Malformed(path.to_owned());
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|_| malformed())?;
    let parsed: Result<Vec<_>, _> =
        certificates.iter().map(|der| X509Certificate::from_der(der).map(|(_, parsed)| parsed)).collect();
    let parsed = parsed.map_err(|_| malformed())?;
    let own = parsed.first().ok_or_else(|| PairError::NoCertificate(path.to_owned()))?;
    in_order(&parsed, path)?;
    let certificate = facts(own).ok_or_else(malformed)?;
    Ok((certificates, certificate))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, PairError> {
    let io = |source| PairError::Io { path: path.to_owned(), source };
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(io)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MOST_BYTES {
        return Err(io(ErrorKind::FileTooLarge.into()));
    }
    Ok(bytes)
}

/// Visitors need the certificates between ours and one they know, and some take them only in order.
fn in_order(chain: &[X509Certificate<'_>], path: &Path) -> Result<(), PairError> {
    let pairs = chain.iter().zip(chain.iter().skip(1));
    let broken = pairs.into_iter().find(|(one, next)| one.issuer() != next.subject());
    broken.map_or(Ok(()), |(one, _)| {
        let (subject, issuer) = (one.subject().to_string(), one.issuer().to_string());
        Err(PairError::Chain { path: path.to_owned(), subject, issuer })
    })
}

/// `None`: it has dates that are no dates.
fn facts(parsed: &X509Certificate<'_>) -> Option<Certificate> {
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.into_iter().flat_map(|extension| &extension.value.general_names);
    let (from, until) = (parsed.validity().not_before, parsed.validity().not_after);
    Some(Certificate {
        names: names.filter_map(shown).collect(),
        issuer: parsed.issuer().to_string(),
        not_before: Timestamp::from_second(from.timestamp()).ok()?,
        not_after: Timestamp::from_second(until.timestamp()).ok()?,
    })
}

fn shown(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(name) = name {
        return Some((*name).to_owned());
    }
    let GeneralName::IPAddress(bytes) = name else { return None };
    let v4 = <[u8; 4]>::try_from(*bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
    v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(|bytes| Ipv6Addr::from(bytes).to_string())).ok()
}

#[cfg(test)]
mod tests;
