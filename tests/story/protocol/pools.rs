//! What happens where a location cannot take a device: no address left, or a gateway that does not answer.

use std::time::Duration;

use postern::rules::message::Message;
use postern::store::Store;

use crate::support::{NOW, POLL, Postern, key, places, polling};

#[tokio::test]
async fn where_a_pool_is_exhausted_the_device_gets_the_others_and_this_one_later() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.location("Lab").ipv4 = "10.77.2.0/30".parse().ok();
    });
    let cookie = postern.enrolled("jdoe").await;
    let first = postern.create_device(&cookie, "first", &key(1)).await;
    assert_eq!(places(&first.json()), ["HQ", "Lab"]);
    let second = postern.create_device(&cookie, "second", &key(2)).await;
    assert_eq!(second.status, 200, "{}", second.text);
    assert_eq!(places(&second.json()), ["HQ"]);
    postern.create_device(&cookie, "third", &key(3)).await;
    let waiting: Vec<_> =
        postern.audited().into_iter().filter(|entry| entry.starts_with("pool.exhaust")).collect();
    assert_eq!(waiting, ["pool.exhaust second", "pool.exhaust third"]);
    assert_eq!(full_locations_told(&postern), ["Lab"], "once, not for every device");
    postern.pass(60);
    assert_eq!(full_locations_told(&postern).len(), 1);
    let device = postern.devices().remove(0);
    postern.app.store.write_blocking(|tx| tx.delete_device(&device)).unwrap();
    postern.pass(15);
    assert_eq!(places(&postern.present(POLL, &polling(&second)).await.json()), ["HQ", "Lab"]);
}

#[tokio::test]
async fn where_every_pool_is_exhausted_nothing_is_stored() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.locations.retain(|location| location.name == "Lab");
        plan.location("Lab").ipv4 = "10.77.2.0/30".parse().ok();
    });
    let cookie = postern.enrolled("jdoe").await;
    assert_eq!(postern.create_device(&cookie, "first", &key(1)).await.status, 200);
    let refused = postern.create_device(&cookie, "second", &key(2)).await;
    assert_eq!(refused.status, 409);
    assert!(refused.error().contains("run out of addresses"), "{}", refused.text);
    assert_eq!(postern.devices().len(), 1);
    let audited = postern.audited();
    assert_eq!(audited[audited.len() - 2..], ["pool.exhaust jdoe", "device.register jdoe"]);
    postern.create_device(&cookie, "second", &key(2)).await;
    assert_eq!(full_locations_told(&postern), ["Lab"]);
    let device = postern.devices().remove(0);
    postern.app.store.write_blocking(|tx| tx.delete_device(&device)).unwrap();
    assert_eq!(postern.create_device(&cookie, "second", &key(2)).await.status, 200);
}

#[tokio::test]
async fn a_slow_gateway_is_waited_for_two_seconds_and_the_answer_is_whole() {
    let quick = Postern::new();
    let cookie = quick.session_of("jdoe").await;
    let expected = quick.create_device(&cookie, "laptop", &key(1)).await;
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    postern.halt_gateway();
    let pubkey = key(1);
    let created = postern.create_device(&cookie, "laptop", &pubkey);
    let created = tokio::time::timeout(Duration::from_secs(4), created).await.unwrap();
    assert_eq!(created.status, 200);
    assert_eq!(created.text, expected.text, "the same bytes as with a quick gateway");
    let pending: Vec<_> =
        postern.audited().into_iter().filter(|entry| entry.starts_with("device.pending")).collect();
    assert_eq!(pending, ["device.pending laptop", "device.pending laptop"], "one for each location");
}

fn full_locations_told(postern: &Postern) -> Vec<String> {
    let now = postern.app.now();
    let mail = postern.app.store.read_blocking(|tx| tx.due_mail(now, 99)).unwrap();
    mail.iter()
        .filter_map(|mail| {
            let Message::LocationFull { location } = mail.message().unwrap() else { return None };
            Some(location)
        })
        .collect()
}
