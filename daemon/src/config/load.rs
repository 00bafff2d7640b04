//! Reads the files, or some of them and a draft of one, and makes a valid configuration of them, or says everything
//! that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use postern_gateway::ListenPort;
use serde::de::DeserializeOwned;

use super::backup::judged;
use super::branding::branding;
use super::enrollment::enrollment;
use super::https::http;
use super::portal::portal;
use super::problem::{ConfigErrors, Problem, Problems};
use super::raw::{RawBackend, RawConfig, RawLocation, RawMail, RawSocket, default_socket};
use super::sign_in::sign_in;
use super::smtp::smtp;
use super::{BackendChoice, ClientVersions, Config, Contact, Location, Mail, Security, Smtp, check, values};
use crate::rules::names;
use crate::texts::Texts;

/// What is read where nobody says otherwise: the package's.
pub const DEFAULT_FILE: &str = "/etc/postern/postern.toml";

/// A valid configuration, and where its locations are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The locations' files, by the locations' names.
    pub files: BTreeMap<String, PathBuf>,
    /// What works, but hardly as it was meant.
    pub warnings: Vec<Problem>,
    /// Why nobody can come in over https, or no certificate is obtained, with the files as they are: a certificate, its
    /// key. The rest works without.
    pub https: Vec<Problem>,
}

impl Loaded {
    /// For who asks for the files to be put into force, or judged: refuses what https cannot be served with, too.
    pub fn with_https(self) -> Result<Self, ConfigErrors> {
        if self.https.is_empty() { Ok(self) } else { Err(ConfigErrors(self.https)) }
    }

    /// Something that is wrong with a location.
    pub fn problem(&self, location: &str, key: &str, reason: String) -> Problem {
        let file = self.files.get(location).cloned().unwrap_or_default();
        Problem { file, key: key.to_owned(), reason }
    }
}

/// What a location file is going to be: judged as if it were there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// In the folder of location files.
    pub file: PathBuf,
    /// `None`: the file goes away.
    pub text: Option<String>,
}

/// Reads `path` and the folder of locations it names. Relative paths in it are relative to its own folder.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    load_with(path, None).map(|loaded| loaded.config)
}

/// Where the command line finds the daemon. No other key is looked at: a daemon that runs is to be reached while the
/// files are being edited. The package lets administrators who are not root use the socket, but not read its file: to
/// them the daemon is where the package has it.
pub fn admin_socket(path: &Path) -> Result<PathBuf, ConfigErrors> {
    let mut problems = Problems::default();
    if is_closed(path) {
        if path == Path::new(DEFAULT_FILE) {
            return Ok(default_socket());
        }
        let reason = "you may not read it: use sudo, or say with --socket where the daemon's socket is";
        problems.add(path, "", reason);
        return Err(ConfigErrors(problems.refused));
    }
    let found = read::<RawSocket>(path, &[], &mut problems).ok_or(ConfigErrors(problems.refused))?;
    Ok(path.parent().unwrap_or(Path::new(".")).join(found.admin_socket))
}

fn is_closed(path: &Path) -> bool {
    std::fs::File::open(path).is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// [`load`], with one file as it is going to be.
pub fn load_with(path: &Path, draft: Option<&Draft>) -> Result<Loaded, ConfigErrors> {
    load_drafts(path, draft.map_or(&[], std::slice::from_ref))
}

/// [`load`], with files as they are going to be, `path` itself or location files. See [`Loaded::https`] for what is not
/// refused.
pub fn load_drafts(path: &Path, drafts: &[Draft]) -> Result<Loaded, ConfigErrors> {
    let mut problems = Problems::default();
    let Some(raw) = read::<RawConfig>(path, drafts, &mut problems) else {
        return Err(ConfigErrors(problems.refused));
    };
    let base = path.parent().unwrap_or(Path::new("."));
    let locations_dir = below(base, &raw.locations_dir);
    let locations = read_locations(&locations_dir, drafts, &mut problems);
    check::locations(&locations, &mut problems);
    let config = convert(raw, base, path, &mut problems);
    let Problems { mut refused, warnings, https } = problems;
    if !refused.is_empty() {
        refused.extend(https);
        return Err(ConfigErrors(refused));
    }
    let files = locations.iter().map(|(file, location)| (location.name.clone(), file.clone())).collect();
    let locations = locations.into_iter().map(|(_, location)| (location.name.clone(), location)).collect();
    Ok(Loaded { config: Config { locations, ..config }, files, warnings, https })
}

pub(super) fn read<T: DeserializeOwned>(path: &Path, drafts: &[Draft], problems: &mut Problems) -> Option<T> {
    let text = match drafts.iter().find(|draft| draft.file == path) {
        Some(draft) => draft.text.clone()?,
        None => {
            std::fs::read_to_string(path).map_err(|error| problems.add(path, "", not_read(&error))).ok()?
        }
    };
    parse(path, &text, problems)
}

fn not_read(error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::NotFound {
        return "No such file: `postern setup` writes the main one, and --config names another".to_owned();
    }
    format!("cannot be read: {error}")
}

pub(super) fn parse<T: DeserializeOwned>(path: &Path, text: &str, problems: &mut Problems) -> Option<T> {
    toml::from_str(text).map_err(|error| problems.refused.push(unreadable(path, text, &error))).ok()
}

fn unreadable(path: &Path, text: &str, error: &toml::de::Error) -> Problem {
    let (key, reason) = refused_for(text, error);
    Problem { file: path.to_owned(), key, reason }
}

/// Which key a text was refused for, and why, with its line.
pub(super) fn refused_for(text: &str, error: &toml::de::Error) -> (String, String) {
    let reason = error.message().trim_end().to_owned();
    // A key that is not there has no line.
    let missing = reason.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match (missing, error.span()) {
        (Some(key), _) => (key.to_owned(), reason),
        (None, None) => (String::new(), reason),
        (None, Some(span)) => {
            let (line, key) = place(text, span.start);
            (key, format!("line {line}: {reason}"))
        }
    }
}

/// The line that byte `at` is in, and the dotted key that is written there or above.
fn place(text: &str, at: usize) -> (usize, String) {
    let is_bare = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let (mut number, mut end, mut table, mut key) = (0, 0, "", "");
    for line in text.split_inclusive('\n') {
        (number, end) = (number + 1, end + line.len());
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            (table, key) = (name, "");
        } else if let Some((name, _)) = line.split_once('=').filter(|(name, _)| is_bare(name.trim())) {
            key = name.trim();
        }
        if at < end {
            break;
        }
    }
    let dotted = [table, key].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
    (number, dotted)
}

/// The `*.toml` files in the order of their names. A folder that is not there holds none.
fn read_locations(dir: &Path, drafts: &[Draft], problems: &mut Problems) -> Vec<(PathBuf, Location)> {
    let mut files: BTreeSet<PathBuf> = match std::fs::read_dir(dir) {
        Ok(entries) => entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeSet::new(),
        Err(error) => {
            problems.add(dir, "", format!("cannot be read: {error}"));
            return Vec::new();
        }
    };
    let drafted = drafts.iter().map(|draft| draft.file.clone());
    files.extend(drafted.filter(|file| file.parent() == Some(dir)));
    let mut locations = Vec::new();
    for file in files {
        let raw = read(&file, drafts, problems);
        if let Some(location) = raw.and_then(|raw| location(raw, &file, problems)) {
            locations.push((file, location));
        }
    }
    locations
}

fn location(raw: RawLocation, file: &Path, problems: &mut Problems) -> Option<Location> {
    let port = u16::try_from(raw.listen_port).ok().and_then(|port| ListenPort::try_from(port).ok());
    if port.is_none() {
        problems.add(file, "listen_port", format!("{} is not a UDP port: 1 to 65535", raw.listen_port));
    }
    let keepalive = u16::try_from(raw.keepalive).ok();
    if keepalive.is_none() {
        let reason = format!("{} is not a keepalive: 0 (off) to 65535 seconds", raw.keepalive);
        problems.add(file, "keepalive", reason);
    }
    Some(Location {
        name: raw.name,
        interface: raw.interface,
        listen_port: port?,
        endpoint: raw.endpoint,
        ipv4: raw.ipv4,
        ipv6: raw.ipv6,
        dns: raw.dns,
        routes: raw.routes,
        mtu: raw.mtu,
        keepalive: keepalive?,
        groups: raw.groups.map(|groups| groups.into_iter().collect()),
        masquerade: raw.masquerade,
        client_to_client: raw.client_to_client,
        host_services: raw.host_services.into_iter().collect(),
        second_factor: raw.second_factor,
        backend: raw.backend.map(backend),
    })
}

fn backend(raw: RawBackend) -> BackendChoice {
    match raw {
        RawBackend::Auto => BackendChoice::Auto,
        RawBackend::Kernel => BackendChoice::Kernel,
        RawBackend::Userspace => BackendChoice::Userspace,
    }
}

fn convert(raw: RawConfig, base: &Path, file: &Path, problems: &mut Problems) -> Config {
    check_texts(&raw, file, problems);
    let public_url = values::public_url(&raw.public_url).unwrap_or_else(|reason| {
        problems.add(file, "public_url", reason);
        String::new()
    });
    let contact = contact(raw.contact, file, problems);
    let branding = branding(raw.branding, &raw.instance_name, base, file, problems);
    let texts = texts(&below(base, &raw.mail.templates_dir), problems);
    let http = http(raw.http, &public_url, &contact.email, base, file, problems);
    let mail = mail(raw.mail, &public_url, &contact, base, file, problems);
    let reconcile_interval =
        time("gateway.reconcile_interval", &raw.gateway.reconcile_interval, file, problems);
    Config {
        instance_name: raw.instance_name,
        public_url,
        state_dir: below(base, &raw.state_dir),
        admin_socket: below(base, &raw.admin_socket),
        locations_dir: below(base, &raw.locations_dir),
        http,
        contact,
        branding,
        mail,
        texts,
        enrollment: enrollment(&raw.enrollment, file, problems),
        sign_in: sign_in(&raw.sign_in, file, problems),
        second_factor: raw.security.second_factor,
        portal: portal(&raw.devices, raw.portal),
        backend: backend(raw.gateway.backend),
        reconcile_interval,
        audit_keep: audit_keep(&raw.audit.keep, file, problems),
        backups: judged(raw.backup, base, file, problems),
        metrics_listen: check::metrics(raw.metrics.listen, file, problems),
        client_versions: ClientVersions {
            core: raw.client.core_version,
            component: raw.client.component_version,
        },
        locations: BTreeMap::new(),
    }
}

pub(super) fn time(key: &str, text: &str, file: &Path, problems: &mut Problems) -> Duration {
    values::duration(text).unwrap_or_else(|reason| {
        problems.add(file, key, reason);
        Duration::ZERO
    })
}

fn audit_keep(text: &str, file: &Path, problems: &mut Problems) -> Duration {
    values::long_duration(text).unwrap_or_else(|reason| {
        problems.add(file, "audit.keep", reason);
        Duration::ZERO
    })
}

fn mail(
    raw: RawMail,
    public_url: &str,
    contact: &Contact,
    base: &Path,
    file: &Path,
    problems: &mut Problems,
) -> Mail {
    let from = if raw.from.is_empty() { contact.email.clone() } else { raw.from };
    let directory = raw.directory.map(|directory| below(base, &directory));
    let smtp = smtp(raw.smtp, values::host_of(public_url), base, file, problems);
    if directory.is_some() && smtp.is_some() {
        let reason = "mail goes to one place only: leave this out, or mail.smtp.host";
        problems.add(file, "mail.directory", reason);
    }
    if let Some(Smtp { security: Security::Unencrypted, login: Some(_), .. }) = &smtp {
        problems.warn(file, "mail.smtp.security", "the password is sent unencrypted");
    }
    Mail { from, directory, smtp }
}

fn texts(dir: &Path, problems: &mut Problems) -> Texts {
    let read = Texts::read(dir);
    for (file, reason) in read.mistakes {
        problems.add(&file, "", reason);
    }
    for (file, reason) in read.oddities {
        problems.warn(&file, "", reason);
    }
    read.texts
}

fn check_texts(raw: &RawConfig, file: &Path, problems: &mut Problems) {
    // Without a sender the contact's address is it, and that is judged by itself.
    let sender = if raw.mail.from.is_empty() { Ok(()) } else { values::sender(&raw.mail.from) };
    for (key, checked) in [
        ("instance_name", values::shown_name(&raw.instance_name)),
        ("mail.from", sender),
        ("client.core_version", values::version(&raw.client.core_version)),
        ("client.component_version", values::version(&raw.client.component_version)),
    ] {
        if let Err(reason) = checked {
            problems.add(file, key, reason);
        }
    }
}

fn contact(raw: super::raw::RawContact, file: &Path, problems: &mut Problems) -> Contact {
    if raw.name.trim().is_empty() {
        problems.add(file, "contact.name", "is missing: the name of who helps users");
    }
    if names::email(&raw.email).is_err() {
        let reason = format!("{:?} is not an e-mail address: the address of who helps users", raw.email);
        problems.add(file, "contact.email", reason);
    }
    if names::phone(&raw.phone).is_err() {
        problems.add(file, "contact.phone", format!("{:?} is not a phone number", raw.phone));
    }
    Contact { name: raw.name, email: raw.email, phone: Some(raw.phone).filter(|phone| !phone.is_empty()) }
}

/// `path` as seen from the folder `base`; what leads out of it is told without the detour.
pub(super) fn below(base: &Path, path: &Path) -> PathBuf {
    if !path.starts_with("..") {
        return base.join(path);
    }
    // Only the folder that a symbolic link leads to knows its parent.
    let mut tidy = base.canonicalize().unwrap_or_else(|_| base.to_owned());
    for part in path.components() {
        if part == Component::ParentDir {
            tidy.pop();
        } else {
            tidy.push(part);
        }
    }
    tidy
}
