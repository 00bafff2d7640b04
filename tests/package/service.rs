//! The units of `systemd/` on a booted Debian: the program under its sandbox, as the user `postern`, with systemd as its
//! manager. In the container of `tests/support/kernel-vm`, so with userspace WireGuard; `tests/support/run-suites` starts it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]
#![expect(clippy::print_stdout, reason = "figures are told")]

#[expect(dead_code, reason = "here systemd runs the daemon, on the machine itself")]
#[path = "../support/rig/mod.rs"]
mod rig;

use std::path::Path;
use std::process::Child;

use rig::{eventually, program, skip};

/// This repository, as the container sees it.
const TREE: &str = concat!("/host", env!("CARGO_MANIFEST_DIR"), "/..");

/// The service, installed by hand and stopped.
struct Service {
    unit: &'static str,
    config: &'static str,
}

impl Service {
    /// Anew, with these of the drop-ins; `None` outside of the container.
    fn with(drop_ins: &[&str]) -> Option<Self> {
        if std::env::var("KERNEL_VM").is_ok_and(|engine| engine == "nspawn") {
            install(drop_ins);
            return Some(Self { unit: "postern", config: "/etc/postern/postern.toml" });
        }
        skip("service", "the service runs in a container that boots Debian; `make test` starts it");
        None
    }

    fn start(&self) {
        sh(&format!("systemctl start {}", self.unit));
    }

    fn property(&self, name: &str) -> String {
        look(&format!("systemctl show {} --property={name} --value", self.unit)).trim().to_owned()
    }

    /// Changes `postern.toml`.
    fn edit(&self, script: &str) {
        sh(&format!("sed -i '{script}' {}", self.config));
    }

    /// More settings of the unit.
    fn set(&self, settings: &str) {
        sh(&format!(
            "printf '[Service]\n{settings}\n' >/etc/systemd/system/{}.service.d/zz-test.conf
             systemctl daemon-reload",
            self.unit
        ));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", look("systemctl status --no-pager -l postern; journalctl -b -n 60 --no-pager"));
        }
    }
}

fn install(drop_ins: &[&str]) {
    let binary = format!("/host{}", rig::binary::postern());
    sh(&format!(
        "systemctl stop postern.socket postern-http.socket postern.service 2>/dev/null || true
         systemctl reset-failed 'postern*' 2>/dev/null || true
         rm -rf /etc/systemd/system/postern.service.d /etc/postern /var/lib/postern /run/sysctl.d
         mkdir -p /etc/systemd/system/postern.service.d /etc/postern/locations.d
         cmp -s {binary} /usr/bin/postern || install -m 755 {binary} /usr/bin/postern
         cp {TREE}/systemd/*.service {TREE}/systemd/*.socket {TREE}/systemd/*.timer /usr/lib/systemd/system/
         cp {TREE}/systemd/sysusers.conf /usr/lib/sysusers.d/postern.conf
         cp {TREE}/systemd/tmpfiles.conf /usr/lib/tmpfiles.d/postern.conf
         install -D -m 644 {TREE}/systemd/sysctl.conf /usr/share/postern/sysctl.conf
         cp {TREE}/config/postern.toml /etc/postern/
         sed 's/^ipv6 = .*//' {TREE}/config/locations.d/example.toml.sample >/etc/postern/locations.d/hq.toml
         sed -i 's|^public_url = .*|public_url = \"https://vpn.example.com/\"|; s|^name = \"\"|name = \"Ada\"|
                 s|^email = \"\"|email = \"ada@example.com\"|; s|^tls = .*|tls = \"proxy\"|' /etc/postern/postern.toml
         systemd-sysusers postern.conf; systemd-tmpfiles --create postern.conf"
    ));
    for name in drop_ins {
        sh(&format!("cp {TREE}/systemd/drop-ins/{name}.conf /etc/systemd/system/postern.service.d/"));
    }
    sh("systemctl daemon-reload");
}

#[test]
fn what_the_service_is_exposed_to_does_not_grow() {
    for (drop_in, most) in [(None, 1.6), (Some("socket-activation"), 1.5), (Some("userspace"), 1.8)] {
        let drop_ins: Vec<_> = drop_in.into_iter().collect();
        let Some(_service) = Service::with(&drop_ins) else { return };
        let units =
            "postern.service postern.socket postern-http.socket postern-backup.service postern-backup.timer";
        assert_eq!(look(&format!("systemd-analyze verify --man=no {units} 2>&1 | grep postern")), "");
        let (figure, said) = exposure("postern.service");
        println!("{}: {figure}", drop_in.unwrap_or("as shipped"));
        assert!(figure <= most, "{drop_in:?}\n{said}");
    }
}

/// What systemd thinks of a unit: 0 is exposed to nothing, 10 to everything; and why.
fn exposure(unit: &str) -> (f64, String) {
    let said = look(&format!("systemd-analyze security --no-pager {unit}"));
    let figure = said.lines().last().and_then(|line| line.split_once(": ")).map(|(_, figure)| figure);
    let figure = figure.and_then(|text| text.split(' ').next()).unwrap().parse();
    (figure.unwrap(), said)
}

#[test]
fn it_is_ready_when_the_gateway_followed_and_says_what_it_manages() {
    let Some(service) = Service::with(&["userspace"]) else { return };
    service.set("ExecStartPost=+/bin/sh -c \"postern user list >/root/users-when-ready\"");
    service.start();
    assert!(sh("ip -o link show wg-hq").contains(",UP"), "ready before its interface was up");
    let users = sh("cat /root/users-when-ready");
    assert!(users.contains("ada@example.com"), "ready before there was an administrator: {users}");
    assert_eq!(service.property("StatusText"), "0 peers in 1 location");
    assert_eq!(sh("ps -C postern -o user=").trim(), "postern");
    assert_eq!(sh("stat -c '%U:%G %a' /run/postern/admin.sock").trim(), "postern:postern-admin 660");

    let before = service.property("MainPID");
    sh("postern location add lab --endpoint vpn.example.com");
    assert_eq!(sh("stat -c %U /etc/postern/locations.d/lab.toml").trim(), "postern");
    eventually("a second location", || service.property("StatusText") == "0 peers in 2 locations");
    sh("rm /etc/postern/locations.d/lab.toml; systemctl reload postern");
    eventually("one location again", || service.property("StatusText") == "0 peers in 1 location");
    assert_eq!(service.property("MainPID"), before);

    sh("systemctl stop postern");
    assert_eq!([service.property("ActiveState"), service.property("Result")], ["inactive", "success"]);
}

#[test]
fn the_service_of_the_timer_makes_a_backup_within_its_sandbox() {
    let Some(service) = Service::with(&["userspace"]) else { return };
    let (figure, said) = exposure("postern-backup.service");
    assert!(figure <= 1.3, "{said}");
    let key = age::x25519::Identity::generate().to_public();
    service.edit(&format!("s|^recipients = .*|recipients = [\"{key}\"]|"));
    sh("rm -rf /var/backups/postern");
    service.start();
    sh("systemctl start postern-backup.service");
    assert_eq!(
        sh("stat -c '%U:%G %a' /var/backups/postern /var/backups/postern/*").trim(),
        "root:root 700\nroot:root 600"
    );
    sh("rm -rf /var/backups/postern");
}

#[test]
fn a_loop_that_is_stuck_has_the_daemon_started_again() {
    let Some(service) = Service::with(&["userspace"]) else { return };
    service.set("WatchdogSec=2s");
    service.start();
    // Longer than the watchdog's patience: what comes round is left alone.
    sh("sleep 5");
    assert_eq!(service.property("NRestarts"), "0");
    let before = service.property("MainPID");
    // Stops this one thread, as nothing else can: the others go on.
    let tracer = sh(&format!(
        "for task in /proc/{before}/task/*; do [ \"$(cat $task/comm)\" != reconcile ] || thread=${{task##*/}}; done
         perl -e 'syscall(101, 16, $ARGV[0] + 0, 0, 0) == 0 or die $!; sleep 600' \"$thread\" >/dev/null 2>&1 & echo $!"
    ));
    let told = || look("journalctl -b -u postern --no-pager");
    eventually("an end of systemd's patience", || told().contains("Watchdog timeout"));
    // The dead are held by who traces them.
    sh(&format!("kill {tracer}"));
    eventually("another start", || service.property("NRestarts") != "0");
    eventually("a daemon that is well", || service.property("ActiveState") == "active");
    assert_ne!(service.property("MainPID"), before);
    let told = told();
    assert!(told.contains("a loop does not come round") && told.contains("the reconcile loop"), "{told}");
}

#[test]
fn a_configuration_with_an_error_is_not_tried_again() {
    let Some(service) = Service::with(&["userspace"]) else { return };
    service.edit("s/^public_url = .*/public_url = 7/");
    look("systemctl start postern");
    assert_eq!(service.property("ActiveState"), "failed");
    assert_eq!([service.property("ExecMainStatus"), service.property("NRestarts")], ["78", "0"]);
}

#[test]
fn systemd_may_listen_in_the_daemons_place() {
    let Some(service) = Service::with(&["userspace"]) else { return };
    service.start();
    // What the drop-in says is to be done.
    let said = sh(&format!(
        "cd {TREE}/systemd/drop-ins; cp socket-activation.conf /etc/systemd/system/postern.service.d/
         sed -n 's/^#  *\\(systemctl .*\\)/\\1/p' socket-activation.conf"
    ));
    sh(&said);
    assert_eq!(service.property("ActiveState"), "active", "{said}");
    for port in [443, 80] {
        assert_eq!(
            sh(&format!("curl -s -m 10 -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{port}/")),
            "200"
        );
    }
    assert_eq!(look("ss -Hltn sport = :8080"), "", "it listens where the configuration says, too");
    // The configuration has a proxy speak TLS, and these sockets are open to the world.
    let told = look("journalctl -b -o cat --no-pager -u postern");
    assert!(told.contains("a socket of systemd: PLAIN HTTP ON A PUBLIC ADDRESS"), "{told}");
    let capabilities = sh(&format!("grep CapBnd /proc/{}/status", service.property("MainPID")));
    assert!(capabilities.trim().ends_with("\t0000000000001000"), "more than CAP_NET_ADMIN: {capabilities}");
}

#[test]
fn packets_are_forwarded_once_it_starts_unless_an_administrator_says_otherwise() {
    let Some(service) = Service::with(&["userspace"]) else { return };
    let forwarding = || {
        sh("sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv6.conf.lo.forwarding | xargs")
    };
    // The second is what each boot does.
    let off = || {
        drop(sh(
            "sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0; /usr/lib/systemd/systemd-sysctl",
        ));
    };
    off();
    assert_eq!(forwarding(), "0 0 0\n", "there was no gateway yet");
    service.start();
    assert_eq!(forwarding(), "1 1 1\n");

    for (own, found) in [("net.ipv4.ip_forward", "0 1 1\n"), ("net.ipv6.conf.lo.forwarding", "1 1 0\n")] {
        sh(&format!("systemctl stop postern; rm -r /run/sysctl.d; echo {own}=0 >/etc/sysctl.d/60-own.conf"));
        off();
        service.start();
        assert_eq!(forwarding(), found, "{own}");
    }
    sh("rm /etc/sysctl.d/60-own.conf");
}

#[test]
fn secrets_that_only_root_may_read_are_handed_in_as_credentials() {
    let Some(service) = Service::with(&["userspace"]) else { return };
    let password = "/etc/postern/smtp-password";
    sh("cd /etc/postern; umask 077; echo hunter22 >smtp-password
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=vpn.example.com \
            -addext subjectAltName=DNS:vpn.example.com -keyout tls-key.pem -out tls.pem 2>/dev/null
        chmod 644 tls.pem
        ! setpriv --reuid=postern --regid=postern --clear-groups sh -c 'cat smtp-password || cat tls-key.pem' 2>&1");
    let _server = MailServer::start();
    service.edit(&format!(
        "s|^host = .*|host = \"127.0.0.1\"|; s|^port = .*|port = {}|; s|^security = .*|security = \"none\"|
         s|^username = .*|username = \"postern\"\\npassword_file = \"{password}\"|",
        MailServer::PORT
    ));
    look("systemctl start postern");
    assert_eq!(service.property("ExecMainStatus"), "78", "it reads what belongs to root");

    sh(&format!("cp {TREE}/systemd/drop-ins/credentials.conf /etc/systemd/system/postern.service.d/"));
    service.set("LoadCredential=tls-key:/etc/postern/tls-key.pem");
    service.edit("s|^password_file = .*|password_credential = \"smtp-password\"|");
    service.edit(
        "s|^tls = .*|tls = \"files\"\\ncertificate_file = \"/etc/postern/tls.pem\"\\nkey_credential = \"tls-key\"|",
    );
    service.start();
    sh("postern mail test ann@example.com");
    assert!(sh("cat /srv/mail/mails/*.json").contains("ann@example.com"));
    let page =
        "--cacert /etc/postern/tls.pem --resolve vpn.example.com:443:127.0.0.1 https://vpn.example.com/";
    assert_eq!(sh(&format!("curl -s -m 10 -o /dev/null -w '%{{http_code}}' {page}")), "200");
}

/// The tests' mail server, which takes one password. It is in Python, which only the machine around the container has.
struct MailServer(Child);

impl MailServer {
    const PORT: u16 = 2525;

    fn start() -> Self {
        sh("mkdir -p /srv/mail; echo plain >/srv/mail/mode; mount --bind /srv /host/srv");
        let mut server = program("chroot");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/support/smtp-server");
        let server = server.args(["/host", path, &Self::PORT.to_string(), "/srv/mail"]).spawn().unwrap();
        eventually("a mail server", || Path::new("/srv/mail/ready").exists());
        Self(server)
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_journal_has_fields_by_name() {
    let Some(service) = Service::with(&["userspace"]) else { return };
    service.start();
    let told = || look("journalctl -b -o cat --no-pager POSTERN_LOCATION_NAME=hq PRIORITY=6");
    eventually("an entry", || told().contains("managing a location location.name=hq"));
}

/// Runs shell commands that must succeed; what they print.
fn sh(script: &str) -> String {
    let output = program("sh").args(["-ec", script]).output().unwrap();
    let [out, errors] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{script}\n{out}{errors}");
    out
}

/// What shell commands print, whether they succeed or not.
fn look(script: &str) -> String {
    let output = program("sh").args(["-c", script]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
