//! What people may be called and what they may type: usernames, device names, e-mail addresses, phone numbers and
//! passwords (protocol 3.5 to 3.7). Each function gives the accepted form or says what is wrong.

/// The longest password, which is still quickly made to a hash.
pub const MOST_PASSWORD_BYTES: usize = 1024;

/// Why something typed was not accepted; the text is shown to whoever typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Protocol 3.7.
    #[error(
        "a username has 1 to 63 ASCII letters, digits, '.', '-' or '_' and starts with a letter or a digit"
    )]
    Username,
    /// Locations name groups in their files, and compare them without regard to case.
    #[error(
        "a group name has 1 to 63 ASCII letters, digits, '.', '-' or '_' and starts with a letter or a digit"
    )]
    Group,
    /// Protocol 3.7.
    #[error("a device name has 1 to 64 characters and no control characters")]
    DeviceName,
    /// What a user calls a passkey of theirs.
    #[error("a passkey's name has 1 to 64 characters and no control characters")]
    PasskeyName,
    /// A given or family name.
    #[error("a name has 1 to 64 characters and no control characters")]
    PersonName,
    /// Only what every mail server insists on.
    #[error("an e-mail address has the form name@host, without spaces, and at most 254 characters")]
    Email,
    /// Protocol 3.6.
    #[error(
        "a phone number has at least one digit, only digits, spaces and + - ( ), and at most 32 characters"
    )]
    Phone,
    /// An application's.
    #[error("an application's name has 1 to 64 characters and no control characters")]
    AppName,
    /// Where an application has people sent back to.
    #[error(
        "an address to send people back to is https, or http on this computer (localhost, 127.0.0.1 or [::1]); it has no \
         fragment, no user name, no *, and at most 512 ASCII characters; it is compared exactly"
    )]
    RedirectUri,
    /// What ID tokens are signed with.
    #[error("ID tokens are signed with RS256 or EdDSA")]
    IdTokenAlg,
    /// Where an application is.
    #[error(
        "an application's address is http or https, without a user name, and has at most 512 ASCII characters"
    )]
    AppUrl,
    /// Protocol 3.5.
    #[error("a password has at least 8 characters and at most 1024 bytes")]
    Password,
}

/// A username; it is not trimmed.
pub fn username(text: &str) -> Result<String, NameError> {
    word(text).ok_or(NameError::Username)
}

/// A group's name; it is not trimmed.
pub fn group(text: &str) -> Result<String, NameError> {
    word(text).ok_or(NameError::Group)
}

/// A device's name, trimmed.
pub fn device_name(text: &str) -> Result<String, NameError> {
    shown(text).ok_or(NameError::DeviceName)
}

/// A passkey's name, trimmed.
pub fn passkey_name(text: &str) -> Result<String, NameError> {
    shown(text).ok_or(NameError::PasskeyName)
}

/// An application's name, trimmed.
pub fn app_name(text: &str) -> Result<String, NameError> {
    shown(text).ok_or(NameError::AppName)
}

/// A given or family name, trimmed.
pub fn person_name(text: &str) -> Result<String, NameError> {
    shown(text).ok_or(NameError::PersonName)
}

/// An e-mail address, trimmed. That two are the same is decided without regard to the case of ASCII letters only: beyond
/// those a mail server may tell them apart.
pub fn email(text: &str) -> Result<String, NameError> {
    let text = text.trim();
    let clean = text.len() <= 254 && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let parts = text.rsplit_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && name.len() <= 64 && !name.contains(['@', ',', ';', '<', '>']) && is_host(host)
    });
    if clean && parts { Ok(text.to_owned()) } else { Err(NameError::Email) }
}

/// A phone number, trimmed; `None` when nothing was typed.
pub fn phone(text: &str) -> Result<Option<String>, NameError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let clean = text.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '+' | '-' | '(' | ')'));
    if clean && text.len() <= 32 && text.contains(|c: char| c.is_ascii_digit()) {
        Ok(Some(text.to_owned()))
    } else {
        Err(NameError::Phone)
    }
}

/// The phone number if the desktop client's own pattern takes it: optional `+`, digits, at most one space followed
/// by more digits. Any other number would block its wizard (protocol 3.6), so it is better not sent.
pub fn client_phone(phone: Option<&str>) -> Option<&str> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    phone.filter(|phone| {
        let number = phone.strip_prefix('+').unwrap_or(phone);
        match number.split_once(' ') {
            Some((head, tail)) => digits(head) && digits(tail),
            None => digits(number),
        }
    })
}

/// What two device names have in common that differ in case only, in any script: "ß" and "SS" as well, and the two small
/// sigmas. Accents count; so does how they are composed.
pub fn folded(name: &str) -> String {
    // Upper case first brings variants together; character by character, because lower case of words is context's.
    name.to_uppercase().chars().flat_map(char::to_lowercase).collect()
}

/// A password as typed: it is never trimmed, and accepted whenever any client accepts it (protocol 3.5). Clients count
/// in UTF-16 units, so one emoji is two.
pub fn password(text: &str) -> Result<(), NameError> {
    if text.len() <= MOST_PASSWORD_BYTES && text.encode_utf16().count() >= 8 {
        Ok(())
    } else {
        Err(NameError::Password)
    }
}

fn word(text: &str) -> Option<String> {
    let first_fits = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let rest_fits = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    (first_fits && rest_fits && text.len() <= 63).then(|| text.to_owned())
}

fn shown(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(['@', ',', ';', '<', '>'])
        && text.split('.').all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_keep_to_the_protocol() {
        for good in ["a", "9lives", "ann.admin-1_x", &"a".repeat(63)] {
            assert!(username(good).is_ok(), "{good}");
        }
        for bad in ["", ".a", "-a", "_a", "a b", " a", "ä", "a/b", &"a".repeat(64)] {
            assert_eq!(username(bad), Err(NameError::Username), "{bad}");
        }
    }

    #[test]
    fn group_names_are_single_words() {
        assert_eq!(group("ops-2.eu_west").unwrap(), "ops-2.eu_west");
        for bad in ["", "-ops", "a b", "a,b", "\u{f6}ps", "a/b", &"a".repeat(64)] {
            assert_eq!(group(bad), Err(NameError::Group), "{bad}");
        }
    }

    #[test]
    fn device_names_are_trimmed_and_bounded() {
        assert_eq!(device_name("  Ann's laptop ").unwrap(), "Ann's laptop");
        assert!(device_name(&"ä".repeat(64)).is_ok());
        for bad in ["", "   ", "a\tb", "a\u{7f}b", &"ä".repeat(65)] {
            assert_eq!(device_name(bad), Err(NameError::DeviceName), "{bad:?}");
        }
    }

    #[test]
    fn names_that_differ_in_case_only_fold_alike() {
        for (one, other) in
            [("LapTop", "laptop"), ("Ärger", "äRGER"), ("Straße", "STRASSE"), ("ΟΔΟΣ", "οδος")]
        {
            assert_eq!(folded(one), folded(other), "{one}");
        }
        assert_ne!(folded("resume"), folded("resumé"));
    }

    #[test]
    fn mail_addresses_need_a_name_and_a_host() {
        assert_eq!(email(" ann@example.com ").unwrap(), "ann@example.com");
        assert!(email("root@localhost").is_ok());
        for bad in
            ["", "ann", "@example.com", "ann@", "a b@example.com", "a@b@c", "a@b..c", "a@b\r\nBcc:x", "a,b@c"]
        {
            assert_eq!(email(bad), Err(NameError::Email), "{bad:?}");
        }
    }

    #[test]
    fn phone_numbers_are_taken_leniently() {
        assert_eq!(phone(" +48 (123) 456-789 ").unwrap().as_deref(), Some("+48 (123) 456-789"));
        assert_eq!(phone("  ").unwrap(), None);
        for bad in ["abc", "+", "1".repeat(33).as_str(), "12/34"] {
            assert_eq!(phone(bad), Err(NameError::Phone), "{bad}");
        }
    }

    #[test]
    fn a_phone_number_that_would_block_the_clients_wizard_is_withheld() {
        assert_eq!(client_phone(Some("+48 123456789")), Some("+48 123456789"));
        assert_eq!(client_phone(Some("123")), Some("123"));
        for blocked in ["+48 123 456", "(48) 123", "+", "1 ", " 1", "1-2"] {
            assert_eq!(client_phone(Some(blocked)), None, "{blocked}");
        }
        assert_eq!(client_phone(None), None);
    }

    #[test]
    fn passwords_need_eight_characters_and_nothing_else() {
        assert!(password("  spaces").is_ok());
        assert!(password(&"x".repeat(1024)).is_ok());
        assert!(password("aA1😀😀x").is_ok());
        assert_eq!(password("1234567"), Err(NameError::Password));
        assert_eq!(password(&"x".repeat(1025)), Err(NameError::Password));
    }
}
