//! `postern audit`.

use std::io::Write;

use clap::Args;
use hyper::Method;
use serde_json::json;

use super::reload::Form;
use super::text::text;
use super::user::seconds;
use super::{Cli, Failure, table};

#[derive(Args)]
pub(super) struct AuditArgs {
    /// Only what happened within this time: 30m, 24h, 7d.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    since: Option<u64>,
    /// At most the newest so many.
    #[arg(long, value_name = "N", default_value_t = 200)]
    limit: u32,
    /// Only what was refused.
    #[arg(long)]
    refused: bool,
    #[command(flatten)]
    form: Form,
}

impl AuditArgs {
    pub(super) fn perform(&self, cli: &Cli, out: &mut impl Write) -> Result<(), Failure> {
        let since = self.since.map(|since| format!("&since_seconds={since}")).unwrap_or_default();
        let refused = if self.refused { "&refused=true" } else { "" };
        let path = format!("/audit?limit={}{since}{refused}", self.limit);
        let answer = self.form.ask(cli, (Method::GET, &path), &json!({}), out)?;
        let rows = answer.as_array().into_iter().flatten();
        let rows = rows.map(|entry| {
            let [at, actor, source, action, object, outcome, reason, detail] =
                ["at", "actor", "source", "action", "object", "outcome", "reason", "detail"]
                    .map(|key| text(entry, key).to_owned());
            let outcome = if reason.is_empty() { outcome } else { format!("{outcome}: {reason}") };
            [at, actor, source, action, object, outcome, detail]
        });
        Ok(self.form.tell(&answer, out, |out| {
            table::write(
                out,
                ["TIME", "ACTOR", "SOURCE", "ACTION", "OBJECT", "OUTCOME", "DETAIL"],
                &rows.collect::<Vec<_>>(),
            )
        })?)
    }
}
