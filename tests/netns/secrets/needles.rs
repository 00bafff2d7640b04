//! Secrets, and the forms in which one could be written down.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// One that was used, by a name for people.
pub(crate) struct Secret {
    pub(crate) name: String,
    /// Each of them one byte a character.
    forms: Vec<String>,
}

impl Secret {
    /// A text, such as a token or a password.
    pub(crate) fn text(name: &str, text: &str) -> Self {
        assert!(text.len() >= 8, "{name} could stand anywhere: {text:?}");
        Self::bytes(name, text.as_bytes())
    }

    /// The 32 bytes of a key that is written in base64.
    pub(crate) fn key(name: &str, base64: &str) -> Self {
        let engine = base64::engine::general_purpose::STANDARD;
        Self::bytes(name, &engine.decode(base64.trim()).unwrap())
    }

    /// Raw, as hexadecimal, base64 and percent encoding have it, and as the list of numbers that Rust prints.
    pub(crate) fn bytes(name: &str, bytes: &[u8]) -> Self {
        let hex = |digits: fn(&u8) -> String| bytes.iter().map(digits).collect::<String>();
        let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
        let percent = form_urlencoded::byte_serialize(bytes).collect::<String>();
        let mut forms =
            vec![readable(bytes), hex(|byte| format!("{byte:02x}")), hex(|byte| format!("{byte:02X}"))];
        forms.extend([numbers.join(", "), percent.replace('+', "%20"), percent]);
        for alphabet in [STANDARD, URL_SAFE] {
            let engine = GeneralPurpose::new(&alphabet, NO_PAD);
            let within = (0..3).map(|before| base64_within(&engine, before, bytes));
            // A key alone is written with what the end of a text around it would change.
            forms.extend(
                within.chain([form_urlencoded::byte_serialize(engine.encode(bytes).as_bytes()).collect()]),
            );
        }
        forms.sort_unstable();
        forms.dedup();
        Self { name: name.to_owned(), forms }
    }

    /// The form in which it stands in `text`, which is [`readable`].
    pub(crate) fn found_in(&self, text: &str) -> Option<&str> {
        self.forms.iter().map(String::as_str).find(|form| text.contains(form))
    }
}

/// One character for each byte, so that anything can be searched as a text.
pub(crate) fn readable(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// What is seen of `bytes` in the base64 of a longer text in which so many bytes, and some multiple of three, are before
/// them.
fn base64_within(engine: &GeneralPurpose, before: usize, bytes: &[u8]) -> String {
    let padded = [&vec![0; before][..], bytes].concat();
    let whole = engine.encode(&padded);
    whole[(before * 8).div_ceil(6)..padded.len() * 8 / 6].to_owned()
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret = Secret::text("a password", "Sec/ret? Sec+ret");
    let engine = base64::engine::general_purpose::STANDARD;
    for text in [
        "{\"password\":\"Sec/ret? Sec+ret\"}".to_owned(),
        "password=Sec%2Fret%3F+Sec%2Bret&x".to_owned(),
        "5365632f7265743f205365632b726574".to_owned(),
        format!("{:?}", b"Sec/ret? Sec+ret"),
        engine.encode("\0postern\0Sec/ret? Sec+ret"),
        engine.encode("aSec/ret? Sec+retb"),
        engine.encode("abSec/ret? Sec+ret"),
    ] {
        assert!(secret.found_in(&text).is_some(), "{text}");
    }
    assert_eq!(secret.found_in("Sec/ret? Sec"), None);
}
