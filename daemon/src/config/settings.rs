//! `postern.toml` as text: reads and sets keys of its tables, also of a file that is not valid yet. Comments and formatting
//! stay, and so does every key that was not named. Pure; what the values mean is judged when the text is loaded.

use serde::de::DeserializeOwned;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use super::edit::{EditError, brought_back, commented_out, put};
use super::load::refused_for;

/// What a new file is made from: every key, documented, with its default.
pub const DOCUMENTED: &str = include_str!("../../../config/postern.toml");

/// A key, and what it is to be.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Dotted, as in `mail.smtp`; empty: the top of the file.
    pub table: &'static str,
    /// In that table.
    pub key: &'static str,
    /// `None`: the key is commented out.
    pub value: Option<Value>,
}

impl Setting {
    /// A text, a number or a switch.
    pub fn new(table: &'static str, key: &'static str, value: impl Into<Value>) -> Self {
        Self { table, key, value: Some(value.into()) }
    }

    /// A list of texts.
    pub fn list(table: &'static str, key: &'static str, items: &[&str]) -> Self {
        Self::new(table, key, items.iter().copied().collect::<Array>())
    }

    /// Commented out.
    pub fn without(table: &'static str, key: &'static str) -> Self {
        Self { table, key, value: None }
    }
}

/// `text` with these settings; everything else stays to the letter.
pub fn set(text: &str, settings: &[Setting]) -> Result<String, EditError> {
    let mut text = text.to_owned();
    for setting in settings {
        text = match &setting.value {
            None => commented_out(&text, setting.table, setting.key)?,
            Some(value) => with(&text, setting, value)?,
        };
    }
    Ok(text)
}

/// What a TOML text says, or which key is wrong and why. What a key of `secrets` says is in no message.
pub fn parse<T: DeserializeOwned>(text: &str, secrets: &[&str]) -> Result<T, String> {
    toml::from_str(text).map_err(|error| match refused_for(text, &error) {
        (key, reason) if secrets.contains(&key.as_str()) => {
            let place = reason.split_once(": ").map_or("", |(place, _)| place);
            format!("{key}: {place}: what it says is not understood: write it between single quotes")
        }
        (key, reason) if key.is_empty() => reason,
        (key, reason) => format!("{key}: {reason}"),
    })
}

/// The text at a key; `None` where there is none, or where the file is no TOML.
pub fn text_at(text: &str, table: &str, key: &str) -> Option<String> {
    at(text, table, key)?.as_str().map(str::to_owned)
}

/// Whether there is no list at a key, or one without items.
pub fn is_empty_at(text: &str, table: &str, key: &str) -> bool {
    at(text, table, key).is_none_or(|item| item.as_array().is_some_and(Array::is_empty))
}

fn at(text: &str, table: &str, key: &str) -> Option<Item> {
    let document: DocumentMut = text.parse().ok()?;
    let mut parts = table.split('.').filter(|part| !part.is_empty());
    let table = parts.try_fold(document.as_table(), |table, part| table.get(part)?.as_table())?;
    table.get(key).cloned()
}

fn with(text: &str, setting: &Setting, value: &Value) -> Result<String, EditError> {
    let mut document: DocumentMut = brought_back(text, setting.table, setting.key)?.parse()?;
    let mut table = document.as_table_mut();
    for part in setting.table.split('.').filter(|part| !part.is_empty()) {
        let made = || Item::Table(Table::new());
        let Some(inner) = table.entry(part).or_insert_with(made).as_table_mut() else {
            return Err(EditError::NoTable(setting.table));
        };
        table = inner;
    }
    put(table, setting.key, value.clone());
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_change_in_their_place_and_everything_else_stays() {
        let settings = [
            Setting::new("", "public_url", "https://vpn.example.com/"),
            Setting::list("http", "trusted_proxies", &["127.0.0.1/32"]),
            Setting::new("mail.smtp", "port", 25),
            Setting::new("mail.smtp", "password_file", "/etc/postern/smtp-password"),
        ];
        let expected = DOCUMENTED
            .replace("public_url = \"\"", "public_url = \"https://vpn.example.com/\"")
            .replace("trusted_proxies = []", "trusted_proxies = [\"127.0.0.1/32\"]")
            .replace("port = 0", "port = 25")
            .replace("# password_file =", "password_file =");
        let text = set(DOCUMENTED, &settings).unwrap();
        assert_eq!(text, expected);
        assert_eq!(set(&text, &settings).unwrap(), text);
        let without = set(&text, &[Setting::without("mail.smtp", "password_file")]).unwrap();
        assert!(without.contains("\n# password_file = \"/etc/postern/smtp-password\"\n"), "{without}");
    }

    #[test]
    fn a_key_of_another_table_is_not_mistaken_for_it() {
        let text = "[a]\n# key = 1\n[b]\n# key = 2\n";
        assert_eq!(set(text, &[Setting::new("b", "key", 3)]).unwrap(), "[a]\n# key = 1\n[b]\nkey = 3\n");
    }

    #[test]
    fn a_secret_is_in_no_message() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only what is wrong with it matters")]
        struct Answers {
            name: Option<u8>,
            password: Option<String>,
        }
        for text in [
            "password = hunter2",
            "name = 1\npassword = 'hunter2",
            "password = [ 'hunter2' ]",
            "password = 'a' hunter2",
        ] {
            let said = parse::<Answers>(text, &["password"]).unwrap_err();
            assert!(said.starts_with("password: line ") && !said.contains("hunter2"), "{said}");
        }
        let said = parse::<Answers>("name = 'x'", &["password"]).unwrap_err();
        assert!(said.starts_with("name: line 1: ") && said.contains("\"x\""), "{said}");
    }

    #[test]
    fn tables_that_are_not_there_are_made() {
        let text = set("# mine\npublic_url = \"x\"\n", &[Setting::new("mail.smtp", "host", "mail")]).unwrap();
        assert_eq!(text_at(&text, "mail.smtp", "host").as_deref(), Some("mail"));
        assert!(text.starts_with("# mine\n"), "{text}");
        assert!(set("mail = 1\n", &[Setting::new("mail.smtp", "host", "mail")]).is_err());
        assert_eq!(text_at(&text, "mail", "host"), None);
    }
}
