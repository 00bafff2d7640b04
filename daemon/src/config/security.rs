//! What signing in takes.

use serde::Deserialize;

/// The table `[security]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawGuards {
    pub(super) second_factor: SecondFactor,
}

/// Whether people need something beside the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecondFactor {
    /// Whoever wants to has it.
    #[default]
    Optional,
    /// Everybody has it.
    Required,
}

impl SecondFactor {
    /// Whether everybody has to.
    pub fn is_required(self) -> bool {
        self == Self::Required
    }
}
