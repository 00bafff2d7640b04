//! `postern device …`.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::account::token;
use super::reload::Form;
use super::text::{facts, in_force, is_true, items, joined, text};
use super::user::{seconds, segment};
use super::{Cli, Failure, table};

#[derive(Subcommand)]
pub(super) enum DeviceCommand {
    /// List devices, with where they are live.
    #[command(
        after_help = "Example:\n  postern device list --user ann\n\nJSON: an array of what `postern device show --json` gives"
    )]
    List {
        /// Only this user's.
        #[arg(long, value_name = "USERNAME")]
        user: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Show one device: key, addresses, handshakes and traffic.
    #[command(
        after_help = "Example:\n  postern device show ann/laptop\n\nJSON:\n  {\"id\", \"name\", \"user\", \"machine\", \
                      \"public_key\", \"locations\": [{\"location\", \"ipv4\", \"ipv6\", \"allowed_ips\", \"state\": live|pending|no-address, \
                      \"live_since\", \"traffic\": {\"last_handshake\", \"endpoint\", \"rx_bytes\", \"tx_bytes\"}}], \
                      \"enrollment\": see postern user show, \"created_at\"}"
    )]
    Show(DeviceArgs),
    /// Give a device another name.
    #[command(
        after_help = "Example:\n  postern device rename ann/laptop \"old laptop\"\n\nJSON:\n  {\"id\", \"name\", \"user\", \
                      \"applied\"}"
    )]
    Rename {
        #[command(flatten)]
        device: DeviceArgs,
        /// 1 to 64 characters.
        name: String,
    },
    /// Give a machine that was taken over from wg-quick to a person.
    ///
    /// It keeps its key and its addresses. From then on it is where its owner may be, and ends with the owner's account.
    #[command(
        after_help = "Example:\n  postern device give \"ann's laptop\" ann\n\nJSON:\n  {\"id\", \"name\", \"user\", \"applied\"}"
    )]
    Give {
        #[command(flatten)]
        device: DeviceArgs,
        /// Whose it is from then on.
        user: String,
        /// Even if that is more devices than a person may have.
        #[arg(long)]
        beyond_limit: bool,
    },
    /// Remove a device for good: its peers are gone when this returns. It does not ask.
    #[command(
        after_help = "Example:\n  postern device remove ann/laptop\n\nJSON:\n  {\"id\", \"name\", \"user\", \"locations\": \
                      [NAME], \"applied\"}"
    )]
    Remove(DeviceArgs),
    /// Add a machine, for example a server: prints the token with which it enrolls.
    #[command(
        after_help = "Example:\n  postern device add-machine --name build-1 --location hq\n\nThen on the machine:\n  dg enroll -u URL \
                      -t TOKEN\n\nJSON:\n  {\"id\", \"name\", \"location\", \"url\", \"token\", \"expires_at\", \"applied\"}"
    )]
    AddMachine {
        /// Unique among machines.
        #[arg(long)]
        name: String,
        /// Its only location.
        #[arg(long)]
        location: String,
        #[command(flatten)]
        terms: TermsArgs,
    },
    /// Give a machine that lost its key a fresh token; its peer stays until it registers another key.
    #[command(
        after_help = "Example:\n  postern device reissue build-1\n\nJSON: as `postern device add-machine --json`"
    )]
    Reissue {
        /// Which: NAME or number.
        device: String,
        #[command(flatten)]
        terms: TermsArgs,
    },
}

#[derive(Args)]
pub(super) struct DeviceArgs {
    /// Which: NAME, USERNAME/NAME, or the number that `postern device list` shows (#NUMBER where a name is a number).
    device: String,
    #[command(flatten)]
    form: Form,
}

#[derive(Args)]
pub(super) struct TermsArgs {
    /// The administrator whom the machine's user is shown.
    #[arg(long, value_name = "ADMIN")]
    by: Option<String>,
    /// How long the token is good: 30m, 24h, 7d.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    ttl: Option<u64>,
    #[command(flatten)]
    form: Form,
}

impl DeviceCommand {
    pub(super) fn perform(&self, cli: &Cli, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::List { user, form } => {
                let query = user.as_ref().map(|user| format!("?user={}", segment(user))).unwrap_or_default();
                let answer = form.ask(cli, (Method::GET, &format!("/devices{query}")), &json!({}), out)?;
                Ok(form.tell(&answer, out, |out| list(&answer, out))?)
            }
            Self::Show(DeviceArgs { device, form }) => {
                let answer = form.ask(cli, (Method::GET, &path(device)), &json!({}), out)?;
                Ok(form.tell(&answer, out, |out| show(&answer, out))?)
            }
            Self::Rename { device: DeviceArgs { device, form }, name } => {
                let answer = form.ask(cli, (Method::PATCH, &path(device)), &json!({ "name": name }), out)?;
                form.show(&answer, &format!("{} is its name", full_name(&answer)), out)?;
                in_force(&answer)
            }
            Self::Give { device: DeviceArgs { device, form }, user, beyond_limit } => {
                let give = format!("{}/give", path(device));
                let body = json!({ "user": user, "beyond_limit": beyond_limit });
                let answer = form.ask(cli, (Method::POST, &give), &body, out)?;
                form.show(&answer, &format!("{} is theirs", full_name(&answer)), out)?;
                in_force(&answer)
            }
            Self::Remove(DeviceArgs { device, form }) => {
                let answer = form.ask(cli, (Method::DELETE, &path(device)), &json!({}), out)?;
                let locations = joined(&answer, "locations");
                let told = format!("{} is removed (locations: {locations})", full_name(&answer));
                form.show(&answer, &told, out)?;
                in_force(&answer)
            }
            Self::AddMachine { name, location, terms } => {
                let body = json!({ "name": name, "location": location, "terms": terms.body() });
                terms.ask(cli, "/devices", &body, out)
            }
            Self::Reissue { device, terms } => {
                terms.ask(cli, &format!("{}/reissue", path(device)), &terms.body(), out)
            }
        }
    }
}

impl TermsArgs {
    fn body(&self) -> Value {
        json!({ "by": self.by, "ttl_seconds": self.ttl })
    }

    fn ask(&self, cli: &Cli, path: &str, body: &Value, out: &mut impl Write) -> Result<(), Failure> {
        let answer = self.form.ask(cli, (Method::POST, path), body, out)?;
        let of = |key| text(&answer, key).to_owned();
        self.form.tell(&answer, out, |out| {
            facts(
                out,
                [
                    ("Machine", of("name")),
                    ("Location", of("location")),
                    ("URL", of("url")),
                    ("Token", of("token")),
                    ("Expires", of("expires_at")),
                ],
            )
        })?;
        in_force(&answer)
    }
}

fn path(device: &str) -> String {
    format!("/devices/{}", segment(device))
}

fn full_name(device: &Value) -> String {
    let name = text(device, "name");
    match text(device, "user") {
        "" => name.to_owned(),
        user => format!("{user}/{name}"),
    }
}

fn list(answer: &Value, out: &mut impl Write) -> io::Result<()> {
    let rows = answer.as_array().into_iter().flatten().map(|device| {
        let user = if is_true(device, "machine") { "(machine)" } else { text(device, "user") };
        [number(device), text(device, "name").to_owned(), user.to_owned(), describe_places(device)]
    });
    table::write(out, ["NUMBER", "NAME", "USER", "LOCATIONS"], &rows.collect::<Vec<_>>())
}

fn show(device: &Value, out: &mut impl Write) -> io::Result<()> {
    let user = if is_true(device, "machine") { "none: a machine" } else { text(device, "user") };
    let key = match text(device, "public_key") {
        "" => "none yet",
        key => key,
    };
    let newest = device.get("enrollment").filter(|newest| newest.is_object());
    facts(
        out,
        [
            ("Number", number(device)),
            ("Name", text(device, "name").to_owned()),
            ("User", user.to_owned()),
            ("Key", key.to_owned()),
            ("Created", text(device, "created_at").to_owned()),
            ("Token", newest.map(token).unwrap_or_default()),
        ],
    )?;
    for place in items(device, "locations") {
        writeln!(out, "{:<12} {}", "Location", describe_place(place))?;
        if let Some(traffic) = place.get("traffic").filter(|traffic| traffic.is_object()) {
            let handshake = match text(traffic, "last_handshake") {
                "" => "never",
                time => time,
            };
            let bytes = |key: &str| traffic.get(key).and_then(Value::as_u64).unwrap_or_default();
            writeln!(out, "  handshake  {handshake}")?;
            writeln!(
                out,
                "  traffic    {} bytes received, {} bytes sent",
                bytes("rx_bytes"),
                bytes("tx_bytes")
            )?;
        }
    }
    Ok(())
}

fn number(device: &Value) -> String {
    device.get("id").map(Value::to_string).unwrap_or_default()
}

/// Where a device is and should be.
pub(super) fn describe_places(device: &Value) -> String {
    let places: Vec<String> = items(device, "locations").iter().map(describe_place).collect();
    if places.is_empty() { "-".to_owned() } else { places.join("; ") }
}

fn describe_place(place: &Value) -> String {
    let own = items(place, "allowed_ips").iter().filter_map(Value::as_str);
    let addresses = [text(place, "ipv4"), text(place, "ipv6")].into_iter().chain(own);
    let addresses = addresses.filter(|address| !address.is_empty());
    let state = match text(place, "state") {
        "live" => format!("live since {}", text(place, "live_since")),
        "no-address" => "no free address".to_owned(),
        "second-factor" => "waiting for a second factor".to_owned(),
        "left-out" => {
            "left out: it asks for a second factor, which only the desktop client can give".to_owned()
        }
        state => state.to_owned(),
    };
    let words = std::iter::once(text(place, "location")).chain(addresses).map(str::to_owned);
    words.chain([format!("({state})")]).collect::<Vec<_>>().join(" ")
}
