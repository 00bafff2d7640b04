//! Texts with variables, `{{ first_name }}`, written by whoever runs postern. A template has no way to files, the
//! environment or anything else but its variables; what it may take in time and space is limited, and a mistake in it
//! costs the place of one variable at most.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use minijinja::value::ValueKind;
use minijinja::{Environment, ErrorKind, Output, State, UndefinedBehavior, Value};

/// Longer than anybody writes a mail.
pub const MOST_BYTES: usize = 256 * 1024;
/// What the rendered text may come to.
const MOST_RENDERED_BYTES: usize = 256 * 1024;
/// What one variable may come to.
const MOST_VALUE_BYTES: usize = 8 * 1024;
/// Steps of the engine; our own texts take some hundred.
const FUEL: u64 = 20_000;
const RECURSION: usize = 32;

/// A text whose syntax is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Arc<str>);

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct TemplateError {
    /// From 1.
    pub line: Option<usize>,
    /// In words.
    pub reason: String,
}

/// Where values land, and so which characters must not mean anything there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landing {
    /// Plain text of several lines.
    Text,
    /// Markdown that is going to be HTML or plain text.
    Markdown,
    /// HTML, between tags or in a quoted attribute.
    Html,
}

/// What variables stand for, by name.
pub type Values = BTreeMap<&'static str, String>;

impl Template {
    /// Takes `source` if its syntax is right.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        if source.len() > MOST_BYTES {
            let reason = format!("is larger than {} KiB", MOST_BYTES / 1024);
            return Err(TemplateError { line: None, reason });
        }
        environment(Landing::Text).template_from_str(source).map_err(|error| told(&error))?;
        Ok(Self(source.into()))
    }

    /// The variables it names that are not among `known`.
    pub fn unknown_variables(&self, known: &Values) -> BTreeSet<String> {
        let environment = environment(Landing::Text);
        let Ok(template) = environment.template_from_str(&self.0) else { return BTreeSet::new() };
        let named = template.undeclared_variables(false);
        named.into_iter().filter(|name| !known.contains_key(name.as_str())).collect()
    }

    /// Fills in `values`; a variable that is not among them becomes nothing.
    pub fn render(&self, values: &Values, landing: Landing) -> Result<String, TemplateError> {
        let values = values.iter().map(|(name, value)| (*name, Value::from(value.as_str())));
        self.filled(Value::from_pairs(values), landing)
    }

    /// [`Template::render`] for HTML around HTML: `content` is taken as it is.
    pub fn render_around(&self, content: &str, values: &Values) -> Result<String, TemplateError> {
        let values = values.iter().map(|(name, value)| (*name, Value::from(value.as_str())));
        let content = ("content", Value::from_safe_string(content.to_owned()));
        self.filled(Value::from_pairs(values.chain([content])), Landing::Html)
    }

    fn filled(&self, values: Value, landing: Landing) -> Result<String, TemplateError> {
        let environment = environment(landing);
        let template = environment.template_from_str(&self.0).map_err(|error| told(&error))?;
        let mut written = Bounded(Vec::new());
        template.render_captured_to(values, &mut written).map_err(|error| told(&error))?;
        String::from_utf8(written.0).map_err(|error| TemplateError { line: None, reason: error.to_string() })
    }
}

fn environment(landing: Landing) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    environment.set_formatter(move |out, _: &mut State<'_, '_>, value| write_value(out, value, landing));
    environment
}

fn told(error: &minijinja::Error) -> TemplateError {
    let reason = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    TemplateError { line: error.line(), reason }
}

/// Lists and maps are refused before they are turned to text: that alone could take all memory.
fn write_value(out: &mut Output<'_>, value: &Value, landing: Landing) -> Result<(), minijinja::Error> {
    let refused = |why: String| minijinja::Error::new(ErrorKind::InvalidOperation, why);
    let fails = |_| minijinja::Error::new(ErrorKind::WriteFailure, "the text becomes too long");
    let kind = value.kind();
    if matches!(kind, ValueKind::Undefined | ValueKind::None) {
        return Ok(());
    }
    if value.is_safe() {
        return out.write_str(value.as_str().unwrap_or_default()).map_err(fails);
    }
    if !matches!(kind, ValueKind::String | ValueKind::Number | ValueKind::Bool) {
        return Err(refused(format!("{kind} cannot be written into a text")));
    }
    let text = value.to_string();
    if text.len() > MOST_VALUE_BYTES {
        return Err(refused("a value is too long".to_owned()));
    }
    out.write_str(&escaped(&text, landing)).map_err(fails)
}

fn escaped(value: &str, landing: Landing) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match (landing, c) {
            // Nobody's name begins a line of its own.
            (_, c) if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => text.push(' '),
            (Landing::Text, c) => text.push(c),
            (_, '&') => text.push_str("&amp;"),
            (_, '<') => text.push_str("&lt;"),
            (_, '>') => text.push_str("&gt;"),
            (Landing::Html, '"') => text.push_str("&quot;"),
            (Landing::Html, '\'') => text.push_str("&#39;"),
            (Landing::Markdown, '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '|' | '~' | '+' | '=') => {
                text.extend(['\\', c]);
            }
            (Landing::Html | Landing::Markdown, c) => text.push(c),
        }
    }
    text
}

/// Refuses what goes beyond the limit.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_RENDERED_BYTES {
            return Err(io::Error::other("the text becomes too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values::from([("first_name", "Ann".to_owned()), ("evil", "<b \"'>*x*\nBcc: a&b".to_owned())])
    }

    fn rendered(source: &str, landing: Landing) -> String {
        Template::parse(source).unwrap().render(&values(), landing).unwrap()
    }

    #[test]
    fn known_variables_are_replaced_and_unknown_ones_become_nothing_and_are_told() {
        let source =
            "# Hi {{ first_name }}{{nobody}}{{ a.b.c }}!\n{% if phone %}\nCall {{ phone }}{% endif %}\n.";
        assert_eq!(rendered(source, Landing::Markdown), "# Hi Ann!\n\n.");
        let unknown = Template::parse(source).unwrap().unknown_variables(&values());
        assert_eq!(unknown.into_iter().collect::<Vec<_>>(), ["a", "nobody", "phone"]);
    }

    #[test]
    fn values_cannot_mean_anything_where_they_land() {
        assert_eq!(rendered("{{ evil }}", Landing::Text), "<b \"'>*x* Bcc: a&b");
        assert_eq!(rendered("{{ evil }}", Landing::Markdown), "&lt;b \"'&gt;\\*x\\* Bcc: a&amp;b");
        assert_eq!(rendered("{{ evil }}", Landing::Html), "&lt;b &quot;&#39;&gt;*x* Bcc: a&amp;b");
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let wrong = |source: &str| Template::parse(source).unwrap_err().to_string();
        assert!(
            wrong("a\nb {{ first_name }\n").starts_with("line 2: syntax error"),
            "{}",
            wrong("a\nb {{ x }\n")
        );
        assert!(wrong("{% if a %}").starts_with("line 1: syntax error"));
        assert_eq!(wrong(&"x".repeat(5 * 1024 * 1024)), "is larger than 256 KiB");
    }

    #[test]
    fn hostile_templates_end_at_once() {
        for source in [
            "{{ [1]*100000000 }}",
            "{{ 'x'*100000000 }}",
            "{% for a in [1]*10000 %}{% for b in [1]*10000 %}x{% endfor %}{% endfor %}",
            "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
            "{{ first_name|upper }}",
            "{{ range(10) }}",
            "{{ debug() }}",
            "{% include '/etc/passwd' %}",
            "{{ {'a': 1} }}",
        ] {
            let outcome =
                Template::parse(source).and_then(|template| template.render(&values(), Landing::Text));
            assert!(outcome.is_err(), "{source}: {outcome:?}");
        }
    }
}
