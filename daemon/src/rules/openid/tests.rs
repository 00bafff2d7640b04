//! Requests as applications send them, and what is wrong with others.

use super::*;
use crate::rules::ids::UserId;

/// Of the verifier in RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn read(changes: &[(&str, &str)]) -> Result<Request, Problem> {
    let mut pairs: BTreeMap<&str, &str> = [
        ("response_type", "code"),
        ("scope", "openid"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
    .into();
    pairs.extend(changes.iter().copied());
    let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Request::read(&Params::read(pairs), ("app", "https://app.example/cb"), (0, Some(SessionId(1))))
}

fn a_session(id: i64) -> Session {
    let (browser, address) = (String::new(), String::new());
    Session {
        id: SessionId(id),
        user: UserId(1),
        created_at: 0,
        last_used_at: 0,
        browser,
        address,
        authenticated_at: 0,
        second_factor: None,
        second_factor_at: None,
    }
}

#[test]
fn an_application_is_told_how_and_when_somebody_proved_who_they_are() {
    let mut session = Session { authenticated_at: 7, ..a_session(1) };
    for (second_factor, acr, amr) in [
        (None, ACR_PASSWORD, "pwd"),
        (Some(Factor::Totp), ACR_MFA, "pwd otp mfa"),
        (Some(Factor::Email), ACR_MFA, "pwd otp mfa"),
        (Some(Factor::Recovery), ACR_MFA, "pwd otp mfa"),
        (Some(Factor::Passkey), ACR_MFA, "pop mfa"),
    ] {
        session.second_factor = second_factor;
        let told = authenticated(&session);
        assert_eq!((told.auth_time, told.acr, &*told.amr.join(" ")), (7, acr, amr));
    }
    session.second_factor_at = Some(7);
    session.authenticated_at = 99;
    assert_eq!(authenticated(&session).auth_time, 7, "the password alone was given again");
}

#[test]
fn what_a_request_asks_for_is_read() {
    let request = read(&[("scope", "openid email  address groups"), ("state", "a b"), ("prompt", "login")]);
    let request = request.unwrap();
    assert_eq!(request.scopes.to_string(), "openid email groups", "what nobody knows is ignored");
    assert_eq!(request.state.as_deref(), Some("a b"));
    assert!(request.asks_to_sign_in && !request.asks_to_consent && !request.is_silent);
    let ignored = [
        ("display", "page"),
        ("ui_locales", "de"),
        ("claims_locales", "de"),
        ("claims", "{\"userinfo\":{\"address\":{\"essential\":true}}}"),
        ("acr_values", "x"),
        ("unheard_of", "x"),
    ];
    assert!(read(&[&[("prompt", "consent")], ignored.as_slice()].concat()).unwrap().asks_to_consent);
    assert!(read(&[("prompt", "none")]).unwrap().is_silent);
    assert_eq!(read(&[("max_age", "")]).unwrap().max_age, None, "without a value it is left out");
}

#[test]
fn what_is_not_a_code_with_pkce_is_refused_with_its_error() {
    for (changes, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", "code id_token"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("response_mode", "fragment"), "invalid_request"),
        (("scope", "email"), "invalid_scope"),
        (("scope", ""), "invalid_scope"),
        (("prompt", "none login"), "invalid_request"),
        (("request", "eyJ"), "request_not_supported"),
        (("request_uri", "https://app.example/r"), "request_uri_not_supported"),
        (("registration", "{}"), "registration_not_supported"),
        (("max_age", "-1"), "invalid_request"),
        (("max_age", "soon"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
    ] {
        assert_eq!(read(&[changes]).map_err(|problem| problem.0), Err(error), "{changes:?}");
    }
    let long = "x".repeat(3000);
    assert!(read(&[("state", &long)]).is_err());
}

#[test]
fn a_downgraded_pkce_method_is_refused() {
    for method in ["plain", "", "s256", "S512"] {
        let refused = read(&[("code_challenge_method", method)]);
        assert_eq!(refused.map_err(|problem| problem.0), Err("invalid_request"), "{method}");
    }
}

#[test]
fn a_parameter_that_comes_twice_is_refused() {
    let pairs = [("state", "a"), ("state", "a")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert!(Params::read(pairs).are_repeated());
}

#[test]
fn a_verifier_is_that_of_its_challenge_and_has_the_form_of_one() {
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert!(is_verifier(verifier, CHALLENGE));
    assert!(!is_verifier(&verifier.replace('d', "e"), CHALLENGE));
    assert!(!is_verifier(CHALLENGE, CHALLENGE), "it is not compared as it is");
    let short = "a".repeat(42);
    assert!(!is_verifier(&short, &URL_SAFE_NO_PAD.encode(Sha256::digest(&short))));
}

#[test]
fn who_is_asked_to_sign_in_again_is_asked_once() {
    let wants = |changes: &[(&str, &str)], session, now| {
        read(changes).unwrap().wants_another_sign_in(&a_session(session), now)
    };
    assert!(wants(&[("prompt", "login")], 1, 0) && !wants(&[("prompt", "login")], 2, 0));
    assert!(!wants(&[("max_age", "60")], 1, 60) && wants(&[("max_age", "60")], 1, 61));
    assert!(!wants(&[("max_age", "60")], 2, 61), "they signed in for it");
    assert!(wants(&[("max_age", "0")], 1, 0) && !wants(&[("max_age", "0")], 2, 5));
    assert!(!wants(&[], 1, 99_999));
    let before = Session { authenticated_at: -1, ..a_session(2) };
    assert!(read(&[("prompt", "login")]).unwrap().wants_another_sign_in(&before, 1), "not for this request");
}

#[test]
fn the_hash_of_an_access_token_is_half_of_what_its_algorithm_hashes_to() {
    // The example of Core, appendix A.4.
    let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    assert_eq!(at_hash(IdTokenAlg::Rs256, token), "77QmUPtjPfzWtF2AnpK9RQ");
    assert_eq!(at_hash(IdTokenAlg::EdDsa, token).len(), 43);
}

#[test]
fn parameters_are_added_to_those_an_address_has() {
    let added = |uri| with_params(uri, [("code", "a b&c"), ("state", "=")]);
    assert_eq!(added("https://a.example/cb"), "https://a.example/cb?code=a+b%26c&state=%3D");
    assert_eq!(added("https://a.example/cb?x=1"), "https://a.example/cb?x=1&code=a+b%26c&state=%3D");
    assert_eq!(added("https://a.example/cb?"), "https://a.example/cb?code=a+b%26c&state=%3D");
}
