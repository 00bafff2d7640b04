//! The real daemon killed at any moment, and started again, on the kernel's own WireGuard, which outlives it: what it
//! answered to is there, and the kernel has exactly the peers there should be.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[path = "../support/crashes/calls.rs"]
mod calls;
#[path = "../support/crashes/mod.rs"]
mod crashes;
#[expect(dead_code, reason = "what fails and goes on is another suite's")]
#[path = "../support/faults.rs"]
mod faults;
#[expect(dead_code, reason = "this suite has no tunnels")]
#[path = "../support/rig/mod.rs"]
mod rig;

use faults::Place;
use rig::Wireguard::Kernel;

fn is_long() -> bool {
    std::env::var_os("POSTERN_TEST_LONG").is_some()
}

#[test]
fn a_daemon_killed_at_any_moment_keeps_its_word() {
    crashes::a_daemon_killed_at_any_moment_keeps_its_word(Kernel, if is_long() { 200 } else { 6 });
}

#[test]
fn a_daemon_that_ends_at_any_call_keeps_its_word() {
    calls::a_daemon_that_ends_at_any_call_keeps_its_word(
        Kernel,
        &[Place::Sync, Place::Netlink],
        if is_long() { 20 } else { 1 },
    );
}
