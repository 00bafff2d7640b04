//! Everything that somebody enters into this product or gets out of it, once: each secret of it is written down, and with
//! each answer which secrets it is meant to carry.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use postern_gateway::{PresharedKey, PrivateKey};
use serde_json::{Value, json};

use super::NAME;
use super::needles::Secret;
use super::rig::{Rig, eventually};
use super::server::{Mail, Server};
use super::visitor::Visitor;

/// What was answered, and by what.
pub(crate) struct Said {
    pub(crate) what: String,
    pub(crate) text: String,
    /// The names of the secrets that are meant to be in it.
    pub(crate) meant: Vec<&'static str>,
}

pub(crate) struct Story<'a> {
    pub(crate) rig: &'a Rig,
    pub(crate) visitor: &'a Visitor,
    pub(crate) server: &'a Server,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) said: Vec<Said>,
}

impl Story<'_> {
    pub(crate) fn play(&mut self) {
        self.keep("the first administrator's token", &first_token(&self.rig.printed()));
        self.client();
        self.wizard();
        self.forgotten_password();
        self.account();
        self.machine();
        self.take_over();
        self.administration();
    }

    /// Ann, with the desktop client.
    fn client(&mut self) {
        let token = self.invite("ann", "ann's token");
        let start = |token: &str| json!({ "token": token }).to_string();
        let head = self.api("enrollment/start", "", &start(&token), &["ann's session"]);
        let cookie = self.cookie(&head, "ann's session");
        let device = json!({ "name": "laptop", "pubkey": public(1) }).to_string();
        let created = self.api("enrollment/create_device", &cookie, &device, &["ann's polling token"]);
        let polling = token_of(&created);
        self.keep("ann's polling token", &polling);
        self.keep("ann's password", "Kreide-Apfel+7/Quark");
        let password = json!({ "password": "Kreide-Apfel+7/Quark" }).to_string();
        // What is refused is told of more readily than what is not.
        for (path, body) in [
            ("enrollment/activate_user", password.replace('}', "")),
            ("enrollment/activate_user", password.replace(':', ": 7, \"phone_number\":")),
            ("enrollment/activate_user", json!({ "password": { "x": "Kreide-Apfel+7/Quark" } }).to_string()),
            ("enrollment/start", json!({ "token": [token] }).to_string()),
            ("enrollment/start", start(&polling)),
            ("password-reset/start", start(&token)),
            ("password-reset/reset", password.clone()),
            ("poll", start(&token)),
            ("poll", start(cookie.split_once('=').unwrap().1)),
            ("nothing", start(&token)),
        ] {
            self.api(path, &cookie, &body, &[]);
        }
        self.get(&format!("api/v1/poll?token={polling}"), "", &[]);
        self.api("enrollment/activate_user", &cookie, &password, &[]);
        let info = json!({ "pubkey": public(1) }).to_string();
        let info = self.api("enrollment/network_info", &cookie, &info, &["ann's next polling token"]);
        let next = token_of(&info);
        self.keep("ann's next polling token", &next);
        let polled = self.api("poll", "", &start(&next), &[]);
        assert!(polled.contains("device_config"), "{polled}");
    }

    /// Ben, with the browser.
    fn wizard(&mut self) {
        let token = self.invite("ben", "ben's token");
        self.get(&format!("?token={token}"), "", &["ben's token"]);
        self.get(&format!("nothing?token={token}"), "", &["ben's token"]);
        let head = self.form("enroll/start", "", &[("token", &token)], &["ben's session"]);
        let cookie = self.cookie(&head, "ben's session");
        self.keep("ben's password", "Tasse&Teller=12 Gabeln");
        self.form("enroll/you", &cookie, &[("phone", "+48 1")], &[]);
        self.form("enroll/password", &cookie, &[("password", &"Tasse&Teller=12 Gabeln".repeat(60))], &[]);
        let set = self.form("enroll/password", &cookie, &[("password", "Tasse&Teller=12 Gabeln")], &[]);
        assert!(set.contains("/enroll/device"), "{set}");
        self.form("enroll/device", &cookie, &[("name", "phone"), ("pubkey", &public(2))], &[]);
        for page in ["enroll/device", "enroll/device/state", "enroll/device/open.conf", "enroll/done"] {
            self.get(page, &cookie, &[]);
        }
        self.get(&format!("?token={token}"), "", &["ben's token"]);
        self.form("enroll/new-link", "", &[("token", &token)], &["ben's token"]);
    }

    /// Ben forgets his password.
    fn forgotten_password(&mut self) {
        self.form("password", "", &[("email", "ben@example.com")], &[]);
        let found =
            || self.server.mails().iter().find_map(|mail| after(&letter(mail), "password-reset?token="));
        eventually("a link by mail", || found().is_some());
        let token = found().unwrap();
        self.keep("ben's reset token", &token);
        self.get(&format!("password-reset?token={token}"), "", &["ben's reset token"]);
        let head = self.form("password-reset", "", &[("token", &token)], &["ben's reset session"]);
        let cookie = self.cookie(&head, "ben's reset session");
        self.keep("ben's other password", "Zange-Hammer-99");
        self.get("password-reset/new", &cookie, &[]);
        let set = self.form("password-reset/new", &cookie, &[("password", "Zange-Hammer-99")], &[]);
        assert!(set.contains("/password-reset/done"), "{set}");
    }

    /// Ben signs in, after a wrong attempt, chooses yet another password and signs out.
    fn account(&mut self) {
        let with = |password| [("username", "ben"), ("password", password)];
        self.form("sign-in", "", &with("Tasse&Teller=12 Gabeln"), &[]);
        let head = self.form("sign-in", "", &with("Zange-Hammer-99"), &["ben's sign-in", "ben's browser"]);
        let cookies = self.keepsakes(&head, ["ben's sign-in", "ben's browser"]);
        for page in ["sign-in", "me", "me/device?id=2", "me/password"] {
            self.get(page, &cookies, &[]);
        }
        self.keep("ben's third password", "Kanne+Krug-4711");
        let fields = |present| [("present", present), ("password", "Kanne+Krug-4711")];
        self.form("me/password", &cookies, &fields("Tasse&Teller=12 Gabeln"), &[]);
        let next = ["ben's next sign-in", "ben's next browser"];
        let head = self.form("me/password", &cookies, &fields("Zange-Hammer-99"), &next);
        let cookies = self.keepsakes(&head, next);
        let out = self.form("sign-out", &cookies, &[("", "")], &[]);
        assert!(out.contains("/sign-in"), "{out}");
    }

    /// The cookies of a browser that signed in.
    fn keepsakes(&mut self, head: &str, [session, browser]: [&'static str; 2]) -> String {
        let seat = self.cookie(head, session);
        let (_, rest) =
            head.split_once("__Host-postern_browser=").unwrap_or_else(|| panic!("stranger: {head}"));
        let known = self.keep(browser, rest.split(';').next().unwrap());
        format!("{seat}; __Host-postern_browser={known}")
    }

    fn machine(&mut self) {
        let added = self.rig.ask(&["device", "add-machine", "--name", "edge", "--location", "open"]);
        let token = self.keep("the machine's token", added["token"].as_str().unwrap());
        let what = "postern device add-machine".to_owned();
        self.said.push(Said { what, text: added.to_string(), meant: vec!["the machine's token"] });
        let body = json!({ "token": token }).to_string();
        let head = self.api("enrollment/start", "", &body, &["the machine's session"]);
        let cookie = self.cookie(&head, "the machine's session");
        let device = json!({ "name": "", "pubkey": public(3) }).to_string();
        let created =
            self.api("enrollment/create_device", &cookie, &device, &["the machine's polling token"]);
        self.keep("the machine's polling token", &token_of(&created));
    }

    /// A server of wg-quick, with its key and the preshared key of a peer.
    fn take_over(&mut self) {
        let (private, preshared) = (PrivateKey::from_random([77; 32]).to_base64(), [173; 32]);
        let preshared = PresharedKey::from_bytes(preshared).unwrap().to_base64();
        let file = self.rig.path("wgsecret0.conf");
        let text = format!(
            "[Interface]\nPrivateKey = {}\nAddress = 10.8.0.1/24\nListenPort = 51999\n\n[Peer]\nPublicKey = {}\n\
             PresharedKey = {}\nAllowedIPs = 10.8.0.2/32\n",
            private.as_str(),
            public(4),
            preshared.as_str()
        );
        fs::write(&file, text).unwrap();
        self.secrets.push(Secret::key("the key that was taken over", &private));
        self.secrets.push(Secret::key("the preshared key", &preshared));
        let file = file.to_str().unwrap();
        for more in [&[][..], &["--yes"]] {
            let import = ["import", "wg-quick", "--endpoint", "vpn.example.com", file];
            self.order(&[&import[..], more].concat(), &[]);
        }
        let meant = ["the key that was taken over", "the preshared key"];
        self.order(&["export", "wg-quick", "wgsecret0"], &meant);
    }

    /// What shows much.
    fn administration(&mut self) {
        self.keys_of_locations("before they were replaced");
        self.order(&["location", "rotate-key", "open"], &[]);
        self.keys_of_locations("at the end");
        self.order(&["reload"], &[]);
        self.backup();
        for command in [
            &["status", "--json"][..],
            &["plan", "--json"],
            &["audit", "--json"],
            &["user", "list", "--json"],
            &["user", "show", "ann", "--json"],
            &["device", "list", "--json"],
            &["device", "show", "ann/laptop", "--json"],
            &["location", "show", "open", "--json"],
            &["location", "show", "wgsecret0", "--json"],
            &["mail", "list", "--all", "--json"],
            &["check-config"],
            &["doctor"],
        ] {
            self.order(command, &[]);
        }
        let metrics = self.rig.gateway.look("curl -s http://127.0.0.1:9586/metrics");
        assert!(metrics.contains("postern_"), "{metrics}");
        self.said.push(Said { what: "the metrics".to_owned(), text: metrics, meant: Vec::new() });
    }

    /// Of everything, under a passphrase.
    fn backup(&mut self) {
        let passphrase = self.keep("the backup's passphrase", "a passphrase nobody guesses");
        let [file, backup] = ["backup-passphrase", "backup.tar.age"].map(|name| self.rig.path(name));
        fs::write(&file, passphrase).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let [file, backup] = [&file, &backup].map(|path| path.to_str().unwrap());
        self.order(&["backup", backup, "--passphrase-file", file], &[]);
    }

    /// Keys that are in files, as they are now.
    fn keys_of_locations(&mut self, when: &str) {
        for file in fs::read_dir(self.rig.path("state/keys")).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            // That of the second location was taken over.
            if name != "location-2.key" {
                let key = fs::read_to_string(&path).unwrap();
                self.secrets.push(Secret::key(&format!("{name} {when}"), &key));
            }
        }
    }

    fn invite(&mut self, username: &str, name: &str) -> String {
        let token = self.rig.invite(username, &[]);
        let mailed = || self.server.mails().iter().any(|mail| letter(mail).contains(&token));
        eventually("the invitation", mailed);
        self.keep(name, &token)
    }

    fn order(&mut self, arguments: &[&str], meant: &[&'static str]) {
        let said = self.rig.postern(arguments);
        assert!(said.code <= 4 && !said.out.is_empty(), "{arguments:?}: {said:?}");
        let (what, text) = (format!("postern {}", arguments.join(" ")), said.out + &said.errors);
        self.said.push(Said { what, text, meant: meant.to_vec() });
    }

    fn api(&mut self, path: &str, cookie: &str, body: &str, meant: &[&'static str]) -> String {
        let json = "-H 'Content-Type: application/json'";
        let request = format!("-i -b '{cookie}' {json} -d '{body}' 'https://{NAME}/api/v1/{path}'");
        self.asks(request, meant)
    }

    fn get(&mut self, path: &str, cookie: &str, meant: &[&'static str]) -> String {
        self.asks(format!("-i -H 'Accept: text/html' -b '{cookie}' 'https://{NAME}/{path}'"), meant)
    }

    fn form(&mut self, path: &str, cookie: &str, fields: &[(&str, &str)], meant: &[&'static str]) -> String {
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| format!("--data-urlencode '{name}={value}'")).collect();
        let here = "-H 'Accept: text/html' -H 'Sec-Fetch-Site: same-origin'";
        self.asks(format!("-i {here} -b '{cookie}' {} 'https://{NAME}/{path}'", fields.join(" ")), meant)
    }

    /// Over both versions of HTTP by turns.
    fn asks(&mut self, request: String, meant: &[&'static str]) -> String {
        let version = if self.said.len().is_multiple_of(2) { "--http1.1" } else { "--http2" };
        let text = self.visitor.curl(&format!("{version} {request}"));
        self.said.push(Said { what: request, text: text.clone(), meant: meant.to_vec() });
        text
    }

    fn cookie(&mut self, head: &str, name: &str) -> String {
        let line = head.lines().find_map(|line| {
            let (header, value) = line.split_once(": ")?;
            header.eq_ignore_ascii_case("set-cookie").then_some(value)
        });
        let pair = line.unwrap_or_else(|| panic!("no cookie: {head}")).split(';').next().unwrap().to_owned();
        self.keep(name, pair.split_once('=').unwrap().1);
        pair
    }

    fn keep(&mut self, name: &str, secret: &str) -> String {
        self.secrets.push(Secret::text(name, secret));
        secret.to_owned()
    }
}

fn public(number: u8) -> String {
    PrivateKey::from_random([number; 32]).public().to_string()
}

/// The polling token of an answer of the client API.
fn token_of(answer: &str) -> String {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    body["token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
}

fn first_token(printed: &str) -> String {
    after(printed, "?token=").unwrap_or_else(|| panic!("no token: {printed}"))
}

/// A mail without the line breaks of its encoding.
pub(crate) fn letter(mail: &Mail) -> String {
    mail.data.replace("=\r\n", "").replace("=3D", "=")
}

/// Letters and digits after some words.
fn after(text: &str, words: &str) -> Option<String> {
    let (_, rest) = text.split_once(words)?;
    Some(rest.chars().take_while(char::is_ascii_alphanumeric).collect())
}
