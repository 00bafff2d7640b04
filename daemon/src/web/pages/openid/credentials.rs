//! How an application says who it is: `client_secret_basic`, `client_secret_post`, or not at all (RFC 6749, 2.3.1).

use axum::body::Body;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::OAuthError;
use crate::flows::openid_token::Credentials;
use crate::rules::openid::{Params, Problem};
use crate::rules::token::Token;
use crate::web::pages::form::Form;
use crate::web::pages::visit::text;

/// The parameters in a body that is a form.
pub(super) async fn form_of(headers: &HeaderMap, body: Body) -> Result<Params, OAuthError> {
    let kind = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(OAuthError::malformed("send application/x-www-form-urlencoded"));
    }
    let params = Form::read(body).await?.into_params();
    if params.are_repeated() {
        return Err(OAuthError::malformed("a parameter came twice"));
    }
    Ok(params)
}

/// Who a request says it is from. Whoever says it twice is refused.
pub(super) fn of(headers: &HeaderMap, params: &Params) -> Result<Credentials, OAuthError> {
    let named = params.get("client_id");
    let Some(line) = text(headers, header::AUTHORIZATION.as_str()) else {
        let client_id =
            named.ok_or_else(|| OAuthError::client(Problem("invalid_client", "client_id is missing")))?;
        let secret = params.get("client_secret").map(Token::presented);
        return Ok(Credentials { client_id: client_id.to_owned(), secret });
    };
    if params.get("client_secret").is_some() {
        return Err(OAuthError::malformed("give the secret once"));
    }
    let unreadable = || OAuthError::client(Problem("invalid_client", "Authorization is not readable"));
    let (client_id, secret) = basic(line).ok_or_else(unreadable)?;
    if named.is_some_and(|named| named != client_id) {
        return Err(OAuthError::malformed("client_id and Authorization name different applications"));
    }
    Ok(Credentials { client_id, secret: Some(Token::presented(&secret)) })
}

/// Name and secret, each encoded as in a form, with a colon between them, in base64.
fn basic(line: &str) -> Option<(String, String)> {
    let (scheme, encoded) = line.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client_id, secret) = decoded.split_once(':')?;
    Some((form_decoded(client_id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<String> {
    form_urlencoded::parse(text.as_bytes()).next().map(|(decoded, _)| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_secret_are_encoded_as_in_a_form() {
        let of = |text: &str| basic(&format!("Basic {}", STANDARD.encode(text)));
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(of("app:se-cr_et"), pair("app", "se-cr_et"));
        assert_eq!(of("a%3Ab:x%2By+z"), pair("a:b", "x+y z"));
        assert_eq!(basic(&format!("bAsIc {}", STANDARD.encode("a:b"))), pair("a", "b"));
        assert_eq!(of("app"), None);
        assert_eq!(of("app:"), None, "an empty secret is none");
        assert_eq!(basic("Bearer abc"), None);
        assert_eq!(basic("Basic !!"), None);
    }
}
