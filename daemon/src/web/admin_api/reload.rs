//! `/reload`, and what every change of the configuration answers.

use axum::Json;
use axum::extract::{ConnectInfo, State};
use postern_gateway::chain;
use serde_json::{Value, json};

use super::caller::Caller;
use super::error::AdminError;
use super::{APPLIED_WITHIN, Admin};
use crate::config::Loaded;
use crate::flows::invite::Actor;
use crate::flows::refusal::Refusal;
use crate::reload::{Change, ReloadError, Reloaded};
use crate::rules::action::Action;
use crate::store::Tx;

pub(super) async fn reload(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
) -> Result<Json<Value>, AdminError> {
    let now = admin.app.now();
    let audit = move |tx: &Tx<'_>, actor: &Actor| {
        Ok(tx.audit(&actor.name, Action::ConfigurationReload, "postern", None, now)?)
    };
    let reloaded = admin.reconfigure(caller, |_| Ok(Change::Nothing), audit).await?;
    Ok(Json(admin.outcome(&reloaded).await))
}

impl Admin {
    /// Puts the files into force with the change that `plan` makes, in the caller's name.
    pub(super) async fn reconfigure<T: Send + 'static>(
        &self,
        caller: Caller,
        plan: impl FnOnce(&Loaded) -> Result<Change, ReloadError> + Send + 'static,
        within: impl FnOnce(&Tx<'_>, &Actor) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<Reloaded<T>, AdminError> {
        let within = move |tx: &Tx<'_>| within(tx, &caller.actor(tx)?);
        let reloaded = self.files.apply(plan, within).await.inspect_err(|error| {
            tracing::warn!(error = chain(error), "a change of the configuration was refused");
        })?;
        tracing::info!("configuration reloaded");
        Ok(reloaded)
    }

    /// Waits until the gateway has tried what was put into force, and says how far that came.
    pub(super) async fn outcome<T>(&self, reloaded: &Reloaded<T>) -> Value {
        let tried = self.app.applied(reloaded.revision, APPLIED_WITHIN).await;
        let applied = self.app.applied.borrow().clone();
        let site = self.app.site();
        let mut failing: Vec<Value> =
            applied.failing.iter().map(|reason| json!({ "location": null, "reason": reason })).collect();
        for location in site.locations() {
            if let Some(reason) = applied.locations.get(&location.id).and_then(|state| state.failing.as_ref())
            {
                failing.push(json!({ "location": location.config.name, "reason": reason }));
            }
        }
        let warnings: Vec<String> = reloaded.warnings.iter().map(ToString::to_string).collect();
        json!({
            "applied": tried && failing.is_empty(),
            "failing": failing,
            "needs_restart": reloaded.needs_restart,
            "warnings": warnings,
            "cut_off": reloaded.cut_off,
        })
    }
}
