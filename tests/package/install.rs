//! The package on a fresh host: a booted Debian with the kernel's WireGuard, systemd and no network, in the virtual machine of
//! `tests/support/kernel-vm`. `tests/support/run-suites` starts it twice on one disk, once for each of the two tests: the second
//! finds what the first left.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]
#![expect(clippy::print_stdout, reason = "figures are told")]

#[expect(dead_code, reason = "here systemd runs the daemon, on the machine itself")]
#[path = "../support/rig/mod.rs"]
mod rig;
mod support;

use std::time::Instant;

use rig::eventually;
use rig::ping::Pings;
use support::{Machine, look, sh};

/// Of the stripped program: what it had when this was written, and a little. The aim is 15 MB.
const MOST_BYTES: u32 = 22_000_000;

#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is told")]
fn installed_on_a_fresh_host_it_serves_people_and_interrupts_nobody() {
    let Some(machine) = Machine::found() else { return };
    let start = Instant::now();
    let said = machine.install(1);
    assert!(said.contains("sudo postern setup"), "{said}");
    assert_eq!(look("systemctl is-enabled postern; systemctl is-active postern"), "disabled\ninactive\n");
    it_is_small_and_changes_nothing_yet();
    machine.set_up();
    assert_eq!(forwarding(), "1 1\n");
    its_module_is_loaded_for_it(&machine);
    let person = machine.enroll("ann");
    person.connect();
    whoever_is_in_the_group_administers();
    println!("install to first ping: {:.1} s on this emulated machine", start.elapsed().as_secs_f64());
    println!("{}", look("systemd-analyze security --no-pager postern.service | tail -n 1").trim());
    assert_eq!(look("ps -C postern -o user=").trim(), "postern");

    let restart = || drop(sh("systemctl restart postern"));
    let reload = || {
        drop(sh(
            "sed -i '/^dns = /d; $ a dns = [\"10.77.0.1\"]' /etc/postern/locations.d/hq.toml; postern reload",
        ));
    };
    let die = || drop(sh("systemctl kill --signal=KILL postern"));
    let upgrade = || drop(machine.install(2));
    let interruptions: [(&str, &dyn Fn()); 4] =
        [("a restart", &restart), ("a reload", &reload), ("kill -9", &die), ("an upgrade", &upgrade)];
    for (what, interrupt) in interruptions {
        let before = main_process();
        let pings = ["10.77.0.1", "fd77::1"].map(|address| Pings::start(&person.host, address));
        interrupt();
        machine.answers();
        assert_eq!(main_process() == before, what == "a reload", "{what}: {before}");
        for ping in pings {
            assert_eq!(ping.lost(), Vec::<u32>::new(), "{what} lost packets");
        }
    }
    it_was_upgraded_without_a_question();
    a_server_of_wg_quick_is_taken_over();
    // What is there when the service says that it is ready, after the next boot.
    sh("mkdir -p /etc/systemd/system/postern.service.d
        printf '[Service]\nExecStartPost=+/bin/sh -c \"wg show all peers >/root/peers-when-ready\"\n' \\
            >/etc/systemd/system/postern.service.d/probe.conf");
}

#[test]
fn after_a_boot_everything_is_back_and_only_purging_ends_it() {
    let Some(machine) = Machine::found() else { return };
    machine.answers();
    let person = machine.again("ann");
    let ready = look("cat /root/peers-when-ready");
    assert!(ready.contains(&person.key()), "not live when the service was ready: {ready:?}");
    person.connect();

    sh("systemctl enable --now postern-backup.timer; apt-get remove -y postern");
    assert_eq!(look("systemctl is-active postern").trim(), "inactive");
    assert!(person.reaches(), "removing the package took the tunnel down");
    machine.install(2);
    machine.answers();
    assert_eq!(look("systemctl is-active postern-backup.timer").trim(), "active");
    assert!(sh("postern user list").contains("ann"));
    assert!(person.reaches());

    // What restoring over a gateway leaves, and killing that; and backups.
    sh(
        "cd /var/lib; for why in before-restore restoring; do mkdir -p postern.$why-2026-01-02T030405Z/keys; done; mkdir -p /var/backups/postern",
    );
    sh("cp -r /var/lib/postern /var/lib/dpkg/info/postern.postrm /root; nft list tables | grep 'postern_[0-9a-f]*$' >/root/table
        apt-get purge -y postern");
    assert_eq!(look("getent passwd postern; getent group postern postern-admin"), "");
    assert_eq!(look("ip -o link show wg-hq; nft list tables | grep postern"), "");
    assert_eq!(look("find / -xdev \\( -nouser -o -nogroup \\)"), "");
    assert_eq!(
        look("find / -xdev -path /root -prune -o -path /proc -prune -o -name '*postern*' -print"),
        "/var/backups/postern\n"
    );
    eventually("no unit of ours", || look("systemctl list-units --all --no-legend 'postern*'").is_empty());

    // Of one whose interfaces somebody else has deleted, the table is left.
    sh("cp -r /root/postern /var/lib; nft add $(cat /root/table); sh /root/postern.postrm purge");
    assert_eq!(look("nft list tables | grep postern; ls -d /var/lib/postern"), "");
}

fn it_is_small_and_changes_nothing_yet() {
    sh("test -r /usr/share/postern/nginx-forward-auth.conf");
    let bytes: u32 = sh("stat -c %s /usr/bin/postern").trim().parse().unwrap();
    println!("the program has {:.1} MB", f64::from(bytes) / 1e6);
    assert!(bytes < MOST_BYTES, "the program has grown");
    // What the next boot does.
    sh("/usr/lib/systemd/systemd-sysctl");
    assert_eq!(forwarding(), "0 0\n", "a host that only has the package forwards");
}

/// The second build has another default, which would be asked about were the file a conffile.
fn it_was_upgraded_without_a_question() {
    assert!(look("dpkg -s postern").contains("-2\n"), "the upgrade did not happen");
    sh("grep -q '^instance_name = \"another\"' /usr/share/postern/postern.toml
        grep -q '^instance_name = \"postern\"' /etc/postern/postern.toml");
    assert_eq!(look("find /etc/postern -name '*.dpkg-*'"), "");
}

/// Also who may not read the configuration.
fn whoever_is_in_the_group_administers() {
    sh("useradd --no-create-home --groups postern-admin nora");
    assert!(sh("setpriv --reuid nora --regid nora --init-groups postern user list").contains("ann"));
    sh("userdel nora");
}

/// The sandbox keeps the daemon from loading modules, and here the kernel's own way to do it is closed too.
fn its_module_is_loaded_for_it(machine: &Machine) {
    sh("systemctl stop postern; ip link delete wg-hq; modprobe -r wireguard; [ ! -e /sys/module/wireguard ]
        sysctl -n kernel.modprobe >/root/modprobe; sysctl -qw kernel.modprobe=/bin/false; systemctl start postern");
    machine.answers();
    sh("[ -e /sys/module/wireguard ]; ip link show wg-hq; sysctl -qw kernel.modprobe=$(cat /root/modprobe)");
}

fn forwarding() -> String {
    sh("sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding | xargs")
}

/// With a stand-in for the unit of wireguard-tools, which would take the interface down when it is stopped.
fn a_server_of_wg_quick_is_taken_over() {
    sh("cd /etc/systemd/system
        printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\nExecStop=/bin/touch /root/ran\n' >wg-quick@.service
        printf '[Install]\nWantedBy=multi-user.target\n' >>wg-quick@.service
        systemctl daemon-reload; systemctl enable --now wg-quick@wg9
        install -d -m 700 /etc/wireguard; cd /etc/wireguard; umask 077; wg genkey >server; wg genkey >peer
        printf '[Interface]\nPrivateKey = %s\nListenPort = 51899\n[Peer]\nPublicKey = %s\nAllowedIPs = 10.99.0.2/32\n' \
            \"$(cat server)\" \"$(wg pubkey <peer)\" >wg9.conf
        ip link add wg9 type wireguard; wg setconf wg9 wg9.conf; ip addr add 10.99.0.1/24 dev wg9; ip link set wg9 up
        sed -i 's|^ListenPort|Address = 10.99.0.1/24\\nPostDown = touch /root/ran\\n&|' wg9.conf");
    let before = look("ip -o addr show wg9; wg showconf wg9");
    sh("postern import wg-quick --endpoint vpn.example.com --yes /etc/wireguard/wg9.conf");
    assert_eq!(
        look("systemctl is-enabled wg-quick@wg9; systemctl is-active wg-quick@wg9"),
        "disabled\nactive\n"
    );
    assert_eq!(look("ip -o addr show wg9; wg showconf wg9"), before);
    assert_eq!(look("ls /root/ran /etc/wireguard/wg9.conf 2>/dev/null"), "");
}

fn main_process() -> String {
    look("systemctl show --property=MainPID --value postern")
}
