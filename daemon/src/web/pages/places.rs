//! A device's places as pages and scripts show them: per location a configuration file with a placeholder for the key that
//! never leaves the device, and how far the device has come there.

use serde::Serialize;

use super::lamp::Lit;
use super::trouble::Trouble;
use super::{Lamp, Pages};
use crate::flows::client_config::{self, ClientConfig};
use crate::rules::links::tunnel_names;
use crate::store::StoreError;
use crate::store::address::Held;
use crate::store::device::Device;

/// In one location.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ShownPlace {
    /// Its name.
    pub(super) location: String,
    /// With the ending `.conf`.
    pub(super) file_name: String,
    /// A WireGuard file with the placeholder.
    pub(super) config: String,
    /// `pending`, `ready` or `connected`.
    pub(super) state: &'static str,
}

impl Pages {
    /// The places of a device, in the order of their locations.
    pub(super) async fn places(&self, device: &Device) -> Result<Vec<ShownPlace>, Trouble> {
        let (app, asked) = (self.app.clone(), device.clone());
        let found = self.app.store.read(move |tx| {
            let site = app.site();
            Ok::<_, StoreError>((client_config::of_device(tx, &site, &asked)?, tx.addresses_of(asked.id)?))
        });
        let (config, held) = found.await?;
        Ok(shown(&config, &held, &self.lamp, self.app.now()).await)
    }
}

async fn shown(config: &ClientConfig, held: &[Held], lamp: &Lamp, now: jiff::Timestamp) -> Vec<ShownPlace> {
    let stats = lamp.stats(now).await;
    let names = tunnel_names(config.places.iter().map(|place| place.network_name.as_str()));
    let places = config.places.iter().zip(names).map(|(place, name)| {
        let held = held.iter().find(|held| held.location.0 == place.network_id);
        let lit = held.map_or(Lit::Pending, |held| Lit::of(&config.device, held, &stats, now));
        ShownPlace {
            location: place.network_name.clone(),
            file_name: format!("{name}.conf"),
            config: place.config.clone(),
            state: lit.name(),
        }
    });
    places.collect()
}
