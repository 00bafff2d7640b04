//! What somebody proves themselves with beside the password.

use serde::{Deserialize, Serialize};

/// One kind of it. The names are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// A code of an authenticator app.
    Totp,
    /// A code that came by mail.
    Email,
    /// A key in a device of theirs (`WebAuthn`).
    Passkey,
    /// One of the codes for who has lost the others.
    Recovery,
}

/// What a code is given of: to set one up, and to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// An authenticator app.
    Totp,
    /// Mail.
    Email,
}

/// What an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Factors {
    /// An authenticator app, which has proved itself.
    pub totp: bool,
    /// Codes by mail, one of which was given.
    pub email: bool,
    /// So many passkeys.
    pub passkeys: u32,
    /// So many recovery codes that were not used. They are no factor of their own.
    pub recovery_codes: u32,
}

impl Factor {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Totp, Self::Email, Self::Passkey, Self::Recovery];

    /// As stored and shown to scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Email => "email",
            Self::Passkey => "passkey",
            Self::Recovery => "recovery",
        }
    }

    /// By that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|factor| factor.name() == name)
    }
}

impl Method {
    /// As clients number them (protocol 1.8); `None`: one that is not offered.
    pub fn numbered(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Totp),
            1 => Some(Self::Email),
            _ => None,
        }
    }

    /// By the name it is stored with, which is that of the factor.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Totp, Self::Email].into_iter().find(|method| method.factor().name() == name)
    }

    /// What it gives.
    pub fn factor(self) -> Factor {
        match self {
            Self::Totp => Factor::Totp,
            Self::Email => Factor::Email,
        }
    }
}

impl Factors {
    /// Whether the password alone is not enough.
    pub fn any(self) -> bool {
        self.totp || self.email || self.passkeys > 0
    }

    /// How many recovery codes are left.
    pub fn codes_left(self) -> i64 {
        self.recovery_codes.into()
    }

    /// Those there are, recovery codes left out.
    pub fn list(self) -> Vec<Factor> {
        let has =
            [(self.totp, Factor::Totp), (self.email, Factor::Email), (self.passkeys > 0, Factor::Passkey)];
        has.into_iter().filter_map(|(has, factor)| has.then_some(factor)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_numbered_as_clients_do() {
        assert_eq!(Method::numbered(0), Some(Method::Totp));
        assert_eq!(Method::numbered(1), Some(Method::Email));
        assert!([-1, 2, 3, 4, 5].into_iter().all(|number| Method::numbered(number).is_none()));
        assert_eq!(
            ["totp", "email", "passkey"].map(Method::from_name),
            [Some(Method::Totp), Some(Method::Email), None]
        );
    }

    #[test]
    fn every_kind_is_found_by_its_name_and_recovery_codes_alone_ask_for_nothing() {
        for factor in Factor::ALL {
            assert_eq!(Factor::from_name(factor.name()), Some(factor));
        }
        assert_eq!(Factor::from_name("password"), None);
        let none = Factors { recovery_codes: 10, ..Factors::default() };
        assert!(!none.any() && none.list().is_empty());
        assert!(Factors { passkeys: 1, ..none }.any());
    }
}
