//! The real daemon on the kernel's own WireGuard, inside the virtual machine of `tests/support/kernel-vm`: the scenes
//! that userspace plays too, and what only the kernel can show: tunnels outlive the daemon, and what `wg` changes is
//! changed back.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[path = "daemon/connect.rs"]
mod connect;
#[expect(dead_code, reason = "most that fails and goes on is another suite's")]
#[path = "../support/faults.rs"]
mod faults;
#[path = "daemon/module.rs"]
mod module;
#[expect(dead_code, reason = "how it fails to start is shown without the kernel, in tests/netns")]
#[path = "../support/rig/mod.rs"]
mod rig;
#[path = "../support/scenes/mod.rs"]
mod scenes;

use std::os::unix::process::ExitStatusExt as _;

use nix::sys::signal::Signal;
use rig::Wireguard::Kernel;
use rig::ping::Pings;
use rig::{Rig, eventually};
use scenes::{a_site, connects, of, somebody};

#[test]
fn everybody_reaches_exactly_what_they_may_use() {
    scenes::everybody_reaches_exactly_what_they_may_use(Kernel);
}

#[test]
fn what_is_broken_from_outside_is_repaired_at_once() {
    scenes::what_is_broken_from_outside_is_repaired_at_once(Kernel);
}

#[test]
fn a_client_that_wants_everything_gets_no_more() {
    scenes::a_client_that_wants_everything_gets_no_more(Kernel);
}

#[test]
fn a_foreign_interface_is_left_alone() {
    scenes::a_foreign_interface_is_left_alone(Kernel);
}

#[test]
fn a_location_that_cannot_run_harms_no_other() {
    scenes::a_location_that_cannot_run_harms_no_other(Kernel);
}

#[test]
fn a_pool_that_is_full_is_no_error() {
    scenes::a_pool_that_is_full_is_no_error(Kernel);
}

#[test]
fn nothing_forbidden_passes_whatever_changes() {
    scenes::nothing_forbidden_passes_whatever_changes(Kernel);
}

#[test]
fn a_machine_has_one_location_for_ever() {
    scenes::a_machine_has_one_location_for_ever(Kernel);
}

#[test]
fn a_reload_loses_no_packet() {
    scenes::a_reload_loses_no_packet(Kernel);
}

type Interruption = fn(&mut Rig);

#[test]
fn stop_kill_and_reload_leave_every_session_as_it_was() {
    let Some(mut rig) = a_site(Kernel) else { return };
    let (ann, configs) = somebody(&mut rig, "ann", &[]);
    let interruptions: [(&str, Interruption); 3] = [
        ("stop and start", |rig| {
            assert!(rig.end(Signal::SIGTERM).success());
            rig.start();
        }),
        ("kill and start", |rig| {
            rig.end(Signal::SIGKILL);
            rig.start();
        }),
        ("reload", |rig| {
            rig.locate("open", 1, "dns = [\"10.77.1.1\"]\nmtu = 1400");
            rig.reload();
        }),
    ];
    for (what, interrupt) in interruptions {
        // A tunnel of two minutes' age shakes hands again by itself: each of these has its own.
        let _tunnels = (ann.connect(of(&configs, "open")), ann.connect(of(&configs, "hq")));
        connects(&ann, 1);
        connects(&ann, 2);
        let (handshakes, before) = (handshakes(&rig), transferred(&rig));
        assert!(before.iter().all(|bytes| *bytes > 0), "{before:?}");
        let pings = ["10.77.1.1", "fd77:1::1", "10.77.2.1"].map(|to| Pings::start(&ann.host, to));
        interrupt(&mut rig);
        for ping in pings {
            assert_eq!(ping.lost(), Vec::<u32>::new(), "{what} lost packets");
        }
        assert_eq!(self::handshakes(&rig), handshakes, "{what}: somebody had to shake hands again");
        let after = transferred(&rig);
        assert!(before.iter().zip(&after).all(|(before, after)| before < after), "{before:?} {after:?}");
    }
}

#[test]
fn a_server_of_wg_quick_is_taken_over_without_losing_a_packet() {
    let Some(mut rig) = a_site(Kernel) else { return };
    let ann = rig.host("ann");
    let dir = rig.dir().display().to_string();
    set_up_as_wg_quick_does(&rig, &dir);
    ann.sh(&format!(
        "cd {dir}; ip link add wg0 type wireguard
         wg set wg0 private-key ann peer $(wg pubkey <server) preshared-key shared endpoint 192.0.2.1:51999 allowed-ips 10.8.0.0/24
         ip addr add 10.8.0.2/24 dev wg0; ip link set wg0 up"
    ));
    eventually("a tunnel to the server as it was", || ann.reaches("10.8.0.254"));
    let server = || {
        rig.gateway.sh("wg showconf wg-old; wg show wg-old latest-handshakes; ip addr show dev wg-old | grep inet; ip route show dev wg-old")
    };
    let before = server();
    let pings = Pings::start(&ann, "10.8.0.254");
    let file = rig.path("wg-old.conf");
    let taken = rig.ask(&["import", "wg-quick", "--endpoint", "192.0.2.1", "--yes", file.to_str().unwrap()]);
    assert_eq!(taken[0]["applied"], true, "{taken}");
    rig.reload();
    assert_eq!(pings.lost(), Vec::<u32>::new(), "taking over lost packets");
    assert_eq!(server(), before);
    let pings = Pings::start(&ann, "10.8.0.254");
    assert!(rig.end(Signal::SIGKILL).signal().is_some());
    rig.start();
    assert_eq!(pings.lost(), Vec::<u32>::new(), "a crash lost packets");
    assert!(!rig.path("ran").exists(), "the file's commands are not run");
    rig.gateway.sh("ip link delete wg-old");
    eventually("the interface made anew", || {
        rig.gateway.look("ip route show dev wg-old; wg showconf wg-old").contains("192.168.5.0/24")
            && rig.gateway.look("wg showconf wg-old").contains("192.0.2.99")
            && ann.reaches("10.8.0.254")
    });
}

/// A server with a client `ann`, a peer that the server calls, and a network behind that.
fn set_up_as_wg_quick_does(rig: &Rig, dir: &str) {
    rig.gateway.sh(&format!(
        "cd {dir}; umask 077; wg genkey >server; wg genkey >ann; wg genpsk >shared; wg genkey >branch
         printf '[Interface]\\nPrivateKey = %s\\nListenPort = 51999\\n\\n# Name: ann\\n[Peer]\\nPublicKey = %s\\nPresharedKey = %s\\n' \
             \"$(cat server)\" \"$(wg pubkey <ann)\" \"$(cat shared)\" >wg-old.conf
         printf 'AllowedIPs = 10.8.0.2/32\\n\\n# Name: branch\\n[Peer]\\nPublicKey = %s\\nAllowedIPs = 10.8.0.3/32, 192.168.5.0/24\\n' \
             \"$(wg pubkey <branch)\" >>wg-old.conf
         printf 'Endpoint = 192.0.2.99:51820\\nPersistentKeepalive = 25\\n' >>wg-old.conf
         ip link add wg-old type wireguard; wg setconf wg-old wg-old.conf
         ip addr add 10.8.0.254/24 dev wg-old; ip link set wg-old mtu 1420 up; ip route add 192.168.5.0/24 dev wg-old
         sed -i 's|^ListenPort|Address = 10.8.0.254/24\\nPostDown = touch {dir}/ran\\n&|' wg-old.conf"
    ));
}

fn handshakes(rig: &Rig) -> String {
    rig.gateway.sh("wg show all latest-handshakes")
}

/// Bytes received and sent, of every peer.
fn transferred(rig: &Rig) -> Vec<u64> {
    let shown = rig.gateway.sh("wg show all transfer");
    shown.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn what_somebody_does_with_wg_is_undone_and_disturbs_no_other_peer() {
    let Some(mut rig) = a_site(Kernel) else { return };
    rig.configure("reconcile_interval = \"1s\"");
    rig.reload();
    let (ann, of_ann) = somebody(&mut rig, "ann", &[]);
    let (ben, of_ben) = somebody(&mut rig, "ben", &[]);
    let tunnel = ben.connect(of(&of_ben, "open"));
    connects(&ben, 1);
    let healthy = wireguard(&rig);
    let (anns, bens) = (ann.key(), ben.key());
    let pings = Pings::start(&ben.host, "10.77.1.1");
    let stranger = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
    for harm in [
        format!("wg set pst-open peer {anns} remove"),
        format!("wg set pst-open peer {anns} allowed-ips 10.77.1.77/32"),
        format!("wg set pst-open peer {anns} persistent-keepalive 25"),
        format!("wg set pst-open peer {stranger} allowed-ips 10.77.1.78/32"),
    ] {
        undone(&rig, &harm, &healthy);
    }
    assert_eq!(pings.lost(), Vec::<u32>::new(), "a repair lost a packet of somebody else");
    for harm in [
        format!("wg set pst-open peer {anns} allowed-ips $(wg show pst-open allowed-ips | grep {bens} | cut -f2 | tr \" \" ,)"),
        "wg genkey >key; wg set pst-open private-key key".to_owned(),
        "wg set pst-open listen-port 50999".to_owned(),
        format!(
            "printf \"[Interface]\\nPrivateKey=$(wg genkey)\\nListenPort=50998\\n[Peer]\\nPublicKey={stranger}\\n\" >conf
             wg setconf pst-open conf"
        ),
    ] {
        undone(&rig, &format!("cd {}; {harm}", rig.dir().display()), &healthy);
    }
    drop(tunnel);
    let _bens = ben.connect(of(&of_ben, "open"));
    let _anns = ann.connect(of(&of_ann, "open"));
    connects(&ben, 1);
    connects(&ann, 1);
}

fn undone(rig: &Rig, harm: &str, healthy: &str) {
    let repairs = || rig.log().matches("found changed from outside").count();
    let before = repairs();
    rig.gateway.sh(harm);
    eventually(harm, || repairs() > before && wireguard(rig) == healthy);
}

/// Key, port and peers of one location's interface as `wg` shows them.
fn wireguard(rig: &Rig) -> String {
    let script = "for what in public-key listen-port fwmark; do wg show pst-open $what; done
                  for what in allowed-ips persistent-keepalive preshared-keys; do wg show pst-open $what | sort; done";
    rig.gateway.sh(script)
}
