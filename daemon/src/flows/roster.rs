//! What administrators are shown of users, groups and devices, pending state included. Field names are those of the
//! command line's `--json`: scripts rely on them.

mod rows;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use jiff::Timestamp;
use postern_gateway::{PeerStats, PublicKey};
use serde::Serialize;

use super::groups::locations_naming;
use super::invite::known_user;
use super::refusal::Refusal;
use crate::gateway_view::Stats;
use crate::rules::enrollment::{Enrollment, Stage, Subject};
use crate::rules::ids::{DeviceId, LocationId, UserId};
use crate::rules::second_factor::Factor;
use crate::site::{Site, SiteLocation};
use crate::store::account::User;
use crate::store::address::Held;
use crate::store::audit::AuditEntry;
use crate::store::device::{Device, DeviceOwner};
use crate::store::fixed::FixedPlace;
use crate::store::{StoreError, Tx};
use rows::Rows;

/// So many refused activations are shown of one user.
const REFUSALS_SHOWN: usize = 5;

/// A user.
#[derive(Debug, Clone, Serialize)]
pub struct UserView {
    username: String,
    first_name: String,
    last_name: String,
    email: String,
    phone: Option<String>,
    admin: bool,
    unix_uid: Option<u32>,
    disabled: bool,
    /// Whether a password is set.
    enrolled: bool,
    /// What signing in takes beside the password.
    second_factors: Vec<&'static str>,
    recovery_codes: u32,
    groups: Vec<String>,
    /// Where they may be.
    locations: Vec<String>,
    devices: Vec<DeviceView>,
    /// The newest token.
    enrollment: Option<EnrollmentView>,
    refused_activations: Vec<RefusedActivation>,
    created_at: Option<Timestamp>,
}

/// A token and its session.
#[derive(Debug, Clone, Serialize)]
pub struct EnrollmentView {
    /// `enrollment`, `activation` or `machine`.
    kind: &'static str,
    state: EnrollmentState,
    /// Until when the state lasts, or since when it is over.
    at: Option<Timestamp>,
}

/// Where an enrollment stands.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnrollmentState {
    /// Nobody presented the token yet.
    Unused,
    /// Nobody presented it in time.
    Expired,
    /// The session runs.
    InSession,
    /// The session is over.
    Ended,
}

/// A first password that was not taken.
#[derive(Debug, Clone, Serialize)]
pub struct RefusedActivation {
    at: Option<Timestamp>,
    reason: Option<String>,
}

/// A device.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceView {
    /// Its number.
    pub id: DeviceId,
    /// As its owner calls it.
    pub name: String,
    /// `None`: a machine.
    user: Option<String>,
    machine: bool,
    /// `None`: a machine that waits for its key.
    public_key: Option<PublicKey>,
    /// Where it may be.
    pub locations: Vec<PlaceView>,
    /// The newest token of a machine.
    enrollment: Option<EnrollmentView>,
    created_at: Option<Timestamp>,
}

/// A device's place in a location.
#[derive(Debug, Clone, Serialize)]
pub struct PlaceView {
    /// The location's number.
    #[serde(skip)]
    pub id: LocationId,
    /// The location's name.
    pub location: String,
    /// Of the location's subnet.
    pub ipv4: Option<Ipv4Addr>,
    /// Of the location's subnet.
    pub ipv6: Option<Ipv6Addr>,
    /// Instead of addresses of the location's own subnets: those of a device that was taken over.
    pub allowed_ips: Vec<IpNet>,
    /// Whether it can be reached there.
    pub state: PlaceState,
    live_since: Option<Timestamp>,
    /// `None`: nobody asked WireGuard, or it does not know the peer.
    pub traffic: Option<Traffic>,
}

/// Whether a device can be reached there.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceState {
    /// The gateway has the peer.
    Live,
    /// Not yet.
    Pending,
    /// Every address of the location is taken.
    NoAddress,
    /// The location asks for a second factor, and its owner gave none since it was connected last.
    SecondFactor,
    /// The location asks for a second factor, which such a device cannot give.
    LeftOut,
}

/// What WireGuard counts.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Traffic {
    /// `None`: never since the interface is there.
    pub last_handshake: Option<Timestamp>,
    endpoint: Option<SocketAddr>,
    rx_bytes: u64,
    tx_bytes: u64,
}

/// A group.
#[derive(Debug, Clone, Serialize)]
pub struct GroupView {
    group: String,
    members: Vec<String>,
    /// Which name it.
    locations: Vec<String>,
}

/// All users.
pub fn users(tx: &Tx<'_>, site: &Site, now: Timestamp) -> Result<Vec<UserView>, StoreError> {
    let users = tx.users()?;
    let rows = Rows::all(tx, site, &users)?;
    let mut devices: BTreeMap<UserId, Vec<Device>> = BTreeMap::new();
    for device in tx.devices_by_name()? {
        if let DeviceOwner::User(user) = device.owner {
            devices.entry(user).or_default().push(device);
        }
    }
    let viewed = users.into_iter().map(|user| {
        let devices = devices.remove(&user.id).unwrap_or_default();
        view_user(&rows, user, devices, now)
    });
    Ok(viewed.collect())
}

/// One user.
pub fn user(tx: &Tx<'_>, site: &Site, username: &str, now: Timestamp) -> Result<UserView, Refusal> {
    let user = known_user(tx, username)?;
    let devices = tx.devices_of(user.id)?;
    let rows = Rows::of(tx, site, std::slice::from_ref(&user), &devices)?;
    Ok(view_user(&rows, user, devices, now))
}

/// All groups.
pub fn groups(tx: &Tx<'_>, site: &Site) -> Result<Vec<GroupView>, StoreError> {
    let mut groups = Vec::new();
    for group in tx.groups()? {
        let members = match tx.group_by_name(&group)? {
            Some(id) => tx.members_of(id)?,
            None => Vec::new(),
        };
        let locations = locations_naming(site, &group).map(|location| location.config.name.clone()).collect();
        groups.push(GroupView {
            members: members.into_iter().map(|(_, name)| name).collect(),
            locations,
            group,
        });
    }
    Ok(groups)
}

/// All devices, or those of one user.
pub fn devices(
    tx: &Tx<'_>,
    site: &Site,
    username: Option<&str>,
    now: Timestamp,
) -> Result<Vec<DeviceView>, Refusal> {
    let (rows, devices) = match username {
        Some(username) => {
            let user = known_user(tx, username)?;
            let devices = tx.devices_of(user.id)?;
            (Rows::of(tx, site, &[user], &devices)?, devices)
        }
        None => (Rows::all(tx, site, &tx.users()?)?, tx.devices()?),
    };
    Ok(devices.into_iter().map(|device| view_device(&rows, device, now)).collect())
}

/// One device.
pub fn device(tx: &Tx<'_>, site: &Site, wanted: &str, now: Timestamp) -> Result<DeviceView, Refusal> {
    let device = super::devices::find(tx, wanted)?;
    let owner = match device.owner {
        DeviceOwner::User(user) => tx.user(user)?,
        DeviceOwner::Machine(_) => None,
    };
    let rows = Rows::of(tx, site, owner.as_slice(), std::slice::from_ref(&device))?;
    Ok(view_device(&rows, device, now))
}

impl DeviceView {
    /// The same with what WireGuard counts.
    #[must_use]
    pub fn with_traffic(mut self, stats: &Stats) -> Self {
        let Some(key) = self.public_key else { return self };
        for place in &mut self.locations {
            place.traffic = stats.get(&place.id).and_then(|peers| peers.get(&key)).map(Traffic::of);
        }
        self
    }
}

impl Traffic {
    fn of(stats: &PeerStats) -> Self {
        Self {
            last_handshake: stats.last_handshake.and_then(|time| Timestamp::try_from(time).ok()),
            endpoint: stats.endpoint,
            rx_bytes: stats.rx_bytes,
            tx_bytes: stats.tx_bytes,
        }
    }
}

impl EnrollmentView {
    fn of(enrollment: &Enrollment, now: Timestamp) -> Self {
        let (state, second) = match enrollment.stage(now) {
            Stage::Unused(_) if now.as_second() < enrollment.expires_at => {
                (EnrollmentState::Unused, enrollment.expires_at)
            }
            Stage::Unused(_) => (EnrollmentState::Expired, enrollment.expires_at),
            Stage::Open(open) => (EnrollmentState::InSession, open.deadline),
            Stage::Spent => (EnrollmentState::Ended, enrollment.deadline.unwrap_or(enrollment.expires_at)),
        };
        Self { kind: enrollment.kind.name(), state, at: time(second) }
    }
}

fn view_user(rows: &Rows<'_>, user: User, devices: Vec<Device>, now: Timestamp) -> UserView {
    let (owner, factors) = (rows.owner(user.id), rows.factors(user.id));
    let newest = rows.newest(Subject::User(user.id));
    // Before them, somebody else had the name.
    let is_theirs = |entry: &&AuditEntry| entry.at >= user.created_at;
    let refused = rows.refused(&user.username).iter().filter(is_theirs).take(REFUSALS_SHOWN);
    let locations = owner.into_iter().flat_map(|owner| &owner.locations);
    UserView {
        first_name: user.first_name,
        last_name: user.last_name,
        email: user.email,
        phone: user.phone,
        admin: user.is_admin,
        unix_uid: user.unix_uid,
        disabled: user.disabled_at.is_some(),
        enrolled: user.password_hash.is_some(),
        second_factors: factors.list().into_iter().map(Factor::name).collect(),
        recovery_codes: factors.recovery_codes,
        groups: owner.into_iter().flat_map(|owner| owner.groups.iter().cloned()).collect(),
        locations: locations.map(|location| location.config.name.clone()).collect(),
        devices: devices.into_iter().map(|device| view_device(rows, device, now)).collect(),
        enrollment: newest.map(|newest| EnrollmentView::of(newest, now)),
        refused_activations: refused
            .map(|entry| RefusedActivation { at: time(entry.at), reason: entry.detail.clone() })
            .collect(),
        created_at: time(user.created_at),
        username: user.username,
    }
}

fn view_device(rows: &Rows<'_>, device: Device, now: Timestamp) -> DeviceView {
    let newest = rows.newest(Subject::Machine(device.id));
    DeviceView {
        id: device.id,
        machine: matches!(device.owner, DeviceOwner::Machine(_)),
        user: rows.owner_of(&device).map(|owner| owner.username.clone()),
        public_key: device.public_key,
        locations: rows
            .places(&device)
            .into_iter()
            .map(|(location, found)| view_place(rows, &device, location, found))
            .chain(rows.fixed_places(&device).into_iter().map(view_fixed_place))
            .collect(),
        enrollment: newest.map(|newest| EnrollmentView::of(newest, now)),
        created_at: time(device.created_at),
        name: device.name,
    }
}

fn view_place(rows: &Rows<'_>, device: &Device, location: &SiteLocation, found: Option<&Held>) -> PlaceView {
    let addresses = found.map(|held| held.addresses);
    let live_since = found.and_then(|held| held.live_since);
    PlaceView {
        id: location.id,
        location: location.config.name.clone(),
        ipv4: addresses.and_then(|addresses| addresses.v4),
        ipv6: addresses.and_then(|addresses| addresses.v6),
        allowed_ips: Vec::new(),
        state: match (found, live_since) {
            (None, _) => PlaceState::NoAddress,
            (Some(_), Some(_)) => PlaceState::Live,
            (Some(_), None) if location.config.second_factor => match device.owner {
                DeviceOwner::User(_) if rows.is_connected(device.id, location.id) => PlaceState::Pending,
                DeviceOwner::User(_) => PlaceState::SecondFactor,
                DeviceOwner::Machine(_) => PlaceState::LeftOut,
            },
            (Some(_), None) => PlaceState::Pending,
        },
        live_since: live_since.and_then(time),
        traffic: None,
    }
}

fn view_fixed_place((location, place): (&SiteLocation, &FixedPlace)) -> PlaceView {
    PlaceView {
        id: location.id,
        location: location.config.name.clone(),
        ipv4: None,
        ipv6: None,
        allowed_ips: place.allowed_ips.clone(),
        state: match place.live_since {
            Some(_) => PlaceState::Live,
            None if location.config.second_factor => PlaceState::LeftOut,
            None => PlaceState::Pending,
        },
        live_since: place.live_since.and_then(time),
        traffic: None,
    }
}

fn time(second: i64) -> Option<Timestamp> {
    Timestamp::from_second(second).ok()
}
