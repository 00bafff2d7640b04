//! Locations for administrators: what there is to tell of one, and what goes with one that is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;
use postern_gateway::{BackendKind, HostService};
use serde::Serialize;

use super::invite::Actor;
use super::refusal::Refusal;
use crate::applied::Applied;
use crate::rules::action::Action;
use crate::site::{Site, SiteLocation};
use crate::store::device::DeviceOwner;
use crate::store::{StoreError, Tx};

/// What becomes of the machines of a location that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machines {
    /// As long as there are any, the location stays.
    Spared,
    /// They are removed as well.
    Removed,
}

/// Clears the way for the removal of a location; gives the names of the machines that went. One that was taken over into
/// several locations goes only with the last of them.
pub fn clear(
    tx: &Tx<'_>,
    name: &str,
    machines: Machines,
    actor: &Actor,
    now: Timestamp,
) -> Result<Vec<String>, Refusal> {
    let Some(id) = tx.known_location(name)? else { return Ok(Vec::new()) };
    let found = tx.machines_of(id)?;
    if machines == Machines::Spared && !found.is_empty() {
        let machines = found.into_iter().map(|device| device.name).collect();
        return Err(Refusal::LocationHasMachines { location: name.to_owned(), machines });
    }
    // A location of the same name, later, is not to begin with them.
    tx.forget_machines_places(id)?;
    let mut removed = Vec::new();
    for device in found {
        if let Some(elsewhere) = tx.fixed_places_of(device.id)?.into_iter().next() {
            tx.give_device(device.id, DeviceOwner::Machine(elsewhere.location))?;
            let detail = format!("{name} goes, it stays where else it is");
            tx.audit(&actor.name, Action::DeviceGive, &device.name, Some(&detail), now)?;
            continue;
        }
        tx.delete_device(&device)?;
        tx.audit(&actor.name, Action::DeviceRemove, &device.name, Some("with its location"), now)?;
        removed.push(device.name);
    }
    Ok(removed)
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
    second_factor: bool,
    backend: BackendKind,
    public_key: String,
    /// Devices that hold an address.
    devices: u32,
    /// Peers the gateway has.
    peers: usize,
    free_addresses: u64,
    /// Why it is not as it should be.
    failing: Option<String>,
}

/// Tells of one location. `files` are as [`crate::config::Loaded::files`].
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
        second_factor: config.second_factor,
        backend: location.backend,
        public_key: location.public_key.to_string(),
        devices,
        peers: state.map_or(0, |state| state.peers),
        free_addresses: tx.free_addresses(location.id, config.pool())?,
        failing: state.and_then(|state| state.failing.clone()),
    })
}

/// The location of that name.
pub fn named<'a>(site: &'a Site, name: &str) -> Result<&'a SiteLocation, Refusal> {
    site.location_named(name).ok_or_else(|| Refusal::UnknownLocation(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{a_site, at};
    use crate::store::Store;

    #[test]
    fn a_machine_of_two_locations_outlives_one_of_them_and_leaves_nothing_there() {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let [hq, lab] = ["hq", "lab"].map(|name| site.location_named(name).unwrap().id);
        let actor = Actor { name: "unix:root".to_owned(), account: None };
        let (removed, router) = store
            .write_blocking(|tx| {
                let [router, printer] = [("router", 1), ("printer", 2)].map(|(name, number)| {
                    let key = postern_gateway::PrivateKey::from_random([number; 32]).public();
                    tx.insert_device(DeviceOwner::Machine(hq), name, Some(key), None, at(0))
                });
                let (router, printer) = (tx.device(router?)?.unwrap(), tx.device(printer?)?.unwrap());
                for (device, location, network) in [
                    (&router, hq, "10.1.0.9/32"),
                    (&router, lab, "10.2.0.9/32"),
                    (&printer, hq, "10.1.0.8/32"),
                ] {
                    tx.insert_fixed_place(device, location, &[network.parse().unwrap()], None, None)?;
                }
                let removed = clear(tx, "hq", Machines::Removed, &actor, at(1))?;
                Ok::<_, Refusal>((removed, router.id))
            })
            .unwrap()
            .0;
        assert_eq!(removed, ["printer"]);
        store
            .read_blocking(|tx| {
                assert_eq!(tx.device(router)?.unwrap().owner, DeviceOwner::Machine(lab));
                assert!(tx.fixed_networks(hq)?.is_empty() && tx.fixed_networks(lab)?.len() == 1);
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }
}
