//! What a client is told when its user is disabled, or its device is gone (protocol 1.3 to 1.6).

use postern::flows::invite::Actor;
use postern::flows::refusal::Refusal;
use postern::flows::{accounts, devices};
use postern::site::Site;
use postern::store::{Store, Tx};

use crate::support::{MFA_START, NOW, POLL, Postern, START, key, places, polling, strict};

#[tokio::test]
async fn a_disabled_user_does_nothing_with_a_session_and_opens_none() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let (_, cookie) = postern.start(&token).await;
    administer(&postern, |tx, site, actor, now| accounts::disable(tx, site, actor, "jdoe", now).map(drop));
    for answer in [
        postern.create_device(&cookie, "laptop", &key(1)).await,
        postern.activate(&cookie, "Correct-Horse-7").await,
        postern.network_info(&cookie, &key(1)).await,
        postern.post(MFA_START, Some(&cookie), r#"{"method":"Totp"}"#).await,
    ] {
        assert!([400, 401, 403].contains(&answer.status), "{}", answer.text);
        answer.error();
    }
    assert_eq!(postern.present(START, &token).await.status, 403);
    assert!(postern.devices().is_empty());
}

#[tokio::test]
async fn the_client_of_a_disabled_person_drops_its_locations_and_gets_them_back() {
    let postern = Postern::new();
    let cookie = postern.enrolled("jdoe").await;
    let created = postern.create_device(&cookie, "laptop", &key(1)).await;
    let token = polling(&created);
    administer(&postern, |tx, site, actor, now| accounts::disable(tx, site, actor, "jdoe", now).map(drop));
    let polled = postern.present(POLL, &token).await;
    assert_eq!(polled.status, 200);
    strict::device_config(&polled.json()["device_config"]).unwrap();
    assert!(places(&polled.json()).is_empty());
    assert_eq!(polled.json()["device_config"]["instance"], created.json()["instance"]);
    administer(&postern, |tx, site, actor, now| accounts::enable(tx, site, actor, "jdoe", now).map(drop));
    assert_eq!(places(&postern.present(POLL, &token).await.json()), ["HQ", "Lab"]);
}

#[tokio::test]
async fn the_command_line_client_of_a_disabled_person_is_never_told_that_there_is_nothing() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.locations.retain(|location| location.name == "Lab");
    });
    let cookie = postern.enrolled("jdoe").await;
    let token = polling(&postern.create_device(&cookie, "", &key(1)).await);
    administer(&postern, |tx, site, actor, now| accounts::disable(tx, site, actor, "jdoe", now).map(drop));
    let polled = postern.present(POLL, &token).await;
    assert_eq!(polled.status, 403);
    assert!(polled.error().contains("no location at present"), "{}", polled.text);
    administer(&postern, |tx, site, actor, now| accounts::enable(tx, site, actor, "jdoe", now).map(drop));
    assert_eq!(places(&postern.present(POLL, &token).await.json()), ["Lab"]);
}

#[tokio::test]
async fn the_client_of_a_removed_device_or_user_is_refused_for_ever() {
    let postern = Postern::new();
    let cookie = postern.enrolled("jdoe").await;
    let one = polling(&postern.create_device(&cookie, "one", &key(1)).await);
    let two = polling(&postern.create_device(&cookie, "two", &key(2)).await);
    administer(&postern, |tx, site, actor, now| devices::remove(tx, site, actor, "one", now).map(drop));
    assert_eq!(postern.present(POLL, &one).await.status, 403);
    assert_eq!(postern.present(POLL, &two).await.status, 200);
    assert_eq!(postern.network_info(&cookie, &key(1)).await.status, 404, "its key is unknown here");
    administer(&postern, |tx, site, actor, now| accounts::remove(tx, site, actor, "jdoe", now).map(drop));
    assert_eq!(postern.present(POLL, &two).await.status, 403);
    assert_eq!(postern.network_info(&cookie, &key(2)).await.status, 401);
}

#[tokio::test]
async fn the_client_of_a_removed_device_counts_against_its_address_again() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    let token = polling(&postern.create_device(&cookie, "laptop", &key(1)).await);
    administer(&postern, |tx, site, actor, now| devices::remove(tx, site, actor, "laptop", now).map(drop));
    let mut polls = 0;
    while postern.present(POLL, &token).await.status == 403 {
        polls += 1;
    }
    assert_eq!(polls, 101, "once as known, then as a stranger");
}

fn administer(
    postern: &Postern,
    deed: impl FnOnce(&Tx<'_>, &Site, &Actor, jiff::Timestamp) -> Result<(), Refusal>,
) {
    let (site, now) = (postern.app.site(), postern.app.now());
    let actor = Actor { name: "unix:root".to_owned(), account: None };
    postern.app.store.write_blocking(|tx| deed(tx, &site, &actor, now)).unwrap();
}
