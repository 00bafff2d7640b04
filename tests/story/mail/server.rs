//! The mail server, and what it took.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use postern::config::{Login, PasswordSource, Security, Smtp};
use serde_json::Value;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/support/smtp-server");
/// What the server knows.
const PASSWORD: &str = "hunter22";

/// A mail the server answered for.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) data: String,
}

impl Mail {
    /// The value of a header, on one line.
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.data.lines().take_while(|line| !line.is_empty());
        let value = lines.filter_map(|line| line.split_once(": ")).find(|(header, _)| *header == name);
        value.map(|(_, value)| value.trim()).unwrap_or_default()
    }
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    port: u16,
    /// A program that starts it somewhere else.
    through: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// Starts one that behaves as `mode` says. `None`: the machine has no such server, and may do without.
    pub(crate) fn start(mode: &str) -> Option<Self> {
        Self::start_through(&[], mode)
    }

    /// [`Server::start`] by way of another program.
    pub(crate) fn start_through(through: &[&str], mode: &str) -> Option<Self> {
        let there =
            program("/usr/bin/python3").args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            let required = std::env::var("POSTERN_TEST_REQUIRE").unwrap_or_default();
            assert!(!required.contains("mail"), "python3-aiosmtpd is not installed");
            eprintln!("SKIPPED: python3-aiosmtpd is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        certify(folder.path());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let through = through.iter().map(|&word| word.to_owned()).collect();
        let mut server = Self { folder, port, through, child: None };
        server.behave(mode);
        server.secret("password", &format!("{PASSWORD}\n"));
        server.come_up();
        Some(server)
    }

    /// What mails and connections meet from now on.
    pub(crate) fn behave(&self, mode: &str) {
        // Never half a word: the server reads it at any time.
        let draft = self.path("mode.draft");
        fs::write(&draft, mode).unwrap();
        fs::rename(draft, self.path("mode")).unwrap();
    }

    /// Ends it: connections are refused.
    pub(crate) fn go_down(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again, on the same port.
    pub(crate) fn come_up(&mut self) {
        let _ = fs::remove_file(self.path("ready"));
        let port = self.port.to_string();
        let words = [&self.through[..], &[PROGRAM.to_owned(), port]].concat();
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = program(&words[0]);
        self.child = Some(command.args(&words[1..]).arg(self.folder.path()).stderr(log).spawn().unwrap());
        for _ in 0..1000 {
            if self.path("ready").exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the mail server does not start: {}", fs::read_to_string(self.path("log")).unwrap());
    }

    /// How it is reached, with short patience.
    pub(crate) fn settings(&self) -> Smtp {
        let password = PasswordSource::File(self.path("password"));
        Smtp {
            host: "localhost".to_owned(),
            port: self.port,
            security: Security::StartTls,
            login: Some(Login { username: "postern".to_owned(), password }),
            ca: Some(fs::read(self.authority()).unwrap()),
            timeout: Duration::from_secs(5),
            hello_name: "vpn.example.com".to_owned(),
        }
    }

    /// The file of the authority that signed its certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Writes a file that only its owner may read.
    pub(crate) fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        path
    }

    /// A certificate authority that did not sign the server's certificate.
    pub(crate) fn strange_authority(&self) -> Vec<u8> {
        openssl(
            self.folder.path(),
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout strange.key \
                                     -out strange.pem -days 30 -subj /CN=strange",
        );
        fs::read(self.path("strange.pem")).unwrap()
    }

    /// Everything it took responsibility for.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.kept("mails")
    }

    /// Everything it got whole, but did not answer.
    pub(crate) fn broken(&self) -> Vec<Mail> {
        self.kept("broken")
    }

    /// How many there were.
    pub(crate) fn connections(&self) -> usize {
        fs::read_to_string(self.path("connections")).unwrap_or_default().lines().count()
    }

    fn kept(&self, folder: &str) -> Vec<Mail> {
        let entries = fs::read_dir(self.path(folder)).unwrap().map(|entry| entry.unwrap().path());
        let whole = entries.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        whole.map(|path| mail(&serde_json::from_slice(&fs::read(path).unwrap()).unwrap())).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.go_down();
    }
}

fn mail(kept: &Value) -> Mail {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let data = text(&kept["data"]).replace("\r\n ", " ").replace("\r\n\t", " ");
    Mail { from: text(&kept["from"]), to: kept["to"].as_array().unwrap().iter().map(text).collect(), data }
}

/// An authority, and a certificate of it for localhost.
fn certify(folder: &Path) {
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    for command in [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=ca",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out request.pem -subj /CN=localhost",
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out cert.pem",
    ] {
        openssl(folder, command);
    }
}

fn openssl(folder: &Path, command: &str) {
    let made = program("openssl").args(command.split_whitespace()).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{command}: {}", String::from_utf8_lossy(&made.stderr));
}

#[expect(
    clippy::disallowed_methods,
    reason = "the mail server and its certificates are other programs' work"
)]
fn program(name: &str) -> Command {
    Command::new(name)
}
