//! A second factor: an authenticator app (`oathtool`) set up at /me, asked for when signing in, recovery codes, and what
//! strangers with the right password get.

use std::process::Command;

use postern::rules::action::Action;
use postern::rules::message::Message;
use postern::rules::second_factor::Factor;
use postern::rules::token::Purpose;
use postern::store::Store;

use crate::browser::{Browser, Page, letters};
use crate::sign_in::{PASSWORD, enrolled, sign_in, signed_in};
use crate::support::{NOW, Postern};
use crate::walk::{mailing, waiting};

pub(crate) const HERE: &str = "/me/second-factor";
pub(crate) const CODE: &str = "/sign-in/code";

/// What an authenticator app shows so many seconds from now.
#[expect(clippy::disallowed_methods, reason = "the authenticator app is somebody else's")]
pub(crate) fn app_code(postern: &Postern, secret: &str, ahead: i64) -> String {
    let now = format!("@{}", postern.app.now().as_second() + ahead);
    let run = Command::new("oathtool").args(["--totp", "--base32", "--now", &now, secret]).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    String::from_utf8(run.stdout).unwrap().trim().to_owned()
}

/// The key that an app may be given by hand.
pub(crate) fn secret_on(page: &Page) -> String {
    let (_, rest) = page.text.split_once("id=\"secret\"").unwrap_or_else(|| panic!("no key: {}", page.text));
    rest.split_once('>').unwrap().1.split('<').next().unwrap().to_owned()
}

/// The recovery codes on a page.
pub(crate) fn codes_on(page: &Page) -> Vec<String> {
    let (_, rest) = page.text.split_once("id=\"recovery-codes\"").unwrap_or_else(|| panic!("{}", page.text));
    let text = rest.split_once('>').unwrap().1.split("</pre>").next().unwrap();
    text.split_whitespace().map(str::to_owned).collect()
}

/// The last code that was mailed to jdoe.
pub(crate) fn mailed_code(postern: &Postern) -> String {
    let user = postern.user("jdoe");
    let mailed = postern.app.store.read_blocking(|tx| tx.mailed_code_of(user, Purpose::SignIn)).unwrap();
    postern::flows::mailed_code::digits(&postern.app.site(), &mailed.unwrap()).to_string()
}

/// Sets an app up in a browser that signed in a moment ago; its secret and the recovery codes.
pub(crate) async fn set_up(browser: &mut Browser<'_>) -> (String, Vec<String>) {
    assert_eq!(browser.post(HERE, &[("by", "app")]).await.went_to(), "/me/second-factor/set-up?by=app");
    let shown = browser.get("/me/second-factor/set-up?by=app").await;
    let secret = secret_on(&shown);
    assert!(shown.text.contains(&format!("secret={}", secret.replace(' ', ""))), "{}", shown.text);
    let code = app_code(browser.postern, &secret, 0);
    let mailed =
        if shown.text.contains("name=\"mailed\"") { mailed_code(browser.postern) } else { String::new() };
    let given = [("by", "app"), ("code", &*code), ("mailed", &*mailed)];
    let done = browser.post("/me/second-factor/set-up", &given).await;
    done.shows(200, &["never again"]);
    (secret, codes_on(&done))
}

/// A browser that gave jdoe's password and owes the code.
pub(crate) async fn owing(postern: &Postern) -> Browser<'_> {
    let mut browser = Browser::new(postern);
    assert_eq!(sign_in(&mut browser, "jdoe", PASSWORD).await.went_to(), CODE);
    browser
}

/// Whatever becomes of them, all are begun before any ends.
async fn all_at_once<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, done) in waiting.iter_mut().filter(|waiting| waiting.1.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        let is_over = waiting.iter().all(|waiting| waiting.1.is_some());
        if is_over { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|waiting| waiting.1).collect()
}

pub(crate) async fn with_app() -> (Postern, String, Vec<String>) {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let (secret, codes) = set_up(&mut signed_in(&postern, "jdoe").await).await;
    (postern, secret, codes)
}

#[tokio::test]
async fn an_app_is_set_up_and_from_then_on_its_code_is_asked_for_and_each_is_right_once() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    enrolled(&postern, "jdoe").await;
    let mut other = signed_in(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    browser.get("/me").await.shows(200, &["Second factor", "asks for your password only"]);
    browser.get(HERE).await.shows(200, &["Authenticator app", "Set up"]);
    assert_eq!(browser.get("/me/second-factor/set-up?by=app").await.went_to(), HERE, "nothing was begun");
    let begun = browser.post(HERE, &[("by", "app")]).await;
    assert_eq!(begun.went_to(), "/me/second-factor/set-up?by=app");
    for wrong in ["000000", "", "12345", "abcdef"] {
        let refused = browser.post("/me/second-factor/set-up", &[("by", "app"), ("code", wrong)]).await;
        refused.shows(422, &["not both right", "id=\"secret\""]);
    }
    sign_in(&mut Browser::new(&postern), "jdoe", PASSWORD).await.went_to();
    let before = waiting(&postern).len();
    let (secret, codes) = set_up(&mut browser).await;
    assert_eq!((codes.len(), secret.replace(' ', "").len()), (10, 32));
    let user = postern.app.store.read_blocking(|tx| tx.user_by_name("jdoe")).unwrap().unwrap().id;
    assert_eq!(waiting(&postern)[before..], [Message::SecondFactorSet { user, factor: Factor::Totp }]);
    browser.get("/me").await.shows(200, &["10 recovery codes are left"]);
    assert_eq!(other.get("/me").await.went_to(), "/sign-in", "it was opened by a password alone");
    let mut browser = owing(&postern).await;
    assert_eq!(browser.get("/me").await.went_to(), "/sign-in", "nobody is signed in yet");
    browser.get(CODE).await.shows(200, &["autocomplete=\"one-time-code\"", "recovery code"]);
    let used = app_code(&postern, &secret, 0);
    browser.post(CODE, &[("code", &used)]).await.shows(401, &["each works once", "After ten attempts"]);
    let code = app_code(&postern, &secret, 30);
    assert_eq!(
        browser.post(CODE, &[("code", &format!(" {} {}", &code[..3], &code[3..]))]).await.went_to(),
        "/me"
    );
    browser.get("/me").await.shows(200, &["Your account"]);
    let mut replays = owing(&postern).await;
    replays.post(CODE, &[("code", &code)]).await.shows(401, &["each works once"]);
    postern.pass(60);
    let code = app_code(&postern, &secret, 0);
    assert_eq!(replays.post(CODE, &[("code", &code)]).await.went_to(), "/me");
    let audited = postern.audited();
    assert!(audited.contains(&"second-factor.set jdoe".to_owned()), "{audited:?}");
}

#[tokio::test]
async fn a_recovery_code_lets_in_once_and_new_ones_replace_the_old() {
    let (postern, _, codes) = with_app().await;
    let mut browser = owing(&postern).await;
    let typed = codes[0].to_uppercase().replace('-', " ");
    assert_eq!(browser.post(CODE, &[("recovery", &typed)]).await.went_to(), "/me");
    browser.get("/me").await.shows(200, &["9 recovery codes are left"]);
    let mut again = owing(&postern).await;
    again
        .post(CODE, &[("recovery", &codes[0])])
        .await
        .shows(401, &["each works once", "<details class=\"card\" open>"]);
    let renewed = browser.post("/me/second-factor/codes", &[]).await;
    let newer = codes_on(&renewed);
    assert!(newer.len() == 10 && !newer.contains(&codes[1]));
    assert_eq!(again.post(CODE, &[("recovery", &codes[1])]).await.status, 401, "replaced");
    assert_eq!(again.post(CODE, &[("recovery", &newer[1])]).await.went_to(), "/me");
    let used = postern.app.store.read_blocking(|tx| tx.audit_of(Action::RecoveryCodesUse, 9)).unwrap();
    assert_eq!(used.iter().map(|entry| entry.detail.as_deref()).collect::<Vec<_>>(), [Some("9 left"); 2]);
}

#[tokio::test]
async fn a_browser_that_is_known_skips_nothing_and_the_session_has_another_name_than_the_wait() {
    let (postern, _, codes) = with_app().await;
    let mut browser = owing(&postern).await;
    let waited = browser.cookies["__Host-postern_code"].clone();
    browser.post(CODE, &[("recovery", &codes[0])]).await.went_to();
    assert_eq!(browser.cookies["__Host-postern_code"], "");
    assert_ne!(browser.cookies["__Host-postern_session"], waited);
    browser.post("/sign-out", &[]).await.went_to();
    assert_eq!(sign_in(&mut browser, "jdoe", PASSWORD).await.went_to(), CODE);
    let mut forged = Browser::new(&postern);
    forged
        .cookies
        .insert("__Host-postern_session".to_owned(), browser.cookies["__Host-postern_code"].clone());
    assert_eq!(forged.get("/me").await.went_to(), "/sign-in", "a wait is no session");
}

#[tokio::test]
async fn ten_wrong_codes_an_hour_and_then_not_even_the_right_one_however_many_browsers_come() {
    let (postern, secret, codes) = with_app().await;
    let mut browsers = Vec::new();
    for _ in 0..3 {
        browsers.push(owing(&postern).await);
    }
    let wrong = |browser: &Browser<'_>| {
        let mut browser = Browser { cookies: browser.cookies.clone(), ..Browser::new(&postern) };
        async move { browser.post(CODE, &[("code", "000000")]).await.status }
    };
    let answers = all_at_once((0..24).map(|number| wrong(&browsers[number % 3]))).await;
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 10, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 429).count(), 14, "{answers:?}");
    let refused = browsers[0].post(CODE, &[("code", &app_code(&postern, &secret, 30))]).await;
    refused.shows(429, &["not even the right one"]);
    assert_eq!(refused.headers["retry-after"], "3600");
    let told = postern.app.store.read_blocking(|tx| tx.audit_of(Action::SessionStart, 99)).unwrap();
    let mut told: Vec<_> = told.iter().filter_map(|entry| entry.refused.as_deref()).collect();
    told.sort_unstable();
    assert_eq!(told, ["code", "limit"], "each kind once");
    let typed = [("recovery", &*codes[0])];
    assert_eq!(owing(&postern).await.post(CODE, &typed).await.went_to(), "/me", "nobody guesses those");
    postern.pass(3600);
    let code = app_code(&postern, &secret, 0);
    assert_eq!(owing(&postern).await.post(CODE, &[("code", &code)]).await.went_to(), "/me");
}

#[tokio::test]
async fn what_guards_the_account_changes_only_for_who_gave_the_password_a_moment_ago() {
    let (postern, _, codes) = with_app().await;
    let mut browser = owing(&postern).await;
    browser.post(CODE, &[("recovery", &codes[0])]).await.went_to();
    postern.pass(600);
    let asked = "/me/confirm?to=second-factor";
    let remove = "/me/second-factor/remove?factor=totp";
    assert_eq!(browser.get(remove).await.went_to(), asked);
    for (path, field) in
        [("/me/second-factor/remove", ("factor", "totp")), ("/me/second-factor/codes", ("", ""))]
    {
        assert_eq!(browser.post(path, &[field]).await.went_to(), asked, "{path}");
    }
    browser.get(asked).await.shows(200, &["Is it still you?"]);
    let confirm = |to, password| [("to", to), ("password", password)];
    let wrong = browser.post("/me/confirm", &confirm("second-factor", "wrong")).await;
    wrong.shows(422, &["not your current password"]);
    for to in ["//evil.example", "https://evil.example/", ""] {
        assert_eq!(browser.post("/me/confirm", &confirm(to, PASSWORD)).await.status, 400, "{to}");
        assert_eq!(browser.get(&format!("/me/confirm?to={to}")).await.went_to(), "/me");
    }
    assert_eq!(browser.get(remove).await.went_to(), asked, "it was not given for this");
    assert_eq!(browser.post("/me/confirm", &confirm("second-factor", PASSWORD)).await.went_to(), HERE);
    assert!(postern.audited().contains(&"session.confirm jdoe".to_owned()));
    browser.get(remove).await.shows(200, &["Remove “Authenticator app”?", "Keep it"]);
    let removed = browser.post("/me/second-factor/remove", &[("factor", "totp")]).await;
    assert_eq!(removed.went_to(), "/me?done=factor-removed");
    browser
        .get("/me?done=factor-removed")
        .await
        .shows(200, &["The second factor is removed", "password only"]);
    assert_eq!(sign_in(&mut Browser::new(&postern), "jdoe", PASSWORD).await.went_to(), "/me");
}

#[tokio::test]
async fn another_password_keeps_what_the_session_has_proved_and_a_forgotten_one_does_not_skip_the_code() {
    let (postern, _, codes) = with_app().await;
    let mut browser = owing(&postern).await;
    browser.post(CODE, &[("recovery", &codes[0])]).await.went_to();
    let given = postern.app.now().as_second();
    postern.pass(60);
    let change = [("present", PASSWORD), ("password", "battery staple")];
    assert_eq!(browser.post("/me/password", &change).await.went_to(), "/me?done=password");
    let id = postern.app.store.read_blocking(|tx| tx.user_by_name("jdoe")).unwrap().unwrap().id;
    let sessions = postern.app.store.read_blocking(|tx| tx.sessions_of(id)).unwrap();
    assert_eq!(
        sessions.iter().map(|session| (session.second_factor, session.second_factor_at)).collect::<Vec<_>>(),
        [(Some(Factor::Recovery), Some(given))]
    );
    let mut fresh = Browser::new(&postern);
    assert_eq!(sign_in(&mut fresh, "jdoe", "battery staple").await.went_to(), CODE);
}

#[tokio::test]
async fn where_it_is_required_nothing_of_ones_own_is_shown_before_it_is_set_up() {
    let required = |plan: &mut crate::support::site::Plan| {
        plan.config.second_factor = postern::config::SecondFactor::Required;
    };
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, required);
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    for path in ["/me", "/me/password", "/me/device?id=1"] {
        assert_eq!(browser.get(path).await.went_to(), HERE, "{path}");
    }
    for path in ["/me/password", "/me/sessions", "/me/device", "/me/device/remove"] {
        assert_eq!(
            browser.post(path, &[("session", "others"), ("device", "1")]).await.went_to(),
            HERE,
            "{path}"
        );
    }
    let owed = browser.get(HERE).await;
    owed.shows(200, &["asks everybody to set up a second factor", "action=\"/sign-out\""]);
    owed.lacks(&["href=\"/me\""]);
    set_up(&mut browser).await;
    browser.get("/me").await.shows(200, &["Your account"]);
    browser.post("/sign-out", &[]).await.went_to();
}

#[tokio::test]
async fn the_pages_speak_every_language_and_no_other_site_sends_their_forms() {
    let (postern, _, codes) = with_app().await;
    for (language, asks, state) in
        [("de", "Code eingeben", "Zweiter Faktor"), ("pl", "Podaj kod", "Drugi składnik")]
    {
        let mut browser = Browser { language, ..owing(&postern).await };
        browser.get(CODE).await.shows(200, &[asks]);
        browser.post(CODE, &[("code", "1")]).await.shows(401, &[asks]);
        assert_eq!(browser.post(CODE, &[]).await.status, 422);
        let code = &codes[language.len() + usize::from(language == "pl")];
        browser.post(CODE, &[("recovery", code)]).await.went_to();
        for path in ["/me", HERE, "/me/confirm?to=second-factor", "/me/second-factor/remove?factor=totp"] {
            let page = browser.get(path).await;
            assert_eq!(page.status, 200, "{path}");
            if path == HERE {
                page.shows(200, &[state]);
            }
        }
        let forms =
            [HERE, "/me/second-factor/set-up", "/me/second-factor/codes", "/me/second-factor/remove", CODE];
        for path in forms.into_iter().chain(["/me/confirm"]) {
            assert_eq!(browser.post_from("cross-site", path, &[]).await.status, 403, "{path}");
        }
    }
}

/// A postern that asks everybody for a second factor and writes mails into a directory.
pub(crate) fn strict(dir: &std::path::Path) -> Postern {
    let mail = dir.to_owned();
    Postern::planned(Store::in_memory().unwrap(), NOW, move |plan| {
        plan.config.second_factor = postern::config::SecondFactor::Required;
        plan.config.mail.directory = Some(mail);
    })
}

/// The six digits in the newest letter.
pub(crate) fn digits_in(letters: &[String]) -> String {
    let letter = letters.last().unwrap();
    let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
    letter.lines().map(str::trim).find(is_code).unwrap_or_else(|| panic!("no code in {letter}")).to_owned()
}

#[tokio::test]
async fn where_it_is_required_the_wizard_asks_for_it_between_password_and_device() {
    let dir = tempfile::tempdir().unwrap();
    let postern = strict(dir.path());
    let mut browser = Browser::new(&postern);
    let token = postern.invite("jdoe");
    browser.get(&format!("/?token={token}")).await.shows(200, &["a second step for signing in"]);
    browser.start(&token).await;
    browser.post("/enroll/you", &[("phone", "")]).await.went_to();
    let page = browser.get("/enroll/password").await;
    page.shows(200, &["Step 2 of 5", "Second factor"]);
    browser.post("/enroll/password", &[("password", PASSWORD)]).await.went_to();
    let asked = "/enroll/second-factor";
    for path in ["/enroll/device", "/enroll/done"] {
        assert_eq!(browser.get(path).await.went_to(), asked, "{path}");
    }
    assert_eq!(browser.post("/enroll/device", &[("name", "laptop"), ("pubkey", "x")]).await.went_to(), asked);
    browser.get(asked).await.shows(200, &["Step 3 of 5", "Authenticator app", "Codes by e-mail"]);
    assert_eq!(browser.get(&format!("{asked}?by=app")).await.went_to(), asked, "nothing was begun");
    let begun = browser.post(asked, &[("by", "app")]).await.went_to().to_owned();
    let secret = secret_on(&browser.get(&begun).await);
    let code = "/enroll/second-factor/code";
    let mut meanwhile = signed_in(&postern, "jdoe").await;
    meanwhile.get(HERE).await.shows(200, &["asks everybody"]);
    browser.post(code, &[("by", "app"), ("code", "000000")]).await.shows(422, &["does not match"]);
    let log = postern.app.store.read_blocking(|tx| tx.audit_of(Action::SecondFactorSet, 9)).unwrap();
    assert_eq!(log.iter().map(|entry| entry.refused.as_deref()).collect::<Vec<_>>(), [Some("code")]);
    let right = app_code(&postern, &secret, 0);
    let done = browser.post(code, &[("by", "app"), ("code", &right)]).await;
    done.shows(200, &["never again", "href=\"/enroll/device\""]);
    browser.get("/enroll/device").await.shows(200, &["Connect this device"]);
    assert_eq!(browser.get(asked).await.went_to(), "/enroll/device", "it is set up once");
    assert_eq!(meanwhile.get("/me").await.went_to(), "/sign-in", "it was opened by a password alone");
    assert_eq!(sign_in(&mut Browser::new(&postern), "jdoe", PASSWORD).await.went_to(), CODE);
}

#[tokio::test]
async fn who_takes_codes_by_mail_is_sent_one_when_signing_in() {
    let dir = tempfile::tempdir().unwrap();
    let postern = strict(dir.path());
    let mut browser = Browser::new(&postern);
    browser.with_password(&postern.invite("jdoe")).await;
    let begun = browser.post("/enroll/second-factor", &[("by", "email")]).await.went_to().to_owned();
    browser.get(&begun).await.shows(200, &["jdoe@example.com"]);
    let sent = letters(&postern, dir.path(), 1).await;
    let given = [("by", "email"), ("code", &*digits_in(&sent))];
    browser.post("/enroll/second-factor/code", &given).await.shows(200, &["never again"]);
    // Two letters: the code, and that there is a second factor.
    let before = letters(&postern, dir.path(), 2).await.len();
    postern.pass(1);
    let mut browser = Browser::new(&postern);
    assert_eq!(sign_in(&mut browser, "jdoe", PASSWORD).await.went_to(), CODE);
    browser.get(CODE).await.shows(200, &["sent six digits to your e-mail"]);
    let sent = letters(&postern, dir.path(), before + 1).await;
    let code = sent
        .iter()
        .filter(|letter| letter.contains("Your code for"))
        .map(|letter| digits_in(std::slice::from_ref(letter)));
    let codes: Vec<_> = code.collect();
    let mut signed_in = 0;
    for code in &codes {
        signed_in += u32::from(browser.post(CODE, &[("code", code)]).await.status == 303);
    }
    assert_eq!((codes.len(), signed_in), (2, 1), "the first one was used up");
    browser.get("/me").await.shows(200, &["Your account"]);
    set_up(&mut browser).await;
    browser.get(HERE).await.lacks(&["Codes by e-mail"]);
    assert_eq!(browser.post(HERE, &[("by", "email")]).await.went_to(), HERE, "the app took its place");
}
