//! Whatever is read from outside, changed by libFuzzer, which sees what each change makes run: nothing panics, nothing hangs,
//! and what comes out is what it should be. `POSTERN_FUZZ` says which of the targets this one program is, as linking one for
//! each would take longer than building all else; `corpus/` holds what each begins with, `words` what parsers stumble over.
//!
//! `tests/support/fuzz` builds and runs it. What fails is kept in `corpus/`, so that it is tried first from then on.

#![no_main]

mod admin;
mod http;
#[expect(dead_code, reason = "the administrators' stories use the rest of it")]
#[path = "../story/running.rs"]
mod running;
#[expect(dead_code, reason = "the protocol's stories use the rest of it")]
#[path = "../story/support/mod.rs"]
mod support;
mod texts;

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;

/// Tries one case; panics where something is wrong.
type Trial = Box<dyn FnMut(&[u8])>;

const TARGETS: [(&str, fn() -> Trial); 8] = [
    ("admin", admin::nothing_asked_of_the_socket_is_too_strange),
    ("configuration", texts::no_configuration_is_too_strange),
    ("http", http::no_request_is_too_strange),
    ("location", texts::no_location_is_too_strange),
    ("markdown", texts::no_markdown_becomes_anything_that_acts),
    ("netlink", no_word_of_the_kernel_is_too_strange),
    ("template", texts::no_template_takes_long_or_much),
    ("wg_quick", texts::no_file_of_wg_quick_is_too_strange),
];

thread_local! {
    static TRIAL: RefCell<Trial> = RefCell::new(chosen());
}

fuzz_target!(|bytes: &[u8]| TRIAL.with_borrow_mut(|trial| trial(bytes)));

fn chosen() -> Trial {
    let wanted = std::env::var("POSTERN_FUZZ").unwrap_or_default();
    let found = TARGETS.iter().find(|(name, _)| *name == wanted);
    found.unwrap_or_else(|| panic!("POSTERN_FUZZ={wanted} is none of {:?}", TARGETS.map(|(name, _)| name))).1(
    )
}

/// A target.
fn no_word_of_the_kernel_is_too_strange() -> Trial {
    Box::new(|bytes| {
        std::hint::black_box(postern_gateway::backend::fuzzed::read(bytes));
    })
}
