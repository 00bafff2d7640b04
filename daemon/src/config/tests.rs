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
    for (table, keys) in keys::KEYS {
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
fn every_mistake_in_a_location_is_named_with_its_file_and_key() {
    let with = |key: &str, line: &str| {
        let kept = HQ.lines().filter(|kept| !kept.starts_with(&format!("{key} =")));
        kept.chain([line]).collect::<Vec<_>>().join("\n")
    };
    let many = |entry: &str, count: usize| vec![entry; count].join(", ");
    let resolvers = format!("dns = [{}]", many("\"10.0.0.53\"", 17));
    for (key, line, said) in [
        ("endpoint", "endpoint = \"vpn.example.com\"", "endpoint: \"vpn.example.com\" is not host:port"),
        ("endpoint", "", "endpoint: missing field `endpoint`"),
        ("ipv4", "ipv4 = \"10.77.0.255/24\"", "ipv4: 10.77.0.255 is the broadcast address of 10.77.0.0/24"),
        ("ipv4", "ipv4 = \"10.77.0.0/31\"", "ipv4: the subnet is too small"),
        ("ipv6", "ipv6 = \"fd77::/127\"", "ipv6: the subnet is too small"),
        ("ipv4", "ipv4 = \"10.77.0.0\"", "ipv4: line 6: "),
        ("name", "name = \"--\"", "name: \"--\" has no ASCII letter or digit"),
        ("mtu", "mtu = 1279", "mtu: line 7: 1279 is not a usable MTU: 1280 (IPv6 needs that much"),
        ("interface", "interface = \"a b\"", "interface: line 6: \"a b\" is not an interface name"),
        ("listen_port", "listen_port = 0", "listen_port: 0 is not a UDP port: 1 to 65535"),
        ("listen_port", "listen_port = 65536", "listen_port: 65536 is not a UDP port: 1 to 65535"),
        ("keepalive", "keepalive = -1", "keepalive: -1 is not a keepalive: 0 (off) to 65535 seconds"),
        ("keepalive", "keepalive = 65536", "keepalive: 65536 is not a keepalive"),
        ("dns", "dns = [\"10.0.0.256\"]", "dns: \"10.0.0.256\" is neither an address nor a search domain"),
        ("dns", &resolvers, "dns: 17 entries are too many: at most 16"),
        ("routes", "routes = [\"10.0.0.1/8\"]", "routes: 10.0.0.1/8 has bits beyond its prefix"),
        (
            "routes",
            "routes = [\"10.77.0.128/25\"]",
            "routes: 10.77.0.128/25 lies in the location's own subnet",
        ),
        ("routes", "routes = [\"10.0.0.0/8\", \"10.0.0.0/8\"]", "routes: 10.0.0.0/8 is there twice"),
        ("host_services", "host_services = [\"icmp\"]", "host_services: line 7: \"icmp\" is not a service"),
        ("backend", "backend = \"fast\"", "backend: line 7: unknown variant `fast`"),
        ("colour", "colour = 1", "colour: line 7: unknown field `colour`"),
    ] {
        let text = loaded(REQUIRED, &[("hq.toml", &with(key, line))]).err();
        let text = text.unwrap_or_else(|| panic!("{line} was taken"));
        assert!(text.contains(&format!("hq.toml: {said}")), "{line}: {text}");
    }
    assert!(loaded(REQUIRED, &[("hq.toml", &with("routes", "routes = [\"0.0.0.0/0\", \"::/0\"]"))]).is_ok());
}

#[test]
fn every_mistake_in_the_main_file_is_named_with_its_file_and_key() {
    for (line, said) in [
        ("instance_name = \"\"", "instance_name: \"\" is empty"),
        ("instance_name = \"a\\nb\"", "instance_name: \"a\\nb\" is empty, over 64 characters or has control"),
        ("colour = 1", "colour: line 2: unknown field `colour`"),
        ("public_url = \"x", "public_url: line 2: "),
        ("[mail]\nfrom = \"somebody\"", "mail.from: \"somebody\" is not a sender"),
        ("[client]\ncore_version = \"v2\"", "client.core_version: \"v2\" is not a semantic version"),
        ("[client]\ncomponent_version = \"2\"", "client.component_version: \"2\" is not a semantic version"),
        ("[http]\nlisten = [\n  \"8080\",\n]", "http.listen: line 8: "),
        (
            "[gateway]\nreconcile_interval = \"1y\"",
            "gateway.reconcile_interval: \"1y\" is not a length of time",
        ),
        ("[enrollment]\ndevices_per_session = 0", "enrollment.devices_per_session: 0 lets nobody"),
        ("[sign_in]\nidle_timeout = \"299s\"", "sign_in.idle_timeout: \"299s\" is too short: 5m or more"),
        ("[sign_in]\nidle_timeout = \"soon\"", "sign_in.idle_timeout: \"soon\" is not a length of time"),
        (
            "[sign_in]\nabsolute_timeout = \"59m\"",
            "sign_in.absolute_timeout: \"59m\" is shorter than idle_timeout",
        ),
    ] {
        let main =
            if line.starts_with('[') { format!("{REQUIRED}{line}\n") } else { format!("{line}\n{REQUIRED}") };
        let text = loaded(&main, &[]).err();
        let text = text.unwrap_or_else(|| panic!("{line} was taken"));
        assert!(text.contains(&format!("postern.toml: {said}")), "{line}: {text}");
    }
}

#[test]
fn a_draft_is_judged_as_if_it_were_there() {
    let dir = tempfile::tempdir().unwrap();
    let [main, hq, lab] = ["main", "hq.toml", "lab.toml"].map(|name| dir.path().join(name));
    fs::write(&main, format!("locations_dir = \".\"\n{REQUIRED}")).unwrap();
    fs::write(&hq, HQ).unwrap();
    let names = |file: &Path, text: Option<&str>| {
        let draft = Draft { file: file.to_owned(), text: text.map(str::to_owned) };
        load_with(&main, Some(&draft)).map(|loaded| loaded.files.into_keys().collect::<Vec<_>>())
    };
    assert_eq!(names(&hq, None).unwrap(), Vec::<String>::new());
    assert_eq!(names(&hq, Some(&HQ.replace("\"hq\"", "\"head\""))).unwrap(), ["head"]);
    let error = names(&lab, Some(HQ)).unwrap_err();
    assert!(error.0.iter().all(|problem| problem.file == lab), "{error}");
    assert!(!lab.exists());
}

#[test]
fn what_only_a_restart_changes_is_kept_and_named() {
    let running = loaded_config("");
    let changed = loaded_config("instance_name = \"other\"\nstate_dir = \"/elsewhere\"\n");
    let (kept, named) = changed.keeping_what_runs(&running);
    assert_eq!(named, ["state_dir"]);
    assert_eq!((kept.instance_name.as_str(), &kept.state_dir), ("other", &running.state_dir));
    assert_eq!(kept.clone().keeping_what_runs(&kept), (kept, Vec::new()));
}

fn loaded_config(lines: &str) -> Config {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("postern.toml");
    let rest = format!("locations_dir = \"/nowhere\"\nadmin_socket = \"/admin.sock\"\n{lines}{REQUIRED}");
    fs::write(&path, rest).unwrap();
    load(&path).unwrap()
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
fn relative_paths_are_seen_from_the_configuration_and_told_without_detours() {
    let dev = load(&shipped("postern.dev.toml")).unwrap();
    assert!(dev.state_dir.ends_with(".postern"), "{}", dev.state_dir.display());
    assert!(!dev.state_dir.components().any(|part| part.as_os_str() == ".."), "{}", dev.state_dir.display());
}

#[test]
fn metrics_beyond_loopback_are_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("postern.toml");
    let listen = "[metrics]\nlisten = [\"127.0.0.1:9586\", \"[::1]:9586\", \"10.0.0.1:9586\", \"[::]:9586\"]";
    fs::write(&path, format!("locations_dir = \"locations.d\"\n{REQUIRED}{listen}")).unwrap();
    let loaded = load_with(&path, None).unwrap();
    assert_eq!(loaded.config.metrics_listen.len(), 4);
    let warned: Vec<_> =
        loaded.warnings.iter().map(|warning| (&*warning.key, &warning.reason[..13])).collect();
    assert_eq!(warned, [("metrics.listen", "10.0.0.1:9586"), ("metrics.listen", "[::]:9586 is ")]);
}
