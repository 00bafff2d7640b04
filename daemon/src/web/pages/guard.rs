//! What keeps pages and forms to themselves: the headers of every page, and that forms are sent from our own pages only.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::visit::text;
use crate::site::Site;

/// Nothing comes from elsewhere, nothing is written inline, and nobody frames a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// What a page has no use for.
const PERMISSIONS: &str =
    "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=(), browsing-topics=()";

/// The headers of a page.
pub(super) fn add_headers(headers: &mut HeaderMap) {
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("permissions-policy", PERMISSIONS),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// Whether a request may change something: it comes from one of our own pages.
///
/// Browsers tell with `Sec-Fetch-Site`, but only under TLS and on loopback. Elsewhere `Origin` tells, or says `null`,
/// because our pages ask for no referrer; that is let through on plain http only, where the cookie still keeps other
/// sites from using a session.
pub(super) fn is_from_here(method: &Method, headers: &HeaderMap, site: &Site) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    if let Some(relation) = text(headers, "sec-fetch-site") {
        return matches!(relation, "same-origin" | "none");
    }
    match text(headers, "origin") {
        None | Some("null") => !site.config.is_https(),
        Some(origin) => {
            let (public, _) = site.config.public_url.split_at(site.config.public_url.len().saturating_sub(1));
            let host = origin.split_once("://").map(|(_, host)| host);
            origin.eq_ignore_ascii_case(public) || host.is_some() && host == text(headers, "host")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::a_site;
    use crate::store::Store;

    fn is_taken(public_url: &str, given: &[(&'static str, &'static str)]) -> bool {
        let mut site = a_site(&Store::in_memory().unwrap());
        site.config.public_url = public_url.to_owned();
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        is_from_here(&Method::POST, &headers, &site)
    }

    #[test]
    fn what_the_browser_says_of_the_sender_decides() {
        let https = "https://vpn.example.com/";
        for (relation, taken) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false), ("x", false)]
        {
            let given = [("sec-fetch-site", relation), ("origin", "https://vpn.example.com")];
            assert_eq!(is_taken(https, &given), taken, "{relation}");
        }
    }

    #[test]
    fn browsers_that_do_not_say_it_name_our_origin() {
        let https = "https://vpn.example.com/";
        assert!(is_taken(https, &[("origin", "https://vpn.example.com")]));
        assert!(is_taken(https, &[("origin", "https://10.0.0.1:8080"), ("host", "10.0.0.1:8080")]));
        for given in [
            &[("origin", "https://evil.example"), ("host", "vpn.example.com")][..],
            &[("origin", "https://vpn.example.com.evil.example")],
            &[("origin", "null")],
            &[],
        ] {
            assert!(!is_taken(https, given), "{given:?}");
        }
    }

    #[test]
    fn in_a_lab_without_tls_an_origin_that_is_withheld_passes_and_a_foreign_one_does_not() {
        let http = "http://10.0.0.1:8080/";
        assert!(is_taken(http, &[("origin", "null")]) && is_taken(http, &[]));
        assert!(!is_taken(http, &[("origin", "http://evil.example"), ("host", "10.0.0.1:8080")]));
    }

    #[test]
    fn looking_is_free() {
        let site = a_site(&Store::in_memory().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
        assert!(is_from_here(&Method::GET, &headers, &site));
    }
}
