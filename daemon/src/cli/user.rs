//! `postern user …`.

use std::fmt::Write as _;
use std::io::Write;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::account::AccountCommand;
use super::text::in_force;
use super::{Cli, Failure};

#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Invite somebody: makes the account and prints the enrollment link and the token.
    #[command(
        after_help = "Example:\n  postern user invite ann --first-name Ann --last-name Example --email ann@example.com"
    )]
    Invite(InviteArgs),
    /// Give somebody who has not finished enrolling a fresh link.
    #[command(after_help = "Example:\n  postern user reinvite ann")]
    Reinvite {
        /// Who.
        username: String,
        #[command(flatten)]
        delivery: DeliveryArgs,
    },
    /// Give somebody a token with which they add a desktop client.
    #[command(after_help = "Example:\n  postern user activate-client ann")]
    ActivateClient {
        /// Who.
        username: String,
        #[command(flatten)]
        delivery: DeliveryArgs,
    },
    #[command(flatten)]
    Account(AccountCommand),
}

#[derive(Args)]
pub(super) struct InviteArgs {
    /// 1 to 63 ASCII letters, digits, '.', '-' or '_'.
    username: String,
    /// Given name.
    #[arg(long)]
    first_name: String,
    /// Family name.
    #[arg(long)]
    last_name: String,
    /// Unique among all users.
    #[arg(long)]
    email: String,
    /// Digits, spaces and + - ( ).
    #[arg(long, default_value = "")]
    phone: String,
    /// A group to be in; may be repeated.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Make them an administrator.
    #[arg(long)]
    admin: bool,
    #[command(flatten)]
    delivery: DeliveryArgs,
}

#[derive(Args)]
pub(super) struct DeliveryArgs {
    /// The administrator shown as the inviter.
    #[arg(long, value_name = "ADMIN")]
    by: Option<String>,
    /// How long the token is good: 30m, 24h, 7d.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    ttl: Option<u64>,
    /// Mail the link to this address instead of the account's.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_mail")]
    send_to: Option<String>,
    /// Send no mail: hand the link over yourself.
    #[arg(long)]
    no_mail: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl UserCommand {
    pub(super) fn perform(&self, cli: &Cli, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::Invite(args) => {
                let body = json!({
                    "username": args.username, "first_name": args.first_name, "last_name": args.last_name,
                    "email": args.email, "phone": args.phone, "groups": args.groups, "admin": args.admin,
                    "delivery": args.delivery.body(),
                });
                let answer = cli.ask(Method::POST, "/users", &body)?;
                show_token(&answer, &args.delivery, out)
            }
            Self::Reinvite { username, delivery } => {
                let path = format!("/users/{}/reinvite", segment(username));
                show_token(&cli.ask(Method::POST, &path, &delivery.body())?, delivery, out)
            }
            Self::ActivateClient { username, delivery } => {
                let path = format!("/users/{}/activate-client", segment(username));
                show_token(&cli.ask(Method::POST, &path, &delivery.body())?, delivery, out)
            }
            Self::Account(command) => command.perform(cli, out),
        }
    }
}

impl DeliveryArgs {
    fn body(&self) -> Value {
        json!({ "by": self.by, "ttl_seconds": self.ttl, "send_to": self.send_to, "no_mail": self.no_mail })
    }
}

fn show_token(answer: &Value, delivery: &DeliveryArgs, out: &mut impl Write) -> Result<(), Failure> {
    if delivery.json {
        writeln!(out, "{answer}")?;
        return in_force(answer);
    }
    for (label, key) in
        [("User", "username"), ("Link", "enrollment_url"), ("Token", "token"), ("Expires", "expires_at")]
    {
        writeln!(out, "{label:<8} {}", answer.get(key).and_then(Value::as_str).unwrap_or_default())?;
    }
    let mailed_to = answer.get("mailed_to").and_then(Value::as_str);
    writeln!(
        out,
        "{:<8} {}",
        "Mail",
        mailed_to.map_or("none: hand the link over yourself".to_owned(), |to| format!("to {to}"))
    )?;
    in_force(answer)
}

/// A path segment; everything but letters and digits is escaped.
pub(super) fn segment(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// `90s`, `30m`, `24h` or `7d`, in seconds.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a time: write 30m, 24h or 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text.strip_suffix(unit).unwrap_or_default().parse().map_err(|_| wrong())?;
    number.checked_mul(factor).ok_or_else(wrong)
}
