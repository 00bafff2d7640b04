//! Applications in which people sign in with their account, as it should go.

use postern::flows::apps::Plan;
use postern::flows::refusal::Refusal;

use serde_json::Value;

use crate::browser::Browser;
use crate::relying::{CALLBACK, ISSUER, Sent, add_app, agree, claims, join, root, user_info, with_tokens};
use crate::sign_in::{PASSWORD, enrolled, sign_in, signed_in};
use crate::support::Postern;

#[tokio::test]
async fn somebody_signs_in_agrees_once_and_the_application_knows_what_it_asked_for() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    enrolled(&postern, "jdoe").await;
    join(&postern, "jdoe", "staff");
    let mut browser = Browser::new(&postern);
    let sent = client.sign_in(&mut browser, "jdoe", &[]).await;
    assert_eq!(sent.uri, CALLBACK);
    assert_eq!(browser.cookies["__Host-postern_app"], "", "nothing waits any more");
    let tokens = client.exchange(&postern, sent.code(), &[]).await;
    assert_eq!(
        (tokens.json["token_type"].as_str(), tokens.json["expires_in"].as_i64()),
        (Some("Bearer"), Some(600))
    );
    for (name, value) in [("cache-control", "no-store"), ("pragma", "no-cache")] {
        assert_eq!(tokens.headers[name], value);
    }
    assert!(tokens.json.get("refresh_token").is_none(), "nobody asked for offline_access");
    let token = claims(&tokens.token("id_token"));
    let info = user_info(&postern, &tokens.token("access_token")).await;
    for said in [&token, &info.json] {
        is_jdoe(said, &token["sub"]);
    }
    let now = crate::support::NOW;
    assert_eq!((token["iss"].as_str(), token["aud"].as_str()), (Some(ISSUER), Some("client-wiki")));
    assert_eq!((token["iat"].as_i64(), token["exp"].as_i64()), (Some(now), Some(now + 600)));
    assert_eq!((token["auth_time"].as_i64(), token["nonce"].as_str()), (Some(now), Some("n-1")));
    assert_eq!(
        (token["amr"][0].as_str(), token["acr"].as_str()),
        (Some("pwd"), Some("urn:postern:acr:password"))
    );
    // Signed in and agreed, they are sent back at once.
    let again = browser.get(&client.start(&[])).await;
    assert!(Sent::at(again.went_to()).code().len() == 43);
    let audited = postern.audited();
    assert!(
        audited.contains(&"app.consent wiki".to_owned()) && audited.contains(&"app.sign-in wiki".to_owned())
    );
}

/// What was asked for, and nothing else.
fn is_jdoe(claims: &Value, subject: &Value) {
    assert_eq!(claims["preferred_username"], "jdoe");
    assert_eq!((claims["name"].as_str(), claims["given_name"].as_str()), (Some("John Doe"), Some("John")));
    assert_eq!(
        (claims["email"].as_str(), claims["email_verified"].as_bool()),
        (Some("jdoe@example.com"), Some(true))
    );
    assert_eq!(claims["groups"], serde_json::json!(["staff"]));
    assert!(claims.get("phone_number").is_none(), "nobody asked for it");
    assert_eq!(&claims["sub"], subject);
}

#[tokio::test]
async fn everybody_keeps_one_subject_of_their_own() {
    let postern = Postern::new();
    let [wiki, shop] = ["wiki", "shop"].map(|name| add_app(&postern, name, |_| {}));
    let mut subjects = Vec::new();
    for (name, client) in [("jdoe", &wiki), ("ann", &wiki), ("jdoe", &shop)] {
        if subjects.len() < 2 {
            enrolled(&postern, name).await;
        }
        let sent = client.sign_in(&mut Browser::new(&postern), name, &[]).await;
        let tokens = client.exchange(&postern, sent.code(), &[]).await;
        subjects.push(claims(&tokens.token("id_token"))["sub"].as_str().unwrap().to_owned());
    }
    assert!(subjects[0] == subjects[2] && subjects[0] != subjects[1]);
    assert_eq!(subjects[0].len(), 32);
    let site = postern.app.site();
    let removed = postern.app.store.write_blocking(|tx| {
        postern::flows::accounts::remove(tx, &site, &root(), "jdoe", postern.app.now()).map(drop)
    });
    removed.unwrap();
    enrolled(&postern, "jdoe").await;
    let sent = wiki.sign_in(&mut Browser::new(&postern), "jdoe", &[]).await;
    let tokens = wiki.exchange(&postern, sent.code(), &[]).await;
    assert_ne!(
        claims(&tokens.token("id_token"))["sub"],
        *subjects[0],
        "a name that is given again is somebody else"
    );
}

#[tokio::test]
async fn prompt_and_max_age_are_kept() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    let mut browser = Browser::new(&postern);
    let silent = client.start(&[("prompt", "none")]);
    assert_eq!(Sent::at(browser.get(&silent).await.went_to()).error(), "login_required");
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    assert_eq!(Sent::at(browser.get(&silent).await.went_to()).error(), "consent_required");
    let page = browser.get(&client.start(&[])).await;
    agree(&mut browser, &page, "allow").await.code();
    Sent::at(browser.get(&silent).await.went_to()).code();
    // Asked again although they agreed, and although they are signed in.
    browser.get(&client.start(&[("prompt", "consent")])).await.shows(200, &["Allow and go on"]);
    for again in [("prompt", "login"), ("max_age", "0")] {
        assert_eq!(browser.get(&client.start(&[again])).await.went_to(), "/sign-in", "{again:?}");
        browser.get("/sign-in").await.shows(200, &["autocomplete=\"current-password\""]);
        assert_eq!(browser.get("/openid/continue").await.went_to(), "/sign-in", "they have not yet");
        assert_eq!(sign_in(&mut browser, "jdoe", PASSWORD).await.went_to(), "/me");
        assert_eq!(browser.get("/me").await.went_to(), "/openid/continue");
        Sent::back(&browser.get("/openid/continue").await).code();
        browser.get("/me").await.shows(200, &["Your account"]);
    }
    postern.pass(100);
    Sent::at(browser.get(&client.start(&[("max_age", "100")])).await.went_to()).code();
    postern.pass(1);
    assert_eq!(browser.get(&client.start(&[("max_age", "100")])).await.went_to(), "/sign-in");
    let old = client.start(&[("max_age", "100"), ("prompt", "none")]);
    assert_eq!(Sent::at(browser.get(&old).await.went_to()).error(), "login_required");
}

#[tokio::test]
async fn who_it_will_be_is_filled_in_and_who_it_has_to_be_is_held_to() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |plan| plan.skips_consent = true);
    let (mut browser, tokens) = with_tokens(&postern, &client, &[]).await;
    let token = tokens.token("id_token");
    let hinted = client.start(&[("id_token_hint", &token), ("prompt", "none")]);
    Sent::at(browser.get(&hinted).await.went_to()).code();
    enrolled(&postern, "ann").await;
    let mut other = signed_in(&postern, "ann").await;
    assert_eq!(Sent::at(other.get(&hinted).await.went_to()).error(), "login_required");
    let forged = format!("{token}x");
    let forged = client.start(&[("id_token_hint", &forged)]);
    assert_eq!(Sent::at(browser.get(&forged).await.went_to()).error(), "invalid_request");
    let mut new = Browser::new(&postern);
    assert_eq!(new.get(&client.start(&[("login_hint", "j\"doe")])).await.went_to(), "/sign-in");
    new.get("/sign-in").await.shows(200, &["value=\"j&#34;doe\""]);
}

#[tokio::test]
async fn who_is_in_none_of_the_groups_is_told_kindly_and_the_application_gets_nothing() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    join(&postern, "jdoe", "staff");
    let staff = |plan: &mut Plan| plan.groups = vec!["Staff".to_owned()];
    let client = add_app(&postern, "wiki", staff);
    enrolled(&postern, "ann").await;
    let mut browser = signed_in(&postern, "ann").await;
    let page = browser.get(&client.start(&[])).await;
    page.shows(403, &["You may not use wiki yet", "ask your administrator", "error=access_denied"]);
    let silent = browser.get(&client.start(&[("prompt", "none")])).await;
    assert_eq!(Sent::at(silent.went_to()).error(), "access_denied");
    browser.get("/me?done=looked").await.lacks(&["wiki", "Your applications"]);
    let mut jdoe = signed_in(&postern, "jdoe").await;
    jdoe.get("/me").await.shows(200, &["Your applications", "wiki", "href=\"/me/apps\""]);
    client.sign_in(&mut jdoe, "jdoe", &[]).await.code();
    let refused = postern.app.store.write_blocking(|tx| {
        postern::flows::groups::remove(tx, &postern.app.site(), &root(), "staff", postern.app.now()).map(drop)
    });
    assert!(matches!(refused, Err(Refusal::GroupOfApp { .. })), "nobody is let in by a group that is gone");
}

#[tokio::test]
async fn a_request_by_form_is_the_same() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |plan| plan.skips_consent = true);
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    let start = client.start(&[]);
    let query = start.split_once('?').unwrap().1.to_owned();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    // Browsers keep our cookie back with a form of another site, so it becomes a link.
    let page = browser.post_from("cross-site", "/openid/authorize", &pairs).await;
    let link = page.went_to().to_owned();
    Sent::at(browser.get(&link).await.went_to()).code();
}
