//! The host's own programs, for `postern setup`, `postern doctor` and `postern import` alone: systemd and other people's firewalls speak
//! no protocol that would be better. Each has a limit in time and speaks English. The daemon runs none.

use std::ffi::OsString;
use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// Whether it ended well.
    pub(super) is_success: bool,
    /// What it ended with; `None`: a signal ended it.
    pub(super) code: Option<i32>,
    /// Its standard output.
    pub(super) out: String,
    /// Its standard error, on one line.
    pub(super) error: String,
}

/// Runs a program to its end, at most for `limit`. An error: there is none, or it took too long.
#[expect(clippy::disallowed_methods, reason = "the host's tools speak no protocol; see above")]
pub(super) fn run(program: &str, arguments: &[&str], limit: Duration) -> io::Result<Said> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").env("PATH", path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = runtime.block_on(async { tokio::time::timeout(limit, command.output()).await });
    let Output { status, stdout, stderr } = output.map_err(|_| {
        io::Error::new(io::ErrorKind::TimedOut, format!("{program} did not end within {} s", limit.as_secs()))
    })??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let error = text(&stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Said { is_success: status.success(), code: status.code(), out: text(&stdout), error })
}

/// Whether systemd has a unit of this name.
pub(super) fn knows_unit(unit: &str) -> bool {
    run("systemctl", &["cat", unit], Duration::from_secs(10)).is_ok_and(|said| said.is_success)
}

/// Whoever is not root finds the administrator's programs too.
fn path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    path.push(":/usr/sbin:/sbin");
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_heard_and_one_that_does_not_end_is_not_waited_for() {
        let said = run("sh", &["-c", "echo heard; echo no >&2; exit 3"], Duration::from_secs(10)).unwrap();
        let (out, error) = ("heard\n".to_owned(), "no".to_owned());
        assert_eq!(said, Said { is_success: false, code: Some(3), out, error });
        let error = run("sleep", &["60"], Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(
            run("no-such-program", &[], Duration::from_secs(1)).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
