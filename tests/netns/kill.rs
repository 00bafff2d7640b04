//! The real daemon killed at any moment, and started again, with userspace WireGuard: what it answered to is there. That no
//! peer outlives its device is shown where the kernel runs WireGuard, in tests/kernel.

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
#[path = "../support/crashes/power.rs"]
mod power;
#[expect(dead_code, reason = "this suite has no tunnels")]
#[path = "../support/rig/mod.rs"]
mod rig;

use faults::Place;
use rig::Wireguard::Userspace;

fn is_long() -> bool {
    std::env::var_os("POSTERN_TEST_LONG").is_some()
}

#[test]
fn a_daemon_killed_at_any_moment_keeps_its_word() {
    crashes::a_daemon_killed_at_any_moment_keeps_its_word(Userspace, if is_long() { 1000 } else { 50 });
}

#[test]
fn a_daemon_that_ends_at_any_call_keeps_its_word() {
    calls::a_daemon_that_ends_at_any_call_keeps_its_word(
        Userspace,
        &Place::ALL,
        if is_long() { u32::MAX } else { 2 },
    );
}

#[test]
fn a_power_loss_takes_nothing_that_was_answered_to() {
    power::a_power_loss_takes_nothing_that_was_answered_to(Userspace, if is_long() { 500 } else { 15 });
}
