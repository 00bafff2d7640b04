//! Cookies. Desktop clients send the whole `Set-Cookie` value back as their `Cookie`, attributes included (protocol 1.2),
//! so reading is lenient: the first one of the exact name counts, everything else is skipped.

use axum::http::{HeaderMap, HeaderValue, header};

/// The session of the client API (protocol 1.2).
pub(super) const CLIENT: &str = "defguard_proxy";
/// The session of its password reset (protocol 1.11).
pub(super) const CLIENT_RESET: &str = "defguard_proxy_password_reset";

/// Where else the browser sends a cookie along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SameSite {
    /// Nowhere.
    Strict,
    /// Also with a link that leads here, for example out of a mail read in the browser.
    Lax,
}

/// A cookie to be set for the whole site, out of reach of scripts.
pub(super) struct Cookie<'a> {
    pub(super) name: &'a str,
    /// Letters, digits, `-` and `_`.
    pub(super) value: &'a str,
    /// `Max-Age` instead of `Expires`, because clients' clocks are wrong.
    pub(super) seconds: i64,
    pub(super) same_site: SameSite,
    /// Only where it does not keep the client from sending the cookie: under `https`.
    pub(super) secure: bool,
}

/// The value of a cookie in the lines of a request.
pub(super) fn find(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    lines.flat_map(|line| line.split(|byte| *byte == b';')).find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (found, value) = pair.split_at(at);
        let value = value.strip_prefix(b"=")?.trim_ascii();
        (found.trim_ascii() == name.as_bytes()).then(|| String::from_utf8_lossy(value).into_owned())
    })
}

/// All cookies of a request that are not ours, as one line.
pub(super) fn others(headers: &HeaderMap) -> Vec<u8> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    let is_theirs = |pair: &&[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        let plain = name.strip_prefix(b"__Host-").unwrap_or(name);
        !plain.starts_with(b"postern_") && !plain.starts_with(CLIENT.as_bytes()) && !pair.is_empty()
    };
    pairs.filter(is_theirs).collect::<Vec<_>>().join(b"; ".as_slice())
}

impl Cookie<'_> {
    /// Adds its line to an answer.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        if let Ok(line) = HeaderValue::from_str(&self.line()) {
            headers.append(header::SET_COOKIE, line);
        }
    }

    fn line(&self) -> String {
        let same_site = match self.same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
        };
        let suffix = if self.secure { "; Secure" } else { "" };
        let Self { name, value, seconds, .. } = self;
        format!("{name}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite={same_site}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
        }
        find(&headers, CLIENT)
    }

    fn cookie(secure: bool) -> Cookie<'static> {
        Cookie { name: CLIENT, value: "abc", seconds: 600, same_site: SameSite::Strict, secure }
    }

    #[test]
    fn the_whole_set_cookie_sent_back_is_understood() {
        assert_eq!(found(&[&cookie(true).line()]).as_deref(), Some("abc"));
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
    fn an_application_beside_us_is_passed_its_own_cookies_and_none_of_ours() {
        let mut headers = HeaderMap::new();
        assert_eq!(others(&headers), b"");
        for line in [
            "a=1; __Host-postern_session=secret;b=\"x y\"; postern_lang=de",
            " __Host-postern_browser = secret ; c; defguard_proxy=x; =d;; xpostern_a=2",
        ] {
            headers.append(header::COOKIE, HeaderValue::from_static(line));
        }
        assert_eq!(String::from_utf8(others(&headers)).unwrap(), "a=1; b=\"x y\"; c; =d; xpostern_a=2");
    }

    #[test]
    fn secure_is_set_only_for_https() {
        assert!(cookie(true).line().ends_with("; SameSite=Strict; Secure"));
        assert!(!cookie(false).line().contains("Secure"));
    }
}
