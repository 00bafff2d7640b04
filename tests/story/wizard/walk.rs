//! From the mail to the last page, and back into it from anywhere.

use postern::config::DeviceStep;
use postern::flows::invite::{Actor, Delivery, Guest, invite};
use postern::rules::message::Message;
use postern::store::Store;
use serde_json::json;

use crate::browser::{Browser, letters, token_in};
use crate::support::{NOW, Postern, key};

const STEPS: [&str; 4] = ["/enroll/you", "/enroll/password", "/enroll/device", "/enroll/done"];

/// Kinds of messages that wait in the outbox.
pub(crate) fn waiting(postern: &Postern) -> Vec<Message> {
    let due = postern.app.store.read_blocking(|tx| tx.due_mail(postern.app.now(), 100)).unwrap();
    due.iter().map(|mail| mail.message().unwrap()).collect()
}

/// A postern that writes its mail into `dir`.
pub(crate) fn mailing(dir: &std::path::Path) -> Postern {
    Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.config.mail.directory = Some(dir.to_owned());
    })
}

fn john() -> Guest {
    Guest {
        username: "jdoe".to_owned(),
        first_name: "John".to_owned(),
        last_name: "Doe".to_owned(),
        email: "jdoe@example.com".to_owned(),
        phone: "+48 123".to_owned(),
        groups: Vec::new(),
        is_admin: false,
    }
}

#[tokio::test]
async fn the_link_in_the_mail_leads_to_a_live_device_and_the_welcome() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    let guest = john();
    let (site, now) = (postern.app.site(), postern.app.now());
    let actor = Actor { name: "unix:root".to_owned(), account: None };
    let invited =
        |tx: &postern::store::Tx<'_>| invite(tx, &site, &actor, &guest, &Delivery::default(), now).map(drop);
    postern.app.store.write_blocking(invited).unwrap();
    let token = token_in(&letters(&postern, dir.path(), 1).await[0]);

    let mut browser = Browser::new(&postern);
    let first = browser.get(&format!("/?token={token}")).await;
    first.shows(200, &["Welcome, John", "Ann Admin invites you to the VPN of Example", "10 minutes"]);
    let deep_link = format!("defguard://addinstance?token={token}&#38;url=https%3A%2F%2Fvpn.example.com%2F");
    first.shows(200, &[&deep_link, "ann@example.com"]);

    browser.start(&token).await;
    let you = browser.get("/enroll/you").await;
    you.shows(
        200,
        &["John Doe", "jdoe@example.com", "value=\"+48 123\"", "Step 1 of 4", "data-seconds-left=\"600\""],
    );
    you.lacks(&[&token]);
    assert_eq!(browser.post("/enroll/you", &[("phone", "+48 999")]).await.went_to(), "/enroll/password");
    browser.get("/enroll/password").await.shows(200, &["autocomplete=\"new-password\"", "value=\"jdoe\""]);
    let set = browser.post("/enroll/password", &[("password", "correct horse")]).await;
    assert_eq!(set.went_to(), "/enroll/device");
    browser.get("/enroll/device").await.shows(200, &["Connect this device", "data-module=\"device\""]);
    let (status, answer) =
        browser.send("/enroll/device", &json!({ "name": "John’s laptop", "pubkey": key(1) })).await;
    assert_eq!((status, &answer["device"]["name"]), (200, &json!("John’s laptop")));
    let places = answer["places"].as_array().unwrap();
    assert_eq!(places.iter().map(|place| &place["file_name"]).collect::<Vec<_>>(), ["hq.conf", "lab.conf"]);
    assert!(places[0]["config"].as_str().unwrap().contains("PrivateKey = YOUR_PRIVATE_KEY\n"));
    let done = browser.get("/enroll/done").await;
    done.shows(200, &["You are all set", "John’s laptop", "<h2>Welcome John</h2>", "Step 4 of 4"]);

    let user = postern.app.store.read_blocking(|tx| tx.user_by_name("jdoe")).unwrap().unwrap();
    assert!(user.password_hash.is_some());
    assert_eq!(user.phone.as_deref(), Some("+48 999"));
    assert_eq!(postern.devices().len(), 1);
}

#[tokio::test]
async fn whoever_is_early_or_comes_back_is_led_to_the_first_step_that_is_not_done() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let mut browser = Browser::new(&postern);
    browser.start(&token).await;
    led(&mut browser, &token, 0, &[]).await;
    browser.post("/enroll/you", &[("phone", "")]).await;
    led(&mut browser, &token, 1, &[0]).await;
    browser.post("/enroll/password", &[("password", "correct horse")]).await;
    led(&mut browser, &token, 2, &[0]).await;
    browser.send("/enroll/device", &json!({ "name": "laptop", "pubkey": key(1) })).await;
    led(&mut browser, &token, 3, &[0, 2]).await;
}

/// Every page but the present one and `seen` leads to the present one, and so does the link.
async fn led(browser: &mut Browser<'_>, token: &str, present: usize, seen: &[usize]) {
    for (number, path) in STEPS.into_iter().enumerate() {
        let page = browser.get(path).await;
        if number == present || seen.contains(&number) {
            assert_eq!(page.status, 200, "{path}");
        } else {
            assert_eq!(page.went_to(), STEPS[present], "{path}");
        }
    }
    for opened in
        ["/enroll".to_owned(), "/".to_owned(), format!("/?token={token}"), format!("/enroll?token={token}")]
    {
        assert_eq!(browser.get(&opened).await.went_to(), STEPS[present], "{opened}");
    }
}

#[tokio::test]
async fn a_second_tab_neither_sets_the_password_again_nor_gets_lost() {
    let postern = Postern::new();
    let mut browser = Browser::new(&postern);
    browser.with_password(&postern.invite("jdoe")).await;
    let hash =
        || postern.app.store.read_blocking(|tx| tx.user_by_name("jdoe")).unwrap().unwrap().password_hash;
    let before = hash();
    let late = browser.post("/enroll/password", &[("password", "another horse")]).await;
    assert_eq!(late.went_to(), "/enroll/device");
    assert_eq!(hash(), before);
    let reviewed = browser.post("/enroll/you", &[("phone", "+48 1")]).await;
    assert_eq!(reviewed.went_to(), "/enroll/password");
    assert_eq!(browser.get("/enroll/password").await.went_to(), "/enroll/device");
}

#[tokio::test]
async fn another_browser_may_join_until_the_password_is_set_and_not_after() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    Browser::new(&postern).start(&token).await;
    let mut other = Browser::new(&postern);
    postern.pass(60);
    other.get(&format!("/?token={token}")).await.shows(200, &["You have started already"]);
    assert_eq!(other.start(&token).await.went_to(), "/enroll/you");
    other.with_password(&token).await;
    other.get("/enroll/device").await.shows(200, &["data-seconds-left=\"540\""]);
    let mut third = Browser::new(&postern);
    third.get(&format!("/?token={token}")).await.shows(410, &["Your account is set up"]);
}

#[tokio::test]
async fn what_was_typed_wrong_comes_back_beside_its_field_but_never_a_password() {
    let postern = Postern::new();
    let mut browser = Browser::new(&postern);
    browser.start(&postern.invite("jdoe")).await;
    let you = browser.post("/enroll/you", &[("phone", "call <me>")]).await;
    you.shows(
        422,
        &["id=\"phone-error\"", "value=\"call &#60;me&#62;\"", "aria-invalid=\"true\"", "href=\"#phone\""],
    );
    browser.post("/enroll/you", &[("phone", "")]).await;
    let password = browser.post("/enroll/password", &[("password", "s3cr3t!")]).await;
    password.shows(422, &["at least 8 characters", "aria-invalid=\"true\"", "href=\"#password\""]);
    password.lacks(&["s3cr3t!"]);
    browser.post("/enroll/password", &[("password", "correct horse")]).await;
    let typed = [("name", "Ann's & co"), ("pubkey", "no key")];
    let device = browser.post("/enroll/device", &typed).await;
    device.shows(
        422,
        &[
            "id=\"own-key-error\"",
            "value=\"Ann&#39;s &#38; co\"",
            "value=\"no key\"",
            "<details class=\"card\" id=\"device-own\" open>",
        ],
    );
    let nameless = browser.post("/enroll/device", &[("name", " "), ("pubkey", &key(1))]).await;
    nameless.shows(422, &["id=\"own-name-error\""]);
}

#[tokio::test]
async fn without_a_device_one_finishes_only_where_that_is_allowed() {
    for (device_step, offered, led_to) in
        [(DeviceStep::Optional, true, "/enroll/done"), (DeviceStep::Required, false, "")]
    {
        let dir = tempfile::tempdir().unwrap();
        let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
            plan.config.enrollment.device_step = device_step;
            plan.config.mail.directory = Some(dir.path().to_owned());
        });
        let mut browser = Browser::new(&postern);
        browser.with_password(&postern.invite("jdoe")).await;
        let page = browser.get("/enroll/device").await;
        assert_eq!(page.text.contains("action=\"/enroll/skip\""), offered);
        let skipped = browser.post("/enroll/skip", &[]).await;
        if !offered {
            skipped.shows(403, &["A device is needed"]);
            assert_eq!(waiting(&postern), []);
            continue;
        }
        assert_eq!(skipped.went_to(), led_to);
        let user = postern.user("jdoe");
        browser.get("/enroll/done").await.shows(200, &["Your account jdoe is ready"]);
        let told = [Message::Welcome { user }, Message::EnrollmentFinished { user }];
        assert_eq!(waiting(&postern), told, "the account half is all there is");
    }
}

#[tokio::test]
async fn after_the_password_the_desktop_client_gets_a_fresh_token_that_opens_a_session() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let mut browser = Browser::new(&postern);
    browser.with_password(&token).await;
    let offered = |text: &str| {
        let (_, rest) = text.split_once("defguard://addinstance?token=").unwrap();
        rest.split('&').next().unwrap().to_owned()
    };
    let fresh = offered(&browser.get("/enroll/device").await.text);
    assert_ne!(fresh, token);
    assert_eq!(offered(&browser.get("/enroll/device").await.text), fresh, "looking issues nothing");
    let (answer, _) = postern.start(&fresh).await;
    assert_eq!(answer.json()["user"]["enrolled"], true);
    browser.get("/enroll/device").await.shows(200, &["has been used"]);
}

#[tokio::test]
async fn a_link_for_another_device_leads_straight_to_it() {
    let postern = Postern::new();
    Browser::new(&postern).with_password(&postern.invite("jdoe")).await;
    let day = std::time::Duration::from_hours(24);
    let token = postern.issue("jdoe", postern::rules::enrollment::EnrollmentKind::Activation, day);
    let mut browser = Browser::new(&postern);
    browser.get(&format!("/?token={token}")).await.shows(200, &["you connect another device"]);
    assert_eq!(browser.start(&token).await.went_to(), "/enroll/device");
    assert_eq!(browser.get("/enroll/you").await.went_to(), "/enroll/device");
    browser.get("/enroll/device").await.shows(200, &["Step 1 of 2", &token]);
}
