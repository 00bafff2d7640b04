//! Links that carry a token, and the names of files that WireGuard programs take.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The longest name of a tunnel: that of a Linux interface.
const LONGEST_NAME: usize = 15;

/// What the desktop client opens (protocol 5.2).
pub fn deep_link(public_url: &str, token: &str) -> String {
    format!("defguard://addinstance?token={}&url={}", percent_encoded(token), percent_encoded(public_url))
}

/// Names of tunnels for locations, in their order: every WireGuard program takes them as file names, and no two are the
/// same.
pub fn tunnel_names<'a>(locations: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut names = Vec::new();
    for location in locations {
        let plain = plain(location);
        let numbered = (2..).map(|number: u32| {
            let number = number.to_string();
            let kept = plain.get(..LONGEST_NAME - 1 - number.len()).unwrap_or(&plain);
            format!("{kept}-{number}")
        });
        let name = std::iter::once(plain.clone()).chain(numbered).find(|name| taken.insert(name.clone()));
        names.extend(name);
    }
    names
}

fn plain(location: &str) -> String {
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '=' | '+' | '.' | '-') {
            Some(c.to_ascii_lowercase())
        } else if c.is_whitespace() {
            Some('-')
        } else {
            None
        }
    };
    let name: String = location.chars().filter_map(kept).take(LONGEST_NAME).collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "vpn".to_owned() } else { name.to_owned() }
}

/// Everything but the unreserved characters of RFC 3986, section 2.3.
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deep_link_is_as_the_client_documents_it() {
        assert_eq!(
            deep_link("https://vpn.example.com/", "aB9"),
            "defguard://addinstance?token=aB9&url=https%3A%2F%2Fvpn.example.com%2F"
        );
    }

    #[test]
    fn tunnels_have_short_plain_names_of_their_own() {
        let names = tunnel_names([
            "HQ",
            "hq",
            "Main Office Warsaw",
            "Main Office Wien",
            "Main Office W",
            "../etc",
            "Zürich 1",
            "東京",
        ]);
        let expected =
            ["hq", "hq-2", "main-office-war", "main-office-wie", "main-office-w", "etc", "zrich-1", "vpn"];
        assert_eq!(names, expected);
        let alike = tunnel_names(["Main Office Warsaw 1", "Main Office Warsaw 2"]);
        assert_eq!(alike, ["main-office-war", "main-office-w-2"]);
    }
}
