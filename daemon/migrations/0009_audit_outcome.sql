-- Why what an entry names was refused, in a word; NULL: it was done. Whatever is in the log before this was.
ALTER TABLE audit ADD COLUMN refused TEXT CHECK (refused <> '');
