//! What somebody who starts the daemon by hand is told, on standard output: where it listens, which WireGuard each
//! location has, and what to type next. Never printed into the journal, because the first start's token is in it.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use postern_gateway::BackendKind;

use crate::applied::Applied;
use crate::config::Transport;
use crate::flows::first_admin::FIRST_ADMIN;
use crate::rules::token::Token;
use crate::site::{Site, SiteLocation};

/// How far the first administrator is.
pub(super) enum FirstAdmin {
    /// Just made, with this token.
    Invited(Token),
    /// Invited at an earlier start, and not enrolled: this username.
    Waiting(String),
    /// Somebody administers.
    Enrolled,
}

/// Prints the greeting; `command` is how the program was called.
pub(super) fn greet(site: &Site, applied: &Applied, first: &FirstAdmin, command: &str) -> io::Result<()> {
    io::stdout().lock().write_all(greeting(site, applied, first, command).as_bytes())
}

fn greeting(site: &Site, applied: &Applied, first: &FirstAdmin, command: &str) -> String {
    let mut text = format!("\npostern {} is running\n", env!("CARGO_PKG_VERSION"));
    let listening: Vec<String> = site.config.http.listen.iter().map(ToString::to_string).collect();
    line(&mut text, "HTTP", &format!("{} (listening on {})", site.config.public_url, listening.join(", ")));
    for location in site.locations() {
        line(&mut text, "location", &of_location(location, applied));
    }
    let mail = match site.config.mail.transport() {
        Some(Transport::Directory(directory)) => format!("written to {}", directory.display()),
        Some(Transport::Smtp(smtp)) => format!("sent by {}:{}", smtp.host, smtp.port),
        None => "none is sent: links are printed".to_owned(),
    };
    line(&mut text, "mail", &mail);
    invite(&mut text, site, first, command);
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\nType next:\n  {command} status\n  {command} user invite ann --first-name Ann --last-name Example \
         --email ann@example.com\n"
    );
    text
}

fn invite(text: &mut String, site: &Site, first: &FirstAdmin, command: &str) {
    // Writing to a string cannot fail.
    match first {
        FirstAdmin::Invited(token) => {
            let (url, token) = (&site.config.public_url, token.expose());
            let hours = site.config.enrollment.token_ttl.as_secs() / 3600;
            let _ = writeln!(text, "\nEnroll yourself first, as {FIRST_ADMIN}, within {hours} hours:");
            line(text, "link", &format!("{url}?token={token}"));
            let _ = writeln!(text, "or in the Defguard desktop client, Add instance:");
            line(text, "URL", url);
            line(text, "token", token);
        }
        FirstAdmin::Waiting(username) => {
            let _ = writeln!(text, "\nNo administrator has enrolled yet; a fresh link:");
            let _ = writeln!(text, "  {command} user reinvite {username}");
        }
        FirstAdmin::Enrolled => {}
    }
}

fn of_location(location: &SiteLocation, applied: &Applied) -> String {
    let config = &location.config;
    let kind = match location.backend {
        BackendKind::Kernel => "kernel WireGuard",
        BackendKind::Userspace => "userspace WireGuard: its tunnels end with this process",
    };
    let mut text =
        format!("{}: {} on UDP {}, {kind}", config.name, config.interface.as_str(), config.listen_port.get());
    let failing = applied.locations.get(&location.id).and_then(|state| state.failing.as_ref());
    if let Some(failing) = failing {
        let _ = write!(text, "\n            FAILING: {failing}");
    }
    text
}

fn line(text: &mut String, label: &str, value: &str) {
    let _ = writeln!(text, "  {label:<9} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applied::LocationState;
    use crate::fixtures::a_site;
    use crate::rules::ids::LocationId;
    use crate::store::Store;

    #[test]
    fn a_first_start_says_where_what_and_what_next() {
        let site = a_site(&Store::in_memory().unwrap());
        let broken = LocationState {
            failing: Some("the name is taken".to_owned()),
            ..LocationState::new(BackendKind::Kernel)
        };
        let applied = Applied { locations: [(LocationId(2), broken)].into(), ..Applied::default() };
        let shown = greeting(
            &site,
            &applied,
            &FirstAdmin::Invited(Token::presented("T0K3N")),
            "postern --config x.toml",
        );
        insta::assert_snapshot!(shown, @r"
        postern 0.1.0 is running
          HTTP      https://vpn.example.com/ (listening on )
          location  hq: wg-hq on UDP 51821, kernel WireGuard
          location  lab: wg-lab on UDP 51822, kernel WireGuard
                    FAILING: the name is taken
          mail      none is sent: links are printed

        Enroll yourself first, as admin, within 24 hours:
          link      https://vpn.example.com/?token=T0K3N
        or in the Defguard desktop client, Add instance:
          URL       https://vpn.example.com/
          token     T0K3N

        Type next:
          postern --config x.toml status
          postern --config x.toml user invite ann --first-name Ann --last-name Example --email ann@example.com
        ");
    }

    #[test]
    fn later_starts_show_no_token_but_how_to_get_one_while_nobody_administers() {
        let site = a_site(&Store::in_memory().unwrap());
        let shown = |first| greeting(&site, &Applied::default(), &first, "postern");
        let waiting = shown(FirstAdmin::Waiting("admin".to_owned()));
        assert!(waiting.contains("postern user reinvite admin") && !waiting.contains("token"), "{waiting}");
        assert!(!shown(FirstAdmin::Enrolled).contains("reinvite"));
    }
}
