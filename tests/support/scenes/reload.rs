//! Changes of the configuration beside people at work.

use super::{a_site, connects, names, of, somebody};
use crate::rig::ping::Pings;
use crate::rig::{Wireguard, eventually};

/// A reload that changes, adds and removes locations costs the others not one packet.
pub(crate) fn a_reload_loses_no_packet(wireguard: Wireguard) {
    let Some(mut rig) = a_site(wireguard) else { return };
    rig.locate("lab", 3, "");
    rig.reload();
    let (ann, configs) = somebody(&mut rig, "ann", &[]);
    let _open = ann.connect(of(&configs, "open"));
    let _hq = ann.connect(of(&configs, "hq"));
    connects(&ann, 1);
    connects(&ann, 2);
    let pings = ["10.77.1.1", "fd77:1::1", "10.77.2.1"].map(|address| Pings::start(&ann.host, address));

    rig.locate("open", 1, "dns = [\"10.77.1.1\", \"example.com\"]");
    rig.locate("new", 4, "");
    rig.unlocate("lab");
    rig.reload();
    eventually("the new location", || rig.gateway.look("ip -o link").contains("pst-new"));
    eventually("no more of the removed one", || !rig.gateway.look("ip -o link").contains("pst-lab"));

    for ping in pings {
        assert_eq!(ping.lost(), Vec::<u32>::new(), "a reload lost packets");
    }
    let configs = ann.configs();
    assert_eq!(names(&configs), ["hq", "new", "open"]);
    assert_eq!(of(&configs, "open")["dns"], "10.77.1.1,example.com");
    let _new = ann.connect(of(&configs, "new"));
    connects(&ann, 4);
}
