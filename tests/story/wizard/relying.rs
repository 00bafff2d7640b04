//! An application in which people sign in with their account: a relying party by plain HTTP, with a browser beside it.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use postern::flows::apps::{self, Plan};
use postern::flows::invite::Actor;
use postern::rules::openid::IdTokenAlg;
use postern::rules::token::Token;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::browser::{Browser, Page};
use crate::sign_in::{PASSWORD, enrolled, sign_in};
use crate::support::Postern;

pub(crate) const CALLBACK: &str = "https://wiki.example.com/callback";
pub(crate) const ISSUER: &str = "https://vpn.example.com";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// An application.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) callback: String,
}

/// What the token endpoint, or another that applications ask, says.
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

pub(crate) fn root() -> Actor {
    Actor { name: "root".to_owned(), account: None }
}

/// Adds an application.
pub(crate) fn add_app(postern: &Postern, name: &str, change: impl Fn(&mut Plan)) -> Client {
    let mut plan = Plan {
        name: name.to_owned(),
        redirect_uris: vec![CALLBACK.to_owned()],
        post_logout_uris: vec!["https://wiki.example.com/bye".to_owned()],
        groups: Vec::new(),
        url: "https://wiki.example.com/".to_owned(),
        is_public: false,
        skips_consent: false,
        id_token_alg: IdTokenAlg::EdDsa,
    };
    change(&mut plan);
    let (id, secret, now) = (format!("client-{name}"), format!("secret of {name}"), postern.app.now());
    let added = postern
        .app
        .store
        .write_blocking(|tx| apps::add(tx, &root(), &plan, (id.clone(), &Token::presented(&secret)), now));
    added.unwrap();
    let secret = (!plan.is_public).then_some(secret);
    Client { name: name.to_owned(), id, secret, callback: plan.redirect_uris.remove(0) }
}

impl Client {
    /// Where it sends people, with some parameters changed; an empty value leaves one out.
    pub(crate) fn start(&self, changes: &[(&str, &str)]) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let mut params: BTreeMap<&str, &str> = [
            ("response_type", "code"),
            ("client_id", self.id.as_str()),
            ("redirect_uri", self.callback.as_str()),
            ("scope", "openid profile email groups"),
            ("state", "st&te"),
            ("nonce", "n-1"),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ]
        .into();
        params.extend(changes.iter().copied());
        params.retain(|_, value| !value.is_empty());
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(params);
        format!("/openid/authorize?{}", query.finish())
    }

    /// Tokens for a code.
    pub(crate) async fn exchange(&self, postern: &Postern, code: &str, changes: &[(&str, &str)]) -> Said {
        let mut fields: BTreeMap<&str, &str> = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.callback.as_str()),
            ("code_verifier", VERIFIER),
        ]
        .into();
        fields.extend(changes.iter().copied());
        self.ask(postern, "/openid/token", &fields.into_iter().collect::<Vec<_>>()).await
    }

    /// Tokens for a refresh token.
    pub(crate) async fn refresh(&self, postern: &Postern, token: &str) -> Said {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.ask(postern, "/openid/token", &fields).await
    }

    /// Sends a form as this application.
    pub(crate) async fn ask(&self, postern: &Postern, path: &str, fields: &[(&str, &str)]) -> Said {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let mut request =
            Request::post(path).header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        match &self.secret {
            Some(secret) => {
                let encoded =
                    |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = STANDARD.encode(format!("{}:{}", encoded(&self.id), encoded(secret)));
                request = request.header("authorization", format!("Basic {pair}"));
            }
            None => drop(body.append_pair("client_id", &self.id)),
        }
        said(postern, request.body(Body::from(body.finish())).unwrap()).await
    }

    /// Signs in as somebody with a password, agrees, and gives what the application is sent.
    pub(crate) async fn sign_in(
        &self,
        browser: &mut Browser<'_>,
        name: &str,
        changes: &[(&str, &str)],
    ) -> Sent {
        let asked = browser.get(&self.start(changes)).await;
        if asked.status == 303 && asked.went_to() != "/sign-in" {
            return Sent::at(asked.went_to());
        }
        let page = if asked.status == 303 {
            assert_eq!(sign_in(browser, name, PASSWORD).await.went_to(), "/me");
            assert_eq!(browser.get("/me").await.went_to(), "/openid/continue");
            browser.get("/openid/continue").await
        } else {
            asked
        };
        if page.text.contains("http-equiv") {
            return Sent::back(&page);
        }
        page.shows(200, &["Allow and go on", &self.name]);
        agree(browser, &page, "allow").await
    }
}

/// Answers a consent page.
pub(crate) async fn agree(browser: &mut Browser<'_>, page: &Page, decision: &str) -> Sent {
    let request = sealed(page);
    let fields = [("request", request.as_str()), ("decision", decision)];
    Sent::back(&browser.post("/openid/consent", &fields).await)
}

/// What a consent page's form carries.
pub(crate) fn sealed(page: &Page) -> String {
    let (_, rest) = page.text.split_once("name=\"request\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// What an application is sent: its address and the parameters there.
pub(crate) struct Sent {
    pub(crate) uri: String,
    params: BTreeMap<String, String>,
}

impl Sent {
    pub(crate) fn at(location: &str) -> Self {
        let (uri, query) = location.split_once('?').unwrap();
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let params: BTreeMap<_, _> = pairs.iter().cloned().collect();
        assert_eq!(pairs.len(), params.len(), "each comes once");
        Self { uri: uri.to_owned(), params }
    }

    /// By a page that goes on by itself.
    pub(crate) fn back(page: &Page) -> Self {
        page.shows(200, &["http-equiv=\"refresh\""]);
        let (_, rest) = page.text.split_once("content=\"0;url=").unwrap();
        Self::at(&rest.split('"').next().unwrap().replace("&#38;", "&"))
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    pub(crate) fn code(&self) -> &str {
        assert_eq!((self.get("state"), self.get("iss"), self.get("error")), ("st&te", ISSUER, ""));
        self.get("code")
    }

    pub(crate) fn error(&self) -> &str {
        assert_eq!((self.get("state"), self.get("iss"), self.get("code")), ("st&te", ISSUER, ""));
        self.get("error")
    }
}

pub(crate) async fn said(postern: &Postern, request: Request<Body>) -> Said {
    let answer = postern.send(request).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    let json = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
    Said { status: answer.status, headers: answer.headers, json }
}

impl Said {
    pub(crate) fn token(&self, name: &str) -> String {
        assert_eq!(self.status, 200, "{}", self.json);
        self.json[name].as_str().unwrap().to_owned()
    }

    pub(crate) fn refused(&self) -> (u16, &str) {
        (self.status, self.json["error"].as_str().unwrap())
    }
}

pub(crate) async fn user_info(postern: &Postern, token: &str) -> Said {
    let request = Request::get("/openid/userinfo").header("authorization", format!("Bearer {token}"));
    said(postern, request.body(Body::empty()).unwrap()).await
}

pub(crate) fn claims(id_token: &str) -> Value {
    let part = id_token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Puts somebody into a group, which is made if need be.
pub(crate) fn join(postern: &Postern, username: &str, group: &str) {
    let user = postern.user(username);
    let joined = postern.app.store.write_blocking(|tx| {
        let group = match tx.group_by_name(group)? {
            Some(group) => group,
            None => tx.insert_group(group)?,
        };
        tx.add_member(user, group)
    });
    joined.unwrap();
}

/// A browser in which `jdoe`, who has a password, signed in to an application; and the tokens of it.
pub(crate) async fn with_tokens<'a>(
    postern: &'a Postern,
    client: &Client,
    changes: &[(&str, &str)],
) -> (Browser<'a>, Said) {
    enrolled(postern, "jdoe").await;
    let mut browser = Browser::new(postern);
    let sent = client.sign_in(&mut browser, "jdoe", changes).await;
    let tokens = client.exchange(postern, sent.code(), &[]).await;
    assert_eq!(tokens.status, 200, "{}", tokens.json);
    (browser, tokens)
}
