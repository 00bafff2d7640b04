//! Root sets a gateway up, and another user runs it: what that one may not read is found before the service ends by it.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;

use serde_json::Value;

use crate::packaged::{self, PROGRAM, USER, program, run};
use crate::setup::Talk;

const LIVE: &str = "/etc/letsencrypt/live/vpn.example.com";
const FIRST: [&str; 9] = [
    "setup",
    "--yes",
    "--public-name",
    "vpn.example.com",
    "--contact-email",
    "ada@example.com",
    "--json",
    "--location",
    "hq",
];

#[test]
fn a_key_that_only_root_may_read_is_refused_with_commands_that_mend_it() {
    if !packaged::is_here("service_user::a_key_that_only_root_may_read_is_refused_with_commands_that_mend_it")
    {
        return;
    }
    certified();
    let (chain, key) = (format!("{LIVE}/fullchain.pem"), format!("{LIVE}/privkey.pem"));
    let before = fs::read_to_string("/etc/postern/postern.toml").unwrap();
    let setup = [&FIRST[..], &["--certificate-file", &chain, "--key-file", &key]].concat();
    let output = program(PROGRAM).args(&setup).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("its user postern is not root") && said.contains("renewal-hooks/deploy"), "{said}");
    assert_eq!(fs::read_to_string("/etc/postern/postern.toml").unwrap(), before);
    assert!(!fs::exists("/etc/postern/locations.d/hq.toml").unwrap());

    let mend = said.split_once("mend: ").unwrap().1.split_once(" && postern setup").unwrap().0;
    run(program("sh").args(["-ec", mend]));
    let [chain, key] = ["fullchain", "privkey"].map(|name| format!("/etc/postern/tls/{name}.pem"));
    let setup = [&FIRST[..], &["--certificate-file", "fullchain.pem", "--key-file", "privkey.pem"]].concat();
    let done = run(program(PROGRAM).args(&setup).current_dir("/etc/postern/tls"));
    let done: Value = serde_json::from_str(&done).unwrap();
    assert_eq!(found(&done, "configuration"), ["ok"]);

    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let output = program(PROGRAM).args(["doctor", "--json"]).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found(&told, "configuration"), ["failure"]);
    // Where the service's sandbox shows another folder than there is.
    let elsewhere = [&FIRST[..], &["--certificate-file", &chain, "--key-file", "/tmp/key.pem"]].concat();
    fs::copy(&key, "/tmp/key.pem").unwrap();
    fs::set_permissions("/tmp/key.pem", Permissions::from_mode(0o644)).unwrap();
    let output = program(PROGRAM).args(&elsewhere).output().unwrap();
    fs::remove_file("/tmp/key.pem").unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("its sandbox hides"), "{said}");
}

#[test]
fn the_password_of_the_mail_server_is_for_the_services_user_alone() {
    if !packaged::is_here("service_user::the_password_of_the_mail_server_is_for_the_services_user_alone") {
        return;
    }
    fs::write("/run/password", "secret\n").unwrap();
    let mail =
        ["--mail-host", "localhost", "--mail-username", "vpn", "--mail-password-file", "/run/password"];
    run(program(PROGRAM).args([&FIRST[..], &["--tls", "proxy"], &mail].concat()));
    let owner = || {
        let kept = fs::metadata("/etc/postern/smtp-password").unwrap();
        (kept.uid(), kept.mode() & 0o777)
    };
    assert_eq!(owner(), (USER, 0o600));

    let state = "/run/state";
    DirBuilder::new().mode(0o700).create(state).unwrap();
    std::os::unix::fs::chown(state, Some(USER), Some(USER)).unwrap();
    let text = fs::read_to_string("/etc/postern/postern.toml").unwrap();
    fs::write("/etc/postern/postern.toml", text.replace("\"/var/lib/postern\"", "\"/run/state\"")).unwrap();
    std::os::unix::fs::chown("/etc/postern/smtp-password", Some(0), Some(0)).unwrap();
    let output = program(PROGRAM).args(["doctor", "--json"]).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let secrets =
        told["findings"].as_array().unwrap().iter().find(|found| found["check"] == "secrets").unwrap();
    assert_eq!(secrets["verdict"], "failure", "{told}");
    run(program("sh").args(["-ec", secrets["mend"].as_str().unwrap()]));
    assert_eq!(owner(), (USER, 0o600));
}

#[test]
fn a_server_of_wg_quick_is_offered_as_the_first_network() {
    if !packaged::is_here("service_user::a_server_of_wg_quick_is_offered_as_the_first_network") {
        return;
    }
    fs::create_dir_all("/etc/wireguard").unwrap();
    let key = run(program("sh").args(["-c", "head -c 32 /dev/zero | tr '\\0' 'x' | base64"]));
    let dials_out = format!("[Interface]\nPrivateKey = {key}Address = 10.9.0.2/24\n");
    fs::write("/etc/wireguard/office.conf", dials_out).unwrap();
    let text = format!("[Interface]\nPrivateKey = {key}ListenPort = 51999\nAddress = 10.8.0.1/24\n");
    fs::write("/etc/wireguard/wg0.conf", &text).unwrap();
    fs::write("/etc/wireguard/wg0", text).unwrap();
    let before = fs::read_to_string("/etc/postern/postern.toml").unwrap();
    for (file, why) in [("office.conf", "has no ListenPort"), ("wg0", "is not named INTERFACE.conf")] {
        let file = format!("/etc/wireguard/{file}");
        let setup = [&FIRST[..], &["--tls", "proxy", "--wg-quick", &file]].concat();
        let output = program(PROGRAM).args(&setup).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(why), "{said}");
        assert_eq!(fs::read_to_string("/etc/postern/postern.toml").unwrap(), before);
    }
    let talk = || {
        let mut command = program("timeout");
        command.args(["--foreground", "60", PROGRAM, "setup"]);
        let mut talk = Talk::start(command);
        talk.answer("1/4", "vpn.example.com");
        talk.answer("[acme]", "proxy");
        talk.answer("2/4", "Ada Example <ada@example.com>");
        talk.answer("3/4", "/etc/wireguard/wg9.conf");
        talk.answer("is none of them", "");
        talk.answer("4/4", "none");
        talk.heard_to_the_end()
    };
    let (code, heard) = talk();
    assert_eq!(code, 0, "{heard}");
    assert!(heard.contains("configured here already: /etc/wireguard/wg0.conf\r\n"), "{heard}");
    assert!(
        heard.contains("once the daemon runs: postern import wg-quick --endpoint vpn.example.com"),
        "{heard}"
    );
    assert_eq!(fs::read_dir("/etc/postern/locations.d").unwrap().count(), 0);
}

#[test]
fn with_a_key_that_systemd_hands_in_the_certificate_alone_is_judged_and_asked_for() {
    if !packaged::is_here(
        "service_user::with_a_key_that_systemd_hands_in_the_certificate_alone_is_judged_and_asked_for",
    ) {
        return;
    }
    certified();
    let main = "/etc/postern/postern.toml";
    run(program(PROGRAM).args([&FIRST[..], &["--tls", "proxy"]].concat()));
    let text = fs::read_to_string(main).unwrap();
    let files =
        format!("tls = \"files\"\ncertificate_file = \"{LIVE}/fullchain.pem\"\nkey_credential = \"tls-key\"");
    fs::write(main, text.replace("tls = \"proxy\"", &files)).unwrap();
    let output = program(PROGRAM).args(["setup", "--yes"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("--certificate-file /etc/postern/tls/fullchain.pem") && !said.contains("--key-file"),
        "{said}"
    );
    let mend = said.split_once("mend: ").unwrap().1.split_once(" && postern setup").unwrap().0;
    run(program("sh").args(["-ec", mend]));
    run(program(PROGRAM).args(["setup", "--yes", "--certificate-file", "/etc/postern/tls/fullchain.pem"]));

    let before = fs::read_to_string(main).unwrap();
    assert!(before.contains("\nkey_credential = \"tls-key\""), "{before}");
    let mut command = program("timeout");
    command.args(["--foreground", "60", PROGRAM, "setup"]);
    let mut talk = Talk::start(command);
    for (question, answer) in
        [("1/4", ""), ("[files]", ""), ("certificate's file", ""), ("2/4", ""), ("4/4", "none")]
    {
        talk.answer(question, answer);
    }
    let (code, heard) = talk.heard_to_the_end();
    assert!(code == 0 && !heard.contains("private key"), "{heard}");
    assert_eq!(fs::read_to_string(main).unwrap(), before, "{heard}");
}

#[test]
fn folders_that_are_made_for_locations_are_for_the_services_group() {
    if !packaged::is_here("service_user::folders_that_are_made_for_locations_are_for_the_services_group") {
        return;
    }
    let main = "/etc/postern/postern.toml";
    let text = fs::read_to_string(main).unwrap();
    fs::write(main, text.replace("/etc/postern/locations.d", "/etc/postern/vpn/sites")).unwrap();
    run(program(PROGRAM).args([&FIRST[..], &["--tls", "proxy"]].concat()));
    let kept =
        |path: &str| fs::metadata(path).map(|kept| (kept.uid(), kept.gid(), kept.mode() & 0o777)).unwrap();
    assert_eq!(kept("/etc/postern/vpn"), (0, USER, 0o750));
    assert_eq!(kept("/etc/postern/vpn/sites"), (0, USER, 0o770));
}

#[test]
fn backups_are_not_put_where_the_sandbox_loses_them() {
    if !packaged::is_here("service_user::backups_are_not_put_where_the_sandbox_loses_them") {
        return;
    }
    let main = "/etc/postern/postern.toml";
    let key = age::x25519::Identity::generate().to_public();
    let text = fs::read_to_string(main).unwrap();
    let text = text.replace("recipients = []", &format!("recipients = [\"{key}\"]"));
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let backups = dir.path().join("backups");
    fs::write(main, text.replace("/var/backups/postern", backups.to_str().unwrap())).unwrap();
    let output = program(PROGRAM).args(["backup", "--scheduled"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("backup.directory"), "{said}");
    assert!(!backups.exists());
}

/// The signal comes when the files are written and the service's user tries them.
#[test]
fn a_setup_that_is_ended_leaves_no_files_that_nobody_tried() {
    if !packaged::is_here("service_user::a_setup_that_is_ended_leaves_no_files_that_nobody_tried") {
        return;
    }
    certified();
    let slow = "#!/bin/sh\nkill -TERM $PPID\nsleep 0.5\nPATH=${PATH#*:}\nexec setpriv \"$@\"\n";
    fs::create_dir("/run/slow").unwrap();
    fs::write("/run/slow/setpriv", slow).unwrap();
    fs::set_permissions("/run/slow/setpriv", Permissions::from_mode(0o755)).unwrap();
    let before = fs::read_to_string("/etc/postern/postern.toml").unwrap();
    let (chain, key) = (format!("{LIVE}/fullchain.pem"), format!("{LIVE}/privkey.pem"));
    let path = format!("/run/slow:{}", std::env::var("PATH").unwrap());
    let setup = [&FIRST[..], &["--certificate-file", &chain, "--key-file", &key]].concat();
    let output = program(PROGRAM).args(&setup).env("PATH", path).output().unwrap();
    assert_eq!(output.status.signal(), Some(15), "{output:?}");
    assert_eq!(fs::read_to_string("/etc/postern/postern.toml").unwrap(), before);
    assert!(!fs::exists("/etc/postern/locations.d/hq.toml").unwrap());
}

/// A pair as certbot keeps it: folders for root alone, and links.
fn certified() {
    let archive = LIVE.replace("/live/", "/archive/");
    for folder in [LIVE, &archive] {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).unwrap();
    }
    let new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=vpn.example.com \
               -addext subjectAltName=DNS:vpn.example.com -keyout privkey1.pem -out fullchain1.pem 2>/dev/null";
    run(program("sh").args(["-ec", &format!("cd {archive}; umask 077; {new}")]));
    for name in ["fullchain", "privkey"] {
        symlink(format!("{archive}/{name}1.pem"), format!("{LIVE}/{name}.pem")).unwrap();
    }
}

/// The verdicts of one check.
fn found<'a>(told: &'a Value, check: &str) -> Vec<&'a str> {
    let found = told["findings"].as_array().unwrap().iter().filter(|found| found["check"] == check);
    found.map(|found| found["verdict"].as_str().unwrap()).collect()
}
