//! The shipped files, and every way a configuration can be wrong.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

const REQUIRED: &str =
    "public_url = \"https://vpn.example.com\"\n[contact]\nname = \"Ada\"\nemail = \"ada@example.com\"\n";
const HQ: &str = "name = \"hq\"\ninterface = \"wg-hq\"\nlisten_port = 51820\nendpoint = \"vpn.example.com:51820\"\n\
                  ipv4 = \"10.77.0.0/24\"\nipv6 = \"fd77::/64\"\n";

/// Loads a configuration of these files.
fn loaded(main: &str, locations: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("locations.d")).unwrap();
    fs::write(dir.path().join("postern.toml"), format!("locations_dir = \"locations.d\"\n{main}")).unwrap();
    for (name, text) in locations {
        fs::write(dir.path().join("locations.d").join(name), text).unwrap();
    }
    load(&dir.path().join("postern.toml")).map_err(|errors| errors.to_string())
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(name)
}

#[test]
fn the_shipped_configuration_names_every_key_and_equals_the_defaults() {
    let text = fs::read_to_string(shipped("postern.toml")).unwrap();
    let filled = text
        .replace("public_url = \"\"", "public_url = \"https://vpn.example.com\"")
        .replace("name = \"\"\nemail = \"\"", "name = \"Ada\"\nemail = \"ada@example.com\"")
        .replace("\"/etc/postern/locations.d\"", "\"locations.d\"");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("postern.toml");
    fs::write(&path, filled).unwrap();
    let documented = load(&path).unwrap();
    fs::write(&path, format!("locations_dir = \"locations.d\"\n{REQUIRED}")).unwrap();
    assert_eq!(documented, load(&path).unwrap());
    // A key that is not there is refused by its name: what serde lists is what can be written.
    for (table, keys) in raw::KEYS {
        for key in *keys {
            let there = text.lines().any(|line| {
                let line = line.trim_start_matches("# ");
                line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" ="))
            });
            assert!(there, "{table} {key} is not documented");
        }
    }
}

#[test]
fn the_example_location_and_the_development_configuration_load() {
    let sample = fs::read_to_string(shipped("locations.d/example.toml.sample")).unwrap();
    let [sample, plain] = [sample.as_str(), HQ].map(|text| loaded(REQUIRED, &[("hq.toml", text)]).unwrap());
    assert_eq!(sample.locations, plain.locations);
    let dev = load(&shipped("postern.dev.toml")).unwrap();
    assert_eq!(dev.locations.keys().collect::<Vec<_>>(), ["hq", "lab"]);
}

#[test]
fn every_mistake_is_named_with_its_file_and_key() {
    let with = |key: &str, line: &str| {
        let kept = HQ.lines().filter(|kept| !kept.starts_with(&format!("{key} =")));
        kept.chain([line]).collect::<Vec<_>>().join("\n")
    };
    for (key, line, said) in [
        ("endpoint", "endpoint = \"vpn.example.com\"", "endpoint: \"vpn.example.com\" is not host:port"),
        ("endpoint", "", "missing field `endpoint`"),
        ("ipv4", "ipv4 = \"10.77.0.5/24\"", "ipv4: 10.77.0.5/24 has bits beyond its prefix"),
        ("ipv4", "ipv4 = \"10.77.0.0/31\"", "ipv4: the subnet is too small"),
        ("name", "name = \"żółw-ż\"", ""),
        ("name", "name = \"--\"", "name: \"--\" has no ASCII letter or digit"),
        ("mtu", "mtu = 100", "100 is not a usable MTU"),
        ("interface", "interface = \"a b\"", "\"a b\" is not an interface name"),
        ("listen_port", "listen_port = 0", "0 is not a UDP port"),
        ("colour", "colour = 1", "unknown field `colour`"),
    ] {
        match loaded(REQUIRED, &[("hq.toml", &with(key, line))]) {
            Ok(_) => assert_eq!(said, "", "{line} was taken"),
            Err(text) => assert!(
                text.contains("hq.toml: ") && text.contains(said) && !said.is_empty(),
                "{line}: {text}"
            ),
        }
    }
}

#[test]
fn locations_that_get_in_each_others_way_are_refused() {
    let lab = HQ
        .replace("hq", "lab")
        .replace("51820", "51821")
        .replace("10.77.0", "10.78.0")
        .replace("fd77:", "fd78:");
    assert!(loaded(REQUIRED, &[("hq.toml", HQ), ("lab.toml", &lab)]).is_ok());
    for (from, to, said) in [
        ("\"wg-lab\"", "\"wg-hq\"", "interface: \"wg-hq\" is taken by"),
        ("= 51821", "= 51820", "listen_port: \"51820\" is taken by"),
        ("name = \"lab\"", "name = \"H-Q\"", "name: \"hq\" is taken by"),
        ("10.78.0.0/24", "10.0.0.0/8", "ipv4: 10.0.0.0/8 overlaps 10.77.0.0/24"),
        ("fd78::/64", "fd77::/48", "ipv6: fd77::/48 overlaps fd77::/64"),
    ] {
        let text = loaded(REQUIRED, &[("hq.toml", HQ), ("lab.toml", &lab.replace(from, to))]).unwrap_err();
        assert!(text.contains("lab.toml: ") && text.contains(said), "{said}: {text}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = loaded("public_url = \"vpn\"\n[enrollment]\ntoken_ttl = \"soon\"\n", &[]).unwrap_err();
    for said in ["public_url: \"vpn\"", "contact.name", "contact.email", "enrollment.token_ttl: \"soon\""] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn public_urls_are_plain_and_end_in_a_slash() {
    assert_eq!(
        check::public_url("https://vpn.example.com:8443"),
        Ok("https://vpn.example.com:8443/".to_owned())
    );
    for wrong in
        ["", "vpn.example.com", "ftp://x", "https://", "https://x/vpn", "https://x/?a", "https://u@x"]
    {
        assert!(check::public_url(wrong).is_err(), "{wrong}");
    }
}
