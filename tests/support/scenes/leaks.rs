//! What a location does not list stays shut, and what it lists open, whatever is done to the gateway meanwhile.

use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{a_site, connects, of, somebody};
use crate::rig::ping::Pings;
use crate::rig::{Client, Host, Rig, Wireguard, eventually};

const FORBIDDEN: &str = "10.8.0.2";

/// What the location lists by turns; the office always, the vault never.
const LISTED: [&str; 2] =
    ["routes = [\"10.9.0.0/24\"]", "routes = [\"10.9.0.0/24\", \"192.168.0.0/16\"]\nclient_to_client = true"];

/// A forbidden address pinged every millisecond while rules change, the daemon restarts or is killed: nothing arrives, and
/// of an allowed one nothing is lost by a change of rules.
pub(crate) fn nothing_forbidden_passes_whatever_changes(wireguard: Wireguard) {
    let Some(mut rig) = a_site(wireguard) else { return };
    let _office = rig.behind("office", "10.9.0", "fd09");
    let vault = rig.behind("vault", "10.8.0", "fd08");
    list(&rig, LISTED[0]);
    let (ann, configs) = somebody(&mut rig, "ann", &[]);
    let _tunnel = ann.connect_greedily(of(&configs, "open"));
    connects(&ann, 1);
    let _knocking = Knocking::start(&ann.host);
    list(&rig, "routes = [\"10.9.0.0/24\", \"10.8.0.0/24\"]");
    eventually("a packet that is seen when it may pass", || arrivals(&vault) > 0);
    list(&rig, LISTED[0]);

    let arrived = arrivals(&vault);
    change_rules(&rig, &ann);
    assert_eq!(arrivals(&vault), arrived, "leaked by changes of rules");
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        rig.end(signal);
        rig.start();
        connects(&ann, 1);
        assert_eq!(arrivals(&vault), arrived, "leaked while the daemon ended by {signal}, and started");
    }
    stays_shut_without_its_rules(&rig, &ann, &vault);
}

/// Puts other rules into force again and again, beside an allowed address that loses nothing.
fn change_rules(rig: &Rig, ann: &Client) {
    let set = |name: &str| std::env::var_os(name).is_some();
    // The virtual machine takes two seconds for each.
    let times = match (set("POSTERN_TEST_LONG"), set("KERNEL_VM")) {
        (true, _) => 1_000,
        (false, true) => 25,
        (false, false) => 100,
    };
    let pings = Pings::start(&ann.host, "10.9.0.2");
    (1..=times).for_each(|at| list(rig, LISTED[at % 2]));
    assert_eq!(pings.lost(), Vec::<u32>::new(), "lost by {times} changes of rules");
}

fn list(rig: &Rig, listed: &str) {
    rig.locate("open", 1, listed);
    rig.reload();
}

/// Somebody empties the kernel's tables again and again: what the daemon holds for itself stays until its rules are back.
fn stays_shut_without_its_rules(rig: &Rig, ann: &Client, vault: &Host) {
    let before = arrivals(vault);
    let pings = Pings::start(&ann.host, "10.9.0.2");
    for _ in 0..10 {
        rig.gateway.sh("nft flush ruleset");
        let is_back = || rig.gateway.look("nft list ruleset").matches("goto forwarded_pst-open").count() == 2;
        eventually("the rules", is_back);
    }
    assert_eq!(pings.lost(), Vec::<u32>::new(), "lost while the tables were emptied");
    assert_eq!(arrivals(vault), before, "leaked while the tables were emptied");
}

/// How many pings a host got over IPv4.
fn arrivals(host: &Host) -> u64 {
    let counters = host.sh("grep ^Icmp: /proc/net/snmp");
    let (names, values) = counters.split_once('\n').unwrap();
    let mut found = names.split_whitespace().zip(values.split_whitespace());
    found.find(|(name, _)| *name == "InEchos").unwrap().1.parse().unwrap()
}

/// Somebody who pings the forbidden address every millisecond; ended when dropped.
struct Knocking(Child);

impl Knocking {
    fn start(host: &Host) -> Self {
        let mut ping = host.program("ping");
        ping.args(["-n", "-q", "-i", "0.001", "-W", "1", FORBIDDEN]);
        Self(ping.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Knocking {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id().try_into().unwrap()), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}
