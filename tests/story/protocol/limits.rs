//! Rate limits (protocol 6.16): what nobody knows counts by address, what is known by itself.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::support::{Answer, POLL, Postern, START, key, polling};

#[tokio::test]
async fn guessing_tokens_is_slowed_down_with_a_time_to_wait() {
    let postern = Postern::new();
    for number in 0..30 {
        assert_eq!(postern.present(START, &number.to_string()).await.status, 401);
    }
    let answer = postern.present(START, "x").await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.headers["retry-after"], "2");
    assert!(answer.error().contains("2 s"), "{}", answer.text);
    postern.pass(1);
    assert_eq!(postern.present(START, "x").await.headers["retry-after"], "1");
    postern.pass(1);
    assert_eq!(postern.present(START, "x").await.status, 401, "the time it said was true");
}

#[tokio::test]
async fn guesses_are_counted_by_address_and_by_64_in_ipv6() {
    let postern = Postern::new();
    let guess = |address: &str| {
        let request = Request::post(START).body(Body::from(r#"{"token":"x"}"#)).unwrap();
        postern.send_from(address.parse::<IpAddr>().unwrap(), request)
    };
    for number in 0..30 {
        assert_eq!(guess(&format!("2001:db8::{number:x}")).await.status, 401);
    }
    assert_eq!(guess("2001:db8::ffff").await.status, 429);
    assert_eq!(guess("2001:db8:0:1::1").await.status, 401);
    assert_eq!(guess("198.51.100.7").await.status, 401);
}

#[tokio::test]
async fn many_people_behind_one_address_enroll_beside_a_guesser() {
    let postern = Postern::new();
    for number in 0..100 {
        let (_, cookie) = postern.start(&postern.invite(&format!("user{number}"))).await;
        assert_eq!(postern.create_device(&cookie, "laptop", &key(number)).await.status, 200);
    }
    let token = postern.invite("late");
    postern.start(&token).await;
    while postern.present(START, "guess").await.status == 401 {}
    assert_eq!(postern.present(START, &token).await.status, 200, "a known token is not its neighbours'");
}

#[tokio::test]
async fn a_token_that_polls_without_pause_is_slowed_down_alone() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    let one = polling(&postern.create_device(&cookie, "one", &key(1)).await);
    let two = polling(&postern.create_device(&cookie, "two", &key(2)).await);
    let mut polls = 0;
    let refused = loop {
        let answer = postern.present(POLL, &one).await;
        if answer.status != 200 {
            break answer;
        }
        polls += 1;
    };
    assert!((30..=60).contains(&polls), "{polls}");
    assert_eq!((refused.status, &refused.headers["retry-after"]), (429, &"1".parse().unwrap()));
    refused.error();
    assert_eq!(postern.present(POLL, &two).await.status, 200);
    postern.pass(1);
    assert_eq!(postern.present(POLL, &one).await.status, 200);
}

#[tokio::test]
async fn unknown_polling_tokens_and_sessions_are_slowed_down_and_known_ones_go_on() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    let good = polling(&postern.create_device(&cookie, "laptop", &key(1)).await);
    let mut strangers = 0;
    let refused = loop {
        let answer = stranger(&postern, strangers).await;
        if answer.status == 429 {
            break answer;
        }
        strangers += 1;
    };
    assert_eq!(strangers, 100);
    assert_eq!(refused.headers["retry-after"], "1");
    refused.error();
    assert_eq!(postern.present(POLL, &good).await.status, 200);
    assert_eq!(postern.network_info(&cookie, &key(1)).await.status, 200);
}

#[tokio::test]
async fn a_daemon_that_was_just_started_knows_its_clients_from_their_first_poll() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.db");
    let before = Postern::over_file(&file, crate::support::NOW);
    let mut tokens = Vec::new();
    for number in 0..150 {
        let cookie = before.session_of(&format!("user{number}")).await;
        tokens.push(polling(&before.create_device(&cookie, "laptop", &key(number)).await));
    }
    let after = Postern::over_file(&file, crate::support::NOW);
    while after.present(POLL, "unknown").await.status != 429 {}
    for token in &tokens {
        assert_eq!(after.present(POLL, token).await.status, 200);
    }
}

#[tokio::test]
async fn a_flood_of_passwords_is_refused_instead_of_queued_without_end() {
    let postern = Postern::new();
    let mut sessions = Vec::new();
    for number in 0..100 {
        sessions.push(postern.session_of(&format!("user{number}")).await);
    }
    let mut flood = tokio::task::JoinSet::new();
    for cookie in sessions {
        let postern = postern.clone();
        flood.spawn(async move { postern.activate(&cookie, "Correct-Horse-7").await });
    }
    let answers = flood.join_all().await;
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!((1..=34).contains(&refused.len()), "{} of 100", refused.len());
    for answer in refused {
        assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &"5".parse().unwrap()));
        assert!(answer.error().contains("busy"));
    }
}

async fn stranger(postern: &Postern, number: u32) -> Answer {
    if number.is_multiple_of(2) {
        postern.present(POLL, &number.to_string()).await
    } else {
        let body = json!({ "name": "x", "pubkey": key(1) }).to_string();
        postern.post(crate::support::CREATE, Some(&format!("defguard_proxy={number}")), &body).await
    }
}
