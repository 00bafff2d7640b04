//! The user that the package's service runs as: which files it may read is tried as that user, so that groups and access
//! lists count. Whoever sets a gateway up is root, who may read everything.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{User, geteuid};

use super::tools;
use crate::config::{Config, DEFAULT_FILE, Tls};

/// Reading the configuration takes no time, but a machine may be busy.
const QUICK: Duration = Duration::from_secs(20);
/// `postern check-config` refused.
const REFUSED: i32 = 1;
/// Where the units' sandboxes (`ProtectHome=`, `PrivateTmp=`) show something else than there is.
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

/// Who runs the daemon; `None`: whoever starts it by hand.
pub(super) struct ServiceUser(pub(super) Option<User>);

/// Why the service could not use a configuration that is valid for root, and what mends it.
pub(super) struct Objection {
    pub(super) says: String,
    pub(super) mend: String,
}

impl ServiceUser {
    /// The package's user, where it is the package's configuration.
    pub(super) fn of(config: &Path) -> Self {
        let is_the_packages = config == Path::new(DEFAULT_FILE);
        Self(is_the_packages.then(|| User::from_name("postern").ok().flatten()).flatten())
    }

    /// Looks at the configuration at `path` with the service's eyes. `None`: it is well, or nobody may look so.
    pub(super) fn objection(&self, path: &Path, config: &Config) -> Option<Objection> {
        let user = self.0.as_ref().filter(|_| geteuid().is_root())?;
        let files = certificate_files(config);
        if let Some(file) = files.iter().find(|file| is_hidden(file)) {
            let says = format!("the service does not see {}: its sandbox hides that folder", file.display());
            return Some(Objection { says, mend: copies(&files) });
        }
        let refusal = refusal(user, path)?;
        let is_certificate = refusal.contains("http.certificate_file");
        let mend = if is_certificate {
            copies(&files)
        } else {
            "let the group postern read it (chgrp postern FILE; chmod 0640 FILE), and enter its folder"
                .to_owned()
        };
        let says = format!("the service could not use it, as its user {} is not root: {refusal}", user.name);
        Some(Objection { says, mend })
    }
}

/// What `check-config` says to the user; `None`: it finds nothing, or cannot be run so.
fn refusal(user: &User, path: &Path) -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let (program, path) = (program.to_str()?, path.to_str()?);
    let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
    let arguments =
        ["--reuid", &uid, "--regid", &gid, "--init-groups", program, "--config", path, "check-config"];
    let said = tools::run("setpriv", &arguments, QUICK).ok()?;
    (said.code == Some(REFUSED)).then(|| said.error.trim_start_matches("postern: ").to_owned())
}

/// The chain and its key; none where the daemon obtains them, or systemd hands the key in.
fn certificate_files(config: &Config) -> Vec<PathBuf> {
    let Tls::Files(files) = &config.http.tls else { return Vec::new() };
    // Only a file has a path here.
    std::iter::once(files.certificate.clone()).chain(files.key.path()).collect()
}

/// Whether the sandbox shows something else at a path, or where it leads.
pub(super) fn is_hidden(file: &Path) -> bool {
    let real = file.canonicalize();
    let ways = [Some(file), real.as_deref().ok()];
    ways.into_iter().flatten().any(|way| HIDDEN.iter().any(|folder| way.starts_with(folder)))
}

/// Copies that the service may read, made again at each renewal.
fn copies(files: &[PathBuf]) -> String {
    let places = [
        ("--certificate-file", "/etc/postern/tls/fullchain.pem"),
        ("--key-file", "/etc/postern/tls/privkey.pem"),
    ];
    let copies = files.iter().zip(places).map(|(from, (option, to))| {
        (format!("install -D -g postern -m 640 {} {to} && ", from.display()), format!(" {option} {to}"))
    });
    let (copies, options): (String, String) = copies.unzip();
    let renewed = if files.iter().any(|file| file.starts_with("/etc/letsencrypt")) {
        "copy again at each renewal, by a script in /etc/letsencrypt/renewal-hooks/deploy"
    } else {
        "whatever renews it has to copy again"
    };
    format!("{copies}postern setup --yes{options} # {renewed}")
}
