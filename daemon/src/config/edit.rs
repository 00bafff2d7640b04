//! Location files as text: makes a new one and changes keys of one that is there. Comments and formatting stay, and
//! so does every key that was not named. Pure; what the values mean is judged when the text is loaded.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use toml_edit::{Array, Document, DocumentMut, Item, Table, TomlError, Value};

/// What a new file is made from: every key, documented.
const SAMPLE: &str = include_str!("../../../config/locations.d/example.toml.sample");
/// Stands where the sample tells how to copy it.
const HEADING: &str = "# A location: one VPN network. After an edit: postern reload";

/// Why a text cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is no TOML.
    #[error("the file cannot be read as TOML")]
    Unreadable(#[from] TomlError),
    /// Something else has a table's name.
    #[error("{0} is no table")]
    NoTable(&'static str),
}

/// The keys of a location file, as they are to be written; `None`: as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LocationKeys {
    /// See `config/locations.d/example.toml.sample`, for this and all others. Only a new file gets one: a location by
    /// another name is another location.
    #[serde(skip)]
    pub name: Option<String>,
    /// A link's name.
    pub interface: Option<String>,
    /// A UDP port.
    pub listen_port: Option<u16>,
    /// `host:port`.
    pub endpoint: Option<String>,
    /// A subnet.
    pub ipv4: Option<String>,
    /// A subnet.
    pub ipv6: Option<String>,
    /// Addresses and domains.
    pub dns: Option<Vec<String>>,
    /// Networks.
    pub routes: Option<Vec<String>>,
    /// Bytes.
    pub mtu: Option<u32>,
    /// Seconds.
    pub keepalive: Option<u16>,
    /// Groups; empty: nobody.
    pub groups: Option<Vec<String>>,
    /// On or off.
    pub masquerade: Option<bool>,
    /// On or off.
    pub client_to_client: Option<bool>,
    /// As `udp/53`.
    pub host_services: Option<Vec<String>>,
    /// On or off.
    pub second_factor: Option<bool>,
    /// As `kernel`.
    pub backend: Option<String>,
}

/// A key that a file may do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptionalKey {
    /// No IPv4 subnet.
    Ipv4,
    /// No IPv6 subnet.
    Ipv6,
    /// Every user may join.
    Groups,
    /// As the main file says.
    Backend,
}

impl LocationKeys {
    /// The names of the keys that are given, in the order of the sample.
    pub fn given(&self) -> Vec<&'static str> {
        self.entries().into_iter().map(|(key, _)| key).collect()
    }

    fn entries(&self) -> Vec<(&'static str, Value)> {
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let list = |list: &Option<Vec<String>>| {
            list.as_ref().map(|list| Value::from(list.iter().map(String::as_str).collect::<Array>()))
        };
        let number = |number: Option<i64>| number.map(Value::from);
        let entries = [
            ("name", text(&self.name)),
            ("interface", text(&self.interface)),
            ("listen_port", number(self.listen_port.map(i64::from))),
            ("endpoint", text(&self.endpoint)),
            ("ipv4", text(&self.ipv4)),
            ("ipv6", text(&self.ipv6)),
            ("dns", list(&self.dns)),
            ("routes", list(&self.routes)),
            ("mtu", number(self.mtu.map(i64::from))),
            ("keepalive", number(self.keepalive.map(i64::from))),
            ("groups", list(&self.groups)),
            ("masquerade", self.masquerade.map(Value::from)),
            ("client_to_client", self.client_to_client.map(Value::from)),
            ("host_services", list(&self.host_services)),
            ("second_factor", self.second_factor.map(Value::from)),
            ("backend", text(&self.backend)),
        ];
        entries.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

impl OptionalKey {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Groups => "groups",
            Self::Backend => "backend",
        }
    }
}

/// The text of a new file: the documented sample with these keys.
pub fn new_file(keys: &LocationKeys, without: &BTreeSet<OptionalKey>) -> Result<String, EditError> {
    let documented = SAMPLE.split_once('\n').map_or(SAMPLE, |(_, rest)| rest);
    edit(&format!("{HEADING}\n{documented}"), keys, without)
}

/// `text` with these keys set and those commented out; everything else stays to the letter.
pub fn edit(text: &str, set: &LocationKeys, without: &BTreeSet<OptionalKey>) -> Result<String, EditError> {
    let mut text = text.to_owned();
    for key in without {
        text = commented_out(&text, "", key.name())?;
    }
    let entries = set.entries();
    for (key, _) in &entries {
        text = brought_back(&text, "", key)?;
    }
    let mut document: DocumentMut = text.parse()?;
    for (key, value) in entries {
        put(document.as_table_mut(), key, value);
    }
    Ok(document.to_string())
}

/// Sets a key; one that is there keeps its place, its comments and, where it says the same already, its layout.
pub(super) fn put(table: &mut Table, key: &str, value: Value) {
    match table.get_mut(key) {
        Some(Item::Value(old)) if is_same(old, &value) => {}
        Some(Item::Value(old)) => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        Some(_) | None => drop(table.insert(key, Item::Value(value))),
    }
}

/// Whether two values say the same, however they are laid out.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_array(), other.as_array()) {
        (Some(one), Some(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (None, None) => {
            one.as_str() == other.as_str()
                && one.as_integer() == other.as_integer()
                && one.as_bool() == other.as_bool()
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Where a key of a table (dotted; empty: the top) and its value stand, from the first to the last line.
fn lines_of(text: &str, table: &str, key: &str) -> Result<Option<Range<usize>>, EditError> {
    let document = Document::parse(text)?;
    let mut parts = table.split('.').filter(|part| !part.is_empty());
    let table = parts.try_fold(document.as_table(), |table, part| table.get(part)?.as_table());
    let Some((key, item)) = table.and_then(|table| table.get_key_value(key)) else { return Ok(None) };
    let (Some(key), Some(item)) = (key.span(), item.span()) else { return Ok(None) };
    let start = text.get(..key.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    Ok(Some(start..item.end))
}

/// A key stays readable as a comment, below what explains it.
pub(super) fn commented_out(text: &str, table: &str, key: &str) -> Result<String, EditError> {
    let Some(lines) = lines_of(text, table, key)? else { return Ok(text.to_owned()) };
    let parts = (text.get(..lines.start), text.get(lines.clone()), text.get(lines.end..));
    let (Some(before), Some(entry), Some(after)) = parts else { return Ok(text.to_owned()) };
    Ok(format!("{before}# {}{after}", entry.replace('\n', "\n# ")))
}

/// A key that is there only as a comment gets a line of its own in that place; its value is for the caller.
pub(super) fn brought_back(text: &str, table: &str, key: &str) -> Result<String, EditError> {
    let is_it = |line: &str| {
        let rest = line.strip_prefix('#').and_then(|rest| rest.trim_start().strip_prefix(key));
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    if lines_of(text, table, key)?.is_some() {
        return Ok(text.to_owned());
    }
    let (mut found, mut present) = (false, "");
    let lines = text.split_inclusive('\n').map(|line| {
        let heading = line.trim().strip_prefix('[').and_then(|line| line.strip_suffix(']'));
        present = heading.unwrap_or(present);
        if found || present != table || !is_it(line) {
            return line.to_owned();
        }
        found = true;
        format!("{key} = 0{}", if line.ends_with('\n') { "\n" } else { "" })
    });
    Ok(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# The main office.\nname = \"hq\" # never rename\nlisten_port=51820\n\n# Two resolvers.\ndns = [\n  \
                        \"10.0.0.53\", # first\n  \"10.0.0.54\",\n]\n# Who may join.\ngroups = [\"ops\"] # for now\n# The end.\n";

    #[test]
    fn only_the_given_keys_change_and_every_comment_stays() {
        let keys = LocationKeys { listen_port: Some(51821), groups: list(&["ops", "dev"]), ..keys() };
        let expected = FILE.replace("=51820", "=51821").replace("[\"ops\"]", "[\"ops\", \"dev\"]");
        assert_eq!(edit(FILE, &keys, &BTreeSet::new()).unwrap(), expected);
    }

    #[test]
    fn a_value_that_is_there_already_keeps_its_layout() {
        let same = LocationKeys { dns: list(&["10.0.0.53", "10.0.0.54"]), ..keys() };
        assert_eq!(edit(FILE, &same, &BTreeSet::new()).unwrap(), FILE);
        let other = LocationKeys { dns: list(&["10.0.0.54", "10.0.0.53"]), ..keys() };
        assert!(
            edit(FILE, &other, &BTreeSet::new()).unwrap().contains("dns = [\"10.0.0.54\", \"10.0.0.53\"]\n")
        );
    }

    #[test]
    fn a_key_taken_out_stays_as_a_comment_and_comes_back_in_its_place() {
        let without = edit(FILE, &keys(), &BTreeSet::from([OptionalKey::Groups])).unwrap();
        assert_eq!(without, FILE.replace("groups =", "# groups ="));
        assert!(without.parse::<DocumentMut>().unwrap().get("groups").is_none());
        let back = LocationKeys { groups: list(&[]), ..keys() };
        let back = edit(&without, &back, &BTreeSet::new()).unwrap();
        assert_eq!(back, FILE.replace("groups = [\"ops\"] # for now", "groups = []"));
        let gone = edit("ipv4 = [\n 1,\n]\nname = \"hq\"\n", &keys(), &BTreeSet::from([OptionalKey::Ipv4]));
        assert_eq!(gone.unwrap(), "# ipv4 = [\n#  1,\n# ]\nname = \"hq\"\n");
    }

    #[test]
    fn a_key_that_was_not_there_is_added() {
        let added = LocationKeys { mtu: Some(1400), ..keys() };
        let text = edit(FILE, &added, &BTreeSet::new()).unwrap();
        assert!(text.contains("groups = [\"ops\"] # for now\nmtu = 1400\n"), "{text}");
        assert!(text.contains("# The end."), "{text}");
    }

    #[test]
    fn what_is_no_toml_is_left_alone() {
        assert!(edit("name = ", &keys(), &BTreeSet::new()).is_err());
    }

    #[test]
    fn a_value_cannot_break_out_of_its_string() {
        let sly = LocationKeys { name: Some("x\"\nmtu = 1 # ".to_owned()), ..keys() };
        let text = edit(FILE, &sly, &BTreeSet::new()).unwrap();
        let document: DocumentMut = text.parse().unwrap();
        assert_eq!(document.get("name").unwrap().as_str(), Some("x\"\nmtu = 1 # "));
        assert!(document.get("mtu").is_none());
    }

    #[test]
    fn a_new_file_is_the_documented_sample_with_its_keys() {
        let given = LocationKeys {
            name: Some("lab".to_owned()),
            groups: list(&["ops"]),
            backend: Some("kernel".to_owned()),
            ..keys()
        };
        let text = new_file(&given, &BTreeSet::from([OptionalKey::Ipv6])).unwrap();
        assert!(text.starts_with(
            "# A location: one VPN network. After an edit: postern reload\n\n# Shown to people"
        ));
        for line in
            ["name = \"lab\"\n", "\ngroups = [\"ops\"]\n", "\nbackend = \"kernel\"\n", "\n# ipv6 = \""]
        {
            assert!(text.contains(line), "{line}: {text}");
        }
        let comments = |text: &str| text.lines().filter(|line| line.starts_with("# ")).count();
        assert_eq!(comments(&text), comments(SAMPLE) - 2 + 1);
    }

    fn keys() -> LocationKeys {
        LocationKeys::default()
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the keys want it")]
    fn list(items: &[&str]) -> Option<Vec<String>> {
        Some(items.iter().map(|item| (*item).to_owned()).collect())
    }
}
