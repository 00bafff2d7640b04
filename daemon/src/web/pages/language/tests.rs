//! The catalogs against each other and against what the pages say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fluent_bundle::FluentResource;

use super::*;

/// Messages with the variables they name.
type Messages = BTreeMap<String, BTreeSet<String>>;

#[test]
fn the_language_that_is_liked_best_among_ours_is_chosen() {
    for (header, chosen) in [
        ("de-AT,de;q=0.9,en;q=0.8", Some(Language::German)),
        ("fr, pl;q=0.5, en;q=0.4", Some(Language::Polish)),
        ("en;q=0.4, PL;q=0.5", Some(Language::Polish)),
        ("pl;q=0, en;q=0.1", Some(Language::English)),
        ("fr", None),
        ("*", None),
        ("de;q=x", None),
        ("", None),
    ] {
        assert_eq!(Language::accepted(header), chosen, "{header}");
    }
}

#[test]
fn every_catalog_has_the_same_messages_with_the_same_variables() {
    let english = messages(Language::English);
    for language in [Language::Polish, Language::German] {
        assert_eq!(messages(language), english, "{}", language.code());
    }
}

#[test]
fn pages_use_every_message_and_give_every_variable() {
    let said = said();
    let defined = messages(Language::English);
    for (key, given) in &said {
        let named = defined.get(key).unwrap_or_else(|| panic!("no catalog has {key:?}"));
        for given in given {
            assert_eq!(given, named, "{key}");
        }
    }
    let spare: Vec<_> = defined.keys().filter(|key| !said.contains_key(*key)).collect();
    assert_eq!(spare, Vec::<&String>::new(), "nobody says these");
}

#[test]
fn numbers_choose_their_words() {
    let minutes =
        |language: Language, number: i64| language.say(Key("countdown")).count("minutes", number).to_string();
    assert_eq!(minutes(Language::English, 1), "About one minute left");
    assert_eq!(minutes(Language::English, 9), "About 9 minutes left");
    assert_eq!(minutes(Language::Polish, 3), "Pozostało około 3 minut");
    let wait =
        |number: i64| Language::Polish.say(Key("trouble-too-many-text")).count("minutes", number).to_string();
    assert_eq!(wait(3), "Odczekaj 3 minuty i spróbuj ponownie.");
    assert_eq!(wait(5), "Odczekaj 5 minut i spróbuj ponownie.");
    assert_eq!(minutes(Language::German, 0), "Weniger als eine Minute übrig");
}

fn messages(language: Language) -> Messages {
    let resource = FluentResource::try_new(language.source().to_owned()).map_err(|error| error.1).unwrap();
    assert!(resource.entries().count() > 100);
    let mut messages = Messages::new();
    let (mut id, mut variables) = (String::new(), BTreeSet::new());
    for line in language.source().lines().chain(["end = "]) {
        if let Some((name, _)) = line.split_once(" = ").filter(|_| line.starts_with(char::is_alphabetic)) {
            let before = std::mem::replace(&mut id, name.to_owned());
            let known = messages.insert(before, std::mem::take(&mut variables));
            assert!(known.is_none(), "{} has a message twice before {name}", language.code());
        }
        let named = line.split('$').skip(1);
        variables.extend(named.map(|rest| rest.split([' ', '}', ')']).next().unwrap_or_default().to_owned()));
    }
    messages.remove("");
    messages
}

/// Every message that sources and templates say, with the variables that templates give it at each place.
fn said() -> BTreeMap<String, Vec<BTreeSet<String>>> {
    let mut said: BTreeMap<String, Vec<BTreeSet<String>>> = BTreeMap::new();
    for path in files() {
        let text = fs::read_to_string(&path).unwrap();
        let is_template = path.extension().is_some_and(|extension| extension == "html");
        for opening in ["say(\"", "Key(\""] {
            for (at, _) in text.match_indices(opening) {
                let rest = &text[at + opening.len()..];
                let (key, rest) = rest.split_once("\")").unwrap();
                let given = said.entry(key.to_owned()).or_default();
                if is_template {
                    given.push(variables_given(rest));
                }
            }
        }
    }
    said
}

/// The variables of the calls chained to a message: `.with("name", …).count("number", …)`.
fn variables_given(mut rest: &str) -> BTreeSet<String> {
    let mut given = BTreeSet::new();
    while let Some(call) = rest.strip_prefix(".with(\"").or_else(|| rest.strip_prefix(".count(\"")) {
        given.insert(call.split('"').next().unwrap().to_owned());
        let mut depth = 1;
        let end = call.find(|c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        rest = &call[end.unwrap() + 1..];
    }
    given
}

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["templates/pages", "src/web/pages", "src/web/pages/openid"] {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()));
    }
    assert!(files.len() > 20);
    files
}
