//! What is sent to the OpenID provider by who means no good, and by who is mistaken.

use axum::body::Body;
use axum::http::Request;
use postern::flows::accounts;
use serde_json::Value;

use crate::browser::Browser;
use crate::relying::{CALLBACK, Sent, add_app, agree, join, root, said, sealed, user_info, with_tokens};
use crate::sign_in::{enrolled, signed_in};
use crate::support::Postern;

#[tokio::test]
async fn redirect_uris_not_registered_exactly_are_never_gone_to() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |plan| plan.skips_consent = true);
    enrolled(&postern, "jdoe").await;
    for mut browser in [Browser::new(&postern), signed_in(&postern, "jdoe").await] {
        for uri in [
            "https://wiki.example.com/callback/",
            "https://wiki.example.com/callback?x=1",
            "https://wiki.example.com/Callback",
            "https://wiki.example.com.evil.example/callback",
            "https://evil.example/callback",
            "https://wiki.example.com/callback/../evil",
            "http://wiki.example.com/callback",
            "",
        ] {
            // Not even with a mistake that would be told there.
            for mistake in [("state", "x"), ("response_type", "token"), ("prompt", "none"), ("scope", "")] {
                let page = browser.get(&client.start(&[("redirect_uri", uri), mistake])).await;
                page.shows(400, &["not registered"]);
                assert!(!page.headers.contains_key("location") && !page.text.contains("http-equiv"));
            }
        }
        let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example%2F", client.start(&[]));
        browser.get(&twice).await.shows(400, &["not registered"]);
        browser.get(&client.start(&[("client_id", "nobody")])).await.shows(400, &["is not known"]);
        browser.get("/openid/authorize").await.shows(400, &["is not known"]);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_to_the_application() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    let mut browser = Browser::new(&postern);
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("scope", "profile"), "invalid_scope"),
        (("request", "eyJ"), "request_not_supported"),
        (("request_uri", "https://a.example/r"), "request_uri_not_supported"),
        (("registration", "{}"), "registration_not_supported"),
        (("prompt", "none login"), "invalid_request"),
        (("max_age", "x"), "invalid_request"),
    ] {
        let page = browser.get(&client.start(&[change])).await;
        let sent = Sent::at(page.went_to());
        assert_eq!((sent.uri.as_str(), sent.error()), (CALLBACK, error), "{change:?}");
    }
}

#[tokio::test]
async fn a_downgraded_pkce_is_refused_for_every_client() {
    let postern = Postern::new();
    let [wiki, phone] = [("wiki", false), ("phone", true)]
        .map(|(name, is_public)| add_app(&postern, name, |plan| plan.is_public = is_public));
    let mut browser = Browser::new(&postern);
    for client in [wiki, phone] {
        for change in
            [("code_challenge", ""), ("code_challenge_method", ""), ("code_challenge_method", "plain")]
        {
            let page = browser.get(&client.start(&[change])).await;
            assert_eq!(Sent::at(page.went_to()).error(), "invalid_request", "{change:?}");
        }
    }
}

#[tokio::test]
async fn a_wrong_verifier_gets_nothing_and_neither_does_none() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    enrolled(&postern, "jdoe").await;
    let sent = client.sign_in(&mut Browser::new(&postern), "jdoe", &[]).await;
    let wrong = "a".repeat(43);
    for (verifier, error) in [(wrong.as_str(), "invalid_grant"), ("", "invalid_request")] {
        let said = client.exchange(&postern, sent.code(), &[("code_verifier", verifier)]).await;
        assert_eq!(said.refused(), (400, error));
    }
    let other = [("redirect_uri", "https://wiki.example.com/other")];
    assert_eq!(client.exchange(&postern, sent.code(), &other).await.refused(), (400, "invalid_grant"));
    client.exchange(&postern, sent.code(), &[]).await.token("id_token");
}

#[tokio::test]
async fn a_reused_code_ends_everything_that_came_of_it() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    enrolled(&postern, "jdoe").await;
    let offline = [("scope", "openid offline_access")];
    let sent = client.sign_in(&mut Browser::new(&postern), "jdoe", &offline).await;
    let tokens = client.exchange(&postern, sent.code(), &[]).await;
    assert_eq!(user_info(&postern, &tokens.token("access_token")).await.status, 200);
    assert_eq!(client.exchange(&postern, sent.code(), &[]).await.refused(), (400, "invalid_grant"));
    assert_eq!(user_info(&postern, &tokens.token("access_token")).await.refused(), (401, "invalid_token"));
    assert_eq!(
        client.refresh(&postern, &tokens.token("refresh_token")).await.refused(),
        (400, "invalid_grant")
    );
    assert!(postern.audited().contains(&"app.reuse wiki".to_owned()));
}

#[tokio::test]
async fn an_expired_code_gets_nothing() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    enrolled(&postern, "jdoe").await;
    let mut browser = Browser::new(&postern);
    let first = client.sign_in(&mut browser, "jdoe", &[]).await;
    let second = client.sign_in(&mut browser, "jdoe", &[]).await;
    postern.pass(59);
    client.exchange(&postern, first.code(), &[]).await.token("access_token");
    postern.pass(1);
    assert_eq!(client.exchange(&postern, second.code(), &[]).await.refused(), (400, "invalid_grant"));
}

#[tokio::test]
async fn mixed_up_clients_get_nothing_of_one_another() {
    let postern = Postern::new();
    let offline = [("scope", "openid offline_access")];
    let [wiki, shop] = ["wiki", "shop"].map(|name| add_app(&postern, name, |_| {}));
    let phone = add_app(&postern, "phone", |plan| plan.is_public = true);
    let (mut browser, tokens) = with_tokens(&postern, &wiki, &offline).await;
    let sent = wiki.sign_in(&mut browser, "jdoe", &offline).await;
    let refresh = tokens.token("refresh_token");
    for other in [&shop, &phone] {
        assert_eq!(other.exchange(&postern, sent.code(), &[]).await.refused(), (400, "invalid_grant"));
        assert_eq!(other.refresh(&postern, &refresh).await.refused(), (400, "invalid_grant"));
        let taken = other.ask(&postern, "/openid/revoke", &[("token", &refresh)]).await;
        assert_eq!(taken.refused(), (400, "invalid_grant"));
    }
    // One that knows the other's name and not its secret, or claims to have none.
    for secret in [None, Some("secret of shop".to_owned()), Some(String::new())] {
        let liar = crate::relying::Client { secret, ..wiki.clone() };
        let said = liar.exchange(&postern, sent.code(), &[]).await;
        assert_eq!(said.refused(), (401, "invalid_client"));
        assert!(said.headers["www-authenticate"].to_str().unwrap().starts_with("Basic "));
    }
    let twice = [("client_id", "client-shop")];
    assert_eq!(wiki.exchange(&postern, sent.code(), &twice).await.refused(), (400, "invalid_request"));
    let with_secret = crate::relying::Client { secret: Some("any".to_owned()), ..phone.clone() };
    assert_eq!(with_secret.refresh(&postern, &refresh).await.refused(), (401, "invalid_client"));
    wiki.exchange(&postern, sent.code(), &[]).await.token("access_token");
    wiki.refresh(&postern, &refresh).await.token("access_token");
}

#[tokio::test]
async fn a_stolen_refresh_token_ends_the_family_whoever_uses_it_first() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    let offline = [("scope", "openid email offline_access")];
    let (_, tokens) = with_tokens(&postern, &client, &offline).await;
    let stolen = tokens.token("refresh_token");
    let next = client.refresh(&postern, &stolen).await;
    let (access, refresh) = (next.token("access_token"), next.token("refresh_token"));
    assert!(refresh != stolen && crate::relying::claims(&next.token("id_token")).get("nonce").is_none());
    assert_eq!(user_info(&postern, &access).await.status, 200);
    assert_eq!(client.refresh(&postern, &stolen).await.refused(), (400, "invalid_grant"));
    assert_eq!(client.refresh(&postern, &refresh).await.refused(), (400, "invalid_grant"));
    assert_eq!(user_info(&postern, &access).await.refused(), (401, "invalid_token"));
    assert!(postern.audited().contains(&"app.reuse wiki".to_owned()));
}

#[tokio::test]
async fn a_tampered_request_or_state_goes_nowhere() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    let page = browser.get(&client.start(&[])).await;
    let request = sealed(&page);
    for at in [0, 20, request.len() / 2, request.len() - 1] {
        let mut changed = request.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let fields = [("request", changed.as_str()), ("decision", "allow")];
        browser.post("/openid/consent", &fields).await.shows(400, &[]);
    }
    // The one that waits in a cookie is not the one of a form.
    browser.cookies.insert("__Host-postern_app".to_owned(), request.clone());
    assert_eq!(browser.get("/openid/continue").await.went_to(), "/me");
    assert_eq!(agree(&mut browser, &page, "allow").await.get("state"), "st&te");
    let page = browser.get(&client.start(&[("prompt", "consent")])).await;
    postern.pass(15 * 60);
    let fields = [("request", &*sealed(&page)), ("decision", "allow")];
    browser.post("/openid/consent", &fields).await.shows(409, &["took too long"]);
}

#[tokio::test]
async fn csrf_on_consent_from_another_site_or_session_is_refused() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    enrolled(&postern, "jdoe").await;
    enrolled(&postern, "eve").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    let page = browser.get(&client.start(&[])).await;
    let request = sealed(&page);
    let fields = [("request", request.as_str()), ("decision", "allow")];
    for site in ["cross-site", "same-site"] {
        browser.post_from(site, "/openid/consent", &fields).await.shows(403, &[]);
    }
    let mut eve = signed_in(&postern, "eve").await;
    let hers = sealed(&eve.get(&client.start(&[])).await);
    let fields = [("request", hers.as_str()), ("decision", "allow")];
    browser.post("/openid/consent", &fields).await.shows(400, &[]);
    assert!(!postern.audited().contains(&"app.consent wiki".to_owned()));
    assert_eq!(agree(&mut browser, &page, "deny").await.error(), "access_denied");
    assert!(!postern.audited().contains(&"app.sign-in wiki".to_owned()));
}

#[tokio::test]
async fn clickjacking_finds_no_page_that_can_be_framed() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    enrolled(&postern, "jdoe").await;
    let mut browser = signed_in(&postern, "jdoe").await;
    let back = client.sign_in(&mut browser, "jdoe", &[]).await;
    assert_eq!(back.uri, CALLBACK);
    for path in [client.start(&[("prompt", "consent")]), "/openid/logout".to_owned()] {
        let page = browser.get(&path).await;
        page.shows(200, &[]);
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn signing_out_is_no_open_redirect() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    let (mut browser, tokens) = with_tokens(&postern, &client, &[]).await;
    let id_token = tokens.token("id_token");
    let at = |fields: &[(&str, &str)]| {
        let mut query = form_urlencoded::Serializer::new("/openid/logout?".to_owned());
        for (name, value) in fields {
            query.append_pair(name, value);
        }
        query.finish()
    };
    let (hint, bye) = (("id_token_hint", id_token.as_str()), "https://wiki.example.com/bye");
    for uri in ["https://evil.example/", "https://wiki.example.com/bye/", CALLBACK] {
        let page = browser.get(&at(&[hint, ("post_logout_redirect_uri", uri)])).await;
        page.shows(400, &["still signed in"]);
    }
    browser.get(&at(&[("post_logout_redirect_uri", bye)])).await.shows(400, &[]);
    browser.get(&at(&[hint, ("client_id", "client-other")])).await.shows(400, &[]);
    browser.get("/me").await.shows(200, &["Your account"]);
    // Somebody else's ID token, or none of ours, is nobody's wish.
    enrolled(&postern, "ann").await;
    let mut ann = signed_in(&postern, "ann").await;
    let hers = client.sign_in(&mut ann, "ann", &[]).await;
    client.exchange(&postern, hers.code(), &[]).await.token("id_token");
    ann.get(&at(&[hint, ("post_logout_redirect_uri", bye)])).await.shows(200, &["Sign out?"]);
    let forged = format!("{id_token}x");
    browser.get(&at(&[("id_token_hint", &forged)])).await.shows(200, &["Sign out?"]);
    let forged = [("id_token_hint", forged.as_str()), ("post_logout_redirect_uri", bye)];
    browser.get(&at(&forged)).await.shows(400, &[]);
    // Nothing shows whose wish it is: they are asked.
    let asked = [("client_id", client.id.as_str()), ("post_logout_redirect_uri", bye), ("state", "s")];
    browser.get(&at(&asked)).await.shows(200, &["Sign out?", "wiki asks to sign you out"]);
    browser.post_from("cross-site", "/openid/logout/confirm", &asked).await.shows(403, &[]);
    browser.get("/me").await.shows(200, &["Your account"]);
    let sent = Sent::back(&browser.post("/openid/logout/confirm", &asked).await);
    assert_eq!((sent.uri.as_str(), sent.get("state")), (bye, "s"));
    assert_eq!(browser.get("/me").await.went_to(), "/sign-in");
}

#[tokio::test]
async fn an_application_signs_its_user_out_with_their_id_token_long_after_it_is_over() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    let (mut browser, tokens) = with_tokens(&postern, &client, &[]).await;
    postern.pass(3000);
    let id_token = tokens.token("id_token");
    let path = format!(
        "/openid/logout?id_token_hint={id_token}&state=s&post_logout_redirect_uri=https%3A%2F%2Fwiki.example.com%2Fbye"
    );
    let page = browser.get(&path).await;
    assert_eq!(page.went_to(), "https://wiki.example.com/bye?state=s");
    assert_eq!(browser.get("/me").await.went_to(), "/sign-in");
    assert_eq!(
        user_info(&postern, &tokens.token("access_token")).await.status,
        401,
        "it went with the session"
    );
}

#[tokio::test]
async fn whoever_is_disabled_loses_every_code_and_token_at_once_and_for_good() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    let offline = [("scope", "openid offline_access")];
    let (mut browser, tokens) = with_tokens(&postern, &client, &offline).await;
    let sent = client.sign_in(&mut browser, "jdoe", &offline).await;
    let (site, now) = (postern.app.site(), postern.app.now());
    let switch = |is_on: bool| {
        let work = if is_on { accounts::enable } else { accounts::disable };
        postern.app.store.write_blocking(|tx| work(tx, &site, &root(), "jdoe", now).map(drop)).unwrap();
    };
    let is_over = async |tokens: &crate::relying::Said, code: &str| {
        assert_eq!(user_info(&postern, &tokens.token("access_token")).await.status, 401);
        let refreshed = client.refresh(&postern, &tokens.token("refresh_token")).await;
        assert_eq!(refreshed.refused(), (400, "invalid_grant"));
        assert_eq!(client.exchange(&postern, code, &[]).await.refused(), (400, "invalid_grant"));
    };
    // Nothing was used meanwhile, and still nothing comes back.
    switch(false);
    switch(true);
    is_over(&tokens, sent.code()).await;
    let again = client.sign_in(&mut Browser::new(&postern), "jdoe", &offline).await;
    let tokens = client.exchange(&postern, again.code(), &[]).await;
    switch(false);
    is_over(&tokens, sent.code()).await;
}

#[tokio::test]
async fn whoever_leaves_the_group_loses_what_was_issued_at_its_next_use() {
    let postern = Postern::new();
    enrolled(&postern, "ann").await;
    join(&postern, "ann", "staff");
    let client = add_app(&postern, "wiki", |plan| plan.groups = vec!["staff".to_owned()]);
    let offline = [("scope", "openid offline_access")];
    let sent = client.sign_in(&mut Browser::new(&postern), "ann", &offline).await;
    let tokens = client.exchange(&postern, sent.code(), &[]).await;
    let (access, refresh) = (tokens.token("access_token"), tokens.token("refresh_token"));
    assert_eq!(user_info(&postern, &access).await.status, 200);
    let ann = postern.user("ann");
    let left = postern.app.store.write_blocking(|tx| {
        let group = tx.group_by_name("staff")?.unwrap();
        tx.remove_member(ann, group)
    });
    left.unwrap();
    assert_eq!(user_info(&postern, &access).await.refused(), (401, "invalid_token"));
    join(&postern, "ann", "staff");
    assert_eq!(
        client.refresh(&postern, &refresh).await.refused(),
        (400, "invalid_grant"),
        "it does not come back"
    );
}

#[tokio::test]
async fn what_is_no_token_reads_nothing_and_guesses_are_limited() {
    let postern = Postern::new();
    let client = add_app(&postern, "wiki", |_| {});
    let (_, tokens) = with_tokens(&postern, &client, &[]).await;
    let none = said(&postern, Request::get("/openid/userinfo").body(Body::empty()).unwrap()).await;
    let challenge =
        |said: &crate::relying::Said| said.headers["www-authenticate"].to_str().unwrap().to_owned();
    assert_eq!((none.status, &*challenge(&none)), (401, "Bearer realm=\"postern\""));
    let wrong = user_info(&postern, &tokens.token("id_token")).await;
    assert_eq!(wrong.refused(), (401, "invalid_token"));
    assert_eq!(challenge(&wrong), "Bearer realm=\"postern\", error=\"invalid_token\"");
    // An address is written down in many places (RFC 6750, 5.3): no token is read from one.
    let path = format!("/openid/userinfo?access_token={}", tokens.token("access_token"));
    assert_eq!(said(&postern, Request::get(path).body(Body::empty()).unwrap()).await.status, 401);
    let posted =
        Request::post("/openid/userinfo").header("content-type", "application/x-www-form-urlencoded");
    let body = format!("access_token={}", tokens.token("access_token"));
    let read = said(&postern, posted.body(Body::from(body)).unwrap()).await;
    assert!(read.json["sub"].is_string());
    for (name, value) in [("content-type", "application/json"), ("cache-control", "no-store")] {
        assert_eq!(read.headers[name], value);
    }
    postern.pass(600);
    assert_eq!(user_info(&postern, &tokens.token("access_token")).await.refused(), (401, "invalid_token"));
    let mut last = (0, Value::Null);
    for number in 0..200 {
        let said = user_info(&postern, &format!("guess {number}")).await;
        last = (said.status, said.json);
        if last.0 == 429 {
            assert!(said.headers.contains_key("retry-after"));
            break;
        }
    }
    assert_eq!(last.0, 429, "{}", last.1);
}
