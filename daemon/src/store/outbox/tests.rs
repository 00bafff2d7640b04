//! The life of a message.

use super::*;
use crate::fixtures::at;
use crate::store::Store;

/// The pauses until a message that always fails is parked.
fn pauses(blame: Blame) -> Vec<i64> {
    let (store, mut now, mut pauses) = (a_store_with_a_message(), 0, Vec::new());
    store
        .write_blocking(|tx| {
            while let Some(next) = tx.next_mail_at()? {
                pauses.push(next - now);
                now = next;
                let due = tx.due_mail(at(now), 9)?;
                tx.mail_failed(&due[0], blame, "no room", 128, at(now))?;
            }
            let parked = tx.mail(1)?.unwrap();
            assert_eq!((parked.state(), parked.last_error.as_deref()), (MailState::Parked, Some("no room")));
            Ok::<_, StoreError>(())
        })
        .unwrap();
    pauses
}

#[test]
fn a_failing_message_is_retried_ever_later_up_to_a_day_and_given_up_after_five() {
    let pauses = pauses(Blame::Mail);
    assert_eq!(pauses[..5], [0, 30, 60, 120, 240]);
    assert_eq!(pauses.iter().max(), Some(&DAY));
    let total: i64 = pauses.iter().sum();
    assert!((GIVEN_UP_AFTER..=GIVEN_UP_AFTER + DAY).contains(&total), "{total}");
}

#[test]
fn while_the_server_is_to_blame_a_message_is_tried_every_hour() {
    let pauses = pauses(Blame::Server);
    assert_eq!(pauses.iter().max(), Some(&HOUR));
    assert!(pauses.len() > 100, "{}", pauses.len());
}

#[test]
fn what_failed_together_does_not_come_back_together() {
    assert_eq!([0, 128, 255].map(|jitter| pause(2, Blame::Mail, jitter)), [96, 120, 144]);
}

#[test]
fn once_a_message_gets_through_those_that_failed_for_the_servers_sake_follow_at_once() {
    let store = a_store_with_a_message();
    post(&store);
    post(&store);
    store
        .write_blocking(|tx| {
            let due = tx.due_mail(at(0), 9)?;
            tx.mail_failed(&due[0], Blame::Server, "down", 0, at(0))?;
            tx.mail_failed(&due[1], Blame::Mail, "later", 0, at(0))?;
            tx.mail_delivered(due[2].id, "ok", at(1))?;
            let due: Vec<i64> = tx.due_mail(at(1), 9)?.into_iter().map(|mail| mail.id).collect();
            assert_eq!(due, [1]);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn a_parked_message_can_be_tried_again_and_has_all_its_attempts_before_it() {
    let store = a_store_with_a_message();
    store
        .write_blocking(|tx| {
            tx.park_mail(1, "refused", at(0))?;
            tx.retry_mail(1, at(1_000_000))?;
            let due = tx.due_mail(at(1_000_000), 9)?;
            tx.mail_failed(&due[0], Blame::Mail, "later", 0, at(1_000_000))?;
            assert_eq!(tx.mail(1)?.unwrap().state(), MailState::Retrying);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn what_happens_to_a_message_that_was_discarded_meanwhile_brings_it_not_back() {
    let store = a_store_with_a_message();
    store
        .write_blocking(|tx| {
            let due = tx.due_mail(at(0), 9)?;
            tx.discard_mail(1)?;
            tx.mail_failed(&due[0], Blame::Mail, "later", 0, at(0))?;
            tx.mail_delivered(1, "ok", at(0))?;
            assert_eq!(tx.newest_mail(Listed::All, 9)?, []);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn old_messages_are_forgotten_unless_they_still_wait() {
    let store = a_store_with_a_message();
    post(&store);
    post(&store);
    store
        .write_blocking(|tx| {
            tx.mail_delivered(1, "ok", at(0))?;
            tx.park_mail(2, "refused", at(0))?;
            let left = |day: i64| {
                tx.forget_mail(at(day * DAY))?;
                Ok::<_, StoreError>(tx.newest_mail(Listed::All, 9)?.len())
            };
            assert_eq!([left(29)?, left(31)?, left(89)?, left(1000)?], [3, 2, 2, 1]);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn a_commit_with_a_message_wakes_the_mail_loop() {
    let store = Store::in_memory().unwrap();
    let mail = store.changes().mail();
    post(&store);
    assert!(mail.has_changed().unwrap());
}

fn a_store_with_a_message() -> Store {
    let store = Store::in_memory().unwrap();
    post(&store);
    store
}

fn post(store: &Store) {
    let full = Message::LocationFull { location: "hq".to_owned() };
    store.write_blocking(|tx| tx.post(&full, at(0))).unwrap();
}
