//! The binary: logging, and the command line of the library.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // One of the libraries brings another provider along: the choice has to be made before anything speaks TLS. It fails only
    // if it was made before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let quiet = "info,netlink_packet_core=info,netlink_proto=info";
    let filter = EnvFilter::try_from_env("POSTERN_LOG").unwrap_or_else(|_| EnvFilter::new(quiet));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    postern::cli::Cli::parse().run(&mut std::io::stdout(), &mut std::io::stderr())
}
