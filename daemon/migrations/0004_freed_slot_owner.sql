-- Whose a freed slot was, so that a device that comes back (its user enabled, its group restored) gets it again.
ALTER TABLE freed_slot ADD COLUMN device_id INTEGER REFERENCES device (id) ON DELETE SET NULL;
CREATE INDEX freed_slot_device ON freed_slot (device_id);
