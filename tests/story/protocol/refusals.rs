//! The tables of refusals in protocol section 1, row by row: status, and the text where clients compare it.

use std::time::Duration;

use postern::rules::enrollment::EnrollmentKind;
use postern::rules::message::Message;
use postern::store::Store;

use crate::support::{ACTIVATE, MFA_FINISH, MFA_START, NOW, POLL, Postern, START, key, places, polling};

#[tokio::test]
async fn dead_tokens_are_refused_in_the_words_that_clients_compare() {
    let postern = Postern::new();
    let expired = postern.issue("late", EnrollmentKind::Enrollment, Duration::ZERO);
    let withdrawn = postern.invite("jdoe");
    let fresh = postern.invite("jdoe");
    let (_, cookie) = postern.start(&fresh).await;
    let polled = polling(&postern.create_device(&cookie, "laptop", &key(1)).await);
    for (token, text) in [
        (expired.as_str(), "token expired"),
        ("unknown", "invalid token"),
        ("", "invalid token"),
        (withdrawn.as_str(), "invalid token"),
        (polled.as_str(), "invalid token"),
    ] {
        let answer = postern.post(START, Some("undefined"), &format!("{{\"token\":\"{token}\"}}")).await;
        assert_eq!(answer.told(), (401, text.to_owned()), "{token}");
        assert!(answer.cookie.is_none());
    }
    postern.pass(600);
    assert_eq!(postern.present(START, &fresh).await.told(), (401, "invalid token".to_owned()), "spent");
    postern.pass(86_400);
    assert_eq!(postern.present(START, &fresh).await.told(), (401, "token expired".to_owned()));
}

#[tokio::test]
async fn no_refusal_of_start_speaks_of_a_device_name() {
    // Desktop clients of 2.1 mark another field of the form then (protocol 0.4).
    let postern = Postern::new();
    for body in ["{", "{}", r#"{"token":"x"}"#, r#"{"token":1}"#] {
        let text = postern.post(START, None, body).await.error().to_lowercase();
        assert!(!text.contains("device name"), "{text}");
    }
}

#[tokio::test]
async fn a_session_ends_at_its_deadline_for_everything() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let (start, cookie) = postern.start(&token).await;
    postern.pass(599);
    let (again, other) = postern.start(&token).await;
    assert_eq!(start.json()["deadline_timestamp"], again.json()["deadline_timestamp"]);
    assert!(other.contains("; Max-Age=1;"), "{other}");
    assert_eq!(postern.network_info(&cookie, &key(1)).await.status, 404);
    postern.pass(1);
    for cookie in [&cookie, &other] {
        assert_eq!(postern.create_device(cookie, "laptop", &key(1)).await.status, 401);
        assert_eq!(postern.activate(cookie, "Correct-Horse-7").await.status, 401);
        assert_eq!(postern.network_info(cookie, &key(1)).await.status, 401);
        assert_eq!(postern.post(MFA_START, Some(cookie), r#"{"method":"Totp"}"#).await.status, 401);
        assert_eq!(
            postern.post(MFA_FINISH, Some(cookie), r#"{"code":"1","method":"Totp"}"#).await.status,
            401
        );
    }
}

#[tokio::test]
async fn a_session_outlives_the_expiry_of_its_token() {
    let postern = Postern::new();
    let token = postern.issue("jdoe", EnrollmentKind::Enrollment, Duration::from_mins(1));
    let (_, cookie) = postern.start(&token).await;
    postern.pass(120);
    assert_eq!(postern.present(START, &token).await.status, 200);
    assert_eq!(postern.create_device(&cookie, "laptop", &key(1)).await.status, 200);
}

#[tokio::test]
async fn a_fresh_link_leaves_the_running_session_alone() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    postern.invite("jdoe");
    assert_eq!(postern.create_device(&cookie, "laptop", &key(1)).await.status, 200);
}

#[tokio::test]
async fn keys_and_names_in_use_are_refused() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    let own = postern.app.site().locations().next().unwrap().public_key.to_string();
    assert_eq!(postern.create_device(&cookie, "laptop", &own).await.status, 400);
    assert_eq!(postern.create_device(&cookie, "Größe", &key(1)).await.status, 200);
    assert_eq!(postern.create_device(&cookie, "other", &key(1)).await.status, 400);
    assert_eq!(postern.create_device(&cookie, "GRÖSSE", &key(2)).await.status, 409);
    let other = postern.session_of("zoe").await;
    assert_eq!(postern.create_device(&other, "mine", &key(1)).await.status, 400, "keys are unique for all");
    assert_eq!(postern.create_device(&other, "größe", &key(2)).await.status, 200, "names for each");
}

#[tokio::test]
async fn a_session_registers_three_devices_and_no_more() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    for number in 1..=3 {
        assert_eq!(postern.create_device(&cookie, &format!("d{number}"), &key(number)).await.status, 200);
    }
    let refused = postern.create_device(&cookie, "d4", &key(4)).await;
    assert_eq!(refused.status, 403);
    assert!(refused.error().contains("another"), "{}", refused.text);
}

#[tokio::test]
async fn a_nameless_device_of_a_person_is_told_what_to_do() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    let unfinished = postern.create_device(&cookie, "", &key(1)).await;
    assert_eq!(unfinished.status, 400);
    assert!(unfinished.error().contains("finish enrolling"), "{}", unfinished.text);
    assert!(unfinished.error().contains("device token"), "{}", unfinished.text);
    postern.activate(&cookie, "Correct-Horse-7").await;
    let many = postern.create_device(&cookie, "", &key(1)).await;
    assert_eq!(many.status, 400);
    assert!(many.error().contains("device token"), "{}", many.text);
    assert!(postern.devices().is_empty());
}

#[tokio::test]
async fn a_nameless_device_of_a_person_with_one_location_is_taken_and_named() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.locations.retain(|location| location.name != "HQ");
    });
    let cookie = postern.enrolled("jdoe").await;
    let created = postern.create_device(&cookie, " ", &key(1)).await;
    assert_eq!(created.status, 200, "{}", created.text);
    assert_eq!(created.json()["device"]["name"], "device-1");
    assert_eq!(places(&created.json()), ["Lab"]);
    assert_eq!(postern.create_device(&cookie, "", &key(2)).await.json()["device"]["name"], "device-2");
}

#[tokio::test]
async fn whoever_may_use_no_location_registers_nothing() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.locations.retain(|location| location.name == "Closed");
    });
    let cookie = postern.session_of("jdoe").await;
    assert_eq!(postern.create_device(&cookie, "laptop", &key(1)).await.status, 409);
    assert!(postern.devices().is_empty());
}

#[tokio::test]
async fn a_password_is_set_once_and_a_refusal_is_written_down() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    assert_eq!(postern.activate(&cookie, "short").await.status, 400);
    assert_eq!(postern.audited().last().unwrap(), "password.refuse jdoe");
    assert_eq!(postern.activate(&cookie, "Correct-Horse-7").await.status, 200);
    assert_eq!(postern.activate(&cookie, "Correct-Horse-8").await.status, 400);
    let refusals = postern.audited().iter().filter(|entry| *entry == "password.refuse jdoe").count();
    assert_eq!(refusals, 2);
    let before = postern.audited();
    assert_eq!(postern.activate("defguard_proxy=nobody", "Correct-Horse-7").await.status, 401);
    assert_eq!(postern.audited(), before, "strangers write nothing");
}

#[tokio::test]
async fn whatever_the_clients_let_through_activates() {
    let long = format!("Aa1!{}", "x".repeat(1000));
    for password in ["Correct-Horse-7", "  Aa1#aaaa  ", "aA1😀😀x", "äÖ1§aaaa", "aaaaaaaa", &long] {
        let postern = Postern::new();
        let cookie = postern.session_of("jdoe").await;
        assert_eq!(postern.activate(&cookie, password).await.status, 200, "{password}");
    }
    let digits = "1".repeat(64);
    for (phone, kept) in [
        ("\"+48 123456789\"", Some("+48 123456789")),
        ("\"123\"", Some("123")),
        ("\"(0) 12-34\"", Some("(0) 12-34")),
        ("null", None),
        ("\"\"", None),
        (format!("\"+{digits}\"").as_str(), None),
        ("\"call me\"", None),
    ] {
        let postern = Postern::new();
        let cookie = postern.session_of("jdoe").await;
        let body = format!(r#"{{"password":"Correct-Horse-7","phone_number":{phone},"token":"x"}}"#);
        assert_eq!(postern.post(ACTIVATE, Some(&cookie), &body).await.status, 200, "{phone}");
        let id = postern.user("jdoe");
        let user = postern.app.store.read_blocking(|tx| tx.user(id)).unwrap().unwrap();
        assert_eq!(user.phone.as_deref(), kept, "{phone}");
    }
}

#[tokio::test]
async fn somebody_elses_device_is_401_and_an_unknown_one_404() {
    let postern = Postern::new();
    let ann = postern.session_of("ann").await;
    let bob = postern.session_of("bob").await;
    postern.create_device(&ann, "one", &key(1)).await;
    assert_eq!(postern.network_info(&bob, &key(1)).await.status, 401);
    assert_eq!(postern.network_info(&ann, "AAAA").await.status, 400);
    let unknown = postern.network_info(&ann, &key(9)).await;
    assert_eq!(unknown.told(), (404, "device not found".to_owned()));
}

#[tokio::test]
async fn a_polling_token_reads_its_device_and_ends_with_it() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let (_, cookie) = postern.start(&token).await;
    let polled = polling(&postern.create_device(&cookie, "laptop", &key(1)).await);
    for wrong in ["", "unknown", token.as_str()] {
        assert_eq!(postern.present(POLL, wrong).await.status, 403, "{wrong}");
    }
    assert_eq!(postern.present(POLL, &format!(" {polled}\n")).await.status, 200);
    let device = postern.devices().remove(0);
    postern.app.store.write_blocking(|tx| tx.delete_device(&device)).unwrap();
    assert_eq!(postern.present(POLL, &polled).await.status, 403);
}

#[tokio::test]
async fn there_is_no_mfa_to_finish() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    for method in ["Totp", "Email"] {
        let body = format!(r#"{{"code":"123456","method":"{method}"}}"#);
        assert_eq!(postern.post(MFA_FINISH, Some(&cookie), &body).await.status, 400);
        assert_eq!(postern.post(MFA_START, Some(&cookie), &body).await.status, 200);
    }
}

#[tokio::test]
async fn a_device_nobody_stood_behind_is_removed_with_its_session_and_the_contact_is_told() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    let polled = polling(&postern.create_device(&cookie, "laptop", &key(1)).await);
    postern.pass(599);
    assert_eq!(postern.devices().len(), 1);
    postern.pass(1);
    assert!(postern.devices().is_empty());
    assert_eq!(postern.audited().last().unwrap(), "device.abandon laptop");
    let now = postern.app.now();
    let mail = postern.app.store.read_blocking(|tx| tx.due_mail(now, 9)).unwrap();
    assert_eq!(mail.len(), 1);
    let message = mail[0].message().unwrap();
    assert!(matches!(message, Message::DeviceAbandoned { device, .. } if device == "laptop"));
    assert_eq!(postern.present(POLL, &polled).await.status, 403);
    postern.pass(1);
    let abandoned = postern.audited().iter().filter(|entry| entry.starts_with("device.abandon")).count();
    assert_eq!(abandoned, 1, "a session is closed once");
}

#[tokio::test]
async fn a_device_whose_owner_set_a_password_stays() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    postern.create_device(&cookie, "laptop", &key(1)).await;
    postern.activate(&cookie, "Correct-Horse-7").await;
    postern.pass(601);
    assert_eq!(postern.devices().len(), 1);
}
