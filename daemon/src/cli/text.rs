//! What the commands have in common: how answers become lines for people.

use std::io::{self, Write};

use serde_json::Value;

use super::Failure;

/// The text at `key`; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Whether `key` is true.
pub(super) fn is_true(value: &Value, key: &str) -> bool {
    value.get(key) == Some(&Value::Bool(true))
}

/// The items at `key`.
pub(super) fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The texts at `key`, or a dash.
pub(super) fn joined(value: &Value, key: &str) -> String {
    let texts: Vec<&str> = items(value, key).iter().filter_map(Value::as_str).collect();
    if texts.is_empty() { "-".to_owned() } else { texts.join(", ") }
}

/// Labels and values, one a line; what is empty is left out.
pub(super) fn facts<'a>(
    out: &mut impl Write,
    facts: impl IntoIterator<Item = (&'a str, String)>,
) -> io::Result<()> {
    for (label, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{label:<12} {value}")?;
    }
    Ok(())
}

/// Fails where what was done is not in force at the gateway.
pub(super) fn in_force(answer: &Value) -> Result<(), Failure> {
    if answer.get("applied") == Some(&Value::Bool(false)) { Err(Failure::NotInForce) } else { Ok(()) }
}
