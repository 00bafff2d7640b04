//! The command line.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hyper::Method;
use nix::sys::resource::{Resource, setrlimit};
use postern_gateway::chain;
use serde_json::{Value, json};

use crate::app;
use crate::backup::BackupError;
use crate::config::{DEFAULT_FILE, Loaded, admin_socket, load_with};
use crate::log::{self, LogFormat};

mod account;
mod apps;
mod audit;
mod backup;
mod client;
mod device;
mod doctor;
mod group;
mod hidden;
mod location;
mod mail;
mod manual;
mod passphrase;
mod reload;
mod restore;
mod service_user;
mod setup;
mod signals;
mod status;
mod table;
mod text;
mod tools;
mod user;
mod wg_quick;

use client::AskError;

/// What scripts rely on.
const EXIT_STATUS: &str = "Exit status:
  0  done
  1  refused
  2  the command line is not understood
  3  the daemon cannot be reached
  4  done, but not in force everywhere yet; `postern status` says why
 77  the daemon lacks a right (run)
 78  the configuration or the database has to be put right first (run)";

/// A WireGuard gateway daemon with its own enrollment.
#[derive(Parser)]
#[command(name = "postern", version, arg_required_else_help = true, after_help = EXIT_STATUS)]
pub struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
    /// The daemon's socket; otherwise the one the configuration names.
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon.
    ///
    /// SIGHUP reloads the configuration; SIGTERM ends the daemon and leaves every kernel interface up.
    #[command(after_help = "Example:\n  postern run --config /etc/postern/postern.toml")]
    Run {
        /// How the log is written to standard error. Where that is systemd's journal, the journal gets every field by name.
        #[arg(long, value_enum, default_value_t = LogFormat::Text)]
        log_format: LogFormat,
    },
    /// Configure this host and start the service; asks at most four questions.
    ///
    /// Each has a default, found on the host or configured before. Everything is checked before anything is written. Run
    /// again it changes only what is answered differently.
    #[command(
        after_help = "Examples:\n  postern setup\n  postern setup --yes --public-name vpn.example.com --contact-email \
                      admin@example.com\n  postern setup --wg-quick /etc/wireguard/wg0.conf\n\nA file of answers:\n  public_name = \"vpn.example.com\"\n  tls = \"acme\"\n  \
                      contact_email = \"admin@example.com\"\n  location = \"hq\"\n  mail_host = \"mail.example.com:587\"\n\nJSON:\n  \
                      {\"files\": [PATH], \"public_url\", \"service\": started|restarted|reloaded|skipped, \"skipped\": why, \
                      \"reload\": null or as of postern reload, \"taken_over\": null or as of postern import, \"first_administrator\": null or {\"username\", \"enrollment_url\", \"token\", \"expires_at\"}, \"findings\": as of postern doctor}"
    )]
    Setup(Box<setup::SetupArgs>),
    /// Look for what keeps this gateway from working, and say what mends it.
    ///
    /// Kernel, forwarding, ports, other people's firewalls, DNS, clock, disk, mail server, secret files, MTU and what the
    /// daemon itself complains of. Nothing is changed and no mail is sent. Exit status 1: there is a failure.
    #[command(
        after_help = "Example:\n  postern doctor --json\n\nJSON:\n  {\"healthy\", \"findings\": [{\"check\", \"verdict\": \
                      ok|unseen|warning|failure, \"says\", \"mend\": command or null}]}"
    )]
    Doctor(doctor::DoctorArgs),
    /// Check the configuration files and say everything that is wrong with them.
    #[command(after_help = "Example:\n  postern check-config --config ./postern.toml")]
    CheckConfig,
    /// Show locations, peers, handshakes, repaired drift and everything that needs attention.
    #[command(after_help = "Examples:\n  postern status\n  postern status --json | jq .healthy")]
    Status(status::StatusArgs),
    /// Show what reconcile would change right now; change nothing.
    #[command(after_help = "Example:\n  postern plan --json")]
    Plan {
        /// As JSON: {"plan": "..."}.
        #[arg(long)]
        json: bool,
    },
    /// Put changed configuration files into force, interrupting no tunnel.
    ///
    /// Returns when the gateway has tried it. Files with errors are refused as a whole: every error is told with its
    /// file and key, the running configuration stays, and the exit status is 1. It is 4 when the files are in force but a
    /// location could not follow yet. Changed keys that need a restart are named.
    #[command(
        after_help = "Example:\n  postern reload\n\nJSON:\n  {\"applied\", \"failing\": [{\"location\", \"reason\"}], \
                              \"needs_restart\": [KEY], \"cut_off\": [LOCATION]}\n  refused: {\"error\", \"hint\", \"problems\": [{\"file\", \"key\", \
                              \"reason\"}]}"
    )]
    Reload(reload::ReloadArgs),
    /// Invite and administer people.
    #[command(subcommand, after_help = "Example:\n  postern user list")]
    User(Box<user::UserCommand>),
    /// Administer groups of users; locations name who may join.
    #[command(subcommand, after_help = "Example:\n  postern group list")]
    Group(group::GroupCommand),
    /// Administer applications that people sign in to with their account.
    #[command(subcommand, after_help = "Example:\n  postern app list")]
    App(apps::AppCommand),
    /// Administer devices, and add machines.
    #[command(subcommand, after_help = "Example:\n  postern device list")]
    Device(device::DeviceCommand),
    /// Manage locations: VPN networks, each a file in the folder of locations.
    ///
    /// Whatever changes a location puts all files into force, as `postern reload` does.
    #[command(subcommand, after_help = "Example:\n  postern location add hq --endpoint vpn.example.com")]
    Location(location::LocationCommand),
    /// Take over servers that run already.
    #[command(
        subcommand,
        after_help = "Example:\n  postern import wg-quick --endpoint vpn.example.com /etc/wireguard/wg0.conf"
    )]
    Import(wg_quick::ImportCommand),
    /// Write a location down for other programs.
    #[command(subcommand, after_help = "Example:\n  postern export wg-quick hq")]
    Export(wg_quick::ExportCommand),
    /// See what becomes of mail, and try it.
    #[command(subcommand, after_help = "Example:\n  postern mail test you@example.com")]
    Mail(mail::MailCommand),
    /// Show who did what, oldest first.
    #[command(
        after_help = "Example:\n  postern audit --since 1h\n\nJSON:\n  [{\"at\", \"actor\", \"action\": noun.verb, \
                      \"object\", \"detail\", \"source\": address or null, \"outcome\": \"done\" or \"refused\", \
                      \"reason\": a word or null}]\n\n\
                      Refusals: one entry of each kind for a client and an hour (device.poll: a day), 500 at once in all, then \
                      one in 5 minutes, of HTTP and of this socket each; DETAIL counts those that were left out."
    )]
    Audit(audit::AuditArgs),
    /// Write database, keys and configuration into one encrypted file, while the daemon runs.
    ///
    /// The file is a tar archive, encrypted by age: `age -d FILE | tar -x` opens it, too. It is whole or not there at all. In it
    /// is everything that was acknowledged before the command began. Where no daemon runs, root makes it all the same.
    #[command(
        after_help = "Examples:\n  postern backup /root/postern.tar.age\n  postern backup --recipient age1... /mnt/postern.tar.age\n  \
                      systemctl enable --now postern-backup.timer\n\nJSON:\n  {\"file\", \"bytes\", \"taken_at\", \"program\", \"schema\", \
                      \"instance\", \"with_keys\", \"files\": number, \"left_out\": [TEXT], \"removed\": [FILE] with --scheduled}"
    )]
    Backup(backup::BackupArgs),
    /// Put a backup back, with the daemon stopped: on a new host, or in place of what is broken.
    ///
    /// Everything is checked before anything is changed, and what is there is moved aside, never removed. Clients reconnect to
    /// what is restored without a new configuration.
    #[command(
        after_help = "Examples:\n  postern restore /root/postern.tar.age\n  postern restore --identity key.txt --force backup.tar.age\n\n\
                      JSON:\n  {\"state_dir\", \"config_files\": [FILE], \"moved_aside\": [FILE], \"taken_at\", \"program\", \"schema\", \
                      \"instance\", \"with_keys\", \"files\": number, \"left_out\": [TEXT]}"
    )]
    Restore(restore::RestoreArgs),
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  postern completions bash > /etc/bash_completion.d/postern")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a folder.
    #[command(after_help = "Example:\n  postern man /usr/local/share/man/man1")]
    Man {
        /// Made if it is not there.
        dir: PathBuf,
    },
}

/// Why a command failed; each has its exit status.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Refused: 1.
    #[error("{0}")]
    Refused(String),
    /// The daemon did not start, or ended by itself: 1, 77 or 78.
    #[error(transparent)]
    Run(#[from] app::RunError),
    /// No daemon: 3.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Done, but the gateway does not follow yet: 4.
    #[error("this is done, but not in force everywhere yet; it is tried again")]
    NotInForce,
    /// Backups: 1.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The output is closed or full: 1.
    #[error("cannot write the answer")]
    Output(#[from] io::Error),
}

impl Cli {
    /// Does what was asked. 0: success; 1: refused; 3: the daemon cannot be reached; 4: done, but not in force
    /// everywhere yet; what `run` ends with, [`app::RunError::exit_status`] says. Errors are told on `errors`.
    pub fn run(self, out: &mut impl Write, errors: &mut impl Write) -> ExitCode {
        // A dump of this process's memory would hold keys, tokens and passwords. Everybody may lower that limit.
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
        let Err(failure) = self.perform(out, errors) else { return ExitCode::SUCCESS };
        // Where errors cannot be told either, the exit status still is.
        let _ = writeln!(errors, "postern: {}", chain(&failure));
        for problem in failure.problems() {
            let _ = writeln!(errors, "  {problem}");
        }
        if let Some(hint) = failure.hint() {
            let _ = writeln!(errors, "  {hint}");
        }
        failure.exit_code()
    }

    fn perform(&self, out: &mut impl Write, errors: &mut impl Write) -> Result<(), Failure> {
        match &self.command {
            Command::Run { log_format } => {
                log::start(*log_format);
                Ok(app::run(&self.config)?)
            }
            Command::CheckConfig => self.check_config(out, errors),
            Command::Setup(args) => args.perform(self, out, errors),
            Command::Doctor(args) => args.perform(self, out),
            Command::Plan { json } => {
                let answer = self.ask(Method::GET, "/plan", &json!({}))?;
                match answer.get("plan").and_then(Value::as_str) {
                    Some(_) if *json => writeln!(out, "{answer}")?,
                    None | Some("") => writeln!(out, "nothing to change")?,
                    Some(plan) => writeln!(out, "{}", plan.trim_end())?,
                }
                Ok(())
            }
            Command::Reload(args) => args.perform(self, out, errors),
            Command::Location(command) => command.perform(self, out, errors),
            Command::Import(command) => command.perform(self, out, errors),
            Command::Export(command) => command.perform(self, out),
            Command::Mail(command) => command.perform(self, out),
            Command::Backup(args) => args.perform(self, out, errors),
            Command::Restore(args) => args.perform(self, out, errors),
            Command::Status(args) => args.perform(self, out),
            Command::Completions { shell } => Ok(manual::completions(*shell, out)?),
            Command::Man { dir } => manual::pages(dir).map_err(|error| {
                Failure::Refused(format!("cannot write the man pages into {}: {error}", dir.display()))
            }),
            Command::User(command) => command.perform(self, out),
            Command::Group(command) => command.perform(self, out),
            Command::App(command) => command.perform(self, out),
            Command::Device(command) => command.perform(self, out),
            Command::Audit(args) => args.perform(self, out),
        }
    }

    fn check_config(&self, out: &mut impl Write, errors: &mut impl Write) -> Result<(), Failure> {
        let loaded = load_with(&self.config, None).and_then(Loaded::with_https);
        let loaded = loaded.map_err(|error| Failure::Refused(error.to_string()))?;
        for warning in &loaded.warnings {
            writeln!(errors, "warning: {warning}")?;
        }
        let names: Vec<&str> = loaded.config.locations.keys().map(String::as_str).collect();
        writeln!(out, "{} is valid; locations: {}", self.config.display(), names.join(", "))?;
        Ok(())
    }

    /// Asks the daemon that `--socket` or `--config` names.
    fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        Ok(client::ask(&self.socket()?, method, path, body)?)
    }

    fn socket(&self) -> Result<PathBuf, Failure> {
        match &self.socket {
            Some(socket) => Ok(socket.clone()),
            None => admin_socket(&self.config).map_err(|error| Failure::Refused(error.to_string())),
        }
    }
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Ask(AskError::Unreachable { .. }) => ExitCode::from(3),
            Self::NotInForce => ExitCode::from(4),
            Self::Run(error) => ExitCode::from(error.exit_status()),
            Self::Refused(_)
            | Self::Backup(_)
            | Self::Output(_)
            | Self::Ask(AskError::Refused { .. } | AskError::Forbidden { .. }) => ExitCode::from(1),
        }
    }

    /// What is wrong in which file, one by one.
    fn problems(&self) -> Vec<String> {
        let Self::Ask(AskError::Refused { answer, .. }) = self else { return Vec::new() };
        let problems = answer.get("problems").and_then(Value::as_array).into_iter().flatten();
        let parts = problems.map(|problem| ["file", "key", "reason"].map(|part| problem.get(part)));
        let texts = parts.map(|parts| parts.into_iter().flatten().filter_map(Value::as_str));
        texts.map(|texts| texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ")).collect()
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Ask(AskError::Refused { hint, .. }) => hint.clone(),
            Self::Ask(AskError::Unreachable { .. }) => {
                Some("is it running (postern run)? --config or --socket says where".to_owned())
            }
            Self::Ask(AskError::Forbidden { .. }) => Some(
                "only root and the group postern-admin may: use sudo, or join the group (usermod -aG postern-admin USER) and \
                 sign in again"
                    .to_owned(),
            ),
            Self::NotInForce => Some("`postern status` says why".to_owned()),
            Self::Backup(_) => Some("nothing was changed".to_owned()),
            Self::Refused(_) | Self::Run(_) | Self::Output(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
