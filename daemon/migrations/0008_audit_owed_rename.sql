-- The audit log is only ever appended to. Where somebody outside was behind a deed, its source is their address. What is
-- older than the horizon may be forgotten; the sweep moves the horizon, and it never goes back.
ALTER TABLE audit ADD COLUMN source TEXT;

CREATE TABLE audit_horizon (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    kept_since INTEGER NOT NULL
) STRICT;

INSERT INTO audit_horizon (id, kept_since) VALUES (1, 0);

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

-- Files that a committed change has ready, and that are to be renamed into place.
CREATE TABLE owed_rename (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source BLOB NOT NULL,
    target BLOB NOT NULL
) STRICT;
