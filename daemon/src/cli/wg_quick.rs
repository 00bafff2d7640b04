//! `postern import wg-quick` and `postern export wg-quick`. The command reads the files, which the daemon may not, and
//! afterwards keeps `wg-quick` from taking the interface down again: it disables its unit and moves the file aside,
//! without running any command of the file's.

use std::fs;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::reload::{Form, warn};
use super::text::{items, joined, text};
use super::user::segment;
use super::{Cli, Failure, tools};

/// Twenty thousand peers.
const MOST_BYTES: u64 = 8 * 1024 * 1024;
/// systemd follows a few links.
const QUICK: Duration = Duration::from_secs(30);
/// Where systemd keeps which instances of `wg-quick@.service` start with the host.
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants";

#[derive(Subcommand)]
pub(super) enum ImportCommand {
    /// Take over servers of wg-quick: key, port, addresses and peers, while their tunnels are up.
    ///
    /// Each file becomes a location, each peer a machine with the addresses it has; a key in two files becomes one device
    /// in two locations. Names are taken from comments. Without --yes nothing changes: it is told what would be, and what
    /// would not be as it was. Afterwards the file is renamed to end in .imported and the unit wg-quick@IF is disabled;
    /// none of the file's commands is run, not those for taking the interface down either.
    #[command(
        name = "wg-quick",
        after_help = "Examples:\n  postern import wg-quick --endpoint vpn.example.com /etc/wireguard/wg0.conf\n  \
                      postern import wg-quick --endpoint vpn.example.com --route 10.0.0.0/8 --yes /etc/wireguard/wg0.conf\n\n\
                      JSON: an array, for each file {\"name\", \"interface\", \"listen_port\", \"ipv4\", \"ipv6\", \
                      \"public_key\", \"peers\": [{\"name\", \"public_key\", \"allowed_ips\", \"preshared\", \"endpoint\"}], \
                      \"changes\", \"taken_over\"}; taken over also as `postern reload`."
    )]
    WgQuick(ImportArgs),
}

#[derive(Subcommand)]
pub(super) enum ExportCommand {
    /// Print a location as a file of wg-quick: with its private key and all its peers.
    #[command(
        name = "wg-quick",
        after_help = "Example:\n  postern export wg-quick hq >/etc/wireguard/wg-hq.conf"
    )]
    WgQuick {
        /// Which.
        location: String,
    },
}

#[derive(Args)]
pub(super) struct ImportArgs {
    /// Files of wg-quick; a file's name is the interface's.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where clients reach this host; without a port it is the port listened on.
    #[arg(long, value_name = "HOST[:PORT]")]
    endpoint: String,
    /// The location's name, where there is one file; otherwise the interface's.
    #[arg(long)]
    name: Option<String>,
    /// A network behind this host that peers may reach; may be repeated.
    #[arg(long = "route", value_name = "NET")]
    routes: Vec<String>,
    /// A service of this host that peers may reach, such as udp/53; may be repeated.
    #[arg(long = "host-service", value_name = "PROTO/PORT")]
    host_services: Vec<String>,
    /// Peers reach each other.
    #[arg(long)]
    client_to_client: bool,
    /// What leaves towards the routes keeps the peers' addresses.
    #[arg(long)]
    no_masquerade: bool,
    /// A group that may join, besides the peers; may be repeated. Without any, nobody may.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Do it.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    form: Form,
}

impl ImportCommand {
    pub(super) fn perform(
        &self,
        cli: &Cli,
        out: &mut impl Write,
        errors: &mut impl Write,
    ) -> Result<(), Failure> {
        let Self::WgQuick(args) = self;
        if args.name.is_some() && args.files.len() > 1 {
            return Err(Failure::Refused("--name is for one file: import each by itself".to_owned()));
        }
        let servers = args.files.iter().map(|file| Server::read(file)).collect::<Result<Vec<_>, _>>()?;
        // All are judged before the first is taken over.
        let mut answers = Vec::new();
        for server in &servers {
            answers.push(server.ask(cli, args, "look", out)?);
        }
        if args.yes {
            for (server, answer) in servers.iter().zip(&mut answers) {
                *answer = server.ask(cli, args, "take-over", out)?;
                server.retire(errors)?;
                if servers.len() > 1 {
                    // Should a later one be refused after all, this one stays taken over.
                    writeln!(errors, "{} is taken over", server.interface)?;
                }
            }
        }
        args.form.tell(&json!(answers), out, |out| {
            answers.iter().try_for_each(|answer| show(answer, out))?;
            if args.yes { Ok(()) } else { writeln!(out, "Nothing is changed yet: --yes takes it over.") }
        })?;
        if args.yes { answers.iter().try_for_each(|answer| warn(answer, errors)) } else { Ok(()) }
    }
}

impl ExportCommand {
    pub(super) fn perform(&self, cli: &Cli, out: &mut impl Write) -> Result<(), Failure> {
        let Self::WgQuick { location } = self;
        let path = format!("/locations/{}/wg-quick", segment(location));
        let answer = cli.ask(Method::POST, &path, &json!({}))?;
        Ok(write!(out, "{}", text(&answer, "text"))?)
    }
}

/// A file, and what it is about.
struct Server {
    file: PathBuf,
    interface: String,
    text: Zeroizing<String>,
}

impl Server {
    fn read(file: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::Refused(format!("cannot read {}: {error}", file.display()));
        let opened = fs::File::open(file).map_err(failed)?;
        let mut text = Zeroizing::new(String::new());
        let read = opened.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
        if u64::try_from(read).is_ok_and(|bytes| bytes > MOST_BYTES) {
            let reason = format!("{} is longer than {MOST_BYTES} bytes: split it", file.display());
            return Err(Failure::Refused(reason));
        }
        let stem =
            file.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".conf"));
        let Some(interface) = stem else {
            let reason = format!("{} is not named INTERFACE.conf, as wg-quick wants it", file.display());
            return Err(Failure::Refused(reason));
        };
        Ok(Self { file: file.to_owned(), interface: interface.to_owned(), text })
    }

    fn ask(&self, cli: &Cli, args: &ImportArgs, deed: &str, out: &mut impl Write) -> Result<Value, Failure> {
        let list = |list: &[String]| if list.is_empty() { Value::Null } else { json!(list) };
        let body = json!({
            "name": args.name.as_ref().unwrap_or(&self.interface),
            "interface": self.interface,
            "endpoint": args.endpoint,
            "text": self.text.as_str(),
            "keys": {
                "routes": list(&args.routes),
                "host_services": list(&args.host_services),
                "groups": list(&args.groups),
                "client_to_client": args.client_to_client,
                "masquerade": !args.no_masquerade,
            },
            "deed": deed,
        });
        args.form.ask(cli, (Method::POST, "/import/wg-quick"), &body, out)
    }

    /// Keeps `wg-quick` from ever touching the interface again. What does not succeed is told: the server is taken over
    /// in any case.
    fn retire(&self, errors: &mut impl Write) -> io::Result<()> {
        let unit = format!("wg-quick@{}.service", self.interface);
        if fs::symlink_metadata(Path::new(WANTED).join(&unit)).is_ok() {
            let disabled = tools::run("systemctl", &["--quiet", "disable", &unit], QUICK);
            if !disabled.is_ok_and(|said| said.is_success) {
                writeln!(
                    errors,
                    "postern: warning: {unit} is still enabled: run `systemctl disable {unit}`"
                )?;
            }
        }
        let mut aside = self.file.as_os_str().to_owned();
        aside.push(".imported");
        if let Err(error) = fs::rename(&self.file, &aside) {
            writeln!(
                errors,
                "postern: warning: {} could not be renamed ({error}): rename it, or `wg-quick down` removes the interface",
                self.file.display()
            )?;
        }
        Ok(())
    }
}

fn show(answer: &Value, out: &mut impl Write) -> io::Result<()> {
    let is_done = answer.get("taken_over").and_then(Value::as_bool) == Some(true);
    let port = answer.get("listen_port").map(Value::to_string).unwrap_or_default();
    let subnets: Vec<&str> =
        ["ipv4", "ipv6"].map(|key| text(answer, key)).into_iter().filter(|text| !text.is_empty()).collect();
    writeln!(
        out,
        "location {} ({}, port {port}, {}) {}",
        text(answer, "name"),
        text(answer, "interface"),
        subnets.join(", "),
        if is_done { "is taken over" } else { "can be taken over" }
    )?;
    let peers = items(answer, "peers");
    for peer in peers {
        let name = match text(peer, "name") {
            "" => "(no name)",
            name => name,
        };
        let at = match text(peer, "endpoint") {
            "" => String::new(),
            endpoint => format!(", called at {endpoint}"),
        };
        writeln!(out, "  {name}: {}{at}", joined(peer, "allowed_ips"))?;
    }
    writeln!(out, "  {} peers", peers.len())?;
    writeln!(out, "What will not be as it was, or is to be known:")?;
    items(answer, "changes")
        .iter()
        .filter_map(Value::as_str)
        .try_for_each(|change| writeln!(out, "  {change}"))
}
