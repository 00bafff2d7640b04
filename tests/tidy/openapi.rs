//! The descriptions of the two APIs name the daemon's routes: every one, and no other. What they say of each is held against
//! a running daemon by `tests/schemathesis`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::{root, sources};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// What differs between the routes below `daemon/src/web/PLACE` and `daemon/openapi/DESCRIPTION`.
pub(crate) fn differences(place: &str, description: &str) -> Vec<String> {
    let place = root().join("daemon/src/web").join(place);
    let file = place.with_extension("rs");
    let of_place = |path: &PathBuf| *path == file || path.starts_with(&place);
    let routes: BTreeSet<String> =
        sources().iter().filter(|path| of_place(path)).flat_map(|path| routes(&read(path))).collect();
    let described = described(&read(&root().join("daemon/openapi").join(description)));
    assert!(!routes.is_empty() && !described.is_empty(), "{description}");
    let missing = routes.difference(&described).map(|route| format!("{route} is not in {description}"));
    let invented = described.difference(&routes).map(|route| format!("{route} of {description} is no route"));
    missing.chain(invented).collect()
}

pub(crate) fn can_fail() {
    let code = ".route(\"/a\", get(x).post(y))\n.route(\n    \"/b/{c}\",\n    delete(z),\n)";
    assert_eq!(routes(code), ["get /a", "post /a", "delete /b/{c}"]);
    let text = "paths:\n  /a:\n    parameters: x\n    get: y\n    post:\n      get: no\ncomponents:\n  /b:\n    get:";
    assert_eq!(described(text), ["get /a", "post /a"].map(str::to_owned).into());
}

/// `method path`, as they are written in code.
pub(crate) fn routes(code: &str) -> Vec<String> {
    let calls = code.split(".route(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
    let routes = calls.filter_map(|rest| rest.split_once('"')).flat_map(|(path, rest)| {
        let handlers = within_brackets(rest);
        let taken = METHODS.iter().filter(move |method| {
            let word = format!("{method}(");
            handlers.match_indices(&word).any(|(at, _)| !handlers[..at].ends_with(char::is_alphanumeric))
        });
        taken.map(move |method| format!("{method} {path}"))
    });
    routes.collect()
}

/// Up to the bracket that closes what was open.
fn within_brackets(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    });
    &text[..end.unwrap_or(text.len())]
}

/// `method path`, as they are written below `paths:`. Indentation is all there is to know of YAML for that.
fn described(text: &str) -> BTreeSet<String> {
    let (mut found, mut path, mut is_paths) = (BTreeSet::new(), "", false);
    for line in text.lines().filter(|line| !line.is_empty()) {
        let key = line.trim_start().split(':').next().unwrap_or_default();
        match line.len() - line.trim_start().len() {
            0 => is_paths = key == "paths",
            2 => path = key,
            4 if is_paths && METHODS.contains(&key) => drop(found.insert(format!("{key} {path}"))),
            _ => {}
        }
    }
    found
}

fn read(path: &PathBuf) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
