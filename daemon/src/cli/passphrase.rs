//! Passphrases for backups: read from a file, or asked for on the terminal and not shown there.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::{Failure, hidden};
use crate::envelope::{Passphrase, SHORTEST_PASSPHRASE};

/// Bytes; nobody types more.
const LONGEST: u64 = 4096;

/// The one line of a file that nobody else may read; a pipe is good as well.
pub(super) fn of_file(path: &Path) -> Result<Passphrase, Failure> {
    let cannot = |error| Failure::Refused(format!("cannot read {}: {error}", path.display()));
    let file = File::open(path).map_err(cannot)?;
    let found = file.metadata().map_err(cannot)?;
    if found.is_file() && found.permissions().mode() & 0o077 != 0 {
        let path = path.display();
        return Err(Failure::Refused(format!("others may read {path}: run `chmod 600 {path}`")));
    }
    let mut text = Zeroizing::new(String::new());
    let read = file.take(LONGEST + 1).read_to_string(&mut text).map_err(cannot)?;
    if u64::try_from(read).is_ok_and(|read| read > LONGEST) {
        return Err(Failure::Refused(format!("{} is longer than any passphrase", path.display())));
    }
    Ok(Passphrase::new(&text))
}

/// A new one, asked for twice.
pub(super) fn chosen() -> Result<Passphrase, Failure> {
    let first = ask("Passphrase for the backup (not shown)")?;
    long_enough(&first)?;
    if ask("The same again")?.is(&first) {
        return Ok(first);
    }
    Err(Failure::Refused("the two passphrases differ: nothing was written".to_owned()))
}

/// That it takes long to guess.
pub(super) fn long_enough(passphrase: &Passphrase) -> Result<(), Failure> {
    if passphrase.is_long_enough() {
        return Ok(());
    }
    let why = format!(
        "the passphrase is too short: whoever steals a backup can guess for years. Take {SHORTEST_PASSPHRASE} characters or more, \
         five random words for example"
    );
    Err(Failure::Refused(why))
}

/// The one that a backup was made with.
pub(super) fn known() -> Result<Passphrase, Failure> {
    ask("Passphrase of the backup (not shown)")
}

fn ask(question: &str) -> Result<Passphrase, Failure> {
    if !io::stdin().is_terminal() {
        let why = "there is no terminal to ask for the passphrase on: give --passphrase-file FILE";
        return Err(Failure::Refused(why.to_owned()));
    }
    let line = hidden::line(question, &mut io::stdin().lock(), &mut io::stderr())?;
    Ok(Passphrase::new(&line))
}
