//! A second factor set up in the desktop client (protocol 1.7), where everybody has to have one. An instance that asks for none
//! answers as before: see `transcripts` and `refusals`.

use postern::config::SecondFactor;
use postern::rules::second_factor::Factors;
use postern::rules::token::Purpose;
use postern::store::Store;
use serde_json::{Value, json};

use crate::support::{ACTIVATE, MFA_FINISH, MFA_START, NOW, Postern, key, strict};

fn asking(mail: Option<&str>) -> Postern {
    Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.config.second_factor = SecondFactor::Required;
        plan.config.mail.directory = mail.map(Into::into);
    })
}

fn factors(postern: &Postern) -> Factors {
    let found = postern.app.store.read_blocking(|tx| tx.factors_of(tx.user_by_name("jdoe")?.unwrap().id));
    found.unwrap()
}

/// The code an app shows for a secret in base32.
#[expect(clippy::disallowed_methods, reason = "the authenticator app is somebody else's")]
fn code_of(postern: &Postern, base32: &str) -> String {
    let now = format!("@{}", postern.app.now().as_second());
    let args = ["--totp", "--base32", "--now", &now, base32];
    let shown = std::process::Command::new("oathtool").args(args).output().unwrap();
    String::from_utf8(shown.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_client_sets_up_an_app_before_the_password_and_is_given_recovery_codes() {
    let postern = asking(Some("mail"));
    let (start, cookie) = postern.start(&postern.invite("jdoe")).await;
    strict::start(&start.json()).unwrap();
    let settings = &start.json()["settings"];
    assert_eq!((&settings["mfa_required"], &settings["smtp_configured"]), (&json!(true), &json!(true)));
    postern.create_device(&cookie, "laptop", &key(1)).await;
    let begun = postern.post(MFA_START, Some(&cookie), r#"{"method":"Totp"}"#).await;
    assert_eq!(begun.status, 200, "{}", begun.text);
    let secret = begun.json()["totp_secret"].as_str().unwrap().to_owned();
    assert_eq!(begun.json().as_object().unwrap().len(), 1);
    let finish = |code: &str| json!({ "code": code, "method": "Totp" }).to_string();
    let wrong = postern.post(MFA_FINISH, Some(&cookie), &finish("000000")).await;
    assert_eq!(wrong.told(), (400, "the code is wrong or was used: try the next one".to_owned()));
    assert!(!factors(&postern).any());
    let done = postern.post(MFA_FINISH, Some(&cookie), &finish(&code_of(&postern, &secret))).await;
    let codes = done.json()["recovery_codes"].as_array().cloned().unwrap_or_default();
    assert!(codes.len() == 10 && codes.iter().all(Value::is_string), "{}", done.text);
    assert!(factors(&postern).totp);
    let activated = postern.post(ACTIVATE, Some(&cookie), r#"{"password":"Correct-Horse-7"}"#).await;
    assert_eq!(activated.status, 200, "{}", activated.text);
    let again = postern.post(MFA_START, Some(&cookie), r#"{"method":"Totp"}"#).await;
    assert_eq!(again.text, r#"{"totp_secret":null}"#, "it has one, and keeps it");
}

#[tokio::test]
async fn a_session_joined_again_after_that_does_not_ask_for_it_any_more() {
    let postern = asking(None);
    let token = postern.invite("jdoe");
    let (start, cookie) = postern.start(&token).await;
    assert_eq!(start.json()["settings"]["smtp_configured"], json!(false), "no mail is sent from here");
    let email = postern.post(MFA_START, Some(&cookie), r#"{"method":"Email"}"#).await;
    assert_eq!(email.status, 400);
    let secret = postern.post(MFA_START, Some(&cookie), r#"{"method":"Totp"}"#).await.json();
    let code = code_of(&postern, secret["totp_secret"].as_str().unwrap());
    let finish = json!({ "code": code, "method": "Totp" }).to_string();
    assert_eq!(postern.post(MFA_FINISH, Some(&cookie), &finish).await.status, 200);
    let (start, _) = postern.start(&token).await;
    assert_eq!(start.json()["settings"]["mfa_required"], json!(false));
    postern.pass(600);
    assert_eq!(factors(&postern), Factors::default(), "nobody stood behind it with a password");
}

#[tokio::test]
async fn a_code_by_mail_is_taken_and_ten_wrong_ones_an_hour_are_the_end() {
    let postern = asking(Some("mail"));
    let (_, cookie) = postern.start(&postern.invite("jdoe")).await;
    let begun = postern.post(MFA_START, Some(&cookie), r#"{"method":"Email"}"#).await;
    assert_eq!((begun.status, begun.text.as_str()), (200, r#"{"totp_secret":null}"#));
    let site = postern.app.site();
    let mailed = postern.app.store.read_blocking(|tx| {
        let user = tx.user_by_name("jdoe")?.unwrap();
        Ok::<_, postern::store::StoreError>(tx.mailed_code_of(user.id, Purpose::SignIn)?.unwrap())
    });
    let code = postern::flows::mailed_code::digits(&site, &mailed.unwrap());
    let finish = |code: &str| json!({ "code": code, "method": "Email" }).to_string();
    let done = postern.post(MFA_FINISH, Some(&cookie), &finish(&code)).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(factors(&postern).email);
    let (_, other) = postern.start(&postern.invite("other")).await;
    for _ in 0..10 {
        assert_eq!(postern.post(MFA_FINISH, Some(&other), &finish("000000")).await.status, 400);
    }
    let limited = postern.post(MFA_FINISH, Some(&other), &finish("000000")).await;
    assert_eq!((limited.status, &limited.headers["retry-after"]), (429, &"3600".parse().unwrap()));
}

#[tokio::test]
async fn who_has_a_password_sets_none_up_with_a_link_and_a_method_nobody_knows_is_refused() {
    let postern = asking(Some("mail"));
    let (_, cookie) = postern.start(&postern.invite("jdoe")).await;
    assert_eq!(postern.post(MFA_START, Some(&cookie), r#"{"method":"Carrier"}"#).await.status, 400);
    for body in ["{}", r#"{"code":1,"method":"Totp"}"#, "x"] {
        assert_eq!(postern.post(MFA_FINISH, Some(&cookie), body).await.status, 400, "{body}");
    }
    postern.post(ACTIVATE, Some(&cookie), r#"{"password":"Correct-Horse-7"}"#).await;
    let kind = postern::rules::enrollment::EnrollmentKind::Activation;
    let further = postern.issue("jdoe", kind, std::time::Duration::from_hours(1));
    let (start, cookie) = postern.start(&further).await;
    assert_eq!(start.json()["settings"]["mfa_required"], json!(false));
    let begun = postern.post(MFA_START, Some(&cookie), r#"{"method":"Totp"}"#).await;
    assert_eq!((begun.status, begun.text.as_str()), (200, r#"{"totp_secret":null}"#));
}
