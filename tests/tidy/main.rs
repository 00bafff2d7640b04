//! The layers and the house style, as tests. Each rule reads lines of text and names file and line of
//! what breaks it; `rules_can_fail` shows every rule failing on made-up text.
//! It reads source text and does not parse Rust: a rule that needs types belongs in a clippy lint.
//! Who may use whom stands in `layers.rs`.

#![expect(clippy::unwrap_used, reason = "sources that cannot be read fail the test")]

mod claims;
mod layers;
mod openapi;
mod seeds;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest a file may be, in lines, its unit tests apart.
const MAX_LINES: usize = 400;

/// What decisions, being pure, must not name.
const IMPURE: &[&str] = &[
    "rusqlite::",
    "axum::",
    "lettre::",
    "tokio::",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
];

/// What no source may contain, spelled in halves so that this file does not.
const BANNED: &[(&str, &str)] =
    &[("todo", "!("), ("#[ign", "ore"), ("#[all", "ow("), ("#![all", "ow("), ("/wo", "rk/"), ("/ho", "me/")];

/// Words that open a statement of SQL inside a string.
const SQL: &[&str] = &["\"SELECT ", "\"INSERT INTO ", "\"UPDATE ", "\"DELETE FROM ", "\"CREATE TABLE "];

/// Everything at the top of the repository; the tools insist on the files.
const TOP_LEVEL: &[&str] = &[
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "clippy.toml",
    "config",
    "daemon",
    "deny.toml",
    "gateway",
    "rustfmt.toml",
    "systemd",
    "tests",
];

/// What git, builds and a development run leave at the top; all but the first ignored by git.
const NOT_OURS: &[&str] = &[".git", ".postern", "target"];

type Rule = fn(&str, &str) -> Vec<String>;

#[test]
fn crates_are_named_only_by_their_layer() {
    check(layers::crates);
}

#[test]
fn modules_use_only_what_is_below_them() {
    check(layers::modules);
    assert_eq!(layers::circles(), Vec::<String>::new());
}

#[test]
fn decisions_are_pure() {
    check(pure_rules);
}

#[test]
fn sql_is_written_only_in_the_store() {
    check(sql_in_store);
}

#[test]
fn files_fit_their_ceiling() {
    check(short_files);
}

#[test]
fn modules_open_with_what_they_are_for() {
    check(module_docs);
}

#[test]
fn nothing_banned_is_written() {
    check(banned);
}

#[test]
fn the_top_level_holds_only_what_is_prescribed() {
    let found: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !NOT_OURS.contains(&name.as_str()))
        .collect();
    assert_eq!(strangers(&found), Vec::<String>::new());
}

#[test]
fn every_claim_of_the_threat_model_names_a_test_that_there_is() {
    claims::can_fail();
    let text = fs::read_to_string(root().join("daemon/decisions/0017-threat-model.md")).unwrap();
    assert_eq!(claims::unfounded(&text, &claims::tests()), Vec::<String>::new());
}

#[test]
fn every_clause_of_the_openid_standards_names_a_test_that_there_is() {
    let text = fs::read_to_string(root().join("daemon/decisions/openid-clauses.md")).unwrap();
    assert_eq!(claims::unfounded(&text, &claims::tests()), Vec::<String>::new());
}

#[test]
fn every_route_of_the_apis_is_described_and_nothing_else() {
    openapi::can_fail();
    let client = openapi::differences("client_api", "client.yaml");
    let admin = openapi::differences("admin_api", "admin.yaml");
    assert_eq!([client, admin].concat(), Vec::<String>::new());
}

#[test]
fn the_fuzzer_begins_with_every_route() {
    seeds::can_fail();
    assert_eq!(seeds::missing(), Vec::<String>::new());
}

#[test]
fn the_targets_of_cargo_fuzz_are_built_of_what_is_shipped() {
    let versions = |lock: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(root().join(lock)).unwrap();
        let packages = text.split("[[package]]").skip(1);
        packages.map(|package| package.lines().skip(1).take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    let (shipped, fuzzed) = (versions("Cargo.lock"), versions("tests/fuzz/Cargo.lock"));
    let of_its_own = ["arbitrary", "libfuzzer-sys", "postern-fuzz"].map(|name| format!("name = \"{name}\""));
    let strange: Vec<_> = fuzzed
        .difference(&shipped)
        .filter(|package| !of_its_own.iter().any(|name| package.starts_with(name.as_str())))
        .collect();
    assert!(strange.is_empty(), "copy Cargo.lock to tests/fuzz and build that: {strange:?}");
}

#[test]
fn rules_can_fail() {
    let long = "//! x\n".repeat(MAX_LINES + 1);
    let banned_text = format!("//! x\n    {}{})", BANNED[0].0, BANNED[0].1);
    let cases: &[(Rule, &str, &str, usize)] = &[
        (layers::crates, "daemon/src/flows/a.rs", "//! x\nuse rusqlite::Connection;", 2),
        (layers::crates, "daemon/src/flows/a.rs", "//! x\nuse axum as web;", 2),
        (layers::modules, "daemon/src/store/a.rs", "//! x\nuse crate::web::pages;", 2),
        (layers::modules, "daemon/src/site.rs", "//! x\nlet a = crate::store::open();", 2),
        (layers::modules, "daemon/src/app.rs", "//! x\nuse crate::background::sweep;", 2),
        (layers::modules, "gateway/src/plan/a.rs", "//! x\nuse crate::{backend, key};", 2),
        (layers::modules, "daemon/src/store/a.rs", "//! x\nuse crate::{\n    web,\n};", 2),
        (layers::modules, "daemon/src/unheard_of.rs", "//! x\nuse crate::rules::ids;", 1),
        (pure_rules, "daemon/src/rules/a.rs", "//! x\nuse std::fs;", 2),
        (sql_in_store, "daemon/src/flows/a.rs", "//! x\nlet q = \"SELECT 1\";", 2),
        (short_files, "daemon/src/flows/a.rs", &long, MAX_LINES + 1),
        (module_docs, "daemon/src/flows/a.rs", "use std::fs;", 1),
        (banned, "daemon/src/flows/a.rs", &banned_text, 2),
    ];
    for (rule, path, text, line) in cases {
        let found = rule(path, text);
        assert_eq!(found.len(), 1, "{path} {text}");
        assert!(found[0].starts_with(&format!("{path}:{line}: ")), "{found:?}");
    }
    assert_eq!(strangers(&["notes.txt".to_owned()]), ["notes.txt"]);
}

#[test]
fn rules_accept_what_is_allowed() {
    let tests_apart = format!("//! x\n#[cfg(test)]\nmod tests {{\n{}}}\n", "    // x\n".repeat(MAX_LINES));
    assert_eq!(short_files("daemon/src/flows/a.rs", &tests_apart), Vec::<String>::new());
    for (path, text) in [
        ("daemon/src/store/a.rs", "//! x\nuse rusqlite::Row;"),
        ("daemon/src/flows/a.rs", "//! speaks of rusqlite::Row and crate::web"),
        ("daemon/src/flows/a.rs", "//! x\nuse crate::flows::b;\nuse crate::store::Tx;"),
        ("daemon/src/app/run.rs", "//! x\nuse crate::background::sweep;"),
    ] {
        assert_eq!([layers::crates(path, text), layers::modules(path, text)].concat(), Vec::<String>::new());
    }
}

fn pure_rules(path: &str, text: &str) -> Vec<String> {
    if !is_below(path, "daemon/src/rules") {
        return Vec::new();
    }
    lines_where(path, text, |line| {
        IMPURE.iter().find(|name| line.contains(**name)).map(|name| format!("{name} in a pure rule"))
    })
}

fn sql_in_store(path: &str, text: &str) -> Vec<String> {
    if !in_sources(path) || is_below(path, "daemon/src/store") {
        return Vec::new();
    }
    lines_where(path, text, |line| {
        SQL.iter().any(|word| line.contains(word)).then(|| "SQL outside the store".to_owned())
    })
}

fn short_files(path: &str, text: &str) -> Vec<String> {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = code.lines().count();
    if lines <= MAX_LINES {
        return Vec::new();
    }
    vec![format!("{path}:{lines}: longer than {MAX_LINES} lines; a file answers one question")]
}

fn module_docs(path: &str, text: &str) -> Vec<String> {
    if text.starts_with("//!") {
        return Vec::new();
    }
    vec![format!("{path}:1: does not open with //!")]
}

fn banned(path: &str, text: &str) -> Vec<String> {
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let (head, tail) = BANNED.iter().find(|(head, tail)| line.contains(&format!("{head}{tail}")))?;
            Some(format!("{path}:{}: {head}{tail} is not written here", index + 1))
        })
        .collect()
}

fn strangers(names: &[String]) -> Vec<String> {
    names.iter().filter(|name| !TOP_LEVEL.contains(&name.as_str())).cloned().collect()
}

/// Lines of code, comments apart, of which `judge` has something to say.
fn lines_where(path: &str, text: &str, judge: impl Fn(&str) -> Option<String>) -> Vec<String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter_map(|(index, line)| Some(format!("{path}:{}: {}", index + 1, judge(line)?)))
        .collect()
}

/// Whether code names a crate: as `name::…`, or by `use name` alone or renamed.
fn names_crate(line: &str, name: &str) -> bool {
    let starts_word =
        |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '"');
    let by_path = line.match_indices(&format!("{name}::")).any(|(at, _)| starts_word(at));
    let by_use = ["use ", "pub use "]
        .iter()
        .filter_map(|word| line.trim_start().strip_prefix(word)?.strip_prefix(name))
        .any(|rest| rest.starts_with(';') || rest.starts_with(" as "));
    by_path || by_use
}

fn in_sources(path: &str) -> bool {
    path.starts_with("daemon/src/") || path.starts_with("gateway/src/")
}

/// Whether `path` is the module `place`: the file, the file's folder, or its `.rs`.
fn is_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
}

fn check(rule: Rule) {
    let mut report = String::new();
    for path in sources() {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        for finding in rule(&name, &fs::read_to_string(&path).unwrap()) {
            writeln!(report, "{finding}").unwrap();
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["daemon", "gateway", "tests"].iter().map(|dir| root().join(dir)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // What npm installs is not ours.
                if !path.ends_with("node_modules") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no sources below {}", root().display());
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
