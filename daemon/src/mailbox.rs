//! What mail can be sent with, by the judgement of the library that sends it: the configuration asks before anything
//! runs.

use lettre::message::Mailbox;
use lettre::transport::smtp::client::Certificate;

/// Whether mail can come from, or go to, what is written there: `ann@example.com` or `Ann <ann@example.com>`.
pub fn is_mailbox(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

/// Whether there is at least one certificate in a PEM file.
pub fn are_certificates(pem: &[u8]) -> bool {
    pem.windows(b"-----BEGIN CERTIFICATE-----".len()).any(|part| part == b"-----BEGIN CERTIFICATE-----")
        && Certificate::from_pem(pem).is_ok()
}
