//! From answers to settings. Pure: what is there and what was found are parameters. Only what was answered changes, and
//! what a gateway cannot be without.

use super::answers::{Answers, MailSecurity, Tls};
use super::found::Found;
use crate::config::edit::LocationKeys;
use crate::config::settings::{Setting, is_empty_at, text_at};
use crate::config::{host_of, is_public_name};

/// The first location's name.
const FIRST_LOCATION: &str = "hq";

/// What has to change in `postern.toml`, whose text is `present`. `password_path` is where a password for the mail
/// server is going to be.
pub(super) fn settings(
    answers: &Answers,
    present: &str,
    found: &Found,
    password_path: &str,
) -> Result<Vec<Setting>, String> {
    let current = |table: &str, key: &str| text_at(present, table, key).filter(|text| !text.is_empty());
    let mut settings = Vec::new();
    let url = match (&answers.public_name, current("", "public_url")) {
        (None, Some(url)) => url,
        (Some(name), current) => url_like(name, current.as_deref()),
        (None, None) => found.full_name.as_deref().map(url_of).ok_or(
            "nobody said where people reach this host: give --public-name, like \"vpn.example.com\"",
        )?,
    };
    let before = current("", "public_url");
    if before.as_ref() != Some(&url) {
        settings.push(Setting::new("", "public_url", url.as_str()));
    }
    https(answers, present, (before.as_deref(), &url), &mut settings)?;
    contact(answers, present, found, &mut settings)?;
    mail(answers, present, password_path, &mut settings)?;
    Ok(settings)
}

/// A name becomes an https URL; a URL stays one.
pub(super) fn url_of(name: &str) -> String {
    if name.contains("://") { name.to_owned() } else { format!("https://{name}/") }
}

/// A name alone keeps the port that people are used to.
pub(super) fn url_like(name: &str, current: Option<&str>) -> String {
    let url = url_of(name);
    let port = current.filter(|current| current.starts_with("https://")).and_then(port_of);
    match port {
        Some(port) if !name.contains("://") && port_of(&url).is_none() => format!("https://{name}:{port}/"),
        Some(_) | None => url,
    }
}

/// The certificate for a public name is obtained unless somebody says otherwise; for any other somebody has to say.
pub(super) fn suggested_tls(url: &str) -> Option<Tls> {
    let is_usual = url.starts_with("https://") && port_of(url).is_none();
    (is_usual && is_public_name(host_of(url))).then_some(Tls::Acme)
}

/// The keys of the location that is wished for, or of the first one; `None`: none is to be made.
pub(super) fn location(
    answers: &Answers,
    url: &str,
    has_locations: bool,
) -> Result<Option<LocationKeys>, String> {
    let keys = answers.location_keys();
    let name = match &answers.location {
        _ if answers.wg_quick.is_some() => return Ok(None),
        Some(name) => name.clone(),
        None if has_locations && keys == LocationKeys::default() => return Ok(None),
        None if has_locations => return Err("which location is it to be? say --location NAME".to_owned()),
        None => FIRST_LOCATION.to_owned(),
    };
    let endpoint = keys.endpoint.clone().or_else(|| Some(host_of(url).to_owned()));
    Ok(Some(LocationKeys { name: Some(name), endpoint, ..keys }))
}

/// `before` and `url` are the public URL as it is and as it is going to be.
fn https(
    answers: &Answers,
    present: &str,
    (before, url): (Option<&str>, &str),
    settings: &mut Vec<Setting>,
) -> Result<(), String> {
    if url.starts_with("http://") && !is_loopback(host_of(url)) {
        return Err(format!(
            "{url}: over plain http everybody on the way could read passwords and links: write https, and say with --tls who \
             speaks it (acme, files or proxy)"
        ));
    }
    let current = text_at(present, "http", "tls").unwrap_or_else(|| Tls::Proxy.name().to_owned());
    let tls = tls(answers, before.map(|_| current.as_str()), url)?;
    let is_new = before.is_none() || current != tls.name();
    if current != tls.name() {
        settings.push(Setting::new("http", "tls", tls.name()));
        // Addresses that were meant for TLS would let everybody in without.
        settings.push(Setting::list("http", "listen", &[]));
    }
    if is_new && tls != Tls::Files {
        settings.extend(
            ["certificate_file", "key_file", "key_credential"].map(|key| Setting::without("http", key)),
        );
    }
    match tls {
        Tls::Acme => acme(answers, settings),
        Tls::Files => files(answers, present, settings)?,
        // A proxy on this host is the usual case; without trust in it everybody has its address.
        Tls::Proxy if is_new && is_empty_at(present, "http", "trusted_proxies") => {
            settings.push(Setting::list("http", "trusted_proxies", &["127.0.0.1/32", "::1/128"]));
        }
        Tls::Proxy => {}
    }
    let port = port_of(url);
    let is_other_port = if is_new { port.is_some() } else { before.and_then(port_of) != port };
    if tls != Tls::Proxy && is_other_port {
        let addresses: Vec<String> = port.iter().map(|port| format!("[::]:{port}")).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        settings.push(Setting::list("http", "listen", &addresses));
    }
    Ok(())
}

/// What was said, or what follows from it; otherwise it stays. `current` is what is configured.
fn tls(answers: &Answers, current: Option<&str>, url: &str) -> Result<Tls, String> {
    let implied = [
        (Tls::Files, answers.certificate_file.is_some() || answers.key_file.is_some()),
        (Tls::Acme, answers.acme_directory.is_some() || answers.acme_ca_file.is_some()),
    ];
    let mut implied = implied.into_iter().filter(|(_, is_given)| *is_given).map(|(tls, _)| tls);
    let configured = current.and_then(|current| {
        [Tls::Acme, Tls::Files, Tls::Proxy].into_iter().find(|tls| tls.name() == current)
    });
    match (answers.tls, implied.next(), configured) {
        (Some(tls), Some(implied), _) if tls != implied => {
            Err(format!("--tls {} does not go with options of --tls {}", tls.name(), implied.name()))
        }
        (Some(tls), ..) | (None, Some(tls), _) | (None, None, Some(tls)) => Ok(tls),
        (None, None, None) if url.starts_with("http://") => Ok(Tls::Proxy),
        (None, None, None) => suggested_tls(url).ok_or_else(|| {
            format!(
                "{url}: no public authority certifies that: give --tls files with --certificate-file and --key-file, or \
                 --tls proxy"
            )
        }),
    }
}

fn acme(answers: &Answers, settings: &mut Vec<Setting>) {
    if let Some(directory) = &answers.acme_directory {
        settings.push(Setting::new("http.acme", "directory", directory.as_str()));
    }
    if let Some(ca) = &answers.acme_ca_file {
        settings.push(Setting::new("http.acme", "ca_file", ca.to_string_lossy().as_ref()));
    }
}

fn files(answers: &Answers, present: &str, settings: &mut Vec<Setting>) -> Result<(), String> {
    for (key, option, file) in [
        ("certificate_file", "--certificate-file", &answers.certificate_file),
        ("key_file", "--key-file", &answers.key_file),
    ] {
        match file {
            Some(file) => {
                settings.push(Setting::new("http", key, file.to_string_lossy().as_ref()));
                if key == "key_file" {
                    settings.push(Setting::without("http", "key_credential"));
                }
            }
            None if text_at(present, "http", key).is_some() => {}
            None if key == "key_file" && text_at(present, "http", "key_credential").is_some() => {}
            None => return Err(format!("with your own certificate {option} is needed")),
        }
    }
    Ok(())
}

fn contact(
    answers: &Answers,
    present: &str,
    found: &Found,
    settings: &mut Vec<Setting>,
) -> Result<(), String> {
    let current = |key| text_at(present, "contact", key).filter(|text| !text.is_empty());
    let name = answers.contact_name.clone().or_else(|| current("name")).or_else(|| found.person.clone());
    let name = name.unwrap_or_else(|| "Administrator".to_owned());
    let email = answers.contact_email.clone().or_else(|| current("email")).or_else(|| found.email.clone());
    let email = email.ok_or("nobody said who helps users: give --contact-email")?;
    for (key, value) in
        [("name", Some(name)), ("email", Some(email)), ("phone", answers.contact_phone.clone())]
    {
        if let Some(value) = value.filter(|value| current(key).as_ref() != Some(value)) {
            settings.push(Setting::new("contact", key, value));
        }
    }
    Ok(())
}

fn mail(
    answers: &Answers,
    present: &str,
    password_path: &str,
    settings: &mut Vec<Setting>,
) -> Result<(), String> {
    let mut set = |key, value: &str| settings.push(Setting::new("mail.smtp", key, value));
    let server = answers.mail_host.as_deref();
    let (host, port) = server.map_or((None, None), |server| {
        let (host, port) = host_and_port(server);
        (Some(if host == "none" { "" } else { host }), port)
    });
    if let Some(host) = host {
        set("host", host);
    }
    let security = answers.mail_security.or_else(|| host.map(|host| usual_security(host, port)));
    if let Some(security) = security {
        set("security", security.name());
    }
    if let Some(username) = &answers.mail_username {
        set("username", username);
        let is_there = |key| text_at(present, "mail.smtp", key).is_some();
        if answers.password()?.is_some() {
            set("password_file", password_path);
            settings.push(Setting::without("mail.smtp", "password_credential"));
        } else if !is_there("password_file") && !is_there("password_credential") {
            return Err(format!(
                "the mail server wants a password for {username:?}: give --mail-password-file, or mail_password in the file of \
                 answers"
            ));
        }
    } else if host.is_some() {
        // Another server knows nothing of the login at the one before.
        set("username", "");
        settings
            .extend(["password_file", "password_credential"].map(|key| Setting::without("mail.smtp", key)));
    }
    if host.is_some() {
        settings.push(Setting::new("mail.smtp", "port", i64::from(port.unwrap_or(0))));
    }
    if let Some(from) = &answers.mail_from {
        settings.push(Setting::new("mail", "from", from.as_str()));
    }
    Ok(())
}

fn usual_security(host: &str, port: Option<u16>) -> MailSecurity {
    match port {
        Some(465) => MailSecurity::Tls,
        Some(_) | None if is_loopback(host) => MailSecurity::None,
        Some(_) | None => MailSecurity::Starttls,
    }
}

/// An IPv6 address stands in brackets.
fn host_and_port(server: &str) -> (&str, Option<u16>) {
    let parts = server.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    match parts.map(|(host, port)| (host, port.parse().ok())) {
        Some((host, Some(port))) => (host, Some(port)),
        // Whatever else it is, the check of the whole says what is wrong with it.
        Some((_, None)) | None => (server, None),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || host.starts_with("127.")
}

fn port_of(url: &str) -> Option<u16> {
    let authority = url.split_once("://")?.1.trim_end_matches('/');
    authority.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests;
