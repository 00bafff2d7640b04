//! How applications say who they are, and the forms in which else a request may come.

use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern::flows::apps::Plan;

use crate::browser::{Browser, Page};
use crate::relying::{Client, Said, Sent, add_app, said, user_info, with_tokens};
use crate::second_factor::{CODE, app_code, owing, with_app};
use crate::sign_in::{PASSWORD, enrolled};
use crate::support::Postern;

/// Sends a form without any header that says who sends it.
async fn plain(postern: &Postern, path: &str, fields: &[(&str, &str)]) -> Said {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields);
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    said(postern, request.body(Body::from(body.finish())).unwrap()).await
}

#[tokio::test]
async fn a_secret_may_be_given_in_the_body_once_and_has_to_be_right_there_too() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    enrolled(&postern, "jdoe").await;
    let offline = [("scope", "openid email unheard-of offline_access")];
    let sent = client.sign_in(&mut Browser::new(&postern), "jdoe", &offline).await;
    let named = [("client_id", client.id.as_str())];
    let with = |secret| [named.as_slice(), &[("client_secret", secret)]].concat();
    let right = with("secret of wiki");
    let code = [
        ("grant_type", "authorization_code"),
        ("code", sent.code()),
        ("redirect_uri", client.callback.as_str()),
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    ];
    for wrong in [named.to_vec(), with("secret of shop"), with("")] {
        let refused = plain(&postern, "/openid/token", &[&code, wrong.as_slice()].concat()).await;
        assert_eq!(refused.refused(), (401, "invalid_client"), "{wrong:?}");
        assert!(refused.headers.contains_key("www-authenticate"));
    }
    let nobody = [("client_secret", "secret of wiki")];
    assert_eq!(
        plain(&postern, "/openid/token", &[code.as_slice(), &nobody].concat()).await.refused(),
        (401, "invalid_client")
    );
    // In the header and in the body is twice.
    let twice = client.ask(&postern, "/openid/token", &[&code, right.as_slice()].concat()).await;
    assert_eq!(twice.refused(), (400, "invalid_request"));
    let tokens = plain(&postern, "/openid/token", &[&code, right.as_slice()].concat()).await;
    assert_eq!(tokens.status, 200, "{}", tokens.json);
    assert_eq!(tokens.json["scope"], "openid email offline_access", "what was granted of what was asked for");
    let refresh = tokens.token("refresh_token");
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str()), ("scope", "openid")];
    let less = plain(&postern, "/openid/token", &[&fields, right.as_slice()].concat()).await;
    assert_eq!(less.json["scope"], "openid");
    let access = less.token("access_token");
    let token = [("token", access.as_str())];
    let refused = plain(&postern, "/openid/revoke", &[token.as_slice(), &with("x")].concat()).await;
    assert_eq!(refused.refused(), (401, "invalid_client"));
    assert_eq!(user_info(&postern, &access).await.status, 200);
    assert_eq!(plain(&postern, "/openid/revoke", &[token.as_slice(), &right].concat()).await.status, 200);
    assert_eq!(user_info(&postern, &access).await.status, 401);
}

#[tokio::test]
async fn guessing_the_secret_of_an_application_is_limited_whatever_comes_with_it() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    enrolled(&postern, "jdoe").await;
    // A code that is good makes it no cheaper.
    let sent = client.sign_in(&mut Browser::new(&postern), "jdoe", &[]).await;
    let mut wrong = 0;
    let last = loop {
        let secret = format!("guess {wrong}");
        let guess = Client { secret: Some(secret), ..client.clone() };
        let said = guess.exchange(&postern, sent.code(), &[]).await;
        if said.status == 429 || wrong == 200 {
            break said;
        }
        assert_eq!(said.refused(), (401, "invalid_client"));
        wrong += 1;
    };
    assert!(last.headers.contains_key("retry-after"), "{}", last.json);
    assert_eq!(last.refused(), (429, "temporarily_unavailable"));
    assert!(wrong >= 60, "{wrong}: an application may err");
}

#[tokio::test]
async fn tokens_are_given_for_a_form_that_is_posted_and_for_nothing_else() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    for path in ["/openid/token", "/openid/revoke"] {
        for method in ["GET", "PUT", "DELETE"] {
            let request = Request::builder().method(method).uri(format!("{path}?client_id=client-wiki"));
            let said = postern.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(said.status, 405, "{method} {path}");
            let allowed = said.headers["allow"].to_str().unwrap();
            assert!(allowed.contains("POST") && !allowed.contains("GET"), "{allowed}");
        }
    }
    // Nothing is read from the address, and nothing that comes twice.
    let query = format!("/openid/token?client_id={}&client_secret=secret+of+wiki", client.id);
    let fields = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    assert_eq!(plain(&postern, &query, &fields).await.refused(), (401, "invalid_client"));
    let twice = [fields.as_slice(), &fields[..1]].concat();
    assert_eq!(client.ask(&postern, "/openid/token", &twice).await.refused(), (400, "invalid_request"));
    let pair = STANDARD.encode(format!("{}:secret+of+wiki", client.id));
    let json = Request::post("/openid/token")
        .header("authorization", format!("Basic {pair}"))
        .header("content-type", "application/json");
    let said = said(&postern, json.body(Body::from("{\"grant_type\":\"refresh_token\"}")).unwrap()).await;
    assert_eq!(said.refused(), (400, "invalid_request"));
    let fields = [("grant_type", "password"), ("username", "jdoe"), ("password", "x")];
    assert_eq!(
        client.ask(&postern, "/openid/token", &fields).await.refused(),
        (400, "unsupported_grant_type")
    );
}

/// What the form on a sign-in page carries.
fn carried(page: &Page) -> String {
    let (_, rest) =
        page.text.split_once("name=\"carried\" value=\"").unwrap_or_else(|| panic!("{}", page.text));
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn in_each_window_somebody_signs_in_to_the_application_that_they_came_from_there() {
    let postern = Postern::new();
    let skips = |plan: &mut Plan| plan.skips_consent = true;
    let [wiki, shop] = ["wiki", "shop"].map(|name| add_app(&postern, name, skips));
    enrolled(&postern, "jdoe").await;
    let mut browser = Browser::new(&postern);
    let mut windows = Vec::new();
    for client in [&wiki, &shop] {
        assert_eq!(browser.get(&client.start(&[("state", &client.id)])).await.went_to(), "/sign-in");
        windows.push((client, carried(&browser.get("/sign-in").await)));
    }
    let mut fields = [("username", "jdoe"), ("password", "mistyped"), ("carried", "")];
    for (client, sealed) in &windows {
        fields[1].1 = "mistyped";
        fields[2].1 = sealed;
        let again = browser.post("/sign-in", &fields).await;
        again.shows(401, &[]);
        assert_eq!(&carried(&again), sealed, "it is not lost by a mistake");
        let passkey = [("credential", "{}"), ("carried", sealed)];
        for why in ["late", "wrong"] {
            let again = browser.post("/sign-in/passkey", &passkey).await;
            again.shows(401, &[]);
            assert_eq!(&carried(&again), sealed, "nor by a passkey that is {why}");
            assert_eq!(browser.post("/sign-in/passkey/begin", &[]).await.status, 200);
        }
        fields[1].1 = PASSWORD;
        assert_eq!(browser.post("/sign-in", &fields).await.went_to(), "/me");
        assert_eq!(browser.get("/me").await.went_to(), "/openid/continue");
        let sent = Sent::back(&browser.get("/openid/continue").await);
        assert_eq!(sent.get("state"), client.id);
        client.exchange(&postern, sent.get("code"), &[]).await.token("id_token");
    }
    browser.get("/me").await.shows(200, &["Your account"]);
    // What is not sealed by us, or took too long, leads nowhere.
    fields[2].1 = "aHR0cHM6Ly9ldmlsLmV4YW1wbGUv";
    assert_eq!(browser.post("/sign-in", &fields).await.went_to(), "/me");
    postern.pass(15 * 60);
    fields[2].1 = &windows[0].1;
    assert_eq!(browser.post("/sign-in", &fields).await.went_to(), "/me");
    browser.get("/me").await.shows(200, &["Your account"]);
}

#[tokio::test]
async fn signing_out_by_form_is_the_same() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    let (mut browser, tokens) = with_tokens(&postern, &client, &[]).await;
    let hint = tokens.token("id_token");
    let fields = [
        ("id_token_hint", hint.as_str()),
        ("post_logout_redirect_uri", "https://wiki.example.com/bye"),
        ("state", "a&b"),
    ];
    // Browsers keep our cookie back with a form of another site, so it becomes a link.
    let link = browser.post_from("cross-site", "/openid/logout", &fields).await.went_to().to_owned();
    assert!(link.starts_with("/openid/logout?"), "{link}");
    let sent = Sent::at(browser.get(&link).await.went_to());
    assert_eq!((sent.uri.as_str(), sent.get("state")), ("https://wiki.example.com/bye", "a&b"));
    assert_eq!(browser.get("/me").await.went_to(), "/sign-in");
    let evil = [fields[0], ("post_logout_redirect_uri", "https://evil.example/")];
    let link = browser.post_from("cross-site", "/openid/logout", &evil).await.went_to().to_owned();
    browser.get(&link).await.shows(400, &[]);
}

#[tokio::test]
async fn an_application_that_refreshes_without_end_is_told_to_wait() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    let (_, tokens) = with_tokens(&postern, &client, &[("scope", "openid offline_access")]).await;
    let mut token = tokens.token("refresh_token");
    for _ in 0..30 {
        token = client.refresh(&postern, &token).await.token("refresh_token");
    }
    let said = client.refresh(&postern, &token).await;
    assert_eq!(said.refused(), (429, "temporarily_unavailable"));
    assert_eq!(said.headers["retry-after"], "60");
    postern.pass(60);
    token = client.refresh(&postern, &token).await.token("refresh_token");
    // A clock that is set back has nobody wait for it for long: what is counted in memory starts anew.
    postern.pass(-7200);
    let mut tries = 0;
    let refreshed = loop {
        let said = client.refresh(&postern, &token).await;
        if said.status != 429 || tries == 5 {
            break said;
        }
        tries += 1;
        postern.pass(60);
    };
    refreshed.token("refresh_token");
}

#[tokio::test]
async fn a_replayed_totp_code_is_refused_whichever_browser_comes_with_it() {
    let (postern, secret, _) = with_app().await;
    let code = app_code(&postern, &secret, 30);
    let mut waiting = [owing(&postern).await, owing(&postern).await];
    assert_eq!(waiting[0].post(CODE, &[("code", &code)]).await.went_to(), "/me");
    waiting[1].post(CODE, &[("code", &code)]).await.shows(401, &["each works once"]);
    // An earlier one that is still within its time, too: what came after it was used.
    waiting[1]
        .post(CODE, &[("code", &app_code(&postern, &secret, 0))])
        .await
        .shows(401, &["each works once"]);
    postern.pass(30);
    let mut new = owing(&postern).await;
    new.post(CODE, &[("code", &code)]).await.shows(401, &["each works once"]);
    assert_eq!(new.post(CODE, &[("code", &app_code(&postern, &secret, 30))]).await.went_to(), "/me");
}
