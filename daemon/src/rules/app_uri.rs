//! Where an application may have people sent back to (RFC 6749, 3.1.2; RFC 8252, 7.3; RFC 9700, 2.1). What was registered is
//! compared exactly, character by character; nothing is normalised.

use super::names::NameError;

/// The longest address.
const MOST_BYTES: usize = 512;

/// An address as registered: `https`, or `http` on this computer.
pub fn redirect(text: &str) -> Result<String, NameError> {
    let parts = parts(text).filter(|_| !text.contains('*')).ok_or(NameError::RedirectUri)?;
    let is_taken = parts.scheme == "https" || is_loopback(parts.host);
    if is_taken { Ok(text.to_owned()) } else { Err(NameError::RedirectUri) }
}

/// Where an application is, for a link to it.
pub fn home(text: &str) -> Result<String, NameError> {
    parts(text).map(|_| text.to_owned()).ok_or(NameError::AppUrl)
}

/// Whether `asked` is one of the registered addresses. Programs on people's computers (public clients) that registered a
/// loopback address listen on any port there (RFC 8252, 7.3).
pub fn is_registered(registered: &[String], asked: &str, is_public: bool) -> bool {
    registered.iter().any(|known| known == asked || (is_public && is_same_but_port(known, asked)))
}

/// The longest path that somebody is led back to.
const MOST_PATH_BYTES: usize = 2048;

/// The path on our own host that somebody can be led back to. `None`: a browser may take it for another host's, or it begins as what
/// leads people back does. Browsers send some characters as they are that belong into no address (RFC 3986, 2): those are encoded.
pub fn own_path(text: &str) -> Option<String> {
    let is_taken = |c: char| c.is_ascii_graphic() && !"\"<>\\#".contains(c);
    let is_ours = text.starts_with('/')
        && !text.starts_with("//")
        && !text.starts_with("/forward-auth")
        && text.chars().all(is_taken);
    let encoded = [("'", "%27"), ("^", "%5E"), ("`", "%60"), ("{", "%7B"), ("|", "%7C"), ("}", "%7D")];
    let path = encoded.iter().fold(text.to_owned(), |path, (plain, coded)| path.replace(plain, coded));
    (is_ours && path.len() <= MOST_PATH_BYTES).then_some(path)
}

struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    /// From the first `/` or `?` on.
    rest: &'a str,
}

fn parts(text: &str) -> Option<Parts<'_>> {
    let is_plain = |c: char| c.is_ascii_graphic() && !"\"'<>\\^`{|}#@".contains(c);
    if text.len() > MOST_BYTES || !text.chars().all(is_plain) {
        return None;
    }
    let (scheme, after) = text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "https" | "http"))?;
    let (authority, rest) = after.split_at(after.find(['/', '?']).unwrap_or(after.len()));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    (is_host(host) && port.is_none_or(is_port)).then_some(Parts { scheme, host, rest })
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    host.split('.').all(is_label)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || is_loopback_address(host)
}

fn is_loopback_address(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "[::1]")
}

fn is_same_but_port(known: &str, asked: &str) -> bool {
    let (Some(known), Some(asked)) = (parts(known), parts(asked)) else { return false };
    let is_local = known.scheme == "http" && is_loopback_address(known.host);
    is_local && known.scheme == asked.scheme && known.host == asked.host && known.rest == asked.rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_send_people_to_is_https_or_on_this_computer_and_hides_nothing() {
        for taken in [
            "https://app.example.com/callback",
            "https://app.example.com:8443/callback?tenant=1",
            "https://app.example.com",
            "https://[2001:db8::1]/cb",
            "http://localhost:3000/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:9/cb",
        ] {
            assert_eq!(redirect(taken), Ok(taken.to_owned()));
        }
        for refused in [
            "",
            "app.example.com",
            "http://app.example.com/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://localhost.evil.example/cb",
            "https://user@app.example.com/cb",
            "https://app.example.com/cb#fragment",
            "https://app.example.com\\@evil.example/",
            "https://*.example.com/cb",
            "https://app.example.com/*",
            "https://app.example.com:99999/",
            "https://app.example.com:+1/",
            "https:///cb",
            "https://app..example/cb",
            "https://app.example.com/a b",
            "https://app.example.com/\u{e9}",
            "HTTPS://app.example.com/",
            "javascript://app.example.com/%0aalert(1)",
            "ftp://app.example.com/",
        ] {
            assert_eq!(redirect(refused), Err(NameError::RedirectUri), "{refused}");
        }
        assert!(redirect(&format!("https://a.example/{}", "x".repeat(600))).is_err());
    }

    #[test]
    fn redirect_uris_not_registered_exactly_are_told_apart() {
        let registered = ["https://app.example.com/cb".to_owned(), "http://127.0.0.1/cb".to_owned()];
        let is = |asked, is_public| is_registered(&registered, asked, is_public);
        assert!(is("https://app.example.com/cb", false) && is("https://app.example.com/cb", true));
        for other in [
            "https://app.example.com/cb/",
            "https://app.example.com/cb?x",
            "https://app.example.com/CB",
            "https://APP.example.com/cb",
            "https://app.example.com:443/cb",
            "https://app.example.com/cb/../cb",
            "https://app.example.com/c%62",
            "https://app.example.com/cb#",
            "https://app.example.com.evil.example/cb",
            "http://app.example.com/cb",
            "http://127.0.0.1/cb2",
            "http://[::1]/cb",
            "http://localhost/cb",
            "",
        ] {
            assert!(!is(other, false) && !is(other, true), "{other}");
        }
    }

    #[test]
    fn nothing_but_a_path_of_our_own_host_is_led_back_to() {
        for taken in ["/", "/wiki/", "/wiki/a%20b?q=1&to=https://evil.example/", "/~ann/@me"] {
            assert_eq!(own_path(taken).as_deref(), Some(taken));
        }
        assert_eq!(
            own_path("/o'neil/{1}?a|b^`'").as_deref(),
            Some("/o%27neil/%7B1%7D?a%7Cb%5E%60%27"),
            "as browsers send them"
        );
        assert!(own_path(&format!("/{}", "'".repeat(2000))).is_none(), "it is longer then");
        for refused in [
            "",
            "wiki/",
            "//evil.example/",
            "/\\evil.example/",
            "\\/evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "@evil.example/",
            ".evil.example/",
            ":pw@evil.example/",
            "/a b",
            "/a\r\nLocation: https://evil.example/",
            "/\t/evil.example/",
            "/forward-auth/enter?app=wiki",
            &format!("/{}", "x".repeat(2048)),
        ] {
            assert_eq!(own_path(refused), None);
        }
    }

    #[test]
    fn programs_on_peoples_computers_listen_on_any_port_of_the_loopback_address_and_nobody_else_does() {
        let registered = ["http://127.0.0.1/cb".to_owned(), "http://localhost:1/cb".to_owned()];
        assert!(is_registered(&registered, "http://127.0.0.1:51004/cb", true));
        assert!(!is_registered(&registered, "http://127.0.0.1:51004/cb", false));
        assert!(!is_registered(&registered, "http://localhost:51004/cb", true));
        assert!(!is_registered(&registered, "https://127.0.0.1:51004/cb", true));
        assert!(!is_registered(&["https://a.example/cb".to_owned()], "https://a.example:8443/cb", true));
    }
}
