//! Scripts and styles of the pages, embedded by `build.rs`. Their names carry a hash of their content, so a browser keeps
//! each for good and never shows a page with another version's script. Knows nothing of what is in them.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::error::WebError;

/// A file, as it is served.
struct Asset {
    /// What pages call it.
    name: &'static str,
    /// Where browsers find it.
    path: &'static str,
    content_type: &'static str,
    etag: &'static str,
    gzip_etag: &'static str,
    bytes: &'static [u8],
    /// The same, packed, where that saves something.
    gzip: Option<&'static [u8]>,
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Where a browser finds what pages call `name`, such as `app.js` or `app.css`.
///
/// # Panics
/// When there is no such asset: pages name them literally, so the first look at a page would tell.
#[expect(clippy::expect_used, reason = "a page without its style sheet must not pass a test")]
pub fn url(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).expect("pages name only assets that there are").path
}

/// `GET /assets/…`.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{file}", get(serve))
}

async fn serve(Path(file): Path<String>, headers: HeaderMap) -> Result<Response, WebError> {
    let asset = ASSETS.iter().find(|asset| asset.path.strip_prefix("/assets/") == Some(&file));
    Ok(asset.ok_or(WebError::NotFound)?.answer(&headers))
}

impl Asset {
    fn answer(&self, asked: &HeaderMap) -> Response {
        let (bytes, etag, encoding) = match self.gzip {
            Some(gzip) if takes_gzip(asked) => (gzip, self.gzip_etag, Some("gzip")),
            _ => (self.bytes, self.etag, None),
        };
        let mut answer =
            if has(asked, etag) { StatusCode::NOT_MODIFIED.into_response() } else { bytes.into_response() };
        let headers = answer.headers_mut();
        for (name, value) in [
            (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            (header::CONTENT_TYPE, self.content_type),
            (header::ETAG, etag),
            (header::VARY, "Accept-Encoding"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        answer
    }
}

/// Whether the browser has just this already.
fn has(asked: &HeaderMap, etag: &str) -> bool {
    items(asked, header::IF_NONE_MATCH).any(|item| item.strip_prefix("W/").unwrap_or(item) == etag)
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    items(asked, header::ACCEPT_ENCODING).any(|item| {
        let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim_matches(['0', '.']).is_empty());
        coding.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

fn items(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    async fn answer(path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        routes::<()>().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn body(answer: Response) -> Vec<u8> {
        to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn assets_are_kept_for_good_under_a_name_with_a_hash() {
        for (name, content_type) in [
            ("app.js", "text/javascript; charset=utf-8"),
            ("app.css", "text/css; charset=utf-8"),
            ("third-party.txt", "text/plain; charset=utf-8"),
        ] {
            let answer = answer(url(name), &[]).await;
            assert_eq!(answer.status(), StatusCode::OK);
            let shown = |name| answer.headers().get(name).unwrap().to_str().unwrap();
            assert_eq!(shown(header::CACHE_CONTROL), "public, max-age=31536000, immutable");
            assert_eq!(shown(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
            assert_eq!(shown(header::CONTENT_TYPE), content_type);
            let (stem, suffix) = name.rsplit_once('.').unwrap();
            let hash = url(name).strip_prefix(&format!("/assets/{stem}-")).unwrap();
            let hash = hash.strip_suffix(&format!(".{suffix}")).unwrap();
            assert!(hash.len() >= 8, "{hash}");
            assert!(!body(answer).await.is_empty());
        }
    }

    #[tokio::test]
    async fn what_the_browser_has_is_not_sent_again() {
        let first = answer(url("app.js"), &[]).await;
        let etag = first.headers().get(header::ETAG).unwrap().to_str().unwrap().to_owned();
        let other = answer(url("app.js"), &[(header::IF_NONE_MATCH, "\"other\"")]).await;
        assert_eq!(other.status(), StatusCode::OK);
        let again = answer(url("app.js"), &[(header::IF_NONE_MATCH, &format!("\"other\", W/{etag}"))]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers().get(header::ETAG).unwrap().to_str().unwrap(), etag);
        assert!(body(again).await.is_empty());
    }

    #[tokio::test]
    async fn whoever_takes_gzip_gets_it_where_it_saves_something() {
        let asset = ASSETS.iter().find(|asset| asset.gzip.is_some()).unwrap();
        let packed = answer(asset.path, &[(header::ACCEPT_ENCODING, "br, gzip;q=0.5")]).await;
        assert_eq!(packed.headers().get(header::CONTENT_ENCODING).unwrap(), "gzip");
        assert_ne!(packed.headers().get(header::ETAG).unwrap(), asset.etag);
        let packed = body(packed).await;
        assert_eq!(packed.get(..2), Some(&[0x1f, 0x8b][..]));
        for refusal in ["br", "gzip;q=0", "gzip;q=0.0", "x-gzip"] {
            let plain = answer(asset.path, &[(header::ACCEPT_ENCODING, refusal)]).await;
            assert_eq!(plain.headers().get(header::CONTENT_ENCODING), None, "{refusal}");
            assert_eq!(plain.headers().get(header::VARY).unwrap(), "Accept-Encoding");
            assert_eq!(body(plain).await, asset.bytes);
        }
    }

    #[tokio::test]
    async fn what_there_is_not_is_not_found() {
        for path in ["/assets/app.js", "/assets/manifest.json", "/assets/..%2fmanifest.json", "/assets/"] {
            let answer = answer(path, &[]).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
            assert_eq!(answer.headers().get(header::CACHE_CONTROL), None, "{path}");
        }
    }
}
