-- Since when a message fails, and whether the mail server was to blame the last time: such messages follow as soon as one
-- gets through. `answer` is the word with which the server took responsibility.
ALTER TABLE outbox ADD COLUMN failing_since INTEGER;
ALTER TABLE outbox ADD COLUMN server_failed INTEGER NOT NULL DEFAULT 0 CHECK (server_failed IN (0, 1));
ALTER TABLE outbox ADD COLUMN answer TEXT;
CREATE INDEX outbox_delivered ON outbox (delivered_at) WHERE delivered_at IS NOT NULL;

-- Whether the inviter was told that the link expired without having been used.
ALTER TABLE enrollment ADD COLUMN expiry_told_at INTEGER;
