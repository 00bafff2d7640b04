//! `postern mail …`.

use std::io::{self, Write};

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use hyper::Method;
use serde_json::{Value, json};

use super::reload::Form;
use super::text::{facts, text};
use super::{Cli, Failure, table};
use crate::rules::message::Kind;

#[derive(Subcommand)]
pub(super) enum MailCommand {
    /// List mails that wait, are tried again, or were given up; what they say is not shown.
    #[command(
        after_help = "Examples:\n  postern mail list\n  postern mail list --all --json | jq '.[] | select(.state == \
                      \"parked\")'\n\nJSON: an array of what `postern mail show --json` gives"
    )]
    List {
        /// Also those that were sent in the last 30 days.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Show what became of one mail.
    #[command(
        after_help = "Example:\n  postern mail show 12\n\nJSON:\n  {\"id\", \"kind\", \"to\", \"state\": \
                      waiting|retrying|sent|parked, \"attempts\", \"error\", \"answer\", \"created_at\", \
                      \"next_attempt_at\", \"sent_at\", \"parked_at\"}"
    )]
    Show {
        /// The number that `postern mail list` shows.
        id: u32,
        #[command(flatten)]
        form: Form,
    },
    /// Try a mail again at once, also one that was given up.
    #[command(
        after_help = "Examples:\n  postern mail retry 12\n  postern mail retry --all\n\nJSON: as `postern mail show \
                      --json`; with --all {\"retried\": NUMBER}"
    )]
    Retry {
        /// The number that `postern mail list` shows.
        #[arg(required_unless_present = "all")]
        id: Option<u32>,
        /// Everything that failed or was given up.
        #[arg(long, conflicts_with = "id")]
        all: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Throw a mail away: it is not sent. It does not ask.
    #[command(after_help = "Example:\n  postern mail discard 12\n\nJSON: as `postern mail show --json`")]
    Discard {
        /// The number that `postern mail list` shows.
        id: u32,
        #[command(flatten)]
        form: Form,
    },
    /// Send a test mail now, and show what the mail server says.
    #[command(
        after_help = "Example:\n  postern mail test you@example.com\n\nJSON:\n  {\"to\", \"answer\"}\n  refused: \
                      {\"error\", \"hint\"}"
    )]
    Test {
        /// Where to.
        address: String,
        #[command(flatten)]
        form: Form,
    },
    /// Show a message as it would be written, with made-up people.
    #[command(
        after_help = "Examples:\n  postern mail preview invitation\n  postern mail preview welcome --html > \
                      welcome.html\n\nJSON:\n  {\"subject\", \"text\", \"html\"}"
    )]
    Preview {
        /// Which.
        #[arg(value_parser = PossibleValuesParser::new(Kind::ALL.iter().map(|kind| kind.name())))]
        message: String,
        /// The HTML, not the plain text.
        #[arg(long)]
        html: bool,
        #[command(flatten)]
        form: Form,
    },
}

impl MailCommand {
    pub(super) fn perform(&self, cli: &Cli, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::List { all, form } => {
                let path = format!("/mail?all={all}");
                let answer = form.ask(cli, (Method::GET, &path), &json!({}), out)?;
                form.tell(&answer, out, |out| list(&answer, out))?;
            }
            Self::Show { id, form } => {
                let answer = form.ask(cli, (Method::GET, &format!("/mail/{id}")), &json!({}), out)?;
                form.tell(&answer, out, |out| show(&answer, out))?;
            }
            Self::Retry { id, form, .. } => {
                let path = id.map_or_else(|| "/mail/retry".to_owned(), |id| format!("/mail/{id}/retry"));
                let answer = form.ask(cli, (Method::POST, &path), &json!({}), out)?;
                form.show(&answer, &tried_again(*id, &answer), out)?;
            }
            Self::Discard { id, form } => {
                let answer = form.ask(cli, (Method::DELETE, &format!("/mail/{id}")), &json!({}), out)?;
                form.show(&answer, &format!("mail {id} is gone"), out)?;
            }
            Self::Test { address, form } => {
                let answer = form.ask(cli, (Method::POST, "/mail/test"), &json!({ "to": address }), out)?;
                let said = format!("sent to {}: {}", text(&answer, "to"), text(&answer, "answer"));
                form.show(&answer, said.trim_end_matches([':', ' ']), out)?;
            }
            Self::Preview { message, html, form } => {
                let path = format!("/mail/preview/{message}");
                let answer = form.ask(cli, (Method::GET, &path), &json!({}), out)?;
                form.tell(&answer, out, |out| {
                    if *html {
                        return write!(out, "{}", text(&answer, "html"));
                    }
                    write!(out, "Subject: {}\n\n{}", text(&answer, "subject"), text(&answer, "text"))
                })?;
            }
        }
        Ok(())
    }
}

fn tried_again(id: Option<u32>, answer: &Value) -> String {
    if let Some(id) = id {
        return format!("mail {id} is tried again; `postern mail show {id}` says how it went");
    }
    let count = answer.get("retried").and_then(Value::as_u64).unwrap_or(0);
    format!("mails tried again: {count}")
}

fn list(answer: &Value, out: &mut impl Write) -> io::Result<()> {
    let mails = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    if mails.is_empty() {
        return writeln!(out, "no mail waits");
    }
    let rows: Vec<[String; 5]> = mails
        .iter()
        .map(|mail| {
            let to = Some(text(mail, "to")).filter(|to| !to.is_empty()).unwrap_or("-");
            [
                number(mail, "id"),
                text(mail, "kind").to_owned(),
                to.to_owned(),
                state(mail),
                text(mail, "error").to_owned(),
            ]
        })
        .collect();
    table::write(out, ["ID", "MESSAGE", "TO", "STATE", "LAST ERROR"], &rows)
}

/// With the time that matters in it.
fn state(mail: &Value) -> String {
    let (state, time) = match text(mail, "state") {
        "retrying" => ("retry at", text(mail, "next_attempt_at")),
        "sent" => ("sent", text(mail, "sent_at")),
        state => (state, ""),
    };
    format!("{state} {time}").trim_end().to_owned()
}

fn show(mail: &Value, out: &mut impl Write) -> io::Result<()> {
    facts(
        out,
        [
            ("mail", number(mail, "id")),
            ("message", text(mail, "kind").to_owned()),
            ("to", text(mail, "to").to_owned()),
            ("state", text(mail, "state").to_owned()),
            ("posted", text(mail, "created_at").to_owned()),
            ("next try", text(mail, "next_attempt_at").to_owned()),
            ("sent", text(mail, "sent_at").to_owned()),
            ("given up", text(mail, "parked_at").to_owned()),
            ("attempts", number(mail, "attempts")),
            ("last error", text(mail, "error").to_owned()),
            ("server said", text(mail, "answer").to_owned()),
        ],
    )
}

fn number(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_u64).map(|number| number.to_string()).unwrap_or_default()
}
