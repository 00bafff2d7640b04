//! A device's places as pages and scripts show them: per location a configuration file with a placeholder for the key that
//! never leaves the device, and how far the device has come there.

use serde::Serialize;

use super::lamp::Lit;
use super::language::{Key, Language, Phrase};
use super::trouble::Trouble;
use super::{Lamp, Pages};
use crate::flows::client_config::{self, ClientConfig};
use crate::flows::permit::locations_of_user;
use crate::rules::ids::UserId;
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

/// Locations for which there is no file, as they ask for a second factor.
pub(super) struct LeftOut {
    /// Which, and what to do.
    pub(super) said: Phrase,
    /// Whether there is no other that the user may use: then a key made here opens nothing.
    pub(super) is_all: bool,
}

impl LeftOut {
    /// Whether nothing but the desktop client is of use.
    pub(super) fn is_all(left_out: Option<&Self>) -> bool {
        left_out.is_some_and(|left| left.is_all)
    }
}

impl Pages {
    /// The places of a device, in the order of their locations; none where a second factor is asked for: no file gets in
    /// there.
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

impl Pages {
    /// What is said of locations for which a user gets no file.
    pub(super) async fn left_out(
        &self,
        user: UserId,
        language: Language,
    ) -> Result<Option<LeftOut>, Trouble> {
        let app = self.app.clone();
        let found = self.app.store.read(move |tx| {
            let site = app.site();
            let open = locations_of_user(tx, &site, user)?;
            let asking: Vec<_> = open.iter().filter(|location| location.config.second_factor).collect();
            let names: Vec<_> = asking.iter().map(|location| location.config.name.clone()).collect();
            Ok::<_, StoreError>((names, asking.len() == open.len()))
        });
        let (names, is_all) = found.await?;
        if names.is_empty() {
            return Ok(None);
        }
        let names = names.join(", ");
        let said = if is_all {
            language.say(Key("second-factor-only")).with("locations", names)
        } else {
            language.say(Key("second-factor-left-out")).with("locations", names)
        };
        Ok(Some(LeftOut { said, is_all }))
    }
}

async fn shown(config: &ClientConfig, held: &[Held], lamp: &Lamp, now: jiff::Timestamp) -> Vec<ShownPlace> {
    let stats = lamp.stats(now).await;
    let places: Vec<_> = config.places.iter().filter(|place| !place.second_factor).collect();
    let names = tunnel_names(places.iter().map(|place| place.network_name.as_str()));
    let places = places.into_iter().zip(names).map(|(place, name)| {
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
