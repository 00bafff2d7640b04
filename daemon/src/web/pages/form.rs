//! What a form sends.

use axum::body::Body;
use zeroize::Zeroizing;

use crate::rules::openid::Params;
use crate::web::error::WebError;

/// More fields than any form of ours has.
const MOST_FIELDS: usize = 32;

/// The fields of a form, in their order; wiped when dropped, because passwords are among them.
pub(super) struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// Reads a body of bounded size.
    pub(super) async fn read(body: Body) -> Result<Self, WebError> {
        let bytes = crate::web::bytes_of(body).await?;
        let fields = form_urlencoded::parse(&bytes).take(MOST_FIELDS);
        let fields = fields.map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned())));
        Ok(Self(fields.collect()))
    }

    /// All of them, in their order.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// As the parameters of an application's request.
    pub(super) fn into_params(self) -> Params {
        Params::read(self.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    /// The first field of a name; empty when there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|field| field.0 == name).map_or("", |field| field.1.as_str())
    }
}

/// What an address says of `name`.
pub(super) fn asked(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|pair| pair.0 == name).map(|pair| pair.1.into_owned())
}
