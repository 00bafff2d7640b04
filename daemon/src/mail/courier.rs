//! Takes letters to where mail goes: a folder, or a mail server, with which it keeps the conversation up between two
//! letters.

use std::path::PathBuf;

use super::mime::{self, Encoding, MimeError, Origin, Parcel};
use super::smtp::{Conversation, SmtpError};
use super::{Fault, Letter, directory};
use crate::config::{Smtp, Transport};

/// Why a letter did not leave.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// It is none.
    #[error(transparent)]
    Mime(#[from] MimeError),
    /// The folder or the file.
    #[error("cannot write a mail into {}", dir.display())]
    Directory {
        /// Which.
        dir: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The mail server.
    #[error(transparent)]
    Smtp(#[from] SmtpError),
}

impl DeliveryError {
    /// What is to blame.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Mime(_) => Fault::Refused,
            Self::Directory { .. } => Fault::Server,
            Self::Smtp(error) => error.fault(),
        }
    }
}

/// Takes one letter after the other.
pub struct Courier {
    transport: Transport,
    conversation: Option<Conversation>,
}

impl Courier {
    /// Nothing is opened before there is a letter.
    pub fn new(transport: Transport) -> Self {
        Self { transport, conversation: None }
    }

    /// Delivers; gives the word with which responsibility for the mail was taken.
    pub async fn deliver(&mut self, letter: &Letter, origin: &Origin<'_>) -> Result<String, DeliveryError> {
        match &self.transport {
            Transport::Directory(dir) => {
                let parcel = mime::parcel(letter, origin, Encoding::Readable)?;
                write(dir.clone(), format!("{}-{}", origin.posted_at.as_second(), origin.row), parcel).await
            }
            Transport::Smtp(smtp) => {
                let parcel = mime::parcel(letter, origin, Encoding::Wire)?;
                let (answer, conversation) = send(smtp, self.conversation.take(), &parcel).await?;
                self.conversation = Some(conversation);
                Ok(answer)
            }
        }
    }

    /// Ends the conversation, if there is one.
    pub async fn close(self) {
        if let Some(conversation) = self.conversation {
            conversation.close().await;
        }
    }
}

/// Connects, encrypts and logs in as for a mail, and sends none.
pub async fn greet(smtp: &Smtp) -> Result<(), SmtpError> {
    Conversation::open(smtp).await?.close().await;
    Ok(())
}

/// Servers end conversations after a while, or after some mails: then another one is begun.
async fn send(
    smtp: &Smtp,
    under_way: Option<Conversation>,
    parcel: &Parcel,
) -> Result<(String, Conversation), SmtpError> {
    if let Some(mut conversation) = under_way {
        match conversation.send(parcel).await {
            Ok(answer) => return Ok((answer, conversation)),
            Err(error) if error.was_before_the_mail() => {}
            Err(error) => return Err(error),
        }
    }
    let mut conversation = Conversation::open(smtp).await?;
    let answer = conversation.send(parcel).await?;
    Ok((answer, conversation))
}

async fn write(dir: PathBuf, name: String, parcel: Parcel) -> Result<String, DeliveryError> {
    let written = {
        let dir = dir.clone();
        tokio::task::spawn_blocking(move || directory::write(&dir, &name, &parcel.bytes)).await
    };
    match written.map_err(std::io::Error::other).and_then(|written| written) {
        Ok(()) => Ok(format!("written into {}", dir.display())),
        Err(source) => Err(DeliveryError::Directory { dir, source }),
    }
}
