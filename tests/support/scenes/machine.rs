//! A machine that enrolls itself, as `dg` does it.

use serde_json::json;

use super::{a_site, connects, names, of};
use crate::rig::Wireguard;

/// A machine's token is good for one location, and stays so whatever is added.
pub(crate) fn a_machine_has_one_location_for_ever(wireguard: Wireguard) {
    let Some(mut rig) = a_site(wireguard) else { return };
    let added = rig.ask(&["device", "add-machine", "--name", "edge", "--location", "hq"]);
    assert_eq!((&added["name"], &added["location"]), (&json!("edge"), &json!("hq")));
    assert_eq!(added["url"], "http://192.0.2.1:8080/");
    let mut edge = rig.client("edge");
    let configs = edge.enroll_machine(added["token"].as_str().unwrap());
    assert_eq!(names(&configs), ["hq"]);
    let _tunnel = edge.connect(of(&configs, "hq"));
    connects(&edge, 2);
    rig.locate("new", 4, "");
    rig.reload();
    assert_eq!(edge.configs(), configs);
    connects(&edge, 2);
}
