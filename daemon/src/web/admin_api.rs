//! The JSON that the command line speaks, over a Unix socket. The kernel says who is on the other end: root and the
//! members of the group `postern-admin` may ask, nobody else.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Serialize;

use crate::app::App;
use crate::flows::invite::Actor;
use crate::flows::refusal::Refusal;
use crate::gateway_view::GatewayView;
use crate::reload::Reloader;
use crate::rules::action::{Action, Reason};
use crate::site::Site;
use crate::store::Tx;

mod accounts;
mod apps;
mod audit;
mod backup;
mod caller;
mod connections;
mod devices;
mod error;
mod groups;
mod locations;
mod mail;
mod named;
mod reload;
mod socket;
mod status;
mod users;
mod wg_quick;

use super::refusals::{Client, Refusals};
use caller::Caller;
use error::AdminError;

pub use connections::serve;
pub use socket::{BindError, bind};

/// How long a command waits for the gateway; beyond it the change is committed, and visibly not applied yet.
const APPLIED_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Admin {
    app: App,
    gateway: GatewayView,
    files: Reloader,
}

/// What a change did, and whether the gateway has it.
#[derive(Serialize)]
struct Changed<T> {
    #[serde(flatten)]
    value: T,
    applied: bool,
}

impl Admin {
    /// Does `work` in one transaction in the caller's name and waits until the gateway has tried what follows from it.
    /// `false`: it has not yet, or it failed on a location that the change touched.
    async fn change<T: Send + 'static>(
        &self,
        caller: Caller,
        work: impl FnOnce(&Tx<'_>, &Site, &Actor, Timestamp) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<(T, bool), AdminError> {
        let app = self.app.clone();
        let changed = self.app.store.write(move |tx| {
            let actor = caller.actor(tx)?;
            let value = work(tx, &app.site(), &actor, app.now())?;
            Ok::<_, Refusal>((value, tx.touched_locations()))
        });
        let ((value, touched), revision) = changed.await?;
        Ok((value, self.app.applied_on(&touched, revision, APPLIED_WITHIN).await))
    }

    /// [`Admin::change`] as an answer.
    async fn answer<T: Serialize + Send + 'static>(
        &self,
        caller: Caller,
        work: impl FnOnce(&Tx<'_>, &Site, &Actor, Timestamp) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<Json<Changed<T>>, AdminError> {
        let (value, applied) = self.change(caller, work).await?;
        Ok(Json(Changed { value, applied }))
    }

    /// What `work` reads from the database and the site.
    async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>, &Site, Timestamp) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, AdminError> {
        let app = self.app.clone();
        Ok(self.app.store.read(move |tx| work(tx, &app.site(), app.now())).await?)
    }
}

/// What the command line may ask.
pub fn router(app: App, gateway: GatewayView, files: Reloader) -> Router {
    let refusals = Arc::new(Refusals::new(app.clone()));
    Router::new()
        .route("/plan", get(status::plan))
        .route("/status", get(status::overview))
        .route("/reload", post(reload::reload))
        .route("/locations", get(locations::list).post(locations::add))
        .route("/locations/{name}", get(locations::show).patch(locations::edit).delete(locations::remove))
        .route("/locations/{name}/rotate-key", post(locations::rotate_key))
        .route("/users", get(accounts::list).post(users::invite))
        .route("/users/{username}/reinvite", post(users::reinvite))
        .route("/users/{username}/activate-client", post(users::activate_client))
        .merge(accounts::routes())
        .merge(groups::routes())
        .merge(apps::routes())
        .merge(mail::routes())
        .merge(devices::routes())
        .merge(wg_quick::routes())
        .route("/audit", get(audit::list))
        .route("/backup", post(backup::take))
        .fallback(|| async { AdminError::UnknownPath })
        .method_not_allowed_fallback(|| async { AdminError::UnknownMethod })
        .layer(from_fn_with_state(refusals, admit))
        .with_state(Admin { app, gateway, files })
}

async fn admit(State(refusals): State<Arc<Refusals>>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<ConnectInfo<Caller>>().copied();
    let Some(ConnectInfo(caller)) = caller else { return AdminError::NotAllowed.into_response() };
    if caller.may_administer() {
        return next.run(request).await;
    }
    let (client, who) = (Client::Account(caller.uid()), format!("unix:{}", caller.account()));
    refusals.write(client, Action::AdminConnect, Reason::NotAllowed, Some(who)).await;
    AdminError::NotAllowed.into_response()
}
