//! What ships beside the binary: shell completions and man pages, made from the command line's own definition and from the
//! documented configuration files, so that neither can say something else than the program does.

mod reference;

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;

/// What no definition of a command says: files, signals, environment, examples.
const MORE_OF_POSTERN: &str = include_str!("../../templates/man/postern.1");

const CONFIGURATION: &str = include_str!("../../../config/postern.toml");
const LOCATION: &str = include_str!("../../../config/locations.d/example.toml.sample");

pub(super) fn completions(shell: Shell, out: &mut impl Write) -> io::Result<()> {
    // Made in memory: the generator panics when its output is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "postern", &mut script);
    out.write_all(&script)
}

/// One page for each command: `postern.1`, `postern-user.1`, `postern-user-invite.1`, …, and `postern.toml.5`.
pub(super) fn pages(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    clap_mangen::generate_to(Cli::command(), dir)?;
    for page in fs::read_dir(dir)? {
        let page = page?;
        let name = page.file_name().into_string().unwrap_or_default();
        if name.starts_with("postern") && name.ends_with(".1") {
            fs::write(page.path(), titled(&fs::read_to_string(page.path())?))?;
        }
    }
    let mut page = fs::OpenOptions::new().append(true).open(dir.join("postern.1"))?;
    page.write_all(MORE_OF_POSTERN.as_bytes())?;
    fs::write(dir.join("postern.toml.5"), reference::page(CONFIGURATION, LOCATION))
}

/// What stands below a command's options, under the titles that man pages give it instead of the generator's one.
fn titled(page: &str) -> String {
    [
        (".SH EXTRA\nExit status:\n", ".SH \"EXIT STATUS\"\n.nf\n"),
        (".SH EXTRA\nExample:\n", ".SH EXAMPLES\n.nf\n"),
        (".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n.nf\n"),
        (".SH EXTRA\n", ".SH NOTES\n"),
        ("\nJSON:\n", "\n.fi\n.SH JSON\n.nf\n"),
        ("\nJSON: ", "\n.fi\n.SH JSON\n"),
    ]
    .iter()
    .fold(page.to_owned(), |page, (generated, title)| page.replace(generated, title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_the_configuration_have_a_page() {
        let dir = tempfile::tempdir().unwrap();
        pages(dir.path()).unwrap();
        let page = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(page("postern-user-invite.1").contains(".TH"));
        let show = page("postern-app-show.1");
        assert!(show.contains(".SH EXAMPLES\n") && show.contains(".SH JSON\n"), "{show}");
        for file in fs::read_dir(dir.path()).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            assert!(!text.contains(".SH EXTRA"), "{text}");
        }
        assert!(page("postern.toml.5").contains(".TH postern.toml 5"));
        let main = page("postern.1");
        for section in [
            "SUBCOMMANDS",
            "EXIT STATUS",
            "FILES",
            "SIGNING IN",
            "APPLICATIONS",
            "SIGNALS",
            "ENVIRONMENT",
            "EXAMPLES",
            "SEE ALSO",
        ] {
            assert!(
                main.contains(&format!(".SH {section}")) || main.contains(&format!(".SH \"{section}\"")),
                "{section}"
            );
        }
    }
}
