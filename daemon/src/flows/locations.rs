//! Location files for administrators: what a wish makes of the files ([`Change`]), and what there is to tell of a
//! location. Whether the outcome is right is judged where all files are loaded; who writes them is [`crate::reload`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use postern_gateway::{BackendKind, HostService};
use serde::Serialize;

use super::invite::Actor;
use super::refusal::Refusal;
use crate::applied::Applied;
use crate::config::edit::{self, LocationKeys, OptionalKey};
use crate::config::{Draft, Loaded};
use crate::reload::{Change, ReloadError};
use crate::rules::action::Action;
use crate::rules::addressing::FIRST_SLOT;
use crate::rules::vacancy;
use crate::site::{Site, SiteLocation};
use crate::store::device::DeviceOwner;
use crate::store::{StoreError, Tx};
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
    Ok(Change::File(Draft { file, text: Some(text) }))
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

/// What becomes of the machines of a location that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machines {
    /// As long as there are any, the location stays.
    Spared,
    /// They are removed as well.
    Removed,
}

/// Clears the way for the removal of a location; gives the names of the machines that went.
pub fn clear(
    tx: &Tx<'_>,
    name: &str,
    machines: Machines,
    actor: &Actor,
    now: Timestamp,
) -> Result<Vec<String>, Refusal> {
    let Some(id) = tx.known_location(name)? else { return Ok(Vec::new()) };
    let found = tx.machines_of(id)?;
    let names: Vec<String> = found.iter().map(|device| device.name.clone()).collect();
    if machines == Machines::Spared && !names.is_empty() {
        return Err(Refusal::LocationHasMachines { location: name.to_owned(), machines: names });
    }
    for device in &found {
        if let Some(elsewhere) = tx.fixed_places_of(device.id)?.into_iter().find(|place| place.location != id)
        {
            tx.give_device(device.id, DeviceOwner::Machine(elsewhere.location))?;
            continue;
        }
        tx.delete_device(device)?;
        tx.audit(&actor.name, Action::DeviceRemove, &device.name, Some("with its location"), now)?;
    }
    Ok(names)
}

/// Everything there is to tell of a location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LocationView {
    name: String,
    /// The same for ever.
    number: i64,
    file: Option<PathBuf>,
    interface: String,
    listen_port: u16,
    endpoint: String,
    ipv4: Option<String>,
    ipv6: Option<String>,
    dns: Vec<String>,
    routes: Vec<String>,
    mtu: u32,
    keepalive: u16,
    /// `None`: every user may join.
    groups: Option<BTreeSet<String>>,
    masquerade: bool,
    client_to_client: bool,
    host_services: BTreeSet<HostService>,
    backend: BackendKind,
    public_key: String,
    /// Devices that hold an address.
    devices: u32,
    /// Peers the gateway has.
    peers: usize,
    free_addresses: u32,
    /// Why it is not as it should be.
    failing: Option<String>,
}

/// Tells of one location. `files` are as [`Loaded::files`].
pub fn view(
    tx: &Tx<'_>,
    location: &SiteLocation,
    applied: &Applied,
    files: &BTreeMap<String, PathBuf>,
) -> Result<LocationView, StoreError> {
    let config = &location.config;
    let devices = tx.devices_at(location.id)?;
    let state = applied.locations.get(&location.id);
    Ok(LocationView {
        name: config.name.clone(),
        number: location.id.0,
        file: files.get(&config.name).cloned(),
        interface: config.interface.to_string(),
        listen_port: config.listen_port.get(),
        endpoint: config.endpoint.clone(),
        ipv4: config.ipv4.map(|subnet| subnet.to_string()),
        ipv6: config.ipv6.map(|subnet| subnet.to_string()),
        dns: config.dns.clone(),
        routes: config.routes.iter().map(ToString::to_string).collect(),
        mtu: config.mtu.get(),
        keepalive: config.keepalive,
        groups: config.groups.clone(),
        masquerade: config.masquerade,
        client_to_client: config.client_to_client,
        host_services: config.host_services.clone(),
        backend: location.backend,
        public_key: location.public_key.to_string(),
        devices,
        peers: state.map_or(0, |state| state.peers),
        free_addresses: (config.pool().last_slot() - FIRST_SLOT).saturating_add(1).saturating_sub(devices),
        failing: state.and_then(|state| state.failing.clone()),
    })
}

/// The location of that name.
pub fn named<'a>(site: &'a Site, name: &str) -> Result<&'a SiteLocation, Refusal> {
    site.location_named(name).ok_or_else(|| Refusal::UnknownLocation(name.to_owned()))
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
