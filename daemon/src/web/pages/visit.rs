//! Who looks at a page and how: the language, the address, the cookies, and where the page is.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};

use super::language::Language;
use crate::rules::token::{Token, TokenHash};
use crate::site::Site;
use crate::web::{cookie, limit};

/// What somebody chose, by its name in the address and in cookies.
pub(super) const LANGUAGE_COOKIE: &str = "postern_lang";

/// A request as the pages see it.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) language: Language,
    /// Chosen with this very request.
    pub(super) chosen: Option<Language>,
    pub(super) client: IpAddr,
    /// Path and query, without the choice of a language.
    pub(super) here: String,
    /// Whether pages are taken. Scripts and desktop clients that went astray take none.
    pub(super) takes_pages: bool,
    /// Whether JSON is sent.
    pub(super) sends_json: bool,
    headers: HeaderMap,
}

/// The cookies of the pages. Their `__Host-` names tie them to this host and to TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    /// Of an enrollment.
    Enrollment,
    /// Of a password reset.
    Reset,
    /// Of who signed in.
    Account,
    /// Of who gave the right password and owes a second factor.
    Code,
    /// Of a browser in which somebody did.
    Browser,
    /// Of a browser whose answer of a passkey is waited for.
    Passkey,
    /// An application's request, sealed, while somebody signs in for it.
    App,
}

impl Visit {
    pub(super) fn of(request: &Request, site: &Site) -> Self {
        let headers = request.headers();
        let (here, chosen) = without_language(request);
        let by_cookie = || cookie::find(headers, LANGUAGE_COOKIE).and_then(|code| Language::from_code(&code));
        let accepted = || text(headers, header::ACCEPT_LANGUAGE.as_str()).and_then(Language::accepted);
        let language = chosen.or_else(by_cookie).or_else(accepted);
        let has = |name, kind| text(headers, name).is_some_and(|value| value.contains(kind));
        Self {
            language: language.unwrap_or(Language::English),
            chosen,
            client: limit::client_address(request, &site.config.http.trusted_proxies),
            here,
            takes_pages: has("accept", "text/html"),
            sends_json: has("content-type", "application/json"),
            headers: headers.clone(),
        }
    }

    /// The session of a cookie, which may be none.
    pub(super) fn session(&self, seat: Seat, site: &Site) -> Option<TokenHash> {
        let found = cookie::find(&self.headers, seat.cookie(site))?;
        Some(Token::presented(&found).hash())
    }

    /// What a cookie holds.
    pub(super) fn cookie(&self, seat: Seat, site: &Site) -> Option<String> {
        cookie::find(&self.headers, seat.cookie(site))
    }

    /// All but ours, as one line.
    pub(super) fn cookies_of_others(&self) -> Vec<u8> {
        cookie::others(&self.headers)
    }

    /// What was asked for where nginx has a browser come for something else; of no use but as a path.
    pub(super) fn original_uri(&self) -> Option<&str> {
        text(&self.headers, "x-original-uri")
    }

    /// Who the browser says it is.
    pub(super) fn user_agent(&self) -> &str {
        text(&self.headers, header::USER_AGENT.as_str()).unwrap_or_default()
    }

    /// The same page in another language.
    pub(super) fn here_in(&self, language: Language) -> String {
        let separator = if self.here.contains('?') { '&' } else { '?' };
        format!("{}{separator}lang={}", self.here, language.code())
    }

    /// Whether what is typed can be read on the way.
    pub(super) fn is_in_the_open(&self, site: &Site) -> bool {
        !site.config.is_https() && !self.client.is_loopback()
    }
}

impl Seat {
    pub(super) fn cookie(self, site: &Site) -> &'static str {
        match (self, site.config.is_https()) {
            (Self::Enrollment, true) => "__Host-postern_enroll",
            (Self::Enrollment, false) => "postern_enroll",
            (Self::Reset, true) => "__Host-postern_reset",
            (Self::Reset, false) => "postern_reset",
            (Self::Account, true) => "__Host-postern_session",
            (Self::Account, false) => "postern_session",
            (Self::Code, true) => "__Host-postern_code",
            (Self::Code, false) => "postern_code",
            (Self::Browser, true) => "__Host-postern_browser",
            (Self::Browser, false) => "postern_browser",
            (Self::Passkey, true) => "__Host-postern_passkey",
            (Self::Passkey, false) => "postern_passkey",
            (Self::App, true) => "__Host-postern_app",
            (Self::App, false) => "postern_app",
        }
    }
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(HeaderValue::to_str)?.ok()
}

fn without_language(request: &Request) -> (String, Option<Language>) {
    let mut here = request.uri().path().to_owned();
    let mut chosen = None;
    let pairs = request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    for pair in pairs {
        if let Some(code) = pair.strip_prefix("lang=") {
            chosen = Language::from_code(code);
        } else {
            here.push(if here.contains('?') { '&' } else { '?' });
            here.push_str(pair);
        }
    }
    (here, chosen)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn the_choice_of_a_language_is_taken_out_of_the_address() {
        let of = |uri: &str| without_language(&Request::builder().uri(uri).body(Body::empty()).unwrap());
        assert_eq!(of("/?token=a&lang=pl"), ("/?token=a".to_owned(), Some(Language::Polish)));
        assert_eq!(of("/enroll/you?lang=de"), ("/enroll/you".to_owned(), Some(Language::German)));
        assert_eq!(of("/?lang=xx&token=a&b"), ("/?token=a&b".to_owned(), None));
    }
}
