//! Byte-stability (protocol 4.4): clients compare what they are told with what they have, word by word.

use postern::store::Store;

use crate::support::{INFO, NOW, POLL, Postern, key, polling};

#[tokio::test]
async fn configurations_are_the_same_bytes_in_every_answer_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.db");
    let postern = Postern::over_file(&file, NOW);
    let cookie = postern.session_of("jdoe").await;
    let created = postern.create_device(&cookie, "laptop", &key(1)).await;
    let before = postern.present(POLL, &polling(&created)).await;
    drop(postern);
    let postern = Postern::over_file(&file, NOW + 300);
    let after = postern.present(POLL, &polling(&created)).await;
    let info = postern.network_info(&cookie, &key(1)).await;
    assert_eq!(info.status, 200, "the session survived the restart: {}", info.text);
    let again = postern.present(POLL, &polling(&info)).await;
    for answer in [&before, &after, &info, &again] {
        assert_eq!(stable_part(&created.text), stable_part(&answer.text));
    }
    assert_eq!(before.text, after.text, "all of a poll is stable");
}

#[tokio::test]
async fn the_instance_is_the_same_in_start_and_in_every_configuration() {
    let postern = Postern::new();
    let (start, cookie) = postern.start(&postern.invite("jdoe")).await;
    let created = postern.create_device(&cookie, "laptop", &key(1)).await;
    let instance = |text: &str| {
        let from = text.find("\"instance\":").unwrap();
        text[from..=from + text[from..].find('}').unwrap()].to_owned()
    };
    assert_eq!(instance(&start.text), instance(&created.text));
}

#[tokio::test]
async fn another_device_or_user_changes_nothing_for_the_first() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    let created = postern.create_device(&cookie, "laptop", &key(1)).await;
    let before = postern.present(POLL, &polling(&created)).await;
    postern.create_device(&cookie, "another", &key(2)).await;
    let other = postern.session_of("zoe").await;
    postern.create_device(&other, "laptop", &key(3)).await;
    postern.activate(&cookie, "Correct-Horse-7").await;
    postern.pass(700);
    assert_eq!(before.text, postern.present(POLL, &polling(&created)).await.text);
}

#[tokio::test]
async fn a_location_that_goes_and_comes_back_keeps_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.db");
    let numbers = |postern: &Postern| {
        let site = postern.app.site();
        site.locations().map(|location| (location.config.name.clone(), location.id)).collect::<Vec<_>>()
    };
    let all = numbers(&Postern::over_file(&file, NOW));
    let without = Postern::planned(Store::open(&file).unwrap(), NOW, |plan| {
        plan.locations.retain(|location| location.name != "HQ");
        plan.locations.reverse();
    });
    assert_eq!(numbers(&without), all[1..]);
    assert_eq!(numbers(&Postern::over_file(&file, NOW)), all);
}

#[tokio::test]
async fn the_versions_in_the_headers_are_the_configurations() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.config.client_versions.core = "3.0.0".to_owned();
        plan.config.client_versions.component = "3.0.1".to_owned();
    });
    let answer = postern.post(INFO, None, "{}").await;
    assert_eq!(answer.headers["defguard-core-version"], "3.0.0");
    assert_eq!(answer.headers["defguard-component-version"], "3.0.1");
}

/// The bytes of `"device":{…},"configs":…,"instance":{…}` as sent.
fn stable_part(text: &str) -> &str {
    let from = text.find("\"device\":").unwrap();
    let to = text.rfind(",\"token\":").unwrap();
    &text[from..to]
}
