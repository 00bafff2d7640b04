//! What ships beside the binary: shell completions and man pages, made from the command line's own definition.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;

pub(super) fn completions(shell: Shell, out: &mut impl Write) -> io::Result<()> {
    // Made in memory: the generator panics when its output is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "postern", &mut script);
    out.write_all(&script)
}

/// One page for each command: `postern.1`, `postern-user.1`, `postern-user-invite.1`, …
pub(super) fn pages(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    clap_mangen::generate_to(Cli::command(), dir)
}
