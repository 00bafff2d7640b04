//! A forgotten password, in the browser and over JSON.

use std::time::Duration;

use postern::password::Passwords;
use postern::rules::action::Action;
use postern::rules::message::Message;
use postern::store::Store;
use zeroize::Zeroizing;

use crate::browser::{Browser, letters, token_in};
use crate::support::{NOW, Postern};
use crate::walk::{mailing, waiting};

const REQUEST: &str = "/api/v1/password-reset/request";
const START: &str = "/api/v1/password-reset/start";
const RESET: &str = "/api/v1/password-reset/reset";

async fn can_sign_in(postern: &Postern, password: &str) -> bool {
    let user = postern.app.store.read_blocking(|tx| tx.user_by_name("jdoe")).unwrap().unwrap();
    let (password, hash) = (Zeroizing::new(password.to_owned()), user.password_hash.unwrap());
    Passwords::default().verify(password, Some(hash)).await.unwrap()
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_a_link_in_a_mail_and_sessions_end() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    let mut enrolling = Browser::new(&postern);
    enrolling.with_password(&postern.invite("jdoe")).await;
    let mut browser = Browser::new(&postern);
    browser.get("/password").await.shows(200, &["Forgotten your password"]);
    let sent = browser.post("/password", &[("email", " JDoe@example.com ")]).await;
    assert_eq!(sent.went_to(), "/password/sent");
    browser.get("/password/sent").await.shows(200, &["Check your mail"]);
    let letters_sent = letters(&postern, dir.path(), 1).await;
    let token = token_in(&letters_sent[0]);
    let page = browser.get(&format!("/password-reset?token={token}")).await;
    page.shows(200, &["Choose a new password", "10 minutes"]);
    let started = browser.post("/password-reset", &[("token", &token)]).await;
    assert_eq!(started.went_to(), "/password-reset/new");
    browser.get("/password-reset/new").await.shows(200, &["value=\"jdoe\"", "data-seconds-left=\"600\""]);
    let short = browser.post("/password-reset/new", &[("password", "s3cr3t!")]).await;
    short.shows(422, &["at least 8 characters"]);
    short.lacks(&["s3cr3t!"]);
    assert_eq!(enrolling.get("/enroll/device").await.status, 200);
    let long = browser.post("/password-reset/new", &[("password", &"x".repeat(1025))]).await;
    long.shows(422, &["at most 1024 characters"]);
    let set = browser.post("/password-reset/new", &[("password", "battery staple")]).await;
    assert_eq!(set.went_to(), "/password-reset/done");
    assert_eq!(browser.cookies["__Host-postern_reset"], "", "the session is over");
    for address in ["/password-reset/done", "/password-reset/done?lang=en"] {
        browser.get(address).await.shows(200, &["is changed"]);
    }
    assert!(can_sign_in(&postern, "battery staple").await && !can_sign_in(&postern, "correct horse").await);
    enrolling.get("/enroll/device").await.shows(401, &["Your time is up"]);
    let user = postern.user("jdoe");
    assert_eq!(waiting(&postern), [Message::PasswordChanged { user }]);
    browser
        .post("/password-reset/new", &[("password", "another one")])
        .await
        .shows(401, &["Your time is up"]);
    browser.get(&format!("/password-reset?token={token}")).await.shows(410, &["does not work any more"]);
    browser.post("/password-reset", &[("token", &token)]).await.shows(410, &["does not work any more"]);
}

#[tokio::test]
async fn whether_there_is_such_an_account_is_told_to_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    Browser::new(&postern).with_password(&postern.invite("jdoe")).await;
    postern.invite("unfinished");
    let mut answers = Vec::new();
    for name in ["jdoe", "unfinished", "nobody"] {
        let email = format!("{name}@example.com");
        let fields = [("email", email.as_str())];
        let mut browser = Browser::new(&postern);
        let mut asked = std::pin::pin!(browser.post("/password", &fields));
        let at_once = tokio::time::timeout(Duration::from_millis(350), &mut asked).await;
        assert!(at_once.is_err(), "{name} was answered at once");
        let page = asked.await;
        answers.push((page.status, page.went_to().to_owned(), page.text));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    letters(&postern, dir.path(), 1).await;
    assert_eq!(waiting(&postern), [], "one mail, and nothing is left of the others");
    let audited = postern.audited().into_iter().filter(|entry| entry.starts_with("password.forget"));
    assert_eq!(audited.collect::<Vec<_>>(), ["password.forget jdoe"]);
    let log = postern.app.store.read_blocking(|tx| tx.audit_of(Action::PasswordForget, 9)).unwrap();
    assert_eq!(log[0].source.as_deref(), Some("192.0.2.7"), "from where it was asked");
    let page = Browser::new(&postern).post("/password", &[("email", "no <address>")]).await;
    page.shows(422, &["value=\"no &#60;address&#62;\"", "id=\"email-error\""]);
}

#[tokio::test]
async fn no_wish_is_lost_however_many_come_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    Browser::new(&postern).with_password(&postern.invite("jdoe")).await;
    let (jdoe, now) = (postern.user("jdoe"), postern.app.now());
    let post = postern.app.store.write_blocking(|tx| {
        let nobodys = std::iter::repeat_n(None, 150);
        let wishes =
            nobodys.chain([Some(jdoe)]).map(|user| Message::PasswordForgotten { user, source: None });
        wishes.into_iter().try_for_each(|wish| tx.post(&wish, now))
    });
    post.unwrap();
    letters(&postern, dir.path(), 1).await;
    assert_eq!(waiting(&postern), []);
}

/// What is read is the same anyway: one look for the address.
#[tokio::test]
async fn a_known_address_and_an_unknown_one_cost_the_same_writes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("postern.db");
    let postern = Postern::planned(Store::open(&path).unwrap(), NOW, |plan| {
        plan.config.mail.directory = Some(dir.path().join("mail"));
    });
    Browser::new(&postern).with_password(&postern.invite("jdoe")).await;
    postern.invite("unfinished");
    let written = || std::fs::metadata(path.with_extension("db-wal")).unwrap().len();
    let mut costs = Vec::new();
    for name in ["nobody", "jdoe", "unfinished", "another"] {
        let before = written();
        let email = format!("{name}@example.com");
        let body = serde_json::json!({ "email": email }).to_string();
        assert_eq!(postern.post(REQUEST, None, &body).await.status, 200);
        assert_eq!(Browser::new(&postern).post("/password", &[("email", &email)]).await.status, 303);
        costs.push(written() - before);
    }
    assert!(costs[0] > 0 && costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
    let wishes = waiting(&postern).into_iter().map(|message| {
        let Message::PasswordForgotten { user, .. } = message else { panic!("{message:?}") };
        user
    });
    let jdoe = Some(postern.user("jdoe"));
    assert_eq!(wishes.collect::<Vec<_>>(), [None, None, jdoe, jdoe, None, None, None, None]);
}

#[tokio::test]
async fn asking_is_limited_by_mailbox_silently_and_by_sender_openly() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    Browser::new(&postern).with_password(&postern.invite("jdoe")).await;
    let mut answers = std::collections::BTreeMap::new();
    for _ in 0..12 {
        let page = Browser::new(&postern).post("/password", &[("email", "jdoe@example.com")]).await;
        *answers.entry(page.status).or_insert(0) += 1;
    }
    assert_eq!(answers, [(303, 10), (429, 2)].into());
    assert_eq!(waiting(&postern).len(), 3);
}

#[tokio::test]
async fn the_json_door_leads_to_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    let enrollment = postern.invite("jdoe");
    Browser::new(&postern).with_password(&enrollment).await;
    for email in ["jdoe@example.com", "nobody@example.com"] {
        let answer = postern.post(REQUEST, None, &format!("{{\"email\":\"{email}\"}}")).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    }
    let token = token_in(&letters(&postern, dir.path(), 1).await[0]);
    assert_eq!(postern.present(START, "nonsense").await.status, 401);
    assert_eq!(postern.present(START, &enrollment).await.status, 403);
    let log = postern.app.store.read_blocking(|tx| tx.refused_since(0, 9)).unwrap();
    let refused = log.iter().map(|entry| (entry.action.as_str(), entry.refused.as_deref().unwrap()));
    assert_eq!(refused.collect::<Vec<_>>(), [("password.reset", "unknown"), ("password.reset", "misused")]);
    let started = postern.present(START, &token).await;
    assert_eq!(started.json(), serde_json::json!({ "deadline_timestamp": NOW + 600 }));
    let cookie = started.cookie.unwrap();
    assert!(cookie.starts_with("defguard_proxy_password_reset="), "{cookie}");
    let set = |cookie: String, password: &'static str| {
        let postern = postern.clone();
        async move { postern.post(RESET, Some(&cookie), &format!("{{\"password\":\"{password}\"}}")).await }
    };
    assert_eq!(set("defguard_proxy=x".to_owned(), "battery staple").await.status, 401);
    assert_eq!(set(cookie.clone(), "short").await.status, 400);
    let done = set(cookie.clone(), "battery staple").await;
    assert_eq!((done.status, done.text.as_str()), (200, ""));
    assert!(done.cookie.unwrap().starts_with("defguard_proxy_password_reset=; Max-Age=0;"));
    assert!(can_sign_in(&postern, "battery staple").await);
    assert_eq!(set(cookie, "another one").await.status, 401);
}
