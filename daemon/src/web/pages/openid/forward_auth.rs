//! For nginx's `auth_request`: whether somebody may use an application that knows no OpenID. It goes by our own cookie, so the
//! application has to be on our own host, behind the same nginx: `config/nginx-forward-auth.conf` is how.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::authorize::{Waiting, found_at};
use super::params_of;
use crate::flows::sign_in::SignedIn;
use crate::flows::signing_keys::issuer;
use crate::rules::app_uri;
use crate::rules::openid::REQUEST_FOR;
use crate::store::StoreError;
use crate::store::app::App;
use crate::web::pages::language::Key;
use crate::web::pages::trouble::Trouble;
use crate::web::pages::visit::Visit;
use crate::web::pages::{Pages, see_other};

/// Whether somebody may use an application.
enum Verdict {
    /// Nobody is signed in, or they owe a second factor.
    Nobody,
    /// No application of that name.
    UnknownApp,
    /// In none of its groups.
    NotPermitted(App),
    /// They may, and are in these groups.
    Permitted(Box<SignedIn>, String),
}

/// 200 with who it is, and their cookies without ours; 401: nobody; 403: somebody who may not, or an application that there
/// is not.
pub(super) async fn judge(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let (who, groups) = match pages.verdict(&visit, query.as_deref()).await? {
        Verdict::Nobody => return Ok(StatusCode::UNAUTHORIZED.into_response()),
        Verdict::UnknownApp | Verdict::NotPermitted(_) => return Ok(StatusCode::FORBIDDEN.into_response()),
        Verdict::Permitted(who, groups) => (who.user, groups),
    };
    let name = format!("{} {}", who.first_name, who.last_name);
    let mut answer = StatusCode::OK.into_response();
    for (header, value) in [
        ("remote-user", who.username.into_bytes()),
        ("remote-email", who.email.into_bytes()),
        ("remote-name", name.into_bytes()),
        ("remote-groups", groups.into_bytes()),
        ("application-cookie", visit.cookies_of_others()),
    ] {
        let value = HeaderValue::from_bytes(&value).map_err(|_| Trouble::Inside)?;
        answer.headers_mut().insert(HeaderName::from_static(header), value);
    }
    Ok(answer)
}

/// Where nginx has a browser come that it does not let in: it signs in and goes on, or is told why not.
pub(super) async fn enter(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    // Nothing but a path is taken, and our own host comes before it: nobody is sent elsewhere.
    let path = visit.original_uri().and_then(app_uri::own_path).unwrap_or_else(|| "/me/apps".to_owned());
    match pages.verdict(&visit, query.as_deref()).await? {
        // A script would follow to the page.
        Verdict::Nobody if !visit.takes_pages => Ok(StatusCode::UNAUTHORIZED.into_response()),
        Verdict::Nobody => {
            let until = pages.app.now().as_second().saturating_add(REQUEST_FOR);
            let mut answer = see_other("/me");
            pages.have_wait(&mut answer, &Waiting::Page { path, until });
            Ok(answer)
        }
        Verdict::UnknownApp => Err(Trouble::Refused(StatusCode::FORBIDDEN, Key("refused-app"))),
        Verdict::NotPermitted(app) => pages.not_permitted_page(&visit, app.name, None),
        Verdict::Permitted(..) => Ok(found_at(&pages.own(&path))),
    }
}

impl Pages {
    /// The whole address of one of our own paths.
    pub(super) fn own(&self, path: &str) -> String {
        format!("{}{path}", issuer(&self.app.site()))
    }

    async fn verdict(&self, visit: &Visit, query: Option<&str>) -> Result<Verdict, Trouble> {
        let who = match self.signed_in_beside(visit).await {
            Ok(who) => who,
            Err(Trouble::SignedOut | Trouble::OwesSetUp) => return Ok(Verdict::Nobody),
            Err(trouble) => return Err(trouble),
        };
        let name = params_of(query).get("app").unwrap_or_default().to_owned();
        let user = who.user.id;
        let found =
            self.app.store.read(move |tx| Ok::<_, StoreError>((tx.app_by_name(&name)?, tx.groups_of(user)?)));
        let (app, groups) = found.await?;
        let Some(app) = app else { return Ok(Verdict::UnknownApp) };
        Ok(if app.permits(&groups) {
            Verdict::Permitted(Box::new(who), groups.into_iter().collect::<Vec<_>>().join(","))
        } else {
            Verdict::NotPermitted(app)
        })
    }
}
