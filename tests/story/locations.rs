//! Locations and reloads as an administrator does them: the real command line, over a real socket, against the admin
//! API, a database in a file, real configuration files and a pretend kernel.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::running::{HQ, Postern, key};
use postern::flows::permit::settle_all;
use postern::store::device::DeviceOwner;
use serde_json::Value;

#[test]
#[expect(clippy::too_many_lines, reason = "one life of one location")]
fn a_location_comes_changes_and_goes_and_every_command_returns_when_it_is_so() {
    let Some(postern) = Postern::start() else { return };
    let added = postern.json(&[
        "location",
        "add",
        "Lab 1",
        "--endpoint",
        "vpn.example.com",
        "--route",
        "10.9.0.0/16",
    ]);
    assert_eq!((&added["applied"], &added["needs_restart"]), (&Value::Bool(true), &Value::Array(Vec::new())));
    let lab = &added["location"];
    assert_eq!((lab["name"].as_str(), lab["interface"].as_str()), (Some("Lab 1"), Some("wg-lab1")));
    assert_eq!(lab["endpoint"], format!("vpn.example.com:{}", lab["listen_port"]));
    assert!(lab["listen_port"].as_u64().unwrap() > 51_820, "{lab}");
    assert_eq!(postern.interfaces(), ["wg-hq", "wg-lab1"]);
    let file = postern.path("sites/Lab-1.toml");
    assert_eq!(lab["file"].as_str().unwrap(), file.to_str().unwrap());
    assert!(fs::read_to_string(&file).unwrap().contains("# Networks behind this host"));

    postern.register(&["one", "two"]);
    let shown = postern.json(&["location", "show", "lab 1"]);
    assert_eq!((&shown["devices"], &shown["free_addresses"]), (&Value::from(2), &Value::from(251)));
    let said = postern.run(&["location", "edit", "hq", "--mtu", "1400", "--dns", "10.0.0.53", "--nobody"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let said = postern.run(&["location", "edit", "hq", "--ipv4", "10.78.0.0/24"]);
    assert!(said.err.contains("clients of hq are cut off"), "{}", said.err);
    let text = format!("{}dns = [\"10.0.0.53\"]\nmtu = 1400\ngroups = []\n", HQ.replace("10.77", "10.78"));
    assert_eq!(postern.read("sites/hq.toml"), text);
    assert_eq!(
        postern.peers(),
        [0, 2],
        "nobody may join hq any more, and that is so when the command returns"
    );

    let said = postern.run(&["location", "rotate-key", "lab 1"]);
    assert!(said.err.contains("clients of Lab 1 are cut off until they have fetched"), "{}", said.err);
    let rotated = postern.json(&["location", "show", "Lab 1"]);
    assert_ne!(rotated["public_key"], lab["public_key"]);
    assert_eq!(rotated["peers"], 2);
    assert_eq!(postern.public_keys()[1], rotated["public_key"].as_str().unwrap());

    let said = postern.run(&["location", "remove", "Lab 1"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(postern.interfaces(), ["wg-hq"]);
    assert!(!file.exists() && postern.path("sites/Lab-1.toml.removed").exists());
    assert!(said.out.contains("Lab-1.toml.removed"), "{}", said.out);
    let table = postern.run(&["location", "list"]).out;
    assert!(table.starts_with("NAME") && table.contains("nobody") && !table.contains("Lab"), "{table}");
    let deeds = ["location.add", "location.edit", "location.edit", "location.rotate-key", "location.remove"];
    assert_eq!(postern.audited(), deeds.map(|deed| format!("unix:root {deed}")));
}

/// Authorities count attempts: the pause after a failure is ended by who asks for a certificate, and by nobody else.
#[test]
fn a_changed_location_does_not_have_an_authority_asked_again() {
    let Some(postern) = Postern::start() else { return };
    let dir = postern.stop();
    let main = fs::read_to_string(dir.path().join("postern.toml")).unwrap() + "[http]\ntls = \"acme\"\n";
    fs::write(dir.path().join("postern.toml"), &main).unwrap();
    let postern = Postern::over(dir);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let is_asked_again = || {
        let asked = postern.app.presented.asked_to_try();
        runtime.block_on(async { tokio::time::timeout(Duration::ZERO, asked).await.is_ok() })
    };
    postern.json(&["location", "edit", "hq", "--mtu", "1400"]);
    assert!(!is_asked_again());
    postern.json(&["reload"]);
    assert!(is_asked_again());
    fs::write(postern.path("postern.toml"), main + "acme.email = \"ben@example.com\"\n").unwrap();
    postern.json(&["location", "edit", "hq", "--mtu", "1380"]);
    assert!(is_asked_again(), "all files are put into force, and these settings are others");
    postern.json(&["location", "edit", "hq", "--mtu", "1400"]);
    assert!(!is_asked_again());
}

#[test]
fn what_is_refused_leaves_no_file_no_key_and_no_interface() {
    let Some(postern) = Postern::start() else { return };
    let before = postern.everything();
    let overlap = ["--ipv4", "10.77.0.128/25"];
    let unknown = ["--group", "ops"];
    for (more, said) in [
        (&overlap, "sites/lab.toml: ipv4: 10.77.0.128/25 overlaps 10.77.0.0/24"),
        (&unknown, "lab.toml: groups: there is no group \"ops\": create it first (postern group create ops)"),
        (&["--port", "51820"], "sites/lab.toml: listen_port: \"51820\" is taken by"),
        (&["--interface", "wg-hq"], "sites/lab.toml: interface: \"wg-hq\" is taken by"),
        (&["--mtu", "100"], "sites/lab.toml: mtu: line "),
        (&["--ipv6", "fd77::1"], "sites/lab.toml: ipv6: line "),
    ] {
        let mut args = vec!["location", "add", "lab", "--endpoint", "vpn.example.com"];
        args.extend(*more);
        let refused = postern.run(&args);
        assert_eq!(refused.code, 1, "{more:?}");
        assert!(refused.err.contains(said), "{more:?}: {}", refused.err);
        assert!(refused.err.contains("nothing was changed"), "{}", refused.err);
        assert_eq!(postern.everything(), before, "{more:?}");
    }
    for (args, said) in [
        (
            vec!["location", "edit", "hq", "--group", "ops"],
            "sites/hq.toml: groups: there is no group \"ops\"",
        ),
        (vec!["location", "edit", "hq", "--no-ipv4"], "neither ipv4 nor ipv6 is there"),
        (vec!["location", "edit", "hq"], "nothing to change was given"),
        (vec!["location", "edit", "lab", "--mtu", "1400"], "there is no location \"lab\""),
        (vec!["location", "show", "lab"], "there is no location \"lab\""),
        (vec!["location", "remove", "lab"], "there is no location \"lab\""),
        (vec!["location", "rotate-key", "lab"], "there is no location \"lab\""),
        (vec!["location", "add", "HQ", "--endpoint", "x"], "there is a location \"HQ\" already"),
    ] {
        let refused = postern.run(&args);
        assert_eq!(refused.code, 1, "{args:?}");
        assert!(refused.err.contains(said), "{args:?}: {}", refused.err);
        assert_eq!(postern.everything(), before, "{args:?}");
    }
    assert_eq!(postern.audited(), [""; 0]);
}

#[test]
fn a_failure_after_the_file_was_written_takes_it_back() {
    let Some(postern) = Postern::start() else { return };
    // The key of the next location is damaged: it is read after the file is in place.
    fs::write(postern.path("state/keys/location-2.key"), "damaged").unwrap();
    fs::set_permissions(postern.path("state/keys/location-2.key"), fs::Permissions::from_mode(0o600))
        .unwrap();
    let before = postern.everything();
    let refused = postern.run(&["location", "add", "lab", "--endpoint", "vpn.example.com"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("location-2.key holds no key"), "{}", refused.err);
    assert_eq!(postern.everything(), before);

    fs::remove_dir_all(postern.path("sites")).unwrap();
    let refused = postern.run(&["location", "add", "lab", "--endpoint", "vpn.example.com"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("cannot write") && refused.err.contains("sites/lab.toml"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("may postern write in that folder?"), "{}", refused.err);
    assert_eq!(postern.interfaces(), ["wg-hq"]);
}

#[test]
fn a_reload_with_errors_tells_each_on_its_line_and_the_running_one_stays() {
    let Some(postern) = Postern::start() else { return };
    let good = postern.read("sites/hq.toml");
    fs::write(postern.path("sites/hq.toml"), good.replace("51820\n", "0\nkeepalive = -1\n")).unwrap();
    let refused = postern.run(&["reload"]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""));
    let lines: Vec<&str> = refused.err.lines().collect();
    let file = postern.path("sites/hq.toml");
    assert_eq!(lines[1], format!("  {}: listen_port: 0 is not a UDP port: 1 to 65535", file.display()));
    assert!(lines[2].starts_with(&format!("  {}: keepalive: -1 is not", file.display())), "{}", refused.err);
    let json: Value = serde_json::from_str(&postern.run(&["reload", "--json"]).out).unwrap();
    assert_eq!(json["problems"][0]["key"], "listen_port");
    assert_eq!(json["problems"][0]["file"].as_str(), file.to_str());
    assert_eq!(postern.json(&["location", "show", "hq"])["listen_port"], 51_820);

    fs::write(&file, good.replace("51820\n", "51999\n")).unwrap();
    assert_eq!(postern.run(&["reload"]).code, 0);
    assert_eq!(postern.json(&["location", "show", "hq"])["listen_port"], 51_999);
    assert_eq!(postern.audited(), ["unix:root configuration.reload"]);
}

#[test]
fn a_key_that_only_a_restart_changes_is_named_until_it_is_put_back() {
    let Some(postern) = Postern::start() else { return };
    let main = postern.read("postern.toml");
    let changed =
        main.replace("\"state\"", "\"elsewhere\"").replace("[contact]", "instance_name = \"New\"\n[contact]");
    fs::write(postern.path("postern.toml"), changed).unwrap();
    for _ in 0..2 {
        let said = postern.run(&["reload"]);
        assert_eq!(said.code, 0, "{}", said.err);
        assert_eq!(
            said.err,
            "postern: warning: state_dir was changed: restart postern to put that into force\n"
        );
        assert_eq!(postern.app.site().config.instance_name, "New");
    }
    fs::write(postern.path("postern.toml"), main).unwrap();
    assert_eq!(postern.run(&["reload"]).err, "");
}

#[test]
fn what_works_but_hardly_as_it_was_meant_is_told_with_the_reload_as_check_config_tells_it() {
    let Some(postern) = Postern::start() else { return };
    let main = format!("{}[mail]\ntemplates_dir = \"texts\"\n", postern.read("postern.toml"));
    fs::write(postern.path("postern.toml"), main).unwrap();
    fs::create_dir(postern.path("texts")).unwrap();
    fs::write(postern.path("texts/final.md"), "Hi {{ frist_name }}").unwrap();
    let said = postern.run(&["reload"]);
    let told = format!("{}: there is no variable \"frist_name\"", postern.path("texts/final.md").display());
    assert!(said.code == 0 && said.err.starts_with(&format!("postern: warning: {told}")), "{}", said.err);
    let checked = postern.run(&["check-config"]);
    assert!(checked.code == 0 && checked.err.starts_with(&format!("warning: {told}")), "{}", checked.err);
    let json: Value = serde_json::from_str(&postern.run(&["reload", "--json"]).out).unwrap();
    assert!(json["warnings"][0].as_str().unwrap().starts_with(&told), "{json}");
}

#[test]
fn a_location_with_machines_goes_only_by_force_and_they_go_with_it() {
    let Some(postern) = Postern::start() else { return };
    let id = postern.app.site().location_named("hq").unwrap().id;
    let added = postern.app.store.write_blocking(|tx| {
        tx.insert_device(DeviceOwner::Machine(id), "printer", Some(key(9)), None, postern.app.now())?;
        settle_all(tx, &postern.app.site())
    });
    added.unwrap();
    let refused = postern.run(&["location", "remove", "hq"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("machines belong to the location \"hq\": printer"), "{}", refused.err);
    assert_eq!(postern.interfaces(), ["wg-hq"]);
    let removed = postern.json(&["location", "remove", "hq", "--force"]);
    assert_eq!(removed["machines_removed"][0], "printer");
    assert_eq!(postern.interfaces(), [""; 0]);
    assert_eq!(
        postern.app.store.read_blocking(|tx| tx.device_by_key(key(9))).unwrap().map(|_| "there"),
        None
    );
    assert_eq!(postern.audited(), ["unix:root location.remove", "unix:root device.remove"]);
}

#[test]
fn a_location_the_gateway_cannot_make_is_told_as_failing() {
    let Some(postern) = Postern::start() else { return };
    postern.kernel.make_foreign(&"wg-lab".parse().unwrap());
    let args = ["location", "add", "lab", "--endpoint", "vpn.example.com", "--interface", "wg-lab"];
    let said = postern.run(&args);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("warning: location lab is failing, and tried again: "), "{}", said.err);
    let again = postern.run(&["reload", "--json"]);
    let told: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!((again.code, &told["failing"][0]["location"]), (4, &Value::from("lab")));
}

#[test]
fn what_a_crash_left_is_in_force_after_the_next_start_and_no_obstacle() {
    let Some(postern) = Postern::start() else { return };
    let dir = postern.stop();
    // Between the rename and the commit of one edit, and before the rename of another and of a new key.
    fs::write(dir.path().join("sites/hq.toml"), format!("{HQ}mtu = 1400\n")).unwrap();
    fs::write(dir.path().join("sites/hq.toml.new"), "mtu = 14").unwrap();
    fs::write(dir.path().join("state/keys/location-1.key.new"), "ha").unwrap();
    let postern = Postern::over(dir);
    assert_eq!(postern.json(&["location", "show", "hq"])["mtu"], 1400);
    assert_eq!(postern.json(&["location", "edit", "hq", "--mtu", "1380"])["location"]["mtu"], 1380);
    let key = postern.public_keys();
    assert_eq!(postern.run(&["location", "rotate-key", "hq"]).code, 0);
    assert_ne!(postern.public_keys(), key);
    assert!(postern.everything().iter().all(|line| !line.contains(".new")), "{:?}", postern.everything());
}

#[test]
fn a_group_is_there_before_a_location_names_it_and_as_long_as_one_does() {
    let Some(postern) = Postern::start() else { return };
    let closed = ["location", "edit", "hq", "--group", "ops"];
    let refused = postern.run(&closed);
    assert!(refused.err.contains("sites/hq.toml: groups: there is no group \"ops\""), "{}", refused.err);
    assert_eq!(postern.run(&["group", "create", "ops"]).code, 0);
    assert_eq!(postern.run(&closed).code, 0);
    let refused = postern.run(&["group", "remove", "ops"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("named by the location \"hq\""), "{}", refused.err);
    postern.register(&["laptop"]);
    assert_eq!(postern.peers(), [0]);
    assert_eq!(postern.run(&["group", "add-user", "ops", "ann"]).code, 0);
    assert_eq!(postern.peers(), [1]);
    assert_eq!(postern.run(&["location", "edit", "hq", "--everybody"]).code, 0);
    assert_eq!(postern.run(&["group", "remove", "ops"]).code, 0);
    assert_eq!(postern.peers(), [1]);
}

#[test]
fn the_fields_of_a_location_are_these() {
    let Some(postern) = Postern::start() else { return };
    let shown = postern.json(&["location", "list"]);
    let fields: Vec<&str> = shown[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        fields.join(" "),
        "backend client_to_client devices dns endpoint failing file free_addresses groups host_services interface ipv4 \
         ipv6 keepalive listen_port masquerade mtu name number peers public_key routes second_factor"
    );
    assert_eq!(shown[0], postern.json(&["location", "show", "HQ"]));
}

#[test]
fn where_a_second_factor_is_asked_for_nobody_is_a_peer_and_administrators_are_told_who_waits() {
    let Some(postern) = Postern::start() else { return };
    postern.register(&["one", "two"]);
    let machine = ["device", "add-machine", "--name", "edge", "--location", "hq"];
    assert_eq!(postern.run(&machine).code, 0);
    assert_eq!(postern.peers(), [2]);
    let edited = postern.json(&["location", "edit", "hq", "--second-factor"]);
    assert_eq!((&edited["applied"], &edited["location"]["second_factor"]), (&true.into(), &true.into()));
    assert_eq!(postern.peers(), [0], "that is so when the command returns");
    assert!(postern.read("sites/hq.toml").contains("second_factor = true"));
    assert!(postern.run(&["location", "show", "hq"]).out.contains("Second factor     yes"));
    let devices = postern.json(&["device", "list"]);
    let states: Vec<&Value> =
        devices.as_array().unwrap().iter().map(|device| &device["locations"][0]["state"]).collect();
    assert_eq!(states, ["second-factor", "second-factor", "left-out"]);
    let one = postern.run(&["device", "show", "1"]).out;
    assert!(one.contains("waiting for a second factor"), "{one}");
    let status = postern.json(&["status"]);
    let hq = &status["locations"][0];
    assert_eq!(
        (&hq["second_factor"], &hq["unconnected"], &hq["wanted_peers"]),
        (&true.into(), &2.into(), &0.into())
    );
    assert_eq!(status["pending"], Value::Array(Vec::new()), "nobody is missing");
    let told = postern.run(&["status"]).out;
    assert!(told.contains("Waiting for a second factor on hq: 2 devices"), "{told}");
    assert!(told.contains("location hq asks for a second factor, which edge cannot give"), "{told}");
    let refused = postern.run(&["device", "add-machine", "--name", "other", "--location", "hq"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("asks for a second factor, which no machine can give"), "{}", refused.err);
    assert!(postern.run(&["plan"]).out.contains("nothing to change"));
    assert_eq!(postern.run(&["location", "edit", "hq", "--no-second-factor"]).code, 0);
    assert_eq!(postern.peers(), [2]);
    let added = postern.json(&["location", "add", "lab", "--endpoint", "vpn.example.com", "--second-factor"]);
    assert_eq!(added["location"]["second_factor"], true);
}
