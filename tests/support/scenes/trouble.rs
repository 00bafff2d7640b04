//! Locations that cannot run, or take nobody any more: the others are none the worse.

use std::net::UdpSocket;

use serde_json::json;

use super::{a_site, connects, names, of, reaches, somebody};
use crate::rig::ping::Pings;
use crate::rig::{Wireguard, eventually};

/// An interface that bears a location's name but is not ours is not touched, the location says so, and the others
/// run; once the name is free, so does the location.
pub(crate) fn a_foreign_interface_is_left_alone(wireguard: Wireguard) {
    let Some(mut rig) = a_site(wireguard) else { return };
    rig.gateway.sh("ip link add pst-taken type veth peer name elsewhere; ip link set pst-taken mtu 1234 up
         ip addr add 10.1.1.1/24 dev pst-taken");
    // The kernel finds out a moment later that the other end is down.
    eventually("a state", || rig.gateway.look("ip link show pst-taken").contains("LOWERLAYERDOWN"));
    let foreign = || rig.gateway.sh("ip -o link show pst-taken; ip -o addr show pst-taken");
    let before = foreign();
    rig.locate("taken", 4, "");
    rig.reload_in_part();
    let (ann, configs) = somebody(&mut rig, "ann", &[]);
    assert_eq!(names(&configs), ["hq", "open", "taken"]);
    let _open = ann.connect(of(&configs, "open"));
    let _taken = ann.connect(of(&configs, "taken"));
    connects(&ann, 1);
    eventually("a complaint", || rig.complains_of("taken").contains("pst-taken"));
    assert!(!reaches(&ann.host, 4));
    let foreign = || rig.gateway.sh("ip -o link show pst-taken; ip -o addr show pst-taken");
    assert_eq!(foreign(), before);
    assert!(rig.complains_of("open").is_empty() && rig.complains_of("hq").is_empty());
    // What somebody breaks meanwhile is put right and told of, too.
    let before = rig.repairs_of("open");
    rig.gateway.sh("ip addr flush dev pst-open");
    eventually("a repair that is counted", || rig.repairs_of("open") > before);
    connects(&ann, 1);

    rig.gateway.sh("ip link del pst-taken");
    connects(&ann, 4);
    eventually("no complaint", || rig.complains_of("taken").is_empty());
}

/// A location whose port another program has is reported and tried again; nobody else notices.
pub(crate) fn a_location_that_cannot_run_harms_no_other(wireguard: Wireguard) {
    let Some(mut rig) = a_site(wireguard) else { return };
    let (ann, configs) = somebody(&mut rig, "ann", &[]);
    let _open = ann.connect(of(&configs, "open"));
    connects(&ann, 1);
    let pings = Pings::start(&ann.host, "10.77.1.1");
    let occupant = rig.gateway.enter(|| UdpSocket::bind("0.0.0.0:51824").unwrap());
    rig.locate("busy", 4, "");
    rig.reload_in_part();
    let configs = ann.configs();
    assert_eq!(names(&configs), ["busy", "hq", "open"]);
    let _busy = ann.connect(of(&configs, "busy"));
    eventually("a complaint", || !rig.complains_of("busy").is_empty());
    assert!(!reaches(&ann.host, 4), "something answers on a port that is taken");
    // Whoever enrolls meanwhile is served where it is possible.
    let (ben, of_ben) = somebody(&mut rig, "ben", &[]);
    let _bens = ben.connect(of(&of_ben, "hq"));
    connects(&ben, 2);
    drop(occupant);
    connects(&ann, 4);
    eventually("no complaint", || rig.complains_of("busy").is_empty());
    assert_eq!(pings.lost(), Vec::<u32>::new(), "somebody else's trouble lost packets");
}

/// Who finds a pool full gets everything else, the administrator is told, and the freed address is theirs.
pub(crate) fn a_pool_that_is_full_is_no_error(wireguard: Wireguard) {
    let Some(mut rig) = a_site(wireguard) else { return };
    rig.locate("tiny", 4, "ipv4 = \"10.77.4.0/30\"");
    rig.reload();
    let (ann, of_ann) = somebody(&mut rig, "ann", &[]);
    let (ben, of_ben) = somebody(&mut rig, "ben", &[]);
    assert_eq!(names(&of_ann), ["hq", "open", "tiny"]);
    assert_eq!(names(&of_ben), ["hq", "open"]);
    let _anns = ann.connect(of(&of_ann, "tiny"));
    connects(&ann, 4);
    assert!(rig.order(&["audit"]).contains("tiny"), "the administrator is not told");
    assert_eq!(
        rig.ask(&["status"])["waiting"],
        json!([{ "device": "laptop", "username": "ben", "location": "tiny" }])
    );
    assert!(rig.order(&["status"]).contains("location tiny has no free address"));
    rig.order(&["device", "remove", "ann/laptop"]);
    // Who polls too often is told to wait; the administrator may look as often as they like.
    eventually("an address for who waits", || {
        rig.order(&["device", "show", "ben/laptop"]).contains("10.77.4.")
    });
    let configs = ben.configs();
    assert_eq!(names(&configs), ["hq", "open", "tiny"]);
    let _bens = ben.connect(of(&configs, "tiny"));
    connects(&ben, 4);
}
