PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT
) STRICT;
INSERT INTO "audit" VALUES(1,1700000000,'postern','user.create-first','ada',NULL);
INSERT INTO "audit" VALUES(2,1700000200,'ada','user.invite','zoë','by mail');
CREATE TABLE device (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER REFERENCES user (id) ON DELETE CASCADE,
    machine_location_id INTEGER REFERENCES location (id),
    name TEXT NOT NULL COLLATE NOCASE,
    public_key BLOB UNIQUE CHECK (length(public_key) = 32),
    polling_hash BLOB UNIQUE,
    polling_generation INTEGER NOT NULL DEFAULT 0,
    registered_in INTEGER REFERENCES enrollment (id) ON DELETE SET NULL,
    created_at INTEGER NOT NULL,
    CHECK ((user_id IS NULL) <> (machine_location_id IS NULL)),
    CHECK (user_id IS NULL OR public_key IS NOT NULL)
) STRICT;
INSERT INTO "device" VALUES(1,1,NULL,'Laptop',X'0909090909090909090909090909090909090909090909090909090909090909',X'0303030303030303030303030303030303030303030303030303030303030303',1,1,1700000060);
INSERT INTO "device" VALUES(2,NULL,2,'edge',NULL,NULL,0,NULL,1700000300);
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
INSERT INTO "device_address" VALUES(1,1,2,'10.77.1.2','fd77:1::2',1700000061);
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
    ended_at INTEGER,
    CHECK ((user_id IS NULL) <> (device_id IS NULL)),
    CHECK ((opened_at IS NULL) = (deadline IS NULL))
) STRICT;
INSERT INTO "enrollment" VALUES(1,'enrollment',1,NULL,NULL,X'0101010101010101010101010101010101010101010101010101010101010101',1700000000,1700086400,1700000010,1700000610,1700000050,1700000100);
INSERT INTO "enrollment" VALUES(2,'enrollment',3,NULL,1,X'0202020202020202020202020202020202020202020202020202020202020202',1700000200,1700086600,NULL,NULL,NULL,NULL);
INSERT INTO "enrollment" VALUES(3,'machine',NULL,2,NULL,X'0404040404040404040404040404040404040404040404040404040404040404',1700000300,1700086700,NULL,NULL,NULL,NULL);
CREATE TABLE enrollment_session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    enrollment_id INTEGER NOT NULL REFERENCES enrollment (id) ON DELETE CASCADE,
    session_hash BLOB NOT NULL UNIQUE
) STRICT;
INSERT INTO "enrollment_session" VALUES(1,1,X'0505050505050505050505050505050505050505050505050505050505050505');
CREATE TABLE freed_slot (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    location_id INTEGER NOT NULL REFERENCES location (id),
    slot INTEGER NOT NULL,
    UNIQUE (location_id, slot)
) STRICT;
INSERT INTO "freed_slot" VALUES(1,1,3);
CREATE TABLE instance (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    uuid TEXT NOT NULL
) STRICT;
INSERT INTO "instance" VALUES(1,'6f1c2a34-0000-4000-8000-000000000001');
CREATE TABLE location (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    next_slot INTEGER NOT NULL DEFAULT 2
) STRICT;
INSERT INTO "location" VALUES(1,'hq',5);
INSERT INTO "location" VALUES(2,'lab',2);
CREATE TABLE membership (
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, group_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "membership" VALUES(1,1);
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL,
    delivered_at INTEGER,
    parked_at INTEGER,
    last_error TEXT
) STRICT;
INSERT INTO "outbox" VALUES(1,'{"Welcome":{"user":1}}',1700000100,1,1700000100,1700000101,NULL,NULL);
INSERT INTO "outbox" VALUES(2,'{"Invite":{"enrollment":2}}',1700000200,0,1700000200,NULL,NULL,NULL);
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
INSERT INTO "user" VALUES(1,'ada','Ada','Example','ada@example.com',NULL,'$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAA',1,NULL,1000,1700000100,1700000000);
INSERT INTO "user" VALUES(3,'zoë','Zoë','Beispiel','zoe@example.com','+49 30 123',NULL,0,1700000900,NULL,NULL,1700000200);
CREATE TABLE user_group (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE
) STRICT;
INSERT INTO "user_group" VALUES(1,'ops');
CREATE INDEX membership_group ON membership (group_id);
CREATE UNIQUE INDEX device_name_of_user ON device (user_id, name) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX device_name_of_machine ON device (name) WHERE user_id IS NULL;
CREATE INDEX device_registered_in ON device (registered_in);
CREATE INDEX enrollment_user ON enrollment (user_id);
CREATE INDEX enrollment_device ON enrollment (device_id);
CREATE INDEX enrollment_session_enrollment ON enrollment_session (enrollment_id);
CREATE INDEX outbox_waiting ON outbox (next_attempt_at) WHERE delivered_at IS NULL AND parked_at IS NULL;
CREATE INDEX audit_at ON audit (at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('location',2);
INSERT INTO "sqlite_sequence" VALUES('user',3);
INSERT INTO "sqlite_sequence" VALUES('user_group',1);
INSERT INTO "sqlite_sequence" VALUES('enrollment',3);
INSERT INTO "sqlite_sequence" VALUES('device',2);
INSERT INTO "sqlite_sequence" VALUES('freed_slot',1);
INSERT INTO "sqlite_sequence" VALUES('enrollment_session',1);
INSERT INTO "sqlite_sequence" VALUES('outbox',2);
INSERT INTO "sqlite_sequence" VALUES('audit',2);
COMMIT;
PRAGMA user_version = 1;
