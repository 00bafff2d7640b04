//! The program `nft`, which turns our rules into the kernel's terms: one run for each transaction, for a bounded time.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nftables::schema::Nftables;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PROGRAM: &str = "nft";
/// It takes milliseconds, if nobody else holds the kernel's nftables for long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a transaction was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum NftError {
    #[error("cannot write down the rules for nft")]
    Write(#[source] io::Error),
    #[error("cannot run nft: is the package nftables installed?")]
    Run(#[source] io::Error),
    #[error("nft did not end within {} s and was killed", .0.as_secs())]
    Late(Duration),
    /// In nft's own words.
    #[error("{0}")]
    Refused(String),
}

/// Gives nft one transaction, over a file in memory.
pub(super) fn load(commands: &Nftables<'_>) -> Result<(), NftError> {
    let text = serde_json::to_vec(commands).map_err(|error| NftError::Write(error.into()))?;
    let mut rules = in_memory().map_err(NftError::Write)?;
    rules.write_all(&text).map_err(NftError::Write)?;
    let path = format!("/proc/{}/fd/{}", std::process::id(), rules.as_raw_fd());
    run(PROGRAM, &["-j", "-f", &path], PATIENCE)
}

/// Runs a program that must succeed, and kills it when it takes longer than `patience`.
fn run(program: &str, arguments: &[&str], patience: Duration) -> Result<(), NftError> {
    let mut said = in_memory().map_err(NftError::Run)?;
    let errors = said.try_clone().map_err(NftError::Run)?;
    let status = status(program, arguments, errors, patience)?;
    if status.success() {
        return Ok(());
    }
    let mut text = Vec::new();
    said.rewind().and_then(|()| said.read_to_end(&mut text)).map_err(NftError::Run)?;
    let text = String::from_utf8_lossy(&text);
    Err(NftError::Refused(if text.trim().is_empty() { status.to_string() } else { text.trim().into() }))
}

#[expect(clippy::disallowed_methods, reason = "nft is the one program that is run: it compiles our rules")]
fn status(
    program: &str,
    arguments: &[&str],
    errors: File,
    patience: Duration,
) -> Result<ExitStatus, NftError> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    let mut child = command.spawn().map_err(NftError::Run)?;
    let pid = i32::try_from(child.id()).map_err(|error| NftError::Run(io::Error::other(error)))?;
    let (tell, ended) = mpsc::channel();
    // Nobody listens any more when it was late; then this thread only takes note of its end.
    thread::spawn(move || drop(tell.send(child.wait())));
    ended
        .recv_timeout(patience)
        .map_err(|_| {
            // It may just have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            NftError::Late(patience)
        })?
        .map_err(NftError::Run)
}

fn in_memory() -> io::Result<File> {
    Ok(File::from(memfd_create("postern-nft", MFdFlags::MFD_CLOEXEC)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_killed_and_told() {
        let told = std::env::temp_dir().join(format!("postern-nft-{}", std::process::id()));
        let script = format!("echo $$ >{}; exec sleep 1000", told.display());
        let late = run("sh", &["-c", &script], Duration::from_secs(1));
        assert_eq!(late.unwrap_err().to_string(), "nft did not end within 1 s and was killed");
        let pid = Pid::from_raw(std::fs::read_to_string(&told).unwrap().trim().parse().unwrap());
        std::fs::remove_file(&told).unwrap();
        let is_gone = |_| {
            thread::sleep(Duration::from_millis(10));
            kill(pid, None).is_err()
        };
        assert!((0..1000).any(is_gone), "it still runs");
    }

    #[test]
    fn a_refusal_is_told_in_the_programs_own_words() {
        let refused = run("sh", &["-c", "echo no such thing >&2; exit 1"], PATIENCE);
        assert_eq!(refused.unwrap_err().to_string(), "no such thing");
        assert_eq!(run("false", &[], PATIENCE).unwrap_err().to_string(), "exit status: 1");
    }
}
