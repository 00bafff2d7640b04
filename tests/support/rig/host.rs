//! A host: a network namespace, gone with everything that runs in it when dropped.

use std::fs::File;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sched::{CloneFlags, setns};

use super::{program, sh};

/// A network namespace.
#[derive(Debug)]
pub(crate) struct Host {
    name: String,
}

impl Host {
    /// Makes one, with its loopback up and no addresses that the kernel adds by itself.
    pub(crate) fn new(role: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let host = Self { name: format!("prig{}-{count}-{role}", std::process::id()) };
        sh(&format!("ip netns add {}", host.name)).unwrap();
        host.sh("ip link set lo up
             sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
             sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0
             sysctl -qw net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.default.accept_redirects=0");
        host
    }

    /// The name `ip netns` knows.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A program that is to run here.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = program("ip");
        command.args(["netns", "exec", &self.name, name]);
        command
    }

    /// Runs shell commands here; they must succeed. What they print.
    pub(crate) fn sh(&self, script: &str) -> String {
        let output = self.run(&["-ec", script]);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {script}: {complaint}", self.name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What shell commands print here, whether they succeed or not.
    pub(crate) fn look(&self, script: &str) -> String {
        String::from_utf8_lossy(&self.run(&["-c", script]).stdout).into_owned()
    }

    /// Whether an address answers a ping, in one try.
    pub(crate) fn reaches(&self, address: &str) -> bool {
        self.run(&["-c", &format!("ping -n -q -c 1 -W 1 {address}")]).status.success()
    }

    /// Runs `action` in a thread that belongs here.
    pub(crate) fn enter<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let entered = scope.spawn(|| {
                let file = File::open(format!("/run/netns/{}", self.name)).unwrap();
                setns(file, CloneFlags::CLONE_NEWNET).unwrap();
                action()
            });
            entered.join().unwrap()
        })
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.program("sh").args(arguments).output().unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // What runs here was started here. A namespace that cannot be removed harms nobody.
        let name = &self.name;
        let _ = sh(&format!("ip netns pids {name} | xargs -r kill -9 || true; ip netns delete {name}"));
    }
}
