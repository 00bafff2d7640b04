//! Signing in with the password that somebody chose when enrolling: sessions and their ends, and what strangers get.

use postern::rules::action::Action;
use postern::rules::token::Token;
use postern::store::audit::AuditEntry;

use crate::browser::{Browser, Page, letters, token_in};
use crate::support::Postern;
use crate::walk::mailing;

pub(crate) const PASSWORD: &str = "correct horse";

/// Somebody with a password.
pub(crate) async fn enrolled(postern: &Postern, username: &str) {
    Browser::new(postern).with_password(&postern.invite(username)).await;
}

pub(crate) async fn sign_in(browser: &mut Browser<'_>, name: &str, password: &str) -> Page {
    browser.post("/sign-in", &[("username", name), ("password", password)]).await
}

/// A browser in which somebody has signed in.
pub(crate) async fn signed_in<'a>(postern: &'a Postern, name: &str) -> Browser<'a> {
    let mut browser = Browser::new(postern);
    assert_eq!(sign_in(&mut browser, name, PASSWORD).await.went_to(), "/me");
    browser
}

fn log(postern: &Postern, action: Action) -> Vec<AuditEntry> {
    postern.app.store.read_blocking(|tx| tx.audit_of(action, 99)).unwrap()
}

/// Why somebody was not let in, and whose account that is.
fn refusals(postern: &Postern) -> Vec<(String, String)> {
    let refused = |entry: AuditEntry| Some((entry.refused?, entry.actor));
    log(postern, Action::SessionStart).into_iter().filter_map(refused).collect()
}

#[tokio::test]
async fn the_password_of_the_account_opens_a_session_by_username_or_address_until_signing_out() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    for name in ["jdoe", " JDOE ", "jdoe@example.com"] {
        let mut browser = Browser::new(&postern);
        assert_eq!(browser.get("/me").await.went_to(), "/sign-in");
        browser.get("/sign-in").await.shows(200, &["Sign in", "autocomplete=\"current-password\""]);
        assert_eq!(sign_in(&mut browser, name, PASSWORD).await.went_to(), "/me");
        browser.get("/me").await.shows(200, &["Your account", "John Doe", "jdoe@example.com"]);
        assert_eq!(browser.get("/sign-in").await.went_to(), "/me");
        let mut stolen = Browser::new(&postern);
        stolen.cookies.clone_from(&browser.cookies);
        assert_eq!(browser.post("/sign-out", &[]).await.went_to(), "/sign-in");
        assert_eq!(browser.cookies["__Host-postern_session"], "");
        assert_eq!(stolen.get("/me").await.went_to(), "/sign-in", "the session is over, not only the cookie");
    }
    for action in [Action::SessionStart, Action::SessionSignOut] {
        let log = log(&postern, action);
        assert_eq!(log.len(), 3);
        assert_eq!((log[0].actor.as_str(), log[0].source.as_deref()), ("jdoe", Some("192.0.2.7")));
    }
}

#[tokio::test]
async fn every_sign_in_gives_another_session_and_another_name_for_the_browser_and_only_hashes_are_stored() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let mut browser = Browser::new(&postern);
    browser.cookies.insert("__Host-postern_session".to_owned(), "chosen by somebody else".to_owned());
    let page = sign_in(&mut browser, "jdoe", PASSWORD).await;
    let lines: Vec<_> =
        page.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert!(lines[0].starts_with("__Host-postern_session=") && lines[0].contains("; Max-Age=86400; "));
    assert!(lines[1].starts_with("__Host-postern_browser=") && lines[1].contains("; Max-Age=34560000; "));
    let first = browser.cookies.clone();
    sign_in(&mut browser, "jdoe", PASSWORD).await;
    for name in ["__Host-postern_session", "__Host-postern_browser"] {
        assert!(browser.cookies[name].len() == 43 && browser.cookies[name] != first[name], "{name}");
    }
    let hash = |cookie: &str| Token::presented(&browser.cookies[cookie]).hash();
    let (session, known) = (hash("__Host-postern_session"), hash("__Host-postern_browser"));
    let jdoe = postern.user("jdoe");
    let stored = postern.app.store.read_blocking(|tx| {
        Ok::<_, postern::store::StoreError>((
            tx.session_by_token(session)?.is_some(),
            tx.knows_browser(jdoe, known)?,
        ))
    });
    assert_eq!(stored.unwrap(), (true, true));
}

#[tokio::test]
async fn a_session_ends_without_use_and_after_a_day_in_any_case() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    postern.pass(3599);
    browser.get("/me").await.shows(200, &["Your account"]);
    postern.pass(3600);
    assert_eq!(browser.get("/me").await.went_to(), "/sign-in");
    let mut browser = signed_in(&postern, "jdoe").await;
    for _ in 0..24 {
        browser.get("/me").await.shows(200, &["Your account"]);
        postern.pass(3599);
    }
    browser.get("/me").await.shows(200, &["Your account"]);
    postern.pass(24);
    assert_eq!(browser.get("/me").await.went_to(), "/sign-in");
}

#[tokio::test]
async fn whoever_is_disabled_or_removed_is_signed_out_at_once() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    let (site, now) = (postern.app.site(), postern.app.now());
    let root = postern::flows::invite::Actor { name: "root".to_owned(), account: None };
    let accounts = |work: &dyn Fn(&postern::store::Tx<'_>)| {
        let done = postern.app.store.write_blocking(|tx| {
            work(tx);
            Ok::<_, postern::store::StoreError>(())
        });
        done.unwrap();
    };
    accounts(&|tx| drop(postern::flows::accounts::disable(tx, &site, &root, "jdoe", now).unwrap()));
    assert_eq!(browser.get("/me").await.went_to(), "/sign-in");
    assert_eq!(sign_in(&mut browser, "jdoe", PASSWORD).await.status, 401);
    accounts(&|tx| drop(postern::flows::accounts::enable(tx, &site, &root, "jdoe", now).unwrap()));
    assert_eq!(browser.get("/me").await.went_to(), "/sign-in", "it does not come back");
    sign_in(&mut browser, "jdoe", PASSWORD).await.went_to();
    accounts(&|tx| drop(postern::flows::accounts::remove(tx, &site, &root, "jdoe", now).unwrap()));
    assert_eq!(browser.get("/me").await.went_to(), "/sign-in");
}

#[tokio::test]
async fn ten_failures_and_no_password_is_right_for_strangers() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    enrolled(&postern, "jdoe").await;
    let mut known = signed_in(&postern, "jdoe").await;
    for name in ["jdoe", "nobody"] {
        let mut stranger = Browser::new(&postern);
        for number in 0..10 {
            stranger.address = format!("192.0.2.{number}").parse().unwrap();
            let page = sign_in(&mut stranger, name, "wrong").await;
            page.shows(401, &["That did not work", "role=\"alert\""]);
            page.lacks(&["value=\"wrong\""]);
        }
        let refused = sign_in(&mut stranger, name, PASSWORD).await;
        refused.shows(429, &["For 60 minutes no password works", "href=\"/password\""]);
        assert_eq!(refused.headers["retry-after"], "3600", "{name}");
    }
    let mut by_address = Browser::new(&postern);
    sign_in(&mut by_address, "jdoe@example.com", PASSWORD).await.shows(401, &["does not work for an hour"]);
    let other = sign_in(&mut known, "jdoe", PASSWORD).await;
    assert_eq!(other.went_to(), "/me", "a browser that signed in before is no stranger");
    let told = refusals(&postern);
    let of = |reason, actor: &str| told.iter().filter(|told| told.0 == reason && told.1 == actor).count();
    // Once an hour of each address: all of them were tried from the same ten.
    assert_eq!([of("password", "jdoe"), of("limit", "jdoe"), told.len()], [10, 1, 11]);
    postern.pass(3600);
    assert_eq!(sign_in(&mut Browser::new(&postern), "jdoe", PASSWORD).await.went_to(), "/me");
}

#[tokio::test]
async fn a_known_browser_fails_ten_times_of_its_own_and_is_known_to_its_account_only() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    enrolled(&postern, "ann").await;
    let mut known = signed_in(&postern, "jdoe").await;
    for _ in 0..10 {
        assert_eq!(sign_in(&mut known, "jdoe", "wrong").await.status, 401);
    }
    assert_eq!(sign_in(&mut known, "jdoe", PASSWORD).await.status, 429);
    let mut stranger = Browser::new(&postern);
    assert_eq!(sign_in(&mut stranger, "jdoe", PASSWORD).await.went_to(), "/me", "they are counted apart");
    let mut known = stranger;
    for _ in 0..10 {
        assert_eq!(sign_in(&mut Browser::new(&postern), "ann", "wrong").await.status, 401);
    }
    assert_eq!(sign_in(&mut known, "ann", PASSWORD).await.status, 429, "to ann it is a stranger");
}

#[tokio::test]
async fn a_browser_of_two_people_is_known_to_both() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    enrolled(&postern, "ann").await;
    let mut shared = signed_in(&postern, "jdoe").await;
    assert_eq!(sign_in(&mut shared, "ann", PASSWORD).await.went_to(), "/me");
    for name in ["jdoe", "ann"] {
        while sign_in(&mut Browser::new(&postern), name, "wrong").await.status == 401 {}
        assert_eq!(sign_in(&mut shared, name, PASSWORD).await.went_to(), "/me", "{name}");
    }
}

#[tokio::test]
async fn who_is_kept_out_by_strangers_gets_in_with_a_link_by_mail() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    enrolled(&postern, "jdoe").await;
    let mut stranger = Browser::new(&postern);
    while sign_in(&mut stranger, "jdoe", "wrong").await.status == 401 {}
    let mut browser = Browser::new(&postern);
    assert_eq!(sign_in(&mut browser, "jdoe", PASSWORD).await.status, 429);
    browser.post("/password", &[("email", "jdoe@example.com")]).await.went_to();
    let token = token_in(&letters(&postern, dir.path(), 1).await[0]);
    browser.post("/password-reset", &[("token", &token)]).await.went_to();
    browser.post("/password-reset/new", &[("password", "battery staple")]).await.went_to();
    browser.get("/password-reset/done").await.shows(200, &["href=\"/sign-in\""]);
    assert_eq!(sign_in(&mut browser, "jdoe", "battery staple").await.went_to(), "/me");
    assert_eq!(sign_in(&mut stranger, "jdoe", "battery staple").await.status, 429);
}

#[tokio::test]
async fn a_password_set_by_mail_ends_sessions_and_forgets_browsers() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    enrolled(&postern, "jdoe").await;
    let mut thief = signed_in(&postern, "jdoe").await;
    let mut browser = Browser::new(&postern);
    browser.post("/password", &[("email", "jdoe@example.com")]).await.went_to();
    let token = token_in(&letters(&postern, dir.path(), 1).await[0]);
    browser.post("/password-reset", &[("token", &token)]).await.went_to();
    browser.post("/password-reset/new", &[("password", "battery staple")]).await.went_to();
    assert_eq!(thief.get("/me").await.went_to(), "/sign-in");
    let mut stranger = Browser::new(&postern);
    while sign_in(&mut stranger, "jdoe", "wrong").await.status == 401 {}
    assert_eq!(sign_in(&mut thief, "jdoe", "wrong").await.status, 429, "it is a stranger again");
}

#[tokio::test]
async fn nothing_typed_is_told_without_a_look_and_typed_markup_is_text() {
    let postern = Postern::new();
    let mut browser = Browser::new(&postern);
    for (name, password) in [("", "x"), (" ", "x"), ("jdoe", "")] {
        sign_in(&mut browser, name, password).await.shows(422, &["Enter your username"]);
    }
    let page = sign_in(&mut browser, "<b>\"&", "x").await;
    page.shows(401, &["value=\"&#60;b&#62;&#34;&#38;\""]);
    assert_eq!(refusals(&postern), [("password".to_owned(), "-".to_owned())], "people type passwords there");
}

#[tokio::test]
async fn signing_in_speaks_three_languages() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    for (language, title, refused, account) in [
        ("pl", "Logowanie", "Nie udało się", "Twoje konto"),
        ("de", "Anmelden", "Das hat nicht geklappt", "Ihr Konto"),
    ] {
        let mut browser = Browser::new(&postern);
        browser.language = language;
        browser.get("/sign-in").await.shows(200, &[&format!("<h1>{title}</h1>")]);
        sign_in(&mut browser, "jdoe", "wrong").await.shows(401, &[refused]);
        sign_in(&mut browser, "jdoe", PASSWORD).await.went_to();
        browser.get("/me").await.shows(200, &[&format!("<h1>{account}</h1>")]);
    }
}
