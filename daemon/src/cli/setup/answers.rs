//! What an administrator answers: on the command line, in a file of the same names, or on the terminal. What is not
//! answered stays as it is, or is found on the host.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::config::edit::LocationKeys;
use crate::config::settings;

/// Each is an option of the command line, and with underscores a key of the file of answers.
#[derive(Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::cli) struct Answers {
    /// Where people reach this host: a name, which keeps the port there is, or a URL.
    #[arg(long, value_name = "NAME|URL")]
    pub(super) public_name: Option<String>,
    /// Who speaks TLS: postern with a certificate it obtains, postern with your own, or a reverse proxy before it.
    #[arg(long, help_heading = "Certificate")]
    pub(super) tls: Option<Tls>,
    /// The chain of your own certificate, in PEM form; implies --tls files.
    #[arg(long, value_name = "FILE", help_heading = "Certificate")]
    pub(super) certificate_file: Option<PathBuf>,
    /// Its private key, in PEM form.
    #[arg(long, value_name = "FILE", help_heading = "Certificate")]
    pub(super) key_file: Option<PathBuf>,
    /// The directory of an ACME authority other than Let's Encrypt; implies --tls acme.
    #[arg(long, value_name = "URL", help_heading = "Certificate")]
    pub(super) acme_directory: Option<String>,
    /// The certificate to trust when speaking with an ACME authority of your own.
    #[arg(long, value_name = "FILE", help_heading = "Certificate")]
    pub(super) acme_ca_file: Option<PathBuf>,
    /// The name of who helps users.
    #[arg(long, value_name = "NAME", help_heading = "Contact")]
    pub(super) contact_name: Option<String>,
    /// Their e-mail address.
    #[arg(long, value_name = "ADDRESS", help_heading = "Contact")]
    pub(super) contact_email: Option<String>,
    /// Their phone number.
    #[arg(long, value_name = "NUMBER", help_heading = "Contact")]
    pub(super) contact_phone: Option<String>,
    /// The location to make, or to change if it is there; "hq" while there is none.
    #[arg(long, value_name = "NAME", help_heading = "VPN network")]
    pub(super) location: Option<String>,
    /// Instead of making one, take this server of wg-quick over while its tunnels are up.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["interface", "port", "ipv4", "ipv6", "dns"], help_heading = "VPN network")]
    pub(super) wg_quick: Option<PathBuf>,
    /// Where clients reach it; otherwise the public name.
    #[arg(long, value_name = "HOST[:PORT]", help_heading = "VPN network")]
    pub(super) endpoint: Option<String>,
    /// Its network interface; otherwise one named after it.
    #[arg(long, value_name = "IF", help_heading = "VPN network")]
    pub(super) interface: Option<String>,
    /// Its UDP port; otherwise the first free one from 51820 up.
    #[arg(long, value_name = "N", help_heading = "VPN network")]
    pub(super) port: Option<u16>,
    /// Its IPv4 subnet; otherwise a free private one.
    #[arg(long, value_name = "NET", help_heading = "VPN network")]
    pub(super) ipv4: Option<String>,
    /// Its IPv6 subnet; otherwise a free unique local one.
    #[arg(long, value_name = "NET", help_heading = "VPN network")]
    pub(super) ipv6: Option<String>,
    /// A network behind this host that its clients may reach; may be repeated.
    #[arg(long = "route", value_name = "NET", help_heading = "VPN network")]
    pub(super) routes: Option<Vec<String>>,
    /// A resolver or a search domain for its clients; may be repeated.
    #[arg(long, value_name = "ADDR|DOMAIN", help_heading = "VPN network")]
    pub(super) dns: Option<Vec<String>>,
    /// The mail server; "none" sends no mail.
    #[arg(long, value_name = "HOST[:PORT]|none", help_heading = "Mail")]
    pub(super) mail_host: Option<String>,
    /// How the connection to it is encrypted.
    #[arg(long, help_heading = "Mail")]
    pub(super) mail_security: Option<MailSecurity>,
    /// With what to log in there; without it, nobody logs in.
    #[arg(long, value_name = "NAME", help_heading = "Mail")]
    pub(super) mail_username: Option<String>,
    /// A file that holds the password; it is copied to where only postern reads it.
    #[arg(long, value_name = "FILE", requires = "mail_username", help_heading = "Mail")]
    pub(super) mail_password_file: Option<PathBuf>,
    /// The sender of mails; otherwise the contact.
    #[arg(long, value_name = "ADDRESS", help_heading = "Mail")]
    pub(super) mail_from: Option<String>,
    /// Never on the command line, where every user of the host could see it.
    #[arg(skip)]
    pub(super) mail_password: Option<Password>,
}

/// Wiped when it is dropped, and shown by nothing.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub(super) struct Password(Zeroizing<String>);

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// Who speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Tls {
    /// postern, with a certificate of an ACME authority.
    Acme,
    /// postern, with certificate files.
    Files,
    /// A reverse proxy.
    Proxy,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum MailSecurity {
    /// After the greeting.
    Starttls,
    /// From the start.
    Tls,
    /// Not at all.
    None,
}

impl Tls {
    /// As it is written.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Acme => "acme",
            Self::Files => "files",
            Self::Proxy => "proxy",
        }
    }
}

impl MailSecurity {
    /// As it is written.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Starttls => "starttls",
            Self::Tls => "tls",
            Self::None => "none",
        }
    }
}

impl Answers {
    /// Reads a file of answers.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        settings::parse(&text, &["mail_password"]).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// These, and `others` where these say nothing.
    pub(super) fn or(mut self, others: &Self) -> Self {
        macro_rules! fill { ($($key:ident)*) => { $(self.$key = self.$key.take().or(others.$key.clone());)* } }
        fill!(public_name tls certificate_file key_file acme_directory acme_ca_file contact_name contact_email contact_phone
              location wg_quick endpoint interface port ipv4 ipv6 routes dns mail_host mail_security mail_username
              mail_password_file mail_from mail_password);
        self
    }

    /// Files are named from where whoever answers is, not from where the configuration is.
    pub(super) fn absolute(mut self) -> Self {
        let files =
            [&mut self.certificate_file, &mut self.key_file, &mut self.acme_ca_file, &mut self.wg_quick];
        for file in files.into_iter().flatten() {
            if let Ok(absolute) = std::path::absolute(&file) {
                *file = absolute;
            }
        }
        self
    }

    /// The password: given, or in the file that was named.
    pub(super) fn password(&self) -> Result<Option<Zeroizing<String>>, String> {
        if let Some(password) = &self.mail_password {
            return Ok(Some(password.0.clone()));
        }
        let Some(path) = &self.mail_password_file else { return Ok(None) };
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text =
            text.map_err(|error| format!("cannot read the password in {}: {error}", path.display()))?;
        Ok(Some(text.lines().next().unwrap_or_default().to_owned().into()))
    }

    /// A password that was typed.
    pub(super) fn set_password(&mut self, password: Zeroizing<String>) {
        self.mail_password = Some(Password(password));
    }

    /// The keys of the location, without its name.
    pub(super) fn location_keys(&self) -> LocationKeys {
        LocationKeys {
            interface: self.interface.clone(),
            listen_port: self.port,
            endpoint: self.endpoint.clone(),
            ipv4: self.ipv4.clone(),
            ipv6: self.ipv6.clone(),
            routes: self.routes.clone(),
            dns: self.dns.clone(),
            ..LocationKeys::default()
        }
    }
}
