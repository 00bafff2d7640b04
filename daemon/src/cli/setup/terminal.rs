//! Asks on the terminal: four questions, each with the default that Enter takes, and asked again after an answer that
//! cannot be.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::answers::{Answers, Tls};
use super::design::{suggested_tls, url_like, url_of};
use super::found::Found;
use crate::cli::hidden;
use crate::config::settings::text_at;
use crate::config::{host_of, mail_host, public_url};
use crate::rules::names;

/// So often a question is asked before that is taken for a broken terminal.
const MOST_TRIES: usize = 20;

/// Somebody who answers.
pub(super) struct Terminal<'a, R, W> {
    pub(super) input: &'a mut R,
    pub(super) output: &'a mut W,
}

impl<R: BufRead, W: Write> Terminal<'_, R, W> {
    /// Asks for everything that `answers` leaves open. `present` is the text of `postern.toml`.
    pub(super) fn complete(
        &mut self,
        answers: &mut Answers,
        present: &str,
        found: &Found,
        locations: &[String],
    ) -> io::Result<()> {
        let current = |table: &str, key: &str| text_at(present, table, key).filter(|text| !text.is_empty());
        writeln!(
            self.output,
            "Enter takes what stands in brackets; nothing is changed before the last answer."
        )?;
        self.public_name(answers, current("", "public_url").as_deref(), found)?;
        let tls = || current("http", "tls").unwrap_or_else(|| Tls::Proxy.name().to_owned());
        let files = ["certificate_file", "key_file", "key_credential"].map(|key| current("http", key));
        self.certificate(answers, current("", "public_url").map(|_| tls()), files)?;
        self.contact(answers, current("contact", "name"), current("contact", "email"), found)?;
        self.location(answers, locations, &found.wg_quick)?;
        self.mail(answers, current("mail.smtp", "host").as_deref(), found)
    }

    fn public_name(&mut self, answers: &mut Answers, current: Option<&str>, found: &Found) -> io::Result<()> {
        if answers.public_name.is_none() {
            let url = |name: &str| url_like(name, current);
            let default = current.map(shown).or_else(|| found.full_name.clone());
            let check = |name: &str| public_url(&url(name)).map(drop);
            let question = "1/4 The name of this host on the internet, where people reach it";
            let name = self.ask(question, default.as_deref(), check)?;
            answers.public_name = Some(url(&name));
        }
        Ok(())
    }

    fn certificate(
        &mut self,
        answers: &mut Answers,
        current: Option<String>,
        files: [Option<String>; 3],
    ) -> io::Result<()> {
        let url = answers.public_name.clone().unwrap_or_default();
        if answers.tls.is_none() && url.starts_with("https:") {
            let default = current.or_else(|| suggested_tls(&url).map(|tls| tls.name().to_owned()));
            let question = "    Its certificate: acme (obtained and renewed), files (your own), proxy (another program has it)";
            let check = |text: &str| tls(text).map(drop).ok_or_else(|| "acme, files or proxy".to_owned());
            answers.tls = tls(&self.ask(question, default.as_deref(), check)?);
        }
        if answers.tls == Some(Tls::Files) {
            let [certificate, key, credential] = files;
            for (question, file, default, is_known) in [
                (
                    "    The certificate's file (PEM, the whole chain)",
                    &mut answers.certificate_file,
                    certificate,
                    false,
                ),
                // One that systemd hands in has no file that we could read.
                ("    The file of its private key (PEM)", &mut answers.key_file, key, credential.is_some()),
            ] {
                if file.is_none() && !is_known {
                    let check = |path: &str| {
                        std::fs::File::open(path).map(drop).map_err(|error| format!("{path}: {error}"))
                    };
                    *file = Some(self.ask(question, default.as_deref(), check)?.into());
                }
            }
        }
        Ok(())
    }

    fn contact(
        &mut self,
        answers: &mut Answers,
        name: Option<String>,
        email: Option<String>,
        found: &Found,
    ) -> io::Result<()> {
        if answers.contact_email.is_some() {
            return Ok(());
        }
        let name = name.or_else(|| found.person.clone()).unwrap_or_else(|| "Administrator".to_owned());
        let default = email.or_else(|| found.email.clone()).map(|email| format!("{name} <{email}>"));
        let check = |text: &str| {
            contact(text).map(drop).ok_or("write it like Ada Example <ada@example.com>".to_owned())
        };
        let said = self.ask("2/4 Who helps users: NAME <E-MAIL ADDRESS>", default.as_deref(), check)?;
        if let Some((name, email)) = contact(&said) {
            (answers.contact_name, answers.contact_email) = (Some(name), Some(email));
        }
        Ok(())
    }

    fn location(
        &mut self,
        answers: &mut Answers,
        locations: &[String],
        servers: &[PathBuf],
    ) -> io::Result<()> {
        if answers.location.is_some() || answers.wg_quick.is_some() {
            return Ok(());
        }
        if !locations.is_empty() {
            return writeln!(
                self.output,
                "3/4 VPN networks that are there: {}; `postern location add` makes another.",
                locations.join(", ")
            );
        }
        let check = |name: &str| {
            let is_name = name.chars().any(|c| c.is_ascii_alphanumeric()) && name.len() <= 64;
            if is_name { Ok(()) } else { Err("a name with a letter or a digit, such as hq".to_owned()) }
        };
        let Some(first) = servers.first().map(|file| file.display().to_string()) else {
            answers.location = Some(self.ask("3/4 A name for the first VPN network", Some("hq"), check)?);
            return Ok(());
        };
        let listed: Vec<String> = servers.iter().map(|file| file.display().to_string()).collect();
        writeln!(self.output, "    WireGuard is configured here already: {}", listed.join(", "))?;
        let check = |said: &str| {
            let is_server = listed.iter().any(|file| file == said);
            if is_server || !said.contains('/') {
                check(said)
            } else {
                Err(format!("{said} is none of them"))
            }
        };
        let question =
            "3/4 The first VPN network: one of these files to take it over, or a name for a new one";
        let said = self.ask(question, Some(&first), check)?;
        if said.contains('/') {
            answers.wg_quick = Some(said.into());
        } else {
            answers.location = Some(said);
        }
        Ok(())
    }

    fn mail(&mut self, answers: &mut Answers, current: Option<&str>, found: &Found) -> io::Result<()> {
        if answers.mail_host.is_some() {
            return Ok(());
        }
        let default = current.unwrap_or(if found.has_mail_server { "localhost:25" } else { "none" });
        let check = |server: &str| {
            let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
            if server == "none" { Ok(()) } else { mail_host(host) }
        };
        let question = "4/4 The mail server for invitations: HOST, HOST:PORT, or none to print links instead";
        let server = self.ask(question, Some(default), check)?;
        if current == Some(server.as_str()) {
            return Ok(());
        }
        if server != "none" && !server.starts_with("localhost") && answers.mail_username.is_none() {
            let username = self.ask("    User name there (-: it wants none)", Some("-"), |_| Ok(()))?;
            answers.mail_username = Some(username).filter(|username| username != "-");
        }
        if answers.mail_username.is_some() && answers.mail_password_file.is_none() {
            let password = hidden::line("    Password (not shown)", self.input, self.output)?;
            answers.set_password(Zeroizing::new(password.trim().to_owned()));
        }
        answers.mail_host = Some(server);
        Ok(())
    }

    /// Whether it is to be done.
    pub(super) fn confirm(&mut self, question: &str, default: &str) -> io::Result<bool> {
        let check = |said: &str| {
            if matches!(said, "yes" | "no") { Ok(()) } else { Err("yes or no".to_owned()) }
        };
        Ok(self.ask(question, Some(default), check)? == "yes")
    }

    /// One line; the default where it is empty.
    fn ask(
        &mut self,
        question: &str,
        default: Option<&str>,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> io::Result<String> {
        for _ in 0..MOST_TRIES {
            let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
            write!(self.output, "{question}{shown}: ")?;
            self.output.flush()?;
            let line = self.line()?;
            let answer = if line.is_empty() { default.unwrap_or_default() } else { &line };
            match check(answer) {
                Ok(()) if !answer.is_empty() => return Ok(answer.to_owned()),
                Ok(()) => writeln!(self.output, "    an answer is needed here")?,
                Err(why) => writeln!(self.output, "    {why}")?,
            }
        }
        Err(io::Error::other("no answer that could be used"))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the input ended"));
        }
        Ok(line.trim().to_owned())
    }
}

/// A URL as it would be typed.
fn shown(url: &str) -> String {
    let plain = url_of(host_of(url));
    if plain == url { host_of(url).to_owned() } else { url.to_owned() }
}

fn tls(text: &str) -> Option<Tls> {
    [Tls::Acme, Tls::Files, Tls::Proxy].into_iter().find(|tls| tls.name() == text)
}

fn contact(text: &str) -> Option<(String, String)> {
    let (name, rest) = text.split_once('<')?;
    let email = rest.strip_suffix('>')?.trim();
    let name = name.trim();
    (!name.is_empty() && names::email(email).is_ok()).then(|| (name.to_owned(), email.to_owned()))
}
