//! A host on which the package is installed, as far as files go: a mount namespace whose `/etc` knows the package's user and
//! group and has its configuration, with its owners and modes, and whose `/run` is empty.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Output};

use crate::running::{is_root, postern};

/// Set on such a host.
const INSIDE: &str = "POSTERN_STORY_INSIDE";
/// Of postern-admin.
pub(crate) const GROUP: &str = "4242";
/// Of the user postern, and of its group.
pub(crate) const USER: u32 = 4243;
/// The program under test, where every user may run it.
pub(crate) const PROGRAM: &str = "/run/postern-program";

/// Whether this is such a host. Otherwise the test of this name is run again on one.
pub(crate) fn is_here(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !is_root() {
        return false;
    }
    let dir = tempfile::tempdir().unwrap();
    let etc = dir.path().join("etc");
    run(program("cp").arg("-a").arg("/etc").arg(&etc));
    know(&etc.join("group"), &format!("postern-admin:x:{GROUP}:\npostern:x:{USER}:\n"));
    know(&etc.join("passwd"), &format!("postern:x:{USER}:{USER}::/var/lib/postern:/usr/sbin/nologin\n"));
    let ours = etc.join("postern");
    fs::create_dir_all(ours.join("locations.d")).unwrap();
    fs::write(ours.join("postern.toml"), include_str!("../../config/postern.toml")).unwrap();
    for (name, mode) in [("", 0o750), ("locations.d", 0o770), ("postern.toml", 0o640)] {
        chown(ours.join(name), Some(0), Some(USER)).unwrap();
        fs::set_permissions(ours.join(name), Permissions::from_mode(mode)).unwrap();
    }
    let script = "mount --bind \"$1\" /etc && mount -t tmpfs -o mode=755 none /run && touch \"$2\" && \
                  mount --bind \"$3\" \"$2\" && shift 3 && exec \"$@\"";
    let said = run(program("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .args([etc.as_os_str(), PROGRAM.as_ref(), postern().as_ref()])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1"));
    assert!(said.contains("1 passed"), "{said}");
    false
}

/// Adds entries, which take the place of others of these names.
fn know(file: &Path, entries: &str) {
    let known = fs::read_to_string(file).unwrap();
    let is_ours = |line: &&str| line.starts_with("postern:") || line.starts_with("postern-admin:");
    let lines: Vec<&str> = known.lines().filter(|line| !is_ours(line)).chain([entries]).collect();
    fs::write(file, lines.join("\n")).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "other users and namespaces take other processes")]
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(name)
}

/// What a program that succeeds says.
pub(crate) fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let [out, err] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(status.success(), "{command:?}\n{out}\n{err}");
    out
}
