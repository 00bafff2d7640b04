//! The mail server's settings: what is taken, and every way they can be wrong.

use super::*;
use crate::config::{Loaded, load_with};

/// Loads a configuration whose `[mail]` is `mail`, beside these files, each with a mode.
fn loaded(mail: &str, files: &[(&str, u32, &str)]) -> Result<Loaded, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, mode, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
    }
    let path = dir.path().join("postern.toml");
    let text = format!(
        "public_url = \"https://vpn.example.com:8443\"\nlocations_dir = \"locations.d\"\n[contact]\nname = \"Ada\"\n\
         email = \"ada@example.com\"\n[mail]\ntemplates_dir = \"texts\"\n{mail}"
    );
    fs::write(&path, text).unwrap();
    load_with(&path, None).map_err(|errors| errors.to_string())
}

fn smtp_of(mail: &str, files: &[(&str, u32, &str)]) -> Smtp {
    loaded(mail, files).unwrap().config.mail.smtp.unwrap()
}

#[test]
fn a_host_is_enough_and_ports_follow_the_encryption() {
    let smtp = smtp_of("[mail.smtp]\nhost = \"mail.example.com\"", &[]);
    assert_eq!((smtp.security, smtp.port, smtp.login), (Security::StartTls, 587, None));
    assert_eq!(smtp.hello_name, "vpn.example.com");
    for (security, port) in [("starttls", 587), ("tls", 465), ("none", 25)] {
        let smtp = smtp_of(&format!("[mail.smtp]\nhost = \"m\"\nsecurity = \"{security}\""), &[]);
        assert_eq!(smtp.port, port, "{security}");
    }
    assert_eq!(smtp_of("[mail.smtp]\nhost = \"m\"\nport = 2525", &[]).port, 2525);
}

#[test]
fn a_password_is_the_one_line_of_a_file_for_its_owner_alone() {
    let login = "[mail.smtp]\nhost = \"m\"\nusername = \"u\"\npassword_file = \"secret\"";
    assert!(loaded(login, &[("secret", 0o600, "hunter22\n")]).is_ok());
    for (mode, text, said) in [
        (0o640, "hunter22\n", "may be read by others than its owner: chmod 0600 it"),
        (0o600, "", "holds no password"),
        (0o600, "\n", "holds no password"),
        (0o600, "one\ntwo\n", "holds no password"),
        (0o600, &"x".repeat(5000), "holds no password"),
    ] {
        let wrong = loaded(login, &[("secret", mode, text)]).unwrap_err();
        assert!(wrong.contains("mail.smtp.password_file: ") && wrong.contains(said), "{wrong}");
    }
    let missing = loaded(login, &[]).unwrap_err();
    assert!(missing.contains("mail.smtp.password_file: cannot read"), "{missing}");
}

#[test]
fn every_mistake_is_named_with_its_key() {
    for (lines, said) in [
        ("host = \"https://m\"", "mail.smtp.host: \"https://m\" is not a host"),
        ("host = \"m\"\nusername = \"u\"", "mail.smtp.username: needs a password"),
        ("host = \"m\"\npassword_credential = \"p\"", "mail.smtp.username: is missing"),
        (
            "host = \"m\"\nusername = \"u\"\npassword_credential = \"../p\"",
            "mail.smtp.password_credential: \"../p\" is not the name of a credential",
        ),
        (
            "host = \"m\"\nusername = \"u\"\npassword_file = \"a\"\npassword_credential = \"b\"",
            "mail.smtp.password_credential: there is a password_file too",
        ),
        ("host = \"m\"\nca_file = \"postern.toml\"", "mail.smtp.ca_file: "),
        ("host = \"m\"\ntimeout = \"0s\"", "mail.smtp.timeout: \"0s\" is not a length of time"),
        ("host = \"m\"\nsecurity = \"ssl\"", "mail.smtp.security: "),
    ] {
        let wrong = loaded(&format!("[mail.smtp]\n{lines}"), &[]).unwrap_err();
        assert!(wrong.contains(said), "{lines}: {wrong}");
    }
    let both = loaded("directory = \"mails\"\n[mail.smtp]\nhost = \"m\"", &[]).unwrap_err();
    assert!(both.contains("mail.directory: mail goes to one place only"), "{both}");
}

#[test]
fn a_password_in_the_clear_and_an_unknown_variable_are_only_warned_of() {
    let login =
        "[mail.smtp]\nhost = \"m\"\nsecurity = \"none\"\nusername = \"u\"\npassword_credential = \"p\"";
    let files = [("texts/final.md", 0o644, "Hi {{ frist_name }}")];
    let warnings: Vec<String> =
        loaded(login, &files).unwrap().warnings.iter().map(ToString::to_string).collect();
    assert!(warnings[0].contains("texts/final.md: there is no variable \"frist_name\""), "{warnings:?}");
    assert!(warnings[1].contains("mail.smtp.security: the password is sent unencrypted"), "{warnings:?}");
}

#[test]
fn a_text_that_cannot_be_used_is_refused_with_its_file_and_line() {
    for (text, said) in [
        ("Hi\n{% if first_name %}", "texts/final.md: line 2: syntax error"),
        (&"x".repeat(5 * 1024 * 1024), "texts/final.md: is larger than 256 KiB"),
    ] {
        let wrong = loaded("", &[("texts/final.md", 0o644, text)]).unwrap_err();
        assert!(wrong.contains(said), "{wrong}");
    }
}
