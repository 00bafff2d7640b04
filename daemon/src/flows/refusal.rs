//! Why an administrator's wish is refused, and what to do about it. Texts and hints go to people.

use std::path::PathBuf;

use postern_gateway::PublicKey;

use crate::rules::names::NameError;
use crate::store::StoreError;

/// See the variants.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A value that is not taken.
    #[error("{value:?} is not accepted")]
    Value {
        /// As typed.
        value: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// No such user.
    #[error("there is no user {0:?}")]
    UnknownUser(String),
    /// No such group.
    #[error("there is no group {0:?}")]
    UnknownGroup(String),
    /// No such device.
    #[error("there is no device {0:?}")]
    UnknownDevice(String),
    /// No such location.
    #[error("there is no location {0:?}")]
    UnknownLocation(String),
    /// Several people have devices of that name.
    #[error("there are several devices called {0:?}")]
    AmbiguousDevice(String),
    /// Somebody else's username.
    #[error("the username {0:?} is taken")]
    UsernameTaken(String),
    /// Somebody else's e-mail address.
    #[error("the e-mail address {0:?} belongs to another user")]
    EmailTaken(String),
    /// Another group's name.
    #[error("there is a group {0:?} already")]
    GroupTaken(String),
    /// Another device's name.
    #[error("there is a device {0:?} already")]
    DeviceTaken(String),
    /// Another administrator's Unix account.
    #[error("the Unix account {0} belongs to another administrator")]
    UidTaken(u32),
    /// A Unix account of somebody who is not an administrator.
    #[error("{0:?} is not an administrator")]
    NotAdministrator(String),
    /// Not an account of this host.
    #[error("there is no Unix account {0:?} on this host")]
    UnknownUnixAccount(String),
    /// A person's device.
    #[error("the device {0:?} is a person's, not a machine")]
    NotMachine(String),
    /// A machine with a token.
    #[error("the machine {0:?} was not taken over from wg-quick")]
    NotTakenOver(String),
    /// A machine without one.
    #[error("the machine {0:?} was taken over with addresses of its own: it does not enroll")]
    TakenOver(String),
    /// A person has as many devices as people may have.
    #[error("{username:?} may have {limit} devices, and no more")]
    DeviceLimit {
        /// Who.
        username: String,
        /// How many.
        limit: u32,
    },
    /// Every address is taken.
    #[error("the location {0:?} has no free address")]
    PoolExhausted(String),
    /// No machine gets in there.
    #[error("the location {0:?} asks for a second factor, which no machine can give")]
    SecondFactor(String),
    /// The account is disabled.
    #[error("the account {0:?} is disabled")]
    Disabled(String),
    /// Already enrolled.
    #[error("{0:?} has enrolled already")]
    Enrolled(String),
    /// Not yet enrolled.
    #[error("{0:?} has not finished enrolling")]
    NotEnrolled(String),
    /// The last administrator.
    #[error("{0:?} is the only active administrator")]
    LastAdministrator(String),
    /// A location's configuration names the group.
    #[error("the group {group:?} is named by the location {location:?}")]
    GroupInUse {
        /// Which.
        group: String,
        /// Where.
        location: String,
    },
    /// An application names the group.
    #[error("the group {group:?} is named by the application {app:?}")]
    GroupOfApp {
        /// Which.
        group: String,
        /// By which.
        app: String,
    },
    /// No such application.
    #[error("there is no application {0:?}")]
    UnknownApp(String),
    /// Another application's name.
    #[error("there is an application {0:?} already")]
    AppTaken(String),
    /// Nowhere to send people back to.
    #[error(
        "an application has 1 to 20 addresses to send people back to, and at most 20 for after signing out"
    )]
    AppUris,
    /// A public client.
    #[error("the application {0:?} is public: it keeps no secret")]
    PublicApp(String),
    /// Another location's name.
    #[error("there is a location {0:?} already")]
    LocationTaken(String),
    /// Another location's file.
    #[error("there is a file {} already", .0.display())]
    LocationFileTaken(PathBuf),
    /// Nothing could be chosen for a new location.
    #[error("no free {0} was found")]
    NothingFree(&'static str),
    /// Machines live on the location and nowhere else.
    #[error("machines belong to the location {location:?}: {}", machines.join(", "))]
    LocationHasMachines {
        /// Which.
        location: String,
        /// Their names.
        machines: Vec<String>,
    },
    /// Nothing to change was given.
    #[error("nothing to change was given")]
    NothingToChange,
    /// The time a token is good.
    #[error("a token is good for at least one minute and at most 30 days")]
    Ttl,
    /// An address was given, and no way to send.
    #[error("no mail is sent from here: the configuration has no mail transport")]
    NoMail,
    /// No such message in the outbox.
    #[error("there is no mail {0}")]
    UnknownMail(i64),
    /// Out of our hands.
    #[error("mail {0} was sent already")]
    MailSent(i64),
    /// What keeps a server of `wg-quick` from being taken over.
    #[error("this server cannot be taken over: {}", .0.join("; "))]
    Takeover(Vec<String>),
    /// A location of that name was there before, and machines of it still are.
    #[error("machines of a former location {location:?} are still there: {}", machines.join(", "))]
    FormerMachines {
        /// Which.
        location: String,
        /// Their names.
        machines: Vec<String>,
    },
    /// Another device's key.
    #[error("the key {key} is registered: it is the device {device:?}'s")]
    KeyInUse {
        /// Which.
        key: PublicKey,
        /// Whose.
        device: String,
    },
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// What to do next.
    #[expect(clippy::too_many_lines, reason = "a table: one arm for each refusal")]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Value { .. } => "correct it and try again",
            Self::UnknownUser(_) => "`postern user list` shows who there is",
            Self::UnknownGroup(group) => {
                return Some(format!(
                    "`postern group list` shows the groups; `postern group create {group}` makes one"
                ));
            }
            Self::UnknownDevice(_) => "`postern device list` shows what there is",
            Self::UnknownLocation(_) => "`postern location list` shows what there is",
            Self::AmbiguousDevice(_) => "give the number that `postern device list` shows",
            Self::UsernameTaken(_) => "choose another, or use `postern user reinvite`",
            Self::EmailTaken(_) | Self::UidTaken(_) => "`postern user list` shows whose it is",
            Self::GroupTaken(_) | Self::DeviceTaken(_) => "choose another name",
            Self::NotAdministrator(user) => {
                return Some(format!("`postern user edit {user} --admin true` makes them one"));
            }
            Self::UnknownUnixAccount(_) => {
                "give the name or the number of an account that `getent passwd` shows"
            }
            Self::NotMachine(_) => {
                "`postern user activate-client` gives a person a token for a further device"
            }
            Self::NotTakenOver(_) => "invite the person, who registers the device anew",
            Self::TakenOver(_) => {
                "its configuration stays good; to change its key, remove it and add a machine"
            }
            Self::DeviceLimit { .. } => {
                "remove one of theirs, raise limit in [devices] of the configuration, or give --beyond-limit"
            }
            Self::PoolExhausted(_) => {
                "remove devices that nobody uses (`postern device list`), or give the location a larger subnet"
            }
            Self::SecondFactor(_) => "choose another location (`postern location list`)",
            Self::Disabled(user) => return Some(format!("`postern user enable {user}` first")),
            Self::Enrolled(user) => {
                return Some(format!(
                    "`postern user activate-client {user}` gives a token for a desktop client"
                ));
            }
            Self::NotEnrolled(user) => {
                return Some(format!("`postern user reinvite {user}` gives a fresh link"));
            }
            Self::LastAdministrator(_) => "make somebody else an administrator first",
            Self::GroupInUse { .. } => "take it out of the location's file and run `postern reload` first",
            Self::GroupOfApp { app, .. } => {
                return Some(format!("`postern app edit {app:?} --group GROUP` names others first"));
            }
            Self::UnknownApp(_) => "`postern app list` shows what there is",
            Self::AppTaken(app) => {
                return Some(format!("choose another name; `postern app edit {app:?}` changes it"));
            }
            Self::AppUris => "give them with --redirect-uri and --post-logout-uri",
            Self::PublicApp(_) => "remove it and add it without --public if it can keep one",
            Self::LocationTaken(location) => {
                return Some(format!("choose another name; `postern location edit {location}` changes it"));
            }
            Self::LocationFileTaken(_) => "choose another name, or move that file away",
            Self::NothingFree(_) => "choose one; `--help` shows the option",
            Self::LocationHasMachines { .. } => {
                "`postern device remove` removes them one by one, `--force` all of them with the location"
            }
            Self::NothingToChange => "`--help` shows what can be changed",
            Self::Ttl => "give it as 24h, 90m or 7d",
            Self::NoMail => {
                "set one up in [mail] of the configuration; without one, hand links over yourself"
            }
            Self::UnknownMail(_) => "`postern mail list --all` shows what there is",
            Self::MailSent(_) => "`postern mail list` shows what can be tried again",
            Self::Takeover(_) => "correct the file, or take its peers in one by one; nothing was changed",
            Self::FormerMachines { .. } => {
                "`postern device remove` removes them one by one; nothing was changed"
            }
            Self::KeyInUse { .. } => "`postern device remove` removes it; nothing was changed",
            Self::Store(_) => "nothing was changed; `postern status` says what is wrong with the database",
        };
        Some(text.to_owned())
    }

    /// Wraps what [`crate::rules::names`] says about `value`.
    pub(super) fn value(value: &str) -> impl FnOnce(NameError) -> Self {
        let value = value.to_owned();
        move |source| Self::Value { value, source }
    }
}
