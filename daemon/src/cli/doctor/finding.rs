//! What was found.

use serde::Serialize;

/// How bad it is; the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Verdict {
    /// As it should be.
    Ok,
    /// Whoever asks may not look there.
    Unseen,
    /// It works, but hardly as it was meant, or perhaps not for everybody.
    Warning,
    /// It does not work.
    Failure,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Finding {
    /// What was looked at.
    pub(in crate::cli) check: &'static str,
    /// How it is.
    pub(in crate::cli) verdict: Verdict,
    /// In words.
    pub(in crate::cli) says: String,
    /// The command that mends it.
    pub(in crate::cli) mend: Option<String>,
}

/// Everything that was found, in the order in which it was looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Findings(Vec<Finding>);

impl Verdict {
    /// As it is printed.
    pub(in crate::cli) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unseen => "unseen",
            Self::Warning => "warning",
            Self::Failure => "FAILURE",
        }
    }
}

impl Findings {
    pub(super) fn ok(&mut self, check: &'static str, says: String) {
        self.0.push(Finding { check, verdict: Verdict::Ok, says, mend: None });
    }

    pub(super) fn unseen(&mut self, check: &'static str, says: String) {
        let mend = Some("sudo postern doctor".to_owned());
        self.0.push(Finding { check, verdict: Verdict::Unseen, says, mend });
    }

    pub(super) fn warning(&mut self, check: &'static str, says: String, mend: String) {
        self.0.push(Finding { check, verdict: Verdict::Warning, says, mend: Some(mend) });
    }

    pub(super) fn failure(&mut self, check: &'static str, says: String, mend: String) {
        self.0.push(Finding { check, verdict: Verdict::Failure, says, mend: Some(mend) });
    }

    /// All of them.
    pub(in crate::cli) fn all(&self) -> &[Finding] {
        &self.0
    }

    /// How bad it is altogether.
    pub(in crate::cli) fn worst(&self) -> Verdict {
        self.0.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok)
    }

    /// How many are so.
    pub(in crate::cli) fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().filter(|finding| finding.verdict == verdict).count()
    }
}
