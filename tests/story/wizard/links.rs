//! Links that are good for nothing any more, that never were, and that are for machines.

use std::time::Duration;

use postern::flows::accounts::disable;
use postern::flows::invite::Actor;
use postern::rules::enrollment::EnrollmentKind;
use postern::rules::message::Message;
use postern::store::Store;

use crate::browser::Browser;
use crate::support::{NOW, Postern};
use crate::walk::{mailing, waiting};

#[tokio::test]
async fn every_dead_link_says_what_to_do_and_whom_to_ask() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    let expired = postern.issue("late", EnrollmentKind::Enrollment, Duration::from_mins(1));
    let withdrawn = postern.invite("jdoe");
    postern.invite("jdoe");
    let used = postern.invite("slow");
    Browser::new(&postern).start(&used).await;
    let done = postern.invite("done");
    Browser::new(&postern).with_password(&done).await;
    postern.pass(600);
    for (token, said) in [
        (expired, "This link has expired"),
        (withdrawn, "There is a newer link"),
        (used, "This link has been used"),
        (done, "Your account is set up"),
    ] {
        let mut browser = Browser::new(&postern);
        let page = browser.get(&format!("/?token={token}")).await;
        page.shows(410, &[said, "Ann Admin", "ann@example.com", "action=\"/enroll/new-link\""]);
        let started = browser.post("/enroll/start", &[("token", &token)]).await;
        started.shows(410, &[said]);
        assert!(browser.cookies.is_empty());
    }
}

#[tokio::test]
async fn a_token_that_never_was_gets_the_public_help_and_nothing_else() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.config.branding.help_text = "Come to <room> 12".to_owned();
    });
    for token in ["nonsense", "0123456789abcdefghijklmnopqrstuv", "%00", "ä", "x".repeat(5000).as_str()] {
        let page = Browser::new(&postern).get(&format!("/?token={}", token.replace('ä', "%C3%A4"))).await;
        page.shows(404, &["This link does not work", "Come to &#60;room&#62; 12", "href=\"/enroll\""]);
        page.lacks(&["ann@example.com", "Ann Admin", "<form", "<button", "mailto:"]);
    }
    let asked = Browser::new(&postern).post("/enroll/new-link", &[("token", "nonsense")]).await;
    asked.shows(404, &["This link does not work"]);
    let started = Browser::new(&postern).post("/enroll/start", &[("token", "nonsense")]).await;
    started.shows(404, &["This link does not work"]);
}

#[tokio::test]
async fn a_dead_link_asks_for_a_new_one_and_only_so_often() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    let token = postern.invite("jdoe");
    postern.invite("jdoe");
    let user = postern.user("jdoe");
    let mut browser = Browser::new(&postern);
    for _ in 0..2 {
        browser.post("/enroll/new-link", &[("token", &token)]).await.shows(200, &["We have asked"]);
    }
    let third = browser.post("/enroll/new-link", &[("token", &token)]).await;
    third.shows(200, &["We have asked"]);
    let asked = Message::NewLinkWanted { user };
    assert_eq!(waiting(&postern), [asked.clone(), asked], "the administrator is not told a third time");
}

#[tokio::test]
async fn where_no_mail_is_sent_nothing_says_that_one_is_on_its_way() {
    let postern =
        Postern::planned(Store::in_memory().unwrap(), NOW, |plan| plan.config.mail.directory = None);
    let token = postern.invite("jdoe");
    postern.invite("jdoe");
    let mut browser = Browser::new(&postern);
    let page = browser.get(&format!("/?token={token}")).await;
    page.shows(410, &["There is a newer link", "ann@example.com"]);
    page.lacks(&["new-link"]);
    let asked = browser.post("/enroll/new-link", &[("token", &token)]).await;
    asked.shows(410, &["There is a newer link"]);
    browser.get("/").await.lacks(&["/password"]);
    browser.get("/password").await.shows(404, &["This server sends no mail"]);
    let forgotten = browser.post("/password", &[("email", "jdoe@example.com")]).await;
    forgotten.shows(404, &["This server sends no mail"]);
}

#[tokio::test]
async fn nobody_who_has_finished_is_sent_looking_for_a_newer_link() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    Browser::new(&postern).with_password(&postern.invite("jdoe")).await;
    let page = Browser::new(&postern).get(&format!("/?token={token}")).await;
    page.shows(410, &["Your account is set up"]);
}

#[tokio::test]
async fn a_good_link_asks_for_nothing() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let page = Browser::new(&postern).post("/enroll/new-link", &[("token", &token)]).await;
    page.shows(200, &["Welcome, John"]);
    assert!(!postern.audited().iter().any(|deed| deed.starts_with("enrollment.ask")));
}

#[tokio::test]
async fn a_disabled_account_is_told_so_by_its_links_used_or_not_and_asks_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    let used = postern.invite("jdoe");
    let mut browser = Browser::new(&postern);
    browser.start(&used).await;
    let unused = postern.invite("jdoe");
    let (site, now) = (postern.app.site(), postern.app.now());
    let actor = Actor { name: "unix:root".to_owned(), account: None };
    postern.app.store.write_blocking(|tx| disable(tx, &site, &actor, "jdoe", now)).unwrap();
    browser.get("/enroll/you").await.shows(401, &["Your time is up"]);
    for token in [used, unused] {
        let page = Browser::new(&postern).get(&format!("/?token={token}")).await;
        page.shows(410, &["This account is disabled"]);
        page.lacks(&["new-link"]);
        let asked = Browser::new(&postern).post("/enroll/new-link", &[("token", &token)]).await;
        asked.shows(410, &["This account is disabled"]);
    }
    assert_eq!(waiting(&postern), []);
}

#[tokio::test]
async fn a_session_of_a_disabled_account_is_told_so() {
    let postern = Postern::new();
    let mut browser = Browser::new(&postern);
    browser.start(&postern.invite("jdoe")).await;
    let id = postern.user("jdoe");
    postern.app.store.write_blocking(|tx| tx.set_disabled(id, Some(postern.app.now()))).unwrap();
    browser.get("/enroll/you").await.shows(403, &["This account is disabled"]);
}

#[tokio::test]
async fn a_machines_link_says_how_to_use_it() {
    let postern = Postern::new();
    let token = postern.add_machine("edge-box", "HQ");
    let page = Browser::new(&postern).get(&format!("/?token={token}")).await;
    page.shows(200, &["edge-box", &format!("dg enroll --token {token} --url https://vpn.example.com/")]);
    let started = Browser::new(&postern).post("/enroll/start", &[("token", &token)]).await;
    started.shows(200, &["edge-box"]);
    assert_eq!(postern.audited(), ["enrollment.start edge-box"], "nothing was started");
    let refused = postern.app.store.read_blocking(|tx| tx.refused_since(0, 9)).unwrap();
    assert_eq!(refused[0].refused.as_deref(), Some("misused"));
}

#[tokio::test]
async fn the_whole_link_may_be_pasted_where_the_token_is_asked_for() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let mut browser = Browser::new(&postern);
    browser.get("/").await.shows(200, &["name=\"token\"", "/password"]);
    for pasted in [
        format!("/?token=https%3A%2F%2Fvpn.example.com%2F%3Ftoken%3D{token}"),
        format!("/enroll?token=+{token}%0A"),
    ] {
        browser.get(&pasted).await.shows(200, &["Welcome, John"]);
    }
}

#[tokio::test]
async fn when_the_time_is_up_every_page_says_so_and_the_link_tells_the_rest() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let mut browser = Browser::new(&postern);
    browser.start(&token).await;
    postern.pass(600);
    for path in ["/enroll/you", "/enroll/password", "/enroll/device", "/enroll/done"] {
        browser.get(path).await.shows(401, &["Your time is up", "Open the link in your mail again"]);
    }
    browser.post("/enroll/you", &[("phone", "")]).await.shows(401, &["Your time is up"]);
    browser.get(&format!("/?token={token}")).await.shows(410, &["This link has been used"]);
}

#[tokio::test]
async fn guessing_tokens_is_slowed_down() {
    let postern = Postern::new();
    let mut browser = Browser::new(&postern);
    let mut refused = 0;
    for guess in 0..40 {
        let page = browser.get(&format!("/?token=guess{guess}")).await;
        refused += usize::from(page.status == 429);
    }
    assert_eq!(refused, 10);
    let good = postern.invite("jdoe");
    let mut neighbour = Browser::new(&postern);
    neighbour.address = "192.0.2.8".parse().unwrap();
    neighbour.get(&format!("/?token={good}")).await.shows(200, &["Welcome, John"]);
}
