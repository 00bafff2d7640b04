//! The binary: the command line of the library.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    // One of the libraries brings another provider along: the choice has to be made before anything speaks TLS. It fails only
    // if it was made before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    postern::cli::Cli::parse().run(&mut std::io::stdout(), &mut std::io::stderr())
}
