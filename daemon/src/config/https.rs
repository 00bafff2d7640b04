//! `[http]`: in which of three ways people reach us over TLS, and where we listen for that.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use jiff::Timestamp;
use postern_gateway::chain;

use super::load::below;
use super::problem::Problems;
use super::raw::{RawAcme, RawHttp, RawTls};
use super::smtp::{is_file_name, read_ca};
use super::values;
use crate::rules::names;
use crate::tls::pair::{KeySource, Pair};

/// Where we are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Addresses for the pages and clients.
    pub listen: Vec<SocketAddr>,
    /// Addresses where plain http is told to come over https; with [`Tls::Proxy`] none.
    pub redirect_listen: Vec<SocketAddr>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who speaks TLS.
    pub tls: Tls,
}

/// Who speaks TLS, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// A proxy before us: we speak plain http.
    Proxy,
    /// We do, with files that somebody renews.
    Files(OwnFiles),
    /// We do, with a certificate that we ask for.
    Acme(Acme),
}

/// A chain of certificates and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFiles {
    /// PEM: the host's own certificate first.
    pub certificate: PathBuf,
    /// PEM.
    pub key: KeySource,
}

/// An authority that speaks ACME (RFC 8555).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// The name to ask for: the host of the public URL.
    pub host: String,
    /// Its directory's URL.
    pub directory: String,
    /// Whom it may write to.
    pub email: String,
    /// PEM: the authority to trust when speaking with it; `None`: those of the system.
    pub ca_file: Option<PathBuf>,
}

/// Judges the whole section. `contact` is whom the authority writes to when nothing else is said.
pub(super) fn http(
    raw: RawHttp,
    public_url: &str,
    contact: &str,
    base: &Path,
    file: &Path,
    problems: &mut Problems,
) -> Http {
    let tls = match raw.tls {
        RawTls::Proxy => Tls::Proxy,
        RawTls::Files => own_files(&raw, public_url, base, file, problems),
        RawTls::Acme => acme(&raw.acme, public_url, contact, base, file, problems),
    };
    only_with_files(&raw, file, problems);
    if tls != Tls::Proxy && !public_url.starts_with("https:") {
        let reason = format!("{public_url:?} is not https: with http.tls people come over https only");
        problems.add(file, "public_url", reason);
    }
    let usual: SocketAddr = match tls {
        Tls::Proxy => ([127, 0, 0, 1], 8080).into(),
        Tls::Files(_) | Tls::Acme(_) => (Ipv6Addr::UNSPECIFIED, 443).into(),
    };
    let listen = if raw.listen.is_empty() { vec![usual] } else { raw.listen };
    let redirect_listen = if tls == Tls::Proxy { Vec::new() } else { raw.redirect_listen };
    for address in listen.iter().filter(|address| redirect_listen.contains(address)) {
        problems.add(file, "http.redirect_listen", format!("{address} is in http.listen too: leave one out"));
    }
    let http = Http { listen, redirect_listen, trusted_proxies: raw.trusted_proxies, tls };
    if let Some(reason) = http.listen.iter().find_map(|address| http.worry_about(*address)) {
        problems.warn(file, "http.listen", reason);
    }
    http
}

impl Http {
    /// What is wrong with answering people on `address`; `None`: nothing.
    pub fn worry_about(&self, address: SocketAddr) -> Option<String> {
        (self.tls == Tls::Proxy && is_public(address.ip())).then(|| {
            format!(
                "PLAIN HTTP ON A PUBLIC ADDRESS: on {address} tokens and passwords can be read on the way; set http.tls to \
                 \"acme\" or \"files\", or listen on 127.0.0.1 behind a proxy that speaks https"
            )
        })
    }
}

fn only_with_files(raw: &RawHttp, file: &Path, problems: &mut Problems) {
    let given = [
        ("http.certificate_file", raw.certificate_file.is_some()),
        ("http.key_file", raw.key_file.is_some()),
        ("http.key_credential", raw.key_credential.is_some()),
    ];
    for (key, _) in given.into_iter().filter(|(_, given)| *given && raw.tls != RawTls::Files) {
        problems.add(file, key, "is used only with http.tls = \"files\": leave it out, or set that");
    }
}

fn own_files(raw: &RawHttp, public_url: &str, base: &Path, file: &Path, problems: &mut Problems) -> Tls {
    let Some(certificate) = &raw.certificate_file else {
        problems.add(file, "http.certificate_file", "is missing: the chain of certificates, in PEM form");
        return Tls::Proxy;
    };
    let certificate = below(base, certificate);
    let key = match (&raw.key_file, &raw.key_credential) {
        (Some(key), None) => KeySource::File(below(base, key)),
        (None, Some(name)) if is_file_name(name) => KeySource::Credential(name.clone()),
        (None, Some(name)) => {
            let reason = format!("{name:?} is not the name of a credential");
            problems.add(file, "http.key_credential", reason);
            return Tls::Proxy;
        }
        (None, None) => {
            problems.add(file, "http.key_file", "is missing: the certificate's key (or give key_credential)");
            return Tls::Proxy;
        }
        (Some(_), Some(_)) => {
            problems.add(file, "http.key_credential", "there is a key_file too: leave one of them out");
            return Tls::Proxy;
        }
    };
    let files = OwnFiles { certificate, key };
    judge(&files, values::host_of(public_url), file, problems);
    Tls::Files(files)
}

/// Files are judged wherever they may be read. Credentials are there only in the daemon: elsewhere the chain is judged alone.
fn judge(files: &OwnFiles, host: &str, file: &Path, problems: &mut Problems) {
    let certificate = if files.key.path().is_ok() {
        files.read().map(|pair| pair.certificate)
    } else {
        Pair::certificate_alone(&files.certificate)
    };
    match certificate {
        Ok(certificate) => {
            if let Some(worry) = certificate.worry(host, now()) {
                problems.warn(file, "http.certificate_file", worry);
            }
        }
        Err(error) => problems.add_of_https(file, "http.certificate_file", chain(&error)),
    }
    if files.key.is_open_to_all() {
        problems.warn(file, "http.key_file", "everybody on this host may read the key: chmod o= it");
    }
}

#[expect(clippy::disallowed_methods, reason = "files are judged without a daemon and its clock, too")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn acme(
    raw: &RawAcme,
    public_url: &str,
    contact: &str,
    base: &Path,
    file: &Path,
    problems: &mut Problems,
) -> Tls {
    let host = values::host_of(public_url).to_owned();
    if host.parse::<IpAddr>().is_ok() || host.starts_with('[') || !host.contains('.') {
        let reason =
            format!("{host:?} is no name that an authority gives certificates for: http.tls needs one");
        problems.add(file, "public_url", reason);
    }
    if !raw.directory.starts_with("https://") {
        let reason = format!("{:?} is not an https URL", raw.directory);
        problems.add(file, "http.acme.directory", reason);
    }
    let email = if raw.email.is_empty() { contact } else { &raw.email };
    if names::email(email).is_err() {
        problems.add(file, "http.acme.email", format!("{email:?} is not an e-mail address"));
    }
    let ca_file = raw.ca_file.as_deref().map(|ca| below(base, ca));
    if let Some(Err(reason)) = ca_file.as_deref().map(read_ca) {
        problems.add_of_https(file, "http.acme.ca_file", reason);
    }
    Tls::Acme(Acme { host, directory: raw.directory.clone(), email: email.to_owned(), ca_file })
}

/// Whether strangers may be between there and here: everything but loopback and networks of one's own.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !(address.is_loopback() || address.is_private() || address.is_link_local()),
        IpAddr::V6(address) => {
            !(address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests;
