//! What applications find by themselves, what is verified with it, and what users see of their applications.

use std::process::Command;

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern::flows::accounts::{self, Edit};
use postern::rules::openid::IdTokenAlg;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::relying::{ISSUER, Said, Sent, add_app, claims, root, said, user_info, with_tokens};
use crate::sign_in::{enrolled, signed_in};
use crate::support::Postern;

const ALL: &str = "openid profile email phone groups offline_access";

async fn found(postern: &Postern, path: &str) -> Said {
    said(postern, Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_discovery_document_says_what_there_is_and_nothing_else() {
    let postern = Postern::new();
    let found_at = found(&postern, "/.well-known/openid-configuration").await;
    assert_eq!(found_at.json, found(&postern, "/.well-known/oauth-authorization-server").await.json);
    assert_eq!(found_at.headers["cache-control"], "public, max-age=3600");
    assert_eq!(found_at.headers["content-type"], "application/json");
    let document = found_at.json;
    assert_eq!(document["issuer"], ISSUER);
    for (name, path) in [
        ("authorization_endpoint", "authorize"),
        ("token_endpoint", "token"),
        ("userinfo_endpoint", "userinfo"),
        ("jwks_uri", "jwks"),
        ("revocation_endpoint", "revoke"),
        ("end_session_endpoint", "logout"),
    ] {
        assert_eq!(document[name], format!("{ISSUER}/openid/{path}"));
        let request = Request::get(format!("/openid/{path}")).header("accept", "text/html");
        assert_ne!(postern.send(request.body(Body::empty()).unwrap()).await.status, 404, "{path}");
    }
    assert_eq!(document["response_types_supported"], json!(["code"]));
    assert_eq!(document["subject_types_supported"], json!(["public"]));
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256", "EdDSA"]));
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    assert_eq!(document["request_uri_parameter_supported"], false);
    assert_eq!(document["scopes_supported"], json!(ALL.split(' ').collect::<Vec<_>>()));
}

#[tokio::test]
async fn every_claim_that_is_promised_comes_and_no_other() {
    let postern = Postern::new();
    let document = found(&postern, "/.well-known/openid-configuration").await.json;
    let client = add_app(&postern, "wiki", |_| {});
    let (mut browser, _) = with_tokens(&postern, &client, &[("scope", ALL)]).await;
    let phone = Edit { phone: Some("+48 123".to_owned()), ..Edit::default() };
    let (site, now) = (postern.app.site(), postern.app.now());
    postern.app.store.write_blocking(|tx| accounts::edit(tx, &site, &root(), "jdoe", &phone, now)).unwrap();
    let sent = client.sign_in(&mut browser, "jdoe", &[("scope", ALL)]).await;
    let tokens = client.exchange(&postern, sent.code(), &[]).await;
    let token = claims(&tokens.token("id_token"));
    let mut given: Vec<&str> = token.as_object().unwrap().keys().map(String::as_str).collect();
    let mut promised: Vec<&str> =
        document["claims_supported"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    given.sort_unstable();
    promised.sort_unstable();
    assert_eq!(given, promised);
}

/// Python computes the signature's power by itself: no library of ours has a part in it.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test may ask another program")]
async fn an_id_token_is_verified_by_somebody_elses_arithmetic() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |plan| plan.id_token_alg = IdTokenAlg::Rs256);
    let (_, tokens) = with_tokens(&postern, &client, &[]).await;
    let token = tokens.token("id_token");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let header: Value = serde_json::from_slice(&part(signed.split('.').next().unwrap())).unwrap();
    assert_eq!(header["alg"], "RS256");
    let keys = found(&postern, "/openid/jwks").await;
    assert_eq!(keys.headers["cache-control"], "public, max-age=3600");
    let keys = keys.json["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 2);
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).unwrap();
    assert_eq!((&key["kty"], &key["use"], &key["alg"]), (&json!("RSA"), &json!("sig"), &json!("RS256")));
    assert!(keys.iter().all(|key| key.get("d").is_none()), "{keys:?}");
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let number = |name: &str| hex(&part(key[name].as_str().unwrap()));
    let program = format!(
        "print(format(pow(0x{}, 0x{}, 0x{}), '0512x'))",
        hex(&part(signature)),
        number("e"),
        number("n")
    );
    let printed = Command::new("python3").args(["-c", &program]).output().unwrap().stdout;
    // RFC 8017, 9.2: 0001ff…ff00, then what says SHA-256, then the hash.
    let says = "3031300d060960864801650304020105000420";
    let hash = hex(&Sha256::digest(signed));
    let padding = "f".repeat(512 - 4 - 2 - says.len() - hash.len());
    assert_eq!(String::from_utf8(printed).unwrap().trim(), format!("0001{padding}00{says}{hash}"));
    let access = Sha256::digest(tokens.token("access_token"));
    assert_eq!(claims(&token)["at_hash"], URL_SAFE_NO_PAD.encode(&access[..16]));
}

#[tokio::test]
async fn scripts_of_any_origin_may_ask_what_takes_no_cookie() {
    let postern = Postern::new();
    for path in ["/openid/token", "/openid/userinfo", "/openid/revoke"] {
        let request =
            Request::builder().method(Method::OPTIONS).uri(path).header("origin", "https://spa.example");
        let answer = said(&postern, request.body(Body::empty()).unwrap()).await;
        assert_eq!(
            (answer.status, &answer.headers["access-control-allow-headers"]),
            (204, &"authorization, content-type".parse().unwrap())
        );
    }
    let answer = postern.send(Request::get("/me").body(Body::empty()).unwrap()).await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_program_on_somebodys_computer_signs_them_in_without_a_secret_on_any_port() {
    let postern = Postern::new();
    let mut phone = add_app(&postern, "phone", |plan| {
        plan.is_public = true;
        plan.redirect_uris = vec!["http://127.0.0.1/cb".to_owned()];
    });
    phone.callback = "http://127.0.0.1:51004/cb".to_owned();
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    let page = browser.get(&phone.start(&[])).await;
    let request = crate::relying::sealed(&page);
    // The page that goes on names an address without TLS, which no other page may.
    let agreed = postern
        .send(
            Request::post("/openid/consent")
                .header("sec-fetch-site", "same-origin")
                .header(
                    "cookie",
                    format!("__Host-postern_session={}", browser.cookies["__Host-postern_session"]),
                )
                .body(Body::from(format!("request={request}&decision=allow")))
                .unwrap(),
        )
        .await;
    assert!(agreed.text.contains("0;url=http://127.0.0.1:51004/cb?code="), "{}", agreed.text);
    let again = browser.get(&phone.start(&[])).await;
    let sent = Sent::at(again.went_to());
    let wrong = [("redirect_uri", "http://127.0.0.1/cb")];
    assert_eq!(phone.exchange(&postern, sent.code(), &wrong).await.refused(), (400, "invalid_grant"));
    phone.exchange(&postern, sent.code(), &[]).await.token("id_token");
}

#[tokio::test]
async fn a_token_that_is_given_back_is_good_for_nothing() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    let offline = [("scope", "openid offline_access")];
    let (_, tokens) = with_tokens(&postern, &client, &offline).await;
    let (access, refresh) = (tokens.token("access_token"), tokens.token("refresh_token"));
    let give_back =
        async |token: &str| client.ask(&postern, "/openid/revoke", &[("token", token)]).await.status;
    assert_eq!(give_back(&access).await, 200);
    assert_eq!(user_info(&postern, &access).await.status, 401);
    let next = client.refresh(&postern, &refresh).await;
    // What an application takes it for changes nothing.
    let mistaken = [("token", &*next.token("refresh_token")), ("token_type_hint", "access_token")];
    assert_eq!(client.ask(&postern, "/openid/revoke", &mistaken).await.status, 200);
    assert_eq!(user_info(&postern, &next.token("access_token")).await.status, 401);
    assert_eq!(
        client.refresh(&postern, &next.token("refresh_token")).await.refused(),
        (400, "invalid_grant")
    );
    assert_eq!(give_back("nobody's").await, 200, "it is over already");
    assert_eq!(client.ask(&postern, "/openid/revoke", &[]).await.refused(), (400, "invalid_request"));
}

#[tokio::test]
async fn a_refresh_token_reaches_less_if_asked_to_and_never_more() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    let (_, tokens) = with_tokens(&postern, &client, &[("scope", "openid email offline_access")]).await;
    let refresh = async |token: &str, scope: &str| {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)];
        client.ask(&postern, "/openid/token", &fields).await
    };
    let token = tokens.token("refresh_token");
    assert_eq!(refresh(&token, "openid profile").await.refused(), (400, "invalid_scope"));
    postern.pass(5);
    let less = refresh(&token, "openid").await;
    assert_eq!(claims(&less.token("id_token"))["iat"], postern.app.now().as_second());
    assert!(user_info(&postern, &less.token("access_token")).await.json.get("email").is_none());
    for name in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(claims(&less.token("id_token"))[name], claims(&tokens.token("id_token"))[name], "{name}");
    }
    let whole = client.refresh(&postern, &less.token("refresh_token")).await;
    assert_eq!(user_info(&postern, &whole.token("access_token")).await.json["email"], "jdoe@example.com");
    let late = whole.token("refresh_token");
    postern.pass(30 * 24 * 60 * 60);
    assert_eq!(client.refresh(&postern, &late).await.refused(), (400, "invalid_grant"));
}

#[tokio::test]
async fn offline_access_outlives_the_session_and_ends_with_the_password_or_the_consent() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    let offline = [("scope", "openid offline_access")];
    let (mut browser, tokens) = with_tokens(&postern, &client, &offline).await;
    browser.post("/sign-out", &[]).await.went_to();
    let tokens = client.refresh(&postern, &tokens.token("refresh_token")).await;
    let mut browser = signed_in(&postern, "jdoe").await;
    browser.get("/me").await.shows(200, &["href=\"/me/apps\""]);
    let page = browser.get("/me/apps").await;
    page.shows(200, &["href=\"https://wiki.example.com/\"", "(just now)", "while you are away"]);
    let id = page.text.split_once("name=\"app\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    browser.post_from("cross-site", "/me/apps", &[("app", &id)]).await.shows(403, &[]);
    assert_eq!(browser.post("/me/apps", &[("app", &id)]).await.went_to(), "/me/apps?done=withdrawn");
    browser.get("/me/apps?done=withdrawn").await.lacks(&["while you are away", "Take it back"]);
    assert_eq!(
        client.refresh(&postern, &tokens.token("refresh_token")).await.refused(),
        (400, "invalid_grant")
    );
    browser.get(&client.start(&[])).await.shows(200, &["Allow and go on"]);
    let sent = client.sign_in(&mut browser, "jdoe", &offline).await;
    let tokens = client.exchange(&postern, sent.code(), &[]).await;
    let fields = [("present", crate::sign_in::PASSWORD), ("password", "another horse")];
    assert_eq!(browser.post("/me/password", &fields).await.went_to(), "/me?done=password");
    assert_eq!(
        client.refresh(&postern, &tokens.token("refresh_token")).await.refused(),
        (400, "invalid_grant")
    );
}

#[tokio::test]
async fn only_hashes_of_what_applications_hold_are_stored() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("postern.db");
    let postern = Postern::over_file(&path, crate::support::NOW);
    let client = add_app(&postern, "wiki", |_| {});
    let (_, tokens) = with_tokens(&postern, &client, &[("scope", "openid offline_access")]).await;
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend(std::fs::read(dir.path().join("postern.db-wal")).unwrap());
    let has = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has(&client.id), "this is how it would be found");
    for secret in [
        "secret of wiki",
        &tokens.token("access_token"),
        &tokens.token("refresh_token"),
        &tokens.token("id_token"),
    ] {
        assert!(!has(secret), "{secret}");
    }
}
