//! The link with which somebody who has signed in sets up a desktop client, and what they change about themselves.

use std::collections::BTreeSet;

use postern::config::Particular;
use postern::rules::action::Action;
use postern::store::Store;

use crate::browser::{Browser, Page, letters, token_in};
use crate::sign_in::{enrolled, signed_in};
use crate::support::{NOW, Postern, key};
use crate::walk::{mailing, waiting};

pub(crate) fn token_of(page: &Page) -> String {
    let (_, rest) =
        page.text.split_once("defguard://addinstance?token=").unwrap_or_else(|| panic!("{}", page.text));
    rest.split('&').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_link_for_the_desktop_client_works_for_ten_minutes_until_it_is_taken_back() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    // Of enrolling, there is one of a day.
    browser.get("/me/client").await.shows(200, &["within 24 hours", "defguard://"]);
    browser.post("/me/client/withdraw", &[]).await.went_to();
    browser.get("/me/client").await.lacks(&["defguard://"]);
    let make = async |browser: &mut Browser<'_>| {
        assert_eq!(browser.post("/me/client", &[]).await.went_to(), "/me/client");
        token_of(&browser.get("/me/client").await)
    };
    let first = make(&mut browser).await;
    let shown = browser.get("/me/client").await;
    shown.shows(200, &["within 10 minutes", "value=\"https://vpn.example.com/\"", &first]);
    assert_eq!(make(&mut browser).await, first, "it is good still");
    assert_eq!(browser.post("/me/client/withdraw", &[]).await.went_to(), "/me?done=withdrawn");
    assert_eq!(postern.present("/api/v1/enrollment/start", &first).await.status, 401);
    let second = make(&mut browser).await;
    assert_ne!(second, first);
    postern.pass(600);
    assert_eq!(
        postern.present("/api/v1/enrollment/start", &second).await.told(),
        (401, "token expired".to_owned())
    );
    browser.get("/me/client").await.lacks(&["defguard://"]);
    let third = make(&mut browser).await;
    let (answer, cookie) = postern.start(&third).await;
    assert_eq!(answer.json()["user"]["enrolled"], true);
    let started = browser.get("/me/client").await;
    started.shows(200, &["has started with it and has 10 more minutes"]);
    started.lacks(&[&third]);
    assert_eq!(postern.create_device(&cookie, "laptop", &key(1)).await.status, 200);
    let (_, another) = postern.start(&third).await;
    assert_eq!(postern.create_device(&another, "phone", &key(3)).await.status, 200, "a second client");
    browser.post("/me/client/withdraw", &[]).await.went_to();
    assert_eq!(postern.create_device(&cookie, "other", &key(2)).await.status, 401);
    assert_eq!(postern.devices().len(), 2, "what is registered stays");
    let count =
        |action: &str| postern.audited().iter().filter(|entry| *entry == &format!("{action} jdoe")).count();
    assert_eq!((count("user.activate-client"), count("user.withdraw-client")), (3, 3));
}

#[tokio::test]
async fn the_link_for_the_desktop_client_goes_by_mail_only_if_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    browser.post("/me/client/withdraw", &[]).await.went_to();
    browser.get("/me/client").await.shows(200, &["Also send it to jdoe@example.com"]);
    browser.post("/me/client", &[]).await.went_to();
    assert_eq!(waiting(&postern), []);
    browser.post("/me/client/withdraw", &[]).await.went_to();
    browser.post("/me/client", &[("mail", "1")]).await.went_to();
    let shown = token_of(&browser.get("/me/client").await);
    assert_eq!(token_in(&letters(&postern, dir.path(), 1).await[0]), shown);
}

#[tokio::test]
async fn people_change_of_their_particulars_what_the_configuration_lets_them() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    browser.get("/me/particulars").await.shows(200, &["value=\"John\"", "value=\"Doe\"", "name=\"phone\""]);
    let typed = |first, phone| {
        [
            ("first_name", first),
            ("last_name", "Doe"),
            ("phone", phone),
            ("email", "eve@example.com"),
            ("username", "root"),
        ]
    };
    let wrong = browser.post("/me/particulars", &typed(" ", "call me")).await;
    wrong.shows(
        422,
        &["id=\"first_name-error\"", "id=\"phone-error\"", "value=\"call me\"", "href=\"#phone\""],
    );
    let changed = browser.post("/me/particulars", &typed("Johnny <b>", "+48 123")).await;
    assert_eq!(changed.went_to(), "/me?done=changed");
    browser
        .get("/me?done=changed")
        .await
        .shows(200, &["Johnny &#60;b&#62; Doe", "+48 123", "are saved", "jdoe@example.com"]);
    let log = postern.app.store.read_blocking(|tx| tx.audit_of(Action::UserEdit, 9)).unwrap();
    assert_eq!(
        (log.len(), log[0].actor.as_str(), log[0].detail.as_deref()),
        (1, "jdoe", Some("first_name, phone"))
    );
}

#[tokio::test]
async fn what_people_may_not_change_is_neither_offered_nor_taken() {
    for (may_change, offered) in [(BTreeSet::from([Particular::Phone]), true), (BTreeSet::new(), false)] {
        let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
            plan.config.portal.may_change.clone_from(&may_change);
        });
        enrolled(&postern, "jdoe").await;
        let mut browser = signed_in(&postern, "jdoe").await;
        assert_eq!(browser.get("/me").await.text.contains("href=\"/me/particulars\""), offered);
        let page = browser.get("/me/particulars").await;
        assert_eq!(page.status, if offered { 200 } else { 404 });
        page.lacks(&["name=\"first_name\""]);
        browser
            .post("/me/particulars", &[("first_name", "Eve"), ("last_name", "Eve"), ("phone", "+48 1")])
            .await;
        let user = postern.app.store.read_blocking(|tx| tx.user_by_name("jdoe")).unwrap().unwrap();
        assert_eq!((user.first_name.as_str(), user.phone.is_some()), ("John", offered));
    }
}
