//! Random sequences of what administrators, people and their clients do, against a small reference model: after every
//! step the answer is the model's, and the gateway has exactly the model's peers. The system is the real one, from the
//! router over SQLite on a file to the reconcile loop; only the kernel is a pretend one.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "as above")]

#[path = "model/reference.rs"]
mod reference;
#[expect(dead_code, reason = "the protocol's stories use the rest of it")]
mod support;
#[path = "model/system.rs"]
mod system;

use proptest::prelude::*;
use reference::Model;
use system::System;

/// The locations that there may be; the second has two addresses, the others have many.
pub(crate) const LOCATIONS: [&str; 3] = ["HQ", "Lab", "Closed"];
/// Who there may be.
pub(crate) const PEOPLE: [&str; 3] = ["ann", "bob", "cleo"];
/// What devices are called; the command line client gives no name.
pub(crate) const NAMES: [&str; 4] = ["", "laptop", "LAPTOP", "Größe"];

/// How many keys there are.
pub(crate) const KEYS: u8 = 8;

/// Whom a location admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The location is not configured.
    Gone,
    Everybody,
    Nobody,
    /// The members of the one group.
    Members,
}

/// What somebody does. Numbers choose among what there is, round and round.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Invite(usize),
    Reinvite(usize),
    ActivateClient(usize),
    AddMachine {
        name: usize,
        location: usize,
    },
    Open(usize),
    Register {
        session: usize,
        name: usize,
        key: u8,
    },
    SetPassword(usize),
    Fetch {
        session: usize,
        key: u8,
    },
    Poll(usize),
    /// Seconds; what is over is ended then.
    Pass(i64),
    RemoveDevice(usize),
    Join(usize),
    Leave(usize),
    Disable(usize),
    Enable(usize),
    Reload([Door; 3]),
    Restart,
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("POSTERN_TEST_LONG").is_some() { 3_000 } else { 64 },
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_is_done_in_whatever_order_ends_as_in_the_model(
        steps in prop::collection::vec(a_step(), 1..60)
    ) {
        let (mut model, mut system) = (Model::new(), System::new());
        for (number, step) in steps.iter().enumerate() {
            let expected = model.take(step);
            prop_assert_eq!(system.take(number, step), expected, "the answer of step {} {:?}", number, step);
            prop_assert_eq!(system.peers(), model.peers(), "the peers after step {} {:?}", number, step);
        }
    }
}

fn a_step() -> impl Strategy<Value = Step> {
    let door = prop_oneof![
        1 => Just(Door::Gone),
        4 => Just(Door::Everybody),
        1 => Just(Door::Nobody),
        2 => Just(Door::Members)
    ];
    let who = 0..PEOPLE.len();
    let key = 0..KEYS;
    let any = prop_oneof![3 => 0..3usize, 1 => 0..24usize].boxed();
    prop_oneof![
        6 => who.clone().prop_map(Step::Invite),
        2 => who.clone().prop_map(Step::Reinvite),
        2 => who.clone().prop_map(Step::ActivateClient),
        2 => (0..2usize, 0..LOCATIONS.len())
            .prop_map(|(name, location)| Step::AddMachine { name, location }),
        10 => any.clone().prop_map(Step::Open),
        16 => (any.clone(), 0..NAMES.len(), key.clone())
            .prop_map(|(session, name, key)| Step::Register { session, name, key }),
        5 => any.clone().prop_map(Step::SetPassword),
        3 => (any.clone(), key).prop_map(|(session, key)| Step::Fetch { session, key }),
        5 => any.clone().prop_map(Step::Poll),
        3 => prop::sample::select(vec![1, 60, 599, 601, 90_000]).prop_map(Step::Pass),
        3 => any.prop_map(Step::RemoveDevice),
        3 => who.clone().prop_map(Step::Join),
        2 => who.clone().prop_map(Step::Leave),
        2 => who.clone().prop_map(Step::Disable),
        2 => who.prop_map(Step::Enable),
        3 => [door.clone(), door.clone(), door].prop_map(Step::Reload),
        1 => Just(Step::Restart),
    ]
}
