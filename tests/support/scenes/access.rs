//! Who may, and who may not any more.

use serde_json::Value;

use super::{HQ, a_site, connects, names, of, reaches, somebody};
use crate::rig::{Client, Rig, Wireguard};

/// Permission becomes a tunnel, and its end ends it, before the command returns.
pub(crate) fn everybody_reaches_exactly_what_they_may_use(wireguard: Wireguard) {
    let Some(mut rig) = a_site(wireguard) else { return };
    for group in ["staff", "research"] {
        rig.order(&["group", "create", group]);
    }
    rig.locate("hq", 2, &format!("{HQ}\ngroups = [\"staff\"]"));
    rig.locate("lab", 3, "groups = [\"research\"]");
    rig.reload();
    let (ann, of_ann) = somebody(&mut rig, "ann", &["staff"]);
    let (ben, of_ben) = somebody(&mut rig, "ben", &["research"]);
    assert_eq!(names(&of_ann), ["hq", "open"]);
    assert_eq!(names(&of_ben), ["lab", "open"]);
    let _open = ann.connect(of(&of_ann, "open"));
    let hq = ann.connect(of(&of_ann, "hq"));
    let (_bens_open, bens_lab) = (ben.connect(of(&of_ben, "open")), ben.connect(of(&of_ben, "lab")));
    for (client, location) in [(&ann, 1), (&ann, 2), (&ben, 1), (&ben, 3)] {
        connects(client, location);
    }
    is_of_no_use(&ann, of(&of_ben, "lab"));
    assert!(bens_lab.handshake() > 0 && reaches(&ben.host, 3));

    rig.order(&["group", "remove-user", "staff", "ann"]);
    is_cut_off(&rig, &ann, "pst-hq", 2);
    assert!(reaches(&ann.host, 1), "what she may still use was cut");
    assert_eq!(names(&ann.configs()), ["open"]);
    drop(hq);
    rig.order(&["group", "add-user", "staff", "ann"]);
    let _hq = ann.connect(of(&ann.configs(), "hq"));
    connects(&ann, 2);

    rig.order(&["user", "disable", "ben"]);
    is_cut_off(&rig, &ben, "pst-open", 1);
    is_cut_off(&rig, &ben, "pst-lab", 3);
    drop(bens_lab);
    rig.order(&["user", "enable", "ben"]);
    let _lab = ben.connect(of(&ben.configs(), "lab"));
    connects(&ben, 3);

    rig.order(&["device", "remove", "ann/laptop"]);
    is_cut_off(&rig, &ann, "pst-open", 1);
    is_cut_off(&rig, &ann, "pst-hq", 2);
    rig.order(&["user", "remove", "ben"]);
    is_cut_off(&rig, &ben, "pst-lab", 3);
    assert_eq!((ann.poll().status, ben.poll().status), (403, 403));
}

/// That the configuration of somebody else, of location 3, opens nothing.
fn is_of_no_use(client: &Client, stolen: &Value) {
    let stolen = client.connect(stolen);
    assert!(!client.host.reaches("10.77.3.1") && stolen.handshake() == 0, "a stranger shook hands");
}

/// That a peer is gone now, without a moment's waiting.
fn is_cut_off(rig: &Rig, client: &Client, interface: &str, number: u8) {
    assert_ne!(rig.has_peer(interface, &client.key()), Some(true), "still a peer of {interface}");
    for address in [format!("10.77.{number}.1"), format!("fd77:{number}::1")] {
        assert!(!client.host.reaches(&address), "{address} still answers");
    }
}
