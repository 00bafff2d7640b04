//! What somebody sees on the way to an application and back.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use crate::rules::openid::{Scope, Scopes};
use crate::store::account::User;
use crate::store::app::App;
use crate::web::pages::Pages;
use crate::web::pages::frame::Frame;
use crate::web::pages::language::{Key, Phrase};
use crate::web::pages::trouble::{Trouble, page};
use crate::web::pages::visit::Visit;

#[derive(Template)]
#[template(path = "pages/app-consent.html")]
struct ConsentPage {
    frame: Frame,
    app: String,
    username: String,
    /// What it will know.
    knows: Vec<Phrase>,
    /// Sealed.
    request: String,
}

#[derive(Template)]
#[template(path = "pages/app-refused.html")]
struct NotPermittedPage {
    frame: Frame,
    app: String,
    /// Back to the application, where it can be told.
    to: Option<String>,
}

#[derive(Template)]
#[template(path = "pages/app-back.html")]
struct BackPage {
    frame: Frame,
    to: String,
}

impl Pages {
    /// Asks whether an application may know this.
    pub(super) fn consent_page(
        &self,
        visit: &Visit,
        (app, user): (&App, &User),
        scopes: &Scopes,
        request: String,
    ) -> Result<Response, Trouble> {
        page(&ConsentPage {
            frame: Frame::new(&self.app.site(), visit),
            app: app.name.clone(),
            username: user.username.clone(),
            knows: scopes.iter().map(|scope| visit.language.say(meaning(scope))).collect(),
            request,
        })
    }

    /// Says that somebody may not sign in to an application, with a way back.
    pub(super) fn not_permitted_page(
        &self,
        visit: &Visit,
        app: String,
        to: Option<String>,
    ) -> Result<Response, Trouble> {
        let shown = page(&NotPermittedPage { frame: Frame::own(&self.app.site(), visit), app, to })?;
        Ok((StatusCode::FORBIDDEN, shown).into_response())
    }

    /// Goes somewhere else by itself.
    pub(super) fn back_page(&self, visit: &Visit, to: String) -> Result<Response, Trouble> {
        page(&BackPage { frame: Frame::new(&self.app.site(), visit), to })
    }
}

/// What a scope means, in the reader's words.
pub(in crate::web::pages) fn meaning(scope: Scope) -> Key {
    match scope {
        Scope::OpenId => Key("app-scope-openid"),
        Scope::Profile => Key("app-scope-profile"),
        Scope::Email => Key("app-scope-email"),
        Scope::Phone => Key("app-scope-phone"),
        Scope::Groups => Key("app-scope-groups"),
        Scope::OfflineAccess => Key("app-scope-offline"),
    }
}
