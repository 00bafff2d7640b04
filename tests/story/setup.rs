//! `postern setup` as an administrator runs it: the real command line over real files, on a real terminal, with and
//! without a daemon.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::pty::openpty;
use postern_gateway::PrivateKey;
use serde_json::Value;

use crate::packaged::program;
use crate::running::{Postern, Said, is_root, key, postern};

const DOCUMENTED: &str = include_str!("../../config/postern.toml");
const FIRST: [&str; 7] =
    ["--yes", "--public-name", "vpn.example.com", "--tls", "proxy", "--contact-email", "ada@example.com"];

/// A host with a configuration as the package installs it, but with folders of its own.
struct Fresh(tempfile::TempDir);

impl Fresh {
    fn new() -> Option<Self> {
        if !is_root() {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let text = DOCUMENTED
            .replace("/etc/postern/locations.d", "sites")
            .replace("/run/postern/admin.sock", "admin.sock")
            .replace("/var/lib/postern\"", "state\"");
        fs::write(dir.path().join("postern.toml"), text).unwrap();
        Some(Self(dir))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Every file, with what is in it.
    fn everything(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(format!("{}: {}", path.display(), fs::read_to_string(&path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }

    /// Ends within a minute: a question that nobody answers must not hold up the suite.
    #[expect(clippy::disallowed_methods, reason = "the command line under test is a program")]
    fn command(&self, command: &[&str]) -> Command {
        let mut program = Command::new("timeout");
        program.args(["--foreground", "60", &postern()]);
        program.arg("--config").arg(self.path("postern.toml")).args(command);
        program
    }

    fn run(&self, command: &[&str]) -> Said {
        let output = self.command(command).output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        Said { code: output.status.code().unwrap(), out, err }
    }

    fn setup(&self, arguments: &[&str]) -> Said {
        self.run(&[&["setup"], arguments].concat())
    }
}

#[test]
fn a_first_setup_writes_a_valid_configuration_and_a_second_changes_nothing() {
    let Some(fresh) = Fresh::new() else { return };
    let before = fresh.read("postern.toml");
    let said = fresh.setup(&FIRST);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("location       hq: wg-hq"), "{}", said.out);
    assert!(said.out.contains("left alone") && said.out.contains("postern --config"), "{}", said.out);
    let checked = fresh.run(&["check-config"]);
    assert_eq!((checked.code, checked.out.ends_with("locations: hq\n")), (0, true), "{}", checked.err);
    let text = fresh.read("postern.toml");
    let comments = |text: &str| text.lines().filter(|line| line.starts_with('#')).count();
    assert_eq!((text.lines().count(), comments(&text)), (before.lines().count(), comments(&before)));
    assert!(fresh.read("sites/hq.toml").contains("endpoint = \"vpn.example.com:518"));

    let before = fresh.everything();
    let said = fresh.setup(&["--yes"]);
    assert!(said.code == 0 && said.out.contains("nothing to change"), "{}{}", said.out, said.err);
    assert_eq!(fresh.everything(), before);
}

#[test]
fn answers_in_a_file_are_as_good_as_options_which_go_before_them() {
    let Some(fresh) = Fresh::new() else { return };
    let file = fresh.path("answers");
    fs::write(
        &file,
        "public_name = \"vpn.example.com\"\ntls = \"proxy\"\ncontact_email = \"ada@example.com\"\nlocation = \"lab\"\nipv4 = \
         \"10.99.0.0/24\"\nmail_host = \"mail.example.com\"\nmail_username = \"vpn\"\nmail_password = \"secret\"\n",
    )
    .unwrap();
    let said = fresh.setup(&[
        "--answers",
        file.to_str().unwrap(),
        "--json",
        "--ipv4",
        "10.98.0.0/24",
        "--location",
        "lab",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&told["service"], &told["public_url"]),
        (&"skipped".into(), &"https://vpn.example.com/".into())
    );
    assert_eq!(told["files"].as_array().unwrap().len(), 3);
    assert!(fresh.read("sites/lab.toml").contains("\nipv4 = \"10.98.0.0/24\"\n"));
    assert_eq!(fresh.read("smtp-password"), "secret\n");
    assert_eq!(fs::metadata(fresh.path("smtp-password")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!fresh.read("postern.toml").contains("secret"));
    for (text, key) in
        [("pubic_name = \"x\"\n", "pubic_name"), ("mail_password = hunter2\n", "mail_password")]
    {
        fs::write(&file, text).unwrap();
        let said = fresh.setup(&["--answers", file.to_str().unwrap()]);
        assert!(said.code == 1 && said.err.contains(key) && !said.err.contains("hunter2"), "{}", said.err);
    }
}

#[test]
fn what_would_be_no_valid_configuration_changes_nothing() {
    let Some(fresh) = Fresh::new() else { return };
    fs::write(fresh.path("answers"), "mail_username = \"vpn\"\nmail_password = \"secret\"\n").unwrap();
    let before = fresh.everything();
    let answers = fresh.path("answers");
    for (more, said) in [
        (&["--contact-email", "ada"][..], "contact.email"),
        (&["--contact-email", "a@example.com", "--public-name", "a b"], "public_url"),
        (
            &["--contact-email", "a@example.com", "--public-name", "http://vpn.example.com"],
            "could read passwords",
        ),
        (&["--contact-email", "a@example.com", "--location", "x", "--ipv4", "10.0.0.0/31"], "ipv4"),
        (&["--contact-email", "a@example.com", "--mail-host", "mail example"], "mail.smtp.host"),
    ] {
        let first = ["--yes", "--tls", "proxy", "--answers", answers.to_str().unwrap()];
        let name =
            if more.contains(&"--public-name") { &[][..] } else { &["--public-name", "vpn.example.com"] };
        let refused = fresh.setup(&[&first, name, more].concat());
        assert_eq!(refused.code, 1, "{more:?}: {}", refused.out);
        assert!(refused.err.contains(said), "{more:?}: {}", refused.err);
        assert_eq!(fresh.everything(), before, "{more:?}");
    }
}

#[test]
fn a_running_gateway_follows_and_keeps_its_tunnels() {
    let Some(postern) = Postern::start() else { return };
    let said = postern.run(&[
        "setup",
        "--yes",
        "--contact-name",
        "Eve",
        "--location",
        "lab",
        "--route",
        "10.9.0.0/16",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("no tunnel was interrupted"), "{}", said.out);
    assert_eq!(postern.interfaces(), ["wg-hq", "wg-lab"]);
    assert_eq!(postern.app.site().config.contact.name, "Eve");
    let said = postern.run(&["setup", "--yes", "--location", "lab", "--port", "51999"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(postern.json(&["location", "show", "lab"])["listen_port"], 51_999);
    assert_eq!(postern.json(&["location", "show", "lab"])["routes"][0], "10.9.0.0/16");
    assert!(said.out.contains("clients cut off: lab") && said.err.contains("clients of lab"), "{}", said.out);
    let said = postern.run(&["setup", "--yes", "--port", "51998"]);
    assert!(said.code == 1 && said.err.contains("--location NAME"), "{}", said.err);
}

#[test]
fn a_server_of_wg_quick_is_taken_over_once_the_gateway_runs() {
    let Some(postern) = Postern::start() else { return };
    let file = postern.path("wg0.conf");
    let private = PrivateKey::from_random([7; 32]).to_base64();
    fs::write(&file, server("none")).unwrap();
    let before = postern.everything();
    let setup = ["setup", "--yes", "--contact-name", "Eve", "--wg-quick", file.to_str().unwrap()];
    let said = postern.run(&setup);
    assert!(said.code == 1 && said.err.contains("cannot be taken over"), "{}", said.err);
    assert_eq!(postern.everything(), before);
    assert_eq!(postern.app.site().config.contact.name, "Ada");

    // What only the daemon can tell.
    fs::write(&file, server(&private).replace("10.8.0.", "10.77.0.")).unwrap();
    let said = postern.run(&setup);
    assert!(said.code == 1 && said.err.contains("10.77.0.0/24 is routed to wg-hq"), "{}", said.err);
    let config = postern.path("postern.toml").display().to_string();
    let command = format!("once this is mended: postern import wg-quick --config {config} --endpoint");
    assert!(said.err.contains(&command), "{}", said.err);
    // What was written is told to programs, too.
    let said = postern.run(&[&setup[..], &["--json"]].concat());
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert!(said.code == 1 && told["service"] == "reloaded" && told["taken_over"].is_null(), "{told}");

    fs::write(&file, server(&private)).unwrap();
    // Of an earlier one.
    fs::write(postern.path("wg0.conf.imported"), "old").unwrap();
    let said = postern.run(&setup);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("location wg0") && said.out.contains("is taken over"), "{}", said.out);
    assert!(said.out.contains("postern location edit wg0 --everybody"), "{}", said.out);
    assert_eq!(postern.interfaces(), ["wg-hq", "wg0"]);
    assert_eq!(postern.json(&["device", "list"])[0]["name"], "printer");
    assert_eq!(postern.read("wg0.conf.imported"), "old");
    assert!(postern.read("wg0.conf.2.imported").contains("ListenPort"));
    // A file of answers may be used again.
    assert_eq!(postern.run(&setup).code, 0);
}

#[test]
fn whoever_looks_at_a_take_over_first_is_told_how_to_do_it_later() {
    let Some(postern) = Postern::start() else { return };
    let file = postern.path("wg0.conf");
    fs::write(&file, server(&PrivateKey::from_random([7; 32]).to_base64())).unwrap();
    let config = postern.path("postern.toml").display().to_string();
    let mut command = program("timeout");
    command.args(["--foreground", "60", &crate::running::postern(), "--config", &config, "setup"]);
    command.args(["--wg-quick", file.to_str().unwrap()]);
    let mut talk = Talk::start(command);
    for (question, answer) in [("1/4", ""), ("[proxy]", ""), ("2/4", ""), ("4/4", ""), ("Take it over", "no")]
    {
        talk.answer(question, answer);
    }
    let heard = talk.end();
    assert!(heard.contains("can be taken over") && !heard.contains("Nothing is changed yet"), "{heard}");
    assert!(heard.contains(&format!("later: postern import wg-quick --config {config} --")), "{heard}");
}

/// A file of wg-quick, with one peer.
fn server(private: &str) -> String {
    format!(
        "[Interface]\nPrivateKey = {private}\nListenPort = 51999\nAddress = 10.8.0.1/24\n# Name: printer\n[Peer]\nPublicKey = {}\n\
         AllowedIPs = 10.8.0.2/32\n",
        key(1)
    )
}

#[test]
fn the_first_administrators_link_is_printed_until_one_has_enrolled() {
    let Some(postern) = Postern::start() else { return };
    let site = postern.app.site();
    let made = postern
        .app
        .store
        .write_blocking(|tx| postern::flows::first_admin::first_admin(tx, &site, postern.app.now()));
    assert!(made.unwrap().0.is_some());
    let said = postern.run(&["setup", "--yes"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("  link     https://vpn.example.com/?token="), "{}", said.out);
    let enrolled = postern.app.store.write_blocking(|tx| {
        let admin = tx.user_by_name("admin")?.unwrap();
        tx.activate_user(admin.id, "hash", None)
    });
    enrolled.unwrap();
    let said = postern.run(&["setup", "--yes"]);
    assert!(!said.out.contains("?token="), "{}", said.out);
}

#[test]
fn four_questions_on_a_terminal_are_enough_and_the_password_is_not_shown() {
    let Some(fresh) = Fresh::new() else { return };
    let mut talk = Talk::start(fresh.command(&["setup"]));
    talk.answer("1/4", "not a name");
    talk.answer("1/4", "vpn.example.com");
    talk.answer("[acme]", "proxy");
    talk.answer("2/4", "Ada Example <ada@example.com>");
    talk.answer("3/4", "");
    talk.answer("4/4", "mail.example.com");
    talk.answer("User name", "vpn");
    talk.answer("Password", "hidden-secret");
    let heard = talk.end();
    assert!(!heard.contains("hidden-secret"), "{heard}");
    assert_eq!(fresh.read("smtp-password"), "hidden-secret\n");
    let checked = fresh.run(&["check-config"]);
    assert!(checked.code == 0 && checked.out.ends_with("locations: hq\n"), "{}", checked.err);

    let before = fresh.everything();
    let mut talk = Talk::start(fresh.command(&["setup"]));
    talk.answer("[vpn.example.com]", "");
    talk.answer("[proxy]", "");
    talk.answer("[Ada Example <ada@example.com>]", "");
    talk.answer("[mail.example.com]", "");
    let heard = talk.end();
    assert!(heard.contains("networks that are there: hq"), "{heard}");
    assert_eq!(fresh.everything(), before, "{heard}");
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_guessed() {
    let Some(fresh) = Fresh::new() else { return };
    let before = fresh.everything();
    let output = fresh.command(&["setup"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("--yes"), "{said}");
    assert_eq!(fresh.everything(), before);
}

#[test]
fn a_daemon_that_says_no_is_not_taken_for_one_that_is_not_there() {
    let Some(fresh) = Fresh::new() else { return };
    let listener = UnixListener::bind(fresh.path("admin.sock")).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            let answer =
                "HTTP/1.1 503 Busy\r\ncontent-length: 16\r\nconnection: close\r\n\r\n{\"error\":\"busy\"}";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let said = fresh.setup(&FIRST);
    assert!(said.code == 1 && said.err.contains("busy"), "{}{}", said.out, said.err);
}

/// A program at a terminal, and who sits there.
pub(crate) struct Talk {
    program: Child,
    terminal: File,
    heard: String,
    read: usize,
}

impl Talk {
    pub(crate) fn start(mut command: Command) -> Self {
        let terminal = openpty(None, None).unwrap();
        let side = |fd: &OwnedFd| Stdio::from(fd.try_clone().unwrap());
        let program =
            command.stdin(side(&terminal.slave)).stdout(side(&terminal.slave)).stderr(side(&terminal.slave));
        let program = program.spawn().unwrap();
        // Its copies of the terminal are dropped: reading ends when the program has.
        drop(command);
        Self { program, terminal: terminal.master.into(), heard: String::new(), read: 0 }
    }

    /// Waits for a question, and answers it.
    pub(crate) fn answer(&mut self, question: &str, answer: &str) {
        while !self.heard[self.read..].contains(question) || !self.heard.ends_with(": ") {
            assert!(self.hear(), "{question} was never asked: {}", self.heard);
        }
        self.read = self.heard.len();
        self.terminal.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }

    fn end(self) -> String {
        let (code, heard) = self.heard_to_the_end();
        assert_eq!(code, 0, "{heard}");
        heard
    }

    /// Its exit status, and everything it said.
    pub(crate) fn heard_to_the_end(mut self) -> (i32, String) {
        while self.hear() {}
        (self.program.wait().unwrap().code().unwrap(), self.heard)
    }

    /// `false`: the program has ended.
    fn hear(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = self.terminal.read(&mut bytes).unwrap_or(0);
        self.heard.push_str(&String::from_utf8_lossy(bytes.get(..count).unwrap()));
        count > 0
    }
}
