-- What the pages remember of an enrollment: that the person looked at their data, and that they finished without a device.
ALTER TABLE enrollment ADD COLUMN reviewed_at INTEGER;
ALTER TABLE enrollment ADD COLUMN device_skipped_at INTEGER;

-- Tokens that were taken back before anybody used them, so that whoever holds one can be told whom to ask.
CREATE TABLE withdrawn_token (
    token_hash BLOB PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    issued_by INTEGER REFERENCES user (id) ON DELETE SET NULL,
    withdrawn_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX withdrawn_token_user ON withdrawn_token (user_id);
CREATE INDEX withdrawn_token_at ON withdrawn_token (withdrawn_at);

-- Tokens with which people who forgot their password set another one. `session_hash` is of the newest session only.
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
