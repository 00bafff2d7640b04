//! A line that is typed on the terminal and not shown there.

use std::io::{self, BufRead, Write};
use std::os::fd::AsFd as _;

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// Asks for a line of `input`, which is standard input; without its end. Where the input has ended there is none.
pub(super) fn line(
    question: &str,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> io::Result<Zeroizing<String>> {
    // Before the question: what is typed or pasted as soon as it is read would be shown.
    let hidden = Hidden::start()?;
    write!(output, "{question}: ")?;
    output.flush()?;
    let mut line = Zeroizing::new(String::new());
    let read = input.read_line(&mut line);
    drop(hidden);
    writeln!(output)?;
    if read? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the input ended"));
    }
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

/// Standard input's terminal shows nothing that is typed, until this is dropped.
struct Hidden(Option<Termios>);

impl Hidden {
    /// Without a terminal there is nothing to hide.
    fn start() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(stdin.as_fd()).ok();
        if let Some(mut hidden) = before.clone() {
            hidden.local_flags.remove(LocalFlags::ECHO);
            // Not TCSAFLUSH: answers that were pasted together would be lost.
            tcsetattr(stdin.as_fd(), SetArg::TCSADRAIN, &hidden)?;
        }
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // A terminal that is gone shows nothing either.
            let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSADRAIN, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_end_and_the_end_of_the_input_is_no_line() {
        let asked = |input: &str| line("Word", &mut input.as_bytes(), &mut Vec::new());
        assert_eq!(*asked(" two words \r\nmore").unwrap(), " two words ");
        assert_eq!(*asked("\n").unwrap(), "");
        assert_eq!(asked("").unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
