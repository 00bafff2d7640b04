//! The threat model: each of its claims names a test that there is, or says that it is not shown.

use std::collections::BTreeSet;
use std::fs;

/// What is wrong with a text of claims, given the names of all tests.
pub(super) fn unfounded(text: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let claims = text.split("\n- ").skip(1).map(|claim| claim.split("\n\n").next().unwrap_or(claim));
    let baseless =
        |claim: &&str| named(claim).next().is_none() && !excuses().iter().any(|words| claim.contains(words));
    let first_line = |claim: &str| claim.lines().next().unwrap_or_default().to_owned();
    let baseless: Vec<String> =
        claims.filter(baseless).map(|claim| format!("no test: {}", first_line(claim))).collect();
    let missing =
        named(text).filter(|name| !tests.contains(*name)).map(|name| format!("no such test: {name}"));
    baseless.into_iter().chain(missing).collect()
}

/// What is said of a claim that no test shows.
fn excuses() -> [&'static str; 2] {
    ["Not shown", "see below"]
}

/// The tests that a text names, between backticks: a sentence in one word.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let is_sentence = |word: &&str| {
        word.matches('_').count() >= 3
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    text.split('`').skip(1).step_by(2).filter(is_sentence)
}

/// The names of all tests.
pub(super) fn tests() -> BTreeSet<String> {
    super::sources().iter().flat_map(|path| tests_in(&fs::read_to_string(path).unwrap())).collect()
}

/// Functions after `#[test]` or `#[tokio::test]`, attributes between them apart, those of proptest, which has them in a
/// macro, and the targets of tests/fuzz, whose comment says that they are.
fn tests_in(source: &str) -> Vec<String> {
    let (mut found, mut is_test) = (Vec::new(), false);
    for line in source.lines().map(str::trim) {
        if matches!(line, "#[test]" | "#[tokio::test]" | "/// A target.") {
            is_test = true;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
            found.push(rest.split(['(', '<']).next().unwrap_or(rest).to_owned());
            is_test = false;
        }
    }
    found
}

pub(super) fn can_fail() {
    let tests = BTreeSet::from(["this_is_a_test".to_owned()]);
    let good = "# x\n\n- One: `this_is_a_test`,\n  further.\n- Two. Not shown.\n\nText about `keys` and `SOME_THING_ELSE_YET`.\n";
    assert_eq!(unfounded(good, &tests), Vec::<String>::new());
    let bad = "- nothing\n\n- One:\n  `this_is_no_test`.\n- Two.\n\nText: `this_is_a_test`\n";
    assert_eq!(
        unfounded(&format!("\n{bad}"), &tests),
        ["no test: nothing", "no test: Two.", "no such test: this_is_no_test"]
    );
}
