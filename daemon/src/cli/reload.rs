//! `postern reload`, and how commands tell what came of a changed configuration.

use std::io::{self, BufWriter, Write};

use clap::Args;
use hyper::Method;
use serde_json::{Value, json};

use super::client::AskError;
use super::text::in_force;
use super::{Cli, Failure};

/// Answers are written in pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;

#[derive(Args)]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    form: Form,
}

/// How the answer is shown.
#[derive(Args)]
pub(super) struct Form {
    /// As JSON, a refusal too.
    #[arg(long)]
    pub(super) json: bool,
}

impl ReloadArgs {
    pub(super) fn perform(
        &self,
        cli: &Cli,
        out: &mut impl Write,
        errors: &mut impl Write,
    ) -> Result<(), Failure> {
        let done = |_: &Value| "the configuration is in force".to_owned();
        self.form.apply(cli, (Method::POST, "/reload"), &json!({}), done, (out, errors))
    }
}

impl Form {
    /// Asks the daemon.
    pub(super) fn ask(
        &self,
        cli: &Cli,
        (method, path): (Method, &str),
        body: &Value,
        out: &mut impl Write,
    ) -> Result<Value, Failure> {
        let answer = cli.ask(method, path, body);
        if let Err(Failure::Ask(AskError::Refused { answer, .. })) = &answer
            && self.json
        {
            writeln!(out, "{answer}")?;
        }
        answer
    }

    /// Has the daemon change the configuration, shows what came of it, and warns of what is not in force.
    pub(super) fn apply(
        &self,
        cli: &Cli,
        request: (Method, &str),
        body: &Value,
        to_people: impl FnOnce(&Value) -> String,
        (out, errors): (&mut impl Write, &mut impl Write),
    ) -> Result<(), Failure> {
        let answer = self.ask(cli, request, body, out)?;
        self.show(&answer, &to_people(&answer), out)?;
        warn(&answer, errors)
    }

    /// Shows the answer, or what it says to people.
    pub(super) fn show(&self, answer: &Value, to_people: &str, out: &mut impl Write) -> io::Result<()> {
        self.tell(answer, out, |out| writeln!(out, "{to_people}"))
    }

    /// Shows the answer, or has `to_people` write it. All of it is written when this returns.
    pub(super) fn tell<W: Write>(
        &self,
        answer: &Value,
        out: &mut W,
        to_people: impl FnOnce(&mut BufWriter<&mut W>) -> io::Result<()>,
    ) -> io::Result<()> {
        // Standard output takes a line, or a kilobyte, at a time: thousands of calls for a list of thousands of users.
        let mut out = BufWriter::with_capacity(PIECE_BYTES, out);
        if self.json {
            writeln!(out, "{answer}")?;
        } else {
            to_people(&mut out)?;
        }
        out.flush()
    }
}

/// Tells what of a change is not in force, and fails where the gateway does not follow.
pub(super) fn warn(answer: &Value, errors: &mut impl Write) -> Result<(), Failure> {
    let list = |key: &str| answer.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    for key in list("needs_restart").iter().filter_map(Value::as_str) {
        writeln!(errors, "postern: warning: {key} was changed: restart postern to put that into force")?;
    }
    for warning in list("warnings").iter().filter_map(Value::as_str) {
        writeln!(errors, "postern: warning: {warning}")?;
    }
    for name in list("cut_off").iter().filter_map(Value::as_str) {
        writeln!(
            errors,
            "postern: warning: clients of {name} are cut off until they have fetched their configuration again; files \
             and QR codes have to be made anew"
        )?;
    }
    for failure in &list("failing") {
        let place =
            text(failure, "location").map_or("the gateway".to_owned(), |name| format!("location {name}"));
        let reason = text(failure, "reason").unwrap_or_default();
        writeln!(errors, "postern: warning: {place} is failing, and tried again: {reason}")?;
    }
    in_force(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that counts how often it is written to.
    #[derive(Default)]
    struct Counting {
        written: Vec<u8>,
        calls: usize,
    }

    impl Write for Counting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            self.written.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_long_answer_is_written_in_few_pieces() {
        let names: Vec<Value> = (0..20_000).map(|number| json!(format!("user{number}"))).collect();
        let answer = Value::from(names);
        for form in [Form { json: true }, Form { json: false }] {
            let mut out = Counting::default();
            let told = form.tell(&answer, &mut out, |out| {
                answer.as_array().into_iter().flatten().try_for_each(|name| writeln!(out, "{name}"))
            });
            told.unwrap();
            assert!(out.written.ends_with(if form.json { b"\"user19999\"]\n" } else { b"\"user19999\"\n" }));
            assert!(out.calls <= out.written.len() / PIECE_BYTES + 2, "{} calls", out.calls);
        }
    }
}
