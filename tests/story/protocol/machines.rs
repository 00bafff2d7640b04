//! Pre-registered devices and the command line client (protocol 3.8).

use crate::support::{INFO, POLL, Postern, key, places, polling};

#[tokio::test]
async fn giving_a_machine_another_key_revokes_the_old_polling_token() {
    let postern = Postern::new();
    let cookie = postern.start(&postern.add_machine("edge", "Lab")).await.1;
    let first = postern.create_device(&cookie, "", &key(1)).await;
    let second = postern.create_device(&cookie, "any name", &key(2)).await;
    assert_eq!(second.status, 200, "{}", second.text);
    assert_eq!(first.json()["device"]["id"], second.json()["device"]["id"]);
    assert_eq!(second.json()["device"]["name"], "edge");
    assert_eq!(first.json()["configs"], second.json()["configs"], "its addresses stay");
    assert_eq!(postern.present(POLL, &polling(&first)).await.status, 403);
    assert_eq!(postern.present(POLL, &polling(&second)).await.status, 200);
    assert_eq!(postern.devices()[0].public_key.unwrap().to_string(), key(2));
}

#[tokio::test]
async fn the_same_key_again_is_the_machines_own() {
    let postern = Postern::new();
    let cookie = postern.start(&postern.add_machine("edge", "Lab")).await.1;
    postern.create_device(&cookie, "", &key(1)).await;
    assert_eq!(postern.create_device(&cookie, "", &key(1)).await.status, 200);
}

#[tokio::test]
async fn a_key_in_use_elsewhere_is_not_given_to_a_machine() {
    let postern = Postern::new();
    let person = postern.session_of("jdoe").await;
    postern.create_device(&person, "laptop", &key(1)).await;
    let cookie = postern.start(&postern.add_machine("edge", "Lab")).await.1;
    assert_eq!(postern.create_device(&cookie, "", &key(1)).await.status, 400);
    let other = postern.start(&postern.add_machine("other", "Lab")).await.1;
    postern.create_device(&other, "", &key(2)).await;
    assert_eq!(postern.create_device(&cookie, "", &key(2)).await.status, 400);
}

#[tokio::test]
async fn a_machine_on_a_location_that_people_may_not_join_gets_it_alone() {
    let postern = Postern::new();
    let cookie = postern.start(&postern.add_machine("edge", "Closed")).await.1;
    let created = postern.create_device(&cookie, "", &key(1)).await;
    assert_eq!(places(&created.json()), ["Closed"]);
    assert_eq!(places(&postern.present(POLL, &polling(&created)).await.json()), ["Closed"]);
}

#[tokio::test]
async fn a_machine_has_no_password() {
    let postern = Postern::new();
    let cookie = postern.start(&postern.add_machine("edge", "Lab")).await.1;
    assert_eq!(postern.activate(&cookie, "Correct-Horse-7").await.status, 403);
}

#[tokio::test]
async fn a_machines_session_sees_its_own_key_only() {
    let postern = Postern::new();
    let cookie = postern.start(&postern.add_machine("edge", "Lab")).await.1;
    postern.create_device(&cookie, "", &key(1)).await;
    let other = postern.start(&postern.add_machine("other", "Lab")).await.1;
    assert_eq!(postern.network_info(&cookie, &key(1)).await.status, 200);
    assert_eq!(postern.network_info(&other, &key(1)).await.status, 401);
    let unknown = postern.post(INFO, Some(&other), &format!(r#"{{"pubkey":"{}"}}"#, key(9))).await;
    assert_eq!(unknown.told(), (404, "device not found".to_owned()));
}

#[tokio::test]
async fn a_machine_keeps_its_peer_when_its_session_ends() {
    let postern = Postern::new();
    let cookie = postern.start(&postern.add_machine("edge", "Lab")).await.1;
    let created = postern.create_device(&cookie, "", &key(1)).await;
    postern.pass(601);
    assert_eq!(postern.present(POLL, &polling(&created)).await.status, 200);
}
