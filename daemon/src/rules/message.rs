//! What we tell people. A message names rows and holds no secret: tokens are derived again when it is delivered.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::ids::{CodeId, EnrollmentId, ResetId, UserId};
use super::second_factor::Factor;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Which message: its texts are in a folder of this name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $variant,)*
        }

        impl Kind {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As stored, shown and written in paths.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// See [`Message::Invitation`].
    Invitation = "invitation",
    /// See [`Message::Activation`].
    Activation = "activation",
    /// See [`Message::Welcome`].
    Welcome = "welcome",
    /// See [`Message::PasswordReset`].
    PasswordReset = "password_reset",
    /// See [`Message::PasswordChanged`].
    PasswordChanged = "password_changed",
    /// See [`PasskeyEvent::Added`].
    PasskeyAdded = "passkey_added",
    /// See [`PasskeyEvent::Removed`].
    PasskeyRemoved = "passkey_removed",
    /// See [`PasskeyEvent::Copied`].
    PasskeyCopied = "passkey_copied",
    /// See [`Message::DeviceAdded`].
    DeviceAdded = "device_added",
    /// See [`Message::DeviceRekeyed`].
    DeviceRekeyed = "device_rekeyed",
    /// See [`Message::DeviceRemoved`].
    DeviceRemoved = "device_removed",
    /// See [`Message::EnrollmentFinished`].
    EnrollmentFinished = "enrollment_finished",
    /// See [`Message::EnrollmentExpired`].
    EnrollmentExpired = "enrollment_expired",
    /// See [`Message::LocationFull`].
    LocationFull = "location_full",
    /// See [`Message::CertificateFailing`].
    CertificateFailing = "certificate_failing",
    /// See [`Message::DeviceAbandoned`].
    DeviceAbandoned = "device_abandoned",
    /// See [`Message::NewLinkWanted`].
    NewLinkWanted = "new_link_wanted",
    /// See [`Message::ConnectCode`].
    ConnectCode = "connect_code",
    /// See [`Message::SecondFactorSet`].
    SecondFactorSet = "second_factor_set",
    /// See [`Message::SecondFactorRemoved`].
    SecondFactorRemoved = "second_factor_removed",
    /// See [`Message::RecoveryCodeUsed`].
    RecoveryCodeUsed = "recovery_code_used",
    /// See [`Message::EmailCode`].
    EmailCode = "email_code",
    /// What an administrator sends to see whether mail arrives; never in the outbox.
    Test = "test",
}

/// What happened to a passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasskeyEvent {
    /// The account has one more.
    Added,
    /// The account has one less.
    Removed,
    /// Somebody may have a copy of it; it signs nobody in any more.
    Copied,
}

/// A mail to be, as the outbox stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// Everything a new user needs to begin (protocol 3.12).
    Invitation {
        /// Whose token.
        enrollment: EnrollmentId,
        /// Instead of the account's address.
        send_to: Option<String>,
    },
    /// A token for one more desktop client (protocol 3.12).
    Activation {
        /// Whose token.
        enrollment: EnrollmentId,
        /// Instead of the account's address.
        send_to: Option<String>,
    },
    /// The onboarding text, once the account has its password and a device that is live.
    Welcome {
        /// Whose.
        user: UserId,
    },
    /// Not a mail yet: somebody says that they forgot the password of an address. It becomes a
    /// [`Message::PasswordReset`], or nothing, when it is its turn: nobody who waits for an answer learns which.
    PasswordForgotten {
        /// Whose address it is, if it is that of somebody who may have a link.
        user: Option<UserId>,
        /// From where they say so.
        source: Option<IpAddr>,
    },
    /// The link with which somebody who forgot their password sets another one (protocol 1.11).
    PasswordReset {
        /// Whose token.
        reset: ResetId,
    },
    /// To whom it belongs: the password is another one.
    PasswordChanged {
        /// Whose.
        user: UserId,
    },
    /// To whom it belongs: something happened to a passkey.
    Passkey {
        /// Whose.
        user: UserId,
        /// Its name.
        passkey: String,
        /// What.
        event: PasskeyEvent,
    },
    /// To whom it belongs: the account has one more device.
    DeviceAdded {
        /// Whose.
        user: UserId,
        /// Its name.
        device: String,
    },
    /// To whom it belongs: one of the account's devices has another key.
    DeviceRekeyed {
        /// Whose.
        user: UserId,
        /// Its name.
        device: String,
    },
    /// To whom it belonged: the account has one device less.
    DeviceRemoved {
        /// Whose.
        user: UserId,
        /// Its name.
        device: String,
    },
    /// To who invited them: somebody set a password and is done with devices.
    EnrollmentFinished {
        /// Who.
        user: UserId,
    },
    /// To who invited them: a link was never used and is good for nothing any more.
    EnrollmentExpired {
        /// Whose link.
        enrollment: EnrollmentId,
    },
    /// To the contact: devices get no address in a location.
    LocationFull {
        /// Its name.
        location: String,
    },
    /// To an administrator, or the contact: no certificate can be obtained.
    CertificateFailing {
        /// Which administrator; `None`: the contact.
        #[serde(default)]
        to: Option<UserId>,
        /// What the authority says, or why it cannot be asked.
        reason: String,
        /// Until when the present one is good, in Unix seconds; `None`: there is none.
        not_after: Option<i64>,
    },
    /// To who invited them: somebody registered a device, set no password, and the device was removed.
    DeviceAbandoned {
        /// Who.
        user: UserId,
        /// Its name.
        device: String,
    },
    /// The code with which somebody connects where a second factor is asked for.
    ConnectCode {
        /// Which.
        code: CodeId,
    },
    /// To who invited them: somebody's link is good for nothing any more, and they ask for a new one.
    NewLinkWanted {
        /// Who asks.
        user: UserId,
    },
    /// To whom it belongs: the account has a second factor.
    SecondFactorSet {
        /// Whose.
        user: UserId,
        /// Which.
        factor: Factor,
    },
    /// To whom it belonged: the account has a second factor less.
    SecondFactorRemoved {
        /// Whose.
        user: UserId,
        /// Which; `None`: an administrator removed all.
        factor: Option<Factor>,
    },
    /// To whom it belongs: somebody signed in with a recovery code.
    RecoveryCodeUsed {
        /// Whose.
        user: UserId,
        /// How many are left.
        left: u32,
    },
    /// A code of a second factor, which is derived when this is delivered.
    EmailCode {
        /// Its number.
        code: CodeId,
    },
}

impl Message {
    /// Which message it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Invitation { .. } => Kind::Invitation,
            Self::Activation { .. } => Kind::Activation,
            Self::Welcome { .. } => Kind::Welcome,
            Self::PasswordForgotten { .. } | Self::PasswordReset { .. } => Kind::PasswordReset,
            Self::PasswordChanged { .. } => Kind::PasswordChanged,
            Self::Passkey { event: PasskeyEvent::Added, .. } => Kind::PasskeyAdded,
            Self::Passkey { event: PasskeyEvent::Removed, .. } => Kind::PasskeyRemoved,
            Self::Passkey { event: PasskeyEvent::Copied, .. } => Kind::PasskeyCopied,
            Self::DeviceAdded { .. } => Kind::DeviceAdded,
            Self::DeviceRekeyed { .. } => Kind::DeviceRekeyed,
            Self::DeviceRemoved { .. } => Kind::DeviceRemoved,
            Self::EnrollmentFinished { .. } => Kind::EnrollmentFinished,
            Self::EnrollmentExpired { .. } => Kind::EnrollmentExpired,
            Self::LocationFull { .. } => Kind::LocationFull,
            Self::CertificateFailing { .. } => Kind::CertificateFailing,
            Self::DeviceAbandoned { .. } => Kind::DeviceAbandoned,
            Self::ConnectCode { .. } => Kind::ConnectCode,
            Self::NewLinkWanted { .. } => Kind::NewLinkWanted,
            Self::SecondFactorSet { .. } => Kind::SecondFactorSet,
            Self::SecondFactorRemoved { .. } => Kind::SecondFactorRemoved,
            Self::RecoveryCodeUsed { .. } => Kind::RecoveryCodeUsed,
            Self::EmailCode { .. } => Kind::EmailCode,
        }
    }
}
