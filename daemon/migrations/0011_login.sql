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

-- Who takes codes by mail.
CREATE TABLE email_factor (
    user_id INTEGER PRIMARY KEY REFERENCES user (id) ON DELETE CASCADE
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

-- Applications that users sign in to with their account. Of secrets, codes and tokens only hashes are here.
CREATE TABLE app (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    client_id TEXT NOT NULL UNIQUE,
    secret_hash BLOB CHECK (length(secret_hash) = 32),
    id_token_alg TEXT NOT NULL CHECK (id_token_alg IN ('RS256', 'EdDSA')),
    skip_consent INTEGER NOT NULL CHECK (skip_consent IN (0, 1)),
    url TEXT,
    created_at INTEGER NOT NULL
) STRICT;

-- Where an application may have people sent back to.
CREATE TABLE app_uri (
    app_id INTEGER NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('redirect', 'post-logout')),
    uri TEXT NOT NULL,
    PRIMARY KEY (app_id, kind, uri)
) STRICT, WITHOUT ROWID;

-- Who may sign in to it; without a row everybody may. A group that is named here cannot be removed.
CREATE TABLE app_group (
    app_id INTEGER NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES user_group (id),
    PRIMARY KEY (app_id, group_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX app_group_group ON app_group (group_id);

-- What applications know a user by; never another user's, not even after a backup is put back.
CREATE TABLE subject (
    user_id INTEGER PRIMARY KEY REFERENCES user (id) ON DELETE CASCADE,
    subject TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE app_consent (
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    app_id INTEGER NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    given_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, app_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX app_consent_app ON app_consent (app_id);

-- One sign-in to an application: everything that comes of its code ends with the row.
CREATE TABLE app_grant (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app_id INTEGER NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    session_id INTEGER REFERENCES session (id) ON DELETE SET NULL,
    code_hash BLOB NOT NULL UNIQUE CHECK (length(code_hash) = 32),
    code_expires_at INTEGER NOT NULL,
    code_used_at INTEGER,
    redirect_uri TEXT NOT NULL,
    challenge TEXT NOT NULL,
    scope TEXT NOT NULL,
    nonce TEXT,
    auth_time INTEGER NOT NULL,
    acr TEXT NOT NULL,
    amr TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX app_grant_app ON app_grant (app_id);

CREATE INDEX app_grant_user ON app_grant (user_id);

CREATE INDEX app_grant_session ON app_grant (session_id);

CREATE TABLE app_token (
    token_hash BLOB PRIMARY KEY CHECK (length(token_hash) = 32),
    grant_id INTEGER NOT NULL REFERENCES app_grant (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('access', 'refresh')),
    scope TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX app_token_grant ON app_token (grant_id);

CREATE INDEX app_token_expiry ON app_token (expires_at);

-- What ID tokens are signed with; private keys are sealed.
CREATE TABLE signing_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kid TEXT NOT NULL UNIQUE,
    alg TEXT NOT NULL CHECK (alg IN ('RS256', 'EdDSA')),
    public_jwk TEXT NOT NULL,
    sealed BLOB NOT NULL,
    signs_from INTEGER NOT NULL
) STRICT;

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

-- Codes that were mailed: of each account the last one to sign in with, and the last one to connect with, which names where. The
-- codes themselves are derived from the rows, as tokens are.
CREATE TABLE mailed_code (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    device_id INTEGER REFERENCES device (id) ON DELETE CASCADE,
    location_id INTEGER REFERENCES location (id),
    made_at INTEGER NOT NULL,
    mailed_at INTEGER NOT NULL,
    CHECK ((device_id IS NULL) = (location_id IS NULL))
) STRICT;

CREATE UNIQUE INDEX mailed_code_purpose ON mailed_code (user_id, device_id IS NULL);

CREATE INDEX mailed_code_device ON mailed_code (device_id);

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
