//! Speaks with a mail server: one conversation, any number of mails. Every step has its own time limit and its own
//! error, which says what went wrong and whether the server, the configuration or the mail is to blame.

use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::Fault;
use super::mime::Parcel;
use crate::config::{Login, PasswordError, Security, Smtp};

/// Longer answers of a server are cut.
const MOST_ANSWER_CHARS: usize = 300;
/// Both send the password as it is: over TLS that is as good as anything.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// TCP, the greeting, or with implicit TLS the handshake.
    #[error("cannot connect to {server}")]
    Connect {
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: Answer,
    },
    /// Nothing was sent over the unencrypted connection.
    #[error(
        "{server} offers no STARTTLS, which mail.smtp.security = \"starttls\" demands: nothing was sent; if the server \
         speaks TLS from the start use \"tls\""
    )]
    NoStartTls {
        /// Host and port.
        server: String,
    },
    /// Mostly a certificate that is not trusted.
    #[error("cannot encrypt the connection to {server}; mail.smtp.ca_file names an authority of your own")]
    Tls {
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: Answer,
    },
    /// The authorities of `ca_file`.
    #[error("cannot use mail.smtp.ca_file")]
    Authorities(#[source] Answer),
    /// A login is configured.
    #[error("{server} lets nobody log in with a password: leave mail.smtp.username out, or use another port")]
    NoLogin {
        /// Host and port.
        server: String,
    },
    /// Mostly the wrong password.
    #[error("{server} refuses the login as {username:?}")]
    Login {
        /// Host and port.
        server: String,
        /// Of the configuration.
        username: String,
        /// What it said.
        #[source]
        source: Answer,
    },
    /// The password of the configuration.
    #[error("cannot log in")]
    Password(#[from] PasswordError),
    /// The sender is configured, so this is nothing that the mail could be blamed for.
    #[error("{server} takes no mail from this sender (mail.from)")]
    Sender {
        /// Host and port.
        server: String,
        /// What it said.
        #[source]
        source: Answer,
    },
    /// Only some servers take such addresses (RFC 6531); other mails are not affected.
    #[error(
        "{server} takes no mail addresses with letters beyond ASCII (it offers no SMTPUTF8){}",
        if *of_sender { ", and mail.from has such letters" } else { "" }
    )]
    NotInAscii {
        /// Host and port.
        server: String,
        /// Whether it is about the sender, which is every mail's.
        of_sender: bool,
    },
    /// This recipient, or this mail.
    #[error("{server} does not take {what}")]
    Refused {
        /// Host and port.
        server: String,
        /// The recipient or the mail.
        what: &'static str,
        /// Whether it will not do so later either.
        is_final: bool,
        /// What it said.
        #[source]
        source: Answer,
    },
    /// Whether the mail was accepted is not known: it was not confirmed.
    #[error("{server} broke the connection off at {step}")]
    Broken {
        /// Host and port.
        server: String,
        /// What it was about.
        step: &'static str,
        /// How.
        #[source]
        source: Answer,
    },
    /// A step took too long.
    #[error("{server} did not answer within {} s at {step}", limit.as_secs())]
    Slow {
        /// Host and port.
        server: String,
        /// What it was about.
        step: &'static str,
        /// How long it had.
        limit: Duration,
    },
}

/// What a server, or the connection to it, said: on one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Answer(String);

impl SmtpError {
    /// What is to blame.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Connect { .. }
            | Self::NoStartTls { .. }
            | Self::Tls { .. }
            | Self::Authorities(_)
            | Self::NoLogin { .. }
            | Self::Login { .. }
            | Self::Password(_)
            | Self::Sender { .. }
            | Self::NotInAscii { of_sender: true, .. } => Fault::Server,
            Self::Slow { step, .. } if *step == CONNECTING || *step == LOGGING_IN => Fault::Server,
            Self::Refused { is_final: true, .. } | Self::NotInAscii { .. } => Fault::Refused,
            Self::Refused { .. } | Self::Broken { .. } | Self::Slow { .. } => Fault::Mail,
        }
    }
}

impl SmtpError {
    /// Whether the conversation ended where one mail follows the other, so that nothing of the mail was sent.
    pub fn was_before_the_mail(&self) -> bool {
        let (Self::Broken { step, .. } | Self::Refused { what: step, is_final: false, .. }) = self else {
            return false;
        };
        *step == SENDER
    }
}

const SENDER: &str = "the sender";
const CONNECTING: &str = "the greeting";
const LOGGING_IN: &str = "the login";

/// An open conversation with a server that took our login.
pub(super) struct Conversation {
    connection: AsyncSmtpConnection,
    server: String,
    limit: Duration,
}

impl Conversation {
    /// Connects, encrypts and logs in, as configured.
    pub(super) async fn open(smtp: &Smtp) -> Result<Self, SmtpError> {
        let server = format!("{}:{}", smtp.host, smtp.port);
        let hello = ClientId::Domain(smtp.hello_name.clone());
        let tls = || tls(smtp).map_err(|error| SmtpError::Authorities(said(&error)));
        let at_once = if smtp.security == Security::Tls { Some(tls()?) } else { None };
        let host = smtp.host.trim_start_matches('[').trim_end_matches(']');
        let connecting =
            AsyncSmtpConnection::connect_tokio1((host, smtp.port), Some(smtp.timeout), &hello, at_once, None);
        let connection = match timeout(smtp.timeout, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) if error.is_tls() => {
                return Err(SmtpError::Tls { server, source: said(&error) });
            }
            Ok(Err(error)) => return Err(SmtpError::Connect { server, source: said(&error) }),
            Err(_) => return Err(SmtpError::Slow { server, step: CONNECTING, limit: smtp.timeout }),
        };
        let mut conversation = Self { connection, server, limit: smtp.timeout };
        if smtp.security == Security::StartTls {
            conversation.encrypt(tls()?, &hello).await?;
        }
        if let Some(login) = &smtp.login {
            conversation.log_in(login).await?;
        }
        Ok(conversation)
    }

    async fn encrypt(&mut self, tls: TlsParameters, hello: &ClientId) -> Result<(), SmtpError> {
        let server = self.server.clone();
        if !self.connection.can_starttls() {
            return Err(SmtpError::NoStartTls { server });
        }
        match timeout(self.limit, self.connection.starttls(tls, hello)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(SmtpError::Tls { server, source: said(&error) }),
            Err(_) => Err(SmtpError::Slow { server, step: CONNECTING, limit: self.limit }),
        }
    }

    async fn log_in(&mut self, login: &Login) -> Result<(), SmtpError> {
        let server = self.server.clone();
        if self.connection.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
            return Err(SmtpError::NoLogin { server });
        }
        let password = login.password.read()?;
        let credentials = Credentials::new(login.username.clone(), password.to_string());
        match timeout(self.limit, self.connection.auth(&MECHANISMS, &credentials)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let username = login.username.clone();
                Err(SmtpError::Login { server, username, source: said(&error) })
            }
            Err(_) => Err(SmtpError::Slow { server, step: LOGGING_IN, limit: self.limit }),
        }
    }

    /// Hands a mail over; gives the answer with which the server took responsibility for it. After an error the
    /// conversation is of no more use.
    pub(super) async fn send(&mut self, parcel: &Parcel) -> Result<String, SmtpError> {
        let mail = Mail::new(parcel.envelope.from().cloned(), self.parameters(parcel)?);
        let step = self.step(SENDER, |line| Box::pin(line.command(mail))).await;
        if let Err(SmtpError::Refused { server, is_final: true, source, .. }) = step {
            return Err(SmtpError::Sender { server, source });
        }
        step?;
        for recipient in parcel.envelope.to() {
            let recipient = Rcpt::new(recipient.clone(), Vec::new());
            self.step("the recipient", |line| Box::pin(line.command(recipient))).await?;
        }
        self.step("the mail", |line| Box::pin(line.command(Data))).await?;
        let answer = self.step("the mail", |line| Box::pin(line.message(&parcel.bytes))).await?;
        Ok(shortened(&answer.message().collect::<Vec<_>>().join(" ")))
    }

    /// Says goodbye; how the server takes it is its affair.
    pub(super) async fn close(mut self) {
        let _ = timeout(self.limit, self.connection.quit()).await;
    }

    fn parameters(&self, parcel: &Parcel) -> Result<Vec<MailParameter>, SmtpError> {
        let can = |extension| self.connection.server_info().supports_feature(extension);
        let mut parameters = Vec::new();
        let is_beyond = |address: &Address| !address.to_string().is_ascii();
        let of_sender = parcel.envelope.from().is_some_and(is_beyond);
        if of_sender || parcel.envelope.to().iter().any(is_beyond) {
            // Told by the server it would look like a refusal of the sender, and be blamed on all mails.
            if !can(Extension::SmtpUtfEight) {
                return Err(SmtpError::NotInAscii { server: self.server.clone(), of_sender });
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !parcel.bytes.is_ascii() && can(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }

    async fn step<'a>(
        &'a mut self,
        what: &'static str,
        work: impl FnOnce(&'a mut AsyncSmtpConnection) -> Step<'a>,
    ) -> Result<Response, SmtpError> {
        let server = self.server.clone();
        match timeout(self.limit, work(&mut self.connection)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.status().is_some() => {
                Err(SmtpError::Refused { server, what, is_final: error.is_permanent(), source: said(&error) })
            }
            Ok(Err(error)) => Err(SmtpError::Broken { server, step: what, source: said(&error) }),
            Err(_) => Err(SmtpError::Slow { server, step: what, limit: self.limit }),
        }
    }
}

type Step<'a> =
    std::pin::Pin<Box<dyn Future<Output = Result<Response, lettre::transport::smtp::Error>> + Send + 'a>>;

fn tls(smtp: &Smtp) -> Result<TlsParameters, lettre::transport::smtp::Error> {
    let host = smtp.host.trim_start_matches('[').trim_end_matches(']');
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(ca) = &smtp.ca {
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(Certificate::from_pem(ca)?);
    }
    builder.build_rustls()
}

/// lettre's errors tell their causes themselves.
fn said(error: &lettre::transport::smtp::Error) -> Answer {
    Answer(shortened(&error.to_string()))
}

fn shortened(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(MOST_ANSWER_CHARS).collect()
}
