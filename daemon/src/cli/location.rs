//! `postern location …`.

mod args;
mod show;

use std::io::Write;

use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};

use super::reload::{Form, warn};
use super::text::{items, joined, text};
use super::user::segment;
use super::{Cli, Failure};
use args::{AddArgs, EditArgs};

#[derive(Subcommand)]
pub(super) enum LocationCommand {
    /// List all locations.
    #[command(
        after_help = "Example:\n  postern location list --json\n\nJSON: an array of what `show` gives."
    )]
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Show everything about a location.
    #[command(
        after_help = "Example:\n  postern location show hq\n\nJSON:\n  {\"name\", \"number\", \"file\", \"interface\", \
                      \"listen_port\", \"endpoint\", \"ipv4\", \"ipv6\", \"dns\", \"routes\", \"mtu\", \"keepalive\", \"groups\" \
                      (null: everybody), \"masquerade\", \"client_to_client\", \"host_services\", \"second_factor\", \"backend\", \
                      \"public_key\", \"devices\", \"peers\", \"free_addresses\", \"failing\"}"
    )]
    Show {
        /// Which.
        name: String,
        #[command(flatten)]
        form: Form,
    },
    /// Write a file for a new location and put it into force.
    ///
    /// What is not given is chosen: an interface named after the location, the first free port from 51820, private
    /// subnets that nothing on this host uses. All files are judged together; if anything is refused, nothing is
    /// written.
    #[command(
        after_help = "Example:\n  postern location add hq --endpoint vpn.example.com --route 10.0.0.0/8 --group staff\n\n\
                      JSON: as `postern reload`, with \"location\" as `show` gives it."
    )]
    Add(Box<AddArgs>),
    /// Change keys of a location's file and put it into force.
    ///
    /// Comments and everything that is not named stay as they are. Options that may be repeated replace the list.
    #[command(after_help = "Example:\n  postern location edit hq --dns 10.0.0.53 --dns example.com\n\n\
                      JSON: as `postern reload`, with \"location\" as `show` gives it.")]
    Edit(Box<EditArgs>),
    /// Take a location out of force: its interface and its peers are gone when the command returns.
    ///
    /// The file is renamed to end in .toml.removed; renaming it back and `postern reload` undo the removal. The
    /// location keeps its key; devices may get other addresses then.
    #[command(
        after_help = "Example:\n  postern location remove hq\n\nJSON: as `postern reload`, with {\"name\", \"file\", \
                      \"machines_removed\"}."
    )]
    Remove {
        /// Which.
        name: String,
        /// Also remove the machine devices that belong to it; otherwise they keep it from being removed.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Give a location another key pair.
    ///
    /// Every tunnel to it stops until its client has fetched its configuration again: desktop clients do so by
    /// themselves within minutes, files and QR codes have to be made anew.
    #[command(
        after_help = "Example:\n  postern location rotate-key hq\n\nJSON: as `postern reload`, with \"location\" as `show` \
                      gives it."
    )]
    RotateKey {
        /// Which.
        name: String,
        #[command(flatten)]
        form: Form,
    },
}

impl LocationCommand {
    pub(super) fn perform(
        &self,
        cli: &Cli,
        out: &mut impl Write,
        errors: &mut impl Write,
    ) -> Result<(), Failure> {
        match self {
            Self::List { form } => {
                let answer = form.ask(cli, (Method::GET, "/locations"), &json!({}), out)?;
                Ok(form.tell(&answer, out, |out| show::all(&answer, out))?)
            }
            Self::Show { name, form } => {
                let answer = form.ask(cli, (Method::GET, &path(name)), &json!({}), out)?;
                Ok(form.tell(&answer, out, |out| show::one(&answer, out))?)
            }
            Self::Add(args) => {
                let answer = args.form.ask(cli, (Method::POST, "/locations"), &args.body(), out)?;
                let location = answer.get("location").unwrap_or(&Value::Null);
                args.form.tell(&answer, out, |out| {
                    writeln!(out, "location {} is in force, file {}", args.name(), text(location, "file"))?;
                    show::one(location, out)
                })?;
                warn(&answer, errors)
            }
            Self::Edit(args) => {
                let changed = |_: &Value| format!("location {} is changed", args.name());
                let path = path(args.name());
                args.form.apply(cli, (Method::PATCH, &path), &args.body(), changed, (out, errors))
            }
            Self::Remove { name, force, form } => {
                let body = json!({ "force": force });
                let gone = |answer: &Value| removed(name, answer);
                form.apply(cli, (Method::DELETE, &path(name)), &body, gone, (out, errors))
            }
            Self::RotateKey { name, form } => {
                let path = format!("{}/rotate-key", path(name));
                let rotated = |answer: &Value| {
                    let key = text(answer.get("location").unwrap_or(&Value::Null), "public_key");
                    format!("location {name} has the public key {key}")
                };
                form.apply(cli, (Method::POST, &path), &json!({}), rotated, (out, errors))
            }
        }
    }
}

fn path(name: &str) -> String {
    format!("/locations/{}", segment(name))
}

fn removed(name: &str, answer: &Value) -> String {
    let gone = format!("location {name} is gone; its file is kept as {}", text(answer, "file"));
    if items(answer, "machines_removed").is_empty() {
        return gone;
    }
    format!("{gone}\nmachines removed with it: {}", joined(answer, "machines_removed"))
}
