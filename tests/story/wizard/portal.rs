//! What somebody who has signed in does about their devices and keys, and what their page says of a connection.

use std::time::{Duration, SystemTime};

use postern::gateway_view::{GatewayQuestion, GatewayView};
use postern::rules::action::Action;
use postern::rules::message::Message;
use postern::rules::traffic::{Bytes, Hour};
use postern::store::{Store, StoreError, Tx};
use postern_gateway::PublicKey;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::client_link::token_of;
use crate::devices::counted;
use crate::me::with_device;
use crate::sign_in::{PASSWORD, enrolled, sign_in, signed_in};
use crate::support::{NOW, Postern, key, polling};
use crate::walk::{mailing, waiting};

fn write(postern: &Postern, work: impl FnOnce(&Tx<'_>) -> Result<(), StoreError>) {
    postern.app.store.write_blocking(work).unwrap();
}

/// A postern where a person may have so many devices.
fn limited(limit: u32) -> Postern {
    Postern::planned(Store::in_memory().unwrap(), NOW, |plan| plan.config.portal.device_limit = Some(limit))
}

async fn add(browser: &mut Browser<'_>, name: &str, number: u8) -> (u16, Value) {
    browser.send("/me/devices/add", &json!({ "name": name, "pubkey": key(number) })).await
}

fn refused(postern: &Postern, action: Action) -> Vec<(String, String)> {
    let entries = postern.app.store.read_blocking(|tx| tx.audit_of(action, 99)).unwrap();
    entries.into_iter().filter_map(|entry| Some((entry.refused?, entry.actor))).collect()
}

#[tokio::test]
async fn a_handshake_is_a_connection_for_three_minutes_and_without_one_nobody_says_there_never_was() {
    let (view, mut questions) = GatewayView::new();
    let postern = Postern::viewed(Store::in_memory().unwrap(), NOW, view, |_| {});
    let device_key: PublicKey = key(1).parse().unwrap();
    let hq = postern.app.site().location_named("HQ").unwrap().id;
    let (handshake, shaken) = tokio::sync::watch::channel(None);
    let _gateway = tokio::task::JoinSet::from_iter([async move {
        while let Some(question) = questions.recv().await {
            if let GatewayQuestion::Stats(answer) = question {
                drop(answer.send(Ok(counted(hq, device_key, *shaken.borrow()))));
            }
        }
    }]);
    with_device(&postern, "jdoe", "laptop", 1).await;
    let device = postern.devices()[0].id;
    write(&postern, |tx| tx.set_live(device, hq, Some(postern.app.now())).map(drop));
    let mut browser = signed_in(&postern, "jdoe").await;
    let me = browser.get("/me").await;
    me.shows(200, &["lamp ready", "Not connected now"]);
    me.lacks(&["never", "last seen", "lamp connected"]);
    let at = u64::try_from(postern.app.now().as_second()).unwrap();
    handshake.send_replace(Some(SystemTime::UNIX_EPOCH + Duration::from_secs(at)));
    let state = format!("/me/device/state?id={device}");
    for (passed, lit, said) in [
        (1, "connected", "Connected"),
        (179, "connected", "Connected"),
        (1, "ready", "Not connected now, last seen 3 minutes ago"),
    ] {
        postern.pass(passed);
        browser.get("/me").await.shows(200, &[&format!("lamp {lit}"), said]);
        let told: Value = serde_json::from_str(&browser.get(&state).await.text).unwrap();
        assert_eq!(told["places"][0]["state"], lit);
    }
}

#[tokio::test]
async fn what_a_device_moved_in_the_last_day_is_a_picture_with_words() {
    let postern = Postern::new();
    with_device(&postern, "jdoe", "laptop", 1).await;
    let mut browser = signed_in(&postern, "jdoe").await;
    browser.get("/me").await.lacks(&["<svg", "Last 24 hours"]);
    let hq = postern.app.site().location_named("HQ").unwrap().id;
    let hour = Hour::of(postern.app.now());
    write(&postern, |tx| {
        let peer = (hq, key(1).parse().unwrap());
        tx.add_traffic(peer, hour, Bytes { received: 1_500_000, sent: 12_000_000 })?;
        tx.add_traffic(peer, hour.first_of_day(), Bytes { received: 0, sent: 1 })
    });
    let me = browser.get("/me").await;
    let bars = "<rect x=\"0\" y=\"19\" width=\"3\" height=\"1\"/><rect x=\"92\" y=\"0\" width=\"3\" height=\"20\"/></svg>";
    me.shows(200, &["aria-hidden=\"true\"", bars, "Last 24 hours: 12.0\u{a0}MB received, 1.5\u{a0}MB sent"]);
    assert_eq!(me.text.matches("<svg").count(), 1, "of the other location there is nothing");
    enrolled(&postern, "eve").await;
    signed_in(&postern, "eve").await.get("/me").await.lacks(&["<svg"]);
}

#[tokio::test]
async fn a_removed_device_that_the_gateway_still_has_is_not_said_to_be_gone() {
    let postern = Postern::new();
    let id = with_device(&postern, "jdoe", "laptop", 1).await;
    let mut browser = signed_in(&postern, "jdoe").await;
    postern.halt_gateway();
    let removed = browser.post("/me/device/remove", &[("device", &id)]).await;
    assert_eq!(removed.went_to(), "/me?done=removing");
    let me = browser.get("/me?done=removing").await;
    me.shows(200, &["<p class=\"notice\" role=\"status\">", "has not cut its connection yet"]);
}

#[tokio::test]
async fn the_browser_in_which_somebody_enrolled_is_no_stranger_to_their_account() {
    let postern = Postern::new();
    let mut browser = Browser::new(&postern);
    browser.with_password(&postern.invite("jdoe")).await;
    while sign_in(&mut Browser::new(&postern), "jdoe", "wrong").await.status == 401 {}
    assert_eq!(sign_in(&mut Browser::new(&postern), "jdoe", PASSWORD).await.status, 429);
    assert_eq!(sign_in(&mut browser, "jdoe", PASSWORD).await.went_to(), "/me");
}

#[tokio::test]
async fn changing_the_password_says_that_unused_links_end_and_ends_them() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    browser.post("/me/client", &[]).await.went_to();
    let token = token_of(&browser.get("/me/client").await);
    browser
        .get("/me/password")
        .await
        .shows(200, &["Links for further devices that nobody has used yet stop"]);
    let change = [("present", PASSWORD), ("password", "battery staple")];
    browser.post("/me/password", &change).await.went_to();
    assert_eq!(postern.present("/api/v1/enrollment/start", &token).await.status, 401);
}

#[tokio::test]
async fn a_device_is_added_as_in_the_wizard_written_down_and_told_by_mail() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    enrolled(&postern, "jdoe").await;
    let (user, now) = (postern.user("jdoe"), postern.app.now());
    write(&postern, |tx| tx.mark_welcomed(user, now).map(drop));
    let mut browser = signed_in(&postern, "jdoe").await;
    browser.get("/me").await.shows(200, &["href=\"/me/devices/add\""]);
    let step = [
        "data-module=\"device\"",
        "data-register=\"/me/devices/add\"",
        "<noscript>",
        "action=\"/me/devices/add\"",
    ];
    browser.get("/me/devices/add").await.shows(200, &step);
    let (status, answer) = add(&mut browser, "phone", 1).await;
    assert_eq!((status, &answer["device"]["name"]), (200, &json!("phone")));
    let files = answer["places"].as_array().unwrap();
    assert_eq!(files.iter().map(|place| &place["file_name"]).collect::<Vec<_>>(), ["hq.conf", "lab.conf"]);
    assert!(files[0]["config"].as_str().unwrap().contains("PrivateKey = YOUR_PRIVATE_KEY\n"));
    assert_eq!(add(&mut browser, "phone", 1).await, (200, answer), "the first answer was lost");
    assert_eq!(postern.devices().len(), 1);
    assert_eq!(waiting(&postern), [Message::DeviceAdded { user, device: "phone".to_owned() }]);
    assert_eq!(postern.audited().iter().filter(|entry| *entry == "device.register phone").count(), 1);
    browser.get("/me").await.shows(200, &["phone", "10.77.1.2, fd77:1::2"]);
    assert_eq!(add(&mut Browser::new(&postern), "eve", 9).await.0, 401);
}

#[tokio::test]
async fn without_scripts_one_brings_a_key_and_gets_files_from_ones_own_pages() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    let hq = postern.app.site().location_named("HQ").unwrap().public_key.to_string();
    for (name, pubkey, said) in [
        ("x", "no key", "id=\"own-key-error\""),
        ("", &*key(1), "id=\"own-name-error\""),
        ("x", &*hq, "the key of the gateway"),
    ] {
        let wrong = browser.post("/me/devices/add", &[("name", name), ("pubkey", pubkey)]).await;
        wrong.shows(422, &[said, &format!("value=\"{}\"", if pubkey == hq { hq.as_str() } else { pubkey })]);
    }
    let added = browser.post("/me/devices/add", &[("name", "router"), ("pubkey", &key(1))]).await;
    let files = format!("/me/device/files?id={}", postern.devices()[0].id);
    assert_eq!(added.went_to(), files);
    let link = format!("href=\"/me/device/file?id={}&#38;name=hq.conf\"", postern.devices()[0].id);
    browser.get(&files).await.shows(200, &["<h1>router</h1>", "PrivateKey = YOUR_PRIVATE_KEY", &link]);
    let file = browser.get(&format!("/me/device/file?id={}&name=lab.conf", postern.devices()[0].id)).await;
    file.shows(200, &["[Interface]\nPrivateKey = YOUR_PRIVATE_KEY\n"]);
    assert_eq!(file.headers["content-disposition"], "attachment; filename=\"lab.conf\"");
    let none = browser.get(&format!("/me/device/file?id={}&name=../x", postern.devices()[0].id)).await;
    none.shows(404, &["There is nothing here"]);
}

#[tokio::test]
async fn another_key_takes_the_place_of_the_old_one_and_of_what_its_client_may_read() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    let session = postern.enrolled("jdoe").await;
    let registered = postern.create_device(&session, "laptop", &key(1)).await;
    let old_client = polling(&registered);
    assert_eq!(postern.present("/api/v1/poll", &old_client).await.status, 200);
    let mut browser = Browser::new(&postern);
    assert_eq!(sign_in(&mut browser, "jdoe", "Correct-Horse-7").await.went_to(), "/me");
    let device = postern.devices()[0].id;
    let told =
        || waiting(&postern).iter().filter(|mail| matches!(mail, Message::DeviceRekeyed { .. })).count();
    let renew = json!({ "device": device.0, "pubkey": key(2) });
    let (status, answer) = browser.send("/me/device/key", &renew).await;
    assert_eq!((status, &answer["device"]["id"]), (200, &json!(device.0)));
    assert_eq!(browser.send("/me/device/key", &renew).await, (200, answer), "the first answer was lost");
    assert_eq!(told(), 1, "its owner is told, once");
    assert_eq!(postern.devices()[0].public_key.unwrap().to_string(), key(2));
    assert_eq!(postern.present("/api/v1/poll", &old_client).await.status, 403);
    assert_eq!(postern.audited().iter().filter(|entry| *entry == "device.rekey laptop").count(), 1);
    let id = device.to_string();
    let wrong = browser.post("/me/device/key", &[("device", &id), ("pubkey", "x")]).await;
    wrong.shows(422, &["<h1>laptop</h1>", "id=\"own-key-error\"", "value=\"x\""]);
    let own = browser.post("/me/device/key", &[("device", &id), ("pubkey", &key(3))]).await;
    assert_eq!(own.went_to(), format!("/me/device/files?id={id}"));
    assert_eq!(postern.devices()[0].public_key.unwrap().to_string(), key(3));
    assert_eq!(postern.devices().len(), 1);
}

#[tokio::test]
async fn somebody_elses_device_gets_no_key_and_shows_no_file_and_their_key_is_not_taken() {
    let postern = Postern::new();
    let anns = with_device(&postern, "ann", "anns-laptop", 1).await;
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    for id in [anns.as_str(), "99"] {
        for page in ["files?", "state?", "file?name=hq.conf&"] {
            assert_eq!(browser.get(&format!("/me/device/{page}id={id}")).await.status, 404, "{page}");
        }
        let renew = json!({ "device": id.parse::<i64>().unwrap(), "pubkey": key(2) });
        assert_eq!(browser.send("/me/device/key", &renew).await.0, 409);
        let form = browser.post("/me/device/key", &[("device", id), ("pubkey", &key(2))]).await;
        form.shows(404, &["There is nothing here"]);
    }
    assert_eq!(add(&mut browser, "anns-laptop", 1).await.0, 409, "not even under its name");
    assert_eq!(postern.devices()[0].public_key.unwrap().to_string(), key(1));
    let told = refused(&postern, Action::DeviceRekey);
    assert_eq!(told, [("not-allowed".to_owned(), "jdoe".to_owned())], "once an hour");
    let foreign =
        browser.post_from("cross-site", "/me/devices/add", &[("name", "x"), ("pubkey", &key(3))]).await;
    assert_eq!(foreign.status, 403);
}

#[tokio::test]
async fn nobody_gets_more_devices_than_people_may_have_by_any_way() {
    let postern = limited(2);
    let id = with_device(&postern, "jdoe", "laptop", 1).await;
    let mut browser = signed_in(&postern, "jdoe").await;
    assert_eq!(add(&mut browser, "phone", 2).await.0, 200);
    let full = browser.get("/me/devices/add").await;
    full.shows(200, &["as many devices as you may have", "href=\"/me#devices\""]);
    full.lacks(&["data-module=\"device\"", "name=\"pubkey\""]);
    let (status, said) = add(&mut browser, "third", 3).await;
    assert!(
        status == 409 && said["error"].as_str().unwrap().contains("as many devices as you may"),
        "{said}"
    );
    browser.post("/me/client", &[]).await.went_to();
    let token = token_of(&browser.get("/me/client").await);
    let (_, cookie) = postern.start(&token).await;
    let client = postern.create_device(&cookie, "third", &key(3)).await;
    assert_eq!(client.status, 403);
    assert_eq!(
        client.error(),
        "you may have 2 devices, and no more: remove one that you do not use, or ask your administrator"
    );
    let mut wizard = Browser::new(&postern);
    wizard.start(&token).await;
    let typed = wizard.post("/enroll/device", &[("name", "third"), ("pubkey", &key(3))]).await;
    typed.shows(422, &["as many devices as you may have"]);
    assert_eq!(refused(&postern, Action::DeviceRegister).len(), 2, "of two addresses");
    browser.post("/me/device/remove", &[("device", &id)]).await.went_to();
    assert_eq!(add(&mut browser, "third", 3).await.0, 200);
    assert_eq!(postern.devices().len(), 2);
}

#[tokio::test]
async fn the_limit_of_devices_does_not_keep_anybody_from_enrolling() {
    let postern = limited(1);
    let (_, cookie) = postern.start(&postern.invite("jdoe")).await;
    for number in 1..=2 {
        let device = postern.create_device(&cookie, &format!("device{number}"), &key(number)).await;
        assert_eq!(device.status, 200, "{number}");
    }
    with_device(&postern, "ann", "laptop", 3).await;
    assert_eq!(add(&mut signed_in(&postern, "ann").await, "phone", 4).await.0, 409);
}

#[tokio::test]
async fn a_page_that_asks_for_lamps_does_not_keep_anybody_signed_in() {
    let postern = Postern::new();
    let id = with_device(&postern, "jdoe", "laptop", 1).await;
    let mut browser = signed_in(&postern, "jdoe").await;
    for _ in 0..6 {
        postern.pass(599);
        assert_eq!(browser.get(&format!("/me/device/state?id={id}")).await.status, 200);
    }
    postern.pass(6);
    assert_eq!(browser.get("/me").await.went_to(), "/sign-in");
}

#[tokio::test]
async fn links_devices_and_keys_together_are_ten_at_once_and_then_one_in_six_minutes() {
    let postern = Postern::new();
    let id = with_device(&postern, "jdoe", "laptop", 1).await;
    let mut browser = signed_in(&postern, "jdoe").await;
    for _ in 0..20 {
        browser
            .post("/me/device/key", &[("device", &id), ("pubkey", "x")])
            .await
            .shows(422, &["own-key-error"]);
    }
    for _ in 0..8 {
        browser.post("/me/client", &[]).await.went_to();
        browser.post("/me/client/withdraw", &[]).await.went_to();
    }
    assert_eq!(add(&mut browser, "phone", 2).await.0, 200);
    assert_eq!(
        browser
            .send("/me/device/key", &json!({ "device": id.parse::<i64>().unwrap(), "pubkey": key(3) }))
            .await
            .0,
        200
    );
    for (path, form) in [
        ("/me/client", [("mail", "1"), ("", "")]),
        ("/me/devices/add", [("name", "x"), ("pubkey", &key(4))]),
        ("/me/device/key", [("device", &id), ("pubkey", &key(4))]),
    ] {
        let page = browser.post(path, &form).await;
        page.shows(429, &["Too many"]);
        assert_eq!(page.headers["retry-after"], "360", "{path}");
    }
    enrolled(&postern, "eve").await;
    signed_in(&postern, "eve").await.post("/me/client", &[]).await.went_to();
    postern.pass(360);
    assert_eq!(add(&mut browser, "tablet", 5).await.0, 200);
    assert_eq!(add(&mut browser, "another", 6).await.0, 429);
}
