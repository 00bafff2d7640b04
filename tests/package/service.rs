//! The units of `systemd/` on a booted Debian: the program under its sandbox, as the user `postern`, with systemd as its
//! manager. In the container of `tests/support/kernel-vm`, so with userspace WireGuard; `tests/support/run-suites` starts it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]
#![expect(clippy::print_stdout, reason = "figures are told")]

#[expect(dead_code, reason = "here systemd runs the daemon, on the machine itself")]
#[path = "../support/rig/mod.rs"]
mod rig;

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
         rm -rf /etc/systemd/system/postern.service.d /etc/postern /var/lib/postern
         mkdir -p /etc/systemd/system/postern.service.d /etc/postern/locations.d
         cmp -s {binary} /usr/bin/postern || install -m 755 {binary} /usr/bin/postern
         cp {TREE}/systemd/*.service {TREE}/systemd/*.socket /usr/lib/systemd/system/
         cp {TREE}/systemd/sysusers.conf /usr/lib/sysusers.d/postern.conf
         cp {TREE}/systemd/tmpfiles.conf /usr/lib/tmpfiles.d/postern.conf
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
        let said = look("systemd-analyze security --no-pager postern.service");
        let figure = said.lines().last().and_then(|line| line.split_once(": ")).map(|(_, figure)| figure);
        println!("{}: {}", drop_in.unwrap_or("as shipped"), figure.unwrap_or_default());
        let figure: f64 = figure.and_then(|text| text.split(' ').next()).unwrap().parse().unwrap();
        assert!(figure <= most, "{drop_in:?}\n{said}");
    }
}

#[test]
fn it_is_ready_when_the_gateway_followed_and_says_what_it_manages() {
    let Some(service) = Service::with(&["userspace"]) else { return };
    service.start();
    assert!(sh("ip -o link show wg-hq").contains(",UP"), "ready before its interface was up");
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
    let Some(service) = Service::with(&["userspace", "socket-activation"]) else { return };
    sh("systemctl start postern.socket postern-http.socket");
    service.start();
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
