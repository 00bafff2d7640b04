//! Connecting with a second factor while others ask, too: strangers who learned a public key, and the same client twice.

use postern::rules::message::Message;
use postern::store::StoreError;
use serde_json::json;

use crate::connect::{
    LAB, asking, begin, connect, finish, mailed, peer, preshared, token, with_app, with_laptop,
};
use crate::support::{Answer, CONNECT, CONNECT_FINISH, Postern, key};

/// From an address.
async fn begin_from(postern: &Postern, address: &str, number: u8) -> Answer {
    let body = json!({ "method": 1, "pubkey": key(number), "location_id": LAB }).to_string();
    let request = axum::http::Request::post(CONNECT).body(axum::body::Body::from(body)).unwrap();
    postern.send_from(address.parse().unwrap(), request).await
}

#[tokio::test]
async fn whoever_learned_a_public_key_keeps_its_owner_from_nothing() {
    let postern = asking();
    with_laptop(&postern, "jdoe", 1).await;
    let begun = token(&begin(&postern, 1, 1).await);
    let code = mailed(&postern).pop().unwrap();
    let mut strangers = 0;
    while begin_from(&postern, "198.51.100.7", 1).await.status == 200 {
        strangers += 1;
        assert!(strangers < 500);
    }
    assert!(strangers >= 60, "{strangers}");
    token(&begin(&postern, 1, 1).await);
    preshared(&finish(&postern, &begun, &code).await);
}

#[tokio::test]
async fn an_account_is_mailed_five_codes_and_then_one_in_ten_minutes_and_the_last_stays_good() {
    let postern = asking();
    with_laptop(&postern, "jdoe", 1).await;
    let mut begun = token(&begin(&postern, 1, 1).await);
    for _ in 0..29 {
        postern.pass(20);
        begun = token(&begin(&postern, 1, 1).await);
    }
    let now = postern.app.now();
    let mails = postern.app.store.read_blocking(|tx| tx.due_mail(now, 99)).unwrap();
    let codes = mails.iter().filter(|mail| matches!(mail.message(), Ok(Message::ConnectCode { .. })));
    assert_eq!(codes.count(), 5);
    preshared(&finish(&postern, &begun, &mailed(&postern)[0]).await);
    assert_eq!(begin(&postern, 1, 1).await.status, 429, "it was used");
    postern.pass(20);
    connect(&postern, 1).await;
}

#[tokio::test]
async fn where_the_secret_of_an_app_is_lost_codes_are_mailed_again() {
    let postern = asking();
    with_laptop(&postern, "jdoe", 1).await;
    with_app(&postern, "jdoe");
    let app = token(&begin(&postern, 0, 1).await);
    let lost = postern.app.store.write_blocking(|tx| {
        tx.forget_totp_secrets()?;
        Ok::<_, StoreError>(())
    });
    lost.unwrap();
    assert_eq!(finish(&postern, &app, "000000").await.told(), (401, "Unauthorized".to_owned()));
    let refused = begin(&postern, 0, 1).await;
    assert_eq!(refused.told(), (400, "selected MFA method not available".to_owned()));
    connect(&postern, 1).await;
}

#[tokio::test]
async fn of_two_that_give_one_token_at_once_nobody_is_given_a_dead_key() {
    let postern = asking();
    with_laptop(&postern, "jdoe", 1).await;
    let begun = token(&begin(&postern, 1, 1).await);
    let code = mailed(&postern).pop().unwrap();
    let ready = postern.applied.borrow().clone();
    postern.halt_gateway();
    let key = || peer(&postern, 1).map(|peer| peer.preshared_key.unwrap().to_base64().to_string());
    let gives = async || {
        let before = key();
        let (postern, begun, code) = (postern.clone(), begun.clone(), code.clone());
        let given = tokio::spawn(async move { finish(&postern, &begun, &code).await });
        // Its key is there, and it waits for the gateway.
        while key() == before {
            tokio::task::yield_now().await;
        }
        given
    };
    let (first, second) = (gives().await, gives().await);
    postern.applied.send_replace(ready);
    assert_eq!(first.await.unwrap().status, 503, "its key is the gateway's no more");
    assert_eq!(Some(preshared(&second.await.unwrap())), key());
    assert_eq!(finish(&postern, &begun, &code).await.told(), (400, "invalid token".to_owned()), "spent");
}

#[tokio::test]
async fn a_stranger_who_gives_wrong_codes_keeps_the_owner_from_none() {
    let postern = asking();
    with_laptop(&postern, "jdoe", 1).await;
    let begun = token(&begin(&postern, 1, 1).await);
    let code = mailed(&postern).pop().unwrap();
    let stranger = async |address: &str| {
        let begun = token(&begin_from(&postern, address, 1).await);
        let body = json!({ "token": begun, "code": "x" }).to_string();
        let request = axum::http::Request::post(CONNECT_FINISH).body(axum::body::Body::from(body)).unwrap();
        postern.send_from(address.parse().unwrap(), request).await.status
    };
    for number in 0..15 {
        assert_eq!(stranger("198.51.100.7").await, if number < 10 { 401 } else { 429 }, "{number}");
    }
    preshared(&finish(&postern, &begun, &code).await);
    for number in 0..15 {
        assert_eq!(stranger("198.51.100.8").await, if number < 10 { 401 } else { 429 }, "{number}");
    }
    assert_eq!(stranger("198.51.100.9").await, 429, "many guess no more than two");
    postern.pass(61);
    connect(&postern, 1).await;
}
