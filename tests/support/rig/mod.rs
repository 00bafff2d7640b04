//! A gateway host with the real daemon and command line, client hosts with tunnels of another implementation, and
//! hosts behind the gateway: each in a network namespace of its own, joined by cables. Everything is gone when the
//! [`Rig`] is dropped; a test that failed leaves its diagnostics on standard error.
//!
//! Clients run the kernel's WireGuard or wireguard-go, never postern's own userspace implementation: what works
//! here works with somebody else's.

#[path = "../binary.rs"]
pub(crate) mod binary;
mod client;
pub(crate) mod daemon;
mod host;
pub(crate) mod ping;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(crate) use client::Client;
pub(crate) use host::Host;

/// The gateway's address on every cable.
pub(crate) const GATEWAY: &str = "192.0.2.1";

/// Where WireGuard runs: on the gateway and on its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wireguard {
    Kernel,
    Userspace,
}

/// One gateway, and everything around it.
pub(crate) struct Rig {
    pub(crate) gateway: Host,
    wireguard: Wireguard,
    dir: tempfile::TempDir,
    daemon: Option<daemon::Daemon>,
    cables: u8,
}

impl Rig {
    /// The gateway host, alone and without a configuration; `None` where this machine lacks what it takes. Then
    /// the test is skipped loudly, or fails when `POSTERN_TEST_REQUIRE` names what is lacking.
    pub(crate) fn new(wireguard: Wireguard) -> Option<Self> {
        let (capability, lacking) = match wireguard {
            Wireguard::Kernel => ("kernel", lacking_kernel()),
            Wireguard::Userspace => ("userspace", lacking_userspace()),
        };
        if let Some(lacking) = lacking {
            skip(capability, &lacking);
            return None;
        }
        let gateway = Host::new("gw");
        gateway.sh("ip addr add 192.0.2.1/32 dev lo
             sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        let dir = tempfile::Builder::new().prefix("postern-rig").tempdir().unwrap();
        Some(Self { gateway, wireguard, dir, daemon: None, cables: 0 })
    }

    /// A file beside the configuration.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The folder of configuration and state.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A host whose only way out is the gateway, at 192.0.2.N and `2001:db8::N` from 10 up.
    pub(crate) fn host(&mut self, role: &str) -> Host {
        let host = Host::new(role);
        self.cables += 1;
        let (cable, number) = (self.cables, self.cables + 9);
        self.gateway.sh(&format!(
            "ip link add cable{cable} type veth peer name eth0 netns {}
             ip link set cable{cable} up; ip addr add 2001:db8::1/128 dev cable{cable} nodad
             ip route add 192.0.2.{number}/32 dev cable{cable} src {GATEWAY}
             ip route add 2001:db8::{number}/128 dev cable{cable} src 2001:db8::1",
            host.name()
        ));
        host.sh(&format!(
            "ip link set eth0 up
             ip addr add 192.0.2.{number}/32 dev eth0; ip addr add 2001:db8::{number}/128 dev eth0 nodad
             ip route add {GATEWAY}/32 dev eth0 src 192.0.2.{number}
             ip route add 2001:db8::1/128 dev eth0 src 2001:db8::{number}"
        ));
        host
    }

    /// A host of somebody who has no device yet.
    pub(crate) fn client(&mut self, role: &str) -> Client {
        Client::new(self.host(role), self.wireguard)
    }

    /// A host on a network behind the gateway: the gateway is its `.1` and `::1`, it is `.2` and `::2`. It knows no way
    /// back to any other network.
    pub(crate) fn behind(&mut self, role: &str, v4: &str, v6: &str) -> Host {
        let host = Host::new(role);
        self.cables += 1;
        let cable = self.cables;
        self.gateway.sh(&format!(
            "ip link add cable{cable} type veth peer name eth0 netns {}
             ip addr add {v4}.1/24 dev cable{cable}; ip addr add {v6}::1/64 dev cable{cable} nodad
             ip link set cable{cable} up",
            host.name()
        ));
        host.sh(&format!(
            "ip addr add {v4}.2/24 dev eth0; ip addr add {v6}::2/64 dev eth0 nodad; ip link set eth0 up"
        ));
        host
    }

    /// What an administrator would look at.
    fn diagnostics(&self) -> String {
        let mut report = format!("--- {}\n", self.dir.path().display());
        for (what, look) in [
            ("links", "ip -d addr"),
            ("routes", "ip route; ip -6 route"),
            ("wg", "wg show"),
            ("nft", "nft list ruleset"),
        ] {
            let _ = writeln!(report, "--- gateway: {what}\n{}", self.gateway.look(look));
        }
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        let _ = writeln!(report, "--- the daemon's log\n{log}");
        report
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.diagnostics());
        }
    }
}

/// Looks again and again until `done`, for as long as an emulated machine may take.
#[expect(clippy::disallowed_methods, reason = "only the real time says how long something takes")]
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let emulated = std::env::var("KERNEL_VM").is_ok_and(|engine| engine == "qemu");
    let patience = Duration::from_secs(if emulated { 300 } else { 40 });
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < patience, "did not happen within {patience:?}: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Says that a test is skipped, or fails when what is lacking is required.
pub(crate) fn skip(capability: &str, lacking: &str) {
    let required = std::env::var("POSTERN_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name == capability), "{capability} is required: {lacking}");
    eprintln!("SKIPPED: {lacking}");
}

fn lacking_userspace() -> Option<String> {
    lacking_tools(&["ip", "nft", "ping", "wg", "curl", "wireguard-go"])
        .or_else(|| (!Path::new("/dev/net/tun").exists()).then(|| "/dev/net/tun is not there".to_owned()))
}

fn lacking_kernel() -> Option<String> {
    if std::env::var_os("KERNEL_VM").is_none() {
        // Required or not: the virtual machine is where it is looked for.
        return Some("kernel WireGuard is tested in a virtual machine; `make test` starts it".to_owned());
    }
    lacking_tools(&["ip", "nft", "ping", "wg", "curl"])
}

/// What of root and `tools` is not there.
pub(crate) fn lacking_tools(tools: &[&str]) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("network namespaces need root".to_owned());
    }
    let has = |tool: &str| sh(&format!("command -v {tool}")).is_ok();
    let missing: Vec<&str> = tools.iter().copied().filter(|tool| !has(tool)).collect();
    if !missing.is_empty() {
        return Some(format!("tools are missing: {}", missing.join(", ")));
    }
    sh("unshare --net true").is_err().then(|| "this machine lets nobody make a network namespace".to_owned())
}

#[expect(clippy::disallowed_methods, reason = "the scene is set as an administrator would")]
pub(crate) fn program(name: &str) -> Command {
    Command::new(name)
}

/// Runs shell commands on the machine itself: what they printed, or what they complained about.
fn sh(script: &str) -> Result<String, String> {
    let output = program("sh").args(["-ec", script]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
