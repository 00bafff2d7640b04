//! Connecting where a second factor is asked for (protocol 1.8 and 0.4): the desktop client's own sequence, what the gateway is
//! to have before, during and after it, and everything that is refused. `Lab` asks for one, `HQ` does not.

use postern::flows::invite::Actor;
use postern::flows::{accounts, second_factor};
use postern::mail::letter::{Composed, compose};
use postern::rules::ids::LocationId;
use postern::rules::message::Message;
use postern::rules::totp::{Secret, Step};
use postern::site::Site;
use postern::store::{Store, StoreError, Tx};
use postern_gateway::{DesiredPeer, PublicKey, Scope};
use serde_json::{Value, json};

use crate::support::{Answer, CONNECT, CONNECT_FINISH, NOW, POLL, Postern, key, polling, strict};

pub(crate) const LAB: i64 = 2;

/// `Lab` asks for a second factor.
pub(crate) fn asking() -> Postern {
    Postern::planned(Store::in_memory().unwrap(), NOW, |plan| plan.location("Lab").second_factor = true)
}

/// With the laptop of a user, whose key has this number.
pub(crate) async fn with_laptop(postern: &Postern, username: &str, number: u8) -> Answer {
    let cookie = postern.enrolled(username).await;
    let created = postern.create_device(&cookie, "laptop", &key(number)).await;
    assert_eq!(created.status, 200, "{}", created.text);
    created
}

pub(crate) async fn begin(postern: &Postern, method: i64, number: u8) -> Answer {
    let body = json!({ "method": method, "pubkey": key(number), "location_id": LAB });
    postern.post(CONNECT, None, &body.to_string()).await
}

pub(crate) fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    strict::object(&answer.json(), "token:s challenge:s?").unwrap();
    answer.json()["token"].as_str().unwrap().to_owned()
}

pub(crate) async fn finish(postern: &Postern, token: &str, code: &str) -> Answer {
    postern.post(CONNECT_FINISH, None, &json!({ "token": token, "code": code }).to_string()).await
}

/// The preshared key of an answer.
pub(crate) fn preshared(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    strict::object(&answer.json(), "preshared_key:s token:s?").unwrap();
    answer.json()["preshared_key"].as_str().unwrap().to_owned()
}

/// The codes that were mailed, out of the letters that would leave now.
pub(crate) fn mailed(postern: &Postern) -> Vec<String> {
    let (site, now) = (postern.app.site(), postern.app.now());
    let letters = postern.app.store.read_blocking(|tx| {
        let mut letters = Vec::new();
        for mail in tx.due_mail(now, 99)? {
            let message = mail.message().unwrap();
            if let (Message::ConnectCode { .. }, Composed::Letter(letter)) =
                (&message, compose(tx, &site, &message, now)?)
            {
                assert!(letter.text.contains("laptop") && letter.text.contains("Lab"), "{}", letter.text);
                letters.push(letter.subject[..6].to_owned());
            }
        }
        Ok::<_, StoreError>(letters)
    });
    letters.unwrap()
}

/// What the gateway is to have at `Lab` of a key.
pub(crate) fn peer(postern: &Postern, number: u8) -> Option<DesiredPeer> {
    let key: PublicKey = key(number).parse().unwrap();
    let site = postern.app.site();
    let (desired, _) = postern.app.store.read_blocking(|tx| tx.desired(&site, &Scope::Everything)).unwrap();
    assert!(
        desired.interfaces[&"wg-1".parse().unwrap()].peers.values().all(|peer| peer.preshared_key.is_none())
    );
    desired.interfaces[&"wg-2".parse().unwrap()].peers.get(&key).cloned()
}

/// Connects by mail; the preshared key.
pub(crate) async fn connect(postern: &Postern, number: u8) -> String {
    let token = token(&begin(postern, 1, number).await);
    let code = mailed(postern).pop().unwrap();
    preshared(&finish(postern, &token, &code).await)
}

#[tokio::test]
async fn a_client_is_told_where_it_must_give_a_second_factor_and_always_the_same() {
    let postern = asking();
    let created = with_laptop(&postern, "jdoe", 1).await.json();
    strict::device_config(&created).unwrap();
    let told = |name: &str| {
        let configs = created["configs"].as_array().unwrap();
        let config = configs.iter().find(|config| config["network_name"] == name).unwrap();
        (config["location_mfa_mode"].clone(), config["mfa_enabled"].clone(), config["config"] == "")
    };
    assert_eq!(told("HQ"), (json!(1), json!(false), false));
    assert_eq!(told("Lab"), (json!(2), json!(true), true), "and a file that would not get in is not given");
    let token = created["token"].as_str().unwrap().to_owned();
    connect(&postern, 1).await;
    let polled: Value = postern.present(POLL, &token).await.json();
    assert_eq!(polled["device_config"]["configs"], created["configs"]);
}

#[tokio::test]
async fn a_mailed_code_gives_a_preshared_key_and_the_peer_exists_with_it_and_only_with_it() {
    let postern = asking();
    with_laptop(&postern, "jdoe", 1).await;
    assert_eq!(peer(&postern, 1), None, "nobody connected");
    let begun = token(&begin(&postern, 1, 1).await);
    assert_eq!(peer(&postern, 1), None, "nobody gave a code");
    let code = mailed(&postern).pop().unwrap();
    let shown = preshared(&finish(&postern, &begun, &code).await);
    let there = peer(&postern, 1).unwrap();
    assert_eq!(there.preshared_key.unwrap().to_base64().as_str(), shown);
    assert_eq!(there.allowed_ips.len(), 2);
    assert!(postern.audited().contains(&"connection.start jdoe/laptop".to_owned()));
}

#[tokio::test]
async fn another_run_has_another_key_and_takes_the_place_of_the_first() {
    let postern = asking();
    with_laptop(&postern, "jdoe", 1).await;
    let first = connect(&postern, 1).await;
    postern.pass(61);
    let second = connect(&postern, 1).await;
    assert_ne!(first, second);
    assert_eq!(peer(&postern, 1).unwrap().preshared_key.unwrap().to_base64().as_str(), second);
}

/// An authenticator app that has proved itself.
pub(crate) fn with_app(postern: &Postern, username: &str) -> Secret {
    let (site, now, user) = (postern.app.site(), postern.app.now(), postern.user(username));
    let made = postern.app.store.write_blocking(|tx| {
        let user = tx.user(user)?.unwrap();
        second_factor::begin(tx, &site, &user, [[7; 32], [8; 32]], now)?.unwrap();
        let secret = tx.totp(user.id)?.unwrap().secret(&site.keys.seal)?.unwrap();
        tx.confirm_totp(user.id, Step(0), now)?;
        Ok::<_, StoreError>(secret)
    });
    made.unwrap().0
}

/// What the app shows now.
fn code_of(secret: &Secret, postern: &Postern) -> String {
    let app = totp_rs::Builder::new().with_secret(secret.expose().to_vec()).build_noncompliant();
    app.generate(u64::try_from(postern.app.now().as_second()).unwrap()).to_string()
}

#[tokio::test]
async fn an_apps_code_connects_once_and_mail_is_no_way_around_the_app() {
    let postern = asking();
    with_laptop(&postern, "jdoe", 1).await;
    let unset = begin(&postern, 0, 1).await;
    assert_eq!(unset.told(), (400, "selected MFA method not available".to_owned()), "not set up");
    let secret = with_app(&postern, "jdoe");
    let around = begin(&postern, 1, 1).await;
    assert_eq!(around.told(), (400, "selected MFA method not available".to_owned()));
    assert!(mailed(&postern).is_empty());
    let code = code_of(&secret, &postern);
    let first = token(&begin(&postern, 0, 1).await);
    let second = token(&begin(&postern, 0, 1).await);
    preshared(&finish(&postern, &first, &code).await);
    assert!(peer(&postern, 1).unwrap().preshared_key.is_some());
    let replayed = finish(&postern, &second, &code).await;
    assert_eq!(replayed.told(), (401, "Unauthorized".to_owned()), "a code works once");
    postern.pass(60);
    let recovery = finish(&postern, &second, "0000000000000000").await;
    assert_eq!(recovery.told(), (401, "Unauthorized".to_owned()));
    preshared(&finish(&postern, &second, &code_of(&secret, &postern)).await);
}

#[tokio::test]
async fn methods_that_are_not_offered_are_refused_in_the_clients_words() {
    let postern = asking();
    with_laptop(&postern, "jdoe", 1).await;
    for method in [2, 3, 4, 5, -1, i64::MAX] {
        let refused = begin(&postern, method, 1).await;
        assert_eq!(refused.told(), (400, "selected MFA method not available".to_owned()), "{method}");
    }
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.location("Lab").second_factor = true;
        plan.config.mail.directory = None;
    });
    with_laptop(&postern, "jdoe", 1).await;
    let refused = begin(&postern, 1, 1).await;
    assert_eq!(refused.told(), (400, "selected MFA method not available".to_owned()), "no mail is sent");
}

#[tokio::test]
async fn strangers_learn_of_no_key_whether_it_is_known() {
    let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
        plan.location("Lab").second_factor = true;
        plan.location("Closed").second_factor = true;
    });
    with_laptop(&postern, "jdoe", 1).await;
    with_laptop(&postern, "zoe", 2).await;
    administer(&postern, |tx, site, actor, now| {
        accounts::disable(tx, site, actor, "zoe", now).unwrap_or_else(|refused| panic!("{refused}"));
    });
    let asked = async |number: u8, location: i64| {
        let body = json!({ "method": 1, "pubkey": key(number), "location_id": location });
        postern.post(CONNECT, None, &body.to_string()).await.told()
    };
    let refused = (400, "this device cannot connect to this location".to_owned());
    assert_eq!(asked(9, LAB).await, refused, "nobody's key");
    assert_eq!(asked(2, LAB).await, refused, "a disabled user's");
    assert_eq!(asked(1, 3).await, refused, "one that may not be there");
    let unasked = (400, "this location asks for no second factor".to_owned());
    for number in [1, 9] {
        assert_eq!(asked(number, 1).await, unasked, "HQ");
        assert_eq!(asked(number, 99).await, unasked, "no location at all");
    }
    let key_of_location = postern.app.site().location(LocationId(LAB)).unwrap().public_key.to_string();
    for bad in [key_of_location.as_str(), "", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "laptop"] {
        let body = json!({ "method": 1, "pubkey": bad, "location_id": LAB }).to_string();
        assert_eq!(postern.post(CONNECT, None, &body).await.status, 400, "{bad}");
    }
    assert!(mailed(&postern).is_empty());
}

#[tokio::test]
async fn tokens_that_are_unknown_over_or_spent_are_told_in_the_clients_words() {
    let postern = asking();
    let created = with_laptop(&postern, "jdoe", 1).await;
    let begun = token(&begin(&postern, 1, 1).await);
    let code = mailed(&postern).pop().unwrap();
    for unknown in ["", "unknown", &polling(&created), &key(1)] {
        let refused = finish(&postern, unknown, &code).await;
        assert_eq!(refused.told(), (400, "invalid token".to_owned()), "{unknown:?}");
    }
    assert_eq!(finish(&postern, &begun, "").await.told(), (401, "Unauthorized".to_owned()));
    let none = postern.post(CONNECT_FINISH, None, &json!({ "token": begun, "code": null }).to_string()).await;
    assert_eq!(none.told(), (401, "Unauthorized".to_owned()));
    preshared(&finish(&postern, &begun, &format!(" {code}\n")).await);
    assert_eq!(finish(&postern, &begun, &code).await.told(), (400, "invalid token".to_owned()), "spent");
    postern.pass(61);
    let late = token(&begin(&postern, 1, 1).await);
    let code = mailed(&postern).pop().unwrap();
    postern.pass(600);
    assert_eq!(finish(&postern, &late, &code).await.told(), (400, "login session not found".to_owned()));
}

#[tokio::test]
async fn a_code_is_good_for_ten_minutes_for_one_use_one_device_and_one_location() {
    let postern = asking();
    let cookie = postern.enrolled("jdoe").await;
    for (name, number) in [("laptop", 1), ("other laptop", 2)] {
        assert_eq!(postern.create_device(&cookie, name, &key(number)).await.status, 200);
    }
    let first = token(&begin(&postern, 1, 1).await);
    let other = begin(&postern, 1, 2).await;
    assert_eq!((other.status, &other.headers["retry-after"]), (429, &"60".parse().unwrap()));
    other.error();
    let code = mailed(&postern).pop().unwrap();
    postern.pass(290);
    let again = token(&begin(&postern, 1, 1).await);
    assert_eq!(mailed(&postern), [code.clone(), code.clone()], "who asks again is mailed the same");
    preshared(&finish(&postern, &first, &code).await);
    assert_eq!(finish(&postern, &again, &code).await.told(), (401, "Unauthorized".to_owned()));
    postern.pass(300);
    let old = token(&begin(&postern, 1, 1).await);
    let stale = mailed(&postern).pop().unwrap();
    postern.pass(540);
    let fresh = token(&begin(&postern, 1, 1).await);
    let code = mailed(&postern).pop().unwrap();
    assert_ne!(code, stale);
    assert_eq!(finish(&postern, &old, &stale).await.told(), (401, "Unauthorized".to_owned()), "replaced");
    postern.pass(60);
    let of_other = token(&begin(&postern, 1, 2).await);
    let others = mailed(&postern).pop().unwrap();
    assert_ne!(others, code);
    assert_eq!(
        finish(&postern, &fresh, &others).await.told(),
        (401, "Unauthorized".to_owned()),
        "another device's"
    );
    preshared(&finish(&postern, &of_other, &others).await);
    preshared(
        &finish(&postern, &token(&begin(&postern, 1, 1).await), &mailed(&postern).pop().unwrap()).await,
    );
}

#[tokio::test]
async fn one_mail_a_minute_leaves_for_an_account_however_often_somebody_asks() {
    let postern = asking();
    with_laptop(&postern, "jdoe", 1).await;
    for _ in 0..20 {
        token(&begin(&postern, 1, 1).await);
        postern.pass(3);
    }
    assert_eq!(mailed(&postern).len(), 1);
}

#[tokio::test]
async fn of_a_device_ten_wrong_codes_are_looked_at_however_many_come_together() {
    let postern = asking();
    let cookie = postern.enrolled("jdoe").await;
    for (name, number) in [("laptop", 1), ("other laptop", 2)] {
        assert_eq!(postern.create_device(&cookie, name, &key(number)).await.status, 200);
    }
    let begun = token(&begin(&postern, 1, 1).await);
    let code = mailed(&postern).pop().unwrap();
    let mut guesses = tokio::task::JoinSet::new();
    for number in 0..25 {
        let (postern, begun) = (postern.clone(), begun.clone());
        guesses.spawn(async move { finish(&postern, &begun, &format!("x{number:05}")).await.status });
    }
    let answers = guesses.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 10, "{answers:?}");
    assert!(answers.iter().all(|status| [401, 429].contains(status)), "{answers:?}");
    let right = finish(&postern, &begun, &code).await;
    assert_eq!(right.status, 429, "not even the right one");
    right.error();
    assert_eq!(peer(&postern, 1), None);
    postern.pass(61);
    connect(&postern, 2).await;
    assert!(postern.audited().iter().any(|entry| entry.starts_with("connection.start jdoe")));
}

#[tokio::test]
async fn a_gateway_that_is_not_ready_is_told_honestly_and_the_same_token_goes_on() {
    let postern = asking();
    with_laptop(&postern, "jdoe", 1).await;
    let begun = token(&begin(&postern, 1, 1).await);
    let code = mailed(&postern).pop().unwrap();
    let ready = postern.applied.borrow().clone();
    postern.halt_gateway();
    let refused = finish(&postern, &begun, &code).await;
    assert_eq!(refused.status, 503);
    assert!(refused.error().contains("not ready"), "{}", refused.text);
    postern.applied.send_replace(ready);
    let shown = preshared(&finish(&postern, &begun, &code).await);
    assert_eq!(peer(&postern, 1).unwrap().preshared_key.unwrap().to_base64().as_str(), shown);
}

pub(crate) fn administer(postern: &Postern, deed: impl FnOnce(&Tx<'_>, &Site, &Actor, jiff::Timestamp)) {
    let actor = Actor { name: "unix:root".to_owned(), account: None };
    let (site, now) = (postern.app.site(), postern.app.now());
    let done = postern.app.store.write_blocking(|tx| {
        deed(tx, &site, &actor, now);
        Ok::<_, StoreError>(())
    });
    done.unwrap();
}
