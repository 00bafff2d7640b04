//! The copy of the table that nobody but its daemon can change.

use std::time::Duration;

use super::pinging::Pinging;
use super::{ALLOWED, FORBIDDEN, Scene, Table, everything, firewall, nets};

#[test]
fn whoever_empties_the_kernels_tables_or_adds_to_ours_opens_nothing_and_cuts_nothing() {
    let policies = firewall(|policy| {
        policy.routes = nets(&["10.9.0.2/32"]);
        policy.masquerade = true;
    });
    let Some(scene) = Scene::with(&policies) else { return };
    scene.site.sh("ip route del 10.77.0.0/16");
    scene.client.reaches(ALLOWED);
    let table = &scene.table.name;
    let changes = [
        "flush ruleset".to_owned(),
        format!("delete table inet {table}"),
        format!("flush table inet {table}"),
        format!("insert rule inet {table} forwarded_px accept"),
    ];
    let times = if std::env::var_os("POSTERN_TEST_LONG").is_some() { 250 } else { 10 };
    let [allowed, forbidden] = [ALLOWED, FORBIDDEN].map(|address| Pinging::start(&scene.client, address));
    for change in (0..times).flat_map(|_| &changes) {
        scene.gateway.sh(&format!("nft '{change}'"));
        assert_eq!(scene.observe(), None, "{change}");
        std::thread::sleep(Duration::from_millis(20));
        scene.table.replace_in(&scene.gateway, &policies);
    }
    let (allowed, forbidden) = (allowed.stop(), forbidden.stop());
    assert_eq!(forbidden.answered, 0, "leaked: {forbidden:?}");
    assert_eq!(allowed.lost(), 0, "lost: {allowed:?}");
    assert!(allowed.sent.min(forbidden.sent) > 20 * times, "{allowed:?} {forbidden:?}");
}

#[test]
fn the_table_stays_when_its_daemon_goes_and_the_next_one_takes_it_over() {
    let policies = everything();
    let Some(mut scene) = Scene::with(&policies) else { return };
    let held = format!("{}_held", scene.table.name);
    let is_held = |scene: &Scene| scene.gateway.sh("nft list tables").contains(&held);
    assert!(is_held(&scene));
    scene.gateway.sh(&format!("! nft delete table inet {held} 2>&1"));
    scene.table = Table::of("test");
    assert!(!is_held(&scene), "it went with its daemon");
    scene.client.reaches(ALLOWED);
    scene.client.misses("10.10.0.1");
    assert_eq!(scene.observe(), None, "there is no copy yet");
    let before = scene.gateway.sh(&format!("nft list table inet {}", scene.table.name));
    scene.table.replace_in(&scene.gateway, &policies);
    assert_eq!(scene.observe(), Some(policies.fingerprint()));
    assert_eq!(scene.gateway.sh(&format!("nft list table inet {}", scene.table.name)), before);
    assert!(is_held(&scene));
    let copy = scene.gateway.sh(&format!("nft list table inet {held}"));
    assert!(copy.contains("flags owner") && copy.contains("goto forwarded_px"), "{copy}");
}

/// Such a transaction is more than a socket takes by default.
#[test]
fn a_location_with_thousands_of_networks_has_its_copy() {
    let networks = (0..4000).map(|number| format!("10.{}.{}.0/24", 100 + number / 250, number % 250));
    let policies = firewall(|policy| {
        policy.routes =
            networks.map(|network| network.parse().unwrap()).chain(nets(&["10.9.0.2/32"])).collect();
    });
    let Some(scene) = Scene::with(&policies) else { return };
    assert_eq!(scene.table.table.lock().unwrap().weakness(), None);
    assert_eq!(scene.observe(), Some(policies.fingerprint()));
    scene.gateway.sh("nft flush ruleset");
    scene.client.reaches(ALLOWED);
    scene.client.misses(FORBIDDEN);
}

#[test]
fn a_copy_that_the_kernel_refuses_is_told_of_and_the_table_stands_without_it() {
    let policies = firewall(|policy| policy.routes = nets(&["10.9.0.2/32"]));
    let Some(mut scene) = Scene::with(&policies) else { return };
    scene.table = Table::of("other");
    // What another process holds is refused like a kernel refuses that knows no owners.
    scene.gateway.sh(&format!("nft add table inet {}_held", scene.table.name));
    scene.table.replace_in(&scene.gateway, &policies);
    assert_eq!(scene.observe(), Some(policies.fingerprint()));
    let weakness = scene.table.table.lock().unwrap().weakness().unwrap();
    assert!(weakness.is_lasting && weakness.text.contains("whoever deletes the table"), "{weakness:?}");
    scene.client.reaches(ALLOWED);
    scene.client.misses(FORBIDDEN);
}

/// Another process still has it, as while one daemon follows another.
#[test]
fn a_copy_that_failed_is_made_by_the_next_look() {
    let policies = firewall(|policy| policy.routes = nets(&["10.9.0.2/32"]));
    let Some(scene) = Scene::with(&policies) else { return };
    let next = Table::of("test");
    let weakness = |table: &Table| table.table.lock().unwrap().weakness();
    next.replace_in(&scene.gateway, &policies);
    for _ in 0..2 {
        assert_eq!(next.observe_in(&scene.gateway), Some(policies.fingerprint()), "the table itself stands");
        let told = weakness(&next).unwrap();
        assert!(!told.is_lasting && told.text.contains("tried again"), "{told:?}");
    }
    let Scene { table: earlier, gateway, .. } = scene;
    drop(earlier);
    assert_eq!(next.observe_in(&gateway), Some(policies.fingerprint()));
    assert_eq!(weakness(&next), None);
    assert!(gateway.sh("nft list tables").contains(&format!("{}_held", next.name)));
}
