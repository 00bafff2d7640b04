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
pub(super) fn add_headers(headers: &mut HeaderMap, site: &Site) {
    // Without TLS only `Origin` tells where a form comes from, and browsers that may not name a page to itself withhold
    // it (Fetch, "append a request Origin header"). Neither tells any other site.
    let referrers = if site.config.is_https() { "no-referrer" } else { "same-origin" };
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("referrer-policy", referrers),
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
/// Browsers tell with `Sec-Fetch-Site`, but only under TLS and on loopback. Elsewhere `Origin` tells. Who tells neither
/// is no browser that our pages are made for, and other sites can have `null` said in their place.
pub(super) fn is_from_here(method: &Method, headers: &HeaderMap, site: &Site) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    if let Some(relation) = text(headers, "sec-fetch-site") {
        return matches!(relation, "same-origin" | "none");
    }
    let Some((scheme, host)) = text(headers, "origin").and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    let Some((our_scheme, rest)) = site.config.public_url.split_once("://") else { return false };
    let is_our_host =
        host.eq_ignore_ascii_case(rest.trim_end_matches('/')) || Some(host) == text(headers, "host");
    scheme.eq_ignore_ascii_case(our_scheme) && is_our_host
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
            &[("origin", "http://vpn.example.com"), ("host", "vpn.example.com")],
            &[("origin", "null")],
            &[],
        ] {
            assert!(!is_taken(https, given), "{given:?}");
        }
    }

    #[test]
    fn in_a_lab_without_tls_the_origin_decides_and_a_withheld_one_does_not_pass() {
        let http = "http://10.0.0.1:8080/";
        assert!(is_taken(http, &[("origin", "http://10.0.0.1:8080")]));
        for given in
            [&[("origin", "null")][..], &[], &[("origin", "http://evil.example"), ("host", "10.0.0.1:8080")]]
        {
            assert!(!is_taken(http, given), "{given:?}");
        }
    }

    #[test]
    fn no_page_names_itself_to_another_site() {
        for (public_url, policy) in
            [("https://a.example/", "no-referrer"), ("http://a.example/", "same-origin")]
        {
            let mut site = a_site(&Store::in_memory().unwrap());
            site.config.public_url = public_url.to_owned();
            let mut headers = HeaderMap::new();
            add_headers(&mut headers, &site);
            assert_eq!(headers["referrer-policy"], policy);
        }
    }

    #[test]
    fn looking_is_free() {
        let site = a_site(&Store::in_memory().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
        assert!(is_from_here(&Method::GET, &headers, &site));
    }
}
