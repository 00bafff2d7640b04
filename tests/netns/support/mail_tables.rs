//! The tables of `postern.toml` for sending through a mail server of the test's.

use postern::config::PasswordSource;

use crate::server::Server;

/// As they stand in the file.
pub(crate) fn mail_tables(server: &Server) -> String {
    let smtp = server.settings();
    let login = smtp.login.unwrap();
    let PasswordSource::File(password) = login.password else { panic!("the password is in a file") };
    format!(
        "\n[mail.smtp]\nhost = \"{}\"\nport = {}\nusername = \"{}\"\npassword_file = \"{}\"\nca_file = \"{}\"\n",
        smtp.host,
        smtp.port,
        login.username,
        password.display(),
        server.authority().display()
    )
}
