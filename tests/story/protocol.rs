//! The client API as desktop clients and their command line tool see it, with a decoder as strict as theirs.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "a field that is not there fails the test")]

mod support;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use postern::rules::enrollment::EnrollmentKind;
use serde_json::{Value, json};
use support::{NOW, Postern, key};

const START: &str = "/api/v1/enrollment/start";
const CREATE: &str = "/api/v1/enrollment/create_device";
const ACTIVATE: &str = "/api/v1/enrollment/activate_user";
const INFO: &str = "/api/v1/enrollment/network_info";
const POLL: &str = "/api/v1/poll";

/// Every field the strict client requires, with its type; `?` may be null or absent.
const INSTANCE: &str = "id:s name:s url:s proxy_url:s username:s enterprise_enabled:b disable_all_traffic:b \
                        openid_display_name:s? client_traffic_policy:i?";
const DEVICE: &str = "id:i name:s pubkey:s user_id:i created_at:i";
const LOCATION: &str = "network_id:i network_name:s config:s endpoint:s assigned_ip:s pubkey:s allowed_ips:s dns:s? \
                        mfa_enabled:b keepalive_interval:i location_mfa_mode:i? service_location_mode:i?";
const USER: &str = "first_name:s last_name:s login:s email:s phone_number:s? is_active:b device_names:a enrolled:b \
                    is_admin:b";
const ADMIN: &str = "name:s phone_number:s? email:s";
const SETTINGS: &str = "vpn_setup_optional:b only_client_activation:b admin_device_management:b smtp_configured:b \
                        mfa_required:b";

fn strict(object: &Value, fields: &str) {
    for field in fields.split_whitespace() {
        let (name, kind) = field.split_once(':').unwrap();
        let value = &object[name];
        let fits = match kind.trim_end_matches('?') {
            "s" => value.is_string(),
            "b" => value.is_boolean(),
            "i" => value.is_i64(),
            "a" => value.is_array(),
            other => panic!("no such type: {other}"),
        };
        assert!(fits || (kind.ends_with('?') && value.is_null()), "{name} in {object}");
    }
}

fn strict_start(answer: &Value) {
    strict(answer, "deadline_timestamp:i final_page_content:s");
    strict(&answer["instance"], INSTANCE);
    strict(&answer["user"], USER);
    strict(&answer["admin"], ADMIN);
    strict(&answer["settings"], SETTINGS);
}

fn strict_config(answer: &Value) {
    strict(&answer["device"], DEVICE);
    strict(&answer["instance"], INSTANCE);
    for location in answer["configs"].as_array().unwrap() {
        strict(location, LOCATION);
    }
}

/// The bytes of `"configs":…,"instance":{…}` as sent.
fn stable_part(text: &str) -> &str {
    let from = text.find("\"configs\":").unwrap();
    let to = text.find(",\"token\":").unwrap();
    &text[from..to]
}

#[tokio::test]
async fn a_desktop_client_registers_first_and_sets_the_password_then() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let (start, cookie) = postern.start(&format!(" {token}\n")).await;
    let start = start.json();
    strict_start(&start);
    assert_eq!(start["deadline_timestamp"], NOW + 600);
    assert_eq!(start["user"]["enrolled"], false);
    assert_eq!(start["user"]["phone_number"], Value::Null, "a number that blocks the wizard is withheld");
    assert_eq!(start["final_page_content"], "# Welcome John");
    assert_eq!(start["instance"]["proxy_url"], "https://vpn.example.com/");
    let created = postern.create_device(&cookie, " johns-laptop ", &key(1)).await;
    assert_eq!(created.status, 200, "{}", created.text);
    let created = created.json();
    strict_config(&created);
    assert_eq!(created["device"]["name"], "johns-laptop");
    let names: Vec<_> = created["configs"].as_array().unwrap().iter().map(|c| &c["network_name"]).collect();
    assert_eq!(names, ["HQ", "Lab"]);
    let hq = &created["configs"][0];
    assert_eq!(hq["assigned_ip"], "10.77.1.2,fd77:1::2");
    assert_eq!(hq["allowed_ips"], "10.77.1.0/24,fd77:1::/64,10.0.0.0/8");
    assert_eq!(hq["dns"], "10.77.1.1,example.com");
    assert_eq!(created["configs"][1]["dns"], Value::Null);
    let mfa = postern
        .post("/api/v1/enrollment/register-mfa/code/start", Some(&cookie), r#"{"method":"Totp"}"#)
        .await;
    assert_eq!((mfa.status, mfa.text.as_str()), (200, r#"{"totp_secret":null}"#));
    let body = r#"{"phone_number":"+48 123456789","password":"Correct-Horse-7"}"#;
    let activated = postern.post(ACTIVATE, Some(&cookie), body).await;
    assert_eq!((activated.status, activated.text.as_str()), (200, "{}"));
    let again = postern.post(ACTIVATE, Some(&cookie), body).await;
    assert_eq!(again.status, 400);
    assert!(postern.audited().contains(&"password.refuse".to_owned()));
    let closed = postern.post(START, None, &json!({ "token": token }).to_string()).await;
    assert_eq!((closed.status, closed.error().as_str()), (401, "invalid token"));
    assert_eq!(postern.create_device(&cookie, "phone", &key(2)).await.status, 200, "the session goes on");
}

#[tokio::test]
async fn the_command_line_client_enrolls_a_machine_and_polls() {
    let postern = Postern::new();
    let token = postern.add_machine("edge-box", "Lab");
    let (start, line) = postern.start(&token).await;
    strict_start(&start.json());
    assert_eq!(start.json()["user"]["enrolled"], true);
    // A real cookie jar sends the pair alone.
    let cookie = line.split(';').next().unwrap();
    let created = postern.create_device(cookie, "", &key(1)).await.json();
    strict_config(&created);
    assert_eq!(created["device"]["name"], "edge-box");
    assert_eq!(created["configs"].as_array().unwrap().len(), 1);
    let polled = postern.post(POLL, None, &json!({ "token": created["token"] }).to_string()).await;
    assert_eq!(polled.status, 200);
    strict_config(&polled.json()["device_config"]);
    assert_eq!(polled.json()["device_config"]["token"], Value::Null);
    assert_eq!(polled.json()["device_config"]["configs"], created["configs"]);
}

#[tokio::test]
async fn configurations_are_the_same_bytes_in_every_answer_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.db");
    let postern = Postern::over_file(&file, NOW);
    let (_, cookie) = postern.start(&postern.invite("jdoe")).await;
    let created = postern.create_device(&cookie, "laptop", &key(1)).await;
    drop(postern);
    let postern = Postern::over_file(&file, NOW + 300);
    let body = json!({ "pubkey": key(1) }).to_string();
    let info = postern.post(INFO, Some(&cookie), &body).await;
    assert_eq!(info.status, 200, "the session survived the restart: {}", info.text);
    let old = postern.post(POLL, None, &json!({ "token": created.json()["token"] }).to_string()).await;
    assert_eq!(old.status, 403, "a new polling token replaces the old one");
    let polled = postern.post(POLL, None, &json!({ "token": info.json()["token"] }).to_string()).await;
    assert_eq!(stable_part(&created.text), stable_part(&info.text));
    assert_eq!(stable_part(&created.text), stable_part(&polled.text));
}

#[tokio::test]
async fn starting_again_keeps_the_deadline_and_cookies_are_as_the_protocol_says() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let (first, cookie) = postern.start(&token).await;
    let (second, other) = postern.start(&token).await;
    assert_eq!(first.json()["deadline_timestamp"], second.json()["deadline_timestamp"]);
    assert_ne!(cookie, other);
    assert!(cookie.starts_with("defguard_proxy="));
    assert!(cookie.ends_with("; Max-Age=600; Path=/; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
    let id = cookie.split(';').next().unwrap().to_owned();
    let mangled = [
        cookie.clone(),
        other,
        format!("undefined; {id}"),
        format!("a=b,c d; ; =x; {id}; defguard_proxy=second"),
        format!("defguard_proxy_password_reset=zzz; {id}"),
    ];
    for (number, line) in mangled.iter().enumerate() {
        let body = json!({ "pubkey": key(u8::try_from(number).unwrap()) }).to_string();
        assert_eq!(postern.post(INFO, Some(line), &body).await.status, 404, "{line}");
    }
    for line in
        ["", "undefined", "defguard_proxy", "defguard_proxy=", "defguard_proxy=wrong", "DEFGUARD_PROXY=x"]
    {
        let body = json!({ "pubkey": key(1) }).to_string();
        assert_eq!(postern.post(INFO, Some(line), &body).await.status, 401, "{line}");
    }
}

#[tokio::test]
async fn dead_tokens_are_refused_in_the_words_that_clients_compare() {
    let postern = Postern::new();
    let expired = postern.invite_as("late", EnrollmentKind::Enrollment, Duration::ZERO);
    for (token, text) in [(expired.as_str(), "token expired"), ("unknown", "invalid token")] {
        let answer = postern.post(START, Some("undefined"), &json!({ "token": token }).to_string()).await;
        assert_eq!((answer.status, answer.error().as_str()), (401, text));
        assert!(answer.cookie.is_none());
    }
}

#[tokio::test]
async fn a_spent_token_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.db");
    let before = Postern::over_file(&file, NOW);
    let token = before.invite("jdoe");
    let (_, cookie) = before.start(&token).await;
    drop(before);
    let after = Postern::over_file(&file, NOW + 600);
    let answer = after.post(START, None, &json!({ "token": token }).to_string()).await;
    assert_eq!((answer.status, answer.error().as_str()), (401, "invalid token"));
    assert_eq!(after.create_device(&cookie, "laptop", &key(1)).await.status, 401);
}

#[tokio::test]
async fn bad_input_is_answered_with_json_and_never_with_500() {
    let postern = Postern::new();
    let (_, cookie) = postern.start(&postern.invite("jdoe")).await;
    for path in [START, CREATE, ACTIVATE, INFO, POLL] {
        for body in
            ["", "{", "null", "[]", "{}", r#"{"token":1,"name":[],"pubkey":{},"password":false}"#, "\u{1}"]
        {
            let answer = postern.post(path, Some(&cookie), body).await;
            assert_eq!(answer.status, 400, "{path} {body:?}: {}", answer.text);
            answer.error();
        }
        let long = postern.post(path, Some(&cookie), &" ".repeat(64 * 1024 + 1)).await;
        assert_eq!(long.status, 413, "{path}");
        long.error();
    }
    let zero = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let one = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let own = postern.app.site().locations().next().unwrap().public_key.to_string();
    for bad in ["", "AAAA", "not base64", zero, one, &own] {
        let answer = postern.create_device(&cookie, "laptop", bad).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text);
        answer.error();
    }
    for bad in ["  ", "a\tb", &"x".repeat(65)] {
        assert_eq!(postern.create_device(&cookie, bad, &key(1)).await.status, 400, "{bad:?}");
    }
    assert_eq!(postern.create_device(&cookie, "laptop", &key(1)).await.status, 200);
    assert_eq!(postern.create_device(&cookie, "LapTop", &key(2)).await.status, 409);
    assert_eq!(postern.create_device(&cookie, "other", &key(1)).await.status, 400);
}

#[tokio::test]
async fn a_nameless_device_of_a_person_is_told_what_to_do() {
    let postern = Postern::new();
    let (_, cookie) = postern.start(&postern.invite("jdoe")).await;
    let answer = postern.create_device(&cookie, "", &key(1)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("device token"));
}

#[tokio::test]
async fn every_answer_carries_the_version_headers_and_none_is_compressed() {
    let postern = Postern::new();
    let get = |path: &str| Request::get(path).header("accept-encoding", "gzip").body(Body::empty()).unwrap();
    let answers = [
        (200, postern.send(get("/api/v1/info")).await),
        (200, postern.send(get("//api/v1//health?x=1")).await),
        (401, postern.post(START, None, r#"{"token":"x"}"#).await),
        (403, postern.post(POLL, None, r#"{"token":"x"}"#).await),
        (404, postern.send(get("/api/v1/openid/auth_info")).await),
        (404, postern.post("/api/v1/client-mfa/start", None, "{}").await),
        (405, postern.send(get(START)).await),
    ];
    for (status, answer) in answers {
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.headers["defguard-core-version"], "2.1.0");
        assert_eq!(answer.headers["defguard-component-version"], "2.1.0");
        assert_eq!(answer.headers["defguard-core-connected"], "true");
        assert!(!answer.headers.contains_key("content-encoding"));
        if status >= 400 {
            answer.error();
        }
    }
}

#[tokio::test]
async fn guessing_tokens_is_slowed_down_with_a_time_to_wait() {
    let postern = Postern::new();
    for _ in 0..30 {
        assert_eq!(postern.post(START, None, r#"{"token":"x"}"#).await.status, 401);
    }
    let answer = postern.post(START, None, r#"{"token":"x"}"#).await;
    assert_eq!(answer.status, 429);
    assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    answer.error();
}

#[tokio::test]
async fn two_who_race_for_a_key_are_not_both_served() {
    let postern = Postern::new();
    let (_, ann) = postern.start(&postern.invite("ann")).await;
    let (_, bob) = postern.start(&postern.invite("bob")).await;
    let key = key(1);
    let (first, second) =
        tokio::join!(postern.create_device(&ann, "one", &key), postern.create_device(&bob, "two", &key));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
}

#[tokio::test]
async fn somebody_elses_device_is_401_and_an_unknown_one_404() {
    let postern = Postern::new();
    let (_, ann) = postern.start(&postern.invite("ann")).await;
    let (_, bob) = postern.start(&postern.invite("bob")).await;
    postern.create_device(&ann, "one", &key(1)).await;
    let body = json!({ "pubkey": key(1) }).to_string();
    assert_eq!(postern.post(INFO, Some(&bob), &body).await.status, 401);
    let unknown = postern.post(INFO, Some(&ann), &json!({ "pubkey": key(9) }).to_string()).await;
    assert_eq!((unknown.status, unknown.error().as_str()), (404, "device not found"));
}

#[tokio::test]
async fn a_device_nobody_stood_behind_is_removed_with_its_session() {
    let postern = Postern::new();
    let (_, cookie) = postern.start(&postern.invite("jdoe")).await;
    postern.create_device(&cookie, "laptop", &key(1)).await;
    let sweep = |second: i64| {
        let now = jiff::Timestamp::from_second(second).unwrap();
        postern.app.store.write_blocking(|tx| postern::flows::sweep::end_sessions(tx, now)).unwrap().0
    };
    assert_eq!(sweep(NOW + 599), 0);
    assert_eq!(sweep(NOW + 600), 1);
    let user = postern.user("jdoe");
    assert!(postern.app.store.read_blocking(|tx| tx.devices_of(user)).unwrap().is_empty());
    assert!(postern.audited().contains(&"device.abandon".to_owned()));
    assert_eq!(sweep(NOW + 601), 0, "a session is closed once");
}
