//! Reads the files and makes a valid configuration of them, or says everything that is wrong with them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::raw::{RawBackend, RawConfig, RawLocation};
use super::{BackendChoice, ClientVersions, Config, Contact, Enrollment, Location, Mail, check};
use crate::rules::names;

/// One thing that is wrong: which file, which key, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// As given, or as found.
    pub file: PathBuf,
    /// Dotted, as in `contact.name`; empty when the file as a whole is meant.
    pub key: String,
    /// Names the wrong value and what to do.
    pub reason: String,
}

/// Everything that is wrong with a configuration; at least one thing is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        if self.key.is_empty() {
            write!(f, "{file}: {}", self.reason)
        } else {
            write!(f, "{file}: {}: {}", self.key, self.reason)
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

/// Problems found so far, each with its file.
#[derive(Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, file: &Path, key: &str, reason: impl Into<String>) {
        self.0.push(Problem { file: file.to_owned(), key: key.to_owned(), reason: reason.into() });
    }
}

/// Reads `path` and the folder of locations it names. Relative paths in it are relative to its own folder.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    let mut problems = Problems::default();
    let Some(raw) = read::<RawConfig>(path, &mut problems) else { return Err(ConfigErrors(problems.0)) };
    let base = path.parent().unwrap_or(Path::new("."));
    let locations_dir = base.join(&raw.locations_dir);
    let locations = read_locations(&locations_dir, &mut problems);
    check::locations(&locations, &mut problems);
    let config = convert(raw, base, path, &mut problems);
    if !problems.0.is_empty() {
        return Err(ConfigErrors(problems.0));
    }
    let locations = locations.into_iter().map(|(_, location)| (location.name.clone(), location)).collect();
    Ok(Config { locations, ..config })
}

fn read<T: DeserializeOwned>(path: &Path, problems: &mut Problems) -> Option<T> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| problems.add(path, "", format!("cannot be read: {error}"))).ok()?;
    toml::from_str(&text).map_err(|error| problems.add(path, "", error.to_string().trim_end())).ok()
}

/// The `*.toml` files in the order of their names. A folder that is not there holds none.
fn read_locations(dir: &Path, problems: &mut Problems) -> Vec<(PathBuf, Location)> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            problems.add(dir, "", format!("cannot be read: {error}"));
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    let mut locations = Vec::new();
    for file in files {
        if let Some(raw) = read::<RawLocation>(&file, problems) {
            locations.push((file, location(raw)));
        }
    }
    locations
}

fn location(raw: RawLocation) -> Location {
    Location {
        name: raw.name,
        interface: raw.interface,
        listen_port: raw.listen_port,
        endpoint: raw.endpoint,
        ipv4: raw.ipv4,
        ipv6: raw.ipv6,
        dns: raw.dns,
        routes: raw.routes,
        mtu: raw.mtu,
        keepalive: raw.keepalive,
        groups: raw.groups.map(|groups| groups.into_iter().collect()),
        masquerade: raw.masquerade,
        client_to_client: raw.client_to_client,
        host_services: raw.host_services.into_iter().collect(),
        backend: raw.backend.map(backend),
    }
}

fn backend(raw: RawBackend) -> BackendChoice {
    match raw {
        RawBackend::Auto => BackendChoice::Auto,
        RawBackend::Kernel => BackendChoice::Kernel,
        RawBackend::Userspace => BackendChoice::Userspace,
    }
}

fn convert(raw: RawConfig, base: &Path, file: &Path, problems: &mut Problems) -> Config {
    let public_url = check::public_url(&raw.public_url).unwrap_or_else(|reason| {
        problems.add(file, "public_url", reason);
        String::new()
    });
    let contact = contact(raw.contact, file, problems);
    let from = if raw.mail.from.is_empty() { contact.email.clone() } else { raw.mail.from };
    let mut time = |key: &str, text: &str| {
        check::duration(text).unwrap_or_else(|reason| {
            problems.add(file, key, reason);
            Duration::ZERO
        })
    };
    let token_ttl = time("enrollment.token_ttl", &raw.enrollment.token_ttl);
    let session_ttl = time("enrollment.session_ttl", &raw.enrollment.session_ttl);
    let reconcile_interval = time("gateway.reconcile_interval", &raw.gateway.reconcile_interval);
    if raw.enrollment.devices_per_session == 0 {
        problems.add(file, "enrollment.devices_per_session", "0 lets nobody register a device: 1 or more");
    }
    Config {
        instance_name: raw.instance_name,
        public_url,
        state_dir: base.join(raw.state_dir),
        admin_socket: base.join(raw.admin_socket),
        locations_dir: base.join(raw.locations_dir),
        listen: raw.http.listen,
        trusted_proxies: raw.http.trusted_proxies,
        contact,
        mail: Mail { from, directory: raw.mail.directory.map(|directory| base.join(directory)) },
        enrollment: Enrollment {
            token_ttl,
            session_ttl,
            devices_per_session: raw.enrollment.devices_per_session,
            final_message: raw.enrollment.final_message,
            welcome_subject: raw.enrollment.welcome_subject,
        },
        backend: backend(raw.gateway.backend),
        reconcile_interval,
        client_versions: ClientVersions {
            core: raw.client.core_version,
            component: raw.client.component_version,
        },
        locations: BTreeMap::new(),
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
