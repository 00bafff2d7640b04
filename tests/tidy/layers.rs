//! The layers: which crates and which modules each module may use. A module that is not in the table is refused: whoever
//! adds one says here what it stands on. daemon/decisions/0008 says why the layers are as they are.

use super::{in_sources, is_below, lines_where, names_crate};

/// Modules, each with the others that it may use.
type Table = [(&'static str, &'static [&'static str])];

/// Who may name a crate: the crate, then the path prefixes below the root.
const MAY_USE: &[(&str, &[&str])] = &[
    ("rusqlite", &["daemon/src/store"]),
    ("axum", &["daemon/src/web", "daemon/src/app"]),
    ("askama", &["daemon/src/web"]),
    ("fluent_bundle", &["daemon/src/web"]),
    ("lettre", &["daemon/src/mail", "daemon/src/mailbox"]),
    ("clap", &["daemon/src/cli", "daemon/src/log", "daemon/src/main.rs"]),
    ("hyper", &["daemon/src/cli", "daemon/src/web", "daemon/src/app"]),
    ("toml", &["daemon/src/config"]),
    ("toml_edit", &["daemon/src/config"]),
    ("minijinja", &["daemon/src/template"]),
    ("prometheus_client", &["daemon/src/metrics"]),
    ("pulldown_cmark", &["daemon/src/markdown"]),
    ("ammonia", &["daemon/src/markdown"]),
    ("age", &["daemon/src/envelope"]),
    ("tar", &["daemon/src/backup"]),
    ("argon2", &["daemon/src/password"]),
    ("rand", &["daemon/src/app"]),
    ("hmac", &["daemon/src/rules"]),
    ("totp_rs", &["daemon/src/rules/totp"]),
    ("x25519_dalek", &["gateway/src/key"]),
    ("defguard_wireguard_rs", &["gateway/src/backend"]),
    ("rtnetlink", &["gateway/src/backend"]),
    ("netlink_packet_route", &["gateway/src/backend"]),
    ("netlink_sys", &["gateway/src/backend"]),
    ("libc", &["gateway/src/backend"]),
    ("tokio_rustls", &["daemon/src/web"]),
    ("instant_acme", &["daemon/src/background/acme"]),
    ("sd_notify", &["daemon/src/app"]),
    ("listenfd", &["daemon/src/app"]),
    ("gotatun", &["gateway/src/backend"]),
    ("nftables", &["gateway/src/backend", "gateway/src/firewall"]),
    (
        "nix",
        &[
            "gateway/src/backend",
            "daemon/src/app",
            "daemon/src/backup",
            "daemon/src/cli",
            "daemon/src/log",
            "daemon/src/web",
        ],
    ),
];

/// What each module of the daemon may use of the others. `app` is what every request and every loop is given; `app/`,
/// its folder, is the composition root, above all others but the command line.
#[rustfmt::skip]
const DAEMON: &Table = &[
    ("rules", &[]),
    ("durable", &[]),
    ("envelope", &[]),
    ("password", &[]),
    ("template", &[]),
    ("markdown", &[]),
    ("mailbox", &[]),
    ("pulse", &[]),
    ("log", &[]),
    ("tls", &["rules"]),
    ("gateway_view", &["rules"]),
    ("keys", &["durable", "rules"]),
    ("texts", &["rules", "template"]),
    ("config", &["envelope", "mailbox", "rules", "texts", "tls"]),
    ("site", &["config", "rules"]),
    ("taken", &["config"]),
    ("store", &["rules", "site"]),
    ("backup", &["config", "durable", "rules", "store"]),
    ("applied", &["rules", "store"]),
    ("fixtures", &["config", "rules", "site", "store", "texts"]),
    ("flows", &["applied", "config", "gateway_view", "rules", "site", "store", "template", "texts"]),
    ("metrics", &["applied", "flows", "gateway_view", "rules", "site", "store"]),
    ("mail", &["config", "flows", "markdown", "rules", "site", "store", "template", "texts"]),
    ("app", &["applied", "metrics", "rules", "site", "store", "tls"]),
    (
        "background",
        &[
            "app", "applied", "config", "durable", "flows", "gateway_view", "mail", "metrics", "pulse", "rules", "site",
            "store", "texts", "tls",
        ],
    ),
    ("reload", &["app", "applied", "background", "config", "durable", "flows", "keys", "rules", "site", "store"]),
    ("location_files", &["config", "flows", "reload", "rules", "taken"]),
    (
        "web",
        &[
            "app", "applied", "backup", "config", "flows", "gateway_view", "location_files", "mail", "markdown", "metrics", "password", "pulse",
            "reload", "rules", "site", "store", "taken", "tls",
        ],
    ),
    (
        "app/",
        &[
            "app", "applied", "background", "config", "flows", "gateway_view", "keys", "log", "metrics", "pulse", "reload",
            "rules", "site", "store", "tls", "web",
        ],
    ),
    ("cli", &["app", "app/", "backup", "config", "durable", "envelope", "location_files", "log", "mail", "reload", "rules", "taken"]),
];

/// What each module of the gateway may use of the others.
const GATEWAY: &Table = &[
    ("key", &[]),
    ("kind", &[]),
    ("net", &[]),
    ("stats", &[]),
    ("desired", &["key", "kind", "net"]),
    ("observed", &["key", "kind", "net"]),
    ("firewall", &["desired", "net", "observed"]),
    ("plan", &["desired", "firewall", "key", "kind", "net", "observed"]),
    ("model", &["desired", "key", "kind", "net", "observed", "plan"]),
    ("backend", &["desired", "firewall", "key", "kind", "model", "net", "observed", "plan", "stats"]),
    ("apply", &["backend", "key", "net", "observed", "plan"]),
    ("fixtures", &["apply", "backend", "desired", "key", "kind", "net", "plan"]),
];

/// The crates' modules, and what tests may use beyond the table.
const CRATES: &[(&str, &Table, &[&str])] =
    &[("daemon/src/", DAEMON, &["fixtures"]), ("gateway/src/", GATEWAY, &["backend", "desired", "fixtures"])];

/// Not modules: the crate's root, and the program.
const ROOTS: &[&str] = &["lib.rs", "main.rs"];

/// Crates that a line names and its layer may not.
pub(super) fn crates(path: &str, text: &str) -> Vec<String> {
    if !in_sources(path) {
        return Vec::new();
    }
    lines_where(path, text, |line| {
        MAY_USE
            .iter()
            .filter(|(_, places)| !places.iter().any(|place| is_below(path, place)))
            .find(|(name, _)| names_crate(line, name))
            .map(|(name, places)| format!("{name} belongs to {}", places.join(", ")))
    })
}

/// Modules that a line names and its own may not use.
pub(super) fn modules(path: &str, text: &str) -> Vec<String> {
    let Some((inside, table, for_tests)) = CRATES
        .iter()
        .find_map(|(root, table, for_tests)| Some((path.strip_prefix(root)?, *table, *for_tests)))
    else {
        return Vec::new();
    };
    if ROOTS.contains(&inside) {
        return Vec::new();
    }
    let own = module_of(inside, table);
    let Some((_, below)) = table.iter().find(|(name, _)| *name == own) else {
        return vec![format!("{path}:1: tests/tidy/layers.rs does not say what `{own}` may use")];
    };
    let tests_from = text.find("#[cfg(test)]").map_or(usize::MAX, |at| text[..at].lines().count());
    // The list would be on lines of its own, which are not read.
    if let Some(line) = text.lines().position(|line| line.trim_end().ends_with("crate::{")) {
        return vec![format!("{path}:{}: a list of modules stands on one line", line + 1)];
    }
    let is_test = |line: usize| line > tests_from || inside.contains("tests") || inside.contains("races");
    let mut number = 0;
    let numbered = text.lines().flat_map(|line| {
        number += 1;
        used(line).into_iter().map(move |name| (number, name))
    });
    numbered
        .filter(|(_, name)| *name != own && format!("{name}/") != own)
        .filter(|(_, name)| !below.iter().any(|known| known.trim_end_matches('/') == *name))
        .filter(|(line, name)| !(is_test(*line) && for_tests.contains(name)))
        .map(|(line, name)| format!("{path}:{line}: `{own}` stands on {}, not on `{name}`", below.join(", ")))
        .collect()
}

/// Modules that stand on themselves, by way of others.
pub(super) fn circles() -> Vec<String> {
    let mut found = Vec::new();
    for (root, table, _) in CRATES {
        let mut standing: Vec<&str> = Vec::new();
        for (name, below) in *table {
            // The table is written from the ground up, so whatever is above its own line closes a circle.
            found.extend(
                below
                    .iter()
                    .filter(|used| !standing.contains(used))
                    .map(|used| format!("{root}{name} stands on {used}, which is not below it")),
            );
            standing.push(name);
        }
    }
    found
}

/// The module a file belongs to: the first word of its path, or the folder where a table tells it apart.
fn module_of<'a>(inside: &'a str, table: &Table) -> &'a str {
    let Some((folder, _)) = inside.split_once('/') else { return inside.trim_end_matches(".rs") };
    let with_slash = &inside[..=folder.len()];
    if table.iter().any(|(name, _)| *name == with_slash) { with_slash } else { folder }
}

/// The modules that a line of code names as `crate::…`.
fn used(line: &str) -> Vec<&str> {
    if line.trim_start().starts_with("//") {
        return Vec::new();
    }
    let word = |text: &'_ str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let is_start = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
    line.match_indices("crate::")
        .filter(|(at, _)| is_start(*at))
        .flat_map(|(at, found)| {
            let rest = &line[at + found.len()..];
            match rest.strip_prefix('{') {
                Some(list) => list.split(['}', ',']).map(str::trim).collect(),
                None => vec![rest],
            }
        })
        .map(|rest| &rest[..word(rest)])
        .filter(|name| name.starts_with(char::is_lowercase))
        .collect()
}
