//! Network namespaces of our own, gone when dropped.

#![expect(
    clippy::disallowed_methods,
    reason = "tests set the scene with ip and nft, as an administrator would"
)]

use std::fs::File;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sched::{CloneFlags, setns};

/// Whether this machine has what these tests need. Without, a test says so and passes, unless
/// `POSTERN_TEST_REQUIRE` names `netns`.
pub(crate) fn capable() -> bool {
    let capable = nix::unistd::geteuid().is_root()
        && ["ip", "nft", "ping"].iter().all(|tool| Command::new(tool).arg("-V").output().is_ok());
    if !capable {
        let required = std::env::var("POSTERN_TEST_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name == "netns"),
            "network namespaces are required, but this is not root, or ip, nft or ping are missing"
        );
        let skipped = "SKIPPED: needs root, and the tools ip, nft and ping";
        std::io::Write::write_all(&mut std::io::stderr(), format!("{skipped}\n").as_bytes()).unwrap();
    }
    capable
}

/// A network namespace.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one, with its loopback up and no addresses that the kernel adds by itself.
    pub(crate) fn new(role: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pnft{}-{count}-{role}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]));
        let namespace = Self { name };
        namespace.sh("ip link set lo up
             sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
             sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0
             sysctl -qw net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.default.accept_redirects=0");
        namespace
    }

    /// The name `ip netns` knows.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs shell commands in it; they must succeed.
    pub(crate) fn sh(&self, script: &str) -> String {
        let output = run(Command::new("ip").args(["netns", "exec", &self.name, "sh", "-ec", script]));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whether a shell command in it succeeds.
    pub(crate) fn succeeds(&self, script: &str) -> bool {
        let output = Command::new("ip").args(["netns", "exec", &self.name, "sh", "-c", script]).output();
        output.unwrap().status.success()
    }

    /// Runs `action` in a thread within it.
    pub(crate) fn within<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let file = File::open(format!("/run/netns/{}", self.name)).unwrap();
                    setns(file, CloneFlags::CLONE_NEWNET).unwrap();
                    action()
                })
                .join()
                .unwrap()
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A failure leaves a namespace behind, which harms nobody.
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).output();
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
