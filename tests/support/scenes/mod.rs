//! What people live through with a gateway, whatever WireGuard it runs: the same scenes are played on userspace
//! WireGuard in `tests/netns` and on the kernel's own in `tests/kernel`.

mod access;
mod drift;
mod leaks;
mod limits;
mod machine;
mod reload;
mod trouble;

use serde_json::Value;

use crate::rig::{Client, Host, Rig, Wireguard, eventually};

pub(crate) use access::everybody_reaches_exactly_what_they_may_use;
pub(crate) use drift::what_is_broken_from_outside_is_repaired_at_once;
pub(crate) use leaks::nothing_forbidden_passes_whatever_changes;
pub(crate) use limits::a_client_that_wants_everything_gets_no_more;
pub(crate) use machine::a_machine_has_one_location_for_ever;
pub(crate) use reload::a_reload_loses_no_packet;
pub(crate) use trouble::{
    a_foreign_interface_is_left_alone, a_location_that_cannot_run_harms_no_other,
    a_pool_that_is_full_is_no_error,
};

/// A daemon with two locations for everybody: `open` (10.77.1.0/24) and `hq` (10.77.2.0/24), which is reached over IPv6.
/// Nothing but notifications makes it look at the kernel.
pub(crate) fn a_site(wireguard: Wireguard) -> Option<Rig> {
    let mut rig = Rig::new(wireguard)?;
    rig.configure("reconcile_interval = \"1h\"");
    rig.locate("open", 1, "");
    rig.locate("hq", 2, HQ);
    rig.start();
    Some(rig)
}

/// What the file of `hq` says besides.
const HQ: &str = "endpoint = \"[2001:db8::1]:51822\"";

/// Somebody invited into groups, with an enrolled device, and its configurations.
pub(crate) fn somebody(rig: &mut Rig, username: &str, groups: &[&str]) -> (Client, Vec<Value>) {
    let mut client = rig.client(username);
    let token = rig.invite(username, groups);
    let configs = client.enroll(&token);
    (client, configs)
}

/// The configuration for a location.
pub(crate) fn of<'a>(configs: &'a [Value], location: &str) -> &'a Value {
    let found = configs.iter().find(|config| config["network_name"] == location);
    found.unwrap_or_else(|| panic!("no configuration for {location}: {configs:?}"))
}

pub(crate) fn names(configs: &[Value]) -> Vec<&str> {
    let mut names: Vec<_> = configs.iter().map(|config| config["network_name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

/// Whether both addresses of a location's gateway answer now.
pub(crate) fn reaches(host: &Host, number: u8) -> bool {
    host.reaches(&format!("10.77.{number}.1")) && host.reaches(&format!("fd77:{number}::1"))
}

pub(crate) fn connects(client: &Client, number: u8) {
    eventually(&format!("a tunnel to location {number}"), || reaches(&client.host, number));
}
