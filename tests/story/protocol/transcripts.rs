//! The worked transcripts of protocol section 5, as each client sends them, down to its headers.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::{
    ACTIVATE, Answer, CREATE, INFO, MFA_START, NOW, POLL, Postern, START, key, places, polling, strict,
};

#[tokio::test]
async fn the_command_line_client_enrolls_a_machine_and_polls() {
    let postern = Postern::new();
    let token = postern.add_machine("edge-box", "Lab");
    let (start, line) = postern.start(&token).await;
    strict::start(&start.json()).unwrap();
    let instance = json!({
        "id": "00000000-0000-0000-0000-000000000007", "name": "Example", "url": "https://vpn.example.com/",
        "proxy_url": "https://vpn.example.com/", "username": "edge-box", "enterprise_enabled": true,
        "disable_all_traffic": false, "openid_display_name": null, "client_traffic_policy": 0
    });
    let expected = json!({
        "admin": { "name": "Ann Admin", "phone_number": null, "email": "ann@example.com" },
        "user": {
            "first_name": "edge-box", "last_name": "", "login": "edge-box", "email": "ann@example.com",
            "phone_number": null, "is_active": true, "device_names": [], "enrolled": true, "is_admin": false
        },
        "deadline_timestamp": NOW + 600, "final_page_content": "# Welcome edge-box", "instance": instance,
        "settings": {
            "vpn_setup_optional": false, "only_client_activation": false, "admin_device_management": false,
            "smtp_configured": false, "mfa_required": false
        }
    });
    assert_eq!(start.json(), expected);
    // A real cookie jar sends the pair alone.
    let cookie = line.split(';').next().unwrap();
    let created = postern.create_device(cookie, "", &key(1)).await;
    assert_eq!(created.status, 200, "{}", created.text);
    strict::device_config(&created.json()).unwrap();
    let answer = created.json();
    assert_eq!(
        answer["device"],
        json!({ "id": 1, "name": "edge-box", "pubkey": key(1), "user_id": 0, "created_at": NOW })
    );
    assert_eq!(answer["instance"], instance);
    assert_eq!(places(&answer), ["Lab"]);
    assert!(created.cookie.is_none());
    let polled = postern.present(POLL, &polling(&created)).await;
    assert_eq!(polled.status, 200);
    let expected = json!({ "device_config": {
        "device": answer["device"], "configs": answer["configs"], "instance": instance, "token": null
    } });
    assert_eq!(polled.json(), expected);
}

#[tokio::test]
async fn a_desktop_client_of_1_6_enrolls_a_new_user() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let start = gui(&postern, START, "undefined", &json!({ "token": token })).await;
    assert_eq!(start.status, 200, "{}", start.text);
    let cookie = start.cookie.clone().unwrap();
    let start = start.json();
    strict::start(&start).unwrap();
    assert_eq!(start["deadline_timestamp"], NOW + 600);
    assert_eq!(start["user"]["enrolled"], false);
    assert_eq!(start["user"]["device_names"], json!([]));
    assert_eq!(start["user"]["phone_number"], Value::Null, "a number that blocks the wizard is withheld");
    assert_eq!(start["final_page_content"], "# Welcome John");
    let device = json!({ "name": " johns-laptop ", "pubkey": key(1) });
    let created = gui(&postern, CREATE, &cookie, &device).await;
    assert_eq!(created.status, 200, "{}", created.text);
    strict::device_config(&created.json()).unwrap();
    assert_eq!(created.json()["device"]["name"], "johns-laptop");
    assert_eq!(places(&created.json()), ["HQ", "Lab"]);
    assert_eq!(created.json()["configs"], expected_configs());
    let password = json!({ "phone_number": "+48 123456789", "password": "Correct-Horse-7" });
    let activated = gui(&postern, ACTIVATE, &cookie, &password).await;
    assert_eq!((activated.status, activated.text.as_str()), (200, "{}"));
    let polled = postern.present(POLL, &polling(&created)).await;
    strict::device_config(&polled.json()["device_config"]).unwrap();
    assert_eq!(polled.json()["device_config"]["configs"], created.json()["configs"]);
    assert_eq!(polled.json()["device_config"]["token"], Value::Null);
    let closed = postern.present(START, &token).await;
    assert_eq!(closed.told(), (401, "invalid token".to_owned()), "what it was for is done");
    assert_eq!(postern.create_device(&cookie, "phone", &key(2)).await.status, 200, "the session goes on");
}

#[tokio::test]
async fn an_enrolled_user_only_names_the_device() {
    let postern = Postern::new();
    postern.enrolled("jdoe").await;
    let (start, cookie) = postern.start(&activation(&postern)).await;
    assert_eq!(start.json()["user"]["enrolled"], true);
    assert_eq!(start.json()["user"]["phone_number"], Value::Null, "an absent number cleared it");
    let created = postern.create_device(&cookie, "new-laptop", &key(1)).await;
    assert_eq!(created.status, 200, "{}", created.text);
    let (start, _) = postern.start(&activation(&postern)).await;
    assert_eq!(start.json()["user"]["device_names"], json!(["new-laptop"]));
}

#[tokio::test]
async fn a_client_that_knows_the_instance_asks_for_its_key() {
    let postern = Postern::new();
    let cookie = postern.enrolled("jdoe").await;
    let created = postern.create_device(&cookie, "laptop", &key(1)).await;
    let (start, cookie) = postern.start(&activation(&postern)).await;
    assert_eq!(start.json()["instance"], created.json()["instance"]);
    let known = gui(&postern, INFO, &cookie, &json!({ "pubkey": key(1) })).await;
    strict::device_config(&known.json()).unwrap();
    assert_ne!(polling(&known), polling(&created), "it gets another polling token");
    assert_eq!(postern.present(POLL, &polling(&known)).await.status, 200);
    assert_eq!(postern.present(POLL, &polling(&created)).await.status, 403);
    let unknown = gui(&postern, INFO, &cookie, &json!({ "pubkey": key(2) })).await;
    assert_eq!(unknown.told(), (404, "device not found".to_owned()));
}

#[tokio::test]
async fn a_desktop_client_of_2_1_enrolls_a_new_user() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    let created = postern.create_device(&cookie, "laptop", &key(1)).await;
    assert_eq!(created.status, 200, "{}", created.text);
    let mfa = gui(&postern, MFA_START, &cookie, &json!({ "method": "Totp" })).await;
    assert_eq!((mfa.status, mfa.text.as_str()), (200, r#"{"totp_secret":null}"#));
    let activated = gui(&postern, ACTIVATE, &cookie, &json!({ "password": "Correct-Horse-7" })).await;
    assert_eq!((activated.status, activated.text.as_str()), (200, "{}"));
}

fn activation(postern: &Postern) -> String {
    use postern::rules::enrollment::EnrollmentKind::Activation;
    postern.issue("jdoe", Activation, std::time::Duration::from_hours(1))
}

/// As the desktop client's UI layer sends it, the whole `Set-Cookie` sent back.
async fn gui(postern: &Postern, path: &str, cookie: &str, body: &Value) -> Answer {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .header("accept", "*/*")
        .header("cookie", cookie)
        .header("client_version_header", "1.6.10")
        .header("client_platform_header", "CgVsaW51eBIGRGViaWFu")
        .header("defguard-client-version", "not a version")
        .header("defguard-client-platform", "not base64")
        .header("user-agent", "tauri-plugin-http/2.5.9")
        .header("origin", "tauri://localhost")
        .body(Body::from(body.to_string()));
    postern.send(request.unwrap()).await
}

fn expected_configs() -> Value {
    let location = |number: u8, name: &str, dns: Option<&str>| {
        let pubkey = postern_gateway::PrivateKey::from_random([number; 32]).public().to_string();
        let shown_dns = dns.map(|dns| format!("DNS = {dns}\n")).unwrap_or_default();
        json!({
            "network_id": number, "network_name": name,
            "config": format!(
                "[Interface]\nPrivateKey = YOUR_PRIVATE_KEY\nAddress = 10.77.{number}.2,fd77:{number}::2\n{shown_dns}\n\
                 [Peer]\nPublicKey = {pubkey}\nAllowedIPs = 10.77.{number}.0/24,fd77:{number}::/64,10.0.0.0/8\n\
                 Endpoint = vpn.example.com:5182{number}\nPersistentKeepalive = 25\n"
            ),
            "endpoint": format!("vpn.example.com:5182{number}"),
            "assigned_ip": format!("10.77.{number}.2,fd77:{number}::2"), "pubkey": pubkey,
            "allowed_ips": format!("10.77.{number}.0/24,fd77:{number}::/64,10.0.0.0/8"), "dns": dns,
            "mfa_enabled": false, "keepalive_interval": 25, "location_mfa_mode": 1, "service_location_mode": 1
        })
    };
    json!([location(1, "HQ", Some("10.77.1.1,example.com")), location(2, "Lab", None)])
}
