//! `postern status`: the overview, for people.

use std::io::{self, Write};

use clap::Args;
use hyper::Method;
use serde_json::{Value, json};

use super::reload::Form;
use super::text::is_true;
use super::{Cli, Failure, table};

#[derive(Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    form: Form,
}

impl StatusArgs {
    pub(super) fn perform(&self, cli: &Cli, out: &mut impl Write) -> Result<(), Failure> {
        let answer = self.form.ask(cli, (Method::GET, "/status"), &json!({}), out)?;
        Ok(self.form.tell(&answer, out, |out| show(&answer, out))?)
    }
}

fn show(status: &Value, out: &mut impl Write) -> io::Result<()> {
    let text = |key: &str| status.get(key).and_then(Value::as_str).unwrap_or_default();
    let uptime = status.get("uptime_seconds").and_then(Value::as_i64).unwrap_or(0);
    writeln!(out, "postern {}, up {}, {}", text("version"), ago(uptime), text("public_url"))?;
    writeln!(out)?;
    let empty = Vec::new();
    let list = |key: &str| status.get(key).and_then(Value::as_array).unwrap_or(&empty);
    let now = text("started_at").parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second) + uptime;
    let rows: Vec<[String; 8]> = list("locations").iter().map(|location| row(location, now)).collect();
    let headings =
        ["LOCATION", "INTERFACE", "BACKEND", "PEERS", "CONNECTED", "LAST HANDSHAKE", "REPAIRED", "STATE"];
    table::write(out, headings, &rows)?;
    show_in_process(list("locations"), out)?;
    writeln!(out)?;
    let count = |group: &str, key: &str| status.pointer(&format!("/{group}/{key}")).map_or(0, number);
    writeln!(
        out,
        "Users: {} ({} not enrolled, {} disabled). Devices: {}. Mail: {}.",
        count("users", "total"),
        count("users", "not_enrolled"),
        count("users", "disabled"),
        status.get("devices").map_or(0, number),
        mail(status),
    )?;
    show_certificate(status, out)?;
    writeln!(out)?;
    show_trouble(status, list("problems"), [list("pending"), list("waiting")], out)?;
    list("notes").iter().filter_map(Value::as_str).try_for_each(|note| writeln!(out, "Note: {note}"))
}

/// Tunnels that end with the daemon, and which of them need not.
fn show_in_process(locations: &[Value], out: &mut impl Write) -> io::Result<()> {
    let names = |is_meant: fn(&Value) -> bool| {
        let meant = locations.iter().filter(|location| is_meant(location));
        meant.map(|location| cell(location, "name")).collect::<Vec<_>>().join(", ")
    };
    let in_process = names(|location| cell(location, "backend") == "userspace");
    if !in_process.is_empty() {
        writeln!(out, "Userspace tunnels end with the daemon: {in_process}")?;
    }
    let movable = names(|location| is_true(location, "kernel_at_restart"));
    for location in locations {
        let unconnected = location.get("unconnected").map_or(0, number);
        if unconnected > 0 {
            writeln!(
                out,
                "Waiting for a second factor on {}: {unconnected} devices",
                cell(location, "name")
            )?;
        }
    }
    if !movable.is_empty() {
        writeln!(
            out,
            "The kernel has WireGuard now. `systemctl restart postern` moves to it, interrupting tunnels once: {movable}"
        )?;
    }
    Ok(())
}

fn show_certificate(status: &Value, out: &mut impl Write) -> io::Result<()> {
    let https = status.get("https").unwrap_or(&Value::Null);
    if https.get("issuer").is_none_or(Value::is_null) {
        return Ok(());
    }
    let names = https.get("names").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<&str> = names.filter_map(Value::as_str).collect();
    let said = ["source", "issuer", "not_after"].map(|key| cell(https, key));
    let [source, issuer, not_after] = said;
    writeln!(out, "Certificate ({source}): {}, by {issuer}, until {not_after}.", names.join(", "))
}

fn show_trouble(
    status: &Value,
    problems: &[Value],
    [pending, waiting]: [&[Value]; 2],
    out: &mut impl Write,
) -> io::Result<()> {
    if status.get("healthy") == Some(&Value::Bool(true)) {
        return writeln!(out, "All is well.");
    }
    writeln!(out, "Needs attention:")?;
    for problem in problems.iter().filter_map(Value::as_str) {
        writeln!(out, "  {problem}")?;
    }
    for device in pending {
        writeln!(out, "  pending: {} on {}", full_name(device), cell(device, "location"))?;
    }
    for device in waiting {
        writeln!(out, "  waiting for an address: {} on {}", full_name(device), cell(device, "location"))?;
    }
    Ok(())
}

fn full_name(device: &Value) -> String {
    let owner = device.get("username").and_then(Value::as_str).map(|name| format!("{name}/"));
    owner.unwrap_or_default() + &cell(device, "device")
}

fn row(location: &Value, now: i64) -> [String; 8] {
    let peers = location.get("peers").map_or(0, number);
    let wanted = location.get("wanted_peers").map_or(0, number);
    let handshake = cell(location, "last_handshake").parse::<jiff::Timestamp>();
    [
        cell(location, "name"),
        cell(location, "interface"),
        cell(location, "backend"),
        if peers == wanted { peers.to_string() } else { format!("{peers} of {wanted}") },
        cell(location, "connected"),
        handshake
            .map_or("never".to_owned(), |time| format!("{} ago", ago(now.saturating_sub(time.as_second())))),
        cell(location, "drift_repaired"),
        if location.get("failing").is_none_or(Value::is_null) { "ok" } else { "failing" }.to_owned(),
    ]
}

fn mail(status: &Value) -> String {
    let count = |key: &str| status.pointer(&format!("/mail/{key}")).map_or(0, number);
    if status.pointer("/mail/sent") == Some(&Value::Bool(false)) {
        return "none is sent, links are printed".to_owned();
    }
    format!("{} waiting, {} in trouble", count("waiting"), count("troubled"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn cell(object: &Value, key: &str) -> String {
    match object.get(key) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// A length of time, in its two largest units.
fn ago(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let units = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let (mut rest, mut parts) = (seconds, Vec::new());
    for (length, unit) in units {
        if rest >= length && parts.len() < 2 {
            parts.push(format!("{} {unit}", rest / length));
            rest %= length;
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_told_in_two_units() {
        assert_eq!(ago(0), "0 s");
        assert_eq!(ago(59), "59 s");
        assert_eq!(ago(3600), "1 h");
        assert_eq!(ago(90_061), "1 d 1 h");
    }

    #[test]
    fn an_overview_shows_locations_counts_and_what_needs_attention() {
        let status = json!({
            "version": "0.1.0", "public_url": "https://vpn.example.com/", "started_at": "2026-01-01T00:00:00Z",
            "uptime_seconds": 120, "healthy": false,
            "locations": [{
                "name": "hq", "interface": "wg-hq", "backend": "userspace", "peers": 2, "wanted_peers": 3,
                "connected": 1, "last_handshake": "2026-01-01T00:01:30Z", "drift_repaired": 0,
                "failing": "the name is taken", "kernel_at_restart": true,
            }],
            "users": {"total": 3, "not_enrolled": 1, "disabled": 0}, "devices": 2,
            "mail": {"sent": true, "waiting": 0, "troubled": 0},
            "https": {"source": "files", "names": ["vpn.example.com"], "issuer": "CN=Test",
                      "not_after": "2026-03-01T00:00:00Z"},
            "problems": ["location hq: the name is taken"],
            "pending": [{"device": "laptop", "username": "ann", "location": "hq"}],
            "waiting": [{"device": "edge", "username": null, "location": "lab"}],
            "notes": ["the kernel keeps no such table"],
        });
        let mut out = Vec::new();
        show(&status, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        insta::assert_snapshot!(text, @r"
        postern 0.1.0, up 2 min, https://vpn.example.com/

        LOCATION  INTERFACE  BACKEND    PEERS   CONNECTED  LAST HANDSHAKE  REPAIRED  STATE
        hq        wg-hq      userspace  2 of 3  1          30 s ago        0         failing
        Userspace tunnels end with the daemon: hq
        The kernel has WireGuard now. `systemctl restart postern` moves to it, interrupting tunnels once: hq

        Users: 3 (1 not enrolled, 0 disabled). Devices: 2. Mail: 0 waiting, 0 in trouble.
        Certificate (files): vpn.example.com, by CN=Test, until 2026-03-01T00:00:00Z.

        Needs attention:
          location hq: the name is taken
          pending: ann/laptop on hq
          waiting for an address: edge on lab
        Note: the kernel keeps no such table
        ");
    }
}
