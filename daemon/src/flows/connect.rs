//! Connecting where a second factor is asked for (protocol 1.8): a client says with which key and where to, its owner gives a
//! code, and a preshared key is made with which the device's peer exists from then on. Its end, by
//! [`crate::rules::connection`], takes the peer away.

use std::time::Duration;

use jiff::Timestamp;
use postern_gateway::PublicKey;
use zeroize::Zeroizing;

use crate::flows::mailed_code::Sent;
use crate::flows::{mailed_code, second_factor};
use crate::rules::action::{Action, Reason};
use crate::rules::connection::{ATTEMPT, IDLE};
use crate::rules::ids::{DeviceId, LocationId, UserId};
use crate::rules::seal::Sealed;
use crate::rules::second_factor::Method;
use crate::rules::token::{Purpose, TokenHash};
use crate::site::Site;
use crate::store::account::User;
use crate::store::connection::{Attempt, Connection};
use crate::store::device::{Device, DeviceOwner};
use crate::store::{StoreError, Tx};

/// Why somebody is not connected. The first four texts are the protocol's own (0.4).
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not offered here, or not set up by the user.
    #[error("selected MFA method not available")]
    NoMethod,
    /// Nobody has this token.
    #[error("invalid token")]
    InvalidToken,
    /// It was good, or its device may be there no more.
    #[error("login session not found")]
    Over,
    /// Not the code.
    #[error("Unauthorized")]
    WrongCode,
    /// No key at all.
    #[error("this is not a public key")]
    Key,
    /// No such location, or one that connects without any of this.
    #[error("this location asks for no second factor")]
    NotAsked,
    /// No such device, or it may not be there. Strangers do not learn which.
    #[error("this device cannot connect to this location")]
    NotAllowed,
    /// A code was mailed a moment ago.
    #[error("a code was sent a moment ago; try again in {seconds} s")]
    Mailed {
        /// Until another one may be.
        seconds: u64,
    },
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConnectError {
    /// Whether it is only said of what somebody has: a device that may be there, or a token that was given out.
    pub fn is_about_a_known_device(&self) -> bool {
        match self {
            Self::Over | Self::WrongCode | Self::Mailed { .. } => true,
            Self::NoMethod
            | Self::InvalidToken
            | Self::Key
            | Self::NotAsked
            | Self::NotAllowed
            | Self::Store(_) => false,
        }
    }
}

/// Who wants to connect where to.
struct Place {
    user: User,
    device: Device,
    location: LocationId,
}

impl Place {
    /// Who is mailed codes, and for what.
    fn mailed(&self) -> (UserId, Purpose) {
        (self.user.id, Purpose::Connect(self.device.id, self.location))
    }
}

/// What a client begins with.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'a> {
    /// As clients number them.
    pub method: i64,
    /// The device's public key.
    pub key: &'a str,
    /// The location's number.
    pub location: i64,
}

/// A device that is connected as soon as the gateway follows.
pub struct Connected {
    /// What was begun.
    pub attempt: i64,
    /// With what.
    pub device: DeviceId,
    /// Where.
    pub location: LocationId,
    /// Of the peer.
    pub preshared_key: Zeroizing<[u8; 32]>,
    /// The same as it is stored.
    sealed: Vec<u8>,
}

/// Begins: mails a code where that is how the second factor is given and a user `may_mail`, which otherwise says for how long not.
pub fn begin(
    tx: &Tx<'_>,
    site: &Site,
    beginning: Beginning<'_>,
    token: TokenHash,
    may_mail: impl Fn(UserId) -> Result<(), Duration>,
    now: Timestamp,
) -> Result<(), ConnectError> {
    let method = Method::numbered(beginning.method).ok_or(ConnectError::NoMethod)?;
    let key: PublicKey = beginning.key.parse().map_err(|_| ConnectError::Key)?;
    let location = LocationId(beginning.location);
    if !site.asks_second_factor(location) {
        return Err(ConnectError::NotAsked);
    }
    let device = tx.device_by_key(key)?.ok_or(ConnectError::NotAllowed)?;
    let place = place_of(tx, device, location)?.ok_or(ConnectError::NotAllowed)?;
    if !has(tx, &place.user, method)? {
        return Err(ConnectError::NoMethod);
    }
    if method == Method::Email {
        match mailed_code::send(tx, site, place.mailed(), may_mail, now)? {
            Sent::OnItsWay => {}
            Sent::NoMail => return Err(ConnectError::NoMethod),
            Sent::NotFor(seconds) => return Err(ConnectError::Mailed { seconds }),
        }
    }
    tx.insert_attempt(token, (place.device.id, location), method, now)?;
    Ok(())
}

/// Which device's code a token is waiting for, if it is; for counting wrong ones before they are looked at.
pub fn waits_for(tx: &Tx<'_>, token: TokenHash, now: Timestamp) -> Result<DeviceId, ConnectError> {
    let (_, place) = attempted(tx, None, token, now)?;
    Ok(place.device.id)
}

/// Takes the code, and makes the preshared key. A code is taken once; whoever has given it and comes again before
/// [`arrived`], because the gateway was not ready, gets another key without one. `random` is to be fresh.
pub fn finish(
    tx: &Tx<'_>,
    site: &Site,
    (token, code): (TokenHash, &str),
    boot: &str,
    random: [[u8; 32]; 2],
    now: Timestamp,
) -> Result<Connected, ConnectError> {
    let (attempt, place) = attempted(tx, Some(site), token, now)?;
    if !attempt.is_passed {
        if !is_right(tx, site, &attempt, &place, code, now)? {
            return Err(ConnectError::WrongCode);
        }
        tx.pass_attempt(attempt.id, now)?;
        let detail = format!("{}, {}", name_of(site, attempt.location), attempt.method.factor().name());
        let what = format!("{}/{}", place.user.username, place.device.name);
        tx.audit(&place.user.username, Action::ConnectionStart, &what, Some(&detail), now)?;
    }
    let [preshared_key, nonce] = random;
    let preshared_key = Zeroizing::new(preshared_key);
    let of_row = Sealed::ConnectionKey(place.device.id, place.location);
    let sealed = site.keys.seal.seal(of_row, preshared_key.as_slice(), nonce);
    tx.connect(&place.device, place.location, &sealed, boot, now)?;
    let (device, location) = (place.device.id, place.location);
    Ok(Connected { attempt: attempt.id, device, location, preshared_key, sealed })
}

/// The gateway has the peer, and its key is given out: the token is good for nothing any more. `false`: the peer has another key
/// meanwhile, or is gone, so this one is not to be given out, and whoever comes again gets a good one.
pub fn arrived(tx: &Tx<'_>, connected: &Connected) -> Result<bool, StoreError> {
    let is_theirs = tx.is_connected_with(connected.device, connected.location, &connected.sealed)?;
    if is_theirs {
        tx.end_attempt(connected.attempt)?;
    }
    Ok(is_theirs)
}

/// Ends the connections for which nobody shook hands for too long.
pub fn end_idle(tx: &Tx<'_>, site: &Site, over: &[Connection], now: Timestamp) -> Result<(), StoreError> {
    for connection in over {
        let Some(device) = tx.device(connection.device)? else { continue };
        if let (true, Some((user, device))) = (tx.end_connection(connection)?, owned(tx, device)?) {
            let what = format!("{}/{}", user.username, device.name);
            let detail = format!("{}, no handshake for {IDLE} s", name_of(site, connection.location));
            tx.audit("postern", Action::ConnectionEnd, &what, Some(&detail), now)?;
        }
    }
    Ok(())
}

/// Why somebody was refused, as the audit log calls it; `None`: nobody was.
pub fn reason(error: &ConnectError) -> Option<Reason> {
    match error {
        ConnectError::NotAllowed => Some(Reason::NotAllowed),
        ConnectError::InvalidToken => Some(Reason::Unknown),
        ConnectError::Over => Some(Reason::Expired),
        ConnectError::WrongCode => Some(Reason::Password),
        ConnectError::NoMethod
        | ConnectError::Key
        | ConnectError::NotAsked
        | ConnectError::Mailed { .. }
        | ConnectError::Store(_) => None,
    }
}

/// By name, for the audit log: whose account a token or a key belongs to.
pub fn owner(tx: &Tx<'_>, token: TokenHash) -> Result<Option<String>, StoreError> {
    let Some(attempt) = tx.attempt(token)? else { return Ok(None) };
    let Some(device) = tx.device(attempt.device)? else { return Ok(None) };
    Ok(owned(tx, device)?.map(|(user, _)| user.username))
}

/// A device with its owner; `None`: a machine.
fn owned(tx: &Tx<'_>, device: Device) -> Result<Option<(User, Device)>, StoreError> {
    let DeviceOwner::User(owner) = device.owner else { return Ok(None) };
    Ok(tx.user(owner)?.map(|user| (user, device)))
}

/// `None`: it may not be there. Whose address is there may: see [`crate::flows::permit`].
fn place_of(tx: &Tx<'_>, device: Device, location: LocationId) -> Result<Option<Place>, StoreError> {
    let active = owned(tx, device)?.filter(|(user, _)| user.disabled_at.is_none());
    let Some((user, device)) = active else { return Ok(None) };
    let is_there = tx.addresses_of(device.id)?.iter().any(|held| held.location == location);
    Ok(is_there.then_some(Place { user, device, location }))
}

fn attempted(
    tx: &Tx<'_>,
    site: Option<&Site>,
    token: TokenHash,
    now: Timestamp,
) -> Result<(Attempt, Place), ConnectError> {
    let attempt = tx.attempt(token)?.ok_or(ConnectError::InvalidToken)?;
    let is_late = now.as_second() >= attempt.begun_at.saturating_add(ATTEMPT);
    if is_late || site.is_some_and(|site| !site.asks_second_factor(attempt.location)) {
        return Err(ConnectError::Over);
    }
    let device = tx.device(attempt.device)?.ok_or(ConnectError::Over)?;
    let place = place_of(tx, device, attempt.location)?.ok_or(ConnectError::Over)?;
    Ok((attempt, place))
}

/// Whether the user can give a second factor that way. Everybody can read their mail; but whoever has set up an app has that
/// asked for, as long as its secret is there.
fn has(tx: &Tx<'_>, user: &User, method: Method) -> Result<bool, StoreError> {
    let has_app = tx.totp(user.id)?.is_some_and(|totp| totp.confirmed_at.is_some() && totp.has_secret());
    Ok(match method {
        Method::Totp => has_app,
        Method::Email => !has_app,
    })
}

fn is_right(
    tx: &Tx<'_>,
    site: &Site,
    attempt: &Attempt,
    place: &Place,
    code: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    // What was set up may have changed since.
    if !has(tx, &place.user, attempt.method)? {
        return Ok(false);
    }
    match attempt.method {
        Method::Totp => second_factor::is_right_and_new(tx, site, &place.user, code, now),
        Method::Email => mailed_code::give(tx, site, place.mailed(), code, now),
    }
}

fn name_of(site: &Site, location: LocationId) -> String {
    site.location(location).map(|location| location.config.name.clone()).unwrap_or_default()
}
