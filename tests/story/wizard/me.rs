//! What is one's own: devices, sessions, the password. Nobody sees or changes what is somebody else's.

use axum::body::Body;
use axum::http::Request;
use postern::rules::action::Action;
use postern::rules::message::Message;
use postern::store::Store;
use serde_json::json;

use crate::browser::Browser;
use crate::sign_in::{PASSWORD, enrolled, sign_in, signed_in};
use crate::support::{NOW, Postern, key};
use crate::walk::{mailing, waiting};

/// Somebody with a password and a device; the device's number.
pub(crate) async fn with_device(postern: &Postern, username: &str, device: &str, number: u8) -> String {
    let mut browser = Browser::new(postern);
    browser.with_password(&postern.invite(username)).await;
    let registered = json!({ "name": device, "pubkey": key(number) });
    assert_eq!(browser.send("/enroll/device", &registered).await.0, 200);
    postern.devices().last().unwrap().id.to_string()
}

#[tokio::test]
async fn a_device_is_shown_with_its_addresses_renamed_and_removed_after_a_question() {
    let postern = Postern::new();
    let id = with_device(&postern, "jdoe", "laptop", 1).await;
    let mut browser = signed_in(&postern, "jdoe").await;
    let (page, remove) = (format!("/me/device?id={id}"), format!("/me/device/remove?id={id}"));
    let me = browser.get("/me").await;
    me.shows(200, &["laptop", "HQ", "10.77.1.2, fd77:1::2", "Lab", "10.77.2.2", &page]);
    me.lacks(&["Closed", "10.77.3."]);
    browser.get(&page).await.shows(200, &["<h1>laptop</h1>", "value=\"laptop\"", &remove]);
    for (name, why) in [("", "1 to 64"), (&*"x".repeat(65), "1 to 64")] {
        let refused = browser.post("/me/device", &[("device", &id), ("name", name)]).await;
        refused.shows(422, &["<h1>laptop</h1>", "id=\"name-error\"", why]);
    }
    let renamed = browser.post("/me/device", &[("device", &id), ("name", " <b>phone</b> ")]).await;
    assert_eq!(renamed.went_to(), "/me?done=renamed");
    let me = browser.get("/me?done=renamed").await;
    me.shows(200, &["&#60;b&#62;phone&#60;/b&#62;", "has its new name", "/me?done=renamed&#38;lang=de"]);
    browser.get(&remove).await.shows(200, &["Remove &#60;b&#62;phone", "Keep it"]);
    assert_eq!(postern.devices().len(), 1, "a look removes nothing");
    let removed = browser.post("/me/device/remove", &[("device", &id)]).await;
    assert_eq!(removed.went_to(), "/me?done=removed");
    browser.get("/me?done=removed").await.shows(200, &["is removed", "no device yet"]);
    assert!(postern.devices().is_empty());
    let audited = postern.audited();
    assert_eq!(audited[audited.len() - 2..], ["device.rename <b>phone</b>", "device.remove <b>phone</b>"]);
}

#[tokio::test]
async fn two_devices_of_one_person_are_not_called_the_same() {
    let postern = Postern::new();
    let id = with_device(&postern, "jdoe", "laptop", 1).await;
    let mut browser = Browser::new(&postern);
    let further = postern.issue(
        "jdoe",
        postern::rules::enrollment::EnrollmentKind::Activation,
        std::time::Duration::from_hours(1),
    );
    browser.start(&further).await;
    browser.send("/enroll/device", &json!({ "name": "phone", "pubkey": key(2) })).await;
    let mut browser = signed_in(&postern, "jdoe").await;
    let refused = browser.post("/me/device", &[("device", &id), ("name", "PHONE")]).await;
    refused.shows(422, &["a device of this name already", "value=\"PHONE\""]);
}

#[tokio::test]
async fn somebody_elses_device_and_session_are_as_if_they_were_not_there() {
    let postern = Postern::new();
    let anns = with_device(&postern, "ann", "anns-laptop", 1).await;
    let mut ann = signed_in(&postern, "ann").await;
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    browser.get("/me").await.lacks(&["anns-laptop"]);
    for id in [anns.as_str(), "99"] {
        browser.get(&format!("/me/device?id={id}")).await.shows(404, &["There is nothing here"]);
        browser.get(&format!("/me/device/remove?id={id}")).await.shows(404, &["There is nothing here"]);
        let renamed = browser.post("/me/device", &[("device", id), ("name", "mine")]).await;
        renamed.shows(404, &["There is nothing here"]);
        browser.post("/me/device/remove", &[("device", id)]).await.shows(404, &["There is nothing here"]);
    }
    for session in 1..5 {
        let session = session.to_string();
        // One's own, too: it is left for the end.
        if session != "2" {
            browser.post("/me/sessions", &[("session", &session)]).await.went_to();
        }
    }
    browser.post("/me/sessions", &[("session", "x")]).await.shows(400, &["not understood"]);
    ann.get("/me").await.shows(200, &["anns-laptop"]);
}

#[tokio::test]
async fn sessions_are_shown_with_browser_and_place_and_ended_one_or_all_others() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let mut other = Browser::new(&postern);
    other.address = "198.51.100.9".parse().unwrap();
    let form = "username=jdoe&password=correct+horse";
    let request = Request::post("/sign-in")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0")
        .header("sec-fetch-site", "same-origin");
    assert_eq!(other.ask(request.body(Body::from(form)).unwrap()).await.went_to(), "/me");
    postern.pass(600);
    let mut browser = signed_in(&postern, "jdoe").await;
    let mut third = signed_in(&postern, "jdoe").await;
    let me = browser.get("/me").await;
    me.shows(200, &["Firefox, Linux", "198.51.100.9, last used 10 minutes ago", "This browser", "192.0.2.7"]);
    assert_eq!(me.text.matches("name=\"session\"").count(), 3, "two others, and all of them");
    other.address = "203.0.113.5".parse().unwrap();
    other.get("/me").await.shows(200, &["203.0.113.5, last used just now"]);
    let first = browser.get("/me").await.text.split("name=\"session\" value=\"").nth(1).unwrap().to_owned();
    let number = first.split('"').next().unwrap().to_owned();
    assert_eq!(browser.post("/me/sessions", &[("session", &number)]).await.went_to(), "/me?done=ended");
    let left = [other.get("/me").await.status, third.get("/me").await.status];
    assert!(left == [303, 200] || left == [200, 303], "{left:?}");
    browser.post("/me/sessions", &[("session", "others")]).await.went_to();
    assert_eq!([other.get("/me").await.status, third.get("/me").await.status], [303, 303]);
    browser.get("/me").await.lacks(&["name=\"session\""]);
    let log = postern.app.store.read_blocking(|tx| tx.audit_of(Action::SessionEnd, 9)).unwrap();
    assert_eq!(log.len(), 2);
    assert_eq!(log[0].source.as_deref(), Some("192.0.2.7"));
}

#[tokio::test]
async fn another_password_takes_the_present_one_signs_out_all_others_and_is_told_by_mail() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    enrolled(&postern, "jdoe").await;
    let mut other = signed_in(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    browser.get("/me/password").await.shows(200, &["Current password", "value=\"jdoe\""]);
    let change = |present, password| [("present", present), ("password", password)];
    let short = browser.post("/me/password", &change(PASSWORD, "short")).await;
    short.shows(422, &["at least 8 characters"]);
    let wrong = browser.post("/me/password", &change("wrong horse", "battery staple")).await;
    wrong.shows(422, &["This is not your current password"]);
    wrong.lacks(&["wrong horse", "battery staple"]);
    other.get("/me").await.shows(200, &["Your account"]);
    let before = browser.cookies["__Host-postern_session"].clone();
    let changed = browser.post("/me/password", &change(PASSWORD, "battery staple")).await;
    assert_eq!(changed.went_to(), "/me?done=password");
    browser.get("/me?done=password").await.shows(200, &["Your password is changed"]);
    assert_ne!(browser.cookies["__Host-postern_session"], before);
    assert_eq!(other.get("/me").await.went_to(), "/sign-in");
    let user = postern.user("jdoe");
    assert_eq!(waiting(&postern), [Message::PasswordChanged { user }]);
    assert_eq!(sign_in(&mut Browser::new(&postern), "jdoe", PASSWORD).await.status, 401);
    assert_eq!(sign_in(&mut Browser::new(&postern), "jdoe", "battery staple").await.went_to(), "/me");
    assert!(postern.audited().contains(&"password.change jdoe".to_owned()));
}

/// Or whoever finds a browser signed in finds out the password.
#[tokio::test]
async fn the_present_password_is_guessed_ten_times() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    let change = |present| [("present", present), ("password", "battery staple")];
    for _ in 0..10 {
        assert_eq!(browser.post("/me/password", &change("wrong horse")).await.status, 422);
    }
    let refused = browser.post("/me/password", &change(PASSWORD)).await;
    refused.shows(429, &["For 60 minutes no password works"]);
    assert_eq!(refused.headers["retry-after"], "3600");
}

#[tokio::test]
async fn a_location_that_asks_for_a_second_factor_is_neither_pending_nor_ready_but_says_how_to_connect() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.location("Lab").second_factor = true;
    });
    with_device(&postern, "jdoe", "laptop", 1).await;
    let mut browser = signed_in(&postern, "jdoe").await;
    let me = browser.get("/me").await;
    me.shows(200, &["Asks for a second factor at each connection: connect with the desktop client"]);
    browser.get("/me?lang=de").await.shows(200, &["Verlangt bei jeder Verbindung einen zweiten Faktor"]);
    browser.get("/me?lang=pl").await.shows(200, &["Przy każdym połączeniu wymaga drugiego składnika"]);
}

#[tokio::test]
async fn who_is_signed_in_is_told_whom_to_ask_and_begins_at_their_page_and_strangers_do_not() {
    let postern = Postern::new();
    with_device(&postern, "jdoe", "laptop", 1).await;
    let mut browser = signed_in(&postern, "jdoe").await;
    for path in ["/me", "/me/password", "/me/devices/add", "/me/second-factor", "/me/passkeys", "/me/apps"] {
        browser.get(path).await.shows(200, &["mailto:ann@example.com"]);
    }
    assert_eq!(browser.get("/").await.went_to(), "/me");
    browser.get("/enroll").await.shows(200, &["name=\"token\""]);
    for path in ["/", "/sign-in", "/password", "/nowhere"] {
        Browser::new(&postern).get(path).await.lacks(&["ann@example.com", "mailto:"]);
    }
}
