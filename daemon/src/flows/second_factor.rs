//! A second factor of one's own: set up, which counts once a code proved it, used, removed; recovery codes for who loses it;
//! an administrator's way out for who loses those, too.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use super::invite::{Actor, known_user};
use super::mailed_code::{self, Sent};
use super::refusal::Refusal;
use super::sign_in::SignedIn;
use super::sweep::end_links;
use super::tell::tell;
use crate::rules::action::Action;
use crate::rules::ids::{SessionId, UserId};
use crate::rules::message::Message;
use crate::rules::recovery;
use crate::rules::seal::Sealed;
use crate::rules::second_factor::{Factor, Factors, Method};
use crate::rules::token::{Purpose, TokenHash};
use crate::rules::totp::Secret;
use crate::site::Site;
use crate::store::account::User;
use crate::store::{StoreError, Tx};

/// How long somebody may take from the picture to the first code, in seconds.
const SET_UP_FOR: i64 = 60 * 60;

/// Codes to be shown once and never again.
pub type RecoveryCodes = Vec<Zeroizing<String>>;

/// What is given so that a second factor counts.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// Of what.
    pub method: Method,
    /// The app's code, or the mailed one.
    pub code: &'a str,
    /// The mailed one besides the app's; see [`wants_mail_too`].
    pub mailed: &'a str,
}

/// What an authenticator app is shown.
pub struct SetUp {
    /// As a picture: `otpauth://…`.
    pub uri: Zeroizing<String>,
    /// To be typed: base32.
    pub secret: Zeroizing<String>,
}

/// What was begun.
pub enum Begun {
    /// Nothing: there is one that counts, or nobody is asked for one.
    Nothing,
    /// An app is to be shown this.
    App(SetUp),
    /// This became of a code by mail.
    Email(Sent),
}

/// What an administrator's reset did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reset {
    /// Whose account.
    pub username: String,
    /// What there was.
    pub removed: Vec<&'static str>,
}

/// Whether the configuration wants a second factor of an account that has these.
pub fn owes(site: &Site, factors: Factors) -> bool {
    site.config.second_factor.is_required() && !factors.any()
}

/// Whether an app that is set up after signing in counts only with a mailed code, too. Without app and codes by mail it is the
/// mailbox that locations ask a second factor of: whoever has the password alone must not put their own app in its place.
pub fn wants_mail_too(site: &Site, factors: Factors) -> bool {
    site.config.mail.is_sent() && !factors.totp && !factors.email
}

/// Begins to set up an authenticator app, with another secret each time; `None`: the account has one that counts.
/// `random` is two times fresh.
pub fn begin(
    tx: &Tx<'_>,
    site: &Site,
    user: &User,
    random: [[u8; 32]; 2],
    now: Timestamp,
) -> Result<Option<SetUp>, StoreError> {
    let [secret, nonce] = random;
    let secret = Secret::from_random(secret);
    let sealed = site.keys.seal.seal(Sealed::Totp(user.id), secret.expose(), nonce);
    let is_begun = tx.begin_totp(user.id, &sealed, now)?;
    Ok(is_begun.then(|| shown(site, user, &secret)))
}

/// What [`begin`] began, as long as that is not over.
pub fn begun(tx: &Tx<'_>, site: &Site, user: &User, now: Timestamp) -> Result<Option<SetUp>, StoreError> {
    Ok(unconfirmed(tx, site, user, now)?.map(|secret| shown(site, user, &secret)))
}

/// Has an authenticator app count whose code is right, and gives recovery codes in place of any others; `None`: it is wrong, or
/// nothing was begun. All sessions `but` this one end. `random` is four times fresh.
pub fn confirm(
    tx: &Tx<'_>,
    site: &Site,
    user: &User,
    code: &str,
    but: Option<SessionId>,
    random: &[[u8; 32]; 4],
    now: Timestamp,
) -> Result<Option<RecoveryCodes>, StoreError> {
    let Some(secret) = unconfirmed(tx, site, user, now)? else { return Ok(None) };
    let Some(step) = secret.check(code, None, now) else { return Ok(None) };
    tx.confirm_totp(user.id, step, now)?;
    // The app is safer, and asked for instead.
    tx.delete_email_factor(user.id)?;
    set(tx, site, user, Factor::Totp, but, now)?;
    put_codes(tx, user, random).map(Some)
}

/// Has codes by mail count for who gives the one that was mailed and has no app; otherwise as [`confirm`].
pub fn confirm_email(
    tx: &Tx<'_>,
    site: &Site,
    user: &User,
    code: &str,
    but: Option<SessionId>,
    random: &[[u8; 32]; 4],
    now: Timestamp,
) -> Result<Option<RecoveryCodes>, StoreError> {
    let factors = tx.factors_of(user.id)?;
    if factors.email || factors.totp || !mailed_code::give(tx, site, (user.id, Purpose::SignIn), code, now)? {
        return Ok(None);
    }
    tx.confirm_email_factor(user.id)?;
    set(tx, site, user, Factor::Email, but, now)?;
    put_codes(tx, user, random).map(Some)
}

/// What a new second factor brings with it: sessions that were opened without it end, an entry in the log, a mail.
fn set(
    tx: &Tx<'_>,
    site: &Site,
    user: &User,
    factor: Factor,
    but: Option<SessionId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.sign_out_all(user.id, but)?;
    tell(tx, site, &Message::SecondFactorSet { user: user.id, factor }, now)?;
    tx.audit(&user.username, Action::SecondFactorSet, &user.username, Some(factor.name()), now)
}

/// Begins with an app, or mails a code to who has neither an app nor codes by mail. `random` is two times fresh.
pub fn begin_by(
    tx: &Tx<'_>,
    site: &Site,
    user: &User,
    (method, random): (Method, [[u8; 32]; 2]),
    may_mail: impl Fn(UserId) -> Result<(), Duration>,
    now: Timestamp,
) -> Result<Begun, StoreError> {
    let factors = tx.factors_of(user.id)?;
    match method {
        Method::Totp => Ok(begin(tx, site, user, random, now)?.map_or(Begun::Nothing, Begun::App)),
        Method::Email if factors.email || factors.totp => Ok(Begun::Nothing),
        Method::Email => {
            Ok(Begun::Email(mailed_code::send(tx, site, (user.id, Purpose::SignIn), may_mail, now)?))
        }
    }
}

/// [`begin_by`] for who is signed in, with a mailed code where [`wants_mail_too`].
pub fn begin_here(
    tx: &Tx<'_>,
    site: &Site,
    who: &SignedIn,
    (method, random): (Method, [[u8; 32]; 2]),
    may_mail: impl Fn(UserId) -> Result<(), Duration>,
    now: Timestamp,
) -> Result<Begun, StoreError> {
    let user = &who.user;
    if method == Method::Totp && wants_mail_too(site, who.factors) {
        let sent = mailed_code::send(tx, site, (user.id, Purpose::SignIn), &may_mail, now)?;
        if matches!(sent, Sent::NotFor(_)) {
            return Ok(Begun::Email(sent));
        }
    }
    begin_by(tx, site, user, (method, random), may_mail, now)
}

/// [`confirm`] or [`confirm_email`] for who is signed in: every other session ends, and this one has given its second factor.
pub fn confirm_here(
    tx: &Tx<'_>,
    site: &Site,
    who: &SignedIn,
    given: Given<'_>,
    random: &[[u8; 32]; 4],
    now: Timestamp,
) -> Result<Option<RecoveryCodes>, StoreError> {
    let Given { method, code, .. } = given;
    if method == Method::Totp
        && wants_mail_too(site, who.factors)
        && !gives_both(tx, site, &who.user, given, now)?
    {
        return Ok(None);
    }
    let codes = confirm_by(tx, site, &who.user, (method, code), Some(who.session.id), random, now)?;
    if codes.is_some() {
        tx.note_second_factor(who.session.id, method.factor(), now)?;
    }
    Ok(codes)
}

/// [`confirm`] or [`confirm_email`].
pub fn confirm_by(
    tx: &Tx<'_>,
    site: &Site,
    user: &User,
    (method, code): (Method, &str),
    but: Option<SessionId>,
    random: &[[u8; 32]; 4],
    now: Timestamp,
) -> Result<Option<RecoveryCodes>, StoreError> {
    match method {
        Method::Totp => confirm(tx, site, user, code, but, random, now),
        Method::Email => confirm_email(tx, site, user, code, but, random, now),
    }
}

/// Whether a code is right, and what it was: one of the app, one that came by mail, a recovery code. It is used up with that.
/// How often somebody may try is the caller's to bound.
pub fn give(
    tx: &Tx<'_>,
    site: &Site,
    user: &User,
    code: &str,
    now: Timestamp,
) -> Result<Option<Factor>, StoreError> {
    if let Some(hash) = recovery::hash(user.id, code) {
        return give_recovery_code(tx, site, user, hash, now);
    }
    let factors = tx.factors_of(user.id)?;
    if factors.totp && is_right_and_new(tx, site, user, code, now)? {
        return Ok(Some(Factor::Totp));
    }
    let is_right = factors.email && mailed_code::give(tx, site, (user.id, Purpose::SignIn), code, now)?;
    Ok(is_right.then_some(Factor::Email))
}

/// Other recovery codes in place of those there were; `None`: there is no second factor whose loss they would be for. `random` is
/// four times fresh.
pub fn renew_codes(
    tx: &Tx<'_>,
    user: &User,
    random: &[[u8; 32]; 4],
    now: Timestamp,
) -> Result<Option<RecoveryCodes>, StoreError> {
    if !tx.factors_of(user.id)?.any() {
        return Ok(None);
    }
    tx.audit(&user.username, Action::RecoveryCodesRenew, &user.username, None, now)?;
    put_codes(tx, user, random).map(Some)
}

/// Takes a second factor away; the recovery codes go with the last one. `false`: there was none such that counts. Passkeys go
/// by themselves.
pub fn remove(
    tx: &Tx<'_>,
    site: &Site,
    user: &User,
    factor: Factor,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if !tx.factors_of(user.id)?.list().contains(&factor) {
        return Ok(false);
    }
    let is_gone = match factor {
        Factor::Totp => tx.delete_totp(user.id)?,
        Factor::Email => tx.delete_email_factor(user.id)?,
        Factor::Passkey | Factor::Recovery => false,
    };
    if is_gone {
        removed(tx, site, user, factor, now)?;
    }
    Ok(is_gone)
}

/// What follows when a second factor is gone.
pub fn removed(
    tx: &Tx<'_>,
    site: &Site,
    user: &User,
    factor: Factor,
    now: Timestamp,
) -> Result<(), StoreError> {
    drop_codes_with_the_last(tx, user.id)?;
    tell(tx, site, &Message::SecondFactorRemoved { user: user.id, factor: Some(factor) }, now)?;
    tx.audit(&user.username, Action::SecondFactorRemove, &user.username, Some(factor.name()), now)
}

/// Recovery codes go with the last second factor: they are none of their own.
pub fn drop_codes_with_the_last(tx: &Tx<'_>, user: UserId) -> Result<(), StoreError> {
    if tx.factors_of(user)?.any() { Ok(()) } else { tx.set_recovery_codes(user, &[]) }
}

/// Takes everything beside the password away, for who has lost it, and ends their sessions and links.
pub fn reset(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    username: &str,
    now: Timestamp,
) -> Result<Reset, Refusal> {
    let user = known_user(tx, username)?;
    let removed: Vec<_> = tx.factors_of(user.id)?.list().into_iter().map(Factor::name).collect();
    tx.forget_second_factors(user.id)?;
    if !removed.is_empty() {
        tx.sign_out_all(user.id, None)?;
        if user.password_hash.is_some() {
            end_links(tx, site, user.id, None, now)?;
        }
        tell(tx, site, &Message::SecondFactorRemoved { user: user.id, factor: None }, now)?;
        let detail = removed.join(", ");
        tx.audit(&actor.name, Action::SecondFactorReset, &user.username, Some(&detail), now)?;
    }
    Ok(Reset { username: user.username, removed })
}

/// Forgets what was begun and never finished.
pub fn forget(tx: &Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    tx.forget_unconfirmed_totp(now.as_second().saturating_sub(SET_UP_FOR))
}

fn shown(site: &Site, user: &User, secret: &Secret) -> SetUp {
    SetUp { uri: secret.uri(&site.config.instance_name, &user.username), secret: secret.base32() }
}

fn unconfirmed(tx: &Tx<'_>, site: &Site, user: &User, now: Timestamp) -> Result<Option<Secret>, StoreError> {
    let totp = tx.totp(user.id)?.filter(|totp| totp.confirmed_at.is_none());
    let totp = totp.filter(|totp| now.as_second() < totp.created_at.saturating_add(SET_UP_FOR));
    Ok(totp.map(|totp| totp.secret(&site.keys.seal)).transpose()?.flatten())
}

/// Whether this is a code of a user's authenticator app that was not given before; it is used up with that.
pub fn is_right_and_new(
    tx: &Tx<'_>,
    site: &Site,
    user: &User,
    code: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(totp) = tx.totp(user.id)? else { return Ok(false) };
    let secret = totp.secret(&site.keys.seal)?;
    let step = secret.and_then(|secret| secret.check(code, totp.last_step, now));
    step.map(|step| tx.use_totp(user.id, step)).transpose().map(|used| used.is_some())
}

/// Whether both codes are right. The mailed one is used up by that, so it is looked at after the other.
fn gives_both(
    tx: &Tx<'_>,
    site: &Site,
    user: &User,
    given: Given<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let secret = unconfirmed(tx, site, user, now)?;
    let is_of_app = secret.is_some_and(|secret| secret.check(given.code, None, now).is_some());
    Ok(is_of_app && mailed_code::give(tx, site, (user.id, Purpose::SignIn), given.mailed, now)?)
}

fn give_recovery_code(
    tx: &Tx<'_>,
    site: &Site,
    user: &User,
    hash: TokenHash,
    now: Timestamp,
) -> Result<Option<Factor>, StoreError> {
    if !tx.use_recovery_code(user.id, hash)? {
        return Ok(None);
    }
    let left = tx.factors_of(user.id)?.recovery_codes;
    tell(tx, site, &Message::RecoveryCodeUsed { user: user.id, left }, now)?;
    let detail = format!("{left} left");
    tx.audit(&user.username, Action::RecoveryCodesUse, &user.username, Some(&detail), now)?;
    Ok(Some(Factor::Recovery))
}

fn put_codes(tx: &Tx<'_>, user: &User, random: &[[u8; 32]; 4]) -> Result<RecoveryCodes, StoreError> {
    let codes = recovery::codes(random);
    let hashes: Vec<_> = codes.iter().filter_map(|code| recovery::hash(user.id, code)).collect();
    tx.set_recovery_codes(user.id, &hashes)?;
    Ok(codes)
}

#[cfg(test)]
mod tests;
