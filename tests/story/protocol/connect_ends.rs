//! How a connection by a second factor ends, besides silence: with its device, its account, its location's setting and the host,
//! and not with the daemon. What it leaves in the database is of no use to anybody.

use std::collections::BTreeSet;

use postern::config::Location;
use postern::flows::{accounts, devices};
use postern::rules::ids::LocationId;
use postern::site::{Site, SiteLocation};
use postern::store::Store;
use postern_gateway::PublicKey;

use crate::connect::{
    LAB, administer, asking, begin, connect, finish, mailed, peer, preshared, token, with_laptop,
};
use crate::support::{Answer, NOW, Postern, key};

#[tokio::test]
async fn what_takes_a_device_away_takes_its_peer_and_nothing_brings_that_back() {
    let postern = asking();
    let cookie = postern.enrolled("jdoe").await;
    postern.create_device(&cookie, "laptop", &key(1)).await;
    connect(&postern, 1).await;
    let begun = token(&begin_later(&postern, 1).await);
    let code = mailed(&postern).pop().unwrap();
    administer(&postern, |tx, site, actor, now| {
        accounts::disable(tx, site, actor, "jdoe", now).unwrap_or_else(|refused| panic!("{refused}"));
    });
    assert_eq!(peer(&postern, 1), None, "disabled");
    assert_eq!(finish(&postern, &begun, &code).await.status, 400);
    administer(&postern, |tx, site, actor, now| {
        accounts::enable(tx, site, actor, "jdoe", now).unwrap_or_else(|refused| panic!("{refused}"));
    });
    assert_eq!(peer(&postern, 1), None, "enabled again, and not connected");
    postern.pass(61);
    connect(&postern, 1).await;
    administer(&postern, |tx, site, actor, now| {
        devices::remove(tx, site, actor, "jdoe/laptop", now).unwrap_or_else(|refused| panic!("{refused}"));
    });
    assert_eq!(peer(&postern, 1), None, "removed");
    assert_eq!(begin(&postern, 1, 1).await.status, 400);
}

async fn begin_later(postern: &Postern, number: u8) -> Answer {
    postern.pass(61);
    begin(postern, 1, number).await
}

#[tokio::test]
async fn another_key_of_the_device_begins_anew() {
    let postern = asking();
    with_laptop(&postern, "jdoe", 1).await;
    connect(&postern, 1).await;
    let other: PublicKey = key(2).parse().unwrap();
    postern
        .app
        .store
        .write_blocking(|tx| {
            let device = tx.devices()?.pop().unwrap();
            tx.set_device_key(&device, other)
        })
        .unwrap();
    assert!(peer(&postern, 1).is_none() && peer(&postern, 2).is_none());
}

#[tokio::test]
async fn where_no_second_factor_is_asked_for_any_more_nobody_is_connected_by_an_earlier_one() {
    let postern = asking();
    with_laptop(&postern, "jdoe", 1).await;
    connect(&postern, 1).await;
    let set = |asks: bool| {
        let site = postern.app.site();
        let locations = site.locations().cloned().map(|location| {
            let second_factor = asks && location.config.name == "Lab";
            let config = Location { second_factor, ..location.config.clone() };
            SiteLocation { config, ..location }
        });
        let site = Site::new(site.config.clone(), site.instance, site.keys.clone(), locations);
        let asked: BTreeSet<LocationId> = asks.then_some(LocationId(LAB)).into_iter().collect();
        postern.app.store.write_blocking(|tx| tx.ask_for_second_factor(&asked)).unwrap();
        postern.app.replace_site(site.into());
    };
    set(false);
    assert!(peer(&postern, 1).unwrap().preshared_key.is_none(), "as everywhere else");
    set(true);
    assert_eq!(peer(&postern, 1), None);
}

#[tokio::test]
async fn a_connection_outlives_the_daemon_and_not_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.db");
    let asks = |plan: &mut crate::support::site::Plan| plan.location("Lab").second_factor = true;
    let before = Postern::planned(Store::open(&file).unwrap(), NOW, asks);
    with_laptop(&before, "jdoe", 1).await;
    let shown = connect(&before, 1).await;
    drop(before);
    let after = Postern::planned(Store::open(&file).unwrap(), NOW, asks);
    after.app.store.write_blocking(|tx| tx.end_connections_before(postern::app::boot())).unwrap();
    assert_eq!(peer(&after, 1).unwrap().preshared_key.unwrap().to_base64().as_str(), shown);
    after.app.store.write_blocking(|tx| tx.end_connections_before("another")).unwrap();
    assert_eq!(peer(&after, 1), None);
}

#[tokio::test]
async fn the_preshared_key_and_the_code_are_not_in_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.db");
    let asks = |plan: &mut crate::support::site::Plan| plan.location("Lab").second_factor = true;
    let postern = Postern::planned(Store::open(&file).unwrap(), NOW, asks);
    with_laptop(&postern, "jdoe", 1).await;
    let begun = token(&begin(&postern, 1, 1).await);
    let code = mailed(&postern).pop().unwrap();
    let shown = preshared(&finish(&postern, &begun, &code).await);
    let bytes = peer(&postern, 1).unwrap().preshared_key.unwrap();
    drop(postern);
    let held = std::fs::read(&file).unwrap();
    assert!(held.windows(4).any(|part| part == b"jdoe"), "it would be found");
    for name in ["postern.db", "postern.db-wal"] {
        let path = folder.path().join(name);
        // A log that is written back is gone.
        if name == "postern.db-wal" && !path.exists() {
            continue;
        }
        let held = std::fs::read(path).unwrap();
        for secret in [shown.as_bytes(), begun.as_bytes(), bytes.expose_bytes().as_slice()] {
            assert!(!held.windows(secret.len()).any(|part| part == secret), "{name}");
        }
    }
}
