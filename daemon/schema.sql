-- What the migrations lead to, for people; a test keeps it true.

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

CREATE TABLE app_consent (
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    app_id INTEGER NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    given_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, app_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX app_consent_app ON app_consent (app_id);

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

CREATE INDEX app_grant_session ON app_grant (session_id);

CREATE INDEX app_grant_user ON app_grant (user_id);

CREATE TABLE app_group (
    app_id INTEGER NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES user_group (id),
    PRIMARY KEY (app_id, group_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX app_group_group ON app_group (group_id);

CREATE TABLE app_token (
    token_hash BLOB PRIMARY KEY CHECK (length(token_hash) = 32),
    grant_id INTEGER NOT NULL REFERENCES app_grant (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('access', 'refresh')),
    scope TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX app_token_expiry ON app_token (expires_at);

CREATE INDEX app_token_grant ON app_token (grant_id);

CREATE TABLE app_uri (
    app_id INTEGER NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('redirect', 'post-logout')),
    uri TEXT NOT NULL,
    PRIMARY KEY (app_id, kind, uri)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is never changed');
END;

CREATE TRIGGER audit_is_not_forgotten BEFORE DELETE ON audit
WHEN OLD.at >= (SELECT kept_since FROM audit_horizon) BEGIN
    SELECT RAISE(ABORT, 'the audit log is kept until its entries are old');
END;

CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'the audit log is never changed');
END;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT
, source TEXT, refused TEXT CHECK (refused <> '')) STRICT;

CREATE INDEX audit_action ON audit (action);

CREATE INDEX audit_at ON audit (at);

CREATE TRIGGER audit_horizon_is_one_row BEFORE DELETE ON audit_horizon BEGIN
    SELECT RAISE(ABORT, 'the audit log keeps its horizon');
END;

CREATE TRIGGER audit_horizon_moves_on BEFORE UPDATE ON audit_horizon
WHEN NEW.kept_since < OLD.kept_since BEGIN
    SELECT RAISE(ABORT, 'the audit log keeps its horizon');
END;

CREATE TABLE audit_horizon (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    kept_since INTEGER NOT NULL
) STRICT;

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

CREATE TABLE connection (
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    location_id INTEGER NOT NULL REFERENCES location (id),
    preshared_key BLOB NOT NULL,
    boot TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    PRIMARY KEY (device_id, location_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX connection_location ON connection (location_id);

CREATE TABLE connection_watch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    until INTEGER NOT NULL
) STRICT;

CREATE TABLE device (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER REFERENCES user (id) ON DELETE CASCADE,
    machine_location_id INTEGER REFERENCES location (id),
    name TEXT NOT NULL COLLATE NOCASE,
    public_key BLOB UNIQUE CHECK (length(public_key) = 32),
    polling_hash BLOB UNIQUE,
    polling_generation INTEGER NOT NULL DEFAULT 0,
    registered_in INTEGER REFERENCES enrollment (id) ON DELETE SET NULL,
    created_at INTEGER NOT NULL, folded_name TEXT NOT NULL DEFAULT '', only_location_id INTEGER REFERENCES location (id),
    CHECK ((user_id IS NULL) <> (machine_location_id IS NULL)),
    CHECK (user_id IS NULL OR public_key IS NOT NULL)
) STRICT;

CREATE UNIQUE INDEX device_name_of_machine ON device (folded_name) WHERE user_id IS NULL;

CREATE UNIQUE INDEX device_name_of_user ON device (user_id, folded_name) WHERE user_id IS NOT NULL;

CREATE INDEX device_registered_in ON device (registered_in);

CREATE TABLE device_address (
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    location_id INTEGER NOT NULL REFERENCES location (id),
    slot INTEGER NOT NULL,
    ipv4 TEXT,
    ipv6 TEXT,
    live_since INTEGER,
    PRIMARY KEY (device_id, location_id),
    UNIQUE (location_id, slot),
    UNIQUE (location_id, ipv4),
    UNIQUE (location_id, ipv6)
) STRICT;

CREATE TABLE email_factor (
    user_id INTEGER PRIMARY KEY REFERENCES user (id) ON DELETE CASCADE
) STRICT;

CREATE TABLE enrollment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('enrollment', 'activation', 'machine')),
    user_id INTEGER REFERENCES user (id) ON DELETE CASCADE,
    device_id INTEGER REFERENCES device (id) ON DELETE CASCADE,
    issued_by INTEGER REFERENCES user (id) ON DELETE SET NULL,
    token_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    opened_at INTEGER,
    deadline INTEGER,
    password_set_at INTEGER,
    ended_at INTEGER, reviewed_at INTEGER, device_skipped_at INTEGER, expiry_told_at INTEGER,
    CHECK ((user_id IS NULL) <> (device_id IS NULL)),
    CHECK ((opened_at IS NULL) = (deadline IS NULL))
) STRICT;

CREATE INDEX enrollment_device ON enrollment (device_id);

CREATE INDEX enrollment_user ON enrollment (user_id);

CREATE TABLE enrollment_session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    enrollment_id INTEGER NOT NULL REFERENCES enrollment (id) ON DELETE CASCADE,
    session_hash BLOB NOT NULL UNIQUE
) STRICT;

CREATE INDEX enrollment_session_enrollment ON enrollment_session (enrollment_id);

CREATE TABLE fixed_place (
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    location_id INTEGER NOT NULL REFERENCES location (id),
    allowed_ips TEXT NOT NULL,
    preshared_key BLOB,
    endpoint TEXT,
    called_at TEXT,
    keepalive INTEGER CHECK (keepalive BETWEEN 1 AND 65535),
    granted INTEGER NOT NULL DEFAULT 1 CHECK (granted IN (0, 1)),
    live_since INTEGER,
    PRIMARY KEY (device_id, location_id),
    CHECK ((endpoint IS NULL) = (called_at IS NULL)),
    CHECK (keepalive IS NULL OR endpoint IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX fixed_place_location ON fixed_place (location_id);

CREATE TABLE freed_slot (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    location_id INTEGER NOT NULL REFERENCES location (id),
    slot INTEGER NOT NULL, device_id INTEGER REFERENCES device (id) ON DELETE SET NULL,
    UNIQUE (location_id, slot)
) STRICT;

CREATE INDEX freed_slot_device ON freed_slot (device_id);

CREATE TABLE instance (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    uuid TEXT NOT NULL
) STRICT;

CREATE TABLE known_browser (
    token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    last_used_at INTEGER NOT NULL,
    PRIMARY KEY (token_hash, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX known_browser_user ON known_browser (user_id);

CREATE TABLE location (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    next_slot INTEGER NOT NULL DEFAULT 2
, exhaustion_told_at INTEGER, second_factor INTEGER NOT NULL DEFAULT 0 CHECK (second_factor IN (0, 1))) STRICT;

CREATE TABLE mailed_code (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    device_id INTEGER REFERENCES device (id) ON DELETE CASCADE,
    location_id INTEGER REFERENCES location (id),
    made_at INTEGER NOT NULL,
    mailed_at INTEGER NOT NULL,
    CHECK ((device_id IS NULL) = (location_id IS NULL))
) STRICT;

CREATE INDEX mailed_code_device ON mailed_code (device_id);

CREATE UNIQUE INDEX mailed_code_purpose ON mailed_code (user_id, device_id IS NULL);

CREATE TABLE membership (
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, group_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX membership_group ON membership (group_id);

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL,
    delivered_at INTEGER,
    parked_at INTEGER,
    last_error TEXT
, failing_since INTEGER, server_failed INTEGER NOT NULL DEFAULT 0 CHECK (server_failed IN (0, 1)), answer TEXT) STRICT;

CREATE INDEX outbox_delivered ON outbox (delivered_at) WHERE delivered_at IS NOT NULL;

CREATE INDEX outbox_waiting ON outbox (next_attempt_at) WHERE delivered_at IS NULL AND parked_at IS NULL;

CREATE TABLE owed_rename (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source BLOB NOT NULL,
    target BLOB NOT NULL
) STRICT;

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

CREATE TABLE password_reset (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    token_hash BLOB NOT NULL UNIQUE,
    session_hash BLOB UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    deadline INTEGER,
    used_at INTEGER
) STRICT;

CREATE INDEX password_reset_user ON password_reset (user_id);

CREATE VIEW peer_place AS
    SELECT a.device_id, a.location_id, a.live_since FROM device_address a JOIN location l ON l.id = a.location_id
    WHERE l.second_factor = 0
        OR EXISTS (SELECT 1 FROM connection c WHERE c.device_id = a.device_id AND c.location_id = a.location_id)
    UNION ALL
    SELECT f.device_id, f.location_id, f.live_since FROM fixed_place f JOIN location l ON l.id = f.location_id
    WHERE f.granted = 1 AND l.second_factor = 0;

CREATE TABLE pending_sign_in (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX pending_sign_in_user ON pending_sign_in (user_id);

CREATE TABLE recovery_code (
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    code_hash BLOB NOT NULL CHECK (length(code_hash) = 32),
    PRIMARY KEY (user_id, code_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    browser TEXT NOT NULL,
    address TEXT NOT NULL
, authenticated_at INTEGER NOT NULL DEFAULT 0, second_factor TEXT, second_factor_at INTEGER) STRICT;

CREATE INDEX session_user ON session (user_id);

CREATE TABLE signing_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kid TEXT NOT NULL UNIQUE,
    alg TEXT NOT NULL CHECK (alg IN ('RS256', 'EdDSA')),
    public_jwk TEXT NOT NULL,
    sealed BLOB NOT NULL,
    signs_from INTEGER NOT NULL
) STRICT;

CREATE TABLE subject (
    user_id INTEGER PRIMARY KEY REFERENCES user (id) ON DELETE CASCADE,
    subject TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE totp (
    user_id INTEGER PRIMARY KEY REFERENCES user (id) ON DELETE CASCADE,
    secret BLOB,
    created_at INTEGER NOT NULL,
    confirmed_at INTEGER,
    last_step INTEGER
) STRICT;

CREATE TABLE traffic (
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    location_id INTEGER NOT NULL REFERENCES location (id),
    hour INTEGER NOT NULL,
    received INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    PRIMARY KEY (device_id, location_id, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE user (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL UNIQUE COLLATE NOCASE,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE COLLATE NOCASE,
    phone TEXT,
    password_hash TEXT,
    is_admin INTEGER NOT NULL DEFAULT 0 CHECK (is_admin IN (0, 1)),
    disabled_at INTEGER,
    unix_uid INTEGER UNIQUE,
    welcomed_at INTEGER,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE user_group (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE
) STRICT;

CREATE TABLE waiting (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    location_id INTEGER NOT NULL REFERENCES location (id),
    told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1)),
    UNIQUE (device_id, location_id)
) STRICT;

CREATE TABLE withdrawn_token (
    token_hash BLOB PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    issued_by INTEGER REFERENCES user (id) ON DELETE SET NULL,
    withdrawn_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX withdrawn_token_at ON withdrawn_token (withdrawn_at);

CREATE INDEX withdrawn_token_user ON withdrawn_token (user_id);
