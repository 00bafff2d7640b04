//! Users, groups, devices and the audit log: what is printed, what `--json` holds, exit statuses, and that the gateway
//! follows before a command returns.

use postern::rules::action::{Action, Reason};
use serde_json::{Value, json};

use crate::running::{Postern, Said, key};

/// With `ada`, an administrator, and `ann`, who has a `laptop`.
fn ada_and_ann() -> Option<Postern> {
    let postern = Postern::start()?;
    postern.register(&["laptop"]);
    let said = postern.run(&[
        "user",
        "invite",
        "ada",
        "--first-name",
        "Ada",
        "--last-name",
        "Admin",
        "--email",
        "ada.admin@example.com",
        "--admin",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    Some(postern)
}

fn refused(said: &Said, error: &str, hint: &str) {
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{}", said.err);
    let lines: Vec<&str> = said.err.lines().collect();
    let [wrong, next] = *lines else { panic!("an error and what to do: {}", said.err) };
    assert!(wrong.starts_with("postern: ") && wrong.contains(error), "{}", said.err);
    assert!(next.starts_with("  ") && next.contains(hint), "{}", said.err);
}

#[test]
fn disabling_enabling_and_removing_somebody_is_done_when_the_command_returns() {
    let Some(postern) = ada_and_ann() else { return };
    let before = postern.json(&["user", "show", "ann"]);
    assert_eq!(before["devices"][0]["locations"][0]["state"], "live");
    assert_eq!(postern.peers(), [1]);
    let disabled = postern.json(&["user", "disable", "ann"]);
    assert_eq!(disabled, json!({ "username": "ann", "already": false, "applied": true }));
    assert_eq!(postern.peers(), [0]);
    assert_eq!(postern.run(&["user", "disable", "ANN"]).out, "ann was already disabled\n");
    let enabled = postern.run(&["user", "enable", "ann"]);
    assert_eq!((enabled.code, enabled.out.as_str(), enabled.err.as_str()), (0, "ann is active\n", ""));
    assert_eq!(postern.peers(), [1]);
    let after = postern.json(&["user", "show", "ann"]);
    assert_eq!(
        after["devices"][0]["locations"][0]["ipv4"], before["devices"][0]["locations"][0]["ipv4"],
        "the same address"
    );
    let removed = postern.run(&["user", "remove", "ann"]);
    assert_eq!(removed.out, "ann is removed\n  device laptop (locations: hq)\n");
    assert_eq!(postern.peers(), [0]);
    refused(&postern.run(&["user", "show", "ann"]), "there is no user \"ann\"", "postern user list");
}

#[test]
fn a_lost_second_factor_is_taken_away_and_shown_until_then() {
    let Some(postern) = ada_and_ann() else { return };
    let shown = postern.json(&["user", "show", "ann"]);
    assert_eq!((&shown["second_factors"], &shown["recovery_codes"]), (&json!([]), &json!(0)));
    assert_eq!(postern.run(&["user", "reset-second-factor", "ann"]).out, "ann had no second factor\n");
    let given = postern.app.store.write_blocking(|tx| {
        let ann = tx.user_by_name("ann")?.unwrap();
        tx.confirm_email_factor(ann.id)
    });
    given.unwrap();
    assert_eq!(postern.json(&["user", "list"])[1]["second_factors"], json!(["email"]));
    assert!(postern.run(&["user", "show", "ann"]).out.contains("Second factor email\n"));
    let reset = postern.run(&["user", "reset-second-factor", "ann"]);
    let told = "ann signs in with the password alone until they set up another (removed: email)\n";
    assert_eq!((reset.code, reset.out.as_str()), (0, told), "{}", reset.err);
    assert_eq!(postern.json(&["user", "show", "ann"])["second_factors"], json!([]));
    let log = &postern.json(&["audit", "--limit", "1"])[0];
    assert_eq!((&log["action"], &log["object"]), (&json!("second-factor.reset"), &json!("ann")));
    refused(&postern.run(&["user", "reset-second-factor", "eve"]), "there is no user", "postern user list");
}

#[test]
fn what_an_edit_may_not_do_is_said_with_what_to_do() {
    let Some(postern) = ada_and_ann() else { return };
    let edited = postern.json(&["user", "edit", "ann", "--last-name", "Other", "--phone", "+48 1"]);
    assert_eq!(edited["changed"], json!(["last_name", "phone"]));
    let said = |args: &[&str]| postern.run(&[&["user", "edit"], args].concat());
    refused(&said(&["ann"]), "nothing to change", "--help");
    refused(&said(&["ann", "--email", "ada.admin@example.com"]), "belongs to another", "postern user list");
    refused(&said(&["ann", "--unix-user", "root"]), "is not an administrator", "--admin true");
    refused(&said(&["ada", "--unix-user", "nobody-here"]), "no Unix account", "getent passwd");
    refused(&said(&["ada", "--admin", "false"]), "only active administrator", "somebody else");
    let mapped = said(&["ada", "--unix-user", "root"]);
    assert_eq!((mapped.code, mapped.out.as_str()), (0, "ada: changed unix_uid\n"));
    said(&["ann", "--email", "ann@example.org"]);
    let log = postern.json(&["audit", "--limit", "1"]);
    let entry = &log[0];
    assert_eq!(
        (&entry["actor"], &entry["action"], &entry["object"], &entry["detail"]),
        (&json!("ada"), &json!("user.edit"), &json!("ann"), &json!("email")),
        "who has the Unix account acts as that administrator"
    );
    assert!(entry["at"].as_str().unwrap().ends_with('Z'), "{entry}");
}

#[test]
fn groups_are_made_filled_and_emptied_and_a_location_keeps_its_own() {
    let Some(postern) = ada_and_ann() else { return };
    assert_eq!(postern.run(&["group", "create", "ops"]).out, "group ops is made\n");
    refused(&postern.run(&["group", "create", "OPS"]), "there is a group \"OPS\" already", "another name");
    assert_eq!(postern.run(&["location", "edit", "hq", "--group", "ops"]).code, 0);
    assert_eq!(postern.peers(), [0]);
    let added = postern.json(&["group", "add-user", "ops", "ann"]);
    assert_eq!(added, json!({ "group": "ops", "username": "ann", "already": false, "applied": true }));
    assert_eq!(postern.peers(), [1]);
    assert_eq!(postern.run(&["group", "add-user", "ops", "ann"]).out, "ann was already in group ops\n");
    let listed = postern.json(&["group", "list"]);
    assert_eq!(listed, json!([{ "group": "ops", "members": ["ann"], "locations": ["hq"] }]));
    refused(&postern.run(&["group", "remove", "ops"]), "named by the location \"hq\"", "postern reload");
    assert_eq!(postern.run(&["group", "remove-user", "ops", "ann"]).code, 0);
    assert_eq!(postern.peers(), [0]);
    postern.run(&["location", "edit", "hq", "--everybody"]);
    let removed = postern.run(&["group", "remove", "ops"]);
    assert_eq!(removed.out, "group ops is removed; members were: -\n");
}

#[test]
fn a_machine_gets_a_token_waits_for_its_key_and_can_be_renamed_and_removed() {
    let Some(postern) = ada_and_ann() else { return };
    let add = ["device", "add-machine", "--name", "edge", "--location", "HQ", "--by", "ada", "--ttl", "2h"];
    let added = postern.json(&add);
    assert_eq!((&added["name"], &added["location"]), (&json!("edge"), &json!("hq")));
    assert_eq!(added["url"], "https://vpn.example.com/");
    assert_eq!(added["token"].as_str().unwrap().len(), 32);
    assert!(added["expires_at"].as_str().unwrap().ends_with('Z'), "{added}");
    refused(&postern.run(&add), "there is a device \"edge\" already", "another name");
    let shown = postern.json(&["device", "show", "edge"]);
    assert_eq!((&shown["machine"], &shown["public_key"]), (&json!(true), &Value::Null));
    assert_eq!(shown["locations"][0]["state"], "pending");
    assert_eq!(shown["enrollment"]["state"], "unused");
    let again = postern.json(&["device", "reissue", "edge"]);
    assert_ne!(again["token"], added["token"]);
    let reissued = postern.run(&["device", "reissue", "ann/laptop"]);
    refused(&reissued, "a person's, not a machine", "activate-client");
    assert_eq!(postern.json(&["device", "rename", "edge", "edge 2"])["name"], "edge 2");
    let removed = postern.run(&["device", "remove", "edge 2"]);
    assert_eq!(removed.out, "edge 2 is removed (locations: hq)\n");
    let unknown = ["device", "add-machine", "--name", "x", "--location", "moon"];
    refused(&postern.run(&unknown), "there is no location \"moon\"", "postern location list");
}

#[test]
fn a_device_is_shown_with_key_addresses_and_traffic_and_gone_when_removed() {
    let Some(postern) = ada_and_ann() else { return };
    let shown = postern.json(&["device", "show", "ann/laptop"]);
    assert_eq!(shown["public_key"], key(1).to_string());
    let place = &shown["locations"][0];
    assert_eq!((&place["location"], &place["ipv4"]), (&json!("hq"), &json!("10.77.0.2")));
    assert_eq!(place["traffic"]["rx_bytes"], 0, "{place}");
    let text = postern.run(&["device", "show", "ann/laptop"]).out;
    assert!(text.contains("handshake  never"), "{text}");
    let listed = postern.json(&["device", "list", "--user", "ann"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(postern.json(&["device", "list", "--user", "ada"]), json!([]));
    assert_eq!(postern.run(&["device", "remove", "laptop"]).code, 0);
    assert_eq!(postern.peers(), [0]);
}

#[test]
fn a_change_that_the_gateway_cannot_apply_is_done_and_says_so_by_exit_status_4() {
    let Some(postern) = ada_and_ann() else { return };
    postern.kernel.break_interface(&"wg-hq".parse().unwrap());
    let disabled = postern.run(&["user", "disable", "ann"]);
    assert_eq!((disabled.code, disabled.out.as_str()), (4, "ann is disabled\n"));
    assert_eq!(
        disabled.err,
        "postern: this is done, but not in force everywhere yet; it is tried again\n  `postern status` says why\n"
    );
    assert!(postern.run(&["--help"]).out.contains("4  done, but not in force everywhere yet"));
    postern.kernel.heal();
    let untouched = postern.json(&["group", "create", "ops"]);
    assert_eq!(untouched["applied"], true, "it touches no location");
}

#[test]
fn every_listing_has_a_table_and_json() {
    let Some(postern) = ada_and_ann() else { return };
    postern.run(&["group", "create", "ops"]);
    for (listing, heading, row) in
        [("user", "USERNAME", "ann@example.com"), ("group", "GROUP", "ops"), ("device", "NUMBER", "laptop")]
    {
        let table = postern.run(&[listing, "list"]);
        assert!(table.out.starts_with(heading) && table.out.contains(row), "{}", table.out);
        assert!(postern.json(&[listing, "list"]).is_array(), "{listing}");
    }
    let log = postern.run(&["audit", "--since", "1h"]).out;
    assert!(log.contains("unix:root") && log.contains("user.invite"), "{log}");
    let log = postern.json(&["audit"]);
    assert_eq!((&log[0]["outcome"], &log[0]["reason"]), (&json!("done"), &Value::Null));
    let (store, now) = (&postern.app.store, postern.app.now());
    store
        .write_blocking(|tx| tx.audit_refused("-", Action::EnrollmentStart, Reason::Limit, None, now))
        .unwrap();
    let log = postern.json(&["audit", "--refused"]);
    assert_eq!(log.as_array().unwrap().len(), 1, "{log}");
    assert_eq!((&log[0]["outcome"], &log[0]["reason"]), (&json!("refused"), &json!("limit")));
    assert!(postern.run(&["audit", "--refused"]).out.contains("refused: limit"));
    let users = postern.json(&["user", "list"]);
    assert_eq!((&users[0]["username"], &users[0]["enrollment"]["state"]), (&json!("ada"), &json!("unused")));
}

#[test]
fn the_daemon_is_found_by_either_option_before_or_after_the_command_and_statuses_differ() {
    let Some(postern) = ada_and_ann() else { return };
    let socket = postern.path("admin.sock");
    let socket = socket.to_str().unwrap();
    let config = postern.path("postern.toml");
    let config = config.to_str().unwrap();
    for args in [
        ["--socket", socket, "user", "list"],
        ["user", "list", "--socket", socket],
        ["--config", config, "user", "list"],
        ["user", "list", "--config", config],
    ] {
        assert_eq!(postern.run_alone(&args).code, 0, "{args:?}");
    }
    let gone = postern.run_alone(&["user", "list", "--socket", "/nowhere/admin.sock"]);
    assert_eq!((gone.code, gone.out.as_str()), (3, ""));
    assert!(gone.err.contains("/nowhere/admin.sock") && gone.err.contains("postern run"), "{}", gone.err);
    assert_eq!(postern.run(&["user", "show", "nobody"]).code, 1);
    for wrong in [&["user", "show"][..], &["user"], &["audit", "--since", "yesterday"], &["no-such"]] {
        let said = postern.run(wrong);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{wrong:?}");
        assert!(!said.err.is_empty());
    }
}
