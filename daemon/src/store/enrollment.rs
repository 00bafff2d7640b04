//! Issued tokens and the sessions they open. Only hashes of tokens and session identifiers are here.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::tx::{StoreError, Tx};
use crate::rules::enrollment::{Enrollment, EnrollmentKind, Subject};
use crate::rules::ids::{DeviceId, EnrollmentId, UserId};
use crate::rules::token::TokenHash;

/// How many session identifiers of one enrollment are good at a time; older ones are forgotten.
const SESSIONS: u32 = 16;

/// How long a token that is good for nothing any more is told from one that never was: 90 days, in seconds.
const SPENT_KEPT: i64 = 90 * 24 * 60 * 60;

const COLUMNS: &str = "e.id, e.kind, e.user_id, e.device_id, e.issued_by, e.expires_at, e.opened_at, e.deadline, \
                       e.password_set_at, e.ended_at, e.reviewed_at, e.device_skipped_at, e.created_at";

fn enrollment(row: &Row<'_>) -> rusqlite::Result<Result<Enrollment, StoreError>> {
    let subject = match (row.get::<_, Option<i64>>(2)?, row.get::<_, Option<i64>>(3)?) {
        (Some(user), None) => Subject::User(UserId(user)),
        (None, Some(device)) => Subject::Machine(DeviceId(device)),
        (Some(_), Some(_)) | (None, None) => return Ok(Err(StoreError::Unreadable("enrollment subject"))),
    };
    let Some(kind) = EnrollmentKind::from_name(&row.get::<_, String>(1)?) else {
        return Ok(Err(StoreError::Unreadable("enrollment kind")));
    };
    Ok(Ok(Enrollment {
        id: EnrollmentId(row.get(0)?),
        kind,
        subject,
        issued_by: row.get::<_, Option<i64>>(4)?.map(UserId),
        issued_at: row.get(12)?,
        expires_at: row.get(5)?,
        deadline: row.get(7)?,
        password_set: row.get::<_, Option<i64>>(8)?.is_some(),
        ended: row.get::<_, Option<i64>>(9)?.is_some(),
        reviewed: row.get::<_, Option<i64>>(10)?.is_some(),
        device_skipped: row.get::<_, Option<i64>>(11)?.is_some(),
    }))
}

impl Subject {
    /// As stored: a user's or a device's number.
    pub(super) fn columns(self) -> (Option<i64>, Option<i64>) {
        match self {
            Self::User(user) => (Some(user.0), None),
            Self::Machine(device) => (None, Some(device.0)),
        }
    }
}

impl Tx<'_> {
    /// Writes a new enrollment; the tokens of the same user or device that nobody used are withdrawn (protocol 3.1).
    /// `placeholder` stands for the token's hash until [`Tx::set_enrollment_hash`].
    pub fn insert_enrollment(
        &self,
        subject: Subject,
        kind: EnrollmentKind,
        issued_by: Option<UserId>,
        placeholder: TokenHash,
        expires_at: i64,
        now: Timestamp,
    ) -> Result<EnrollmentId, StoreError> {
        let (user, device) = subject.columns();
        self.withdraw_tokens(subject, now)?;
        let id = self.insert(
            "INSERT INTO enrollment (kind, user_id, device_id, issued_by, token_hash, created_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                kind.name(),
                user,
                device,
                issued_by.map(|id| id.0),
                placeholder.0,
                now.as_second(),
                expires_at
            ],
        )?;
        Ok(EnrollmentId(id))
    }

    /// Puts the hash of the token itself in place.
    pub fn set_enrollment_hash(&self, id: EnrollmentId, hash: TokenHash) -> Result<(), StoreError> {
        self.execute("UPDATE enrollment SET token_hash = ?2 WHERE id = ?1", params![id.0, hash.0])?;
        Ok(())
    }

    /// By number.
    pub fn enrollment(&self, id: EnrollmentId) -> Result<Option<Enrollment>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM enrollment e WHERE e.id = ?1"), [id.0], enrollment)?
            .transpose()
    }

    /// By its token.
    pub fn enrollment_by_token(&self, hash: TokenHash) -> Result<Option<Enrollment>, StoreError> {
        self.one(
            &format!("SELECT {COLUMNS} FROM enrollment e WHERE e.token_hash = ?1"),
            [hash.0],
            enrollment,
        )?
        .transpose()
    }

    /// By one of its session identifiers.
    pub fn enrollment_by_session(&self, hash: TokenHash) -> Result<Option<Enrollment>, StoreError> {
        self.one(
            &format!(
                "SELECT {COLUMNS} FROM enrollment e JOIN enrollment_session s ON s.enrollment_id = e.id
                 WHERE s.session_hash = ?1"
            ),
            [hash.0],
            enrollment,
        )?
        .transpose()
    }

    /// The newest one of a user or machine.
    pub fn last_enrollment(&self, subject: Subject) -> Result<Option<Enrollment>, StoreError> {
        let (user, device) = subject.columns();
        self.one(
            &format!(
                "SELECT {COLUMNS} FROM enrollment e WHERE e.user_id = ?1 OR e.device_id = ?2
                 ORDER BY e.id DESC LIMIT 1"
            ),
            params![user, device],
            enrollment,
        )?
        .transpose()
    }

    /// The newest one of every user and machine.
    pub fn newest_enrollments(&self) -> Result<Vec<Enrollment>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM enrollment e
             WHERE e.id IN (SELECT max(id) FROM enrollment GROUP BY user_id, device_id)"
        );
        self.all(&sql, [], enrollment)?.into_iter().collect()
    }

    /// A user's started sessions that nobody closed yet.
    pub fn running_enrollments(&self, user: UserId) -> Result<Vec<Enrollment>, StoreError> {
        self.all(
            &format!(
                "SELECT {COLUMNS} FROM enrollment e
                 WHERE e.user_id = ?1 AND e.opened_at IS NOT NULL AND e.ended_at IS NULL ORDER BY e.id"
            ),
            [user.0],
            enrollment,
        )?
        .into_iter()
        .collect()
    }

    /// Started sessions whose deadline has come and that nobody closed yet.
    pub fn overdue_enrollments(&self, now: Timestamp) -> Result<Vec<Enrollment>, StoreError> {
        self.all(
            &format!("SELECT {COLUMNS} FROM enrollment e WHERE e.deadline <= ?1 AND e.ended_at IS NULL ORDER BY e.id"),
            [now.as_second()],
            enrollment,
        )?
        .into_iter()
        .collect()
    }

    /// Starts the session; its deadline never changes afterwards.
    pub fn open_enrollment(&self, id: EnrollmentId, deadline: i64, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "UPDATE enrollment SET opened_at = ?2, deadline = ?3 WHERE id = ?1 AND opened_at IS NULL",
            params![id.0, now.as_second(), deadline],
        )?;
        Ok(())
    }

    /// Adds a session identifier; only the newest few stay good.
    pub fn insert_session(&self, id: EnrollmentId, hash: TokenHash) -> Result<(), StoreError> {
        self.insert(
            "INSERT INTO enrollment_session (enrollment_id, session_hash) VALUES (?1, ?2)",
            params![id.0, hash.0],
        )?;
        self.execute(
            "DELETE FROM enrollment_session WHERE enrollment_id = ?1 AND id NOT IN
             (SELECT id FROM enrollment_session WHERE enrollment_id = ?1 ORDER BY id DESC LIMIT ?2)",
            params![id.0, SESSIONS],
        )?;
        Ok(())
    }

    /// Records that the password was set in this session.
    pub fn password_set_in(&self, id: EnrollmentId, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "UPDATE enrollment SET password_set_at = ?2 WHERE id = ?1",
            params![id.0, now.as_second()],
        )?;
        Ok(())
    }

    /// Records that the person looked at their data in this session, with the phone number they left there.
    pub fn review(
        &self,
        id: EnrollmentId,
        user: UserId,
        phone: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute("UPDATE user SET phone = ?2 WHERE id = ?1", params![user.0, phone])?;
        self.execute("UPDATE enrollment SET reviewed_at = ?2 WHERE id = ?1", params![id.0, now.as_second()])?;
        Ok(())
    }

    /// Records that the person chose to go without a device.
    pub fn skip_device(&self, id: EnrollmentId, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "UPDATE enrollment SET device_skipped_at = ?2 WHERE id = ?1 AND device_skipped_at IS NULL",
            params![id.0, now.as_second()],
        )?;
        Ok(())
    }

    /// Whether a user chose to go without a device in the session that set the password.
    pub fn has_skipped_device(&self, user: UserId) -> Result<bool, StoreError> {
        let found = self.one(
            "SELECT 1 FROM enrollment WHERE user_id = ?1 AND device_skipped_at IS NOT NULL",
            [user.0],
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    /// Started sessions of a user that nobody closed yet.
    pub(super) fn open_enrollments_of(&self, user: UserId) -> Result<Vec<EnrollmentId>, StoreError> {
        self.all(
            "SELECT id FROM enrollment WHERE user_id = ?1 AND opened_at IS NOT NULL AND ended_at IS NULL ORDER BY id",
            [user.0],
            |row| row.get(0).map(EnrollmentId),
        )
    }

    /// Closes a session for good.
    pub fn end_enrollment(&self, id: EnrollmentId, now: Timestamp) -> Result<(), StoreError> {
        self.execute("UPDATE enrollment SET ended_at = ?2 WHERE id = ?1", params![id.0, now.as_second()])?;
        self.execute("DELETE FROM enrollment_session WHERE enrollment_id = ?1", [id.0])?;
        Ok(())
    }

    /// Forgets spent and expired tokens of long ago; the newest one of each user and machine stays, because it tells who
    /// invited them.
    pub fn forget_enrollments(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.execute(
            "DELETE FROM enrollment WHERE expires_at < ?1 AND (opened_at IS NULL OR ended_at < ?1)
             AND id NOT IN (SELECT max(id) FROM enrollment GROUP BY user_id, device_id)",
            [now.as_second().saturating_sub(SPENT_KEPT)],
        )
    }

    /// The devices a session registered and that still exist.
    pub fn devices_registered_in(&self, id: EnrollmentId) -> Result<Vec<DeviceId>, StoreError> {
        self.all("SELECT id FROM device WHERE registered_in = ?1 ORDER BY id", [id.0], |row| {
            row.get(0).map(DeviceId)
        })
    }

    /// Stores a user's first password and phone number.
    pub fn activate_user(
        &self,
        id: UserId,
        password_hash: &str,
        phone: Option<&str>,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE user SET password_hash = ?2, phone = ?3 WHERE id = ?1",
            params![id.0, password_hash, phone],
        )?;
        Ok(())
    }

    /// Records that the onboarding mail is in the outbox; `false` when it already was.
    pub fn mark_welcomed(&self, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
        let changed = self.execute(
            "UPDATE user SET welcomed_at = ?2 WHERE id = ?1 AND welcomed_at IS NULL",
            params![id.0, now.as_second()],
        )?;
        Ok(changed == 1)
    }
}
