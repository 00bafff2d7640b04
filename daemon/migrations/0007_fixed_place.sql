-- Places on addresses of the device's own instead of a slot of the pool: as they were where the peer was taken over from.
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
