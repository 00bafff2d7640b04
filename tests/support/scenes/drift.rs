//! What somebody else does to links, addresses, routes and rules.

use super::{a_site, connects, of, reaches, somebody};
use crate::rig::{Rig, Wireguard, eventually};

/// What somebody breaks is put right because the kernel tells of it, and is told of once.
pub(crate) fn what_is_broken_from_outside_is_repaired_at_once(wireguard: Wireguard) {
    let Some(mut rig) = a_site(wireguard) else { return };
    let (ann, configs) = somebody(&mut rig, "ann", &[]);
    let tunnel = ann.connect(of(&configs, "open"));
    connects(&ann, 1);
    for (harm, look, healthy) in [
        ("ip addr flush dev pst-open", "ip -o addr show dev pst-open", "10.77.1.1/24"),
        ("ip -6 addr flush dev pst-open", "ip -o addr show dev pst-open", "fd77:1::1/64"),
        ("ip link set pst-open down", "ip -o link show dev pst-open", "UP"),
        ("ip link set pst-open mtu 1300", "ip -o link show dev pst-open", "mtu 1420"),
        ("ip route del 10.77.1.0/24 dev pst-open", "ip route show dev pst-open", "10.77.1.0/24"),
        ("ip -6 route del fd77:1::/64 dev pst-open", "ip -6 route show dev pst-open", "fd77:1::/64"),
        ("nft flush ruleset", "nft list ruleset", "received_pst-open"),
        (
            "nft flush chain inet $(nft list tables inet | grep -o \"postern_[0-9a-f]*$\") input",
            "nft list ruleset",
            "goto received_pst-open",
        ),
    ] {
        let told = repairs(&rig);
        rig.gateway.sh(harm);
        eventually(harm, || rig.gateway.look(look).contains(healthy) && reaches(&ann.host, 1));
        eventually("the log's line", || repairs(&rig) > told);
    }
    drop(tunnel);
    rig.gateway.sh("ip link del pst-open");
    let _again = ann.connect(of(&configs, "open"));
    connects(&ann, 1);
    assert_eq!(rig.order(&["plan"]).trim(), "nothing to change");
}

fn repairs(rig: &Rig) -> usize {
    rig.log().matches("found changed from outside").count()
}
