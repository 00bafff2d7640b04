//! One attempt: account, order, proof that the name is ours, certificate (RFC 8555).

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AccountBuilder, AuthorizationStatus, CertificateIdentifier, ChallengeHandle, ChallengeType,
    Error, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use postern_gateway::chain;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::kept::{self, Kept, KeptError, Obtained};
use super::pace::Way;
use crate::config::Acme;
use crate::tls::presented::{Presented, Proof};

/// How often an authority is asked whether it is done, and for how long.
const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.5).timeout(Duration::from_mins(2));
/// For its directory and the account with it: one that nothing is heard of is told of soon.
const DIRECTORY_WITHIN: Duration = Duration::from_secs(20);
/// What an authority calls an account that it does not know.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum AcmeError {
    /// The authority could not be asked, or said no.
    #[error("the authority's answer to {asked}")]
    Asked {
        /// For what.
        asked: &'static str,
        /// What it said.
        #[source]
        source: Error,
    },
    /// The proof did not convince it.
    #[error(
        "the authority did not find the proof that {host} is this host ({way}): {reason}; does the name lead here, and are \
         ports 80 and 443 open to the world?"
    )]
    NotProven {
        /// The name.
        host: String,
        /// Where it looked.
        way: Way,
        /// What it said.
        reason: String,
    },
    /// It does not take any proof we have.
    #[error("the authority takes no proof by {0}")]
    NoSuchProof(Way),
    /// A key or a request.
    #[error("cannot make {0}")]
    Made(&'static str),
    /// It took too long.
    #[error("the authority took longer than {} s", .0.as_secs())]
    TooSlow(Duration),
    /// See [`KeptError`].
    #[error(transparent)]
    Kept(#[from] KeptError),
}

pub(super) fn asked(asked: &'static str) -> impl FnOnce(Error) -> AcmeError {
    move |source| AcmeError::Asked { asked, source }
}

pub(super) async fn obtain(
    acme: &Acme,
    way: Way,
    kept: &Kept,
    presented: &Presented,
    replaces: Option<CertificateIdentifier<'static>>,
) -> Result<Obtained, AcmeError> {
    let account = timeout(DIRECTORY_WITHIN, account(acme, kept)).await;
    let account = account.map_err(|_| AcmeError::TooSlow(DIRECTORY_WITHIN))??;
    let identifiers = [Identifier::Dns(acme.host.clone())];
    let anew = NewOrder::new(&identifiers);
    let ordered = match replaces {
        Some(replaced) => match account.new_order(&NewOrder::new(&identifiers).replaces(replaced)).await {
            Err(error) if is_about_replacing(&error) => account.new_order(&anew).await,
            ordered => ordered,
        },
        None => account.new_order(&anew).await,
    };
    let mut order = match ordered {
        Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            // The next attempt makes another one.
            kept.forget_account()?;
            return Err(asked("an order")(Error::Api(problem)));
        }
        order => order.map_err(asked("an order"))?,
    };
    prove(&mut order, acme, way, presented).await?;
    let key = KeyPair::generate().map_err(|_| AcmeError::Made("a key"))?;
    let request = request(&acme.host, &key)?;
    order.finalize_csr(&request).await.map_err(asked("the request for the certificate"))?;
    let chain_pem = order.poll_certificate(&PATIENCE).await.map_err(asked("the certificate"))?;
    let key_pem = Zeroizing::new(key.serialize_pem());
    Ok(Obtained { directory: acme.directory.clone(), chain_pem, key_pem })
}

/// Authorities take a certificate as replaced once only (RFC 9773, section 5), or know nothing of it: then they say so, or
/// leave it out of their answer. Whatever else they refuse, they would refuse again, and count.
fn is_about_replacing(error: &Error) -> bool {
    let kinds = ["urn:ietf:params:acme:error:alreadyReplaced", "urn:ietf:params:acme:error:malformed"];
    if let Error::Api(problem) = error {
        return problem.r#type.as_deref().is_some_and(|kind| kinds.contains(&kind));
    }
    // The library has no other name for it.
    matches!(error, Error::Other(source) if source.to_string().starts_with("replaces field mismatch"))
}

async fn account(acme: &Acme, kept: &Kept) -> Result<Account, AcmeError> {
    if let Some(account) = known_account(acme, kept).await? {
        return Ok(account);
    }
    let email = format!("mailto:{}", acme.email);
    let new = NewAccount { contact: &[&email], terms_of_service_agreed: true, only_return_existing: false };
    let made = builder(acme)?.create(&new, acme.directory.clone(), None).await;
    let (account, credentials) = made.map_err(asked("an account"))?;
    if let Err(error) = kept.keep_account(&kept::Account { directory: acme.directory.clone(), credentials }) {
        tracing::warn!(error = chain(&error), "the account with the authority is lost with this attempt");
    }
    Ok(account)
}

/// The account there is.
pub(super) async fn known_account(acme: &Acme, kept: &Kept) -> Result<Option<Account>, AcmeError> {
    let Some(credentials) = kept.account(&acme.directory)? else { return Ok(None) };
    let account = builder(acme)?.from_credentials(credentials).await;
    account.map(Some).map_err(asked("the directory"))
}

fn builder(acme: &Acme) -> Result<AccountBuilder, AcmeError> {
    let builder = match &acme.ca_file {
        Some(ca) => Account::builder_with_root(ca),
        None => Account::builder(),
    };
    builder.map_err(asked("nothing: the authorities to trust cannot be read"))
}

async fn prove(order: &mut Order, acme: &Acme, way: Way, presented: &Presented) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(asked("the authorization"))?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut challenge = authorization.challenge(challenge_of(way)).ok_or(AcmeError::NoSuchProof(way))?;
        presented.prove(Some(proof(&challenge, acme, way)?));
        challenge.set_ready().await.map_err(asked("the challenge"))?;
    }
    let unproven = |reason| AcmeError::NotProven { host: acme.host.clone(), way, reason };
    match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Invalid) => Err(unproven(why_invalid(order).await)),
        Ok(_) => Ok(()),
        Err(Error::Api(problem)) => Err(unproven(problem.to_string())),
        Err(error) => Err(asked("the order")(error)),
    }
}

fn challenge_of(way: Way) -> ChallengeType {
    match way {
        Way::Http => ChallengeType::Http01,
        Way::TlsAlpn => ChallengeType::TlsAlpn01,
    }
}

/// What the authority says of the challenges.
async fn why_invalid(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        let said = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = said {
            return problem.to_string();
        }
    }
    "it does not say why".to_owned()
}

fn proof(challenge: &ChallengeHandle<'_>, acme: &Acme, way: Way) -> Result<Proof, AcmeError> {
    let authorization = challenge.key_authorization();
    match way {
        Way::Http => {
            Ok(Proof::Http { token: challenge.token.clone(), answer: authorization.as_str().to_owned() })
        }
        Way::TlsAlpn => alpn(&acme.host, authorization.digest().as_ref()).map(Proof::TlsAlpn),
    }
}

/// The certificate of RFC 8737, 3.
fn alpn(host: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, AcmeError> {
    let failed = || AcmeError::Made("the certificate of a proof");
    let key = KeyPair::generate().map_err(|_| failed())?;
    let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(|_| failed())?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key).map_err(|_| failed())?;
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signing = any_ecdsa_type(&der).map_err(|_| failed())?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], signing)))
}

fn request(host: &str, key: &KeyPair) -> Result<Vec<u8>, AcmeError> {
    let failed = |_| AcmeError::Made("a request for a certificate");
    let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(key).map_err(failed)?;
    Ok(request.der().to_vec())
}
