//! The command line.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use postern_gateway::chain;

use crate::app;
use crate::config::load;

/// A WireGuard gateway daemon with its own enrollment.
#[derive(Parser)]
#[command(name = "postern", version, arg_required_else_help = true)]
pub struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/postern/postern.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon.
    ///
    /// SIGHUP reloads the configuration; SIGTERM ends the daemon and leaves every kernel interface up.
    #[command(after_help = "Example:\n  postern run --config /etc/postern/postern.toml")]
    Run,
    /// Check the configuration files and say everything that is wrong with them.
    #[command(after_help = "Example:\n  postern check-config --config ./postern.toml")]
    CheckConfig,
}

impl Cli {
    /// Does what was asked; 0 for success, 1 for a refusal, which is told on `errors`.
    pub fn run(self, out: &mut impl Write, errors: &mut impl Write) -> ExitCode {
        let done = match self.command {
            Command::Run => app::run(&self.config).map_err(|error| chain(&error)),
            Command::CheckConfig => {
                load(&self.config).map_err(|error| error.to_string()).and_then(|config| {
                    let names: Vec<&str> = config.locations.keys().map(String::as_str).collect();
                    let told =
                        writeln!(out, "{} is valid; locations: {}", self.config.display(), names.join(", "));
                    told.map_err(|error| error.to_string())
                })
            }
        };
        let Err(text) = done else { return ExitCode::SUCCESS };
        // Where errors cannot be told either, the exit status still is.
        let _ = writeln!(errors, "postern: {text}");
        ExitCode::FAILURE
    }
}
