//! The site: the configuration together with what this installation adds to it: stable location numbers, keys and
//! the installation's own identity. It is what flows are told, and it is replaced as a whole at a reload.

use std::collections::BTreeMap;

use postern_gateway::{BackendKind, Owner, PrivateKey, PublicKey};

use crate::config::{Config, Location};
use crate::rules::ids::LocationId;
use crate::rules::seal::SealKey;
use crate::rules::token::TokenKey;

/// Everything a flow may know besides the database.
#[derive(Clone)]
pub struct Site {
    /// As read from the files.
    pub config: Config,
    /// Identifies this installation for ever (protocol 4.2, `id`).
    pub instance: uuid::Uuid,
    /// Its own secrets.
    pub keys: SiteKeys,
    locations: BTreeMap<LocationId, SiteLocation>,
}

/// The secrets of an installation.
#[derive(Clone)]
pub struct SiteKeys {
    /// Derives tokens.
    pub token: TokenKey,
    /// Seals what must be recoverable.
    pub seal: SealKey,
}

/// A configured location with its number and key.
#[derive(Clone)]
pub struct SiteLocation {
    /// Its stable number.
    pub id: LocationId,
    /// As read from its file.
    pub config: Location,
    /// Its own.
    pub private_key: PrivateKey,
    /// What belongs to it.
    pub public_key: PublicKey,
    /// Where its WireGuard runs.
    pub backend: BackendKind,
}

impl Site {
    /// Puts the parts together.
    pub fn new(
        config: Config,
        instance: uuid::Uuid,
        keys: SiteKeys,
        locations: impl IntoIterator<Item = SiteLocation>,
    ) -> Self {
        let locations = locations.into_iter().map(|location| (location.id, location)).collect();
        Self { config, instance, keys, locations }
    }

    /// In the order of their numbers.
    pub fn locations(&self) -> impl Iterator<Item = &SiteLocation> {
        self.locations.values()
    }

    /// By number; `None` when it is no longer configured.
    pub fn location(&self, id: LocationId) -> Option<&SiteLocation> {
        self.locations.get(&id)
    }

    /// Whether a device is there only while it is connected by a second factor.
    pub fn asks_second_factor(&self, id: LocationId) -> bool {
        self.location(id).is_some_and(|location| location.config.second_factor)
    }

    /// By name, without regard to case.
    pub fn location_named(&self, name: &str) -> Option<&SiteLocation> {
        self.locations.values().find(|location| location.config.name.eq_ignore_ascii_case(name))
    }

    /// Where the WireGuard of each location runs, by name.
    pub fn backends(&self) -> BTreeMap<String, BackendKind> {
        self.locations().map(|location| (location.config.name.clone(), location.backend)).collect()
    }

    /// The mark our links carry.
    pub fn owner(&self) -> Owner {
        Owner::of_instance(&self.instance.to_string())
    }
}

impl SiteLocation {
    /// A location with its number, key and backend.
    pub fn new(id: LocationId, config: Location, private_key: PrivateKey, backend: BackendKind) -> Self {
        let public_key = private_key.public();
        Self { id, config, private_key, public_key, backend }
    }

    /// Whether clients that were configured for `before` still get through.
    pub fn answers_clients_of(&self, before: &Self) -> bool {
        let reached_by = |location: &Self| {
            (location.public_key, location.config.listen_port, location.config.ipv4, location.config.ipv6)
        };
        reached_by(self) == reached_by(before)
    }
}
