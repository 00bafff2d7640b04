-- What makes the account the user's login: a second factor, other applications, and what its owner manages.

-- Second factor: TOTP, codes by mail and recovery codes.
-- A secret is sealed under a key that is not here; NULL where that key is lost. It counts once a code proved that somebody
-- has it.
CREATE TABLE totp (
    user_id INTEGER PRIMARY KEY REFERENCES user (id) ON DELETE CASCADE,
    secret BLOB,
    created_at INTEGER NOT NULL,
    confirmed_at INTEGER,
    last_step INTEGER
) STRICT;

CREATE TABLE recovery_code (
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    code_hash BLOB NOT NULL CHECK (length(code_hash) = 32),
    PRIMARY KEY (user_id, code_hash)
) STRICT, WITHOUT ROWID;

-- Who takes codes by mail. The codes themselves are derived from number and time of the last one asked for.
CREATE TABLE email_factor (
    user_id INTEGER PRIMARY KEY REFERENCES user (id) ON DELETE CASCADE,
    confirmed_at INTEGER
) STRICT;

CREATE TABLE email_code (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL UNIQUE REFERENCES user (id) ON DELETE CASCADE,
    issued_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Who gave the right password and owes a second factor.
CREATE TABLE pending_sign_in (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX pending_sign_in_user ON pending_sign_in (user_id);

-- When somebody last proved who they are, and with which second factor when.
ALTER TABLE session ADD COLUMN authenticated_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN second_factor TEXT;
ALTER TABLE session ADD COLUMN second_factor_at INTEGER;
UPDATE session SET authenticated_at = created_at;

-- Passkeys.

-- OpenID Connect.

-- The portal.

-- Locations that ask for a second factor.

-- Whether its file says so; for what is asked of the database alone.
ALTER TABLE location ADD COLUMN second_factor INTEGER NOT NULL DEFAULT 0 CHECK (second_factor IN (0, 1));

-- Somebody began to connect. `passed_at`: when the second factor was given.
CREATE TABLE connect_attempt (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    location_id INTEGER NOT NULL REFERENCES location (id),
    method TEXT NOT NULL CHECK (method IN ('totp', 'email')),
    begun_at INTEGER NOT NULL,
    passed_at INTEGER
) STRICT;

CREATE INDEX connect_attempt_place ON connect_attempt (device_id, location_id);

-- A code that was mailed, the newest of each account. The code itself is derived from the row, as tokens are.
CREATE TABLE connect_code (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL UNIQUE REFERENCES user (id) ON DELETE CASCADE,
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    location_id INTEGER NOT NULL REFERENCES location (id),
    made_at INTEGER NOT NULL,
    mailed_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;

CREATE INDEX connect_code_device ON connect_code (device_id);

-- A device may be connected, with this preshared key, since the host started.
CREATE TABLE connection (
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    location_id INTEGER NOT NULL REFERENCES location (id),
    preshared_key BLOB NOT NULL,
    boot TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    PRIMARY KEY (device_id, location_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX connection_location ON connection (location_id);

-- Until when somebody looked at handshakes, within a minute.
CREATE TABLE connection_watch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    until INTEGER NOT NULL
) STRICT;

-- Places that are to be peers now. Where a second factor is asked for that is who gave one, and nobody on addresses of their
-- own: only the desktop client can give one.
CREATE VIEW peer_place AS
    SELECT a.device_id, a.location_id, a.live_since FROM device_address a JOIN location l ON l.id = a.location_id
    WHERE l.second_factor = 0
        OR EXISTS (SELECT 1 FROM connection c WHERE c.device_id = a.device_id AND c.location_id = a.location_id)
    UNION ALL
    SELECT f.device_id, f.location_id, f.live_since FROM fixed_place f JOIN location l ON l.id = f.location_id
    WHERE f.granted = 1 AND l.second_factor = 0;
