//! What whoever has stolen a password or a device's key gets of the second factor, and what its owner can do meanwhile.

use postern::store::{Store, StoreError};
use serde_json::json;

use crate::browser::Browser;
use crate::second_factor::{CODE, HERE, app_code, mailed_code, owing, secret_on, set_up, strict, with_app};
use crate::sign_in::{PASSWORD, signed_in};
use crate::support::{Answer, CONNECT, CONNECT_FINISH, NOW, Postern, key};

/// With a password, and a laptop whose key is that of number 1. `Lab` asks for a second factor.
async fn with_laptop() -> Postern {
    let postern =
        Postern::planned(Store::in_memory().unwrap(), NOW, |plan| plan.location("Lab").second_factor = true);
    let cookie = postern.session_of("jdoe").await;
    assert_eq!(postern.activate(&cookie, PASSWORD).await.status, 200);
    assert_eq!(postern.create_device(&cookie, "laptop", &key(1)).await.status, 200);
    postern
}

/// Begins to connect to `Lab`, with an app.
async fn begin_to_connect(postern: &Postern) -> Answer {
    let body = json!({ "method": 0, "pubkey": key(1), "location_id": 2 }).to_string();
    postern.post(CONNECT, None, &body).await
}

#[tokio::test]
async fn whoever_has_the_password_alone_sets_up_no_app_and_connects_with_none() {
    let postern = with_laptop().await;
    let mut thief = signed_in(&postern, "jdoe").await;
    assert_eq!(thief.post(HERE, &[("by", "app")]).await.went_to(), "/me/second-factor/set-up?by=app");
    let page = thief.get("/me/second-factor/set-up?by=app").await;
    page.shows(200, &["sent to jdoe@example.com", "name=\"mailed\""]);
    let secret = secret_on(&page);
    let code = app_code(&postern, &secret, 0);
    let right = mailed_code(&postern);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for mailed in [None, Some(""), Some(wrong), Some(&*code)] {
        let given: Vec<_> = [("by", "app"), ("code", &*code)]
            .into_iter()
            .chain(mailed.map(|mailed| ("mailed", mailed)))
            .collect();
        thief.post("/me/second-factor/set-up", &given).await.shows(422, &["not both right"]);
    }
    assert_eq!(begin_to_connect(&postern).await.status, 400, "there is no app");
    let given = [("by", "app"), ("code", "000000"), ("mailed", &*right)];
    thief.post("/me/second-factor/set-up", &given).await.shows(422, &["not both right"]);
    let given = [("by", "app"), ("code", &*code), ("mailed", &*right)];
    thief.post("/me/second-factor/set-up", &given).await.shows(200, &["never again"]);
    assert_eq!(begin_to_connect(&postern).await.status, 200, "who reads the mail does");
}

#[tokio::test]
async fn whoever_has_a_devices_key_does_not_keep_its_owner_from_signing_in() {
    let postern = with_laptop().await;
    let (secret, _) = set_up(&mut signed_in(&postern, "jdoe").await).await;
    let begun = begin_to_connect(&postern).await.json()["token"].clone();
    let guess = json!({ "token": begun, "code": "000000" }).to_string();
    for number in 0..11 {
        let status = postern.post(CONNECT_FINISH, None, &guess).await.status;
        assert_eq!(status, if number < 10 { 401 } else { 429 }, "{number}");
    }
    let code = app_code(&postern, &secret, 30);
    assert_eq!(owing(&postern).await.post(CODE, &[("code", &code)]).await.went_to(), "/me");
}

#[tokio::test]
async fn after_a_backup_without_keys_codes_of_the_app_are_wrong_and_recovery_codes_let_in() {
    let (postern, secret, codes) = with_app().await;
    let lost = postern.app.store.write_blocking(|tx| {
        tx.forget_totp_secrets()?;
        Ok::<_, StoreError>(())
    });
    lost.unwrap();
    let mut browser = owing(&postern).await;
    for _ in 0..10 {
        let code = app_code(&postern, &secret, 30);
        browser.post(CODE, &[("code", &code)]).await.shows(401, &["each works once"]);
    }
    assert_eq!(browser.post(CODE, &[("code", "000000")]).await.status, 429);
    assert_eq!(browser.post(CODE, &[("recovery", &codes[0])]).await.went_to(), "/me");
}

#[tokio::test]
async fn the_second_step_belongs_to_one_browser_for_ten_minutes_and_one_password() {
    let (postern, _, codes) = with_app().await;
    let mut stranger = Browser::new(&postern);
    for code in [("code", "000000"), ("recovery", &*codes[0])] {
        assert_eq!(stranger.post(CODE, &[code]).await.went_to(), "/sign-in", "no password was given there");
    }
    assert_eq!(stranger.get(CODE).await.went_to(), "/sign-in");
    let mut late = owing(&postern).await;
    postern.pass(600);
    assert_eq!(late.post(CODE, &[("recovery", &codes[0])]).await.went_to(), "/sign-in");
    let mut changed = owing(&postern).await;
    let id = postern.app.store.read_blocking(|tx| tx.user_by_name("jdoe")).unwrap().unwrap().id;
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$YQ$YQ";
    let now = postern.app.now();
    postern.app.store.write_blocking(|tx| tx.change_password(id, hash, now)).unwrap();
    assert_eq!(changed.post(CODE, &[("recovery", &codes[0])]).await.went_to(), "/sign-in");
}

#[tokio::test]
async fn codes_by_mail_to_set_one_up_with_are_asked_for_twenty_times_and_then_once_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let postern = strict(dir.path());
    let mut browser = Browser::new(&postern);
    browser.with_password(&postern.invite("jdoe")).await;
    let mut owing = signed_in(&postern, "jdoe").await;
    for (browser, path) in [(&mut browser, "/enroll/second-factor"), (&mut owing, HERE)] {
        let mut asked = 0;
        while browser.post(path, &[("by", "email")]).await.status == 303 {
            asked += 1;
        }
        assert!(asked <= 20, "{path}: {asked}");
        postern.pass(60);
        assert_eq!(browser.post(path, &[("by", "email")]).await.status, 303, "{path}");
        assert_eq!(browser.post(path, &[("by", "email")]).await.status, 429, "{path}");
    }
}
