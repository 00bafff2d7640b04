//! The real daemon with userspace WireGuard, and clients of wireguard-go, in network namespaces.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[expect(dead_code, reason = "what outlives a daemon is shown where the kernel runs WireGuard")]
#[path = "../support/rig/mod.rs"]
mod rig;
#[path = "../support/scenes/mod.rs"]
mod scenes;

use rig::Wireguard::Userspace;

#[test]
fn everybody_reaches_exactly_what_they_may_use() {
    scenes::everybody_reaches_exactly_what_they_may_use(Userspace);
}

#[test]
fn what_is_broken_from_outside_is_repaired_at_once() {
    scenes::what_is_broken_from_outside_is_repaired_at_once(Userspace);
}

#[test]
fn a_client_that_wants_everything_gets_no_more() {
    scenes::a_client_that_wants_everything_gets_no_more(Userspace);
}

#[test]
fn a_reload_loses_no_packet() {
    scenes::a_reload_loses_no_packet(Userspace);
}

#[test]
fn a_foreign_interface_is_left_alone() {
    scenes::a_foreign_interface_is_left_alone(Userspace);
}

#[test]
fn a_location_that_cannot_run_harms_no_other() {
    scenes::a_location_that_cannot_run_harms_no_other(Userspace);
}

#[test]
fn a_pool_that_is_full_is_no_error() {
    scenes::a_pool_that_is_full_is_no_error(Userspace);
}

#[test]
fn nothing_forbidden_passes_whatever_changes() {
    scenes::nothing_forbidden_passes_whatever_changes(Userspace);
}

#[test]
fn a_machine_has_one_location_for_ever() {
    scenes::a_machine_has_one_location_for_ever(Userspace);
}
