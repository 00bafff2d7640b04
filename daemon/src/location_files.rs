//! Location files as administrators wish them: what a wish makes of the files ([`Change`]). Whether the outcome is right
//! is judged where all files are loaded; who writes them is [`crate::reload`].

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use crate::config::edit::{self, LocationKeys, OptionalKey};
use crate::config::{Draft, Loaded};
use crate::flows::refusal::Refusal;
use crate::reload::{Change, ReloadError};
use crate::rules::vacancy;
use crate::taken::Taken;

/// The longest file name made of a location's name, without its ending.
const LONGEST_STEM: usize = 64;

/// A file for a new location; what is not given is chosen among what nobody uses.
///
/// `keys.name` and `keys.endpoint` are to be given; the endpoint's port may be missing.
pub fn add(
    present: &Loaded,
    keys: LocationKeys,
    without: &BTreeSet<OptionalKey>,
    taken: Taken,
    random: u64,
) -> Result<Change, ReloadError> {
    draft(present, keys, without, taken, random).map(Change::File)
}

/// [`add`], before it is a change.
pub fn draft(
    present: &Loaded,
    keys: LocationKeys,
    without: &BTreeSet<OptionalKey>,
    taken: Taken,
    random: u64,
) -> Result<Draft, ReloadError> {
    let name = keys.name.clone().unwrap_or_default();
    if present.files.keys().any(|known| known.eq_ignore_ascii_case(&name)) {
        return Err(Refusal::LocationTaken(name).into());
    }
    let file = present.config.locations_dir.join(format!("{}.toml", stem(&name)));
    if file.exists() {
        return Err(Refusal::LocationFileTaken(file).into());
    }
    let keys = completed(keys, without, &taken.and_by(&present.config), random)?;
    let text = edit::new_file(&keys, without).map_err(unreadable(&file))?;
    Ok(Draft { file, text: Some(text) })
}

/// A location's file with other values.
pub fn edit(
    present: &Loaded,
    name: &str,
    keys: LocationKeys,
    without: &BTreeSet<OptionalKey>,
) -> Result<Change, ReloadError> {
    if keys == LocationKeys::default() && without.is_empty() {
        return Err(Refusal::NothingToChange.into());
    }
    let (name, file) = known(present, name)?;
    let present_port = present.config.locations.get(name).map(|location| location.listen_port.get());
    let port = keys.listen_port.or(present_port).unwrap_or_default();
    let keys = LocationKeys { endpoint: keys.endpoint.map(|endpoint| with_port(endpoint, port)), ..keys };
    let read = std::fs::read_to_string(file);
    let text = read.map_err(|source| ReloadError::File { action: "read", path: file.clone(), source })?;
    let text = edit::edit(&text, &keys, without).map_err(unreadable(file))?;
    Ok(Change::File(Draft { file: file.clone(), text: Some(text) }))
}

/// A location's file is moved aside.
pub fn remove(present: &Loaded, name: &str) -> Result<Change, ReloadError> {
    let (_, file) = known(present, name)?;
    Ok(Change::File(Draft { file: file.clone(), text: None }))
}

/// A location gets another key.
pub fn rotate_key(present: &Loaded, name: &str) -> Result<Change, ReloadError> {
    let (name, _) = known(present, name)?;
    Ok(Change::Key(name.clone()))
}

fn known<'a>(present: &'a Loaded, name: &str) -> Result<(&'a String, &'a PathBuf), Refusal> {
    let mut files = present.files.iter();
    files
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .ok_or_else(|| Refusal::UnknownLocation(name.to_owned()))
}

fn completed(
    keys: LocationKeys,
    without: &BTreeSet<OptionalKey>,
    taken: &Taken,
    random: u64,
) -> Result<LocationKeys, Refusal> {
    let found = |found: Option<String>, what| found.ok_or(Refusal::NothingFree(what)).map(Some);
    let mut keys = keys;
    let port = match keys.listen_port {
        Some(port) => port,
        None => vacancy::port(&taken.ports).ok_or(Refusal::NothingFree("port"))?,
    };
    keys.listen_port = Some(port);
    keys.endpoint = keys.endpoint.map(|endpoint| with_port(endpoint, port));
    if keys.interface.is_none() {
        let name = keys.name.as_deref().unwrap_or_default();
        keys.interface = found(vacancy::interface(name, &taken.interfaces), "interface name")?;
    }
    if keys.ipv4.is_none() && !without.contains(&OptionalKey::Ipv4) {
        let subnet = vacancy::ipv4(&taken.networks, random);
        keys.ipv4 = found(subnet.map(|subnet| subnet.to_string()), "private IPv4 subnet")?;
    }
    if keys.ipv6.is_none() && !without.contains(&OptionalKey::Ipv6) {
        let subnet = vacancy::ipv6(&taken.networks, random);
        keys.ipv6 = found(subnet.map(|subnet| subnet.to_string()), "private IPv6 subnet")?;
    }
    Ok(keys)
}

/// `host` becomes `host:port`; what has a port keeps it.
fn with_port(endpoint: String, port: u16) -> String {
    if endpoint.parse::<Ipv6Addr>().is_ok() {
        format!("[{endpoint}]:{port}")
    } else if endpoint.ends_with(']') || !endpoint.contains(':') {
        format!("{endpoint}:{port}")
    } else {
        endpoint
    }
}

/// A file name made of a location's name: it stays in its folder, is not hidden, and is no option to any command.
fn stem(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
    let plain: String = name.chars().map(plain).take(LONGEST_STEM).collect();
    match plain.trim_start_matches('-') {
        "" => "location".to_owned(),
        stem => stem.to_owned(),
    }
}

fn unreadable(file: &Path) -> impl FnOnce(edit::EditError) -> ReloadError {
    let path = file.to_owned();
    move |error| ReloadError::File { action: "edit", path, source: std::io::Error::other(error) }
}

#[cfg(test)]
mod tests;
