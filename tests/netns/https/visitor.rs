//! Somebody on another host whose system trusts one authority more, and knows what the gateway is called.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::NAME;
use super::rig::{GATEWAY, Host, Rig, eventually};

pub(crate) struct Visitor {
    host: Host,
    dir: TempDir,
}

impl Visitor {
    pub(crate) fn new(host: Host, authority: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("authorities.crt"), authority).unwrap();
        fs::write(dir.path().join("hosts"), format!("{GATEWAY} {NAME}\n")).unwrap();
        Self { host, dir }
    }

    /// Returns once the launched daemon answers over https.
    pub(crate) fn waits_until_open(&self, rig: &Rig) {
        eventually("a daemon that answers over https", || {
            let answer = self.look(&format!("curl -sS https://{NAME}/api/v1/health 2>&1"));
            let log = rig.log();
            let ended = ["cannot ", "has an error"].iter().any(|words| log.contains(words));
            assert!(answer == "alive" || !ended, "{answer}: {log}");
            answer == "alive"
        });
    }

    /// What curl prints; it must reach the gateway.
    pub(crate) fn curl(&self, arguments: &str) -> String {
        let said = self.look(&format!("curl -sSm 20 {arguments} || echo FAILED"));
        assert!(!said.ends_with("FAILED\n"), "{arguments}: {said}");
        said
    }

    /// What openssl says of a handshake.
    pub(crate) fn shakes_hands(&self, arguments: &str) -> String {
        let name =
            format!("-connect {NAME}:443 -servername {NAME} -CAfile /etc/ssl/certs/ca-certificates.crt");
        self.look(&format!("openssl s_client {name} {arguments} </dev/null 2>&1"))
    }

    /// The number of the certificate that is shown.
    pub(crate) fn serial(&self) -> String {
        let shown = self.look(&format!(
            "openssl s_client -connect {NAME}:443 -servername {NAME} </dev/null 2>/dev/null | openssl x509 -noout -serial"
        ));
        assert!(shown.starts_with("serial="), "{shown}");
        shown
    }

    /// What `dg` does with a token, cookie jar included; the answer of `create_device`.
    pub(crate) fn enrolls_a_machine(&self, token: &str, key: &str) -> Value {
        let jar = self.dir.path().join("jar");
        let jar = format!("-c {0} -b {0}", jar.display());
        self.posts("enrollment/start", &jar, &json!({ "token": token }));
        let device = json!({ "name": "", "pubkey": key, "token": null });
        self.posts("enrollment/create_device", &jar, &device)
    }

    /// Asks for the present configurations.
    pub(crate) fn polls(&self, token: &str) -> Value {
        self.posts("poll", "", &json!({ "token": token }))
    }

    fn posts(&self, path: &str, more: &str, body: &Value) -> Value {
        let json = "-H 'Content-Type: application/json'";
        let answer = self.curl(&format!("{more} {json} -d '{body}' https://{NAME}/api/v1/{path}"));
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
    }

    /// What a script prints on a system of one more authority.
    fn look(&self, script: &str) -> String {
        let dir = self.dir.path().display();
        let script = format!(
            "mount --bind {dir}/authorities.crt /etc/ssl/certs/ca-certificates.crt; mount --bind {dir}/hosts /etc/hosts; \
             {script}"
        );
        let output = self.host.program("unshare").args(["--mount", "sh", "-c", &script]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
