//! A server of `wg-quick` as the first location: judged before anything is written, taken over by the daemon once it runs.

use std::io::{self, Write};
use std::path::Path;

use serde_json::Value;

use super::answers::Answers;
use crate::cli::reload::Form;
use crate::cli::wg_quick::{ImportArgs, Server, show};
use crate::cli::{Cli, Failure};
use crate::config::edit::LocationKeys;
use crate::config::host_of;
use crate::rules::wg_quick::parse;

/// A file that can be read, and what is wished of it.
pub(super) struct TakeOver {
    server: Server,
    args: ImportArgs,
}

impl TakeOver {
    /// `None`: nobody wishes it, or it was done before.
    pub(super) fn judged(answers: &Answers, url: &str) -> Result<Option<Self>, Failure> {
        let Some(file) = answers.wg_quick.as_deref().filter(|file| !is_done(file)) else { return Ok(None) };
        let said = answers.location_keys();
        let of_the_file = LocationKeys { endpoint: None, routes: None, ..said };
        if of_the_file != LocationKeys::default() {
            let why = "interface, port, subnets and resolvers of a server of wg-quick are those of its file: leave them out, or \
                       change them afterwards with postern location edit";
            return Err(Failure::Refused(why.to_owned()));
        }
        let server = Server::read(file)?;
        parse(&server.text).map_err(|error| {
            let (file, problems) = (file.display(), error.0.join("\n  "));
            Failure::Refused(format!("{file} cannot be taken over, and nothing was changed:\n  {problems}"))
        })?;
        let args = ImportArgs {
            files: Vec::new(),
            endpoint: answers.endpoint.clone().unwrap_or_else(|| host_of(url).to_owned()),
            name: answers.location.clone(),
            routes: answers.routes.clone().unwrap_or_default(),
            host_services: Vec::new(),
            client_to_client: false,
            no_masquerade: false,
            groups: Vec::new(),
            yes: true,
            form: Form { json: false },
        };
        Ok(Some(Self { server, args }))
    }

    /// Shows what will be, and what will not be as it was.
    pub(super) fn show(&self, cli: &Cli, out: &mut impl Write) -> Result<(), Failure> {
        Ok(show(&self.ask(cli, "look")?, out)?)
    }

    /// Does it; what came of it.
    pub(super) fn perform(&self, cli: &Cli, errors: &mut impl Write) -> Result<Value, Failure> {
        let answer = self.ask(cli, "take-over")?;
        self.server.retire(errors)?;
        Ok(answer)
    }

    /// What is typed to do it later.
    pub(super) fn command(&self) -> String {
        let (endpoint, file) = (&self.args.endpoint, self.server.file.display());
        format!("postern import wg-quick --endpoint {endpoint} --yes {file}")
    }

    fn ask(&self, cli: &Cli, deed: &str) -> Result<Value, Failure> {
        self.server.ask(cli, &self.args, deed, &mut io::sink())
    }
}

/// A file of answers may be used again.
fn is_done(file: &Path) -> bool {
    let mut aside = file.as_os_str().to_owned();
    aside.push(".imported");
    !file.exists() && Path::new(&aside).exists()
}
