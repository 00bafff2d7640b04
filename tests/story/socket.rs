//! Whom the socket admits: real processes of other users, on a host where the package is installed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::packaged::{self, GROUP, PROGRAM, program};
use crate::running::Postern;

const STRANGER: [&str; 5] = ["--reuid", "12345", "--regid", "12345", "--clear-groups"];
const MEMBER: [&str; 6] = ["--reuid", "12345", "--regid", "12345", "--groups", GROUP];

#[test]
fn root_and_the_group_are_admitted_by_primary_or_supplementary_membership_and_nobody_else() {
    if !packaged::is_here(
        "socket::root_and_the_group_are_admitted_by_primary_or_supplementary_membership_and_nobody_else",
    ) {
        return;
    }
    let Some(running) = Postern::start() else { return };
    assert_eq!(running.run(&["user", "list"]).code, 0, "root");
    let socket = running.path("admin.sock");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    fs::set_permissions(running.path(""), Permissions::from_mode(0o755)).unwrap();

    let here = ["--socket", socket.to_str().unwrap()];
    assert_eq!(ask(&MEMBER, &here), (0, String::new()));
    let primary = ["--reuid", "12345", "--regid", GROUP, "--clear-groups"];
    assert_eq!(ask(&primary, &here), (0, String::new()));
    let (code, said) = ask(&STRANGER, &here);
    assert!(code == 1 && said.contains("you may not use the daemon's socket"), "{code} {said}");
    assert!(said.contains("root and the group postern-admin"), "{said}");

    fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    let (code, said) = ask(&STRANGER, &here);
    assert!(code == 1 && said.contains("you may not administer postern"), "{code} {said}");
    ask(&STRANGER, &here);
    let log = running.json(&["audit", "--refused"]);
    assert_eq!(log.as_array().map(Vec::len), Some(1), "{log}");
    let found = ["actor", "action", "reason"].map(|key| log[0][key].as_str().unwrap_or_default());
    assert_eq!(found, ["unix:12345", "admin.connect", "not-allowed"]);
}

#[test]
fn the_group_needs_to_read_no_configuration_to_find_the_socket() {
    if !packaged::is_here("socket::the_group_needs_to_read_no_configuration_to_find_the_socket") {
        return;
    }
    let Some(running) = Postern::start() else { return };
    fs::set_permissions(running.path(""), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir("/run/postern").unwrap();
    symlink(running.path("admin.sock"), "/run/postern/admin.sock").unwrap();
    assert_eq!(ask(&MEMBER, &[]), (0, String::new()));
    let (code, said) = ask(&STRANGER, &[]);
    assert!(code == 1 && said.contains("you may not use the daemon's socket"), "{code} {said}");
    // What was named is meant.
    fs::copy("/etc/postern/postern.toml", "/etc/postern/other.toml").unwrap();
    let (code, said) = ask(&MEMBER, &["--config", "/etc/postern/other.toml"]);
    assert!(code == 1 && said.contains("other.toml: you may not read it"), "{code} {said}");
    assert!(said.contains("use sudo, or say with --socket"), "{said}");
}

/// What `user list` answers to a process that `setpriv` makes: the exit status and the errors.
fn ask(privileges: &[&str], options: &[&str]) -> (i32, String) {
    let mut command = program("setpriv");
    let output = command.args(privileges).arg(PROGRAM).args(options).args(["user", "list"]).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}
