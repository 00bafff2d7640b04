//! What a passkey proves: whose it is. The answer of an authenticator is judged against what it was asked, once.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use webauthn_rs::prelude::{Passkey as Credential, PublicKeyCredential, WebauthnError};

use super::{Challenge, PasskeyError, credential, json_of, relying_party};
use crate::flows::sign_in::{Entry, seat};
use crate::flows::sign_in_code;
use crate::flows::tell::tell;
use crate::rules::action::{Action, Reason};
use crate::rules::ids::UserId;
use crate::rules::message::{Message, PasskeyEvent};
use crate::rules::second_factor::Factor;
use crate::rules::token::TokenHash;
use crate::site::Site;
use crate::store::account::User;
use crate::store::passkey::Passkey;
use crate::store::{StoreError, Tx};

/// Nobody is let in.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// Whose passkey it is.
    pub username: Option<String>,
}

/// Whose passkey gave the answer.
struct Proven {
    user: User,
    passkey: Passkey,
    /// With its counter as it is.
    credential: Credential,
}

/// What became of an answer.
enum Verdict {
    Right(Box<Proven>),
    /// The counter went back.
    Copied(Box<Proven>),
    Wrong(Refused),
}

/// What an authenticator is asked that says itself whose it is: what `navigator.credentials.get` takes, in its JSON form.
/// It is the same for everybody.
pub fn challenge(site: &Site) -> Result<(Value, Challenge), PasskeyError> {
    asked(site, None, &[])
}

/// What a certain user's authenticators are asked.
pub fn challenge_for(tx: &Tx<'_>, site: &Site, user: UserId) -> Result<(Value, Challenge), PasskeyError> {
    let theirs = tx.passkeys_of(user)?;
    if theirs.is_empty() {
        return Err(PasskeyError::Unknown);
    }
    let known = theirs.iter().map(|passkey| {
        let id = URL_SAFE_NO_PAD.encode(credential(passkey)?.cred_id());
        Ok::<_, StoreError>(json!({ "type": "public-key", "id": id }))
    });
    let known = known.collect::<Result<Vec<_>, _>>()?;
    asked(site, Some(user), &known)
}

/// Whose account an answer (JSON) opens, with nothing written down.
pub fn judge(
    tx: &Tx<'_>,
    site: &Site,
    challenge: &Challenge,
    answer: &str,
) -> Result<Result<UserId, Refused>, StoreError> {
    Ok(match verdict(tx, site, challenge, answer)? {
        Verdict::Right(proven) => Ok(proven.user.id),
        Verdict::Copied(proven) => Err(refused(Reason::Copied, &proven.user)),
        Verdict::Wrong(refused) => Err(refused),
    })
}

/// Signs in whoever's passkey gave the answer: it has made sure of its user, so it counts for both factors.
pub fn enter(
    tx: &Tx<'_>,
    site: &Site,
    (challenge, answer): (&Challenge, &str),
    entry: &Entry,
    now: Timestamp,
) -> Result<Result<UserId, Refused>, StoreError> {
    let used = use_up(tx, site, (challenge, answer), now)?;
    let Proven { user, passkey, .. } = match used {
        Ok(proven) => *proven,
        Err(refused) => return Ok(Err(refused)),
    };
    let session = seat(tx, &user, entry, now)?;
    tx.note_second_factor(session, Factor::Passkey, now)?;
    let how = format!("{}; without a password, by the passkey {}", entry.called, passkey.name);
    tx.audit(&user.username, Action::SessionStart, &user.username, Some(&how), now)?;
    Ok(Ok(user.id))
}

/// Signs in who gave the right password and waits under `token`, if the answer is of a passkey of theirs; `None`: nobody
/// waits any more.
pub fn give(
    tx: &Tx<'_>,
    site: &Site,
    token: TokenHash,
    (challenge, answer): (&Challenge, &str),
    entry: &Entry,
    now: Timestamp,
) -> Result<Option<Result<(), Refused>>, StoreError> {
    let Some(waiting) = sign_in_code::waiting(tx, token, now)? else { return Ok(None) };
    if challenge.of != Some(waiting.user.id) {
        return Ok(Some(Err(refused(Reason::Passkey, &waiting.user))));
    }
    if let Err(refused) = use_up(tx, site, (challenge, answer), now)? {
        return Ok(Some(Err(refused)));
    }
    sign_in_code::let_in(tx, &waiting, Factor::Passkey, entry, now)?;
    Ok(Some(Ok(())))
}

/// Writes down what the answer changes: the counter, or that there may be a copy.
fn use_up(
    tx: &Tx<'_>,
    site: &Site,
    (challenge, answer): (&Challenge, &str),
    now: Timestamp,
) -> Result<Result<Box<Proven>, Refused>, StoreError> {
    match verdict(tx, site, challenge, answer)? {
        Verdict::Right(proven) => {
            tx.use_passkey(proven.passkey.id, &json_of(&proven.credential).to_string(), now)?;
            Ok(Ok(proven))
        }
        Verdict::Copied(proven) => {
            doubt(tx, site, &proven, now)?;
            Ok(Err(refused(Reason::Copied, &proven.user)))
        }
        Verdict::Wrong(refused) => Ok(Err(refused)),
    }
}

/// Ends every session, as one of the two may have signed in before, and tells its owner; once.
fn doubt(tx: &Tx<'_>, site: &Site, proven: &Proven, now: Timestamp) -> Result<(), StoreError> {
    let Proven { user, passkey, .. } = proven;
    if passkey.doubted_at.is_some() {
        return Ok(());
    }
    tx.doubt_passkey(passkey.id, now)?;
    tx.sign_out_all(user.id, None)?;
    tell(
        tx,
        site,
        &Message::Passkey { user: user.id, passkey: passkey.name.clone(), event: PasskeyEvent::Copied },
        now,
    )
}

fn asked(site: &Site, of: Option<UserId>, known: &[Value]) -> Result<(Value, Challenge), PasskeyError> {
    let party = relying_party(site).ok_or(PasskeyError::NotHere)?;
    let (options, state) = party.start_discoverable_authentication().map_err(PasskeyError::Answer)?;
    let mut options = json_of(&options);
    // The library means it for a browser that fills in fields; here it is asked for with a button.
    if let Some(all) = options.as_object_mut() {
        all.remove("mediation");
    }
    if let Some(asked) = options.pointer_mut("/publicKey") {
        asked["allowCredentials"] = json!(known);
    }
    Ok((options, Challenge { of, state }))
}

fn verdict(tx: &Tx<'_>, site: &Site, challenge: &Challenge, answer: &str) -> Result<Verdict, StoreError> {
    let nobody = Verdict::Wrong(Refused { reason: Reason::Passkey, username: None });
    let Some(party) = relying_party(site) else { return Ok(nobody) };
    let Ok(answer) = serde_json::from_str::<PublicKeyCredential>(answer) else { return Ok(nobody) };
    let Some(passkey) = tx.passkey_by_credential(answer.get_credential_id())? else { return Ok(nobody) };
    let Some(user) = tx.user(passkey.user)? else { return Ok(nobody) };
    let wrong = |user: &User| Ok(Verdict::Wrong(refused(Reason::Passkey, user)));
    // Who was not named before is named by the authenticator, and it must be right (WebAuthn, 7.2, step 6).
    let names_its_owner = match (challenge.of, answer.get_user_unique_id()) {
        (of, Some(handle)) => *handle == passkey.handle[..] && of.is_none_or(|of| of == user.id),
        (Some(of), None) => of == user.id,
        (None, None) => false,
    };
    if !names_its_owner {
        return wrong(&user);
    }
    let mut credential = credential(&passkey)?;
    let proven = party.finish_discoverable_authentication_v2(&answer, challenge.state.clone(), &credential);
    let is_copied = matches!(proven, Err(WebauthnError::CredentialPossibleCompromise));
    match proven {
        Ok(result) => {
            credential.update_credential(&result);
        }
        Err(_) if is_copied => {}
        Err(_) => return wrong(&user),
    }
    // Only to who has the key is it told.
    if user.disabled_at.is_some() {
        return Ok(Verdict::Wrong(refused(Reason::Disabled, &user)));
    }
    let is_doubted = passkey.doubted_at.is_some();
    let proven = Box::new(Proven { user, passkey, credential });
    Ok(if is_copied || is_doubted { Verdict::Copied(proven) } else { Verdict::Right(proven) })
}

fn refused(reason: Reason, user: &User) -> Refused {
    Refused { reason, username: Some(user.username.clone()) }
}
