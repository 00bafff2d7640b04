//! All HTTP. What is here is common to every door: collapsed paths, the headers of protocol 0.5, JSON errors for
//! everything that is not an answer, and panics that stay inside their request.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header, uri::PathAndQuery};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, body};
use tower::util::MapRequestLayer;
use tower::{Layer as _, ServiceExt as _};

use crate::app::App;
use crate::gateway_view::GatewayView;
use crate::metrics::Route;
use crate::password::Passwords;
use crate::store;

pub mod admin_api;
mod allowance;
pub mod assets;
mod ceremonies;
pub mod client_api;
mod cookie;
pub mod error;
mod forgotten;
mod limit;
pub mod listener;
mod live;
pub mod metrics;
mod pages;
pub mod redirect;
mod refusals;

use error::WebError;
use limit::Limits;
use refusals::Refusals;

/// For what is no page, looked at as one all the same: it loads nothing and is framed nowhere.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// More than any request here needs.
const MOST_BODY_BYTES: usize = 64 * 1024;
/// A slow line needs a second for that.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Everything postern answers over HTTP. Serve it with connect info, so that the limits know their clients.
///
/// Below `/api/` everything is JSON; elsewhere what cannot be answered is a page for who takes pages.
pub fn router(app: App, view: GatewayView) -> Router {
    let (passwords, limits) = (Passwords::default(), Arc::new(Limits::knowing(&app)));
    let refusals = Arc::new(Refusals::new(app.clone()));
    let api = client_api::routes(app.clone(), passwords.clone(), Arc::clone(&limits), Arc::clone(&refusals))
        .fallback(|| async { WebError::NotFound })
        .method_not_allowed_fallback(|| async { WebError::Method })
        .layer(from_fn_with_state(app.clone(), outermost));
    let pages = pages::routes(app.clone(), passwords, limits, refusals, view);
    let measured = Arc::clone(&app.metrics);
    let pages = pages.merge(assets::routes()).layer(from_fn_with_state(app, outermost));
    let routes = tower::service_fn(move |request: Request| {
        let path = request.uri().path();
        let (route, measured) = (Route::of(path), Arc::clone(&measured));
        let door = if path.starts_with("/api/") { &api } else { &pages };
        let answer = door.clone().oneshot(request);
        async move { answer.await.inspect(|answer| measured.answered(route, answer.status().as_u16())) }
    });
    // A layer on a router sees requests after they were routed; paths must be right before.
    Router::new().fallback_service(MapRequestLayer::new(collapse_slashes).layer(routes))
}

/// Whole seconds, never too few.
fn seconds_of(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Reads a body of bounded size within bounded time.
async fn bytes_of(body: Body) -> Result<body::Bytes, WebError> {
    bytes_within(BODY_WITHIN, body).await
}

async fn bytes_within(limit: Duration, body: Body) -> Result<body::Bytes, WebError> {
    let read = body::to_bytes(body, MOST_BODY_BYTES);
    let read = tokio::time::timeout(limit, read).await.map_err(|_| WebError::TooSlow)?;
    read.map_err(|error| {
        let too_long = std::error::Error::source(&error)
            .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if too_long {
            WebError::TooLong
        } else {
            WebError::Malformed("the body could not be read".to_owned())
        }
    })
}

/// Adds the headers of every answer and turns a panic into one.
async fn outermost(State(app): State<App>, request: Request, next: Next) -> Response {
    let client = limit::client_address(&request, &app.site().config.http.trusted_proxies);
    let answered = store::asked_from(client, next.run(request));
    let mut answer = caught(answered).await.unwrap_or_else(|| WebError::Panicked.into_response());
    add_versions(&app, answer.headers_mut());
    kept_by_nobody(answer).await
}

/// An answer that nobody keeps or takes for what it is not. It may hold a token; only files that are the same for everybody
/// say otherwise.
async fn kept_by_nobody(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NO_PAGE));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// `None`: the future panicked.
async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

fn add_versions(app: &App, headers: &mut HeaderMap) {
    let site = app.site();
    let versions = &site.config.client_versions;
    for (name, value) in [
        ("defguard-core-version", versions.core.as_str()),
        ("defguard-component-version", versions.component.as_str()),
        ("defguard-core-connected", "true"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// People type base addresses with several slashes at the end (protocol 6, 10).
fn collapse_slashes(mut request: Request) -> Request {
    if !request.uri().path().contains("//") {
        return request;
    }
    let mut path = String::with_capacity(request.uri().path().len());
    for c in request.uri().path().chars() {
        if c != '/' || !path.ends_with('/') {
            path.push(c);
        }
    }
    if let Some(query) = request.uri().query() {
        path.push('?');
        path.push_str(query);
    }
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(path).ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_only_its_own_future() {
        assert_eq!(caught(async { 1 }).await, Some(1));
        assert_eq!(caught(async { assert!(std::hint::black_box(false), "on purpose") }).await, None);
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_is_not_waited_for_without_end() {
        struct Stalled;
        impl body::HttpBody for Stalled {
            type Data = body::Bytes;
            type Error = std::convert::Infallible;

            fn poll_frame(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> Poll<Option<Result<hyper::body::Frame<body::Bytes>, Self::Error>>> {
                Poll::Pending
            }
        }
        let read = bytes_within(Duration::from_millis(1), Body::new(Stalled)).await;
        assert!(matches!(read, Err(WebError::TooSlow)));
    }

    #[test]
    fn doubled_slashes_collapse_and_the_query_stays() {
        let request = |uri: &str| collapse_slashes(Request::builder().uri(uri).body(Body::empty()).unwrap());
        assert_eq!(request("//api/v1///poll?a=//b").uri(), "/api/v1/poll?a=//b");
        assert_eq!(request("/api/v1/poll").uri(), "/api/v1/poll");
    }
}
