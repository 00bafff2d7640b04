//! The rows of protocol section 8 that are about bodies: first that the decoder used here is as strict as the command line
//! client's, then that every answer passes it.

use serde_json::{Value, json};

use crate::support::{NOW, POLL, Postern, key, polling, strict};

type Decoder = fn(&Value) -> Result<(), String>;

/// What the strict client does without.
const OPTIONAL: [&str; 7] = [
    "/user/phone_number",
    "/admin/phone_number",
    "/instance/openid_display_name",
    "/instance/client_traffic_policy",
    "/configs/0/dns",
    "/configs/0/location_mfa_mode",
    "/configs/0/service_location_mode",
];

#[tokio::test]
async fn a_field_that_is_missing_null_or_of_another_type_would_be_noticed() {
    let (start, created) = answers().await;
    let mut tried = 0;
    let decoders: [Decoder; 2] = [strict::start, strict::device_config];
    for (answer, decode) in [start, created].into_iter().zip(decoders) {
        decode(&answer).unwrap();
        for path in leaves(&answer) {
            let damaged = |value: Value| {
                let mut damaged = answer.clone();
                *damaged.pointer_mut(&path).unwrap() = value;
                decode(&damaged)
            };
            let may_miss = OPTIONAL.contains(&path.as_str()) || path == "/token";
            assert_eq!(damaged(Value::Null).is_ok(), may_miss, "{path}");
            assert!(damaged(json!({ "an": "object" })).is_err(), "{path}");
            assert!(damaged(json!(1.5)).is_err(), "{path}");
            tried += 1;
        }
    }
    assert_eq!(tried, 55, "every field was tried");
}

#[tokio::test]
async fn whole_parts_may_be_missing_only_where_the_client_does_without() {
    let (start, created) = answers().await;
    for (part, may_miss) in [("admin", true), ("user", true), ("settings", true), ("instance", false)] {
        let mut damaged = start.clone();
        damaged[part] = Value::Null;
        assert_eq!(strict::start(&damaged).is_ok(), may_miss, "{part}");
    }
    for part in ["device", "instance", "configs"] {
        let mut damaged = created.clone();
        damaged.as_object_mut().unwrap().remove(part);
        assert!(strict::device_config(&damaged).is_err(), "{part}");
    }
    let mut extended = created;
    extended["configs"][0]["a field of tomorrow"] = json!([1]);
    strict::device_config(&extended).unwrap();
}

#[tokio::test]
async fn all_answers_pass_and_leave_nothing_out() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    let created = postern.create_device(&cookie, "laptop", &key(1)).await;
    let info = postern.network_info(&cookie, &key(1)).await;
    let polled = postern.present(POLL, &polling(&info)).await.json();
    for answer in [created.json(), info.json(), polled["device_config"].clone()] {
        strict::device_config(&answer).unwrap();
        for config in answer["configs"].as_array().unwrap() {
            assert!(config["location_mfa_mode"] == 1 && config["service_location_mode"] == 1);
            assert!(config["mfa_enabled"] == false && config.get("dns").is_some());
            for list in ["assigned_ip", "allowed_ips"] {
                assert!(!config[list].as_str().unwrap().contains(' '), "{list} is not trimmed by clients");
            }
        }
        let keys: Vec<_> = answer["configs"].as_array().unwrap().iter().map(|c| &c["pubkey"]).collect();
        assert_ne!(keys[0], keys[1], "one key pair a location (protocol 6.1)");
        assert_eq!(answer["device"]["created_at"], NOW);
        assert!(answer["instance"]["proxy_url"].as_str().unwrap().ends_with('/'));
    }
}

async fn answers() -> (Value, Value) {
    let postern = Postern::new();
    let (start, cookie) = postern.start(&postern.add_machine("edge", "HQ")).await;
    (start.json(), postern.create_device(&cookie, "", &key(1)).await.json())
}

/// Pointers to everything that is not an object or an array of objects.
fn leaves(value: &Value) -> Vec<String> {
    let below = |name: &str, value: &Value| -> Vec<String> {
        leaves(value).into_iter().map(|rest| format!("/{name}{rest}")).collect()
    };
    match value {
        Value::Object(fields) => fields.iter().flat_map(|(name, value)| below(name, value)).collect(),
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().flat_map(|(at, item)| below(&at.to_string(), item)).collect()
        }
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            vec![String::new()]
        }
    }
}
