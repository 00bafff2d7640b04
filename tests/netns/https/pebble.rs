//! Pebble, the ACME server of Let's Encrypt's for tests, on a host of its own.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::NAME;
use super::authority::Authority;
use super::rig::{GATEWAY, Host, Rig, eventually};
use super::visitor::Visitor;

/// The first host of a rig.
const ADDRESS: &str = "192.0.2.10";
/// Its directory.
pub(crate) const DIRECTORY: &str = "https://192.0.2.10:14000/dir";
/// The other directory that leads to it.
pub(crate) const ADVISER: &str = "https://192.0.2.10:14001/dir";

pub(crate) struct Pebble {
    host: Host,
    dir: TempDir,
    seconds: u32,
    process: Option<Child>,
    adviser: Option<Child>,
}

impl Pebble {
    /// Not started.
    pub(crate) fn new(host: Host) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        authority.issue(ADDRESS, dir.path());
        fs::write(dir.path().join("authority.pem"), authority.pem()).unwrap();
        let pebble = Self { host, dir, seconds: 90 * 24 * 60 * 60, process: None, adviser: None };
        pebble.name_leads_to(GATEWAY);
        pebble
    }

    /// Whom to trust when speaking with it.
    pub(crate) fn authority(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }

    /// How long certificates are good.
    pub(crate) fn valid_for(&mut self, seconds: u32) {
        self.seconds = seconds;
    }

    /// Where it finds the gateway.
    pub(crate) fn name_leads_to(&self, address: &str) {
        fs::write(self.dir.path().join("hosts"), format!("{address} {NAME}\n")).unwrap();
    }

    pub(crate) fn start(&mut self, more: &[(&str, &str)]) {
        let dir = self.dir.path();
        let config = json!({ "pebble": {
            "listenAddress": format!("{ADDRESS}:14000"),
            "managementListenAddress": format!("{ADDRESS}:15000"),
            "certificate": dir.join("chain.pem"),
            "privateKey": dir.join("key.pem"),
            "httpPort": 80,
            "tlsPort": 443,
            "certificateValidityPeriod": self.seconds,
        }});
        fs::write(dir.join("pebble.json"), config.to_string()).unwrap();
        let dir = dir.display();
        let mut pebble = self.host.program("unshare");
        pebble.args(["--mount", "sh", "-c"]);
        pebble.arg(format!("mount --bind {dir}/hosts /etc/hosts; exec pebble -config {dir}/pebble.json"));
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "5").envs(more.iter().copied());
        self.process = Some(pebble.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        eventually("an authority that answers", || !self.asks(":14000/dir").is_empty());
    }

    /// Serves a directory at [`ADVISER`] that leads to this authority, and says when certificates are to be renewed, which
    /// Pebble does not: see [`Self::suggests`].
    pub(crate) fn advise(&mut self) {
        let endpoint = |name: &str| format!("https://{ADDRESS}:14000/{name}");
        let directory = json!({
            "newNonce": endpoint("nonce-plz"),
            "newAccount": endpoint("sign-me-up"),
            "newOrder": endpoint("order-plz"),
            "revokeCert": endpoint("revoke-cert"),
            "keyChange": endpoint("rollover-account-key"),
            "renewalInfo": format!("https://{ADDRESS}:14001/info"),
        });
        fs::create_dir_all(self.dir.path().join("info")).unwrap();
        self.answers("dir", &directory);
        let mut server = self.host.program("openssl");
        server.args(["s_server", "-HTTP", "-accept", &format!("{ADDRESS}:14001")]);
        server.args(["-cert", "chain.pem", "-cert_chain", "chain.pem", "-key", "key.pem"]);
        server.current_dir(self.dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.adviser = Some(server.spawn().unwrap());
        eventually("a directory", || self.asks(":14001/dir").contains("newOrder"));
    }

    /// That the certificate of this name among authorities is renewed then, RFC 3339.
    pub(crate) fn suggests(&self, certificate: &str, [start, end]: [&str; 2]) {
        let info = json!({ "suggestedWindow": { "start": start, "end": end } });
        self.answers(&format!("info/{certificate}"), &info);
    }

    fn answers(&self, path: &str, said: &Value) {
        let head = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nRetry-After: 21600\r\n\r\n";
        fs::write(self.dir.path().join(path), format!("{head}{said}")).unwrap();
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Whether whatever is sent to its host is lost.
    pub(crate) fn swallows(&self, is_lost: bool) {
        self.host.sh(if is_lost {
            "nft 'add table inet hole; add chain inet hole in { type filter hook input priority 0; policy drop; }'"
        } else {
            "nft delete table inet hole"
        });
    }

    /// Somebody who trusts what it issues.
    pub(crate) fn visitor(&self, rig: &mut Rig) -> Visitor {
        Visitor::new(rig.host("visitor"), &self.asks(":15000/roots/0"))
    }

    fn asks(&self, path: &str) -> String {
        self.host.look(&format!("curl -s --cacert {} https://{ADDRESS}{path}", self.authority().display()))
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
        if let Some(mut adviser) = self.adviser.take() {
            let _ = adviser.kill();
            let _ = adviser.wait();
        }
    }
}
