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
use crate::rules::wg_quick::parse;

/// What those are told who only look.
pub(super) const NOT_YET: &str = "Nothing is changed yet: --yes takes it over.\n";
/// Of all files; twenty thousand peers have as many.
const MOST_BYTES: u64 = 8 * 1024 * 1024;
/// systemd follows a few links.
const QUICK: Duration = Duration::from_secs(30);

#[derive(Subcommand)]
pub(super) enum ImportCommand {
    /// Take over servers of wg-quick: key, port, addresses and peers, while their tunnels are up.
    ///
    /// Each file becomes a location, each peer a machine with the addresses it has; a key in two files becomes one device
    /// in two locations. Names are taken from comments; names of endpoints are looked up this once. Without --yes nothing
    /// changes: it is told what would be, and what would not be as it was. With it all files are taken
    /// over, or none. Afterwards the file is renamed to end in .imported and the unit wg-quick@IF is disabled; none of the
    /// file's commands is run, not those for taking the interface down either.
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
    /// Peers reach each other, and the networks behind them.
    #[arg(long)]
    client_to_client: bool,
    /// What leaves towards the routes keeps the peers' addresses; what comes from behind them does so in any case.
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
        let mut left = MOST_BYTES;
        let servers =
            args.files.iter().map(|file| Server::read(file, &mut left)).collect::<Result<Vec<_>, _>>()?;
        let deed = if args.yes { "take-over" } else { "look" };
        let answer = ask(cli, args, &servers, deed, out)?;
        let answers = answer.as_array().cloned().unwrap_or_default();
        if args.yes {
            servers.iter().try_for_each(|server| server.retire(errors))?;
        }
        args.form.tell(&answer, out, |out| {
            answers.iter().try_for_each(|answer| show(answer, out))?;
            if args.yes { Ok(()) } else { out.write_all(NOT_YET.as_bytes()) }
        })?;
        // What was put into force is the same for all.
        answers.first().filter(|_| args.yes).map_or(Ok(()), |answer| warn(answer, errors))
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

/// All files are judged, and taken over, as one.
fn ask(
    cli: &Cli,
    args: &ImportArgs,
    servers: &[Server],
    deed: &str,
    out: &mut impl Write,
) -> Result<Value, Failure> {
    let list = |list: &[String]| if list.is_empty() { Value::Null } else { json!(list) };
    let server = |server: &Server| {
        let name = args.name.as_ref().unwrap_or(&server.interface);
        json!({ "name": name, "interface": server.interface, "text": server.text.as_str() })
    };
    let body = json!({
        "servers": servers.iter().map(server).collect::<Vec<_>>(),
        "endpoint": args.endpoint,
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

/// A file, and what it is about.
pub(super) struct Server {
    file: PathBuf,
    pub(super) interface: String,
    text: Zeroizing<String>,
}

impl Server {
    /// One that may be taken over, as far as its file says.
    pub(super) fn judged(file: &Path) -> Result<Self, Failure> {
        let mut left = MOST_BYTES;
        let server = Self::read(file, &mut left)?;
        let refused = |problems: &str| {
            let shown = file.display();
            Failure::Refused(format!("{shown} cannot be taken over, and nothing was changed:\n  {problems}"))
        };
        let parsed = parse(&server.text).map_err(|error| refused(&error.0.join("\n  ")))?;
        if parsed.server.listen_port.is_none() {
            return Err(refused("[Interface] has no ListenPort: write the one clients use into the file"));
        }
        Ok(server)
    }

    /// Whether a file is that of a server, whatever else may be wrong with it: its interface has a port.
    pub(super) fn listens(file: &Path) -> bool {
        let mut left = MOST_BYTES;
        let Ok(server) = Self::read(file, &mut left) else { return false };
        let lines = server.text.lines().map(|line| line.trim().to_ascii_lowercase());
        let interface = lines.skip_while(|line| line != "[interface]").take_while(|line| line != "[peer]");
        let mut keys = interface.filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned()));
        keys.any(|key| key == "listenport")
    }

    /// `left` is how many bytes all files may still have.
    fn read(file: &Path, left: &mut u64) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::Refused(format!("cannot read {}: {error}", file.display()));
        let opened = fs::File::open(file).map_err(failed)?;
        let mut text = Zeroizing::new(String::new());
        let read = opened.take(*left + 1).read_to_string(&mut text).map_err(failed)?;
        *left = u64::try_from(read).ok().and_then(|read| left.checked_sub(read)).ok_or_else(|| {
            let files = if *left < MOST_BYTES { ", with the files before it," } else { "" };
            Failure::Refused(format!("{}{files} is longer than {MOST_BYTES} bytes: split it", file.display()))
        })?;
        let stem =
            file.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".conf"));
        let Some(interface) = stem else {
            let reason = format!("{} is not named INTERFACE.conf, as wg-quick wants it", file.display());
            return Err(Failure::Refused(reason));
        };
        Ok(Self { file: file.to_owned(), interface: interface.to_owned(), text })
    }

    /// Keeps `wg-quick` from ever touching the interface again. What does not succeed is told: the server is taken over
    /// in any case.
    fn retire(&self, errors: &mut impl Write) -> io::Result<()> {
        let unit = format!("wg-quick@{}.service", self.interface);
        // Where there is no systemd, there is no unit either. Neither of these verbs starts or stops anything, so no command
        // of the file's is run.
        let systemctl = |verb| {
            tools::run("systemctl", &["--quiet", verb, &unit], QUICK).is_ok_and(|said| said.is_success)
        };
        if systemctl("is-enabled") && !systemctl("disable") {
            writeln!(errors, "postern: warning: {unit} is still enabled: run `systemctl disable {unit}`")?;
        }
        // One of an earlier server stays.
        let mut asides = (1..).map(|count| aside(&self.file, count));
        let aside = asides.find(|aside| fs::symlink_metadata(aside).is_err()).unwrap_or_default();
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

/// What a file that was taken over is called; `count` tells it from earlier ones of its name.
pub(super) fn aside(file: &Path, count: u32) -> PathBuf {
    let mut aside = file.as_os_str().to_owned();
    if count > 1 {
        aside.push(format!(".{count}"));
    }
    aside.push(".imported");
    aside.into()
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
