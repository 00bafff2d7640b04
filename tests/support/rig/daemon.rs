//! The real `postern`: its configuration files, the daemon in the gateway's namespace, and the command line.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::process::{Child, ExitStatus, Output};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::binary::postern;
use super::{GATEWAY, Rig, Wireguard, eventually, program};

/// A running daemon, killed when dropped.
pub(super) struct Daemon(Child);

impl Daemon {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    /// The exit status.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            errors: text(output.stderr),
        }
    }
}

impl Rig {
    /// Writes `postern.toml`; `gateway` are further lines of its `[gateway]` table.
    pub(crate) fn configure(&self, gateway: &str) {
        let backend = match self.wireguard {
            Wireguard::Kernel => "kernel",
            Wireguard::Userspace => "userspace",
        };
        let text = format!(
            "public_url = \"http://{GATEWAY}:8080/\"\nstate_dir = \"state\"\nadmin_socket = \"admin.sock\"\n\
             locations_dir = \"locations.d\"\n\n[http]\nlisten = [\"{GATEWAY}:8080\"]\n\n\
             [contact]\nname = \"Ada\"\nemail = \"ada@example.com\"\n\n\
             [gateway]\nbackend = \"{backend}\"\n{gateway}\n"
        );
        fs::write(self.path("postern.toml"), text).unwrap();
        fs::create_dir_all(self.path("locations.d")).unwrap();
    }

    /// Writes the file of a location: interface `pst-NAME`, port 51820 + N, subnets 10.77.N.0/24 and `fd77:N::/64`,
    /// where `more` does not say otherwise.
    pub(crate) fn locate(&self, name: &str, number: u8, more: &str) {
        let port = 51820 + u16::from(number);
        let mut text = more.to_owned() + "\n";
        for (key, value) in [
            ("name", format!("\"{name}\"")),
            ("interface", format!("\"pst-{name}\"")),
            ("listen_port", port.to_string()),
            ("endpoint", format!("\"{GATEWAY}:{port}\"")),
            ("ipv4", format!("\"10.77.{number}.0/24\"")),
            ("ipv6", format!("\"fd77:{number}::/64\"")),
        ] {
            if !more.lines().any(|line| line.starts_with(key)) {
                writeln!(text, "{key} = {value}").unwrap();
            }
        }
        fs::write(self.path(&format!("locations.d/{name}.toml")), text).unwrap();
    }

    /// Removes the file of a location.
    pub(crate) fn unlocate(&self, name: &str) {
        fs::remove_file(self.path(&format!("locations.d/{name}.toml"))).unwrap();
    }

    /// Starts the daemon, and returns when it answers on both sockets.
    pub(crate) fn start(&mut self) {
        self.launch(&[]);
        self.answers();
    }

    /// Starts the daemon, and does not wait for it; `through` is a program that starts it.
    pub(crate) fn launch(&mut self, through: &[&str]) {
        let file = |name: &str| File::options().create(true).append(true).open(self.path(name)).unwrap();
        let binary = postern();
        let words = [through, &[&binary, "run", "--config"]].concat();
        let mut command = self.gateway.program(words[0]);
        command.args(&words[1..]).arg(self.path("postern.toml"));
        let child = command.stdout(file("out")).stderr(file("log")).spawn().unwrap();
        self.daemon = Some(Daemon(child));
    }

    /// Returns when the launched daemon answers on both sockets.
    pub(crate) fn answers(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        eventually("a daemon that answers", || {
            assert!(daemon.0.try_wait().unwrap().is_none(), "the daemon ended: {}", self.log());
            self.postern(&["plan"]).code == 0
                && self.gateway.look(&format!("curl -s http://{GATEWAY}:8080/api/v1/health")) == "alive"
        });
        self.daemon = Some(daemon);
    }

    /// The daemon's process.
    pub(crate) fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().0.id()
    }

    /// Sends the daemon a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.daemon.as_ref().unwrap().signal(signal);
    }

    /// Sends the daemon a signal and waits for its end.
    pub(crate) fn end(&mut self, signal: Signal) -> ExitStatus {
        let mut daemon = self.daemon.take().unwrap();
        daemon.signal(signal);
        daemon.0.wait().unwrap()
    }

    /// Waits for the end of a daemon that is to end by itself; ends one that gets to answering instead.
    pub(crate) fn wait(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        eventually("its end, or an answer", || {
            daemon.0.try_wait().unwrap().is_some() || self.postern(&["status"]).code == 0
        });
    }

    /// Runs a daemon that is expected to end at once with an error; `through` is a program that starts it.
    pub(crate) fn run_in_vain(&self, through: &[&str]) -> Said {
        let mut command = self.gateway.program("timeout");
        command.arg("60").args(through).args([&postern(), "run", "--config"]).arg(self.path("postern.toml"));
        command.output().unwrap().into()
    }

    /// Runs the command line against the daemon.
    pub(crate) fn postern(&self, arguments: &[&str]) -> Said {
        let mut command = program(&postern());
        command.arg("--config").arg(self.path("postern.toml")).args(arguments);
        command.output().unwrap().into()
    }

    /// Runs a command that must succeed.
    pub(crate) fn order(&self, arguments: &[&str]) -> String {
        let said = self.postern(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        said.out
    }

    /// Runs a command that must succeed; what it says as JSON.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Value {
        let out = self.order(&[arguments, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
    }

    /// Invites somebody into groups; their token.
    pub(crate) fn invite(&self, username: &str, groups: &[&str]) -> String {
        let email = format!("{username}@example.com");
        let mut arguments =
            vec!["user", "invite", username, "--first-name", "A", "--last-name", "B", "--email", &email];
        for group in groups {
            arguments.extend(["--group", group]);
        }
        self.ask(&arguments)["token"].as_str().unwrap().to_owned()
    }

    /// Puts changed files into force, and returns when that is done.
    pub(crate) fn reload(&self) {
        self.order(&["reload"]);
    }

    /// Puts changed files into force where some location cannot follow.
    pub(crate) fn reload_in_part(&self) {
        let said = self.postern(&["reload"]);
        assert_eq!(said.code, 4, "{said:?}");
    }

    /// Whether an interface of the gateway has a peer; `None` where only the daemon could say.
    pub(crate) fn has_peer(&self, interface: &str, key: &str) -> Option<bool> {
        let shown = || self.gateway.look(&format!("wg show {interface} peers"));
        (self.wireguard == Wireguard::Kernel).then(|| shown().contains(key))
    }

    /// What `postern status` says is wrong with a location; empty: nothing.
    pub(crate) fn complains_of(&self, location: &str) -> String {
        self.status_of(location)["failing"].as_str().unwrap_or_default().to_owned()
    }

    /// How often `postern status` says that somebody's harm to a location was put right.
    pub(crate) fn repairs_of(&self, location: &str) -> u64 {
        self.status_of(location)["drift_repaired"].as_u64().unwrap()
    }

    fn status_of(&self, location: &str) -> Value {
        let status = self.ask(&["status"]);
        let mut locations = status["locations"].as_array().unwrap().iter();
        let found = locations.find(|found| found["name"] == location);
        found.unwrap_or_else(|| panic!("{location} is not in {status}")).clone()
    }

    /// What the daemon logged since the first start.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// What the daemon printed since the first start.
    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(self.path("out")).unwrap_or_default()
    }
}
