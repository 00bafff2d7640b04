-- Who is signed in where, and which browsers signed in to an account before. Of what cookies hold only hashes are here.
CREATE TABLE session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    browser TEXT NOT NULL,
    address TEXT NOT NULL
) STRICT;

CREATE INDEX session_user ON session (user_id);

-- A browser may be several people's.
CREATE TABLE known_browser (
    token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    last_used_at INTEGER NOT NULL,
    PRIMARY KEY (token_hash, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX known_browser_user ON known_browser (user_id);
