//! The keys that ID tokens are signed with: made before they are needed, published in time, forgotten when nothing that they
//! signed is good any more. Making one takes long, so it is done between two transactions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

use crate::jose::{self, JoseError, Made};
use crate::rules::key_rotation;
use crate::rules::openid::IdTokenAlg;
use crate::rules::seal::Sealed;
use crate::site::Site;
use crate::store::signing_key::SigningKey;
use crate::store::{StoreError, Tx};

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// No key was made yet.
    #[error("there is no key to sign an ID token with")]
    NoKey,
    /// The key does not open, or does not sign.
    #[error("an ID token could not be signed")]
    Jose(#[from] JoseError),
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What to call ourselves as an issuer: the public address without the slash at its end.
pub fn issuer(site: &Site) -> &str {
    site.config.public_url.trim_end_matches('/')
}

/// For which algorithms a key is to be made now.
pub fn due(tx: &Tx<'_>, site: &Site, now: Timestamp) -> Result<Vec<IdTokenAlg>, StoreError> {
    let keys = readable(tx, site)?;
    let is_due = |alg: &IdTokenAlg| key_rotation::next(&starts(&keys, *alg), now).is_some();
    Ok(IdTokenAlg::ALL.into_iter().filter(is_due).collect())
}

/// Keeps a key that was made, if it still is due.
pub fn keep(
    tx: &Tx<'_>,
    site: &Site,
    made: &Made,
    random: [u8; 32],
    now: Timestamp,
) -> Result<(), SigningError> {
    let known = readable(tx, site)?;
    let Some(signs_from) = key_rotation::next(&starts(&known, made.alg), now) else { return Ok(()) };
    for key in tx.signing_keys()?.iter().filter(|key| known.iter().all(|known| known.kid != key.kid)) {
        tx.delete_signing_key(&key.kid)?;
    }
    let sealed = site.keys.seal.seal(sealed_as(&made.thumbprint)?, &made.private, random);
    let (kid, public_jwk) = (made.thumbprint.clone(), made.public_jwk.clone());
    Ok(tx.insert_signing_key(&SigningKey { kid, alg: made.alg, public_jwk, sealed, signs_from })?)
}

/// The public keys that are published.
pub fn published(tx: &Tx<'_>, now: Timestamp) -> Result<Vec<SigningKey>, StoreError> {
    let keys = tx.signing_keys()?;
    let is_published = |alg: IdTokenAlg, kid: &str| {
        let of_alg = keys.iter().filter(|key| key.alg == alg);
        let position = of_alg.clone().position(|key| key.kid == kid).unwrap_or(0);
        key_rotation::is_published(&starts(&keys, alg), position, now)
    };
    let kept: Vec<bool> = keys.iter().map(|key| is_published(key.alg, &key.kid)).collect();
    Ok(keys.into_iter().zip(kept).filter(|(_, is_kept)| *is_kept).map(|(key, _)| key).collect())
}

/// Forgets keys that are not published any more.
pub fn forget(tx: &Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    let kept: Vec<String> = published(tx, now)?.into_iter().map(|key| key.kid).collect();
    for key in tx.signing_keys()?.iter().filter(|key| !kept.contains(&key.kid)) {
        tx.delete_signing_key(&key.kid)?;
    }
    Ok(())
}

/// An ID token.
pub fn sign(
    tx: &Tx<'_>,
    site: &Site,
    alg: IdTokenAlg,
    claims: &Value,
    now: Timestamp,
) -> Result<String, SigningError> {
    let mut keys = readable(tx, site)?;
    keys.retain(|key| key.alg == alg);
    let position = key_rotation::signing(&starts(&keys, alg), now);
    let key = position.and_then(|position| keys.get(position)).ok_or(SigningError::NoKey)?;
    let private = site.keys.seal.open(sealed_as(&key.kid)?, &key.sealed).ok_or(JoseError::Unreadable)?;
    Ok(jose::sign(alg, &key.kid, &private, claims)?)
}

/// The claims of an ID token of ours, over or not; `None`: it is none, or of a key that is forgotten.
pub fn opened(tx: &Tx<'_>, site: &Site, token: &str) -> Result<Option<Value>, StoreError> {
    let keys = tx.signing_keys()?;
    let keys = keys.iter().map(|key| (key.kid.as_str(), key.alg, key.public_jwk.as_str()));
    Ok(jose::opened(token, issuer(site), keys))
}

/// Those that open under our seal: a backup may have come without it, and others are made in their place.
fn readable(tx: &Tx<'_>, site: &Site) -> Result<Vec<SigningKey>, StoreError> {
    let mut keys = tx.signing_keys()?;
    keys.retain(|key| sealed_as(&key.kid).is_ok_and(|what| site.keys.seal.open(what, &key.sealed).is_some()));
    Ok(keys)
}

fn starts(keys: &[SigningKey], alg: IdTokenAlg) -> Vec<i64> {
    keys.iter().filter(|key| key.alg == alg).map(|key| key.signs_from).collect()
}

fn sealed_as(kid: &str) -> Result<Sealed, JoseError> {
    let thumbprint = URL_SAFE_NO_PAD.decode(kid).ok().and_then(|bytes| bytes.try_into().ok());
    thumbprint.map(Sealed::SigningKey).ok_or(JoseError::Unreadable)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::{a_site, at};
    use crate::store::Store;

    const DAY: i64 = 24 * 60 * 60;

    #[test]
    fn keys_are_rotated_and_what_the_old_one_signed_is_known_until_it_is_over() {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let alg = IdTokenAlg::EdDsa;
        let done = store.write_blocking(|tx| {
            let make =
                |number, second| keep(tx, &site, &jose::generate(alg, [number; 32])?, [9; 32], at(second));
            let kids = |second| Ok::<_, SigningError>(published(tx, at(second))?.len());
            let claims = json!({ "iss": issuer(&site), "sub": "x", "aud": "app" });
            assert!(matches!(sign(tx, &site, alg, &claims, at(0)), Err(SigningError::NoKey)));
            make(1, 0)?;
            make(2, 1)?;
            assert_eq!(kids(1)?, 1, "the second was not due");
            let first = sign(tx, &site, alg, &claims, at(1))?;
            assert!(due(tx, &site, at(89 * DAY))?.contains(&alg));
            make(3, 89 * DAY)?;
            assert_eq!(kids(89 * DAY)?, 2);
            let kid = |token: &str| token.split('.').next().unwrap().to_owned();
            assert_eq!(kid(&sign(tx, &site, alg, &claims, at(90 * DAY - 1))?), kid(&first), "not seen yet");
            assert_ne!(kid(&sign(tx, &site, alg, &claims, at(90 * DAY))?), kid(&first));
            forget(tx, at(91 * DAY - 1))?;
            assert_eq!(opened(tx, &site, &first)?, Some(claims.clone()));
            forget(tx, at(91 * DAY))?;
            assert_eq!((opened(tx, &site, &first)?, kids(91 * DAY)?), (None, 1));
            Ok::<_, SigningError>(())
        });
        done.unwrap();
    }

    #[test]
    fn keys_under_another_seal_make_way_for_new_ones() {
        let store = Store::in_memory().unwrap();
        let mut site = a_site(&store);
        let made = |number| jose::generate(IdTokenAlg::EdDsa, [number; 32]).unwrap();
        let keep_it = |site: &Site, number| {
            let kept = store.write_blocking(|tx| {
                keep(tx, site, &made(number), [9; 32], at(0))?;
                Ok::<_, SigningError>(tx.signing_keys()?.into_iter().map(|key| key.kid).collect::<Vec<_>>())
            });
            kept.unwrap().0
        };
        assert_eq!(keep_it(&site, 1), [made(1).thumbprint]);
        site.keys.seal = crate::rules::seal::SealKey::from_bytes([77; 32]);
        assert_eq!(keep_it(&site, 2), [made(2).thumbprint]);
    }

    #[test]
    fn the_private_key_is_sealed_in_the_database() {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let made = jose::generate(IdTokenAlg::EdDsa, [7; 32]).unwrap();
        let stored = store.write_blocking(|tx| {
            keep(tx, &site, &made, [9; 32], at(0))?;
            Ok::<_, SigningError>(tx.signing_keys()?.remove(0).sealed)
        });
        let stored = stored.unwrap().0;
        assert!(!stored.windows(8).any(|part| part == [7; 8]));
        assert_eq!(site.keys.seal.open(sealed_as(&made.thumbprint).unwrap(), &stored).unwrap(), made.private);
    }
}
