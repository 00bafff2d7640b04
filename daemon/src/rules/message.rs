//! What we tell people. A message names rows and holds no secret: tokens are derived again when it is delivered.

use serde::{Deserialize, Serialize};

use super::ids::{EnrollmentId, ResetId, UserId};

/// A mail to be, as the outbox stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// Everything a new user needs to begin (protocol 3.12).
    Invitation {
        /// Whose token.
        enrollment: EnrollmentId,
        /// Instead of the account's address.
        send_to: Option<String>,
    },
    /// A token for one more desktop client (protocol 3.12).
    Activation {
        /// Whose token.
        enrollment: EnrollmentId,
        /// Instead of the account's address.
        send_to: Option<String>,
    },
    /// The onboarding text, once the account has its password and a device that is live.
    Welcome {
        /// Whose.
        user: UserId,
    },
    /// The link with which somebody who forgot their password sets another one (protocol 1.11).
    PasswordReset {
        /// Whose token.
        reset: ResetId,
    },
    /// To whom it belongs: the password is another one.
    PasswordChanged {
        /// Whose.
        user: UserId,
    },
    /// To who invited them: somebody's link is good for nothing any more, and they ask for a new one.
    NewLinkWanted {
        /// Who asks.
        user: UserId,
    },
    /// Something the configured contact should know.
    Notice {
        /// One line.
        subject: String,
        /// Plain text.
        text: String,
    },
}
