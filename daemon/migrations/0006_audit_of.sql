-- Lists show the newest entries of one kind; without this the whole log is read for them.
CREATE INDEX audit_action ON audit (action);
