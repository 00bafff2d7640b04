//! What mails and the last page say: files below `config/mail`, compiled in, each of which a file of the same name in
//! `mail.templates_dir` replaces. A replacement that cannot be filled in gives way to the text that was compiled in.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::rules::message::Kind;
use crate::template::{Landing, MOST_BYTES, Template, TemplateError, Values};

mod sample;

pub use sample::sample;

macro_rules! texts {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../config/mail/", $name))),)*]
    };
}

/// Every file there is, with the text that was compiled in.
const SHIPPED: &[(&str, &str)] = texts![
    "layout.html",
    "final.md",
    "invitation/subject.txt",
    "invitation/body.txt",
    "invitation/body.html",
    "activation/subject.txt",
    "activation/body.txt",
    "activation/body.html",
    "welcome/subject.txt",
    "welcome/onboarding.md",
    "password_reset/subject.txt",
    "password_reset/body.txt",
    "password_reset/body.html",
    "password_changed/subject.txt",
    "password_changed/body.txt",
    "password_changed/body.html",
    "passkey_added/subject.txt",
    "passkey_added/body.txt",
    "passkey_added/body.html",
    "passkey_removed/subject.txt",
    "passkey_removed/body.txt",
    "passkey_removed/body.html",
    "passkey_copied/subject.txt",
    "passkey_copied/body.txt",
    "passkey_copied/body.html",
    "device_added/subject.txt",
    "device_added/body.txt",
    "device_added/body.html",
    "device_rekeyed/subject.txt",
    "device_rekeyed/body.txt",
    "device_rekeyed/body.html",
    "device_removed/subject.txt",
    "device_removed/body.txt",
    "device_removed/body.html",
    "enrollment_finished/subject.txt",
    "enrollment_finished/body.txt",
    "enrollment_finished/body.html",
    "enrollment_expired/subject.txt",
    "enrollment_expired/body.txt",
    "enrollment_expired/body.html",
    "location_full/subject.txt",
    "location_full/body.txt",
    "location_full/body.html",
    "certificate_failing/subject.txt",
    "certificate_failing/body.txt",
    "certificate_failing/body.html",
    "device_abandoned/subject.txt",
    "device_abandoned/body.txt",
    "device_abandoned/body.html",
    "new_link_wanted/subject.txt",
    "new_link_wanted/body.txt",
    "new_link_wanted/body.html",
    "connect_code/subject.txt",
    "connect_code/body.txt",
    "connect_code/body.html",
    "second_factor_set/subject.txt",
    "second_factor_set/body.txt",
    "second_factor_set/body.html",
    "second_factor_removed/subject.txt",
    "second_factor_removed/body.txt",
    "second_factor_removed/body.html",
    "recovery_code_used/subject.txt",
    "recovery_code_used/body.txt",
    "recovery_code_used/body.html",
    "email_code/subject.txt",
    "email_code/body.txt",
    "email_code/body.html",
    "test/subject.txt",
    "test/body.txt",
    "test/body.html",
];

/// The HTML around every mail's own.
pub const LAYOUT: &str = "layout.html";
/// What clients and the last page show (protocol 3.13).
pub const FINAL_PAGE: &str = "final.md";

/// The replacements; what is not replaced is as it was compiled in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts(BTreeMap<&'static str, Template>);

/// What a folder of replacements holds.
#[derive(Debug)]
pub struct Read {
    /// Those that are right.
    pub texts: Texts,
    /// Files that cannot be used, and why.
    pub mistakes: Vec<(PathBuf, String)>,
    /// Files that can, but hardly do what was meant, and why.
    pub oddities: Vec<(PathBuf, String)>,
}

impl Texts {
    /// Reads the replacements in `dir`; a folder that is not there holds none.
    pub fn read(dir: &Path) -> Read {
        let mut read = Read { texts: Self::default(), mistakes: Vec::new(), oddities: strangers(dir) };
        for (name, _) in SHIPPED {
            let path = dir.join(name);
            match replacement(&path, name) {
                Ok(None) => {}
                Ok(Some(template)) => {
                    let unknown = template.unknown_variables(&sample_of(name));
                    let reasons = unknown.iter().map(|variable| {
                        let reason = format!(
                            "there is no variable {variable:?} here: nothing is written in its place"
                        );
                        (path.clone(), reason)
                    });
                    read.oddities.extend(reasons);
                    read.texts.0.insert(name, template);
                }
                Err(reason) => read.mistakes.push((path, reason)),
            }
        }
        read
    }

    /// The text `name`, filled in. Values are escaped for what the name ends in.
    pub fn render(&self, name: &str, values: &Values) -> String {
        self.filled(name, |template| template.render(values, landing(name)))
    }

    /// Whether the company has put its own text in place of the shipped one.
    pub fn replaces(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|own| Template::parse(shipped(name)).ok().as_ref() != Some(own))
    }

    /// The HTML of a mail with everything around it.
    pub fn lay_out(&self, content: &str, values: &Values) -> String {
        self.filled(LAYOUT, |template| template.render_around(content, values))
    }

    fn filled(&self, name: &str, fill: impl Fn(&Template) -> Result<String, TemplateError>) -> String {
        if let Some(replacement) = self.0.get(name) {
            match fill(replacement) {
                Ok(text) => return text,
                Err(error) => tracing::error!(text = name, %error, "using the text that was compiled in"),
            }
        }
        // A test proves that this cannot fail.
        Template::parse(shipped(name)).and_then(|template| fill(&template)).unwrap_or_default()
    }
}

fn shipped(name: &str) -> &'static str {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).map_or("", |(_, source)| source)
}

/// Whether a message's body is written in Markdown, both for HTML and for plain text.
pub fn is_markdown(kind: Kind) -> bool {
    kind == Kind::Welcome
}

fn landing(name: &str) -> Landing {
    match name.rsplit_once('.') {
        Some((_, "html")) => Landing::Html,
        Some((_, "md")) => Landing::Markdown,
        Some(_) | None => Landing::Text,
    }
}

/// What the variables of a text may be.
fn sample_of(name: &str) -> Values {
    let folder = name.split_once('/').map_or("", |(folder, _)| folder);
    let kind = Kind::ALL.iter().copied().find(|kind| kind.name() == folder);
    match kind {
        Some(kind) => sample(kind),
        None if name == LAYOUT => sample::layout(),
        None => sample::final_page(),
    }
}

fn replacement(path: &Path, name: &str) -> Result<Option<Template>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    let mut source = String::new();
    // One byte more than may be there shows that there is too much.
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_string(&mut source).map_err(|error| format!("cannot be read: {error}"))?;
    let template = Template::parse(&source).map_err(|error| error.to_string())?;
    // Mistakes that only filling in shows: unknown filters, endless loops.
    template.render(&sample_of(name), landing(name)).map_err(|error| error.to_string())?;
    Ok(Some(template))
}

/// Files that replace nothing: probably their names are wrong.
fn strangers(dir: &Path) -> Vec<(PathBuf, String)> {
    let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let files =
        entries(dir).flat_map(|path| if path.is_dir() { entries(&path).collect() } else { vec![path] });
    let is_known = |path: &PathBuf| SHIPPED.iter().any(|(name, _)| dir.join(name) == *path);
    files
        .filter(|path| path.is_file() && !is_known(path))
        .map(|path| {
            (path, "replaces no text: see config/mail in the source for the names there are".to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests;
