//! What people may do about their own account: how many devices they may have, and which of their particulars they change.

use std::collections::BTreeSet;

use serde::Deserialize;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portal {
    /// How many devices a person may have; `None`: as many as they like.
    pub device_limit: Option<u32>,
    /// Which of their particulars people change themselves.
    pub may_change: BTreeSet<Particular>,
}

/// What people may be let change about themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Particular {
    /// Given and family name.
    Name,
    /// Phone number.
    Phone,
}

impl Default for Portal {
    fn default() -> Self {
        portal(&RawDevices::default(), RawPortal::default())
    }
}

/// The table `[devices]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDevices {
    limit: u32,
}

/// The table `[portal]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPortal {
    may_change: BTreeSet<Particular>,
}

impl Default for RawDevices {
    fn default() -> Self {
        Self { limit: 10 }
    }
}

impl Default for RawPortal {
    fn default() -> Self {
        Self { may_change: BTreeSet::from([Particular::Name, Particular::Phone]) }
    }
}

pub(super) fn portal(devices: &RawDevices, raw: RawPortal) -> Portal {
    Portal { device_limit: Some(devices.limit).filter(|limit| *limit > 0), may_change: raw.may_change }
}
