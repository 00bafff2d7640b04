//! A letter as mail servers and mail programs expect it: one part of plain text, one of HTML, in UTF-8.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};

use super::Letter;

/// What identifies a mail, the same at every attempt.
pub struct Origin<'a> {
    /// The sender.
    pub from: &'a str,
    /// Of the outbox.
    pub row: i64,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// Of this installation.
    pub instance: uuid::Uuid,
}

/// A mail that is put together.
pub struct Parcel {
    /// What the server is told.
    pub envelope: Envelope,
    /// Headers and parts.
    pub bytes: Vec<u8>,
}

/// How parts are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// In ASCII, for every server there is.
    Wire,
    /// As it is, so that people and scripts can copy links out of it.
    Readable,
}

/// Why a letter is none.
#[derive(Debug, thiserror::Error)]
pub enum MimeError {
    /// Sender or recipient.
    #[error("{address:?} is not an address mail can have")]
    Address {
        /// As configured, or as stored.
        address: String,
        /// Why.
        #[source]
        source: lettre::address::AddressError,
    },
    /// The mail cannot be put together.
    #[error("cannot write the mail down")]
    Message(#[from] lettre::error::Error),
}

/// Tells programs that answer mails not to answer (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Puts `letter` together. A repeated attempt has the same identifier, so receivers can tell that it is the same mail.
pub fn parcel(letter: &Letter, origin: &Origin<'_>, encoding: Encoding) -> Result<Parcel, MimeError> {
    let from = mailbox(origin.from)?;
    let second = origin.posted_at.as_second();
    let instance = origin.instance.simple();
    let id = format!("<{second}.{}.{instance}@{}>", origin.row, from.email.domain());
    let parts = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, &letter.text, encoding))
        .singlepart(part(ContentType::TEXT_HTML, &letter.html, encoding));
    let mail = lettre::Message::builder()
        .from(from)
        .to(mailbox(&letter.to)?)
        .subject(one_line(&letter.subject))
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(second).unwrap_or(0)))
        .message_id(Some(id))
        .header(AutoSubmitted)
        .multipart(parts)?;
    Ok(Parcel { envelope: mail.envelope().clone(), bytes: mail.formatted() })
}

fn part(kind: ContentType, text: &str, encoding: Encoding) -> SinglePart {
    let builder = SinglePart::builder().header(kind);
    // A longer line may not be in a mail as it is (RFC 5322, section 2.1.1).
    let fits = text.lines().all(|line| line.len() <= 998 && !line.contains(['\0', '\r']));
    match encoding {
        Encoding::Readable if fits => {
            let lines: Vec<u8> = text.lines().flat_map(|line| [line, "\r\n"]).flat_map(str::bytes).collect();
            builder.body(Body::dangerous_pre_encoded(lines, ContentTransferEncoding::EightBit))
        }
        Encoding::Readable | Encoding::Wire => builder.body(text.to_owned()),
    }
}

fn mailbox(address: &str) -> Result<Mailbox, MimeError> {
    address.parse().map_err(|source| MimeError::Address { address: address.to_owned(), source })
}

/// A subject has no line breaks, whatever is in the names it mentions.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(to: &str, subject: &str, text: &str) -> Letter {
        let (to, subject, text) = (to.to_owned(), subject.to_owned(), text.to_owned());
        Letter { to, subject, html: format!("<p>{text}</p>\n"), text }
    }

    fn written(letter: &Letter, encoding: Encoding) -> Result<String, MimeError> {
        let origin = Origin {
            from: "Пост <vpn@example.com>",
            row: 7,
            posted_at: Timestamp::from_second(86_400).unwrap(),
            instance: uuid::Uuid::nil(),
        };
        parcel(letter, &origin, encoding).map(|parcel| String::from_utf8(parcel.bytes).unwrap())
    }

    #[test]
    fn a_mail_has_the_headers_receivers_expect_and_both_parts() {
        let mail = written(&letter("ann@example.org", "Żółw", "Grüße\n"), Encoding::Wire).unwrap();
        for line in [
            "To: ann@example.org\r\n",
            "Date: Fri, 02 Jan 1970 00:00:00 +0000\r\n",
            "Message-ID: <86400.7.00000000000000000000000000000000@example.com>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "MIME-Version: 1.0\r\n",
            "Content-Type: multipart/alternative;",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
        ] {
            assert!(mail.contains(line), "{line} in {mail}");
        }
        assert!(mail.is_ascii(), "{mail}");
        assert!(mail.lines().all(|line| line.len() <= 78), "{mail}");
    }

    #[test]
    fn a_repeated_mail_has_the_same_identifier_and_another_one_another() {
        let origin = |row| Origin {
            from: "vpn@example.com",
            row,
            posted_at: Timestamp::UNIX_EPOCH,
            instance: uuid::Uuid::nil(),
        };
        let id = |row| {
            let mail = parcel(&letter("a@b.c", "x", "y"), &origin(row), Encoding::Wire).unwrap();
            let mail = String::from_utf8(mail.bytes).unwrap();
            mail.lines().find(|line| line.starts_with("Message-ID")).unwrap().to_owned()
        };
        assert_eq!(id(1), id(1));
        assert_ne!(id(1), id(2));
    }

    #[test]
    fn no_name_or_address_adds_a_header_or_a_recipient() {
        let evil = "Hello\r\nBcc: all@example.com\r\n\r\nbody\u{2028}x";
        let mail = written(&letter("ann@example.org", evil, "x"), Encoding::Wire).unwrap();
        assert!(!mail.lines().any(|line| line.starts_with("Bcc")), "{mail}");
        assert!(mail.contains("Subject: Hello Bcc: all@example.com body x\r\n"), "{mail}");
        for to in ["a@b.c\r\nBcc: d@e.f", "a@b.c, d@e.f", "a@b.c\nDATA", "a@b.c> RCPT TO:<d@e.f", ""] {
            assert!(
                matches!(written(&letter(to, "x", "y"), Encoding::Wire), Err(MimeError::Address { .. })),
                "{to}"
            );
        }
    }

    #[test]
    fn what_is_meant_for_people_keeps_its_lines_unless_one_is_too_long() {
        let link = "https://vpn.example.com/?token=abc=def";
        let mail = written(&letter("a@b.c", "x", &format!("Ż\n{link}\n")), Encoding::Readable).unwrap();
        assert!(mail.contains(&format!("\r\nŻ\r\n{link}\r\n")), "{mail}");
        let long = "x".repeat(999);
        let mail = written(&letter("a@b.c", "x", &long), Encoding::Readable).unwrap();
        assert!(mail.lines().all(|line| line.len() <= 998), "{mail}");
    }
}
