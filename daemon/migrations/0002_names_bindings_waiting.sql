-- Device names compare without regard to case in every script: `folded_name` is what `rules::names::folded` makes of a
-- name. Rows from before are folded as far as SQL can, that is for ASCII.
ALTER TABLE device ADD COLUMN folded_name TEXT NOT NULL DEFAULT '';
UPDATE device SET folded_name = lower(name);
DROP INDEX device_name_of_user;
DROP INDEX device_name_of_machine;
CREATE UNIQUE INDEX device_name_of_user ON device (user_id, folded_name) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX device_name_of_machine ON device (folded_name) WHERE user_id IS NULL;

-- A person's device that was made by the command line client: it can hold one location and stays on this one.
ALTER TABLE device ADD COLUMN only_location_id INTEGER REFERENCES location (id);

-- Who may use a location but found its addresses all taken. `told`: whether it was written to the audit log.
CREATE TABLE waiting (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    location_id INTEGER NOT NULL REFERENCES location (id),
    told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1)),
    UNIQUE (device_id, location_id)
) STRICT;

-- When the contact was last told by mail that the location is full.
ALTER TABLE location ADD COLUMN exhaustion_told_at INTEGER;
