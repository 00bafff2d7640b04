//! A server of `wg-quick` becomes a location and goes out again, as an administrator does it. What the kernel's own
//! WireGuard makes of it, and its pings, is shown in `tests/kernel`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroU16;
use std::os::unix::fs::PermissionsExt as _;

use postern_gateway::{
    BackendKind, DesiredInterface, DesiredPeer, Dialled, ForwardPolicy, Mtu, PresharedKey, PrivateKey, Step,
};
use serde_json::{Value, json};

use crate::running::{Postern, key};

/// What the server of [`file`] runs.
fn interface() -> DesiredInterface {
    let peer = |networks: &[&str]| DesiredPeer {
        allowed_ips: networks.iter().map(|text| text.parse().unwrap()).collect(),
        preshared_key: None,
        dialled: None,
    };
    let ann = DesiredPeer { preshared_key: PresharedKey::from_bytes([9; 32]), ..peer(&["10.8.0.2/32"]) };
    let dialled =
        Some(Dialled { endpoint: "192.0.2.7:51821".parse().unwrap(), keepalive: NonZeroU16::new(25) });
    let branch = DesiredPeer { dialled, ..peer(&["10.8.0.3/32", "192.168.5.0/24"]) };
    DesiredInterface {
        backend: BackendKind::Kernel,
        private_key: PrivateKey::from_random([77; 32]),
        listen_port: 51_999.try_into().unwrap(),
        mtu: Mtu::try_from(1380).unwrap(),
        addresses: BTreeSet::from(["10.8.0.254/24".parse().unwrap()]),
        peers: BTreeMap::from([(key(1), ann), (key(2), branch)]),
        undecided: BTreeSet::new(),
        routes: BTreeSet::from(["192.168.5.0/24".parse().unwrap()]),
        policy: ForwardPolicy::default(),
    }
}

fn file(peers: &str) -> String {
    let server = interface();
    format!(
        "[Interface]\nPrivateKey = {}\nAddress = 10.8.0.254/24\nListenPort = 51999\nMTU = 1380\n{peers}",
        server.private_key.to_base64().as_str()
    )
}

fn peers() -> String {
    let secret = PresharedKey::from_bytes([9; 32]).unwrap().to_base64();
    format!(
        "\n# Name: ann's laptop\n[Peer]\nPublicKey = {}\nPresharedKey = {}\nAllowedIPs = 10.8.0.2/32\n\n# Name: branch\n[Peer]\n\
         PublicKey = {}\nAllowedIPs = 10.8.0.3/32, 192.168.5.0/24\nEndpoint = 192.0.2.7:51821\nPersistentKeepalive = 25\n",
        key(1),
        secret.as_str(),
        key(2)
    )
}

fn server(postern: &Postern, name: &str, text: &str) -> String {
    let path = postern.path(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_running_server_is_taken_over_as_it_is_and_can_leave_as_it_came() {
    let Some(postern) = Postern::start() else { return };
    let name = "wg0".parse().unwrap();
    postern.kernel.run_elsewhere(&name, &interface());
    let before = postern.kernel.observed().unmarked[&name].clone();
    let text = file(&(peers() + "\n"));
    let file = server(&postern, "wg0.conf", &text.replace("MTU", "PostUp = iptables -A FORWARD\nMTU"));
    let import = ["import", "wg-quick", "--endpoint", "vpn.example.com", &file];

    let everything = postern.everything();
    postern.kernel.take_written();
    let looked = postern.json(&import);
    assert_eq!((&looked[0]["taken_over"], &looked[0]["ipv4"]), (&json!(false), &json!("10.8.0.254/24")));
    assert_eq!(looked[0]["peers"][1]["name"], "branch");
    let changes = looked[0]["changes"].to_string();
    assert!(changes.contains("line 5: PostUp") && changes.contains("services of this host"), "{changes}");
    assert_eq!((postern.everything(), postern.kernel.take_written()), (everything, Vec::new()));

    let taken = postern.json(&[&import[..], &["--yes"]].concat());
    assert_eq!((&taken[0]["applied"], &taken[0]["peers"][0]["name"]), (&json!(true), &json!("ann's laptop")));
    let written = postern.kernel.take_written();
    let touching: Vec<&Step> = written.iter().filter(|step| step.interface().is_some()).collect();
    assert_eq!(touching, [&Step::Adopt { interface: name.clone() }], "nothing but our mark");
    assert_eq!(postern.kernel.observed().interfaces[&name], before);
    assert_eq!(fs::read_to_string(format!("{file}.imported")).unwrap().matches("PostUp").count(), 1);

    let shown = postern.json(&["device", "show", "branch"]);
    assert_eq!(shown["locations"][0]["allowed_ips"], json!(["10.8.0.3/32", "192.168.5.0/24"]));
    assert_eq!((&shown["machine"], &shown["locations"][0]["state"]), (&json!(true), &json!("live")));
    let exported = postern.run(&["export", "wg-quick", "wg0"]);
    assert_eq!((exported.code, exported.out.trim()), (0, text.trim()));
}

#[test]
fn a_preshared_key_is_sealed_under_a_key_without_which_nothing_starts() {
    let Some(postern) = Postern::start() else { return };
    let text = file(&(peers() + "\n"));
    let file = server(&postern, "wg0.conf", &text);
    let import = ["import", "wg-quick", "--endpoint", "vpn.example.com", "--yes", &file];
    assert_eq!(postern.run(&import).code, 0);
    let before = postern.peers();
    let secret = PresharedKey::from_bytes([9; 32]).unwrap();
    let dir = postern.stop();
    let read = |name: &str| fs::read(dir.path().join("state").join(name)).unwrap_or_default();
    let database = [read("postern.db"), read("postern.db-wal")].concat();
    let holds = |bytes: &[u8]| database.windows(bytes.len()).any(|part| part == bytes);
    assert!(holds(b"ann's laptop"), "the peer is in the database");
    assert!(!holds(secret.expose_bytes()), "its preshared key is not");
    let seal = dir.path().join("state/keys/seal.key");
    let kept = fs::read(&seal).unwrap();
    fs::remove_file(&seal).unwrap();
    let refused = Postern::would_not_start(&dir);
    assert!(
        refused.contains("seal.key is not the key that secrets in the database are sealed under"),
        "{refused}"
    );
    fs::write(&seal, kept).unwrap();
    let postern = Postern::over(dir);
    assert_eq!(postern.run(&["export", "wg-quick", "wg0"]).out.trim(), text.trim(), "after a restart");
    assert_eq!(postern.peers(), before, "on a host that started anew");
}

#[test]
fn a_machine_that_was_taken_over_is_given_to_a_person_and_is_then_where_they_may_be() {
    let Some(postern) = Postern::start() else { return };
    postern.register(&["phone"]);
    let file =
        server(&postern, "wg0.conf", &file(&peers().replace(&key(1).to_string(), &key(9).to_string())));
    let taken = postern.run(&["import", "wg-quick", "--endpoint", "vpn.example.com", "--yes", &file]);
    assert_eq!(taken.code, 0, "{}", taken.err);
    assert_eq!(postern.peers(), [1, 2]);
    let reissued = postern.run(&["device", "reissue", "branch"]);
    assert!(reissued.err.contains("it does not enroll"), "{}", reissued.err);
    let config = postern.path("postern.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n[devices]\nlimit = 1\n")).unwrap();
    assert_eq!(postern.run(&["reload"]).code, 0);
    let refused = postern.run(&["device", "give", "branch", "ann"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("\"ann\" may have 1 devices, and no more"), "{}", refused.err);
    assert!(refused.err.contains("--beyond-limit"), "{}", refused.err);
    let said = postern.run(&["device", "give", "branch", "ann", "--beyond-limit"]);
    assert_eq!((said.code, said.out.trim()), (0, "ann/branch is theirs"));
    assert_eq!(postern.peers(), [1, 1], "nobody may join wg0");
    assert_eq!(postern.run(&["location", "edit", "wg0", "--everybody"]).code, 0);
    assert_eq!(postern.peers(), [1, 3], "with ann's phone");
    assert_eq!(postern.run(&["user", "disable", "ann"]).code, 0);
    assert_eq!(postern.peers(), [0, 1], "off-boarding cuts what was taken over too");
    let routes = || postern.kernel.observed().interfaces[&"wg0".parse().unwrap()].routes.len();
    assert_eq!(routes(), 1, "nor is anything routed there");
    assert_eq!(postern.run(&["user", "enable", "ann"]).code, 0);
    assert_eq!((postern.peers(), routes()), (vec![1, 3], 2));
}

#[test]
fn a_key_in_two_files_is_one_device_in_two_locations() {
    let Some(postern) = Postern::start() else { return };
    let one = server(&postern, "wg0.conf", &file(&peers()));
    let other = file(&peers())
        .replace("10.8.0.", "10.9.0.")
        .replace("51999", "51998")
        .replace("192.168.5", "192.168.6");
    let other = server(&postern, "wg1.conf", &other);
    let both = postern.json(&["import", "wg-quick", "--endpoint", "vpn.example.com", "--yes", &one, &other]);
    assert_eq!((&both[0]["taken_over"], &both[1]["applied"]), (&json!(true), &json!(true)));
    let devices = postern.json(&["device", "list"]);
    assert_eq!(devices.as_array().unwrap().len(), 2);
    let places: Vec<&Value> =
        devices[0]["locations"].as_array().unwrap().iter().map(|place| &place["location"]).collect();
    assert_eq!(places, ["wg0", "wg1"]);
    assert_eq!(postern.run(&["location", "remove", "wg0", "--force"]).code, 0);
    assert_eq!(postern.json(&["device", "show", "branch"])["locations"][0]["location"], "wg1");
    assert_eq!(postern.peers(), [0, 2]);
}

#[test]
fn what_cannot_be_taken_over_is_told_and_changes_nothing() {
    let Some(postern) = Postern::start() else { return };
    postern.register(&["phone"]);
    let another = DesiredInterface {
        private_key: PrivateKey::from_random([78; 32]),
        addresses: BTreeSet::from(["10.6.0.1/24".parse().unwrap()]),
        routes: BTreeSet::new(),
        ..interface()
    };
    postern.kernel.run_elsewhere(&"wg1".parse().unwrap(), &another);
    postern.kernel.make_foreign(&"wg2".parse().unwrap());
    let before = postern.everything();
    for (name, text, said) in [
        ("wg0.conf", file(&peers()), "is registered: it is the device \"phone\"'s"),
        ("wg0.conf", file("").replace("Address = 10.8.0.254/24\n", ""), "[Interface] has no Address"),
        ("wg0.conf", file("").replace("/24", ""), "Address 10.8.0.254/32: write it with the prefix length"),
        ("wg0.conf", file("").replace("ListenPort = 51999\n", ""), "[Interface] has no ListenPort"),
        (
            "wg0.conf",
            file("").replace("MTU", "Address = 10.9.0.1/24\nMTU"),
            "Address 10.9.0.1/24: a location has one",
        ),
        ("wg0.conf", file("").replace("10.8.0.", "10.77.0."), "10.77.0.0/24 is routed to wg-hq on this host"),
        ("wg0.conf", file("").replace("10.8.0.254/24", "10.77.0.30/25"), "overlaps 10.77.0.0/24"),
        ("wg1.conf", file(""), "wg1 runs with another key than this file's"),
        ("wg2.conf", file(""), "wg2 is there and is not the kernel's WireGuard"),
        ("hq.conf", file(""), "there is a location \"hq\" already"),
        ("wg0.txt", file(""), "is not named INTERFACE.conf"),
        ("wg0.conf", file(&"#\n".repeat(5_000_000)), "is longer than"),
        ("wg0.conf", file("[Peer]\n"), "this peer has no PublicKey"),
    ] {
        let path = server(&postern, name, &text);
        for deed in [&[][..], &["--yes"]] {
            let import = ["import", "wg-quick", "--endpoint", "vpn.example.com", &path];
            let refused = postern.run(&[&import[..], deed].concat());
            assert!(refused.code == 1 && refused.err.contains(said), "{name}: {said}: {}", refused.err);
            assert_eq!(postern.everything(), before, "{said}");
        }
        assert!(fs::exists(&path).unwrap(), "{said}");
    }
    assert_eq!(postern.json(&["device", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn what_runs_and_is_not_in_the_file_is_told_before_it_ends() {
    let Some(postern) = Postern::start() else { return };
    postern.kernel.run_elsewhere(&"wg0".parse().unwrap(), &interface());
    let text = file(&peers())
        .replace("10.8.0.2/32", "10.8.0.4/32")
        .replace(&key(2).to_string(), &key(3).to_string());
    let file = server(&postern, "wg0.conf", &text);
    let looked = postern.json(&["import", "wg-quick", "--endpoint", "vpn.example.com", &file]);
    let told = |text: String| looked[0]["changes"].as_array().unwrap().contains(&json!(text));
    assert!(told(format!("peer {}: it runs and is not in the file: IT WILL BE CUT OFF", key(2))), "{looked}");
    assert!(told(format!("peer {}: it does not run, and will", key(3))), "{looked}");
    assert!(
        told(format!("peer {}: what runs and what the file says differ; it will be as in the file", key(1))),
        "{looked}"
    );
}

#[test]
fn a_person_gets_no_address_that_a_peer_brought_along() {
    let Some(postern) = Postern::start() else { return };
    let file =
        server(&postern, "wg0.conf", &file(&peers().replace(&key(1).to_string(), &key(9).to_string())));
    let import = ["import", "wg-quick", "--endpoint", "vpn.example.com", "--yes", &file];
    assert_eq!(postern.run(&import).code, 0);
    assert_eq!(postern.run(&["location", "edit", "wg0", "--everybody"]).code, 0);
    postern.register(&["phone"]);
    let shown = postern.json(&["device", "show", "phone"]);
    assert_eq!(shown["locations"][1]["ipv4"], "10.8.0.4");
}

#[test]
fn of_several_files_all_are_taken_over_or_none() {
    let Some(postern) = Postern::start() else { return };
    let before = postern.everything();
    let one = server(&postern, "wg0.conf", &file(&peers()));
    let text = file(&peers()).replace("10.8.0.", "10.9.0.").replace("51999", "51998");
    let apart = text.replace("192.168.5", "192.168.6");
    for (text, said) in [
        (file("").replace("51999", "51998"), "overlaps 10.8.0.254/24"),
        (file("").replace("10.8.0.", "10.9.0."), "51999"),
        (text, "192.168.5.0/24 belongs to a peer of another location"),
    ] {
        let other = server(&postern, "wg1.conf", &text);
        for deed in [&[][..], &["--yes"]] {
            let import = ["import", "wg-quick", "--endpoint", "vpn.example.com", &one, &other];
            let refused = postern.run(&[&import[..], deed].concat());
            assert_eq!(refused.code, 1, "{said}: {}", refused.out);
            assert!(refused.err.contains(said), "{said}: {}", refused.err);
            assert_eq!(postern.everything(), before, "{said}");
            assert!(fs::exists(&one).unwrap() && fs::exists(&other).unwrap());
        }
    }
    let other = server(&postern, "wg1.conf", &apart);
    let import = ["import", "wg-quick", "--endpoint", "vpn.example.com", "--yes", &one, &other];
    assert_eq!(postern.run(&import).code, 0);
    assert_eq!(postern.peers(), [0, 2, 2]);
}

#[test]
fn what_another_link_is_routed_is_left_to_it() {
    let Some(postern) = Postern::start() else { return };
    let branch = "192.168.5.0/24".parse().unwrap();
    postern.kernel.route_elsewhere(branch, "eth0");
    let file = server(&postern, "wg0.conf", &file(&peers()));
    let import = ["import", "wg-quick", "--endpoint", "vpn.example.com", "--yes", &file];
    let refused = postern.run(&import);
    assert!(refused.err.contains("192.168.5.0/24 is routed to eth0 on this host"), "{}", refused.err);
    postern.kernel.unroute_elsewhere(&branch);
    assert_eq!(postern.run(&import).code, 0);
    postern.kernel.flush_routes(&"wg0".parse().unwrap());
    postern.kernel.route_elsewhere(branch, "eth0");
    let said = postern.run(&["reload"]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("it is routed to eth0, which is not changed"), "{}", said.err);
    let shown = postern.json(&["device", "show", "branch"]);
    assert_eq!(shown["locations"][0]["state"], "live", "its tunnel is not concerned");
}

#[test]
fn a_take_over_that_was_committed_and_never_managed_interrupts_nobody_and_is_done_again() {
    let Some(postern) = Postern::start() else { return };
    let path = server(&postern, "wg0.conf", &file(&peers()));
    let import = ["import", "wg-quick", "--endpoint", "vpn.example.com", "--yes", &path];
    assert_eq!(postern.run(&import).code, 0);
    // What a daemon leaves that dies between the commit and the renaming.
    let dir = postern.stop();
    for name in ["sites/wg0.toml", "state/keys/location-2.key"] {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    fs::rename(format!("{path}.imported"), &path).unwrap();
    let postern = Postern::over(dir);
    let name = "wg0".parse().unwrap();
    postern.kernel.run_elsewhere(&name, &interface());
    let before = postern.kernel.observed().unmarked[&name].clone();
    postern.kernel.take_written();
    assert_eq!(postern.run(&["reload"]).code, 0);
    assert_eq!(
        (postern.kernel.observed().unmarked[&name].clone(), postern.kernel.take_written()),
        (before.clone(), Vec::new())
    );
    assert_eq!(postern.run(&import).code, 0);
    assert_eq!(postern.kernel.observed().interfaces[&name], before);
    assert_eq!(postern.json(&["device", "list"]).as_array().unwrap().len(), 2);
}

#[test]
fn the_unit_of_wg_quick_is_disabled_and_never_stopped() {
    let Some(postern) = Postern::start() else { return };
    let programs = postern.path("programs");
    fs::create_dir(&programs).unwrap();
    let (systemctl, asked) = (programs.join("systemctl"), postern.path("asked"));
    let script =
        "#!/bin/sh\necho \"$@\" >>ASKED\ncase \"$@\" in *wg1*) echo no such unit >&2; exit 1;; esac\n";
    fs::write(&systemctl, script.replace("ASKED", asked.to_str().unwrap())).unwrap();
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
    let one = server(&postern, "wg0.conf", &file(&peers()));
    let other = file("").replace("10.8.0.", "10.9.0.").replace("51999", "51998");
    let other = server(&postern, "wg1.conf", &other);
    let import = ["import", "wg-quick", "--endpoint", "vpn.example.com", &one, &other];
    assert_eq!(postern.run_beside(&programs, &import).code, 0);
    assert!(!fs::exists(&asked).unwrap(), "looking asks nobody");
    let said = postern.run_beside(&programs, &[&import[..], &["--yes"]].concat());
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(
        fs::read_to_string(&asked).unwrap(),
        "--quiet is-enabled wg-quick@wg0.service\n--quiet disable wg-quick@wg0.service\n\
         --quiet is-enabled wg-quick@wg1.service\n"
    );
}
