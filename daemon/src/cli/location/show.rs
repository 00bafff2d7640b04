//! How locations are shown to people.

use std::io::{self, Write};

use serde_json::Value;

use crate::cli::table;

/// What `show` prints, in this order.
const LINES: [(&str, &str); 22] = [
    ("Name", "name"),
    ("Number", "number"),
    ("File", "file"),
    ("Interface", "interface"),
    ("Backend", "backend"),
    ("Listen port", "listen_port"),
    ("Endpoint", "endpoint"),
    ("Public key", "public_key"),
    ("IPv4", "ipv4"),
    ("IPv6", "ipv6"),
    ("DNS", "dns"),
    ("Routes", "routes"),
    ("MTU", "mtu"),
    ("Keepalive", "keepalive"),
    ("Groups", "groups"),
    ("Masquerade", "masquerade"),
    ("Client to client", "client_to_client"),
    ("Host services", "host_services"),
    ("Second factor", "second_factor"),
    ("Devices", "devices"),
    ("Peers", "peers"),
    ("Free addresses", "free_addresses"),
];

/// The columns of the table.
const COLUMNS: [(&str, &str); 8] = [
    ("NAME", "name"),
    ("INTERFACE", "interface"),
    ("BACKEND", "backend"),
    ("ENDPOINT", "endpoint"),
    ("IPV4", "ipv4"),
    ("IPV6", "ipv6"),
    ("PEERS", "peers"),
    ("GROUPS", "groups"),
];

/// One location, a line for each thing.
pub(super) fn one(location: &Value, out: &mut impl Write) -> io::Result<()> {
    for (label, key) in LINES {
        writeln!(out, "{label:<17} {}", shown(location, key))?;
    }
    match location.get("failing").and_then(Value::as_str) {
        Some(reason) => writeln!(out, "{:<17} {reason}", "Failing"),
        None => Ok(()),
    }
}

/// All locations, a row for each.
pub(super) fn all(locations: &Value, out: &mut impl Write) -> io::Result<()> {
    let locations = locations.as_array().into_iter().flatten();
    let rows = locations.map(|location| COLUMNS.map(|(_, key)| shown(location, key)));
    table::write(out, COLUMNS.map(|(heading, _)| heading), &rows.collect::<Vec<_>>())
}

fn shown(location: &Value, key: &str) -> String {
    match (key, location.get(key)) {
        ("groups", Some(Value::Null)) => "everybody".to_owned(),
        ("groups", Some(Value::Array(groups))) if groups.is_empty() => "nobody".to_owned(),
        (_, None | Some(Value::Null)) => "-".to_owned(),
        (_, Some(Value::Array(items))) if items.is_empty() => "-".to_owned(),
        (_, Some(Value::Array(items))) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        (_, Some(Value::Bool(true))) => "yes".to_owned(),
        (_, Some(Value::Bool(false))) => "no".to_owned(),
        (_, Some(Value::String(text))) => text.clone(),
        (_, Some(other)) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_has_a_title_and_a_row_for_each_location() {
        let hq = json!({ "name": "hq", "interface": "wg-hq", "backend": "kernel", "endpoint": "vpn:1", "ipv4": null,
                         "ipv6": "fd77::/64", "peers": 12, "groups": null });
        let lab = json!({ "name": "laboratory", "peers": 0, "groups": [] });
        let mut out = Vec::new();
        all(&json!([hq, lab]), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "NAME        INTERFACE  BACKEND  ENDPOINT  IPV4  IPV6       PEERS  GROUPS\n\
             hq          wg-hq      kernel   vpn:1     -     fd77::/64  12     everybody\n\
             laboratory  -          -        -         -     -          0      nobody\n"
        );
    }
}
