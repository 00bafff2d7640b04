//! What other sites, mail scanners and strangers can not do. That every page has its headers is judged by the browser.

use axum::body::Body;
use axum::http::Request;
use postern::store::{Store, StoreError};
use serde_json::json;

use crate::browser::Browser;
use crate::sign_in::{PASSWORD, sign_in};
use crate::support::{NOW, Postern, key};

/// What is looked at by somebody who has a session of each kind, and by a stranger.
const LOOKED_AT: [&str; 35] = [
    "/",
    "/enroll",
    "/enroll/you",
    "/enroll/password",
    "/enroll/device",
    "/enroll/device/state",
    "/enroll/device/hq.conf",
    "/enroll/done",
    "/password",
    "/password-reset?token=x",
    "/password-reset/new",
    "/enroll/start",
    "/enroll/skip",
    "/enroll/new-link",
    "/sign-in",
    "/sign-out",
    "/me",
    "/me/sessions",
    "/me/password",
    "/sign-in/passkey",
    "/sign-in/code",
    "/me/passkeys",
    "/me/passkey?id=1",
    "/me/passkey/remove?id=1",
    "/me/second-factor",
    "/me/devices/add",
    "/me/client",
    "/me/particulars",
    "/me/apps",
    "/me/confirm?to=passkeys",
    "/me/second-factor/set-up?by=app",
    "/me/second-factor/remove?factor=totp",
    "/openid/continue",
    "/enroll/second-factor",
    "/?token=x",
];

#[tokio::test]
async fn a_form_from_another_site_is_refused_and_changes_nothing() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let mut browser = Browser::new(&postern);
    for site in ["cross-site", "same-site"] {
        let page = browser.post_from(site, "/enroll/start", &[("token", &token)]).await;
        page.shows(403, &["This was not sent from our page"]);
    }
    assert!(browser.cookies.is_empty());
    browser.start(&token).await;
    for (path, field) in [
        ("/enroll/you", ("phone", "+48 1")),
        ("/enroll/password", ("password", "correct horse")),
        ("/enroll/skip", ("", "")),
        ("/enroll/new-link", ("token", "x")),
        ("/password", ("email", "jdoe@example.com")),
        ("/password-reset", ("token", "x")),
        ("/password-reset/new", ("password", "correct horse")),
        ("/sign-in", ("username", "jdoe")),
        ("/sign-out", ("", "")),
        ("/me/sessions", ("session", "others")),
        ("/me/device", ("name", "theirs")),
        ("/me/device/remove", ("device", "1")),
        ("/me/password", ("password", "correct horse")),
        ("/me/passkeys", ("credential", "{}")),
        ("/me/passkeys/begin", ("present", "correct horse")),
        ("/me/passkey", ("name", "theirs")),
        ("/me/passkey/remove", ("passkey", "1")),
        ("/enroll/second-factor/passkey", ("credential", "{}")),
        ("/enroll/second-factor/passkey/begin", ("", "")),
        ("/sign-in/code/passkey", ("credential", "{}")),
        ("/sign-in/code/passkey/begin", ("", "")),
        ("/sign-in/passkey", ("credential", "{}")),
        ("/sign-in/passkey/begin", ("", "")),
    ] {
        browser.post_from("cross-site", path, &[field]).await.shows(403, &["not sent from our page"]);
    }
    browser.get("/enroll").await.went_to();
    assert_eq!(browser.get("/enroll/password").await.went_to(), "/enroll/you", "nothing was done");
}

#[tokio::test]
async fn looking_at_pages_changes_no_byte_of_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("postern.db");
    let postern = Postern::over_file(&path, NOW);
    let fresh = postern.invite("fresh");
    let mut browser = Browser::new(&postern);
    browser.with_password(&postern.invite("jdoe")).await;
    browser.send("/enroll/device", &json!({ "name": "laptop", "pubkey": key(1) })).await;
    sign_in(&mut browser, "jdoe", PASSWORD).await.went_to();
    let device = postern.devices().last().unwrap().id.to_string();
    let bytes = || ["db", "db-wal"].map(|ending| std::fs::read(path.with_extension(ending)).unwrap());
    let before = bytes();
    let mut stranger = Browser::new(&postern);
    let own = ["/me/device?", "/me/device/remove?", "/me/device/files?", "/me/device/state?"];
    let own = own.into_iter().chain(["/me/device/file?name=hq.conf&"]);
    let own: Vec<_> = own.map(|page| format!("{page}id={device}")).collect();
    for path in LOOKED_AT.into_iter().chain(own.iter().map(String::as_str)) {
        browser.get(path).await;
        stranger.get(path).await;
    }
    browser.get("/me").await.shows(200, &["jdoe@example.com", "laptop"]);
    assert!(bytes() == before);
    stranger.get(&format!("/?token={fresh}")).await.shows(200, &["Welcome"]);
    assert!(bytes() == before);
    browser.post("/enroll/you", &[("phone", "+48 1")]).await;
    assert!(bytes() != before, "this would have been seen");
}

#[tokio::test]
async fn names_cannot_add_markup_anywhere() {
    const EVIL: &str = "<b>*x*</b>\"'&";
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.config.branding.company = EVIL.to_owned();
        plan.config.contact.name = EVIL.to_owned();
    });
    let token = postern.invite("jdoe");
    let rename = |tx: &postern::store::Tx<'_>| {
        let mut user = tx.user_by_name("jdoe")?.unwrap();
        (user.first_name, user.last_name) = (EVIL.to_owned(), EVIL.to_owned());
        tx.update_user(&user)?;
        Ok::<_, StoreError>(())
    };
    postern.app.store.write_blocking(rename).unwrap();
    let mut browser = Browser::new(&postern);
    let mut pages = vec![browser.get(&format!("/?token={token}")).await];
    browser.start(&token).await;
    pages.push(browser.get("/enroll/you").await);
    browser.with_password(&token).await;
    pages.push(browser.get("/enroll/device").await);
    browser.send("/enroll/device", &json!({ "name": EVIL, "pubkey": key(1) })).await;
    pages.push(browser.get("/enroll/device").await);
    pages.push(browser.get("/enroll/done").await);
    for page in &pages {
        page.shows(200, &["&#60;b&#62;*x*&#60;/b&#62;&#34;&#39;&#38;"]);
        page.lacks(&["<b>", "<em>", "<strong>x"]);
    }
}

#[tokio::test]
async fn the_cookie_is_bound_to_the_host_and_to_tls_and_the_token_leaves_the_address() {
    let postern = Postern::new();
    let mut browser = Browser::new(&postern);
    let token = postern.invite("jdoe");
    let started = browser.start(&token).await;
    let line = started.headers["set-cookie"].to_str().unwrap();
    assert!(line.starts_with("__Host-postern_enroll=") && line.contains("; Max-Age=600; "), "{line}");
    assert!(!started.went_to().contains(&token));
    let session = browser.cookies["__Host-postern_enroll"].clone();
    let stored = postern.app.store.read_blocking(|tx| {
        tx.enrollment_by_session(postern::rules::token::Token::presented(&session).hash())
    });
    assert!(stored.unwrap().is_some(), "only its hash is stored");
}

#[tokio::test]
async fn without_tls_everybody_but_this_very_machine_is_warned() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.config.public_url = "http://10.0.0.1:8080/".to_owned();
    });
    for (address, warned) in [("192.0.2.7", true), ("127.0.0.1", false), ("::1", false)] {
        let request = Request::get("/password").header("accept", "text/html").body(Body::empty()).unwrap();
        let answer = postern.send_from(address.parse().unwrap(), request).await;
        assert_eq!(answer.text.contains("This connection is not encrypted"), warned, "{address}");
    }
    let request = Request::get("/password").header("accept", "text/html").body(Body::empty()).unwrap();
    let answer = Postern::new().send_from("192.0.2.7".parse().unwrap(), request).await;
    assert!(!answer.text.contains("not encrypted"), "under TLS nobody is");
}

#[tokio::test]
async fn what_is_not_there_is_a_page_for_people_and_json_for_clients() {
    let postern = Postern::new();
    let mut browser = Browser::new(&postern);
    browser.get("/nothing").await.shows(404, &["There is nothing here"]);
    browser.post("/enroll/done", &[]).await.shows(405, &["That was not understood"]);
    browser.post("/enroll/start", &[("token", &"x".repeat(70_000))]).await.shows(413, &["not understood"]);
    let request = Request::get("/nothing").body(Body::empty()).unwrap();
    assert_eq!(
        postern.send(request).await.told(),
        (404, "The address is wrong, or the page has moved.".to_owned())
    );
    let request = Request::get("/api/v1/nothing").header("accept", "text/html").body(Body::empty()).unwrap();
    let api = postern.send(request).await;
    assert_eq!(api.text, "{\"error\":\"not found\"}");
}
