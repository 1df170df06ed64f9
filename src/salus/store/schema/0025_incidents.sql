-- Findings of the watch over the ledger, and incidents. Only salus_wide reaches them: no patient-bound grant has
-- a row here. An incident's entries are its history and are never changed; each is also a leaf of the audit.

CREATE TABLE incident (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title       text        NOT NULL,
    subject     text        NOT NULL,                 -- of the caller whose accesses it is about
    since       timestamptz NOT NULL,                 -- their accesses from here
    until       timestamptz NOT NULL,                 -- to here are concerned
    patients    text[]      NOT NULL,                 -- only these, '{}' for all whom they opened
    acting      text        NOT NULL,                 -- controller or processor (GDPR, Art. 33)
    significant boolean     NOT NULL,                 -- NIS2, Art. 23(3)
    high_risk   boolean     NOT NULL,                 -- GDPR, Art. 34(1)
    aware_at    timestamptz NOT NULL,                 -- the clocks run from here
    closed_at   timestamptz
);

CREATE TABLE incident_entry (
    incident    bigint      NOT NULL REFERENCES incident,
    number      integer     NOT NULL,                 -- from 1
    at          timestamptz NOT NULL,
    by          text        NOT NULL,                 -- name of who wrote it
    kind        text        NOT NULL,                 -- opened, note, notice, closed
    notice      text        NOT NULL DEFAULT '',      -- which, of a notice (trust/breach/clocks.toml)
    body        text        NOT NULL,
    PRIMARY KEY (incident, number)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON incident_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE finding (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key         text        NOT NULL UNIQUE,          -- the same leaves read again give the same finding
    found_at    timestamptz NOT NULL,
    score       float8      NOT NULL,
    body        bytea       NOT NULL,                 -- trust.breach.finding.Finding as JSON
    incident    bigint      REFERENCES incident,      -- that was opened for it
    dismissed   text                                  -- why it is none, null while nobody has said so
);

-- How far the watch has read and what it remembers, one row.
CREATE TABLE watch (
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one),
    position    bigint      NOT NULL,                 -- index in the log of the next leaf to read
    kept_at     timestamptz NOT NULL,
    memory      bytea       NOT NULL                  -- trust.breach.watch.Watch as MessagePack
);

-- What the auditor tells the watch of patients: honey records, protected persons, staff and families.
CREATE TABLE watch_mark (
    patient     text        NOT NULL,
    kind        text        NOT NULL,                 -- honey, protected, staff, kin
    subject     text        NOT NULL DEFAULT '',      -- staff: who they are; kin: whose
    marked_at   timestamptz NOT NULL,
    PRIMARY KEY (patient, kind, subject)
);
