//! `postern app …`.

use std::io::{self, Write};
use std::net::IpAddr;

use clap::{Args, Subcommand, ValueEnum};
use hyper::Method;
use serde_json::{Map, Value, json};

use super::reload::Form;
use super::text::{facts, in_force, is_true, joined, text};
use super::user::segment;
use super::{Cli, Failure, table};
use crate::config::host_of;

#[derive(Subcommand)]
pub(super) enum AppCommand {
    /// List applications that people sign in to.
    #[command(
        after_help = "Example:\n  postern app list\n\nJSON: an array of what `postern app show --json` gives"
    )]
    List(Form),
    /// Show one application.
    #[command(
        after_help = "Example:\n  postern app show wiki\n\nJSON:\n  {\"name\", \"client_id\", \"public\", \"id_token_alg\": \
                      RS256|EdDSA, \"skip_consent\", \"url\", \"redirect_uris\": [URI], \"post_logout_uris\": [URI], \
                      \"groups\": [NAME], \"created_at\"}"
    )]
    Show(AppArgs),
    /// Add an application: prints what to configure there, and its secret, which is not shown again.
    ///
    /// People sign in to it with their account, by OpenID Connect: authorization code with PKCE (S256). Without a --group
    /// everybody with an account may. An application behind nginx on postern's own host needs no OpenID Connect:
    /// /usr/share/postern/nginx-forward-auth.conf says how.
    #[command(
        after_help = "Examples:\n  postern app add wiki --redirect-uri https://wiki.example.com/oidc/callback --group staff\n  \
                      postern app add \"ssh helper\" --redirect-uri http://127.0.0.1/callback --public\n\nJSON: as `postern app show \
                      --json`, and \"issuer\", \"client_secret\": null where public, \"applied\""
    )]
    Add(Box<AddArgs>),
    /// Change what is given; everything else stays.
    #[command(
        after_help = "Example:\n  postern app edit wiki --group staff --group guests\n\nJSON: as `postern app show --json`, and \
                      \"applied\""
    )]
    Edit(Box<EditArgs>),
    /// Give an application another secret, printed once; the old one is good for nothing at once.
    #[command(after_help = "Example:\n  postern app rotate-secret wiki\n\nJSON: as `postern app add --json`")]
    RotateSecret(AppArgs),
    /// Remove an application: everything issued to it ends. It does not ask.
    #[command(
        after_help = "Example:\n  postern app remove wiki\n\nJSON: as `postern app show --json`, and \"applied\""
    )]
    Remove(AppArgs),
}

#[derive(Args)]
pub(super) struct AppArgs {
    /// Which.
    app: String,
    #[command(flatten)]
    form: Form,
}

#[derive(Args)]
pub(super) struct AddArgs {
    /// What people see: 1 to 64 characters.
    app: String,
    /// Where people are sent back to, compared exactly; may be repeated. https, or http on this computer.
    #[arg(long = "redirect-uri", value_name = "URI", required = true)]
    redirect_uris: Vec<String>,
    /// Where they may be sent after signing out; may be repeated.
    #[arg(long = "post-logout-uri", value_name = "URI")]
    post_logout_uris: Vec<String>,
    /// A group that may sign in; may be repeated.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Where people find it: a link under their account.
    #[arg(long, default_value = "", value_name = "URL")]
    url: String,
    /// It keeps no secret: a program on people's computers, or in their browsers.
    #[arg(long)]
    public: bool,
    /// Ask nobody what it may know: for the company's own applications.
    #[arg(long)]
    skip_consent: bool,
    /// What its ID tokens are signed with.
    #[arg(long, value_enum, default_value_t = Alg::Rs256)]
    id_token_alg: Alg,
    #[command(flatten)]
    form: Form,
}

#[derive(Args)]
pub(super) struct EditArgs {
    /// Which.
    app: String,
    /// In place of those there are; may be repeated.
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// In place of those there are; may be repeated.
    #[arg(long = "post-logout-uri", value_name = "URI")]
    post_logout_uris: Vec<String>,
    /// In place of those there are; may be repeated.
    #[arg(long = "group", value_name = "GROUP", conflicts_with = "everybody")]
    groups: Vec<String>,
    /// Everybody with an account may sign in.
    #[arg(long)]
    everybody: bool,
    /// Where people find it; empty: nowhere.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Whether nobody is asked what it may know.
    #[arg(long, value_name = "BOOL")]
    skip_consent: Option<bool>,
    /// What its ID tokens are signed with.
    #[arg(long, value_enum)]
    id_token_alg: Option<Alg>,
    #[command(flatten)]
    form: Form,
}

#[derive(Clone, Copy, ValueEnum)]
enum Alg {
    /// Every application takes it.
    #[value(name = "RS256")]
    Rs256,
    /// Ed25519.
    #[value(name = "EdDSA")]
    EdDsa,
}

impl AppCommand {
    pub(super) fn perform(&self, cli: &Cli, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::List(form) => {
                let answer = form.ask(cli, (Method::GET, "/apps"), &json!({}), out)?;
                Ok(form.tell(&answer, out, |out| list(&answer, out))?)
            }
            Self::Show(AppArgs { app, form }) => {
                let answer = form.ask(cli, (Method::GET, &path(app)), &json!({}), out)?;
                Ok(form.tell(&answer, out, |out| show(&answer, out))?)
            }
            Self::Add(args) => {
                let answer = args.form.ask(cli, (Method::POST, "/apps"), &args.body(), out)?;
                args.form.tell(&answer, out, |out| with_secret(&answer, out))?;
                in_force(&answer)
            }
            Self::Edit(args) => {
                let answer = args.form.ask(cli, (Method::PATCH, &path(&args.app)), &args.body(), out)?;
                args.form.tell(&answer, out, |out| show(&answer, out))?;
                in_force(&answer)
            }
            Self::RotateSecret(AppArgs { app, form }) => {
                let rotate = format!("{}/rotate-secret", path(app));
                let answer = form.ask(cli, (Method::POST, &rotate), &json!({}), out)?;
                form.tell(&answer, out, |out| with_secret(&answer, out))?;
                in_force(&answer)
            }
            Self::Remove(AppArgs { app, form }) => {
                let answer = form.ask(cli, (Method::DELETE, &path(app)), &json!({}), out)?;
                form.show(&answer, &format!("application {} is removed", text(&answer, "name")), out)?;
                in_force(&answer)
            }
        }
    }
}

impl Alg {
    fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl AddArgs {
    fn body(&self) -> Value {
        json!({
            "app": self.app,
            "redirect_uris": self.redirect_uris,
            "post_logout_uris": self.post_logout_uris,
            "groups": self.groups,
            "url": self.url,
            "public": self.public,
            "skip_consent": self.skip_consent,
            "id_token_alg": self.id_token_alg.name(),
        })
    }
}

impl EditArgs {
    fn body(&self) -> Value {
        let mut body = Map::new();
        let mut give = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        for (name, values) in
            [("redirect_uris", &self.redirect_uris), ("post_logout_uris", &self.post_logout_uris)]
        {
            if !values.is_empty() {
                give(name, json!(values));
            }
        }
        if self.everybody || !self.groups.is_empty() {
            give("groups", json!(self.groups));
        }
        if let Some(url) = &self.url {
            give("url", json!(url));
        }
        if let Some(skip) = self.skip_consent {
            give("skip_consent", json!(skip));
        }
        if let Some(alg) = self.id_token_alg {
            give("id_token_alg", json!(alg.name()));
        }
        Value::Object(body)
    }
}

fn path(app: &str) -> String {
    format!("/apps/{}", segment(app))
}

fn list(answer: &Value, out: &mut impl Write) -> io::Result<()> {
    let rows = answer.as_array().into_iter().flatten().map(|app| {
        let kind = if is_true(app, "public") { "public" } else { "confidential" };
        let id = text(app, "client_id").to_owned();
        [text(app, "name").to_owned(), id, kind.to_owned(), permitted(app), text(app, "url").to_owned()]
    });
    table::write(out, ["NAME", "CLIENT ID", "KIND", "GROUPS", "URL"], &rows.collect::<Vec<_>>())
}

fn show(app: &Value, out: &mut impl Write) -> io::Result<()> {
    let consent = if is_true(app, "skip_consent") { "nobody is asked" } else { "everybody is asked once" };
    let kind = if is_true(app, "public") { "public" } else { "confidential" };
    facts(
        out,
        [
            ("Name", text(app, "name").to_owned()),
            ("Client ID", text(app, "client_id").to_owned()),
            ("Kind", kind.to_owned()),
            ("Groups", permitted(app)),
            ("Consent", consent.to_owned()),
            ("Redirect URIs", joined(app, "redirect_uris")),
            ("After sign-out", joined(app, "post_logout_uris")),
            ("ID tokens", text(app, "id_token_alg").to_owned()),
            ("URL", text(app, "url").to_owned()),
            ("Added", text(app, "created_at").to_owned()),
        ],
    )
}

/// What is to be configured there.
fn with_secret(app: &Value, out: &mut impl Write) -> io::Result<()> {
    let issuer = text(app, "issuer");
    facts(
        out,
        [
            ("Issuer", issuer.to_owned()),
            ("Discovery", format!("{issuer}/.well-known/openid-configuration")),
            ("Client ID", text(app, "client_id").to_owned()),
            ("Secret", text(app, "client_secret").to_owned()),
            ("PKCE", "S256, required".to_owned()),
            ("Scopes", "openid profile email phone groups offline_access".to_owned()),
            ("Authorize", format!("{issuer}/openid/authorize")),
            ("Token", format!("{issuer}/openid/token")),
            ("Userinfo", format!("{issuer}/openid/userinfo")),
        ],
    )?;
    if is_readable_on_the_way(issuer) {
        writeln!(
            out,
            "Without https most applications refuse this issuer (OpenID Connect Discovery, 3), and passwords and tokens can be \
             read on the way: set public_url in postern.toml to an https:// address."
        )?;
    }
    if !text(app, "client_secret").is_empty() {
        writeln!(out, "The secret is not shown again: `postern app rotate-secret` makes another.")?;
    }
    Ok(())
}

/// Whether what is sent there can be read on the way.
pub(super) fn is_readable_on_the_way(url: &str) -> bool {
    let host = host_of(url);
    url.starts_with("http:") && host != "localhost" && !host.ends_with(".localhost") && !is_loopback(host)
}

fn is_loopback(host: &str) -> bool {
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    address.is_ok_and(|address| address.is_loopback())
}

/// Who may sign in.
fn permitted(app: &Value) -> String {
    let groups = joined(app, "groups");
    if groups == "-" { "everybody".to_owned() } else { groups }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        edit: EditArgs,
    }

    #[test]
    fn an_edit_sends_what_was_given_under_the_names_that_the_daemon_knows() {
        let given = ["edit", "wiki", "--group", "staff", "--url", "", "--skip-consent", "true"];
        let line = Line::try_parse_from(given).unwrap();
        assert_eq!(line.edit.body(), json!({ "groups": ["staff"], "url": "", "skip_consent": true }));
        let line =
            Line::try_parse_from(["edit", "wiki", "--everybody", "--redirect-uri", "https://a/cb"]).unwrap();
        assert_eq!(line.edit.body(), json!({ "groups": [], "redirect_uris": ["https://a/cb"] }));
    }

    #[test]
    fn an_issuer_without_https_is_told_of_unless_it_is_this_computer() {
        let told = |issuer: &str| {
            let mut out = Vec::new();
            with_secret(&json!({ "issuer": issuer, "client_id": "x", "client_secret": "s" }), &mut out)
                .unwrap();
            String::from_utf8(out).unwrap().contains("most applications refuse this issuer")
        };
        for open in ["http://vpn.example.com", "http://192.0.2.1:8080", "http://localhost.example.com"] {
            assert!(told(open), "{open}");
        }
        for other in [
            "https://vpn.example.com",
            "http://localhost:8080",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://postern.localhost",
        ] {
            assert!(!told(other), "{other}");
        }
    }
}
