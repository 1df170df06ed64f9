-- Data permits (Regulation (EU) 2025/327, Art. 68): who may use what, for which purpose, how long. The key of a permit's
-- pseudonyms is in the key store, not here, and is destroyed when the permit ends.
CREATE TABLE permit (
    id          text        PRIMARY KEY,              -- random
    holder      text        NOT NULL,                 -- the health data user
    purposes    text[]      NOT NULL,                 -- letters of Art. 53(1)
    categories  text[]      NOT NULL,                 -- letters of Art. 51(1)
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL,
    issued_at   timestamptz NOT NULL,
    issued_by   text        NOT NULL,                 -- name of who issued it
    extended_at timestamptz,                          -- once
    ended_at    timestamptz,                          -- before its time
    reason      text        NOT NULL DEFAULT '',      -- why it ended before its time
    key_gone_at timestamptz,                          -- when the key of its pseudonyms was destroyed
    CHECK (starts_at < ends_at)
);
CREATE INDEX permit_key ON permit (ends_at) WHERE key_gone_at IS NULL;
ALTER TABLE permit ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON permit TO salus_wide USING (true);
REVOKE DELETE, TRUNCATE ON permit FROM salus_wide;
