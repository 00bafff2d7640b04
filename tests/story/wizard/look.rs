//! Languages, and the company's colour and logo.

use postern::config::{Link, Logo, LogoKind};
use postern::store::Store;
use serde_json::json;

use crate::browser::Browser;
use crate::support::{NOW, Postern, key};

#[tokio::test]
async fn the_whole_walk_is_in_the_language_the_browser_asks_for() {
    for (language, code, titles) in [
        (
            "en-GB,en;q=0.9",
            "en",
            ["Welcome, John", "Is this you?", "Choose a password", "Connect this device", "You are all set"],
        ),
        (
            "pl,en;q=0.5",
            "pl",
            ["Witaj, John", "Czy to Ty?", "Wybierz hasło", "Połącz to urządzenie", "Wszystko gotowe"],
        ),
        (
            "fr, de;q=0.9",
            "de",
            [
                "Willkommen, John",
                "Sind Sie das?",
                "Passwort wählen",
                "Dieses Gerät verbinden",
                "Alles ist bereit",
            ],
        ),
    ] {
        let postern = Postern::new();
        let token = postern.invite("jdoe");
        let mut browser = Browser::new(&postern);
        browser.language = language;
        let mut pages = vec![browser.get(&format!("/?token={token}")).await];
        browser.start(&token).await;
        pages.push(browser.get("/enroll/you").await);
        browser.post("/enroll/you", &[("phone", "")]).await;
        pages.push(browser.get("/enroll/password").await);
        browser.post("/enroll/password", &[("password", "correct horse")]).await;
        pages.push(browser.get("/enroll/device").await);
        browser.send("/enroll/device", &json!({ "name": "laptop", "pubkey": key(1) })).await;
        pages.push(browser.get("/enroll/done").await);
        for (page, title) in pages.iter().zip(titles) {
            page.shows(200, &[&format!("<h1>{title}</h1>"), &format!("<html lang=\"{code}\">")]);
        }
    }
}

#[tokio::test]
async fn a_language_is_chosen_on_every_page_and_stays_chosen() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let mut browser = Browser::new(&postern);
    let page = browser.get(&format!("/?token={token}")).await;
    let switch = format!("/?token={token}&#38;lang=pl");
    page.shows(200, &[&switch, "Polski", "Deutsch", "aria-current=\"true\">English"]);
    browser.get(&format!("/?token={token}&lang=pl")).await.shows(200, &["Witaj, John"]);
    assert_eq!(browser.cookies["postern_lang"], "pl");
    browser.start(&token).await;
    browser.get("/enroll/you").await.shows(200, &["Czy to Ty?", "href=\"/enroll/you?lang=de\""]);
    browser.get("/enroll/you?lang=de").await.shows(200, &["Sind Sie das?"]);
    browser.get("/enroll/you?lang=xx").await.shows(200, &["Sind Sie das?"]);
    browser.get("/nothing").await.shows(404, &["Hier ist nichts"]);
    let refused = browser.post("/enroll/skip", &[]).await;
    assert_eq!(refused.went_to(), "/enroll/you");
    assert_eq!(browser.get("/enroll/skip?lang=pl").await.went_to(), "/enroll");
    assert_eq!(browser.cookies["postern_lang"], "pl");
}

#[tokio::test]
async fn the_accent_and_the_logo_are_served_under_names_of_their_content() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        let brand = &mut plan.config.branding;
        brand.accent = "#ffee00".parse().unwrap();
        brand.logo = Some(Logo {
            bytes: b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"[..].into(),
            kind: LogoKind::Svg,
        });
        brand.company = "Big & Co".to_owned();
        brand.links =
            vec![Link { text: "Hand<book>".to_owned(), url: "https://x.example/?a=1&b".to_owned() }];
    });
    let mut browser = Browser::new(&postern);
    let page = browser.get("/password").await;
    page.shows(200, &["Big &#38; Co", "rel=\"icon\" href=\"/branding/"]);
    let named = |ending: &str| {
        let mut paths = page.text.split('"').filter(|part| part.starts_with("/branding/"));
        paths.rfind(|path| path.ends_with(ending)).unwrap().to_owned()
    };
    let styles = browser.get(&named(".css")).await;
    styles.shows(200, &["--accent:#ffee00;--on-accent:#000000", "@media (prefers-color-scheme:dark)"]);
    assert!(!styles.text.starts_with(":root{--accent:#ffee00"), "it could not be read on a light page");
    assert_eq!(styles.headers["cache-control"], "public, max-age=31536000, immutable");
    let logo = browser.get(&named(".svg")).await;
    logo.shows(200, &["<svg xmlns"]);
    assert_eq!(logo.headers["content-type"], "image/svg+xml");
    assert!(logo.headers["content-security-policy"].to_str().unwrap().ends_with("; sandbox"));
    browser.get("/branding/0000.css").await.shows(404, &["There is nothing here"]);
    browser.with_password(&postern.invite("jdoe")).await;
    browser.send("/enroll/device", &json!({ "name": "laptop", "pubkey": key(1) })).await;
    let done = browser.get("/enroll/done").await;
    done.shows(200, &["href=\"https://x.example/?a=1&#38;b\"", "Hand&#60;book&#62;"]);
}
