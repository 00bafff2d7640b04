//! Mail: what a message says ([`letter`]) and how it leaves ([`directory`]). Which messages there are, and when they
//! are tried, is for the outbox and its loop.

pub mod directory;
pub mod letter;

pub use directory::is_mailbox;

/// A mail ready to leave. It may hold a token: no `Debug`.
pub struct Letter {
    /// The recipient's address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
}
