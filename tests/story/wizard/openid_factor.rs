//! What applications are told and given where a second factor is in play, and what of that ends with sessions.

use postern::config::SecondFactor;
use postern::flows::second_factor;
use postern::store::{Store, StoreError, Tx};

use crate::browser::Browser;
use crate::client_link::token_of;
use crate::relying::{Client, Sent, add_app, claims, root, user_info, with_tokens};
use crate::second_factor::set_up;
use crate::sign_in::{PASSWORD, enrolled, sign_in, signed_in};
use crate::support::{NOW, Postern};

const OFFLINE: [(&str, &str); 1] = [("scope", "openid offline_access")];

fn write(postern: &Postern, work: impl FnOnce(&Tx<'_>) -> Result<(), StoreError>) {
    postern.app.store.write_blocking(work).unwrap();
}

async fn is_over(postern: &Postern, client: &Client, refresh: &str) -> bool {
    client.refresh(postern, refresh).await.status == 400
}

#[tokio::test]
async fn who_owes_a_second_factor_has_nothing_granted_read_or_refreshed_and_can_sign_out() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.config.second_factor = SecondFactor::Required;
    });
    let client = add_app(&postern, "wiki", |_| {});
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    set_up(&mut browser).await;
    let sent = client.sign_in(&mut browser, "jdoe", &OFFLINE).await;
    let code = client.sign_in(&mut browser, "jdoe", &OFFLINE).await;
    let tokens = client.exchange(&postern, sent.code(), &[]).await;
    let (access, refresh) = (tokens.token("access_token"), tokens.token("refresh_token"));
    assert_eq!(user_info(&postern, &access).await.status, 200);
    let user = postern.user("jdoe");
    write(&postern, |tx| tx.forget_second_factors(user));
    assert_eq!(user_info(&postern, &access).await.refused(), (401, "invalid_token"));
    assert!(is_over(&postern, &client, &refresh).await);
    assert_eq!(client.exchange(&postern, code.code(), &[]).await.refused(), (400, "invalid_grant"));
    assert_eq!(browser.get("/forward-auth?app=wiki").await.status, 401);
    let silent = browser.get(&client.start(&[("prompt", "none")])).await;
    assert_eq!(Sent::at(silent.went_to()).error(), "login_required");
    set_up(&mut browser).await;
    assert_eq!(user_info(&postern, &access).await.status, 200, "nothing was ended");
    assert!(!is_over(&postern, &client, &refresh).await);
    write(&postern, |tx| tx.forget_second_factors(user));
    browser.get("/openid/logout").await.shows(200, &["Sign out?"]);
    browser.post("/openid/logout/confirm", &[]).await.went_to();
    let sessions = postern.app.store.read_blocking(|tx| tx.sessions_of(user)).unwrap();
    assert!(sessions.is_empty(), "it ended, not only its cookie");
}

#[tokio::test]
async fn an_id_token_says_when_both_factors_were_given_whatever_was_given_since() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    enrolled(&postern, "jdoe").await;
    let (_, codes) = set_up(&mut signed_in(&postern, "jdoe").await).await;
    let mut browser = Browser::new(&postern);
    assert_eq!(sign_in(&mut browser, "jdoe", PASSWORD).await.went_to(), "/sign-in/code");
    browser.post("/sign-in/code", &[("recovery", &codes[0])]).await.went_to();
    let at = postern.app.now().as_second();
    let told = |token: &str| {
        let claims = claims(token);
        (claims["auth_time"].as_i64().unwrap(), claims["amr"].to_string())
    };
    let both = (at, "[\"pwd\",\"otp\",\"mfa\"]".to_owned());
    let sent = client.sign_in(&mut browser, "jdoe", &OFFLINE).await;
    let tokens = client.exchange(&postern, sent.code(), &[]).await;
    assert_eq!(told(&tokens.token("id_token")), both);
    postern.pass(100);
    browser.post("/me/confirm", &[("to", "passkeys"), ("password", PASSWORD)]).await.went_to();
    let tokens = client.refresh(&postern, &tokens.token("refresh_token")).await;
    assert_eq!(told(&tokens.token("id_token")), both);
    let sent = client.sign_in(&mut browser, "jdoe", &[]).await;
    assert_eq!(told(&client.exchange(&postern, sent.code(), &[]).await.token("id_token")), both);
    // The password alone, which gives another session, is not what is asked for either.
    assert_eq!(browser.get(&client.start(&[("max_age", "50")])).await.went_to(), "/sign-in");
    let change = [("present", PASSWORD), ("password", "battery staple")];
    browser.post("/me/password", &change).await.went_to();
    assert_eq!(browser.get("/openid/continue").await.went_to(), "/sign-in");
}

#[tokio::test]
async fn what_applications_hold_ends_with_all_other_sessions_and_with_a_new_second_factor() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    let (mut first, tokens) = with_tokens(&postern, &client, &OFFLINE).await;
    first.post("/sign-out", &[]).await.went_to();
    let refresh = client.refresh(&postern, &tokens.token("refresh_token")).await.token("refresh_token");
    let mut browser = signed_in(&postern, "jdoe").await;
    let own = client.sign_in(&mut browser, "jdoe", &OFFLINE).await;
    let own = client.exchange(&postern, own.code(), &[]).await.token("refresh_token");
    browser.post("/me/client", &[]).await.went_to();
    let link = token_of(&browser.get("/me/client").await);
    browser.post("/me/sessions", &[("session", "others")]).await.went_to();
    assert!(is_over(&postern, &client, &refresh).await);
    assert_eq!(postern.present("/api/v1/enrollment/start", &link).await.status, 401, "links end, too");
    let own = client.refresh(&postern, &own).await.token("refresh_token");
    let mut other = signed_in(&postern, "jdoe").await;
    set_up(&mut other).await;
    assert!(is_over(&postern, &client, &own).await);
    // An administrator's way out takes links, too.
    other.post("/me/client", &[]).await.went_to();
    let link = token_of(&other.get("/me/client").await);
    let (site, now) = (postern.app.site(), postern.app.now());
    let reset = |tx: &Tx<'_>| second_factor::reset(tx, &site, &root(), "jdoe", now).map(drop);
    postern.app.store.write_blocking(reset).unwrap();
    assert_eq!(postern.present("/api/v1/enrollment/start", &link).await.status, 401);
}

#[tokio::test]
async fn going_on_while_somebody_is_away_takes_their_word_whoever_skips_consent() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |plan| plan.skips_consent = true);
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    client.sign_in(&mut browser, "jdoe", &[]).await.code();
    browser.get(&client.start(&OFFLINE)).await.shows(200, &["Allow and go on"]);
}

#[tokio::test]
async fn a_used_refresh_token_is_known_until_fifty_newer_ones_were_used() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    let (_, tokens) = with_tokens(&postern, &client, &OFFLINE).await;
    let mut used = vec![tokens.token("refresh_token")];
    for _ in 0..51 {
        postern.pass(3);
        let next = client.refresh(&postern, used.last().unwrap()).await;
        used.push(next.token("refresh_token"));
    }
    assert!(is_over(&postern, &client, &used[0]).await, "forgotten");
    let newest = client.refresh(&postern, used.last().unwrap()).await.token("refresh_token");
    assert!(is_over(&postern, &client, &used[5]).await);
    assert!(is_over(&postern, &client, &newest).await, "that one ended the family");
}
