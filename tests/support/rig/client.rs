//! Somebody's device: enrolls over HTTP as the desktop client does, and has tunnels.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use postern_gateway::PrivateKey;
use serde_json::{Value, json};

use super::{GATEWAY, Host, Wireguard, eventually};

/// A host with a device's key.
pub(crate) struct Client {
    pub(crate) host: Host,
    wireguard: Wireguard,
    key: PrivateKey,
    polling_token: String,
}

/// An answer of the client API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The whole `Set-Cookie` value.
    pub(crate) cookie: String,
    pub(crate) body: Value,
}

/// An interface on a client's host, gone when dropped.
pub(crate) struct Tunnel<'a> {
    host: &'a Host,
    pub(crate) interface: String,
    /// wireguard-go, where the kernel is not used.
    process: Option<Child>,
}

impl Client {
    pub(super) fn new(host: Host, wireguard: Wireguard) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut seed = [7; 32];
        seed[..8]
            .copy_from_slice(&u64::try_from(COUNT.fetch_add(1, Ordering::Relaxed)).unwrap().to_be_bytes());
        Self { host, wireguard, key: PrivateKey::from_random(seed), polling_token: String::new() }
    }

    /// The device's public key.
    pub(crate) fn key(&self) -> String {
        self.key.public().to_string()
    }

    /// Enrolls a new user with this device, in the order of the desktop client; its configurations.
    pub(crate) fn enroll(&mut self, token: &str) -> Vec<Value> {
        self.enroll_with(token, |_, _| {})
    }

    /// The same, with what somebody does in the session before the password: this client and its cookie.
    pub(crate) fn enroll_with(
        &mut self,
        token: &str,
        before_password: impl FnOnce(&Self, &str),
    ) -> Vec<Value> {
        let started = self.call("enrollment/start", "", &json!({ "token": token }));
        let device = json!({ "name": "laptop", "pubkey": self.key() });
        let answer = self.call("enrollment/create_device", &started.cookie, &device);
        before_password(self, &started.cookie);
        let activated =
            self.call("enrollment/activate_user", &started.cookie, &json!({ "password": "Correct-Horse-7" }));
        for each in [&started, &answer, &activated] {
            assert_eq!(each.status, 200, "{each:?}");
        }
        answer.body["token"].as_str().unwrap().clone_into(&mut self.polling_token);
        answer.body["configs"].as_array().unwrap().clone()
    }

    /// Enrolls a machine with this device's key, as `dg` does; its configurations.
    pub(crate) fn enroll_machine(&mut self, token: &str) -> Vec<Value> {
        let started = self.call("enrollment/start", "", &json!({ "token": token }));
        // A cookie jar sends the pair alone.
        let cookie = started.cookie.split(';').next().unwrap();
        let device = json!({ "name": "", "pubkey": self.key(), "token": null });
        let answer = self.call("enrollment/create_device", cookie, &device);
        assert_eq!((started.status, answer.status), (200, 200), "{answer:?}");
        answer.body["token"].as_str().unwrap().clone_into(&mut self.polling_token);
        answer.body["configs"].as_array().unwrap().clone()
    }

    /// Asks for the present configurations, as the clients do every 30 s.
    pub(crate) fn poll(&self) -> Answer {
        self.call("poll", "", &json!({ "token": self.polling_token }))
    }

    /// The present configurations.
    pub(crate) fn configs(&self) -> Vec<Value> {
        let answer = self.poll();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["device_config"]["configs"].as_array().unwrap().clone()
    }

    /// One call of the client API.
    pub(crate) fn call(&self, path: &str, cookie: &str, body: &Value) -> Answer {
        let mut curl = self.host.program("curl");
        curl.args(["-s", "-i", "-m", "60", "-H", "Content-Type: application/json"]);
        curl.args(["-H", &format!("Cookie: {cookie}"), "-d", &body.to_string()]);
        let output = curl.arg(format!("http://{GATEWAY}:8080/api/v1/{path}")).output().unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {answer}"));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let cookies: Vec<_> = headers
            .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
            .map(|(_, value)| value)
            .collect();
        let body = serde_json::from_str(body).unwrap();
        Answer { status, cookie: cookies.first().copied().unwrap_or_default().to_owned(), body }
    }

    /// Brings up a tunnel as a configuration says it.
    pub(crate) fn connect(&self, config: &Value) -> Tunnel<'_> {
        let allowed = config["allowed_ips"].as_str().unwrap();
        self.connect_with(config, allowed, &allowed.replace(',', " "))
    }

    /// Brings up a tunnel that sends everything into it, whatever the configuration says.
    pub(crate) fn connect_greedily(&self, config: &Value) -> Tunnel<'_> {
        self.connect_with(config, "0.0.0.0/0,::/0", "0.0.0.0/1 128.0.0.0/1 ::/1 8000::/1")
    }

    fn connect_with(&self, config: &Value, allowed: &str, routes: &str) -> Tunnel<'_> {
        let [gateway, endpoint, addresses] =
            ["pubkey", "endpoint", "assigned_ip"].map(|field| config[field].as_str().unwrap());
        let tunnel = self.interface();
        let interface = &tunnel.interface;
        let mut key = tempfile::NamedTempFile::new().unwrap();
        key.write_all(self.key.to_base64().as_bytes()).unwrap();
        self.host.sh(&format!(
            "wg set {interface} private-key {} peer {gateway} allowed-ips {allowed} endpoint {endpoint}
             for address in {}; do ip addr add $address dev {interface}; done
             ip link set {interface} mtu 1420 up
             for route in {routes}; do ip route add $route dev {interface}; done",
            key.path().display(),
            addresses.replace(',', " ")
        ));
        tunnel
    }

    fn interface(&self) -> Tunnel<'_> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        // wireguard-go's control sockets are files, shared by all namespaces: names must differ on the machine.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let interface = format!("c{}-{count}", std::process::id());
        let process = match self.wireguard {
            Wireguard::Kernel => {
                self.host.sh(&format!("ip link add {interface} type wireguard"));
                None
            }
            Wireguard::Userspace => {
                let mut program = self.host.program("wireguard-go");
                program.args(["-f", &interface]).env("WG_PROCESS_FOREGROUND", "1");
                let child = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
                // Not asked by `wg show`: it removes a socket it may not connect to yet, and wireguard-go then ends.
                eventually("wireguard-go", || UnixStream::connect(control_socket(&interface)).is_ok());
                Some(child)
            }
        };
        Tunnel { host: &self.host, interface, process }
    }
}

impl Tunnel<'_> {
    /// When the last handshake was, in seconds; 0: never.
    pub(crate) fn handshake(&self) -> u64 {
        let shown = self.host.look(&format!("wg show {} latest-handshakes", self.interface));
        shown.split_whitespace().nth(1).and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Tunnel<'_> {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
            let _ = std::fs::remove_file(control_socket(&self.interface));
        }
        self.host.look(&format!("ip link del {} 2>/dev/null", self.interface));
    }
}

/// Where wireguard-go listens for its interface's configuration.
fn control_socket(interface: &str) -> String {
    format!("/var/run/wireguard/{interface}.sock")
}
