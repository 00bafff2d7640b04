//! The pages of passkeys, with an authenticator that needs no browser: who may change what, and what strangers are told. A real
//! browser signs in in `tests/browser/https`.

use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern::rules::action::Action;
use postern::rules::ids::PasskeyId;
use postern::store::passkey::NewPasskey;
use postern::store::{Store, StoreError};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::authenticator::Authenticator;
use crate::browser::{Browser, Page, letters};
use crate::second_factor::{digits_in, strict};
use crate::sign_in::{PASSWORD, enrolled, sign_in, signed_in};
use crate::support::{NOW, Postern};

/// As the library writes it down.
const CREDENTIAL: &str = r#"{"cred":{"attestation":{"data":"None","metadata":"None"},"attestation_format":"none","backup_eligible":false,"backup_state":false,"counter":5,"cred":{"key":{"EC_EC2":{"curve":"SECP256R1","x":"5DHjOrc0oO-_JJysqej_kizPYZNCEewko5aXJcXfOe8","y":"5EP5U8MTbMTObUZDWbuhCVhHB-NRtgZTbvh0teMT8RY"}},"type_":"ES256"},"cred_id":"AQEBAQEBAQEBAQEBAQEBAQEBAQE","extensions":{"appid":"NotRequested","cred_props":"Ignored","cred_protect":"Ignored","hmac_create_secret":"NotRequested"},"registration_policy":"required","transports":null,"user_verified":true}}"#;

/// Gives somebody a passkey that nobody has the key of.
fn with_passkey(postern: &Postern, username: &str, name: &str) -> PasskeyId {
    let user = postern.user(username);
    let given = postern.app.store.write_blocking(|tx| {
        let [handle, credential_id] = [[1; 16], [u8::try_from(user.0).unwrap(); 16]];
        let new = NewPasskey { user, handle, credential_id: &credential_id, credential: CREDENTIAL, name };
        tx.insert_passkey(&new, postern.app.now())
    });
    given.unwrap_or_else(|error: StoreError| panic!("{error}")).0
}

/// Sends a form as the pages' script does; gives status and answer.
pub(crate) async fn ask(browser: &mut Browser<'_>, path: &str, body: &str) -> (u16, Value) {
    let request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json")
        .header("sec-fetch-site", "same-origin");
    let page = browser.ask(request.body(Body::from(body.to_owned())).unwrap()).await;
    (page.status, serde_json::from_str(&page.text).unwrap())
}

pub(crate) async fn answered(browser: &mut Browser<'_>, credential: &str) -> Page {
    browser.post("/sign-in/passkey", &[("credential", credential)]).await
}

#[tokio::test]
async fn a_passkey_is_listed_renamed_and_removed_after_a_question() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    browser.get("/me/passkeys").await.shows(200, &["no passkey yet", "Add a passkey", "needs JavaScript"]);
    let id = with_passkey(&postern, "jdoe", "<b>phone</b>").to_string();
    let (page, remove) = (format!("/me/passkey?id={id}"), format!("/me/passkey/remove?id={id}"));
    let listed = browser.get("/me/passkeys").await;
    listed.shows(200, &["&#60;b&#62;phone&#60;/b&#62;", "never used", &page]);
    listed.lacks(&["/me/confirm"]);
    browser.get(&page).await.shows(200, &["value=\"&#60;b&#62;phone", &remove]);
    let refused = browser.post("/me/passkey", &[("passkey", &id), ("name", " ")]).await;
    refused.shows(422, &["1 to 64", "id=\"name-error\""]);
    let renamed = browser.post("/me/passkey", &[("passkey", &id), ("name", " key ")]).await;
    assert_eq!(renamed.went_to(), "/me/passkeys?done=renamed");
    browser.get("/me/passkeys?done=renamed").await.shows(200, &["<h3>key</h3>", "has its new name"]);
    browser.get(&remove).await.shows(200, &["Remove key?", "Keep it"]);
    let removed = browser.post("/me/passkey/remove", &[("passkey", &id)]).await;
    assert_eq!(removed.went_to(), "/me/passkeys?done=removed");
    browser.get("/me/passkeys?done=removed").await.shows(200, &["is removed", "no passkey yet"]);
    let audited = postern.audited();
    assert_eq!(audited[audited.len() - 2..], ["passkey.rename jdoe", "passkey.remove jdoe"]);
}

#[tokio::test]
async fn somebody_elses_passkey_is_as_unknown_as_none() {
    let postern = Postern::new();
    for name in ["jdoe", "other"] {
        enrolled(&postern, name).await;
    }
    let mut other = signed_in(&postern, "other").await;
    let theirs = with_passkey(&postern, "other", "theirs").to_string();
    let mut browser = signed_in(&postern, "jdoe").await;
    browser.get("/me/passkeys").await.lacks(&["theirs"]);
    for id in [&*theirs, "4711"] {
        browser.get(&format!("/me/passkey?id={id}")).await.shows(404, &["There is nothing here"]);
        browser.get(&format!("/me/passkey/remove?id={id}")).await.shows(404, &["There is nothing here"]);
        let renamed = browser.post("/me/passkey", &[("passkey", id), ("name", "mine")]).await;
        renamed.shows(404, &["There is nothing here"]);
        browser.post("/me/passkey/remove", &[("passkey", id)]).await.shows(404, &["There is nothing here"]);
    }
    other.get("/me/passkeys").await.shows(200, &["<h3>theirs</h3>"]);
}

#[tokio::test]
async fn whoever_signed_in_a_while_ago_gives_the_password_before_a_passkey_comes_or_goes() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    let id = with_passkey(&postern, "jdoe", "phone").to_string();
    assert_eq!(ask(&mut browser, "/me/passkeys/begin", "").await.0, 200);
    postern.pass(600);
    let listed = browser.get("/me/passkeys").await;
    listed.shows(200, &["<h3>phone</h3>", "href=\"/me/confirm?to=passkeys\""]);
    listed.lacks(&["action=\"/me/passkeys\""]);
    assert_eq!(ask(&mut browser, "/me/passkeys/begin", "").await.0, 401);
    let remove = format!("/me/passkey/remove?id={id}");
    assert_eq!(browser.get(&remove).await.went_to(), "/me/confirm?to=passkeys");
    let refused = browser.post("/me/passkey/remove", &[("passkey", &id)]).await;
    assert_eq!(refused.went_to(), "/me/confirm?to=passkeys");
    let confirmed = browser.post("/me/confirm", &[("to", "passkeys"), ("password", PASSWORD)]).await;
    assert_eq!(confirmed.went_to(), "/me/passkeys");
    browser.get("/me/passkeys").await.shows(200, &["<h3>phone</h3>", "action=\"/me/passkeys\""]);
    assert_eq!(ask(&mut browser, "/me/passkeys/begin", "").await.0, 200);
    let removed = browser.post("/me/passkey/remove", &[("passkey", &id)]).await;
    assert_eq!(removed.went_to(), "/me/passkeys?done=removed");
}

#[tokio::test]
async fn who_has_a_passkey_is_asked_for_it_after_the_password_and_wrong_answers_use_up_no_codes() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    with_passkey(&postern, "jdoe", "phone");
    let mut browser = Browser::new(&postern);
    assert_eq!(sign_in(&mut browser, "jdoe", PASSWORD).await.went_to(), "/sign-in/code");
    let page = browser.get("/sign-in/code").await;
    page.shows(200, &["Use a passkey", "Lost your phone?"]);
    page.lacks(&["Code of six digits"]);
    let gives = [("credential", "{}")];
    browser.post("/sign-in/code/passkey", &gives).await.shows(401, &["That took too long"]);
    for _ in 0..10 {
        let (status, said) = ask(&mut browser, "/sign-in/code/passkey/begin", "").await;
        assert_eq!(
            (status, &said["publicKey"]["allowCredentials"][0]["id"]),
            (200, &"AQEBAQEBAQEBAQEBAQEBAQEBAQE".into())
        );
        browser
            .post("/sign-in/code/passkey", &gives)
            .await
            .shows(401, &["This passkey is not accepted here"]);
    }
    let log = postern.app.store.read_blocking(|tx| tx.audit_of(Action::SessionStart, 9)).unwrap();
    assert!(log.iter().any(|entry| entry.refused.as_deref() == Some("passkey")), "{log:?}");
    browser.post("/sign-in/code", &[("code", "000000")]).await.shows(401, &["each works once"]);
    assert_eq!(browser.get("/me").await.went_to(), "/sign-in");
    let mut stranger = Browser::new(&postern);
    assert_eq!(ask(&mut stranger, "/sign-in/code/passkey/begin", "").await.0, 401);
    assert_eq!(stranger.post("/sign-in/code/passkey", &gives).await.went_to(), "/sign-in");
}

/// Makes a passkey called `phone` where a page asks for it, and sends it there.
pub(crate) async fn add(browser: &mut Browser<'_>, authenticator: &mut Authenticator, at: &str) -> Page {
    let (status, options) = ask(browser, &format!("{at}/begin"), "").await;
    assert_eq!(status, 200, "{options}");
    // As those that are kept in a cloud.
    authenticator.counter = 0;
    let made = authenticator.make(&options);
    browser.post(at, &[("name", " phone "), ("credential", &made)]).await
}

#[tokio::test]
async fn an_answer_signs_in_once_in_time_and_from_the_browser_that_was_asked() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let mut phone = Authenticator::new(1);
    let mut browser = signed_in(&postern, "jdoe").await;
    add(&mut browser, &mut phone, "/me/passkeys")
        .await
        .shows(200, &["never again", "/me/passkeys?done=added"]);
    let again = add(&mut browser, &mut phone, "/me/passkeys").await;
    again.shows(422, &["has a passkey for your account already", "value=\"phone\""]);

    let mut browser = Browser::new(&postern);
    answered(&mut browser, "{}").await.shows(401, &["That took too long"]);
    let (_, asked) = ask(&mut browser, "/sign-in/passkey/begin", "").await;
    let right = phone.answer(&asked);
    let mut stranger = Browser::new(&postern);
    answered(&mut stranger, &right).await.shows(401, &["That took too long"]);
    assert_eq!(ask(&mut stranger, "/sign-in/passkey/begin", "").await.0, 200);
    answered(&mut stranger, &right).await.shows(401, &["This passkey is not accepted here"]);
    answered(&mut browser, "{}").await.shows(401, &["This passkey is not accepted here"]);
    let mut thief = Browser { cookies: browser.cookies.clone(), ..Browser::new(&postern) };
    assert_eq!(answered(&mut browser, &right).await.went_to(), "/me");
    browser.get("/me").await.shows(200, &["jdoe@example.com"]);
    answered(&mut thief, &right).await.shows(401, &["That took too long"]);
    assert_eq!(thief.get("/me").await.went_to(), "/sign-in");

    let mut late = Browser::new(&postern);
    let (_, asked) = ask(&mut late, "/sign-in/passkey/begin", "").await;
    postern.pass(300);
    answered(&mut late, &phone.answer(&asked)).await.shows(401, &["That took too long"]);
    let log = postern.app.store.read_blocking(|tx| tx.audit_of(Action::SessionStart, 99)).unwrap();
    let told = log.iter().map(|entry| (entry.actor.as_str(), entry.refused.as_deref()));
    let mut told: Vec<_> = told.collect();
    told.sort_unstable();
    assert_eq!(told, [("jdoe", None), ("jdoe", None), ("jdoe", Some("passkey"))]);
}

const WIZARD: &str = "/enroll/second-factor/passkey";

#[tokio::test]
async fn where_it_is_required_a_passkey_of_the_wizard_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    let postern = strict(dir.path());
    let mut browser = Browser::new(&postern);
    browser.start(&postern.invite("jdoe")).await;
    assert_eq!(
        browser.post(&format!("{WIZARD}/begin"), &[]).await.went_to(),
        "/enroll/you",
        "nothing before its turn"
    );
    browser.post("/enroll/you", &[("phone", "")]).await.went_to();
    browser.post("/enroll/password", &[("password", PASSWORD)]).await.went_to();
    let offered = format!("action=\"{WIZARD}\"");
    browser.get("/enroll/second-factor").await.shows(200, &["Add a passkey", &offered, "needs JavaScript"]);
    let made = [("name", "<b>phone</b>"), ("credential", "{}")];
    browser.post(WIZARD, &made).await.shows(422, &["That took too long", "value=\"&#60;b&#62;phone"]);
    assert_eq!(ask(&mut browser, &format!("{WIZARD}/begin"), "").await.0, 200);
    browser.post(WIZARD, &made).await.shows(422, &["That passkey was not accepted"]);
    let mut meanwhile = signed_in(&postern, "jdoe").await;
    meanwhile.get("/me/second-factor").await.shows(200, &["asks everybody"]);
    let mut phone = Authenticator::new(1);
    let done = add(&mut browser, &mut phone, WIZARD).await;
    done.shows(200, &["never again", "href=\"/enroll/device\""]);
    browser.get("/enroll/device").await.shows(200, &["Connect this device"]);
    assert_eq!(meanwhile.get("/me").await.went_to(), "/sign-in", "it was opened by a password alone");
    assert_eq!(
        browser.post(&format!("{WIZARD}/begin"), &[]).await.went_to(),
        "/enroll/device",
        "it is set up once"
    );
    assert_eq!(browser.post(WIZARD, &made).await.went_to(), "/enroll/device");
    let audited = postern.audited();
    assert!(audited.contains(&"passkey.add jdoe".to_owned()), "{audited:?}");

    let mut browser = Browser::new(&postern);
    assert_eq!(sign_in(&mut browser, "jdoe", PASSWORD).await.went_to(), "/sign-in/code");
    let (_, asked) = ask(&mut browser, "/sign-in/code/passkey/begin", "").await;
    let given = browser.post("/sign-in/code/passkey", &[("credential", &phone.answer(&asked))]).await;
    assert_eq!(given.went_to(), "/me");
    browser.get("/me").await.shows(200, &["jdoe@example.com"]);
}

#[tokio::test]
async fn the_wizard_waits_for_a_passkey_no_longer_than_its_session_and_not_where_there_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let postern = strict(dir.path());
    let mut browser = Browser::new(&postern);
    browser.with_password(&postern.invite("jdoe")).await;
    postern.pass(590);
    let (_, options) = ask(&mut browser, &format!("{WIZARD}/begin"), "").await;
    let made = Authenticator::new(1).make(&options);
    postern.pass(10);
    browser
        .post(WIZARD, &[("name", "phone"), ("credential", &made)])
        .await
        .shows(401, &["Open the link in your mail again"]);
    assert_eq!(ask(&mut browser, &format!("{WIZARD}/begin"), "").await.0, 401);
    assert!(!postern.audited().contains(&"passkey.add jdoe".to_owned()));

    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.config.second_factor = postern::config::SecondFactor::Required;
        plan.config.public_url = "https://192.0.2.1/".to_owned();
    });
    let mut browser = Browser::new(&postern);
    browser.with_password(&postern.invite("jdoe")).await;
    browser.get("/enroll/second-factor").await.lacks(&["asskey"]);
    assert_eq!(ask(&mut browser, &format!("{WIZARD}/begin"), "").await.0, 404);
}

#[tokio::test]
async fn where_it_is_required_whoever_has_the_password_alone_comes_in_with_no_passkey_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let postern = strict(dir.path());
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    let page = browser.get("/me/passkeys").await;
    page.shows(200, &["First set up", "href=\"/me/second-factor\""]);
    page.lacks(&["action=\"/me/passkeys\""]);
    assert_eq!(ask(&mut browser, "/me/passkeys/begin", "").await.0, 422);
    assert_eq!(browser.get("/me").await.went_to(), "/me/second-factor");
    let begun = browser.post("/me/second-factor", &[("by", "email")]).await.went_to().to_owned();
    let code = digits_in(&letters(&postern, dir.path(), 1).await);
    let given = [("by", "email"), ("code", &*code)];
    browser.post(begun.split('?').next().unwrap(), &given).await.shows(200, &["never again"]);
    assert_eq!(ask(&mut browser, "/me/passkeys/begin", "").await.0, 200);

    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.config.second_factor = postern::config::SecondFactor::Required;
        plan.config.mail.directory = None;
    });
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    assert_eq!(
        ask(&mut browser, "/me/passkeys/begin", "").await.0,
        200,
        "without mails nothing tells them apart"
    );
}

#[tokio::test]
async fn whoever_has_the_password_alone_keeps_out_neither_a_known_browser_nor_a_passkey() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let mut phone = Authenticator::new(1);
    let mut owner = signed_in(&postern, "jdoe").await;
    add(&mut owner, &mut phone, "/me/passkeys").await.shows(200, &["never again"]);
    let mut let_wait = 0;
    while sign_in(&mut Browser::new(&postern), "jdoe", PASSWORD).await.status == 303 {
        let_wait += 1;
    }
    assert!((19..=20).contains(&let_wait), "{let_wait}");
    assert_eq!(sign_in(&mut owner, "jdoe", PASSWORD).await.went_to(), "/sign-in/code");
    let mut browser = Browser { address: "198.51.100.7".parse().unwrap(), ..Browser::new(&postern) };
    let (_, asked) = ask(&mut browser, "/sign-in/passkey/begin", "").await;
    assert_eq!(answered(&mut browser, &phone.answer(&asked)).await.went_to(), "/me");
    let mut judged = 0;
    while answered(&mut browser, "{}").await.status == 401 {
        judged += 1;
    }
    assert_eq!(judged, 30, "what was right was no guess");
}

/// A whole answer of an authenticator, with a signature that nobody made.
fn unsigned(challenge: &Value, id: [u8; 16], handle: [u8; 16]) -> Value {
    let coded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let said = json!({
        "type": "webauthn.get", "challenge": challenge, "origin": "https://vpn.example.com", "crossOrigin": false,
    });
    let mut data = Sha256::digest("vpn.example.com").to_vec();
    data.extend([0x05, 0, 0, 0, 9]);
    json!({
        "id": coded(&id), "rawId": coded(&id), "type": "public-key", "clientExtensionResults": {},
        "response": {
            "clientDataJSON": coded(said.to_string().as_bytes()), "authenticatorData": coded(&data),
            "signature": coded(&[7; 70]), "userHandle": coded(&handle),
        },
    })
}

#[tokio::test]
async fn what_is_asked_and_what_is_refused_tells_nobody_who_has_a_passkey() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let asked = async |body: &str| {
        let mut browser = Browser::new(&postern);
        let (status, mut said) = ask(&mut browser, "/sign-in/passkey/begin", body).await;
        let challenge = said["publicKey"]["challenge"].take();
        assert!(status == 200 && challenge.as_str().unwrap().len() >= 43, "{challenge}");
        said
    };
    let before = asked("username=jdoe").await;
    with_passkey(&postern, "jdoe", "phone");
    for body in ["", "username=jdoe", "username=nobody"] {
        assert_eq!(asked(body).await, before, "{body}");
    }
    let stored = [u8::try_from(postern.user("jdoe").0).unwrap(); 16];
    let mut refused = Vec::new();
    let cases = [(stored, [1; 16]), (stored, [2; 16]), ([99; 16], [1; 16]), ([99; 16], [2; 16])];
    for (number, (id, handle)) in (1..).zip(cases) {
        // Of one network the log takes one of each kind.
        let mut browser = Browser { address: [198, 51, 100, number].into(), ..Browser::new(&postern) };
        let (_, asked) = ask(&mut browser, "/sign-in/passkey/begin", "").await;
        let given = unsigned(&asked["publicKey"]["challenge"], id, handle).to_string();
        let page = answered(&mut browser, &given).await;
        assert_eq!(page.status, 401);
        refused.push(page.text);
    }
    let log = postern.app.store.read_blocking(|tx| tx.audit_of(Action::SessionStart, 99)).unwrap();
    let mut told: Vec<_> = log.iter().map(|entry| (&*entry.actor, entry.refused.as_deref())).collect();
    told.sort_unstable();
    let [nobody, owner] = ["-", "jdoe"].map(|actor| (actor, Some("passkey")));
    assert_eq!(told, [nobody, nobody, owner, owner], "whose it is was found, and told to nobody");
    assert!(refused.iter().all(|text| *text == refused[0]));
}

#[tokio::test]
async fn an_address_has_passkeys_asked_for_and_judged_so_often() {
    let postern = Postern::new();
    let mut browser = Browser::new(&postern);
    let mut begun = 0;
    while ask(&mut browser, "/sign-in/passkey/begin", "").await.0 == 200 {
        begun += 1;
    }
    let mut judged = 0;
    while answered(&mut browser, "{}").await.status == 401 {
        judged += 1;
    }
    assert_eq!((begun, judged), (30, 30));
    browser.address = "198.51.100.7".parse().unwrap();
    assert_eq!(ask(&mut browser, "/sign-in/passkey/begin", "").await.0, 200);
    assert_eq!(answered(&mut browser, "{}").await.status, 401);
}
