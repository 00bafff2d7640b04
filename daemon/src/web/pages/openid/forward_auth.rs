//! For nginx's `auth_request`: whether somebody may use an application that knows no OpenID. It goes by our own cookie, so the
//! application has to be on our own host, behind the same nginx: decision 0022 says how.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::params_of;
use crate::store::StoreError;
use crate::web::pages::Pages;
use crate::web::pages::trouble::Trouble;
use crate::web::pages::visit::Visit;

/// 200 with who it is; 401: nobody; 403: somebody who may not, or an application that there is not.
pub(super) async fn judge(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let Some(who) = pages.somebody(&visit).await? else {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    };
    let name = params_of(query.as_deref()).get("app").unwrap_or_default().to_owned();
    let user = who.user.id;
    let found =
        pages.app.store.read(move |tx| Ok::<_, StoreError>((tx.app_by_name(&name)?, tx.groups_of(user)?)));
    let (app, groups) = found.await?;
    if !app.is_some_and(|app| app.permits(&groups)) {
        return Ok(StatusCode::FORBIDDEN.into_response());
    }
    let groups = groups.into_iter().collect::<Vec<_>>().join(",");
    let name = format!("{} {}", who.user.first_name, who.user.last_name);
    let mut answer = StatusCode::OK.into_response();
    for (header, value) in [
        ("remote-user", who.user.username),
        ("remote-email", who.user.email),
        ("remote-name", name),
        ("remote-groups", groups),
    ] {
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| Trouble::Inside)?;
        answer.headers_mut().insert(HeaderName::from_static(header), value);
    }
    Ok(answer)
}
