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

-- What may sign its owner in. A credential holds a public key, its counter and its flags as webauthn-rs writes them; the
-- handle is what authenticators know its owner by, as a rule the same in all of one user's. One in doubt signs nobody in any more:
-- its counter went back, so there may be a copy.
CREATE TABLE passkey (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    handle BLOB NOT NULL CHECK (length(handle) = 16),
    credential_id BLOB NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023),
    credential TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    doubted_at INTEGER
) STRICT;

CREATE INDEX passkey_user ON passkey (user_id);

-- OpenID Connect.

-- The portal.

-- What each device moved in each hour of the last day: bytes from it and to it. Hours are counted since 1970.
CREATE TABLE traffic (
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    location_id INTEGER NOT NULL REFERENCES location (id),
    hour INTEGER NOT NULL,
    received INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    PRIMARY KEY (device_id, location_id, hour)
) STRICT, WITHOUT ROWID;

-- Locations that ask for a second factor.
