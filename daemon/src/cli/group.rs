//! `postern group …`.

use std::io::Write;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::reload::Form;
use super::text::{in_force, is_true, joined, text};
use super::user::segment;
use super::{Cli, Failure, table};

#[derive(Subcommand)]
pub(super) enum GroupCommand {
    /// List all groups, with their members and the locations that name them.
    #[command(
        after_help = "Example:\n  postern group list\n\nJSON:\n  [{\"group\", \"members\": [USERNAME], \"locations\": \
                      [NAME]}]"
    )]
    List(Form),
    /// Make an empty group.
    #[command(after_help = "Example:\n  postern group create ops\n\nJSON:\n  {\"group\", \"applied\"}")]
    Create(GroupArgs),
    /// Remove a group that no location names.
    #[command(
        after_help = "Example:\n  postern group remove ops\n\nJSON:\n  {\"group\", \"members\": [USERNAME], \"applied\"}"
    )]
    Remove(GroupArgs),
    /// Put a user into a group: their peers are there when this returns.
    #[command(
        after_help = "Example:\n  postern group add-user ops ann\n\nJSON:\n  {\"group\", \"username\", \"already\", \"applied\"}"
    )]
    AddUser(MemberArgs),
    /// Take a user out of a group: the peers that were theirs by it are gone when this returns.
    #[command(
        after_help = "Example:\n  postern group remove-user ops ann\n\nJSON:\n  {\"group\", \"username\", \"already\", \
                      \"applied\"}"
    )]
    RemoveUser(MemberArgs),
}

#[derive(Args)]
pub(super) struct GroupArgs {
    /// 1 to 63 ASCII letters, digits, '.', '-' or '_'.
    group: String,
    #[command(flatten)]
    form: Form,
}

#[derive(Args)]
pub(super) struct MemberArgs {
    /// Which group.
    group: String,
    /// Who.
    username: String,
    #[command(flatten)]
    form: Form,
}

impl GroupCommand {
    pub(super) fn perform(&self, cli: &Cli, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::List(form) => {
                let answer = form.ask(cli, (Method::GET, "/groups"), &json!({}), out)?;
                let rows = answer.as_array().into_iter().flatten().map(|group| {
                    [text(group, "group").to_owned(), joined(group, "members"), joined(group, "locations")]
                });
                Ok(form.tell(&answer, out, |out| {
                    table::write(out, ["GROUP", "MEMBERS", "LOCATIONS"], &rows.collect::<Vec<_>>())
                })?)
            }
            Self::Create(GroupArgs { group, form }) => {
                let answer = form.ask(cli, (Method::POST, "/groups"), &json!({ "group": group }), out)?;
                form.show(&answer, &format!("group {} is made", text(&answer, "group")), out)?;
                in_force(&answer)
            }
            Self::Remove(GroupArgs { group, form }) => {
                let path = format!("/groups/{}", segment(group));
                let answer = form.ask(cli, (Method::DELETE, &path), &json!({}), out)?;
                let (group, members) = (text(&answer, "group"), joined(&answer, "members"));
                form.show(&answer, &format!("group {group} is removed; members were: {members}"), out)?;
                in_force(&answer)
            }
            Self::AddUser(args) => args
                .perform(cli, Method::PUT, out, |already| if already { "was already in" } else { "is in" }),
            Self::RemoveUser(args) => {
                args.perform(
                    cli,
                    Method::DELETE,
                    out,
                    |already| {
                        if already { "was not in" } else { "is no longer in" }
                    },
                )
            }
        }
    }
}

impl MemberArgs {
    fn perform(
        &self,
        cli: &Cli,
        method: Method,
        out: &mut impl Write,
        words: fn(bool) -> &'static str,
    ) -> Result<(), Failure> {
        let path = format!("/groups/{}/members/{}", segment(&self.group), segment(&self.username));
        let answer: Value = self.form.ask(cli, (method, &path), &json!({}), out)?;
        let (username, group) = (text(&answer, "username"), text(&answer, "group"));
        let words = words(is_true(&answer, "already"));
        self.form.show(&answer, &format!("{username} {words} group {group}"), out)?;
        in_force(&answer)
    }
}
