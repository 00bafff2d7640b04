PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT
, source TEXT, refused TEXT CHECK (refused <> '')) STRICT;
INSERT INTO audit VALUES(1,1700000000,'postern','user.create-first','ada',NULL,NULL,NULL);
INSERT INTO audit VALUES(2,1700000200,'ada','user.invite','zoë','by mail',NULL,NULL);
INSERT INTO audit VALUES(3,1700001000,'ann','enrollment.start','ann',NULL,'192.0.2.7',NULL);
INSERT INTO audit VALUES(4,1760000900,'unknown','enrollment.start','a token',NULL,'192.0.2.9','unknown-token');
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
INSERT INTO device VALUES(1,1,NULL,'Laptop',X'0909090909090909090909090909090909090909090909090909090909090909',X'0303030303030303030303030303030303030303030303030303030303030303',1,1,1700000060,'laptop',NULL);
INSERT INTO device VALUES(2,NULL,2,'edge',NULL,NULL,0,NULL,1700000300,'edge',NULL);
INSERT INTO device VALUES(3,NULL,1,'branch',X'0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a',NULL,0,NULL,1700000800,'branch',NULL);
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
INSERT INTO device_address VALUES(1,1,2,'10.77.1.2','fd77:1::2',1700000061);
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
INSERT INTO enrollment VALUES(1,'enrollment',1,NULL,NULL,X'0101010101010101010101010101010101010101010101010101010101010101',1700000000,1700086400,1700000010,1700000610,1700000050,1700000100,NULL,NULL,NULL);
INSERT INTO enrollment VALUES(2,'enrollment',3,NULL,1,X'0202020202020202020202020202020202020202020202020202020202020202',1700000200,1700086600,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO enrollment VALUES(3,'machine',NULL,2,NULL,X'0404040404040404040404040404040404040404040404040404040404040404',1700000300,1700086700,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE enrollment_session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    enrollment_id INTEGER NOT NULL REFERENCES enrollment (id) ON DELETE CASCADE,
    session_hash BLOB NOT NULL UNIQUE
) STRICT;
INSERT INTO enrollment_session VALUES(1,1,X'0505050505050505050505050505050505050505050505050505050505050505');
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
INSERT INTO fixed_place VALUES(3,1,'10.77.1.9/32,192.168.9.0/24',X'0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b','branch.example.com:51820','192.0.2.9:51820',25,1,1700000801);
CREATE TABLE freed_slot (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    location_id INTEGER NOT NULL REFERENCES location (id),
    slot INTEGER NOT NULL, device_id INTEGER REFERENCES device (id) ON DELETE SET NULL,
    UNIQUE (location_id, slot)
) STRICT;
INSERT INTO freed_slot VALUES(1,1,3,1);
CREATE TABLE instance (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    uuid TEXT NOT NULL
) STRICT;
INSERT INTO instance VALUES(1,'6f1c2a34-0000-4000-8000-000000000001');
CREATE TABLE location (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    next_slot INTEGER NOT NULL DEFAULT 2
, exhaustion_told_at INTEGER) STRICT;
INSERT INTO location VALUES(1,'hq',5,NULL);
INSERT INTO location VALUES(2,'lab',2,NULL);
CREATE TABLE membership (
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, group_id)
) STRICT, WITHOUT ROWID;
INSERT INTO membership VALUES(1,1);
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
INSERT INTO outbox VALUES(1,'{"Welcome":{"user":1}}',1700000100,1,1700000100,1700000101,NULL,NULL,NULL,0,NULL);
INSERT INTO outbox VALUES(2,'{"Invite":{"enrollment":2}}',1700000200,0,1700000200,NULL,NULL,NULL,NULL,0,NULL);
INSERT INTO outbox VALUES(3,'{"Invite":{"enrollment":2}}',1700000700,4,1700009000,NULL,NULL,'refused',1700000700,1,NULL);
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
INSERT INTO password_reset VALUES(1,1,X'0707070707070707070707070707070707070707070707070707070707070707',X'0808080808080808080808080808080808080808080808080808080808080808',1700000500,1700004100,1700001100,1700000600);
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
INSERT INTO user VALUES(1,'ada','Ada','Example','ada@example.com',NULL,'$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAA',1,NULL,1000,1700000100,1700000000);
INSERT INTO user VALUES(3,'zoë','Zoë','Beispiel','zoe@example.com','+49 30 123',NULL,0,1700000900,NULL,NULL,1700000200);
CREATE TABLE user_group (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE
) STRICT;
INSERT INTO user_group VALUES(1,'ops');
CREATE TABLE waiting (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    location_id INTEGER NOT NULL REFERENCES location (id),
    told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1)),
    UNIQUE (device_id, location_id)
) STRICT;
INSERT INTO waiting VALUES(1,1,2,1);
CREATE TABLE withdrawn_token (
    token_hash BLOB PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    issued_by INTEGER REFERENCES user (id) ON DELETE SET NULL,
    withdrawn_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO withdrawn_token VALUES(X'0606060606060606060606060606060606060606060606060606060606060606',3,1,1700000400);
CREATE TABLE audit_horizon (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    kept_since INTEGER NOT NULL
) STRICT;
INSERT INTO audit_horizon VALUES(1,1600000000);
CREATE TABLE owed_rename (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source BLOB NOT NULL,
    target BLOB NOT NULL
) STRICT;
INSERT INTO owed_rename VALUES(1,X'2f612e6e6577',X'2f61');
CREATE TABLE session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    browser TEXT NOT NULL,
    address TEXT NOT NULL
) STRICT;
INSERT INTO session VALUES(1,1,X'1111111111111111111111111111111111111111111111111111111111111111',1700000000,1700000100,'Firefox, Linux','192.0.2.7');
CREATE TABLE known_browser (
    token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    last_used_at INTEGER NOT NULL,
    PRIMARY KEY (token_hash, user_id)
) STRICT, WITHOUT ROWID;
INSERT INTO known_browser VALUES(X'2222222222222222222222222222222222222222222222222222222222222222',1,1700000000);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('location',2);
INSERT INTO sqlite_sequence VALUES('user',3);
INSERT INTO sqlite_sequence VALUES('user_group',1);
INSERT INTO sqlite_sequence VALUES('enrollment',3);
INSERT INTO sqlite_sequence VALUES('device',3);
INSERT INTO sqlite_sequence VALUES('freed_slot',1);
INSERT INTO sqlite_sequence VALUES('enrollment_session',1);
INSERT INTO sqlite_sequence VALUES('outbox',3);
INSERT INTO sqlite_sequence VALUES('audit',4);
INSERT INTO sqlite_sequence VALUES('waiting',1);
INSERT INTO sqlite_sequence VALUES('password_reset',1);
INSERT INTO sqlite_sequence VALUES('owed_rename',1);
INSERT INTO sqlite_sequence VALUES('session',1);
CREATE INDEX membership_group ON membership (group_id);
CREATE INDEX device_registered_in ON device (registered_in);
CREATE INDEX enrollment_user ON enrollment (user_id);
CREATE INDEX enrollment_device ON enrollment (device_id);
CREATE INDEX enrollment_session_enrollment ON enrollment_session (enrollment_id);
CREATE INDEX outbox_waiting ON outbox (next_attempt_at) WHERE delivered_at IS NULL AND parked_at IS NULL;
CREATE INDEX audit_at ON audit (at);
CREATE UNIQUE INDEX device_name_of_user ON device (user_id, folded_name) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX device_name_of_machine ON device (folded_name) WHERE user_id IS NULL;
CREATE INDEX withdrawn_token_user ON withdrawn_token (user_id);
CREATE INDEX withdrawn_token_at ON withdrawn_token (withdrawn_at);
CREATE INDEX password_reset_user ON password_reset (user_id);
CREATE INDEX freed_slot_device ON freed_slot (device_id);
CREATE INDEX outbox_delivered ON outbox (delivered_at) WHERE delivered_at IS NOT NULL;
CREATE INDEX audit_action ON audit (action);
CREATE INDEX fixed_place_location ON fixed_place (location_id);
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
CREATE TRIGGER audit_horizon_is_one_row BEFORE DELETE ON audit_horizon BEGIN
    SELECT RAISE(ABORT, 'the audit log keeps its horizon');
END;
CREATE TRIGGER audit_horizon_moves_on BEFORE UPDATE ON audit_horizon
WHEN NEW.kept_since < OLD.kept_since BEGIN
    SELECT RAISE(ABORT, 'the audit log keeps its horizon');
END;
CREATE INDEX session_user ON session (user_id);
CREATE INDEX known_browser_user ON known_browser (user_id);
COMMIT;
PRAGMA user_version = 10;
