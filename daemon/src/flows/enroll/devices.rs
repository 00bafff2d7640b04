//! Registering a device, and finding it again by its key or its polling token.

use jiff::Timestamp;
use postern_gateway::PublicKey;

use super::{EnrollError, Owner, Session};
use crate::flows::device_limit::beyond_limit;
use crate::flows::exhaustion;
use crate::flows::permit::{locations_of_user, settle_device};
use crate::flows::tell::tell;
use crate::flows::welcome::welcome_when_done;
use crate::rules::action::Action;
use crate::rules::fact::Fact;
use crate::rules::ids::{DeviceId, EnrollmentId};
use crate::rules::message::Message;
use crate::rules::names;
use crate::rules::token::{Token, TokenKind};
use crate::site::Site;
use crate::store::account::User;
use crate::store::device::{Device, DeviceOwner};
use crate::store::{StoreError, Tx};

/// A device with what its owner is told.
pub struct Registered {
    /// As it is written now.
    pub device: Device,
    /// Reads its configuration from now on (protocol 3.10).
    pub polling: Token,
}

/// Registers a key under a name, or gives a machine its key. Nothing is stored when no location can be given.
pub fn create_device(
    tx: &Tx<'_>,
    site: &Site,
    session: &Session,
    name: &str,
    key: &str,
    now: Timestamp,
) -> Result<Registered, EnrollError> {
    let id = match &session.owner {
        Owner::Machine(machine) => give_key(tx, machine, free_key(tx, site, key, Some(machine.id))?)?,
        Owner::Person(user) => {
            let key = free_key(tx, site, key, None)?;
            may_register_in(tx, site, session)?;
            register(tx, site, (user, Some(session.id())), name, key, now)?
        }
    };
    let device = admit(tx, site, id, &session.owner, now)?;
    let polling = renew_polling(tx, site, &device, now)?;
    Ok(Registered { device, polling })
}

/// Registers a key of somebody who has signed in. A key that is theirs under the same name is that device: the answer was
/// lost on the way, and who alone has the private key asks again.
pub fn add_device(
    tx: &Tx<'_>,
    site: &Site,
    user: &User,
    (name, key): (&str, &str),
    now: Timestamp,
) -> Result<Device, EnrollError> {
    let name = names::device_name(name)?;
    let known = tx.device_by_key(key.parse()?)?.filter(|known| known.owner == DeviceOwner::User(user.id));
    if let Some(known) = known.filter(|known| names::folded(&known.name) == names::folded(&name)) {
        return Ok(known);
    }
    let key = free_key(tx, site, key, None)?;
    let id = register(tx, site, (user, None), &name, key, now)?;
    admit(tx, site, id, &Owner::Person(user.clone()), now)
}

/// Finds places for a device that has its key, and tells of it.
fn admit(
    tx: &Tx<'_>,
    site: &Site,
    id: DeviceId,
    owner: &Owner,
    now: Timestamp,
) -> Result<Device, EnrollError> {
    let device = tx.device(id)?.ok_or(EnrollError::UnknownDevice)?;
    let settled = settle_device(tx, site, &device)?;
    match (settled.granted.is_empty(), settled.exhausted.is_empty()) {
        (false, _) => {}
        (true, true) => return Err(EnrollError::NoLocation),
        (true, false) => return Err(EnrollError::Exhausted(settled.exhausted)),
    }
    exhaustion::tell(tx, site, now)?;
    tx.audit(owner.name(), Action::DeviceRegister, &device.name, None, now)?;
    tx.happened(Fact::DeviceRegistered);
    let at_once = settled.granted.into_iter().filter(|location| !site.asks_second_factor(*location));
    tx.registered(id, at_once, now);
    // The onboarding mail speaks of the devices before it.
    if let Owner::Person(user) = owner
        && user.welcomed_at.is_some()
    {
        tell(tx, site, &Message::DeviceAdded { user: user.id, device: device.name.clone() }, now)?;
    }
    if let Owner::Person(user) = owner {
        // Where every location asks for a second factor, nothing else will be.
        welcome_when_done(tx, site, user.id, now)?;
    }
    Ok(device)
}

/// Gives a device that this session registered another key, because the first one was lost. Peers of the old key go.
pub fn replace_key(
    tx: &Tx<'_>,
    site: &Site,
    session: &Session,
    device: DeviceId,
    key: &str,
    now: Timestamp,
) -> Result<Device, EnrollError> {
    let key = free_key(tx, site, key, None)?;
    let known = tx.device(device)?.filter(|device| device.registered_in == Some(session.id()));
    let known = known.ok_or(EnrollError::UnknownDevice)?;
    rekey(tx, site, &known, key, session.owner.name(), now)
}

/// Gives a device of somebody who has signed in another key. Peers of the old key go, and so does the polling token of a
/// client that has that key; its owner is told. The key that it has already changes nothing: the answer was lost on the way.
pub fn renew_key(
    tx: &Tx<'_>,
    site: &Site,
    (user, device): (&User, &Device),
    key: &str,
    now: Timestamp,
) -> Result<Device, EnrollError> {
    if device.is_fixed {
        return Err(EnrollError::TakenOver);
    }
    let key = free_key(tx, site, key, Some(device.id))?;
    if device.public_key == Some(key) {
        return Ok(device.clone());
    }
    let device = rekey(tx, site, device, key, &user.username, now)?;
    tell(tx, site, &Message::DeviceRekeyed { user: user.id, device: device.name.clone() }, now)?;
    // Nobody is told this one.
    renew_polling(tx, site, &device, now)?;
    Ok(device)
}

fn rekey(
    tx: &Tx<'_>,
    site: &Site,
    device: &Device,
    key: PublicKey,
    who: &str,
    now: Timestamp,
) -> Result<Device, EnrollError> {
    tx.set_device_key(device, key)?;
    for held in tx.addresses_of(device.id)? {
        tx.set_live(device.id, held.location, None)?;
        if !site.asks_second_factor(held.location) {
            tx.registered(device.id, [held.location], now);
        }
    }
    tx.audit(who, Action::DeviceRekey, &device.name, None, now)?;
    tx.device(device.id)?.ok_or(EnrollError::UnknownDevice)
}

/// The device with a key, for the session of its owner; its polling token is replaced (protocol 1.5).
pub fn device_of_key(
    tx: &Tx<'_>,
    site: &Site,
    session: &Session,
    key: &str,
    now: Timestamp,
) -> Result<Registered, EnrollError> {
    let device = tx.device_by_key(key.parse()?)?.ok_or(EnrollError::UnknownDevice)?;
    let is_theirs = match &session.owner {
        Owner::Person(user) => device.owner == DeviceOwner::User(user.id),
        Owner::Machine(machine) => device.id == machine.id,
    };
    if !is_theirs {
        return Err(EnrollError::NotYours);
    }
    let polling = renew_polling(tx, site, &device, now)?;
    Ok(Registered { device, polling })
}

/// The device a polling token belongs to.
pub fn device_to_poll(tx: &Tx<'_>, token: &Token) -> Result<Device, EnrollError> {
    tx.device_by_polling(token.hash())?.ok_or(EnrollError::UnknownPollingToken)
}

/// A key that nobody else has than perhaps the device `but`.
fn free_key(tx: &Tx<'_>, site: &Site, key: &str, but: Option<DeviceId>) -> Result<PublicKey, EnrollError> {
    let key: PublicKey = key.parse()?;
    if site.locations().any(|location| location.public_key == key) {
        return Err(EnrollError::LocationKey);
    }
    let known = tx.device_by_key(key)?;
    if known.is_some_and(|known| Some(known.id) != but) { Err(EnrollError::KeyTaken) } else { Ok(key) }
}

/// Whether a session may register one more.
fn may_register_in(tx: &Tx<'_>, site: &Site, session: &Session) -> Result<(), EnrollError> {
    let registered = tx.devices_registered_in(session.id())?.len();
    let most = usize::try_from(site.config.enrollment.devices_per_session).unwrap_or(usize::MAX);
    if registered >= most { Err(EnrollError::TooManyDevices) } else { Ok(()) }
}

fn give_key(tx: &Tx<'_>, machine: &Device, key: PublicKey) -> Result<DeviceId, EnrollError> {
    tx.set_device_key(machine, key)?;
    Ok(machine.id)
}

fn register(
    tx: &Tx<'_>,
    site: &Site,
    (user, registered_in): (&User, Option<EnrollmentId>),
    name: &str,
    key: PublicKey,
    now: Timestamp,
) -> Result<DeviceId, EnrollError> {
    let locations = locations_of_user(tx, site, user.id)?;
    let [first, others @ ..] = locations.as_slice() else { return Err(EnrollError::NoLocation) };
    // Who enrolls has to come to an end; what a session may register bounds them.
    if user.password_hash.is_some()
        && let Some(limit) = beyond_limit(tx, site, user.id)?
    {
        return Err(EnrollError::DeviceLimit(limit));
    }
    let (name, only) = match name.trim() {
        "" if user.password_hash.is_none() => return Err(EnrollError::UnfinishedPerson),
        "" if !others.is_empty() => return Err(EnrollError::NeedsDeviceToken),
        "" => (invented_name(tx, user)?, Some(first.id)),
        given => (names::device_name(given)?, None),
    };
    let owner = DeviceOwner::User(user.id);
    let id = tx.insert_device(owner, &name, Some(key), registered_in, now).map_err(|error| {
        if error.is_conflict() { EnrollError::DeviceTaken } else { EnrollError::Store(error) }
    })?;
    only.into_iter().try_for_each(|location| tx.bind_device(id, location))?;
    Ok(id)
}

/// For the command line client, which sends no name (protocol 3.8).
fn invented_name(tx: &Tx<'_>, user: &User) -> Result<String, StoreError> {
    let taken: Vec<String> =
        tx.devices_of(user.id)?.iter().map(|device| names::folded(&device.name)).collect();
    let names = (1..).map(|number| format!("device-{number}"));
    Ok(names.into_iter().find(|name| !taken.contains(name)).unwrap_or_default())
}

/// Generations grow with time, so that a database that was restored does not give a token a second time.
fn renew_polling(tx: &Tx<'_>, site: &Site, device: &Device, now: Timestamp) -> Result<Token, StoreError> {
    let generation = now.as_second().max(device.polling_generation.saturating_add(1));
    let token = site.keys.token.derive(TokenKind::Polling, device.id.0, generation);
    tx.set_polling(device.id, generation, token.hash())?;
    Ok(token)
}
