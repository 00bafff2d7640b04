//! Passkeys: adding them, naming them, removing them, and signing in with one (WebAuthn Level 3). Each takes two steps, with
//! the browser and its authenticator between; what is known in between is the caller's to keep, for one use. The protocol is
//! `webauthn_rs`'s; nothing beyond this module knows it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use webauthn_rs::prelude::{
    CredentialID, DiscoverableAuthentication, Passkey as Credential, PasskeyRegistration,
    RegisterPublicKeyCredential, Url, Uuid, Webauthn, WebauthnBuilder, WebauthnError,
};

use super::second_factor::{self, RecoveryCodes};
use super::sign_in::SignedIn;
use super::tell::tell;
use crate::rules::action::Action;
use crate::rules::ids::{PasskeyId, SessionId, UserId};
use crate::rules::message::{Message, PasskeyEvent};
use crate::rules::names::{self, NameError};
use crate::rules::second_factor::Factor;
use crate::site::Site;
use crate::store::account::User;
use crate::store::passkey::{Handle, NewPasskey, Passkey};
use crate::store::{StoreError, Tx};

mod prove;

pub use prove::{Refused, challenge, challenge_for, enter, give, judge};

/// How many a user has at most.
const MOST_PASSKEYS: usize = 10;

/// Why a passkey is not added or changed.
#[derive(Debug, thiserror::Error)]
pub enum PasskeyError {
    /// Browsers have passkeys for names that they reach by https, and for none else.
    #[error("at this address no browser makes passkeys")]
    NotHere,
    /// What the browser sent is not what was asked of it.
    #[error("the answer of the passkey is not accepted")]
    Answer(#[source] WebauthnError),
    /// A name that is not taken.
    #[error(transparent)]
    Name(NameError),
    /// Something else that only its owner can set up comes first.
    #[error("an app or codes by mail come first")]
    NotFirst,
    /// The user has as many as they may have.
    #[error("nobody has more than {MOST_PASSKEYS} passkeys")]
    Enough,
    /// Somebody has this very one.
    #[error("the passkey is registered already")]
    Taken,
    /// It is not theirs, or there is none of this number.
    #[error("there is no such passkey")]
    Unknown,
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is known of a passkey while its authenticator makes it.
pub struct Adding {
    user: UserId,
    handle: Uuid,
    state: PasskeyRegistration,
}

/// What an authenticator was asked to sign.
#[derive(Clone, Serialize, Deserialize)]
pub struct Challenge {
    /// Whose passkey it has to be; `None`: anybody's.
    of: Option<UserId>,
    state: DiscoverableAuthentication,
}

/// Whether browsers have passkeys for the address that people know the site by.
pub fn are_possible(site: &Site) -> bool {
    relying_party(site).is_some()
}

/// Whether who is signed in has to set up an app or codes by mail first. Both take a mailed code; without it, where everybody
/// has to have a second factor, whoever has the password alone would come in with a passkey of their own.
pub fn comes_later(site: &Site, who: &SignedIn) -> bool {
    second_factor::owes(site, who.factors) && second_factor::wants_mail_too(site, who.factors)
}

/// [`begin`] for who is signed in, unless it [`comes_later`].
pub fn begin_here(
    tx: &Tx<'_>,
    site: &Site,
    who: &SignedIn,
    handle: Handle,
) -> Result<(Value, Adding), PasskeyError> {
    if comes_later(site, who) { Err(PasskeyError::NotFirst) } else { begin(tx, site, &who.user, handle) }
}

/// A user's, the oldest first.
pub fn list(tx: &Tx<'_>, user: UserId) -> Result<Vec<Passkey>, StoreError> {
    tx.passkeys_of(user)
}

/// Begins to add one: what `navigator.credentials.create` takes, in its JSON form. By `handle`, which is random,
/// authenticators know the user from here on if they do not know them by another yet.
pub fn begin(tx: &Tx<'_>, site: &Site, user: &User, handle: Handle) -> Result<(Value, Adding), PasskeyError> {
    let party = relying_party(site).ok_or(PasskeyError::NotHere)?;
    let theirs = tx.passkeys_of(user.id)?;
    if theirs.len() >= MOST_PASSKEYS {
        return Err(PasskeyError::Enough);
    }
    let handle = Uuid::from_bytes(theirs.first().map_or(handle, |passkey| passkey.handle));
    let known: Result<Vec<CredentialID>, _> =
        theirs.iter().map(|passkey| Ok::<_, StoreError>(credential(passkey)?.cred_id().clone())).collect();
    let shown = format!("{} {}", user.first_name, user.last_name);
    let begun = party.start_passkey_registration(handle, &user.username, shown.trim(), Some(known?));
    let (options, state) = begun.map_err(PasskeyError::Answer)?;
    let mut options = json_of(&options);
    // It has to say whose it is, or nobody could sign in with it alone. Which it is no state of the library asks.
    if let Some(selection) = options.pointer_mut("/publicKey/authenticatorSelection") {
        selection["residentKey"] = json!("required");
        selection["requireResidentKey"] = json!(true);
    }
    Ok((options, Adding { user: user.id, handle, state }))
}

/// Adds the one that the browser's answer (JSON) is of; gives recovery codes to who has none yet. With the first second
/// factor sessions end that were opened without; the one it is added in has given it. `random` is four times fresh.
pub fn add(
    tx: &Tx<'_>,
    site: &Site,
    (user, here): (&User, Option<SessionId>),
    (adding, answer, name): (&Adding, &str, &str),
    random: &[[u8; 32]; 4],
    now: Timestamp,
) -> Result<Option<RecoveryCodes>, PasskeyError> {
    let name = names::passkey_name(name).map_err(PasskeyError::Name)?;
    let party = relying_party(site).ok_or(PasskeyError::NotHere)?;
    let answer: RegisterPublicKeyCredential = serde_json::from_str(answer)
        .map_err(|error| PasskeyError::Answer(WebauthnError::ParseJSONFailure(error)))?;
    if adding.user != user.id {
        return Err(PasskeyError::Unknown);
    }
    if tx.passkeys_of(user.id)?.len() >= MOST_PASSKEYS {
        return Err(PasskeyError::Enough);
    }
    let made = party.finish_passkey_registration(&answer, &adding.state).map_err(PasskeyError::Answer)?;
    if tx.passkey_by_credential(made.cred_id())?.is_some() {
        return Err(PasskeyError::Taken);
    }
    let before = tx.factors_of(user.id)?;
    let new = NewPasskey {
        user: user.id,
        handle: adding.handle.into_bytes(),
        credential_id: made.cred_id(),
        credential: &json_of(&made).to_string(),
        name: &name,
    };
    tx.insert_passkey(&new, now)?;
    tx.audit(&user.username, Action::PasskeyAdd, &user.username, Some(&name), now)?;
    tell(tx, site, &Message::Passkey { user: user.id, passkey: name, event: PasskeyEvent::Added }, now)?;
    if !before.any() {
        tx.sign_out_all(user.id, here)?;
    }
    here.map_or(Ok(()), |here| tx.note_second_factor(here, Factor::Passkey, now))?;
    if before.recovery_codes > 0 {
        return Ok(None);
    }
    Ok(second_factor::renew_codes(tx, user, random, now)?)
}

/// One of theirs. Somebody else's is as unknown to them as one that never was.
pub fn find(tx: &Tx<'_>, who: &SignedIn, id: PasskeyId) -> Result<Passkey, PasskeyError> {
    let theirs = tx.passkeys_of(who.user.id)?;
    theirs.into_iter().find(|passkey| passkey.id == id).ok_or(PasskeyError::Unknown)
}

/// Gives it another name.
pub fn rename(
    tx: &Tx<'_>,
    who: &SignedIn,
    id: PasskeyId,
    name: &str,
    now: Timestamp,
) -> Result<(), PasskeyError> {
    let former = find(tx, who, id)?.name;
    let name = names::passkey_name(name).map_err(PasskeyError::Name)?;
    if name == former {
        return Ok(());
    }
    tx.rename_passkey(id, &name)?;
    let username = &who.user.username;
    tx.audit(username, Action::PasskeyRename, username, Some(&format!("{former} → {name}")), now)?;
    Ok(())
}

/// Removes it, and ends every other session. The recovery codes go with the last second factor.
pub fn remove(
    tx: &Tx<'_>,
    site: &Site,
    who: &SignedIn,
    id: PasskeyId,
    now: Timestamp,
) -> Result<(), PasskeyError> {
    let name = find(tx, who, id)?.name;
    tx.remove_passkey(id)?;
    second_factor::drop_codes_with_the_last(tx, who.user.id)?;
    // Whoever else has it may have signed in with it.
    tx.sign_out_all(who.user.id, Some(who.session.id))?;
    let username = &who.user.username;
    tell(
        tx,
        site,
        &Message::Passkey { user: who.user.id, passkey: name.clone(), event: PasskeyEvent::Removed },
        now,
    )?;
    tx.audit(username, Action::PasskeyRemove, username, Some(&name), now)?;
    Ok(())
}

/// `None`: browsers have passkeys under https and on the host itself only, and for names, not for addresses.
fn relying_party(site: &Site) -> Option<Webauthn> {
    let url = Url::parse(&site.config.public_url).ok()?;
    let name = url.domain()?;
    if !site.config.is_https() && name != "localhost" {
        return None;
    }
    let party = WebauthnBuilder::new(name, &url).ok()?.rp_name(&site.config.branding.company);
    party.build().ok()
}

fn credential(passkey: &Passkey) -> Result<Credential, StoreError> {
    serde_json::from_str(&passkey.credential).map_err(|_| StoreError::Unreadable("passkey"))
}

#[expect(clippy::expect_used, reason = "none of the library's types has anything that is no JSON")]
fn json_of(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("JSON has a form for it")
}

#[cfg(test)]
mod authenticator;
#[cfg(test)]
mod tests;
