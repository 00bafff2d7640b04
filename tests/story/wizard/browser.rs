//! A browser without scripts: it keeps cookies, says where its forms come from, and judges every page.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use postern::background::deliver_mail;
use postern::pulse::Pulses;
use postern::store::outbox::Listed;
use postern::web::assets::url;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::Postern;

/// The headers that every page has, with a part of their value.
const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"),
    ("content-security-policy", "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("permissions-policy", "camera=()"),
];

pub(crate) struct Browser<'a> {
    pub(crate) postern: &'a Postern,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) language: &'static str,
    pub(crate) address: IpAddr,
}

pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(postern: &'a Postern) -> Self {
        let address = "192.0.2.7".parse().unwrap();
        Self { postern, cookies: BTreeMap::new(), language: "en", address }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Sends a form as one of our own pages does.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.post_from("same-origin", path, fields).await
    }

    /// Sends a form from somewhere.
    pub(crate) async fn post_from(&mut self, site: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site);
        self.ask(request.body(Body::from(body.finish())).unwrap()).await
    }

    /// Sends JSON as the pages' scripts do; gives status and answer.
    pub(crate) async fn send(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .header("sec-fetch-site", "same-origin");
        let page = self.ask(request.body(Body::from(body.to_string())).unwrap()).await;
        (page.status, serde_json::from_str(&page.text).unwrap())
    }

    /// Opens a link out of a mail and starts.
    pub(crate) async fn start(&mut self, token: &str) -> Page {
        let page = self.post("/enroll/start", &[("token", token)]).await;
        assert!(page.went_to().starts_with("/enroll/"), "{}", page.text);
        page
    }

    /// Everything up to the device.
    pub(crate) async fn with_password(&mut self, token: &str) {
        self.start(token).await;
        assert_eq!(self.post("/enroll/you", &[("phone", "")]).await.went_to(), "/enroll/password");
        let set = self.post("/enroll/password", &[("password", "correct horse")]).await;
        assert_eq!(set.went_to(), "/enroll/device");
    }

    pub(crate) async fn ask(&mut self, mut request: Request<Body>) -> Page {
        let headers = request.headers_mut();
        headers.entry("accept").or_insert("text/html,application/xhtml+xml,*/*;q=0.8".parse().unwrap());
        headers.insert("accept-language", self.language.parse().unwrap());
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        headers.insert("cookie", cookies.join("; ").parse().unwrap());
        let answer = self.postern.send_from(self.address, request).await;
        for line in answer.headers.get_all("set-cookie") {
            self.take(line.to_str().unwrap());
        }
        let page = Page { status: answer.status, headers: answer.headers, text: answer.text };
        page.is_sound();
        page
    }

    fn take(&mut self, line: &str) {
        let (name, rest) = line.split_once('=').unwrap();
        assert!(rest.contains("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{line}");
        assert!(!line.contains("Domain") && !line.contains("Expires"), "{line}");
        self.cookies.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
    }
}

impl Page {
    /// Where the browser is sent; fails when it is not.
    pub(crate) fn went_to(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.text);
        self.headers["location"].to_str().unwrap()
    }

    /// Fails unless the page is shown with this status and says all of this.
    pub(crate) fn shows(&self, status: u16, said: &[&str]) {
        assert_eq!(self.status, status, "{}", self.text);
        for said in said {
            assert!(self.text.contains(said), "{said} is not on the page:\n{}", self.text);
        }
    }

    pub(crate) fn lacks(&self, unsaid: &[&str]) {
        for unsaid in unsaid {
            assert!(!self.text.contains(unsaid), "{unsaid} is on the page:\n{}", self.text);
        }
    }

    fn is_sound(&self) {
        for (name, part) in HEADERS {
            let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}"));
            let lasts = self.text.starts_with(":root") || self.text.contains("<svg xmlns");
            let value = value.to_str().unwrap();
            assert!(value.contains(part) || lasts, "{name}: {value}");
        }
        if !self.text.starts_with("<!doctype html>") {
            return;
        }
        for inline in [" style=", "<style", " onclick=", "javascript:", "<script>", "http://", "{$", "{ $"] {
            assert!(!self.text.contains(inline), "{inline} in\n{}", self.text);
        }
        let scripts = self.text.matches("<script").count();
        assert_eq!(scripts, self.text.matches("<script type=\"module\" src=\"/assets/").count());
        assert!(self.text.contains("<main id=\"main\""), "{}", self.text);
        let seen = self.text.split("<template").map(|part| part.rsplit("</template>").next().unwrap());
        let headings: usize = seen.map(|part| part.matches("<h1").count()).sum();
        assert_eq!(headings, 1, "{}", self.text);
        assert!(self.text.contains(&format!("href=\"{}\"", url("third-party.txt"))), "{}", self.text);
    }
}

/// The letters in a directory, once there are so many.
pub(crate) async fn letters(postern: &Postern, dir: &Path, count: usize) -> Vec<String> {
    let (stop, stopped) = watch::channel(false);
    let pulse = Pulses::default().pulse("the mail loop");
    let mut delivering = JoinSet::from_iter([deliver_mail::run(postern.app.clone(), pulse, stopped)]);
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let found = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            looks.tick().await;
            let found = read_letters(dir);
            if found.len() >= count {
                return found;
            }
        }
    });
    let troubled = || postern.app.store.read_blocking(|tx| tx.newest_mail(Listed::NotSent, 9)).unwrap();
    let found = found.await.unwrap_or_else(|_| panic!("too few letters: {:?}", troubled()));
    stop.send_replace(true);
    delivering.join_next().await.unwrap().unwrap();
    found
}

fn read_letters(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    paths.sort();
    let letter = |path| std::fs::read_to_string(path).unwrap().replace("=\r\n", "").replace("=3D", "=");
    paths.into_iter().map(letter).collect()
}

/// The token of the first link in a letter.
pub(crate) fn token_in(letter: &str) -> String {
    let (_, rest) = letter.split_once("?token=").unwrap_or_else(|| panic!("no link in {letter}"));
    rest.chars().take_while(char::is_ascii_alphanumeric).collect()
}
