//! The page `postern.toml(5)`, made from the configuration files as they ship: a comment above a key describes it, the
//! key's line shows its default. It reads lines of text in the shape these files have; it is no parser of TOML.

use std::fmt::Write as _;

const HEAD: &str = "\
.TH postern.toml 5 \"\" \"postern\" \"File formats\"
.SH NAME
postern.toml \\- configuration of the postern gateway
.SH SYNOPSIS
/etc/postern/postern.toml
.br
/etc/postern/locations.d/*.toml
.SH DESCRIPTION
Configuration is in TOML. Every key is described here with its default; an unknown key is an error.
.B postern check\\-config
checks all files and names every mistake,
.B postern reload
puts changed files into force as a whole or not at all. A location added by
.B postern location add
is a file as described under LOCATIONS; comments in it are kept when it is changed.
.PP
";

const TAIL: &str = "\
.SH SEE ALSO
.BR postern (1),
.BR postern\\-setup (1),
.BR postern\\-check\\-config (1),
.BR postern\\-location (1)
";

/// The page for `configuration` (postern.toml) and `location` (a file of locations.d).
pub(super) fn page(configuration: &str, location: &str) -> String {
    let mut page = HEAD.to_owned();
    write_file(&mut page, configuration);
    page.push_str(".SH LOCATIONS\n");
    write_file(&mut page, location);
    page.push_str(TAIL);
    page
}

fn write_file(page: &mut String, file: &str) {
    let mut comment = Vec::new();
    for line in file.lines() {
        match Line::of(line) {
            Line::Blank => write_text(page, &mut comment),
            Line::Comment(text) => comment.push(text),
            Line::Table(name) => {
                // Fails only without memory, as every write into a string.
                let _ = writeln!(page, ".SH \"[{}]\"", escaped(name));
                write_text(page, &mut comment);
            }
            Line::Key(key) => {
                let _ = writeln!(page, ".TP\n.B {}", escaped(key));
                write_text(page, &mut comment);
            }
        }
    }
    write_text(page, &mut comment);
}

fn write_text(page: &mut String, comment: &mut Vec<&str>) {
    for line in comment.drain(..) {
        let _ = writeln!(page, "{}", escaped(line));
    }
}

/// A line of a configuration file.
enum Line<'a> {
    Blank,
    Comment(&'a str),
    Table(&'a str),
    /// With its default, or with an example when it is commented out.
    Key(&'a str),
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        let text = line.strip_prefix('#').map_or(line, str::trim_start);
        let key = text.split_once(" = ").map(|(key, _)| key).unwrap_or_default();
        let is_name =
            |name: &str| !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        if is_name(key) {
            Self::Key(text)
        } else if line.starts_with('#') {
            Self::Comment(text)
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Self::Table(name)
        } else {
            Self::Blank
        }
    }
}

/// Text as troff prints it: a dot or an apostrophe opens no request, a hyphen is the character of the command line.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::{CONFIGURATION, LOCATION};
    use super::*;

    #[test]
    fn every_key_is_there_with_its_default() {
        let page = page(CONFIGURATION, LOCATION).replace("\\-", "-").replace("\\(dq", "\"");
        let keys = CONFIGURATION.lines().chain(LOCATION.lines());
        let keys: Vec<&str> =
            keys.map(|line| line.trim_start_matches("# ")).filter(|line| line.contains(" = ")).collect();
        assert!(keys.len() > 30);
        for key in keys {
            assert!(page.contains(&format!(".B {key}\n")) || page.contains(&format!("\n{key}\n")), "{key}");
        }
        for table in CONFIGURATION.lines().filter(|line| line.starts_with('[')) {
            assert!(page.contains(&format!(".SH \"{table}\"\n")), "{table}");
        }
    }

    #[test]
    fn a_comment_describes_the_key_below_it() {
        let mut page = String::new();
        write_file(
            &mut page,
            "# About the file.\n\n[a.b]\n# .Size\n# in \\ bytes.\nsize = \"-1\"\n# other = 2\n",
        );
        let wanted = "About the file.\n.SH \"[a.b]\"\n.TP\n.B size = \\(dq\\-1\\(dq\n\\&.Size\nin \\e bytes.\n.TP\n.B other = 2\n";
        assert_eq!(page, wanted);
    }
}
