//! What a comment calls a peer, in the ways of the tools that write such files: `# Name: ann`, `### Client ann`,
//! `# BEGIN_PEER ann`, `### begin ann ###`, `# friendly_name = ann`, or a plain `# ann`.

/// As long as a device's name may be.
const MOST_CHARACTERS: usize = 64;
/// Keys of such a file: a comment that sets one of them is a setting switched off, and names nobody.
const SETTINGS: [&str; 8] = [
    "publickey",
    "presharedkey",
    "allowedips",
    "endpoint",
    "persistentkeepalive",
    "privatekey",
    "address",
    "dns",
];
/// What other tools write down beside names.
const OTHERS: [&str; 6] = ["id", "email", "created at", "update at", "telegram", "subnet"];

/// A key in base64 has 44 characters, its last one known; no name has so many without a space.
const KEY_CHARACTERS: usize = 40;

/// The name in comments, given without their first `#`: one that says it is a name, else the last of the others. A
/// comment that holds what may be a key names nobody.
pub(super) fn name_in(comments: &[String]) -> Option<String> {
    let comments: Vec<&String> = comments.iter().filter(|comment| !may_hold_key(comment)).collect();
    let explicit = comments.iter().find_map(|comment| said(comment));
    let name = explicit.or_else(|| comments.iter().rev().find_map(|comment| meant(comment)))?;
    let name: String = name.chars().filter(|c| !c.is_control()).take(MOST_CHARACTERS).collect();
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

fn may_hold_key(comment: &str) -> bool {
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    comment.split(|c| !is_of_key(c)).any(|part| part.len() >= KEY_CHARACTERS)
}

/// `Name: ann`, to the letter.
fn said(comment: &str) -> Option<String> {
    let (key, value) = comment.trim().split_once([':', '='])?;
    let is_name = ["name", "friendly_name", "client"].contains(&key.trim().to_ascii_lowercase().as_str());
    is_name.then(|| value.trim().to_owned())
}

fn meant(comment: &str) -> Option<String> {
    let plain = comment.trim_matches(|c: char| c == '#' || c.is_whitespace());
    if plain.starts_with('[') {
        return None;
    }
    let key = plain.split([':', '=']).next().unwrap_or_default().trim().to_ascii_lowercase();
    if key != plain.to_ascii_lowercase() && SETTINGS.iter().chain(&OTHERS).any(|setting| *setting == key) {
        return None;
    }
    let (first, rest) = plain.split_once(char::is_whitespace).unwrap_or((plain, ""));
    match first.to_ascii_lowercase().as_str() {
        "" | "end_peer" => None,
        "end" if comment.trim_start().starts_with('#') => None,
        "client" | "peer" | "begin_peer" | "begin" if !rest.is_empty() => Some(rest.trim().to_owned()),
        _ => Some(plain.to_owned()),
    }
}
