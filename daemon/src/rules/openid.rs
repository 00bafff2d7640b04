//! What is asked of an OpenID provider, and what it says of who signed in: OpenID Connect Core 1.0 over RFC 6749, with PKCE
//! (RFC 7636) for everybody and nothing but the authorization code. Requests are read here; whether they are granted is a
//! flow's matter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::ids::SessionId;
use super::second_factor::Factor;
use super::session::Session;

/// How long a code is good, in seconds.
pub const CODE_FOR: i64 = 60;
/// How long an access token is good, in seconds.
pub const ACCESS_FOR: i64 = 10 * 60;
/// How long an ID token is good, in seconds.
pub const ID_TOKEN_FOR: i64 = 10 * 60;
/// How long a refresh token is good without use, in seconds.
pub const REFRESH_FOR: i64 = 30 * 24 * 60 * 60;
/// How long refresh tokens follow one another, however often they are used, in seconds.
pub const FAMILY_FOR: i64 = 180 * 24 * 60 * 60;
/// How often a sign-in is refreshed within a minute at most. Fewer than there are used refresh tokens known.
pub const REFRESHES_A_MINUTE: u32 = 30;
/// How long a request waits for somebody to sign in and agree, in seconds.
pub const REQUEST_FOR: i64 = 15 * 60;
/// How somebody signed in, as an authentication context class: by the password alone.
pub const ACR_PASSWORD: &str = "urn:postern:acr:password";
/// By more than that.
pub const ACR_MFA: &str = "urn:postern:acr:mfa";
/// The longest of the values that are given back as they came.
const MOST_ECHOED: usize = 2048;

/// What an ID token is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdTokenAlg {
    /// What every client has to know (Core, 15.1).
    Rs256,
    /// Ed25519 (RFC 8037).
    EdDsa,
}

/// What may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Who it is; without it a request is none of OpenID.
    OpenId,
    /// The names.
    Profile,
    /// The e-mail address.
    Email,
    /// The phone number.
    Phone,
    /// The groups.
    Groups,
    /// Going on while the user is away.
    OfflineAccess,
}

/// Several of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Scopes(BTreeSet<Scope>);

/// An error code that an application is answered, and what it means for who wrote the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem(pub &'static str, pub &'static str);

/// The parameters of a request. Those without a value count as left out (RFC 6749, 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    values: BTreeMap<String, String>,
    /// One came twice.
    is_repeated: bool,
}

/// A request for somebody to be signed in to an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Of the application.
    pub client_id: String,
    /// Where to send them back to.
    pub redirect_uri: String,
    /// Given back as it came.
    pub state: Option<String>,
    /// What is asked for, as far as we know it.
    pub scopes: Scopes,
    /// Put into the ID token as it came.
    pub nonce: Option<String>,
    /// Of the verifier, S256 (RFC 7636, 4.2).
    pub challenge: String,
    /// Whether to show nothing to the user.
    pub is_silent: bool,
    /// Whether to ask for the password, signed in or not.
    pub asks_to_sign_in: bool,
    /// Whether to ask for consent, given or not.
    pub asks_to_consent: bool,
    /// How long ago they may have signed in, in seconds.
    pub max_age: Option<i64>,
    /// Who it will be.
    pub login_hint: Option<String>,
    /// An ID token of who it has to be.
    pub id_token_hint: Option<String>,
    /// When this was asked (Unix seconds).
    pub asked_at: i64,
    /// In which session of the browser.
    pub asked_in: Option<SessionId>,
}

/// How somebody signed in, for an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// Unix seconds.
    pub auth_time: i64,
    /// Authentication context class.
    pub acr: &'static str,
    /// Methods (RFC 8176).
    pub amr: &'static [&'static str],
}

impl IdTokenAlg {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Rs256, Self::EdDsa];

    /// As in the header of a token.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// By name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }
}

impl Scope {
    /// All there are.
    pub const ALL: [Self; 6] =
        [Self::OpenId, Self::Profile, Self::Email, Self::Phone, Self::Groups, Self::OfflineAccess];

    /// As it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenId => "openid",
            Self::Profile => "profile",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Groups => "groups",
            Self::OfflineAccess => "offline_access",
        }
    }
}

impl Scopes {
    /// Words with spaces between them; what nobody knows is left out (Core, 3.1.2.1).
    pub fn known_of(text: &str) -> Self {
        let words = text.split(' ');
        Self(words.filter_map(|word| Scope::ALL.into_iter().find(|scope| scope.name() == word)).collect())
    }

    /// Whether this one is among them.
    pub fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// Whether all of these are among others.
    pub fn are_within(&self, others: &Self) -> bool {
        self.0.is_subset(&others.0)
    }

    /// These and others.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        Self(self.0.union(&others.0).copied().collect())
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::name).collect();
        f.write_str(&names.join(" "))
    }
}

impl From<String> for Scopes {
    fn from(text: String) -> Self {
        Self::known_of(&text)
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}

impl Params {
    /// Of pairs in any order.
    pub fn read(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let (mut values, mut is_repeated) = (BTreeMap::new(), false);
        for (name, value) in pairs {
            is_repeated |= values.insert(name, value).is_some();
        }
        values.retain(|_, value| !value.is_empty());
        Self { values, is_repeated }
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Whether one came more than once, which none may (RFC 6749, 3.1 and 3.2).
    pub fn are_repeated(&self) -> bool {
        self.is_repeated
    }
}

impl Request {
    /// Reads everything but who asks and where to send people back to, which are known already.
    pub fn read(
        params: &Params,
        (client_id, redirect_uri): (&str, &str),
        (asked_at, asked_in): (i64, Option<SessionId>),
    ) -> Result<Self, Problem> {
        let owned = |name| params.get(name).map(str::to_owned);
        refuse_what_is_not_there(params)?;
        let prompt: BTreeSet<&str> = params.get("prompt").unwrap_or_default().split(' ').collect();
        let is_silent = prompt.contains("none");
        if is_silent && prompt.len() > 1 {
            return Err(Problem("invalid_request", "prompt is none, or something else, but not both"));
        }
        let scopes = Scopes::known_of(params.get("scope").unwrap_or_default());
        if !scopes.has(Scope::OpenId) {
            return Err(Problem("invalid_scope", "scope has to hold openid"));
        }
        Ok(Self {
            client_id: client_id.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            state: owned("state"),
            scopes,
            nonce: owned("nonce"),
            challenge: challenge(params)?,
            is_silent,
            // There is one account in a browser; choosing another is signing in with it.
            asks_to_sign_in: prompt.contains("login") || prompt.contains("select_account"),
            asks_to_consent: prompt.contains("consent"),
            max_age: params.get("max_age").map(max_age).transpose()?,
            login_hint: owned("login_hint"),
            id_token_hint: owned("id_token_hint"),
            asked_at,
            asked_in,
        })
    }

    /// Whether it still may be granted at `now` (Unix seconds).
    pub fn waits(&self, now: i64) -> bool {
        now < self.asked_at.saturating_add(REQUEST_FOR)
    }

    /// Whether a session is too old for it.
    pub fn wants_another_sign_in(&self, session: &Session, now: i64) -> bool {
        let auth_time = authenticated(session).auth_time;
        if self.asked_in != Some(session.id) && auth_time >= self.asked_at {
            // They signed in for this request.
            return false;
        }
        let age = now.saturating_sub(auth_time);
        self.asks_to_sign_in || self.max_age.is_some_and(|most| age > most || most == 0)
    }
}

/// What an application is told of how somebody signed in: the words of RFC 8176. A passkey may have stood for the password. Who
/// gave the password alone since then proved less than they did at that time.
pub fn authenticated(session: &Session) -> Authenticated {
    let amr: &[&str] = match session.second_factor {
        None => &["pwd"],
        Some(Factor::Totp | Factor::Email | Factor::Recovery) => &["pwd", "otp", "mfa"],
        Some(Factor::Passkey) => &["pop", "mfa"],
    };
    let acr = if session.second_factor.is_some() { ACR_MFA } else { ACR_PASSWORD };
    let both_at = session.second_factor_at.unwrap_or(i64::MAX);
    Authenticated { auth_time: session.authenticated_at.min(both_at), acr, amr }
}

/// Whether a verifier is the one of a challenge (RFC 7636, 4.1 and 4.6).
pub fn is_verifier(verifier: &str, challenge: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let is_one = (43..=128).contains(&verifier.len()) && verifier.bytes().all(is_unreserved);
    let hashed = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    is_one && bool::from(hashed.as_bytes().ct_eq(challenge.as_bytes()))
}

/// The left half of the hash of an access token, which stands in the ID token beside it (Core, 3.1.3.6): SHA-256 for RS256,
/// SHA-512 for Ed25519, which hashes with it.
pub fn at_hash(alg: IdTokenAlg, access_token: &str) -> String {
    match alg {
        IdTokenAlg::Rs256 => {
            let digest = Sha256::digest(access_token);
            URL_SAFE_NO_PAD.encode(digest.get(..16).unwrap_or_default())
        }
        IdTokenAlg::EdDsa => {
            let digest = sha2::Sha512::digest(access_token);
            URL_SAFE_NO_PAD.encode(digest.get(..32).unwrap_or_default())
        }
    }
}

/// Where to send somebody back to: an address with parameters added to those it has (RFC 6749, 4.1.2).
pub fn with_params<'a>(uri: &str, params: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(params);
    let query = query.finish();
    let separator = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    if query.is_empty() { uri.to_owned() } else { format!("{uri}{separator}{query}") }
}

fn refuse_what_is_not_there(params: &Params) -> Result<(), Problem> {
    if params.are_repeated() {
        return Err(Problem("invalid_request", "a parameter came twice"));
    }
    for (name, problem) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ] {
        if params.get(name).is_some() {
            return Err(Problem(problem, "give the parameters one by one"));
        }
    }
    match params.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(Problem("unsupported_response_type", "response_type has to be code")),
        None => return Err(Problem("invalid_request", "response_type is missing")),
    }
    if params.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(Problem("invalid_request", "response_mode has to be query"));
    }
    let is_long = |name| params.get(name).is_some_and(|value| value.len() > MOST_ECHOED);
    if ["state", "nonce", "login_hint", "id_token_hint"].into_iter().any(is_long) {
        return Err(Problem("invalid_request", "a parameter is too long"));
    }
    Ok(())
}

fn challenge(params: &Params) -> Result<String, Problem> {
    let Some(challenge) = params.get("code_challenge") else {
        return Err(Problem("invalid_request", "PKCE is required: code_challenge is missing"));
    };
    if params.get("code_challenge_method") != Some("S256") {
        return Err(Problem("invalid_request", "code_challenge_method has to be S256"));
    }
    let is_hash = URL_SAFE_NO_PAD.decode(challenge).is_ok_and(|hash| hash.len() == 32);
    if is_hash {
        Ok(challenge.to_owned())
    } else {
        Err(Problem("invalid_request", "code_challenge is no S256"))
    }
}

fn max_age(text: &str) -> Result<i64, Problem> {
    let seconds =
        text.parse::<u32>().map_err(|_| Problem("invalid_request", "max_age is no number of seconds"))?;
    Ok(i64::from(seconds))
}

#[cfg(test)]
mod tests;
