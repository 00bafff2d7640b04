//! Mail: what a message says ([`letter`]), how it is written down ([`mime`]) and how it leaves ([`courier`]). Which
//! messages there are, and when they are tried, is for the outbox and its loop.

pub mod courier;
mod directory;
pub mod letter;
pub mod mime;
mod smtp;

pub use smtp::SmtpError;

/// What a mail says. It may hold a token: no `Debug`.
pub struct Letter {
    /// The recipient's address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same for programs that show HTML.
    pub html: String,
}

/// What is to blame when a mail does not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The way: any other mail fares no better.
    Server,
    /// Something about this mail, or an accident: other mails are not affected.
    Mail,
    /// This mail, for good.
    Refused,
}
