//! What is counted when it is committed: how enrollments go. Who it concerned is the audit log's affair.

/// A thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// A token opened its session for the first time.
    EnrollmentStarted,
    /// A person has a password and a live device, or went without a device on purpose.
    EnrollmentFinished,
    /// An invitation was never used in time.
    EnrollmentExpired,
    /// A person's session ended without a password.
    EnrollmentAbandoned,
    /// A person's or a machine's device has its first key.
    DeviceRegistered,
}
