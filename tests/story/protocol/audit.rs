//! Refusals that matter for security are in the audit log, with their reason and from where they came, and whoever is refused
//! a thousand times fills no disk with it.

use std::time::Duration;

use postern::rules::enrollment::EnrollmentKind;
use serde_json::json;

use crate::support::{CREATE, POLL, Postern, START, key, polling};

/// What was refused: `actor action reason`, oldest first.
fn refused(postern: &Postern) -> Vec<String> {
    let entries = postern.app.store.read_blocking(|tx| tx.refused_since(0, 1000)).unwrap();
    assert!(entries.iter().all(|entry| entry.source.as_deref() == Some("192.0.2.1")), "{entries:?}");
    let shown = |entry: postern::store::audit::AuditEntry| {
        format!("{} {} {}", entry.actor, entry.action, entry.refused.unwrap())
    };
    entries.into_iter().map(shown).collect()
}

#[tokio::test]
async fn a_token_that_starts_nothing_is_written_down_with_the_reason_and_whose_it_was() {
    let postern = Postern::new();
    let (late, used) =
        (postern.issue("late", EnrollmentKind::Enrollment, Duration::from_mins(1)), postern.invite("jdoe"));
    let replaced = postern.invite("eve");
    postern.start(&used).await;
    postern.pass(601);
    let disabled = postern.invite("bob");
    let (id, now) = (postern.user("bob"), postern.app.now());
    postern.app.store.write_blocking(|tx| tx.set_disabled(id, Some(now))).unwrap();
    let eve = postern::rules::enrollment::Subject::User(postern.user("eve"));
    postern.app.store.write_blocking(|tx| tx.withdraw_tokens(eve, now)).unwrap();
    for token in ["guess", &late, &used, &disabled, &replaced] {
        assert!(postern.present(START, token).await.status >= 400, "{token}");
    }
    assert_eq!(
        refused(&postern),
        [
            "- enrollment.start unknown",
            "late enrollment.start expired",
            "jdoe enrollment.start used",
            "bob enrollment.start disabled",
            "eve enrollment.start withdrawn"
        ]
    );
}

#[tokio::test]
async fn a_guesser_is_two_entries_an_hour_however_long_he_goes_on() {
    let postern = Postern::new();
    for number in 0..500 {
        postern.present(START, &number.to_string()).await;
    }
    assert_eq!(refused(&postern), ["- enrollment.start unknown", "- enrollment.start limit"]);
    postern.pass(3600);
    postern.present(START, "more").await;
    assert_eq!(refused(&postern).len(), 3);
    let entries = postern.app.store.read_blocking(|tx| tx.refused_since(0, 9)).unwrap();
    assert!(entries[2].detail.as_deref().is_some_and(|detail| detail.contains("after 469 ")), "{entries:?}");
}

#[tokio::test]
async fn a_device_that_is_not_registered_is_written_down_for_whose_session_it_was() {
    let postern = Postern::new();
    let (ann, bob) = (postern.session_of("ann").await, postern.session_of("bob").await);
    assert_eq!(postern.create_device(&ann, "one", &key(1)).await.status, 200);
    assert_eq!(postern.create_device(&bob, "one", &key(1)).await.status, 400);
    assert_eq!(postern.create_device(&bob, "one", "no key").await.status, 400);
    let body = json!({ "name": "x", "pubkey": key(3) }).to_string();
    assert_eq!(postern.post(CREATE, Some("defguard_proxy=nobody"), &body).await.status, 401);
    assert_eq!(refused(&postern), ["bob device.register taken", "bob device.register value"]);
}

#[tokio::test]
async fn a_client_of_a_removed_device_that_polls_for_ever_is_one_entry_a_day() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    let polled = polling(&postern.create_device(&cookie, "laptop", &key(1)).await);
    let device = postern.devices().remove(0);
    postern.app.store.write_blocking(|tx| tx.delete_device(&device)).unwrap();
    for _ in 0..24 {
        assert_eq!(postern.present(POLL, &polled).await.status, 403);
        postern.pass(3600 - 1);
    }
    assert_eq!(refused(&postern), ["- device.poll unknown"]);
    postern.pass(24);
    postern.present(POLL, &polled).await;
    assert_eq!(refused(&postern).len(), 2);
}
