-- What makes the account the user's login: a second factor, other applications, and what its owner manages.

-- Second factor: TOTP and recovery codes.

-- Passkeys.

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
