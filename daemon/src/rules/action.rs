//! What the audit log knows: every deed has one name, `noun.verb`, and every reason to refuse one has a word. They are
//! stored and scripts match on them, so they never change.

macro_rules! names {
    ($(#[$of:meta])* $kind:ident: $($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        $(#[$of])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $kind {
            $($(#[$doc])* $variant,)*
        }

        impl $kind {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As stored and shown.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

names! {
    /// A deed as the audit log names it.
    Action:
    /// An administrator invited somebody.
    UserInvite = "user.invite",
    /// A fresh link for somebody who has not finished.
    UserReinvite = "user.reinvite",
    /// A token for a further desktop client.
    UserActivateClient = "user.activate-client",
    /// A user took a link for a desktop client back.
    UserWithdrawClient = "user.withdraw-client",
    /// The first start made the first administrator.
    UserCreateFirst = "user.create-first",
    /// A user's particulars were changed.
    UserEdit = "user.edit",
    /// A user may do nothing any more.
    UserDisable = "user.disable",
    /// A disabled user is active again.
    UserEnable = "user.enable",
    /// A user and everything of theirs is gone.
    UserRemove = "user.remove",
    /// A group was made.
    GroupCreate = "group.create",
    /// A group is gone.
    GroupRemove = "group.remove",
    /// A user was put into a group.
    GroupAddUser = "group.add-user",
    /// A user was taken out of a group.
    GroupRemoveUser = "group.remove-user",
    /// A token was started for the first time.
    EnrollmentStart = "enrollment.start",
    /// A user with a link that is good for nothing any more asked for another.
    EnrollmentAsk = "enrollment.ask",
    /// A user set the first password.
    PasswordSet = "password.set",
    /// A user forgot the password and asked for a link.
    PasswordForget = "password.forget",
    /// A user set another password with such a link.
    PasswordReset = "password.reset",
    /// A first password was refused; clients may not show why.
    PasswordRefuse = "password.refuse",
    /// A user set another password, having signed in.
    PasswordChange = "password.change",
    /// Somebody signed in, with the account's password or a passkey.
    SessionStart = "session.start",
    /// Somebody signed out.
    SessionSignOut = "session.sign-out",
    /// A user ended sessions in other browsers.
    SessionEnd = "session.end",
    /// A user added a passkey.
    PasskeyAdd = "passkey.add",
    /// A passkey has another name.
    PasskeyRename = "passkey.rename",
    /// A passkey is gone.
    PasskeyRemove = "passkey.remove",
    /// A device gave its second factor and is connected.
    ConnectionStart = "connection.start",
    /// A device shook hands no more and is not connected any longer.
    ConnectionEnd = "connection.end",
    /// A user set a second factor.
    SecondFactorSet = "second-factor.set",
    /// A user removed a second factor.
    SecondFactorRemove = "second-factor.remove",
    /// An administrator removed every second factor of a user.
    SecondFactorReset = "second-factor.reset",
    /// A user was given other recovery codes.
    RecoveryCodesRenew = "recovery-codes.renew",
    /// A recovery code was used in place of a second factor.
    RecoveryCodesUse = "recovery-codes.use",
    /// Somebody who is signed in proved again who they are.
    SessionConfirm = "session.confirm",
    /// The phone number that came with a first password was none, and was left out.
    PhoneRefuse = "phone.refuse",
    /// A key was registered.
    DeviceRegister = "device.register",
    /// The key of a device that was registered a moment ago was replaced.
    DeviceRekey = "device.rekey",
    /// A location did not take a device in time.
    DevicePending = "device.pending",
    /// A session ended without a password; what it registered is gone.
    DeviceAbandon = "device.abandon",
    /// A device has another name.
    DeviceRename = "device.rename",
    /// A device is gone.
    DeviceRemove = "device.remove",
    /// A machine became a person's device.
    DeviceGive = "device.give",
    /// A machine was added.
    DeviceAddMachine = "device.add-machine",
    /// A machine got a fresh token.
    DeviceReissue = "device.reissue",
    /// A location had no address left for a device.
    PoolExhaust = "pool.exhaust",
    /// No certificate could be obtained.
    CertificateFail = "certificate.fail",
    /// A location's file was made.
    LocationAdd = "location.add",
    /// A location's file was changed.
    LocationEdit = "location.edit",
    /// A location is gone.
    LocationRemove = "location.remove",
    /// A server of wg-quick became a location.
    LocationImport = "location.import",
    /// A location was written down with its private key.
    LocationExport = "location.export",
    /// A location has another key.
    LocationRotateKey = "location.rotate-key",
    /// A mail is tried again.
    MailRetry = "mail.retry",
    /// A mail was thrown away.
    MailDiscard = "mail.discard",
    /// A test mail was sent.
    MailTest = "mail.test",
    /// A backup was given out, with private keys or without.
    BackupTake = "backup.take",
    /// A backup was put back: everything after it is lost.
    BackupRestore = "backup.restore",
    /// The files were put into force as they are.
    ConfigurationReload = "configuration.reload",
    /// A device asked for its configuration. Only refusals are written down.
    DevicePoll = "device.poll",
    /// A browser or client presented its session. Only refusals are written down.
    SessionPresent = "session.present",
    /// A process connected to the command line's socket. Only refusals are written down.
    AdminConnect = "admin.connect",
    /// An application was added.
    AppAdd = "app.add",
    /// An application was changed.
    AppEdit = "app.edit",
    /// An application has another secret.
    AppRotateSecret = "app.rotate-secret",
    /// An application is gone, with everything issued to it.
    AppRemove = "app.remove",
    /// A user signed in to an application.
    AppSignIn = "app.sign-in",
    /// A user agreed to what an application is told.
    AppConsent = "app.consent",
    /// A user withdrew what an application was allowed.
    AppWithdraw = "app.withdraw",
    /// A code or a refresh token came a second time: everything issued from it ended.
    AppReuse = "app.reuse",
    /// An application asked for tokens, or showed one. Only refusals are written down.
    AppToken = "app.token",
    /// Entries of this log were old enough to go.
    AuditForget = "audit.forget",
}

names! {
    /// Why a deed was refused.
    Reason:
    /// More attempts than are allowed.
    Limit = "limit",
    /// The password is not the account's, or the account may not be used, or there is none.
    Password = "password",
    /// The answer of a passkey is wrong, or the passkey nobody's, or its account may not be used.
    Passkey = "passkey",
    /// The counter of a passkey went back: there may be a copy of it.
    Copied = "copied",
    /// The code of the second factor is wrong, or was used before.
    Code = "code",
    /// Nobody knows the token.
    Unknown = "unknown",
    /// The token was not used in time.
    Expired = "expired",
    /// The token was used.
    Used = "used",
    /// The token was taken back.
    Withdrawn = "withdrawn",
    /// The token is for something else.
    Misused = "misused",
    /// The account is disabled.
    Disabled = "disabled",
    /// Whoever asks has not the right to.
    NotAllowed = "not-allowed",
    /// Something that was sent is not accepted.
    Value = "value",
    /// The key, or the name, is taken.
    Taken = "taken",
    /// No more with this link.
    Enough = "enough",
    /// There is no location for it, or no address.
    NoPlace = "no-place",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_one_noun_and_one_verb_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for action in Action::ALL {
            let name = action.name();
            let (noun, verb) = name.split_once('.').unwrap_or_default();
            let is_word = |word: &str| {
                word.starts_with(|c: char| c.is_ascii_lowercase())
                    && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
            };
            assert!(is_word(noun) && is_word(verb), "{name}");
            assert!(seen.insert(name), "{name} twice");
        }
    }

    #[test]
    fn every_reason_is_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        assert!(words.iter().all(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    }
}
