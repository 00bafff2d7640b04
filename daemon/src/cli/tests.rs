//! The command line as a whole.

use clap::CommandFactory as _;

use super::*;

/// Every command below `command`, with its full name.
fn all(command: &clap::Command, name: &str) -> Vec<(String, clap::Command)> {
    let mut found = vec![(name.to_owned(), command.clone())];
    for sub in command.get_subcommands() {
        found.extend(all(sub, &format!("{name} {}", sub.get_name())));
    }
    found
}

#[test]
fn every_command_has_help_with_an_example_of_itself() {
    let mut lacking = Vec::new();
    for (name, command) in all(&Cli::command(), "postern").into_iter().skip(1) {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let after = after.replacen("Examples:", "Example:", 1);
        let example = after.split_once("Example:\n  ").map(|(_, example)| example.to_owned());
        if !example.is_some_and(|example| example.starts_with(&name)) || command.get_about().is_none() {
            lacking.push(name);
        }
    }
    assert_eq!(lacking, Vec::<String>::new());
}

#[test]
fn every_example_that_stands_alone_on_its_line_is_understood() {
    for (name, command) in all(&Cli::command(), "postern").into_iter().skip(1) {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let Some(line) = after.lines().find(|line| line.trim().starts_with(&name)) else { continue };
        let words = line.trim().split(['>', '|']).next().unwrap_or_default();
        // The only quotes are around values with spaces.
        let mut args = Vec::new();
        for (number, part) in words.split('"').enumerate() {
            if number % 2 == 1 {
                args.push(part.to_owned());
            } else {
                args.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        assert!(Cli::try_parse_from(&args).is_ok(), "{args:?}");
    }
}

#[test]
fn the_definition_has_no_conflict() {
    Cli::command().debug_assert();
}
