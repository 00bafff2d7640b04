-- Files that a committed change has ready, and that are to be renamed into place.
CREATE TABLE owed_rename (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source BLOB NOT NULL,
    target BLOB NOT NULL
) STRICT;
