//! systemd's journal, in its own protocol: one datagram an event, one field a line.

use std::fmt::{Debug, Write as _};
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

const SOCKET: &str = "/run/systemd/journal/socket";
/// Our fields are told apart from the journal's own by it.
const PREFIX: &str = "POSTERN_";

/// The journal on the other end.
pub(super) struct Journal(UnixDatagram);

impl Journal {
    pub(super) fn open() -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(SOCKET)?;
        Ok(Self(socket))
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        // Records of the crate `log` say where they are from in a field, as others do in their metadata.
        let target = fields.target.take().unwrap_or_else(|| metadata.target().to_owned());
        if self.0.send(&fields.datagram(*metadata.level(), &target)).is_err() {
            // The journal reads standard error too. Who has neither has no log.
            let _ = writeln!(io::stderr(), "{}", fields.line());
        }
    }
}

/// What an event says.
#[derive(Default)]
struct Fields {
    message: String,
    /// Where a record of the crate `log` is from.
    target: Option<String>,
    others: Vec<(&'static str, String)>,
}

impl Fields {
    /// For people.
    fn line(&self) -> String {
        let mut line = self.message.clone();
        for (name, value) in &self.others {
            // Writing to a string cannot fail.
            let _ = write!(line, " {name}={value}");
        }
        line
    }

    fn datagram(&self, level: Level, target: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, "MESSAGE", &self.line());
        put(&mut bytes, "PRIORITY", priority(level));
        put(&mut bytes, "SYSLOG_IDENTIFIER", "postern");
        put(&mut bytes, "TARGET", target);
        for (name, value) in &self.others {
            put(&mut bytes, &key_of(name), value);
        }
        bytes
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.keep(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, value.to_owned());
    }
}

impl Fields {
    fn keep(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            "log.target" => self.target = Some(value),
            // Where in somebody else's code it was written helps nobody here.
            "log.module_path" | "log.file" | "log.line" => {}
            name => self.others.push((name, value)),
        }
    }
}

/// Names are of capital letters, digits and underscores.
fn key_of(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{PREFIX}{}", name.chars().map(plain).collect::<String>())
}

/// With the value's length before it, which it needs if it has several lines, and may have always.
fn put(bytes: &mut Vec<u8>, key: &str, value: &str) {
    bytes.extend_from_slice(key.as_bytes());
    bytes.push(b'\n');
    // No machine has memory for a longer one.
    bytes.extend_from_slice(&u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
    bytes.extend_from_slice(value.as_bytes());
    bytes.push(b'\n');
}

/// As syslog has them.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Reads a datagram as the journal does.
    fn read(mut bytes: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
            let (key, rest) = (&bytes[..end], &bytes[end + 1..]);
            let length = usize::try_from(u64::from_le_bytes(rest[..8].try_into().unwrap())).unwrap();
            assert_eq!(rest[8 + length], b'\n');
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            fields.push((text(key), text(&rest[8..8 + length])));
            bytes = &rest[8 + length + 1..];
        }
        fields
    }

    #[test]
    fn an_event_is_a_message_that_says_all_and_each_field_by_name() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let subscriber = tracing_subscriber::registry().with(Journal(ours));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(mail.id = 7, error = "refused:\ntry later", "mail not delivered");
        });
        let mut bytes = [0; 4096];
        let length = theirs.recv(&mut bytes).unwrap();
        let fields = read(&bytes[..length]);
        let of = |key: &str| fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        assert_eq!(of("MESSAGE"), Some("mail not delivered mail.id=7 error=refused:\ntry later"));
        assert_eq!((of("PRIORITY"), of("SYSLOG_IDENTIFIER")), (Some("4"), Some("postern")));
        assert_eq!((of("POSTERN_MAIL_ID"), of("POSTERN_ERROR")), (Some("7"), Some("refused:\ntry later")));
    }

    #[test]
    fn a_record_of_the_crate_log_is_told_as_its_author_meant_it() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let subscriber = tracing_subscriber::registry().with(Journal(ours));
        // As the bridge between the two crates makes it.
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(
                target: "log",
                {
                    log.target = "gotatun::device",
                    log.module_path = "gotatun::device",
                    log.file = "x.rs",
                    log.line = 7
                },
                "started"
            );
        });
        let mut bytes = [0; 4096];
        let length = theirs.recv(&mut bytes).unwrap();
        let fields = read(&bytes[..length]);
        let of = |key: &str| fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        assert_eq!((of("MESSAGE"), of("TARGET")), (Some("started"), Some("gotatun::device")));
        assert!(!fields.iter().any(|(name, _)| name.starts_with("POSTERN_LOG")), "{fields:?}");
    }
}
