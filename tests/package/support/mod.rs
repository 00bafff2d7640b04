//! The machine that the package is installed on, as its administrator sees it, and a person's device on a host of its own.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::rig::{Host, eventually, program, skip};

const NAME: &str = "vpn.example.com";
const ADDRESS: &str = "192.0.2.1";
/// Where a test leaves what the test after the next boot wants: on the disk, not in the package's folders.
const KEPT: &str = "/root";

/// The virtual machine, whose root this process is.
pub(crate) struct Machine {
    packages: PathBuf,
}

/// A device in a network namespace with a cable to the gateway.
pub(crate) struct Person {
    pub(crate) host: Host,
    name: String,
}

impl Machine {
    /// The virtual machine, if this is it.
    pub(crate) fn found() -> Option<Self> {
        let Some(packages) = std::env::var_os("POSTERN_PACKAGES") else {
            skip("package", "the package is installed in a virtual machine; `make test` starts it");
            return None;
        };
        Some(Self { packages: packages.into() })
    }

    /// Installs a build of the package, or upgrades to it; what apt says.
    pub(crate) fn install(&self, build: u32) -> String {
        sh(&format!("apt-get install -y {}/postern_*-{build}_*.deb 2>&1", self.packages.display()))
    }

    /// Sets the gateway up for one location, with a certificate of an authority that the machine trusts.
    pub(crate) fn set_up(&self) {
        let done = sh(&format!(
            "ip addr add {ADDRESS}/32 dev lo; echo {ADDRESS} {NAME} >>/etc/hosts
             cd {KEPT}; new='openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30'
             $new -subj '/CN=Authority of the house' -keyout ca.key -out ca.pem 2>/dev/null
             $new -subj /CN={NAME} -addext subjectAltName=DNS:{NAME} -addext basicConstraints=critical,CA:FALSE \
                 -CA ca.pem -CAkey ca.key -keyout tls.key -out tls.pem 2>/dev/null
             cat ca.pem >>/etc/ssl/certs/ca-certificates.crt # update-ca-certificates takes minutes when emulated
             install -D -o root -g postern -m 640 tls.key /etc/postern/tls/privkey.pem
             install -D -o root -g postern -m 640 tls.pem /etc/postern/tls/fullchain.pem
             postern setup --yes --json --public-name {NAME} --contact-name Ada --contact-email ada@example.com \
                 --tls files --certificate-file /etc/postern/tls/fullchain.pem --key-file /etc/postern/tls/privkey.pem \
                 --location hq --endpoint {ADDRESS} --ipv4 10.77.0.0/24 --ipv6 fd77::/64"
        ));
        let done: Value = serde_json::from_str(done.lines().last().unwrap()).unwrap();
        assert_eq!(done["service"], "started", "{done}");
        assert!(done["first_administrator"]["enrollment_url"].as_str().unwrap().contains(NAME), "{done}");
        let failures =
            done["findings"].as_array().unwrap().iter().filter(|found| found["verdict"] == "failure");
        let failing: Vec<_> = failures.map(|found| &found["check"]).collect();
        assert_eq!(failing, [""; 0], "{done}");
        self.answers();
    }

    /// Waits for the daemon.
    #[expect(clippy::unused_self, reason = "there has to be a gateway to ask")]
    pub(crate) fn answers(&self) {
        eventually("a daemon that answers", || {
            look("systemctl is-active postern").trim() == "active" && !look("postern plan").is_empty()
        });
    }

    /// Invites somebody, who enrolls a device the way the desktop client does.
    pub(crate) fn enroll(&self, name: &str) -> Person {
        let invited = sh(&format!(
            "postern user invite {name} --first-name A --last-name B --email {name}@example.com --no-mail --json"
        ));
        let invited: Value = serde_json::from_str(&invited).unwrap();
        sh(&format!("umask 077; wg genkey >{KEPT}/{name}.key"));
        let person = self.again(name);
        let (cookie, _) = person.call("enrollment/start", "", &json!({ "token": invited["token"] }));
        let device = json!({ "name": "laptop", "pubkey": person.key() });
        let (_, registered) = person.call("enrollment/create_device", &cookie, &device);
        person.call("enrollment/activate_user", &cookie, &json!({ "password": "Correct-Horse-7" }));
        std::fs::write(format!("{KEPT}/{name}.json"), registered["configs"][0].to_string()).unwrap();
        person
    }

    /// The host of somebody who has a key.
    #[expect(clippy::unused_self, reason = "there has to be a gateway to ask")]
    pub(crate) fn again(&self, name: &str) -> Person {
        let host = Host::new(name);
        sh(&format!(
            "ip addr replace {ADDRESS}/32 dev lo
             ip link add {name} type veth peer name eth0 netns {}
             ip link set {name} up; ip route add 192.0.2.10/32 dev {name} src {ADDRESS}",
            host.name()
        ));
        host.sh(&format!(
            "ip link set eth0 up; ip addr add 192.0.2.10/32 dev eth0; ip route add {ADDRESS}/32 dev eth0 src 192.0.2.10"
        ));
        Person { host, name: name.to_owned() }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let looks = "systemctl status postern --no-pager; journalctl -b -u postern -n 60 --no-pager; ip -br addr; wg show all";
            eprintln!("{}", look(looks));
        }
    }
}

impl Person {
    /// The device's public key.
    pub(crate) fn key(&self) -> String {
        sh(&format!("wg pubkey <{KEPT}/{}.key", self.name)).trim().to_owned()
    }

    /// Brings the tunnel up as the configuration says it, and waits for the first answers through it.
    pub(crate) fn connect(&self) {
        let config = std::fs::read_to_string(format!("{KEPT}/{}.json", self.name)).unwrap();
        let config: Value = serde_json::from_str(&config).unwrap();
        let [gateway, endpoint, addresses, allowed] =
            ["pubkey", "endpoint", "assigned_ip", "allowed_ips"].map(|field| config[field].as_str().unwrap());
        self.host.sh(&format!(
            "ip link add tunnel type wireguard
             wg set tunnel private-key {KEPT}/{}.key peer {gateway} allowed-ips {allowed} endpoint {endpoint}
             for address in {}; do ip addr add $address dev tunnel; done
             ip link set tunnel up
             for route in {}; do ip route add $route dev tunnel; done",
            self.name,
            addresses.replace(',', " "),
            allowed.replace(',', " ")
        ));
        eventually("answers through the tunnel", || self.reaches());
    }

    /// Whether the gateway answers through the tunnel.
    pub(crate) fn reaches(&self) -> bool {
        self.host.reaches("10.77.0.1") && self.host.reaches("fd77::1")
    }

    /// One call of the client API with curl, which trusts what the machine trusts; the cookie and the body of the answer.
    fn call(&self, path: &str, cookie: &str, body: &Value) -> (String, Value) {
        let mut curl = self.host.program("curl");
        curl.args(["--silent", "--show-error", "--include", "--max-time", "60"]);
        curl.args(["--header", "Content-Type: application/json", "--header", &format!("Cookie: {cookie}")]);
        let output = curl
            .args(["--data", &body.to_string(), &format!("https://{NAME}/api/v1/{path}")])
            .output()
            .unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        let (head, body) =
            answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {answer}{complaint}"));
        assert!(head.contains(" 200 "), "{path}: {answer}");
        let cookie = head.lines().filter_map(|line| line.split_once(": "));
        let cookie =
            cookie.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).map(|(_, value)| value).next();
        (cookie.unwrap_or_default().to_owned(), serde_json::from_str(body).unwrap_or_default())
    }
}

/// Runs shell commands on the machine; they must succeed. What they print.
pub(crate) fn sh(script: &str) -> String {
    let output = program("sh").args(["-ec", script]).output().unwrap();
    let [out, errors] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{script}\n{out}{errors}");
    out
}

/// What shell commands print on the machine, whether they succeed or not.
pub(crate) fn look(script: &str) -> String {
    let output = program("sh").args(["-c", script]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
