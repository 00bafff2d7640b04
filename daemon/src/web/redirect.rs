//! Port 80: whoever comes without TLS is told the address with it. Where that leads is the configuration's word, never the
//! request's. An authority finds its proofs here; what would change something is not repeated elsewhere, but refused.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};

use super::kept_by_nobody;

use crate::app::App;

const TOLD: &str = "postern is reached over https only\n";

/// Where an authority looks for a proof that a name is this host (RFC 8555, 8.3).
const PROOFS: &str = "/.well-known/acme-challenge/";

/// What plain http is answered.
pub fn router(app: App) -> Router {
    Router::new().fallback(redirect).layer(map_response(kept_by_nobody)).with_state(app)
}

async fn redirect(State(app): State<App>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::FORBIDDEN, TOLD).into_response();
    }
    if let Some(token) = request.uri().path().strip_prefix(PROOFS) {
        let answer = app.presented.answer_to(token).ok_or(StatusCode::NOT_FOUND);
        return answer.into_response();
    }
    let rest = request.uri().path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
    let location = format!("{}{}", app.site().config.public_url, rest.trim_start_matches('/'));
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)], TOLD).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::*;
    use crate::app::Clock;
    use crate::applied::Applied;
    use crate::fixtures::{a_site, at};
    use crate::store::Store;
    use crate::tls::presented::Proof;

    fn an_app() -> App {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let (_, applied) = tokio::sync::watch::channel(Applied::default());
        App::new(store, site, applied, Clock::from_fn(|| at(0)))
    }

    async fn answered(method: &str, uri: &str) -> (StatusCode, String) {
        let app = an_app();
        let request = Request::builder().method(method).uri(uri).header("host", "evil.example");
        let answer = router(app).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let location = answer.headers().get(header::LOCATION).map(|location| location.to_str().unwrap());
        (answer.status(), location.unwrap_or_default().to_owned())
    }

    #[tokio::test]
    async fn nobody_keeps_an_answer_that_may_hold_a_token() {
        for asked in ["/?token=abc", "/.well-known/acme-challenge/x"] {
            let request = Request::builder().uri(asked).body(Body::empty()).unwrap();
            let answer = router(an_app()).oneshot(request).await.unwrap();
            for (name, value) in [("cache-control", "no-store"), ("x-content-type-options", "nosniff")] {
                assert_eq!(answer.headers()[name], value, "{asked}");
            }
            assert!(answer.headers().contains_key("content-security-policy"), "{asked}");
        }
    }

    #[tokio::test]
    async fn a_visitor_is_sent_to_the_public_url_whatever_it_asked_for() {
        for (asked, told) in [
            ("/", "https://vpn.example.com/"),
            ("/?token=abc", "https://vpn.example.com/?token=abc"),
            ("//evil.example/x", "https://vpn.example.com/evil.example/x"),
            ("http://evil.example/x", "https://vpn.example.com/x"),
        ] {
            let answer = answered("GET", asked).await;
            assert_eq!(answer, (StatusCode::PERMANENT_REDIRECT, told.to_owned()), "{asked}");
        }
    }

    #[tokio::test]
    async fn an_authority_finds_its_proof_and_nobody_another() {
        let app = an_app();
        let proof = Proof::Http { token: "abc".to_owned(), answer: "abc.xyz".to_owned() };
        app.presented.prove(Some(proof));
        let asked = async |path: &str| {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let answer = router(app.clone()).oneshot(request).await.unwrap();
            let status = answer.status();
            (status, axum::body::to_bytes(answer.into_body(), 99).await.unwrap())
        };
        let found = asked("/.well-known/acme-challenge/abc").await;
        assert_eq!(found, (StatusCode::OK, "abc.xyz".into()));
        assert_eq!(asked("/.well-known/acme-challenge/ab").await.0, StatusCode::NOT_FOUND);
        app.presented.prove(None);
        assert_eq!(asked("/.well-known/acme-challenge/abc").await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn what_would_change_something_is_refused() {
        let answer = answered("POST", "/api/v1/enrollment/start").await;
        assert_eq!(answer, (StatusCode::FORBIDDEN, String::new()));
    }
}
