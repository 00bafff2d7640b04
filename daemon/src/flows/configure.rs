//! Puts a configuration into force, at boot and at a reload: numbers and keys for its locations, and every device's
//! addresses where they now belong.

use postern_gateway::BackendKind;

use super::permit::settle_all;
use crate::config::{BackendChoice, Config, Location};
use crate::keys::{Keys, KeysError};
use crate::site::{Site, SiteLocation};
use crate::store::{StoreError, Tx};

/// Why a configuration that is valid by itself cannot be put into force.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// A location names a group that does not exist.
    #[error(
        "location {location}: groups: there is no group {group:?}: create it first (postern group create {group})"
    )]
    UnknownGroup {
        /// Whose.
        location: String,
        /// Which.
        group: String,
    },
    /// The host has no WireGuard of the kind asked for.
    #[error("location {location}: backend: this host has no {wanted} WireGuard: {hint}")]
    NoBackend {
        /// Whose.
        location: String,
        /// What was asked for.
        wanted: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// See [`KeysError`].
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// `available` is what the host can run; `random` gives fresh random bytes for what is made for the first time.
pub fn configure(
    tx: &Tx<'_>,
    config: Config,
    keys: &Keys,
    available: &[BackendKind],
    random: &dyn Fn() -> [u8; 32],
) -> Result<Site, ConfigureError> {
    let mut locations = Vec::new();
    for location in config.locations.values() {
        known_groups(tx, location)?;
        let backend = backend(location, config.backend, available)?;
        let id = tx.location_id(&location.name)?;
        let key = keys.location_key(id, random())?;
        locations.push(SiteLocation::new(id, location.clone(), key, backend));
    }
    let [first, second, ..] = [random(), random()];
    let mut uuid = [0; 16];
    uuid.iter_mut().zip(first).for_each(|(to, from)| *to = from);
    let instance = tx.instance(uuid::Builder::from_random_bytes(uuid).into_uuid())?;
    let site = Site::new(config, instance, keys.token_key(second)?, locations);
    readdress(tx, &site)?;
    settle_all(tx, &site)?;
    tx.locations_changed();
    Ok(site)
}

fn known_groups(tx: &Tx<'_>, location: &Location) -> Result<(), ConfigureError> {
    for group in location.groups.iter().flatten() {
        if tx.group_by_name(group)?.is_none() {
            let location = location.name.clone();
            return Err(ConfigureError::UnknownGroup { location, group: group.clone() });
        }
    }
    Ok(())
}

fn backend(
    location: &Location,
    common: BackendChoice,
    available: &[BackendKind],
) -> Result<BackendKind, ConfigureError> {
    let missing = |wanted, hint| ConfigureError::NoBackend { location: location.name.clone(), wanted, hint };
    let has = |kind| available.contains(&kind);
    match location.backend.unwrap_or(common) {
        BackendChoice::Auto | BackendChoice::Kernel if has(BackendKind::Kernel) => Ok(BackendKind::Kernel),
        BackendChoice::Kernel => {
            Err(missing("kernel", "load the module (modprobe wireguard), or use backend = \"auto\""))
        }
        BackendChoice::Auto | BackendChoice::Userspace if has(BackendKind::Userspace) => {
            Ok(BackendKind::Userspace)
        }
        BackendChoice::Auto | BackendChoice::Userspace => {
            Err(missing("userspace", "it needs /dev/net/tun (modprobe tun)"))
        }
    }
}

/// Where a location's subnets changed, all its addresses are cleared first: one device's new address may be
/// another's old one.
fn readdress(tx: &Tx<'_>, site: &Site) -> Result<(), StoreError> {
    let held = tx.addresses()?;
    for location in site.locations() {
        let pool = location.config.pool();
        let moved = held
            .iter()
            .filter(|held| held.location == location.id)
            .any(|held| pool.addresses(held.slot) != Some(held.addresses));
        if moved {
            tx.blank_addresses(location.id)?;
        }
    }
    Ok(())
}
