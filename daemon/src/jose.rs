//! Keys that ID tokens are signed with, and the tokens themselves (RFC 7515 to 7519, 7638, 8037). What is signed and for how
//! long is not decided here.

use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::rules::openid::IdTokenAlg;

/// What precedes the 32 bytes of an Ed25519 key in its PKCS #8 (RFC 8410, 7).
const ED25519_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// So much of the PKCS #8 of an RSA key of 2048 bits precedes its PKCS #1 (RFC 5958, 2).
const RSA_PREFIX_BYTES: usize = 26;

/// Why a key or a token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum JoseError {
    /// No RSA key.
    #[error("no RSA key could be made")]
    Rsa(#[source] rcgen::Error),
    /// The library for tokens.
    #[error("an ID token, or its key, could not be made")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// What was stored is no key.
    #[error("a stored key is not readable")]
    Unreadable,
}

/// A key pair that was made.
pub struct Made {
    /// What it signs.
    pub alg: IdTokenAlg,
    /// The thumbprint of its public key (RFC 7638), which is its `kid` in base64url.
    pub thumbprint: String,
    /// The public key as a JWK.
    pub public_jwk: String,
    /// The private key: PKCS #1 or PKCS #8.
    pub private: Zeroizing<Vec<u8>>,
}

/// A new key pair. An Ed25519 key is made of `random`; for RSA, which takes a tenth of a second or more, the library asks the
/// operating system itself.
pub fn generate(alg: IdTokenAlg, random: [u8; 32]) -> Result<Made, JoseError> {
    let private = Zeroizing::new(match alg {
        IdTokenAlg::EdDsa => [ED25519_PREFIX.as_slice(), &random].concat(),
        IdTokenAlg::Rs256 => {
            let pair =
                KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(JoseError::Rsa)?;
            let whole = Zeroizing::new(pair.serialize_der());
            whole.get(RSA_PREFIX_BYTES..).ok_or(JoseError::Unreadable)?.to_vec()
        }
    });
    // This reads the private key, so what was cut off above is proven to be right.
    let mut public = Jwk::from_encoding_key(&encoding_key(alg, &private), algorithm(alg))?;
    let thumbprint = public.thumbprint(ThumbprintHash::SHA256)?;
    public.common.key_id = Some(thumbprint.clone());
    public.common.public_key_use = Some(PublicKeyUse::Signature);
    let public_jwk = serde_json::to_string(&public).map_err(|_| JoseError::Unreadable)?;
    Ok(Made { alg, thumbprint, public_jwk, private })
}

/// A signed token of `claims`.
pub fn sign(alg: IdTokenAlg, kid: &str, private: &[u8], claims: &Value) -> Result<String, JoseError> {
    let mut header = Header::new(algorithm(alg));
    header.kid = Some(kid.to_owned());
    Ok(jsonwebtoken::encode(&header, claims, &encoding_key(alg, private))?)
}

/// The claims of a token that was signed with one of our keys for `issuer`, over or not; `None`: it was not. `keys` are `kid`
/// and JWK.
pub fn opened<'a>(
    token: &str,
    issuer: &str,
    keys: impl IntoIterator<Item = (&'a str, IdTokenAlg, &'a str)>,
) -> Option<Value> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    let kid = header.kid?;
    let (_, alg, public_jwk) = keys.into_iter().find(|key| key.0 == kid)?;
    let public: Jwk = serde_json::from_str(public_jwk).ok()?;
    // The key says which algorithm it is for, never the token.
    let mut validation = Validation::new(algorithm(alg));
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["iss", "sub", "aud"]);
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let key = DecodingKey::from_jwk(&public).ok()?;
    jsonwebtoken::decode::<Value>(token, &key, &validation).ok().map(|data| data.claims)
}

fn algorithm(alg: IdTokenAlg) -> Algorithm {
    match alg {
        IdTokenAlg::Rs256 => Algorithm::RS256,
        IdTokenAlg::EdDsa => Algorithm::EdDSA,
    }
}

fn encoding_key(alg: IdTokenAlg, private: &[u8]) -> EncodingKey {
    match alg {
        IdTokenAlg::Rs256 => EncodingKey::from_rsa_der(private),
        IdTokenAlg::EdDsa => EncodingKey::from_ed_der(private),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_signed_with_a_key_opens_with_its_public_half_alone() {
        for alg in IdTokenAlg::ALL {
            let (key, other) = (generate(alg, [1; 32]).unwrap(), generate(alg, [2; 32]).unwrap());
            let claims = json!({ "iss": "https://a.example", "sub": "x", "aud": "app", "exp": 5 });
            let token = sign(alg, &key.thumbprint, &key.private, &claims).unwrap();
            let open =
                |made: &Made, kid: &str, issuer| opened(&token, issuer, [(kid, alg, &*made.public_jwk)]);
            assert_eq!(open(&key, &key.thumbprint, "https://a.example"), Some(claims.clone()));
            assert_eq!(open(&key, &key.thumbprint, "https://b.example"), None);
            assert_eq!(open(&other, &key.thumbprint, "https://a.example"), None);
            assert_eq!(open(&key, &other.thumbprint, "https://a.example"), None);
            let public: Value = serde_json::from_str(&key.public_jwk).unwrap();
            assert_eq!((&public["alg"], &public["use"]), (&json!(alg.name()), &json!("sig")));
            assert_eq!(public["kid"].as_str().unwrap().len(), 43);
            for secret in ["d", "p", "q"] {
                assert!(public.get(secret).is_none(), "{secret}");
            }
        }
    }

    #[test]
    fn a_token_does_not_choose_its_own_algorithm() {
        let key = generate(IdTokenAlg::EdDsa, [1; 32]).unwrap();
        let claims = json!({ "iss": "i", "sub": "x", "aud": "app" });
        let header = Header { kid: Some(key.thumbprint.clone()), ..Header::new(Algorithm::HS256) };
        let secret = EncodingKey::from_secret(key.public_jwk.as_bytes());
        let forged = jsonwebtoken::encode(&header, &claims, &secret).unwrap();
        assert_eq!(opened(&forged, "i", [(&*key.thumbprint, IdTokenAlg::EdDsa, &*key.public_jwk)]), None);
    }

    /// The example of RFC 8037, appendix A.
    #[test]
    fn the_thumbprint_is_that_of_the_standard() {
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
            0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let key = generate(IdTokenAlg::EdDsa, seed).unwrap();
        assert_eq!(key.thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert!(key.public_jwk.contains("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
    }
}
