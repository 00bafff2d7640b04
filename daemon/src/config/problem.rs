//! What is wrong with a configuration, or worth telling of it: always with file and key.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// One thing that is wrong: which file, which key, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// As given, or as found.
    pub file: PathBuf,
    /// Dotted, as in `contact.name`; empty when the file as a whole is meant.
    pub key: String,
    /// Names the wrong value and what to do.
    pub reason: String,
}

/// Everything that is wrong with a configuration; at least one thing is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        if self.key.is_empty() {
            write!(f, "{file}: {}", self.reason)
        } else {
            write!(f, "{file}: {}: {}", self.key, self.reason)
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

/// Found so far.
#[derive(Default)]
pub(super) struct Problems {
    /// The configuration is refused for them.
    pub(super) refused: Vec<Problem>,
    /// Only worth telling.
    pub(super) warnings: Vec<Problem>,
    /// Of the files that https needs.
    pub(super) https: Vec<Problem>,
}

impl Problems {
    pub(super) fn add(&mut self, file: &Path, key: &str, reason: impl Into<String>) {
        self.refused.push(Problem { file: file.to_owned(), key: key.to_owned(), reason: reason.into() });
    }

    /// Nothing is refused for it.
    pub(super) fn warn(&mut self, file: &Path, key: &str, reason: impl Into<String>) {
        self.warnings.push(Problem { file: file.to_owned(), key: key.to_owned(), reason: reason.into() });
    }

    /// Only who wants https to change is refused for it: tunnels do not depend on a certificate.
    pub(super) fn add_of_https(&mut self, file: &Path, key: &str, reason: impl Into<String>) {
        self.https.push(Problem { file: file.to_owned(), key: key.to_owned(), reason: reason.into() });
    }
}

#[cfg(test)]
impl Problems {
    pub(super) fn into_texts(self) -> Vec<String> {
        self.refused.iter().map(ToString::to_string).collect()
    }
}
