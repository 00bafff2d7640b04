-- What makes the account the user's login: a second factor, other applications, and what its owner manages.

-- Second factor: TOTP and recovery codes.

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

-- Locations that ask for a second factor.
