//! The device step without scripts and with them, a lost key, and the lamps.

use std::time::{Duration, SystemTime};

use postern::gateway_view::{GatewayQuestion, GatewayView, Stats};
use postern::rules::ids::LocationId;
use postern::store::{Store, StoreError};
use postern_gateway::{PeerStats, PublicKey};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::sign_in::signed_in;
use crate::support::{NOW, Postern, key};

#[tokio::test]
async fn without_scripts_one_brings_a_key_and_gets_files_to_put_the_other_half_into() {
    let postern = Postern::new();
    let mut browser = Browser::new(&postern);
    browser.with_password(&postern.invite("jdoe")).await;
    browser.get("/enroll/device").await.shows(200, &["<noscript>", "I have my own public key"]);
    let typed = format!(" {} ", key(1));
    let registered = browser.post("/enroll/device", &[("name", "router"), ("pubkey", &typed)]).await;
    assert_eq!(registered.went_to(), "/enroll/device");
    let page = browser.get("/enroll/device").await;
    page.shows(
        200,
        &["router is registered", "href=\"/enroll/device/hq.conf\"", "PrivateKey = YOUR_PRIVATE_KEY"],
    );
    let file = browser.get("/enroll/device/lab.conf").await;
    file.shows(200, &["[Interface]\nPrivateKey = YOUR_PRIVATE_KEY\n", "Address = 10.77.2."]);
    assert_eq!(file.headers["content-disposition"], "attachment; filename=\"lab.conf\"");
    browser.get("/enroll/device/closed.conf").await.shows(404, &["There is nothing here"]);
    assert_eq!(postern.devices()[0].public_key.unwrap().to_string(), key(1));
}

#[tokio::test]
async fn the_script_is_told_in_the_readers_words_why_a_device_is_refused() {
    let postern = Postern::new();
    let hq = postern.app.site().location_named("HQ").unwrap().public_key.to_string();
    let mut browser = Browser::new(&postern);
    browser.language = "de";
    browser.with_password(&postern.invite("jdoe")).await;
    browser.send("/enroll/device", &json!({ "name": "Laptop", "pubkey": key(1) })).await;
    let mut other = Browser::new(&postern);
    other.with_password(&postern.invite("other")).await;
    other.send("/enroll/device", &json!({ "name": "Laptop", "pubkey": key(3) })).await;
    for (name, pubkey, status, said) in [
        ("laptop", key(2), 409, "Sie haben schon ein Gerät mit diesem Namen"),
        ("other", key(3), 409, "Dieser Schlüssel ist schon registriert"),
        ("other", hq, 409, "Das ist der Schlüssel des Gateways"),
        ("other", "x".to_owned(), 409, "Das ist kein öffentlicher WireGuard-Schlüssel"),
        ("", key(2), 409, "Geben Sie dem Gerät einen Namen"),
    ] {
        let answer = browser.send("/enroll/device", &json!({ "name": name, "pubkey": pubkey })).await;
        assert_eq!(answer.0, status);
        assert!(answer.1["error"].as_str().unwrap().starts_with(said), "{}", answer.1);
    }
    for body in [json!({ "name": "x" }), json!([]), json!({ "name": 1, "pubkey": 2 })] {
        assert_eq!(browser.send("/enroll/device", &body).await.0, 400, "{body}");
    }
    assert_eq!(Browser::new(&postern).send("/enroll/device", &json!({})).await.0, 401);
}

#[tokio::test]
async fn whoever_got_no_answer_asks_again_with_the_same_key_and_has_one_device() {
    let postern = Postern::new();
    let mut browser = Browser::new(&postern);
    browser.with_password(&postern.invite("jdoe")).await;
    let body = json!({ "name": "laptop", "pubkey": key(1) });
    let first = browser.send("/enroll/device", &body).await;
    let again = browser.send("/enroll/device", &body).await;
    assert_eq!((first.0, &again), (200, &first));
    let renamed = browser.send("/enroll/device", &json!({ "name": "notebook", "pubkey": key(1) })).await;
    assert_eq!(renamed, first, "it is called what it was called first");
    assert_eq!(postern.devices().len(), 1);
}

#[tokio::test]
async fn a_lost_key_is_replaced_on_the_same_device_and_the_old_one_is_gone() {
    let postern = Postern::new();
    let mut browser = Browser::new(&postern);
    browser.with_password(&postern.invite("jdoe")).await;
    let (_, first) = browser.send("/enroll/device", &json!({ "name": "laptop", "pubkey": key(1) })).await;
    let id = &first["device"]["id"];
    let (status, second) =
        browser.send("/enroll/device/key", &json!({ "device": id, "pubkey": key(2) })).await;
    assert_eq!((status, &second["device"]), (200, &first["device"]));
    assert_eq!(second["places"][0]["config"], first["places"][0]["config"], "the same addresses");
    let devices = postern.devices();
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].public_key.unwrap().to_string(), key(2));
    let again = browser.send("/enroll/device", &json!({ "name": "other", "pubkey": key(1) })).await;
    assert_eq!(again.0, 200, "the old key is nobody's");
}

#[tokio::test]
async fn nobody_replaces_the_key_of_a_device_from_another_session() {
    let postern = Postern::new();
    let mut owner = Browser::new(&postern);
    owner.with_password(&postern.invite("jdoe")).await;
    let (_, answer) = owner.send("/enroll/device", &json!({ "name": "laptop", "pubkey": key(1) })).await;
    let mut other = Browser::new(&postern);
    other.with_password(&postern.invite("eve")).await;
    let body = json!({ "device": answer["device"]["id"], "pubkey": key(2) });
    let (status, refused) = other.send("/enroll/device/key", &body).await;
    assert_eq!((status, refused["error"].is_string()), (409, true));
    assert_eq!(postern.devices()[0].public_key.unwrap().to_string(), key(1));
}

#[tokio::test]
async fn the_lamp_goes_from_pending_to_ready_to_connected() {
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
    let mut browser = Browser::new(&postern);
    browser.with_password(&postern.invite("jdoe")).await;
    let (_, answer) = browser.send("/enroll/device", &json!({ "name": "laptop", "pubkey": key(1) })).await;
    assert_eq!(states(&answer), ["pending", "pending"]);
    let device = postern.devices()[0].id;
    let live = |tx: &postern::store::Tx<'_>| {
        tx.set_live(device, hq, Some(postern.app.now()))?;
        Ok::<_, StoreError>(())
    };
    postern.app.store.write_blocking(live).unwrap();
    assert_eq!(states(&looked(&mut browser).await), ["ready", "pending"]);
    handshake.send_replace(Some(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs())));
    assert_eq!(states(&looked(&mut browser).await), ["ready", "pending"], "an answer is good for a second");
    postern.pass(1);
    let state = looked(&mut browser).await;
    assert_eq!((states(&state), &state["seconds_left"]), (vec!["connected", "pending"], &json!(599)));
    let (_, renewed) =
        browser.send("/enroll/device/key", &json!({ "device": device.0, "pubkey": key(2) })).await;
    assert_eq!(states(&renewed), ["pending", "pending"], "the new key is nowhere yet");
}

async fn looked(browser: &mut Browser<'_>) -> Value {
    let page = browser.get("/enroll/device/state").await;
    assert_eq!(page.status, 200);
    serde_json::from_str(&page.text).unwrap()
}

fn states(answer: &Value) -> Vec<&str> {
    answer["places"].as_array().unwrap().iter().map(|place| place["state"].as_str().unwrap()).collect()
}

pub(crate) fn counted(location: LocationId, key: PublicKey, last_handshake: Option<SystemTime>) -> Stats {
    let peer = PeerStats { endpoint: None, last_handshake, rx_bytes: 0, tx_bytes: 0 };
    Stats::from([(location, [(key, peer)].into())])
}

#[tokio::test]
async fn of_a_location_that_asks_for_a_second_factor_there_is_no_file_and_the_page_says_why() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.location("Lab").second_factor = true;
    });
    let mut browser = Browser::new(&postern);
    browser.with_password(&postern.invite("jdoe")).await;
    let why = "Networks that ask for a second factor at each connection: Lab. Use the desktop client";
    browser.get("/enroll/device").await.shows(200, &[why]);
    let (status, answer) =
        browser.send("/enroll/device", &json!({ "name": "laptop", "pubkey": key(1) })).await;
    assert_eq!(status, 200, "{answer}");
    let places = answer["places"].as_array().unwrap();
    assert_eq!(places.iter().map(|place| &place["location"]).collect::<Vec<_>>(), ["HQ"]);
    assert_eq!(looked(&mut browser).await["places"].as_array().unwrap().len(), 1);
    let page = browser.get("/enroll/device").await;
    page.shows(200, &[why, "href=\"/enroll/device/hq.conf\""]);
    page.lacks(&["lab.conf", "10.77.2."]);
    browser.get("/enroll/device/lab.conf").await.shows(404, &[]);
    for (language, said) in [("de", "einen zweiten Faktor verlangen: Lab"), ("pl", "drugiego składnika: Lab")]
    {
        browser.get(&format!("/enroll/device?lang={language}")).await.shows(200, &[said]);
    }
}

#[tokio::test]
async fn where_every_location_asks_for_a_second_factor_the_step_leads_to_the_desktop_client() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        for name in ["HQ", "Lab"] {
            plan.location(name).second_factor = true;
        }
    });
    let mut browser = Browser::new(&postern);
    browser.with_password(&postern.invite("jdoe")).await;
    let said = "asks for a second factor at each connection: HQ, Lab. Only the desktop client";
    let page = browser.get("/enroll/device").await;
    page.shows(200, &[said, "Use the desktop client", "defguard://addinstance"]);
    page.lacks(&[
        "<noscript>",
        "action=\"/enroll/device\"",
        "I have my own public key",
        "Or use the desktop client",
    ]);
    let (_, link) = page.text.split_once("defguard://addinstance?token=").unwrap();
    let (_, session) = postern.start(link.split('&').next().unwrap()).await;
    assert_eq!(browser.get("/enroll/done").await.went_to(), "/enroll/device", "no client has a device yet");
    let registered = postern.create_device(&session, "laptop", &key(1)).await;
    browser.get("/enroll/device").await.shows(200, &["has been used", "href=\"/enroll/done\""]);
    let done = browser.get("/enroll/done").await;
    done.shows(200, &["laptop may use the VPN"]);
    done.lacks(&["add a device later", "To connect a device", "Something not saved"]);

    let device = registered.json()["device"]["id"].clone();
    let files = signed_in(&postern, "jdoe").await.get(&format!("/me/device/files?id={device}")).await;
    files.shows(200, &[said]);
    files.lacks(&["At present it may use no location", "own public key"]);
}

#[tokio::test]
async fn whoever_registers_in_the_desktop_client_goes_on_from_the_step_without_another_device() {
    let postern = Postern::new();
    let mut browser = Browser::new(&postern);
    browser.with_password(&postern.invite("jdoe")).await;
    let page = browser.get("/enroll/device").await;
    let onward = "class=\"button quiet\" href=\"/enroll/done\"";
    page.lacks(&[onward]);
    let (_, link) = page.text.split_once("defguard://addinstance?token=").unwrap();
    let (_, session) = postern.start(link.split('&').next().unwrap()).await;
    assert_eq!(postern.create_device(&session, "laptop", &key(1)).await.status, 200);
    browser.get("/enroll/device").await.shows(200, &["has been used", onward]);
    browser.get("/enroll/done").await.shows(200, &["laptop may use the VPN"]);
}
