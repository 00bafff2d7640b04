//! What nginx is told of an application that knows no OpenID, and where people go whom it does not let in. With a real nginx:
//! tests/browser/nginx.

use axum::body::Body;
use axum::http::Request;
use postern::config::SecondFactor;
use postern::flows::accounts;
use postern::store::Store;

use crate::browser::{Browser, Page};
use crate::relying::{ISSUER, add_app, join, root};
use crate::second_factor::set_up;
use crate::sign_in::{PASSWORD, enrolled, sign_in, signed_in};
use crate::support::{NOW, Postern};

const ASKED: &str = "/forward-auth?app=wiki";
const ENTER: &str = "/forward-auth/enter?app=wiki";

/// A wiki for staff.
fn with_wiki() -> Postern {
    let postern = Postern::new();
    postern.app.store.write_blocking(|tx| tx.insert_group("staff")).unwrap();
    add_app(&postern, "wiki", |plan| plan.groups = vec!["staff".to_owned()]);
    postern
}

/// Comes as nginx has a browser come that wanted something else.
async fn enter(browser: &mut Browser<'_>, wanted: &str) -> Page {
    let request = Request::get(ENTER).header("x-original-uri", wanted);
    browser.ask(request.body(Body::empty()).unwrap()).await
}

/// Where somebody goes on who has signed in.
async fn led_to(browser: &mut Browser<'_>) -> String {
    assert_eq!(browser.get("/me").await.went_to(), "/openid/continue");
    let page = browser.get("/openid/continue").await;
    page.shows(200, &["http-equiv=\"refresh\""]);
    assert_eq!(browser.cookies["__Host-postern_app"], "", "nothing waits any more");
    let (_, rest) = page.text.split_once("content=\"0;url=").unwrap();
    rest.split('"').next().unwrap().replace("&#38;", "&")
}

#[tokio::test]
async fn nginx_is_told_who_may_use_an_application_on_our_own_host() {
    let postern = with_wiki();
    enrolled(&postern, "jdoe").await;
    join(&postern, "jdoe", "staff");
    join(&postern, "jdoe", "admins");
    assert_eq!(Browser::new(&postern).get(ASKED).await.status, 401);
    let mut browser = signed_in(&postern, "jdoe").await;
    let page = browser.get(ASKED).await;
    assert_eq!(page.status, 200);
    for (name, value) in
        [("user", "jdoe"), ("email", "jdoe@example.com"), ("name", "John Doe"), ("groups", "admins,staff")]
    {
        assert_eq!(page.headers[format!("remote-{name}")], value);
    }
    assert_eq!(page.headers["application-cookie"], "", "none is the application's");
    browser.cookies.insert("wiki_session".to_owned(), "theirs".to_owned());
    assert_eq!(browser.get(ASKED).await.headers["application-cookie"], "wiki_session=theirs");
    assert_eq!(browser.get("/forward-auth?app=other").await.status, 403);
    assert_eq!(browser.get("/forward-auth").await.status, 403);
    enrolled(&postern, "ann").await;
    let page = signed_in(&postern, "ann").await.get(ASKED).await;
    assert!(page.status == 403 && !page.headers.contains_key("remote-user"));
    let (site, now) = (postern.app.site(), postern.app.now());
    let disabled =
        postern.app.store.write_blocking(|tx| accounts::disable(tx, &site, &root(), "jdoe", now).map(drop));
    disabled.unwrap();
    assert_eq!(browser.get(ASKED).await.status, 401, "at once");
}

#[tokio::test]
async fn an_application_of_many_parts_is_shown_whole_and_a_flood_is_not() {
    let postern = with_wiki();
    enrolled(&postern, "jdoe").await;
    join(&postern, "jdoe", "staff");
    let mut browser = signed_in(&postern, "jdoe").await;
    // nginx asks for each of them, and answers anything but 200, 401 and 403 with an error.
    for _ in 0..500 {
        assert_eq!(browser.get(ASKED).await.status, 200);
    }
    browser.get("/me").await.shows(200, &["Your account"]);
    let mut last = 200;
    for _ in 0..600 {
        last = browser.get(ASKED).await.status;
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn a_stranger_is_led_to_sign_in_and_back_to_where_they_wanted() {
    let postern = with_wiki();
    enrolled(&postern, "jdoe").await;
    join(&postern, "jdoe", "staff");
    let mut browser = Browser::new(&postern);
    let wanted = "/wiki/a%20page?q=1&to=//x";
    assert_eq!(enter(&mut browser, wanted).await.went_to(), "/me");
    assert_eq!(browser.get("/me").await.went_to(), "/sign-in");
    browser.get("/sign-in").await.shows(200, &["autocomplete=\"current-password\""]);
    assert_eq!(browser.get("/openid/continue").await.went_to(), "/sign-in", "not yet");
    assert_eq!(sign_in(&mut browser, "jdoe", PASSWORD).await.went_to(), "/me");
    assert_eq!(led_to(&mut browser).await, format!("{ISSUER}{wanted}"));
    browser.get("/me").await.shows(200, &["Your account"]);
    // Who signed in meanwhile, in another window.
    assert_eq!(enter(&mut browser, wanted).await.went_to(), format!("{ISSUER}{wanted}"));
    // Whoever comes a quarter of an hour late goes to their account.
    let mut browser = Browser::new(&postern);
    enter(&mut browser, wanted).await.went_to();
    postern.pass(15 * 60);
    assert_eq!(sign_in(&mut browser, "jdoe", PASSWORD).await.went_to(), "/me");
    browser.get("/me").await.shows(200, &["Your account"]);
}

#[tokio::test]
async fn forward_auth_is_no_open_redirect() {
    let postern = with_wiki();
    enrolled(&postern, "jdoe").await;
    join(&postern, "jdoe", "staff");
    let long = format!("/{}", "x".repeat(3000));
    for wanted in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "@evil.example/",
        ".evil.example/",
        ENTER,
        &long,
    ] {
        let mut browser = Browser::new(&postern);
        assert_eq!(enter(&mut browser, wanted).await.went_to(), "/me", "{wanted}");
        assert_eq!(sign_in(&mut browser, "jdoe", PASSWORD).await.went_to(), "/me");
        assert_eq!(led_to(&mut browser).await, format!("{ISSUER}/me/apps"), "{wanted}");
        assert_eq!(enter(&mut browser, wanted).await.went_to(), format!("{ISSUER}/me/apps"), "{wanted}");
    }
    // Signing in takes no address to go on to.
    let fields = ["next", "to", "return_to", "redirect_uri"].map(|name| (name, "https://evil.example/"));
    let fields = [fields.as_slice(), &[("username", "jdoe"), ("password", PASSWORD)]].concat();
    let page = Browser::new(&postern).post("/sign-in?next=https://evil.example/", &fields).await;
    assert_eq!(page.went_to(), "/me");
    // A cookie that is none of ours, or of something else, leads nowhere.
    let mut browser = signed_in(&postern, "jdoe").await;
    browser.cookies.insert("__Host-postern_app".to_owned(), "aHR0cHM6Ly9ldmlsLmV4YW1wbGUv".to_owned());
    browser.get("/me").await.shows(200, &["Your account"]);
}

#[tokio::test]
async fn who_may_not_is_told_by_a_page_and_a_script_is_led_nowhere() {
    let postern = with_wiki();
    enrolled(&postern, "ann").await;
    let mut browser = signed_in(&postern, "ann").await;
    let page = enter(&mut browser, "/wiki/").await;
    page.shows(403, &["You may not use wiki yet", "ask your administrator"]);
    page.lacks(&["Back to wiki"]);
    browser.get("/forward-auth/enter?app=other").await.shows(403, &["is not known"]);
    let script = Request::get(ENTER).header("accept", "application/json").body(Body::empty()).unwrap();
    let mut stranger = Browser::new(&postern);
    assert_eq!(stranger.ask(script).await.status, 401);
    assert!(!stranger.cookies.contains_key("__Host-postern_app"));
}

#[tokio::test]
async fn who_owes_a_second_factor_sets_it_up_and_is_led_back() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.config.second_factor = SecondFactor::Required;
    });
    add_app(&postern, "wiki", |_| {});
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    assert_eq!(browser.get(ASKED).await.status, 401);
    assert_eq!(enter(&mut browser, "/wiki/").await.went_to(), "/me");
    assert_eq!(browser.get("/me").await.went_to(), "/me/second-factor");
    set_up(&mut browser).await;
    assert_eq!(led_to(&mut browser).await, format!("{ISSUER}/wiki/"));
    assert_eq!(browser.get(ASKED).await.status, 200);
}
