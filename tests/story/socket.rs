//! Whom the socket admits: real processes of other users, in a mount namespace whose group database knows
//! `postern-admin`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use crate::running::{Postern, postern};

/// Set where the group database is the test's own.
const INSIDE: &str = "POSTERN_STORY_INSIDE";
/// The one test here.
const NAME: &str =
    "socket::root_and_the_group_are_admitted_by_primary_or_supplementary_membership_and_nobody_else";
const GROUP: &str = "4242";

#[test]
fn root_and_the_group_are_admitted_by_primary_or_supplementary_membership_and_nobody_else() {
    if std::env::var_os(INSIDE).is_none() {
        return again_in_a_namespace();
    }
    let Some(running) = Postern::start() else { return };
    assert_eq!(running.run(&["user", "list"]).code, 0, "root");
    let file = fs::metadata(running.path("admin.sock")).unwrap().permissions().mode();
    assert_eq!(file & 0o777, 0o660);
    fs::set_permissions(running.path(""), Permissions::from_mode(0o755)).unwrap();
    // Where the program was built may be closed to other users.
    fs::write(running.path("postern"), "").unwrap();
    run(program("mount").arg("--bind").arg(postern()).arg(running.path("postern")));

    let other = ["--reuid", "12345"];
    let in_group = ["--regid", "12345", "--groups", GROUP];
    assert_eq!(ask(&running, &[&other[..], &in_group].concat()), (0, String::new()));
    let primary = ["--regid", GROUP, "--clear-groups"];
    assert_eq!(ask(&running, &[&other[..], &primary].concat()), (0, String::new()));
    let stranger = [&other[..], &["--regid", "12345", "--clear-groups"]].concat();
    let (code, said) = ask(&running, &stranger);
    assert!(code == 1 && said.contains("you may not use the daemon's socket"), "{code} {said}");
    assert!(said.contains("root and the group postern-admin"), "{said}");

    fs::set_permissions(running.path("admin.sock"), Permissions::from_mode(0o666)).unwrap();
    let (code, said) = ask(&running, &stranger);
    assert!(code == 1 && said.contains("you may not administer postern"), "{code} {said}");
    run(program("umount").arg(running.path("postern")));
}

/// What `user list` answers to a process that `setpriv` makes: the exit status and the errors.
fn ask(running: &Postern, privileges: &[&str]) -> (i32, String) {
    let mut command = program("setpriv");
    command.args(privileges).arg(running.path("postern")).arg("--socket").arg(running.path("admin.sock"));
    let output = command.args(["user", "list"]).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// Runs this test again where the group database is the real one and one group more.
fn again_in_a_namespace() {
    if !nix::unistd::Uid::effective().is_root() {
        // Says that it is skipped, or fails where it is required.
        assert!(Postern::start().is_none());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let groups = dir.path().join("group");
    let known = fs::read_to_string("/etc/group").unwrap();
    let ours = format!("postern-admin:x:{GROUP}:");
    let others = known.lines().filter(|line| !line.starts_with("postern-admin:"));
    fs::write(&groups, others.chain([&*ours, ""]).collect::<Vec<_>>().join("\n")).unwrap();
    let said = run(program("unshare")
        .args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/group && exec \"$@\""])
        .arg(&groups)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(INSIDE, "1"));
    assert!(said.contains("1 passed"), "{said}");
}

#[expect(clippy::disallowed_methods, reason = "other users and namespaces take other processes")]
fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(name)
}

/// What a program that succeeds says.
fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let [out, err] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(status.success(), "{command:?}\n{out}\n{err}");
    out
}
