//! What has to hold for single values: each function gives the accepted form or says what is wrong and what to write.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::mailbox;

/// The longest time most keys take: a leap year.
const LONGEST_DAYS: u64 = 366;
/// The longest time that something is kept.
const LONGEST_KEPT_DAYS: u64 = 3660;

/// The URL people and clients use, ending in `/`.
pub fn public_url(text: &str) -> Result<String, String> {
    let wrong = |why: &str| {
        format!(
            "{text:?} {why}: write the address people reach this host at, like \"https://vpn.example.com/\""
        )
    };
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.ok_or_else(|| wrong("is not an http or https URL"))?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains('/') {
        return Err(wrong("has a path; the desktop client needs the root of a host"));
    }
    if authority.contains(['?', '#', '@']) {
        return Err(wrong("has more than a host and a port"));
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    if !is_host(host) {
        return Err(wrong("has no valid host (names in other alphabets are written as xn--...)"));
    }
    if port.is_some_and(|port| !is_port(port)) {
        return Err(wrong("has no valid port"));
    }
    Ok(format!("{}/", text.strip_suffix('/').unwrap_or(text)))
}

/// A length of time such as `24h`, `10m`, `30s`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    duration_up_to(LONGEST_DAYS, text)
}

/// How long something is kept, up to ten years.
pub(super) fn long_duration(text: &str) -> Result<Duration, String> {
    duration_up_to(LONGEST_KEPT_DAYS, text)
}

fn duration_up_to(days: u64, text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "{text:?} is not a length of time from 1s to {days}d: write \"30s\", \"10m\", \"24h\" or \"7d\""
        )
    };
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let seconds = number.saturating_mul(factor);
    if (1..=days * 24 * 60 * 60).contains(&seconds) { Ok(Duration::from_secs(seconds)) } else { Err(wrong()) }
}

/// `host:port` as clients reach it.
pub(super) fn endpoint(text: &str) -> Result<(), String> {
    let parts = text.rsplit_once(':');
    if parts.is_some_and(|(host, port)| is_host(host) && is_port(port)) {
        return Ok(());
    }
    Err(format!(
        "{text:?} is not host:port: write where clients reach this host, like \"vpn.example.com:51820\" or \
         \"[2001:db8::1]:51820\""
    ))
}

/// A resolver's address or a search domain.
pub(super) fn dns(text: &str) -> Result<(), String> {
    if text.parse::<IpAddr>().is_ok() || is_name(text) {
        return Ok(());
    }
    Err(format!(
        "{text:?} is neither an address nor a search domain: write it like \"10.0.0.53\" or \"example.com\""
    ))
}

/// What a mail can come from: `postern@example.com` or `Postern <postern@example.com>`.
pub(super) fn sender(text: &str) -> Result<(), String> {
    if mailbox::is_mailbox(text) {
        return Ok(());
    }
    Err(format!("{text:?} is not a sender: write it like \"vpn@example.com\" or \"VPN <vpn@example.com>\""))
}

/// What a mail server is called.
pub fn mail_host(text: &str) -> Result<(), String> {
    let wrong =
        || format!("{text:?} is not a host: write it like \"mail.example.com\", without port and scheme");
    if is_host(text) { Ok(()) } else { Err(wrong()) }
}

/// The host in a public URL.
pub fn host_of(public_url: &str) -> &str {
    let rest = public_url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.trim_end_matches('/');
    match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        Some(_) | None => authority,
    }
}

/// Whether an authority that everybody trusts can certify a host: a name that is not one of a local network (RFC 2606,
/// 6762, 8375).
pub fn is_public_name(host: &str) -> bool {
    let local =
        ["local", "localhost", "internal", "lan", "test", "example", "invalid", "arpa", "home", "corp"];
    let last = host.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    is_name(host) && host.contains('.') && !local.contains(&last.as_str())
}

/// The desktop client reads it strictly (protocol 0.5).
pub(super) fn version(text: &str) -> Result<(), String> {
    let parsed = semver::Version::parse(text).map(drop);
    parsed.map_err(|_| format!("{text:?} is not a semantic version: write it like \"2.1.0\", without a v"))
}

/// What people see as this installation's name.
pub(super) fn shown_name(text: &str) -> Result<(), String> {
    let fits = !text.trim().is_empty() && text.chars().count() <= 64 && !text.chars().any(char::is_control);
    let wrong = || format!("{text:?} is empty, over 64 characters or has control characters");
    if fits { Ok(()) } else { Err(wrong()) }
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(literal) => literal.parse::<Ipv6Addr>().is_ok(),
        None => text.parse::<Ipv4Addr>().is_ok() || is_name(text),
    }
}

/// Whether DNS may know it; what ends in a number is meant as an address (RFC 1123, 2.1).
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or(text);
    text.len() <= 253 && text.split('.').all(label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_port(text: &str) -> bool {
    !text.starts_with('+') && text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_urls_are_plain_and_end_in_a_slash() {
        for (text, taken) in [
            ("https://vpn.example.com:8443", "https://vpn.example.com:8443/"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443/"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]/"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example/"),
        ] {
            assert_eq!(public_url(text), Ok(taken.to_owned()));
        }
        for wrong in [
            "",
            "vpn.example.com",
            "ftp://x",
            "https://",
            "https://x/vpn",
            "https://x/?a",
            "https://u@x",
            "https://x//",
            "https://x:0",
            "https://x:65536",
            "https://x:",
            "https://:8443",
            "https://2001:db8::1",
            "https://256.1.1.1",
            "https://bücher.example",
            "https://a b",
            "https://a..b",
            "https://[::1",
        ] {
            assert!(public_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_names_of_the_public_internet_are_certified_for_everybody() {
        assert!(is_public_name("vpn.example.com"));
        for local in ["vpn", "gw.local", "gw.lan", "192.0.2.1", "[2001:db8::1]", "a..b.com"] {
            assert!(!is_public_name(local), "{local}");
        }
    }

    #[test]
    fn lengths_of_time_have_a_unit_and_limits() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("366d"), Ok(Duration::from_hours(366 * 24)));
        for wrong in ["", "s", "0s", "10", "-1h", "1w", "367d", "99999999999999999999d", "1 h", "ä"] {
            let said = duration(wrong).unwrap_err();
            assert!(said.contains("from 1s to 366d"), "{said}");
        }
        assert_eq!(long_duration("3660d"), Ok(Duration::from_hours(3660 * 24)));
        assert!(long_duration("3661d").unwrap_err().contains("from 1s to 3660d"));
    }

    #[test]
    fn endpoints_are_a_host_and_a_port() {
        for good in ["vpn.example.com:51820", "192.0.2.1:1", "[2001:db8::1]:51820", "vpn:51820"] {
            assert_eq!(endpoint(good), Ok(()), "{good}");
        }
        for wrong in [
            "vpn.example.com",
            "vpn.example.com:0",
            "vpn.example.com:65536",
            "vpn.example.com:+5",
            ":51820",
            "2001:db8::1:51820",
            "[2001:db8::g]:51820",
            "300.1.1.1:51820",
            "-vpn.example.com:51820",
            "vpn..example.com:51820",
            "vpn example:51820",
        ] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn resolvers_are_addresses_and_search_domains_are_names() {
        for good in ["10.0.0.53", "fd77::1", "example.com", "corp"] {
            assert_eq!(dns(good), Ok(()), "{good}");
        }
        for wrong in
            ["", "10.0.0.53,10.0.0.54", "10.0.0.256", "exa mple.com", "a..b", "[fd77::1]", "10.0.0.53:53"]
        {
            assert!(dns(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn versions_are_semantic_and_senders_are_mailboxes() {
        assert_eq!(version("2.1.0"), Ok(()));
        for wrong in ["", "v2.1.0", "2.1", "2.1.0.0", "02.1.0"] {
            assert!(version(wrong).is_err(), "{wrong}");
        }
        assert_eq!(sender("VPN <vpn@example.com>"), Ok(()));
        assert_eq!(sender("vpn@example.com"), Ok(()));
        for wrong in ["", "vpn", "vpn@", "VPN vpn@example.com", "a@b.c, d@e.f"] {
            assert!(sender(wrong).is_err(), "{wrong}");
        }
    }
}
