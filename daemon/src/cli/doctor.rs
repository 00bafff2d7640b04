//! `postern doctor`: what keeps this gateway from working, each with the command that mends it. It changes nothing, needs
//! no daemon, and says what it was not allowed to look at.

mod certificate;
mod files;
mod finding;
mod firewall;
mod host;
mod network;
mod service;

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::service_user::ServiceUser;
use super::{Cli, Failure};
use crate::config::{Loaded, PasswordError, load_with};
use crate::mail::{SmtpError, courier};

pub(super) use finding::Findings;
use finding::Verdict;
pub(super) use host::uplink;

#[derive(Args)]
pub(super) struct DoctorArgs {
    /// As JSON; the names are stable.
    #[arg(long)]
    json: bool,
}

impl DoctorArgs {
    pub(super) fn perform(&self, cli: &Cli, out: &mut impl Write) -> Result<(), Failure> {
        let findings = examine(cli);
        if self.json {
            let is_healthy = findings.worst() != Verdict::Failure;
            writeln!(out, "{}", json!({ "healthy": is_healthy, "findings": findings.all() }))?;
        } else {
            tell(&findings, out)?;
        }
        match findings.count(Verdict::Failure) {
            0 => Ok(()),
            1 => Err(Failure::Refused("1 thing has to be mended".to_owned())),
            count => Err(Failure::Refused(format!("{count} things have to be mended"))),
        }
    }
}

/// Looks at everything.
pub(super) fn examine(cli: &Cli) -> Findings {
    let mut findings = Findings::default();
    let loaded = configuration(&cli.config, &mut findings);
    let daemon = service::check(cli, &mut findings);
    host::wireguard(loaded.as_ref(), &daemon, &mut findings);
    host::forwarding(loaded.as_ref(), &mut findings);
    uplink(&mut findings);
    host::clock(&mut findings);
    if let Some(loaded) = &loaded {
        network::ports(&loaded.config, &daemon, &mut findings);
        firewall::check(&loaded.config, &mut findings);
        certificate::check(&loaded.config, &daemon, &mut findings);
        network::name(&loaded.config, &mut findings);
        network::mtu(&loaded.config, &mut findings);
        files::secrets(&loaded.config, &mut findings);
        files::disk(&loaded.config.state_dir, &mut findings);
        mail_server(loaded, &mut findings);
    }
    findings
}

/// A line for each, and one for what mends it.
pub(super) fn tell(findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    for finding in findings.all() {
        writeln!(out, "{:<8} {:<13} {}", finding.verdict.name(), finding.check, finding.says)?;
        if let Some(mend) = &finding.mend {
            writeln!(out, "{:<22} mend: {mend}", "")?;
        }
    }
    Ok(())
}

fn configuration(path: &Path, findings: &mut Findings) -> Option<Loaded> {
    if let Err(error) = std::fs::read(path)
        && error.kind() == io::ErrorKind::PermissionDenied
    {
        findings.unseen("configuration", format!("{}: only root may read it", path.display()));
        return None;
    }
    match load_with(path, None) {
        Ok(loaded) => {
            judge(path, &loaded, findings);
            Some(loaded)
        }
        Err(errors) => {
            for problem in &errors.0 {
                let mend = format!("edit {}, or postern setup", problem.file.display());
                findings.failure("configuration", problem.to_string(), mend);
            }
            None
        }
    }
}

/// A configuration that can be loaded.
fn judge(path: &Path, loaded: &Loaded, findings: &mut Findings) {
    // The certificate is looked at by itself.
    let mut warnings =
        loaded.warnings.iter().filter(|warning| warning.key != "http.certificate_file").peekable();
    let problems = loaded.https.iter().filter(|problem| problem.key != "http.certificate_file");
    for problem in problems.clone() {
        let mend = format!("edit {}", problem.file.display());
        findings.failure("configuration", problem.to_string(), mend);
    }
    let is_clean = warnings.peek().is_none() && problems.count() == 0;
    for warning in warnings {
        findings.warning("configuration", warning.to_string(), format!("edit {}", warning.file.display()));
    }
    // What is wrong for root, too, is told of already.
    let objection = loaded.https.is_empty().then(|| ServiceUser::of(path).objection(path, &loaded.config));
    if let Some(objection) = objection.flatten() {
        findings.failure("configuration", objection.says, objection.mend);
    } else if loaded.config.locations.is_empty() {
        let says = "there is no location: nobody gets a tunnel".to_owned();
        findings.warning("configuration", says, "postern location add hq --endpoint HOST".to_owned());
    } else if is_clean {
        findings.ok("configuration", format!("{} is valid", path.display()));
    }
}

/// A conversation without a mail.
fn mail_server(loaded: &Loaded, findings: &mut Findings) {
    let mail = &loaded.config.mail;
    let Some(smtp) = &mail.smtp else {
        if mail.directory.is_some() {
            return findings.ok("mail", "mails are written into a folder".to_owned());
        }
        let says = "no mail is sent: links are printed only".to_owned();
        return findings.warning("mail", says, "postern setup --yes --mail-host HOST".to_owned());
    };
    let server = format!("{}:{}", smtp.host, smtp.port);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return findings.unseen("mail", "no thread is to be had".to_owned()) };
    match runtime.block_on(courier::greet(smtp)) {
        Ok(()) => findings.ok("mail", format!("{server} takes our mails")),
        Err(SmtpError::Password(PasswordError::NoCredentials(_))) => {
            findings.unseen("mail", format!("{server}: its password is a credential of the service alone"));
        }
        Err(error) => {
            let says = postern_gateway::chain(&error);
            findings.failure(
                "mail",
                says,
                "postern setup --yes --mail-host HOST, then postern mail test ADDRESS".to_owned(),
            );
        }
    }
}
