//! Numbers that name rows, one type each, so that none is taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A person's account.
    UserId
}
id! {
    /// A group of users.
    GroupId
}
id! {
    /// One key pair of somebody, or a machine.
    DeviceId
}
id! {
    /// A location's stable number: kept for a name for ever, and the clients' `network_id`.
    LocationId
}
id! {
    /// An issued token and, once started, its session.
    EnrollmentId
}
id! {
    /// A token with which somebody sets another password.
    ResetId
}
id! {
    /// Somebody signed in, in one browser.
    SessionId
}
id! {
    /// What signs its owner in without a password.
    PasskeyId
}
id! {
    /// An application that users sign in to.
    AppId
}
id! {
    /// One sign-in to an application.
    GrantId
}
id! {
    /// A code that is mailed to who signs in or connects.
    CodeId
}
