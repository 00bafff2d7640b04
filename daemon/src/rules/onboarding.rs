//! Expands the variables of the onboarding text (protocol 3.13). Unknown and missing ones become nothing, so that no
//! mistake in a template ever blocks an enrollment; there are no expressions, files or environment.

use std::collections::BTreeMap;

/// Replaces every `{{ name }}`; values are escaped for Markdown and HTML.
pub fn expand(template: &str, values: &BTreeMap<&str, String>) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        text.push_str(before);
        let Some((name, tail)) = after.split_once("}}") else {
            text.push_str("{{");
            rest = after;
            continue;
        };
        text.extend(values.get(name.trim()).map(|value| escaped(value)));
        rest = tail;
    }
    text.push_str(rest);
    text
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '|' | '~' => text.extend(['\\', c]),
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(template: &str) -> String {
        expand(template, &BTreeMap::from([("first_name", "Ann".to_owned()), ("evil", "<b>*x*".to_owned())]))
    }

    #[test]
    fn known_variables_are_replaced_and_unknown_ones_vanish() {
        assert_eq!(expanded("# Hi {{ first_name }}{{nobody}}!"), "# Hi Ann!");
    }

    #[test]
    fn a_template_that_is_not_closed_is_shown_as_it_is() {
        assert_eq!(expanded("a {{ first_name"), "a {{ first_name");
    }

    #[test]
    fn values_cannot_add_markup() {
        assert_eq!(expanded("{{ evil }}"), "&lt;b&gt;\\*x\\*");
    }
}
