//! Requests of clients and browsers out of bytes: the first line is method, path and a header with its value, the second is
//! the cookies, everything after it the body. `TOKEN`, `SESSION`, `RESET` (a link), `RUNNING` (the session of another, or of
//! who signed in) and `KEY` stand for good ones.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request};

use postern::flows::password_reset;
use postern::password::Passwords;
use postern::rules::token::Token;

use crate::Trial;
use crate::support::{Postern, key};

/// A session in which somebody sets another password.
const RUNNING: &str = "0123456789abcdefghijklmnopqrstuv";
/// So many requests meet one postern: a fresh one costs more than they do.
const MOST: usize = 200;

/// A target.
pub(crate) fn no_request_is_too_strange() -> Trial {
    let mut world = World::new();
    Box::new(move |bytes| world.ask(bytes))
}

struct World {
    runtime: tokio::runtime::Runtime,
    postern: Postern,
    token: String,
    session: String,
    reset: String,
    asked: usize,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (postern, [token, session, reset]) = runtime.block_on(populated());
        Self { runtime, postern, token, session, reset, asked: 0 }
    }

    /// Sends a request, unless it is one that no HTTP library would let through, and judges the answer.
    fn ask(&mut self, bytes: &[u8]) {
        if self.asked == MOST {
            *self = Self::new();
        }
        let Some(request) = self.request(bytes) else { return };
        self.asked += 1;
        let what = format!("{} {}", request.method(), request.uri());
        // Limits are another test's.
        let address = std::net::Ipv4Addr::from_bits(u32::try_from(self.asked).unwrap());
        let answer = self.runtime.block_on(self.postern.send_from(address.into(), request));
        assert!(answer.status < 500, "{what}: {} {}", answer.status, answer.text);
        for header in
            ["defguard-core-version", "cache-control", "x-content-type-options", "content-security-policy"]
        {
            assert!(answer.headers.contains_key(header), "{what}: {header}");
        }
    }

    fn request(&self, bytes: &[u8]) -> Option<Request<Body>> {
        let good = [
            (&b"TOKEN"[..], self.token.as_str()),
            (b"SESSION", self.session.as_str()),
            (b"RESET", self.reset.as_str()),
            (b"RUNNING", RUNNING),
            (b"KEY", &key(7)),
        ];
        let mut request = request_of(bytes, &good)?;
        let browser = HeaderValue::from_static("same-origin");
        request.headers_mut().entry("sec-fetch-site").or_insert(browser);
        Some(request.map(Body::from))
    }
}

/// A request out of bytes, unless no HTTP library would let it through. `good` are words with what they stand for.
pub(crate) fn request_of(bytes: &[u8], good: &[(&[u8], &str)]) -> Option<Request<Vec<u8>>> {
    let bytes =
        good.iter().fold(bytes.to_vec(), |bytes, (word, value)| replaced(&bytes, word, value.as_bytes()));
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let mut words = lines.next()?.splitn(4, |byte| *byte == b' ');
    let (cookies, body) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let request = Request::builder().method(words.next()?).uri(words.next()?);
    let mut request = request.body(body.to_vec()).ok()?;
    let name = HeaderName::from_bytes(words.next().unwrap_or(b"accept")).ok()?;
    let value = HeaderValue::from_bytes(words.next().unwrap_or(b"text/html")).ok()?;
    request.headers_mut().insert("cookie", HeaderValue::from_bytes(cookies).ok()?);
    request.headers_mut().insert(name, value);
    request.uri().path().starts_with('/').then_some(request)
}

async fn populated() -> (Postern, [String; 3]) {
    let postern = Postern::new();
    let session = postern.session_of("ann").await;
    let session = session.split(['=', ';']).nth(1).unwrap().to_owned();
    let token = postern.invite("ben");
    let [eve, fay] = ["eve", "fay"].map(|name| {
        postern.invite(name);
        postern.user(name)
    });
    let hash = Passwords::default().hash("correct horse".to_owned().into(), [7; 16]).await.unwrap();
    let (site, now) = (postern.app.site(), postern.app.now());
    let reset = postern.app.store.write_blocking(|tx| {
        let grant = |user| {
            tx.activate_user(user, &hash, None)?;
            password_reset::grant(tx, &site, 0, Some(user), now)
        };
        let [reset, started] = [grant(eve)?.unwrap().1, grant(fay)?.unwrap().1];
        password_reset::start(tx, &site, &started, Token::presented(RUNNING).hash(), now)?;
        tx.sign_in(eve, Token::presented(RUNNING).hash(), ("Firefox, Linux", "::1"), now)?;
        Ok::<_, password_reset::ResetError>(reset.expose().to_owned())
    });
    let reset = reset.unwrap().0;
    (postern, [token, session, reset])
}

fn replaced(bytes: &[u8], word: &[u8], by: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    let mut found = Vec::with_capacity(bytes.len());
    while let Some(at) = rest.windows(word.len()).position(|part| part == word) {
        found.extend_from_slice(&rest[..at]);
        found.extend_from_slice(by);
        rest = &rest[at + word.len()..];
    }
    found.extend_from_slice(rest);
    found
}
