//! What wishes make of location files.

use super::*;
use crate::config::load_with;

const MAIN: &str = "locations_dir = \"sites\"\npublic_url = \"https://vpn.example.com\"\n[contact]\nname = \"Ada\"\n\
                    email = \"ada@example.com\"\n";
const HQ: &str = "name = \"HQ\" # the first\ninterface = \"wg-hq\"\nlisten_port = 51820\n\
                  endpoint = \"vpn.example.com:51820\"\nipv4 = \"10.77.0.0/24\"\n";

#[test]
fn a_name_and_an_endpoint_make_a_location_that_gets_in_nobodys_way() {
    let dir = folder();
    let taken = Taken {
        interfaces: BTreeSet::from(["wg-lab".to_owned()]),
        ports: BTreeSet::from([51_821]),
        networks: vec!["10.1.1.0/24".parse().unwrap()],
    };
    let change =
        add(&present(&dir), wish("lab", "vpn.example.com"), &BTreeSet::new(), taken, 0x0101_0101_0101);
    let loaded = judged(&dir, change.unwrap());
    let lab = &loaded.config.locations["lab"];
    assert_eq!(lab.interface.as_str(), "wg-lab-2");
    assert_eq!((lab.listen_port.get(), lab.endpoint.as_str()), (51_822, "vpn.example.com:51822"));
    assert_eq!(lab.ipv4.unwrap().to_string(), "10.1.2.0/24");
    assert_eq!(lab.ipv6.unwrap().to_string(), "fd01:101:101::/64");
    assert_eq!((lab.groups.as_ref(), lab.masquerade, lab.backend), (None, true, None));
    assert_eq!(loaded.files["lab"], dir.path().join("sites/lab.toml"));
}

#[test]
fn what_is_given_is_taken() {
    let dir = folder();
    let keys = LocationKeys {
        interface: Some("office0".to_owned()),
        listen_port: Some(7),
        ipv6: Some("fd99::/64".to_owned()),
        groups: Some(Vec::new()),
        ..wish("lab", "2001:db8::1")
    };
    let without = BTreeSet::from([OptionalKey::Ipv4]);
    let lab = judged(&dir, add(&present(&dir), keys, &without, Taken::default(), 0x0101_0101_0101).unwrap());
    let lab = &lab.config.locations["lab"];
    assert_eq!((lab.interface.as_str(), lab.endpoint.as_str()), ("office0", "[2001:db8::1]:7"));
    assert_eq!((lab.ipv4, lab.ipv6.unwrap().to_string().as_str()), (None, "fd99::/64"));
    assert_eq!(lab.groups, Some(BTreeSet::new()));
}

#[test]
fn a_name_cannot_lead_out_of_the_folder_or_into_anothers_file() {
    let dir = folder();
    let file = |name: &str| match add(
        &present(&dir),
        wish(name, "vpn.example.com"),
        &BTreeSet::new(),
        Taken::default(),
        0x0101_0101_0101,
    ) {
        Ok(Change::File(draft)) => Ok(draft.file),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    };
    assert_eq!(file("../../x/.y").unwrap(), dir.path().join("sites/x--y.toml"));
    assert_eq!(file("hq").unwrap_err(), "there is a location \"hq\" already");
    std::fs::write(
        dir.path().join("sites/lab.toml"),
        HQ.replace("HQ", "Other").replace("51820", "9").replace("wg-hq", "wg-o").replace("10.77", "10.78"),
    )
    .unwrap();
    assert!(file("lab").unwrap_err().contains("sites/lab.toml already"));
}

#[test]
fn an_edit_keeps_everything_else_and_finds_its_location_in_any_case() {
    let dir = folder();
    let keys = LocationKeys {
        mtu: Some(1400),
        endpoint: Some("gw.example.com".to_owned()),
        ..LocationKeys::default()
    };
    let change = edit(&present(&dir), "hq", keys, &BTreeSet::new()).unwrap();
    let text = HQ.replace("vpn.example.com", "gw.example.com") + "mtu = 1400\n";
    let file = dir.path().join("sites/any.toml");
    assert_eq!(change, Change::File(Draft { file, text: Some(text) }));
    let nothing = edit(&present(&dir), "hq", LocationKeys::default(), &BTreeSet::new());
    assert!(matches!(nothing, Err(ReloadError::Refused(Refusal::NothingToChange))));
    for unknown in [remove(&present(&dir), "lab"), rotate_key(&present(&dir), "lab")] {
        assert!(matches!(unknown, Err(ReloadError::Refused(Refusal::UnknownLocation(_)))));
    }
    assert_eq!(rotate_key(&present(&dir), "hq").unwrap(), Change::Key("HQ".to_owned()));
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sites")).unwrap();
    std::fs::write(dir.path().join("postern.toml"), MAIN).unwrap();
    std::fs::write(dir.path().join("sites/any.toml"), HQ).unwrap();
    dir
}

fn present(dir: &tempfile::TempDir) -> Loaded {
    load_with(&dir.path().join("postern.toml"), None).unwrap()
}

fn judged(dir: &tempfile::TempDir, change: Change) -> Loaded {
    let Change::File(draft) = change else { panic!("{change:?}") };
    load_with(&dir.path().join("postern.toml"), Some(&draft)).unwrap()
}

fn wish(name: &str, endpoint: &str) -> LocationKeys {
    LocationKeys {
        name: Some(name.to_owned()),
        endpoint: Some(endpoint.to_owned()),
        ..LocationKeys::default()
    }
}
