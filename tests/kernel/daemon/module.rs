//! A kernel without WireGuard, whose module is loaded later: the kernel is the machine's own, but the daemon does not hear of
//! its WireGuard until the test lets it.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::faults::Faults;
use crate::rig::Wireguard::Kernel;
use crate::rig::ping::Pings;
use crate::rig::{Rig, eventually};
use crate::scenes::{connects, of, reaches, somebody};

/// A running daemon that found no WireGuard, with the location `open`; `backend` is what the configuration says.
fn without_module(backend: &str) -> Option<(Rig, Faults)> {
    let mut rig = Rig::new(Kernel)?;
    let faults = Faults::new(rig.dir())?;
    rig.configure("reconcile_interval = \"1s\"");
    let text = std::fs::read_to_string(rig.path("postern.toml")).unwrap();
    std::fs::write(rig.path("postern.toml"), text.replace("\"kernel\"", &format!("\"{backend}\""))).unwrap();
    rig.locate("open", 1, "");
    faults.hide_wireguard(true);
    rig.launch(&faults.through());
    rig.answers();
    Some((rig, faults))
}

fn location(rig: &Rig, name: &str) -> Value {
    let status = rig.ask(&["status"]);
    let mut locations = status["locations"].as_array().unwrap().iter();
    locations.find(|location| location["name"] == name).unwrap().clone()
}

#[test]
fn a_module_that_is_loaded_later_brings_its_locations_up_without_a_restart() {
    let Some((mut rig, faults)) = without_module("kernel") else { return };
    eventually("what to do", || rig.complains_of("open").contains("modprobe wireguard"));
    assert!(rig.order(&["status"]).contains("location open: cannot create the interface pst-open"));
    let (ann, configs) = somebody(&mut rig, "ann", &[]);
    let _open = ann.connect(of(&configs, "open"));
    // Files are put into force meanwhile, and only a location that is new is to be there at once.
    rig.locate("open", 1, "dns = [\"10.77.1.1\"]");
    rig.reload_in_part();
    rig.locate("other", 2, "");
    let refused = rig.postern(&["reload"]);
    assert!(refused.code == 1 && refused.errors.contains("modprobe wireguard"), "{refused:?}");
    rig.unlocate("other");
    assert!(!reaches(&ann.host, 1));
    let pid = rig.pid();
    faults.hide_wireguard(false);
    connects(&ann, 1);
    eventually("no complaint", || rig.complains_of("open").is_empty());
    rig.locate("other", 2, "");
    rig.reload();
    assert_eq!(rig.pid(), pid);
}

#[test]
fn a_location_that_began_in_userspace_stays_there_until_a_restart() {
    let Some((mut rig, faults)) = without_module("auto") else { return };
    assert_eq!(location(&rig, "open")["backend"], "userspace");
    assert_eq!(location(&rig, "open")["kernel_at_restart"], json!(false));
    let (ann, configs) = somebody(&mut rig, "ann", &[]);
    let _open = ann.connect(of(&configs, "open"));
    connects(&ann, 1);
    let pings = Pings::start(&ann.host, "10.77.1.1");
    faults.hide_wireguard(false);
    let shown = rig.order(&["status"]);
    assert!(
        shown.contains("`systemctl restart postern` moves to it, interrupting tunnels once: open"),
        "{shown}"
    );
    rig.locate("late", 2, "");
    rig.reload();
    assert_eq!(location(&rig, "late")["backend"], "kernel");
    assert_eq!(location(&rig, "open")["backend"], "userspace");
    assert_eq!(pings.lost(), Vec::<u32>::new(), "a module that was loaded interrupted a tunnel");
    assert!(rig.end(Signal::SIGTERM).success());
    rig.start();
    assert_eq!(location(&rig, "open")["backend"], "kernel");
    assert!(!rig.order(&["status"]).contains("systemctl restart"));
    connects(&ann, 1);
}
