//! `postern user …` for accounts that exist.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};

use super::device::describe_places;
use super::reload::Form;
use super::text::{facts, in_force, is_true, items, joined, text};
use super::user::segment;
use super::{Cli, Failure, table};

#[derive(Subcommand)]
pub(super) enum AccountCommand {
    /// List all users, with what is pending.
    #[command(
        after_help = "Example:\n  postern user list\n\nJSON: an array of what `postern user show --json` gives"
    )]
    List(Form),
    /// Show one user: account, newest token, devices and where they are live.
    #[command(
        after_help = "Example:\n  postern user show ann\n\nJSON:\n  {\"username\", \"first_name\", \"last_name\", \"email\", \
                      \"phone\", \"admin\", \"unix_uid\", \"disabled\", \"enrolled\", \"second_factors\": \
                      [totp|email|passkey], \"recovery_codes\", \"groups\": [NAME], \"locations\": [NAME], \"devices\": [see postern device show], \"enrollment\": {\"kind\", \"state\": \
                      unused|expired|in-session|ended, \"at\"}, \"refused_activations\": [{\"at\", \"reason\"}], \
                      \"created_at\"}"
    )]
    Show {
        /// Who.
        username: String,
        #[command(flatten)]
        form: Form,
    },
    /// Change what is given; everything else stays.
    #[command(
        after_help = "Example:\n  postern user edit ann --email ann@example.org --admin true\n\nJSON:\n  {\"username\", \
                      \"changed\": [NAME], \"applied\"}"
    )]
    Edit(EditArgs),
    /// Disable somebody: their peers are gone when this returns, their sessions and unused tokens end.
    ///
    /// Devices and groups stay, so that `postern user enable` brings them back.
    #[command(
        after_help = "Example:\n  postern user disable ann\n\nJSON:\n  {\"username\", \"already\", \"applied\"}"
    )]
    Disable {
        /// Who.
        username: String,
        #[command(flatten)]
        form: Form,
    },
    /// Enable somebody again: their peers are back when this returns.
    #[command(
        after_help = "Example:\n  postern user enable ann\n\nJSON:\n  {\"username\", \"already\", \"applied\"}"
    )]
    Enable {
        /// Who.
        username: String,
        #[command(flatten)]
        form: Form,
    },
    /// Remove everything that somebody signs in with beside the password, because they lost it: app, codes by mail, passkeys,
    /// recovery codes. They are signed out everywhere and told by mail.
    #[command(
        after_help = "Example:\n  postern user reset-second-factor ann\n\nJSON:\n  {\"username\", \"removed\": \
                      [totp|email|passkey], \"applied\"}"
    )]
    ResetSecondFactor {
        /// Who.
        username: String,
        #[command(flatten)]
        form: Form,
    },
    /// Remove somebody for good, with their devices, tokens and memberships. It does not ask.
    #[command(
        after_help = "Example:\n  postern user remove ann\n\nJSON:\n  {\"username\", \"devices\": [{\"name\", \"locations\": \
                      [NAME]}], \"groups\": [NAME], \"applied\"}"
    )]
    Remove {
        /// Who.
        username: String,
        #[command(flatten)]
        form: Form,
    },
}

#[derive(Args)]
pub(super) struct EditArgs {
    /// Who.
    username: String,
    /// Another username.
    #[arg(long = "username", value_name = "USERNAME")]
    new_username: Option<String>,
    /// Given name.
    #[arg(long)]
    first_name: Option<String>,
    /// Family name.
    #[arg(long)]
    last_name: Option<String>,
    /// Unique among all users.
    #[arg(long)]
    email: Option<String>,
    /// Digits, spaces and + - ( ); "" removes it.
    #[arg(long)]
    phone: Option<String>,
    /// Whether they administer. Who does not keeps no Unix account.
    #[arg(long, value_name = "true|false")]
    admin: Option<bool>,
    /// The host's account that acts as this administrator: its invitations show this name.
    #[arg(long, value_name = "NAME", conflicts_with = "no_unix_user")]
    unix_user: Option<String>,
    /// No Unix account acts as this administrator.
    #[arg(long)]
    no_unix_user: bool,
    #[command(flatten)]
    form: Form,
}

impl AccountCommand {
    pub(super) fn perform(&self, cli: &Cli, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::List(form) => {
                let answer = form.ask(cli, (Method::GET, "/users"), &json!({}), out)?;
                Ok(form.tell(&answer, out, |out| list(&answer, out))?)
            }
            Self::Show { username, form } => {
                let answer = form.ask(cli, (Method::GET, &path(username, "")), &json!({}), out)?;
                Ok(form.tell(&answer, out, |out| show(&answer, out))?)
            }
            Self::Edit(args) => {
                let request = (Method::PATCH, &*path(&args.username, ""));
                let answer = args.form.ask(cli, request, &args.body(), out)?;
                args.form.tell(&answer, out, |out| edited(&answer, out))?;
                in_force(&answer)
            }
            Self::Disable { username, form } => switch(cli, form, (username, "disable", "disabled"), out),
            Self::Enable { username, form } => switch(cli, form, (username, "enable", "active"), out),
            Self::ResetSecondFactor { username, form } => {
                let request = (Method::POST, &*path(username, "/reset-second-factor"));
                let answer = form.ask(cli, request, &json!({}), out)?;
                form.tell(&answer, out, |out| without_factor(&answer, out))?;
                in_force(&answer)
            }
            Self::Remove { username, form } => {
                let answer = form.ask(cli, (Method::DELETE, &path(username, "")), &json!({}), out)?;
                form.tell(&answer, out, |out| removed(&answer, out))?;
                in_force(&answer)
            }
        }
    }
}

impl EditArgs {
    /// Only what was given.
    fn body(&self) -> Value {
        let unix_user = if self.no_unix_user { Some(String::new()) } else { self.unix_user.clone() };
        let given = [
            ("username", self.new_username.clone().map(Value::from)),
            ("first_name", self.first_name.clone().map(Value::from)),
            ("last_name", self.last_name.clone().map(Value::from)),
            ("email", self.email.clone().map(Value::from)),
            ("phone", self.phone.clone().map(Value::from)),
            ("admin", self.admin.map(Value::from)),
            ("unix_user", unix_user.map(Value::from)),
        ];
        let given = given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Value::Object(given.collect::<Map<_, _>>())
    }
}

fn path(username: &str, deed: &str) -> String {
    format!("/users/{}{deed}", segment(username))
}

fn switch(
    cli: &Cli,
    form: &Form,
    (username, deed, state): (&str, &str, &str),
    out: &mut impl Write,
) -> Result<(), Failure> {
    let path = path(username, &format!("/{deed}"));
    let answer = form.ask(cli, (Method::POST, &path), &json!({}), out)?;
    let word = if is_true(&answer, "already") { "was already" } else { "is" };
    form.show(&answer, &format!("{} {word} {state}", text(&answer, "username")), out)?;
    in_force(&answer)
}

fn edited(answer: &Value, out: &mut impl Write) -> io::Result<()> {
    let username = text(answer, "username");
    if items(answer, "changed").is_empty() {
        return writeln!(out, "{username}: nothing is different from before");
    }
    writeln!(out, "{username}: changed {}", joined(answer, "changed"))
}

fn without_factor(answer: &Value, out: &mut impl Write) -> io::Result<()> {
    let username = text(answer, "username");
    if items(answer, "removed").is_empty() {
        return writeln!(out, "{username} had no second factor");
    }
    let removed = joined(answer, "removed");
    writeln!(
        out,
        "{username} signs in with the password alone until they set up another (removed: {removed})"
    )
}

fn removed(answer: &Value, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} is removed", text(answer, "username"))?;
    for device in items(answer, "devices") {
        writeln!(out, "  device {} (locations: {})", text(device, "name"), joined(device, "locations"))?;
    }
    for group in items(answer, "groups").iter().filter_map(Value::as_str) {
        writeln!(out, "  member of {group}")?;
    }
    Ok(())
}

fn list(answer: &Value, out: &mut impl Write) -> io::Result<()> {
    let rows = answer.as_array().into_iter().flatten().map(|user| {
        [
            text(user, "username").to_owned(),
            name(user),
            text(user, "email").to_owned(),
            state(user),
            joined(user, "groups"),
            devices(user),
        ]
    });
    table::write(out, ["USERNAME", "NAME", "E-MAIL", "STATE", "GROUPS", "DEVICES"], &rows.collect::<Vec<_>>())
}

fn show(user: &Value, out: &mut impl Write) -> io::Result<()> {
    let role = if is_true(user, "admin") { "administrator" } else { "user" };
    let uid = user.get("unix_uid").and_then(Value::as_u64).map(|uid| uid.to_string());
    facts(
        out,
        [
            ("Username", text(user, "username").to_owned()),
            ("Name", name(user)),
            ("E-mail", text(user, "email").to_owned()),
            ("Phone", text(user, "phone").to_owned()),
            ("Role", role.to_owned()),
            ("Unix account", uid.unwrap_or_default()),
            ("State", state(user)),
            ("Second factor", joined(user, "second_factors")),
            ("Groups", joined(user, "groups")),
            ("Locations", joined(user, "locations")),
            ("Created", text(user, "created_at").to_owned()),
        ],
    )?;
    if let Some(newest) = user.get("enrollment").filter(|newest| newest.is_object()) {
        writeln!(out, "{:<12} {}: {}", "Token", text(newest, "kind"), token(newest))?;
    }
    for device in items(user, "devices") {
        writeln!(out, "{:<12} {}: {}", "Device", text(device, "name"), describe_places(device))?;
    }
    for refused in items(user, "refused_activations") {
        writeln!(out, "{:<12} {}: {}", "Refused", text(refused, "at"), text(refused, "reason"))?;
    }
    Ok(())
}

fn name(user: &Value) -> String {
    format!("{} {}", text(user, "first_name"), text(user, "last_name")).trim().to_owned()
}

/// What keeps somebody from working, if anything.
fn state(user: &Value) -> String {
    if is_true(user, "disabled") {
        return "disabled".to_owned();
    }
    if is_true(user, "enrolled") {
        return "active".to_owned();
    }
    match user.get("enrollment").filter(|newest| newest.is_object()) {
        Some(newest) => format!("invited, {}", token(newest)),
        None => "not enrolled".to_owned(),
    }
}

/// Where a token stands.
pub(super) fn token(newest: &Value) -> String {
    let at = text(newest, "at");
    match text(newest, "state") {
        "unused" => format!("unused until {at}"),
        "in-session" => format!("in session until {at}"),
        "expired" => format!("expired {at}"),
        state => format!("{state} {at}"),
    }
}

/// How many devices, and of how many a location is missing.
fn devices(user: &Value) -> String {
    let devices = items(user, "devices");
    let is_pending = |place: &Value| !matches!(text(place, "state"), "live" | "second-factor");
    let pending = devices.iter().filter(|device| items(device, "locations").iter().any(is_pending)).count();
    if pending == 0 { devices.len().to_string() } else { format!("{} ({pending} pending)", devices.len()) }
}
