//! The session cookie. Desktop clients send the whole `Set-Cookie` value back as their `Cookie`, attributes included
//! (protocol 1.2), so reading is lenient: the first `defguard_proxy` counts, everything else is skipped.

const NAME: &[u8] = b"defguard_proxy";

/// The session identifier in the `Cookie` lines of a request.
pub(super) fn session_id<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    lines.flat_map(|line| line.split(|byte| *byte == b';')).find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at(at);
        let value = value.strip_prefix(b"=")?.trim_ascii();
        (name.trim_ascii() == NAME).then(|| String::from_utf8_lossy(value).into_owned())
    })
}

/// The `Set-Cookie` value. `Max-Age` instead of `Expires`, because clients' clocks are wrong; `Secure` only where it
/// does not keep the command line client from sending the cookie.
pub(super) fn set(id: &str, seconds_left: i64, secure: bool) -> String {
    let suffix = if secure { "; Secure" } else { "" };
    format!("defguard_proxy={id}; Max-Age={seconds_left}; Path=/; HttpOnly; SameSite=Strict{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[&str]) -> Option<String> {
        session_id(lines.iter().map(|line| line.as_bytes()))
    }

    #[test]
    fn the_whole_set_cookie_sent_back_is_understood() {
        assert_eq!(found(&[&set("abc", 600, true)]).as_deref(), Some("abc"));
    }

    #[test]
    fn everything_around_the_first_exact_name_is_skipped() {
        for line in [
            "undefined; defguard_proxy=abc",
            "a=b, c d; ; =; x; defguard_proxy=abc; defguard_proxy=other",
            "defguard_proxy_password_reset=no; defguard_proxy=abc",
            "  defguard_proxy = abc ;Secure",
        ] {
            assert_eq!(found(&[line]).as_deref(), Some("abc"), "{line}");
        }
        assert_eq!(found(&["a=b", "defguard_proxy=abc"]).as_deref(), Some("abc"));
    }

    #[test]
    fn without_the_cookie_there_is_no_session() {
        for line in ["", "undefined", "defguard_proxy", "Defguard_Proxy=abc", "xdefguard_proxy=abc"] {
            assert_eq!(found(&[line]), None, "{line}");
        }
    }

    #[test]
    fn secure_is_set_only_for_https() {
        assert!(set("abc", 1, true).ends_with("; Secure"));
        assert!(!set("abc", 1, false).contains("Secure"));
    }
}
