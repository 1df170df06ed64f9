-- Closure tables of client systems (R4, $closure): codes and nothing of a person. Whose a table is, is a digest of who asked.
CREATE TABLE closure_table (
    owner       bytea       NOT NULL,                 -- SHA-256 of issuer and subject of the client
    name        text        NOT NULL,
    version     integer     NOT NULL,                 -- grows with every addition
    used_at     timestamptz NOT NULL,
    PRIMARY KEY (owner, name)
);
CREATE TABLE closure_code (
    owner       bytea       NOT NULL,
    name        text        NOT NULL,
    system      text        NOT NULL,
    code        text        NOT NULL,
    version     integer     NOT NULL,                 -- of the table that it came with
    position    integer     NOT NULL,
    PRIMARY KEY (owner, name, system, code),
    FOREIGN KEY (owner, name) REFERENCES closure_table ON DELETE CASCADE
);
ALTER TABLE closure_table ENABLE ROW LEVEL SECURITY;
ALTER TABLE closure_code ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON closure_table TO salus_wide USING (true);
CREATE POLICY wide ON closure_code TO salus_wide USING (true);
