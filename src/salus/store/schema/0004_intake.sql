-- Documents as received, rejected input, the state of loads, and proposed duplicates of persons.

-- A received document, byte for byte: its hash and signature stay true. What was extracted from it, and its
-- DocumentReference, are in `resource`. `id` is also the id in the attachment's url, Binary/{id}.
CREATE TABLE document (
    patient     text        NOT NULL,                -- distribution column: logical id of the patient
    id          text        NOT NULL,
    reference   text        NOT NULL,                -- id of its DocumentReference
    media_type  text        NOT NULL,
    digest      bytea       NOT NULL,                -- SHA-256 of content
    received_at timestamptz NOT NULL,
    source      text        NOT NULL DEFAULT '',     -- the system it came from
    extracted   text[]      NOT NULL DEFAULT '{}',   -- "Type/id" of the resources made from it
    content     bytea       NOT NULL,
    PRIMARY KEY (patient, id)
);
ALTER TABLE document ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE INDEX document_id ON document (id);
CREATE INDEX document_digest ON document (patient, digest);
ALTER TABLE document ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON document TO salus_wide USING (true);
GRANT SELECT, INSERT ON document TO salus_bound;
CREATE POLICY bound ON document TO salus_bound
    USING (patient = ANY ((SELECT salus_patients())::text[]))
    WITH CHECK (patient = ANY ((SELECT salus_patients())::text[]));

-- Input that was refused: health data like any other, kept until it expires. Only salus_wide reaches it.
-- `id` is derived from where it stood, so that a file loaded again changes nothing here.
CREATE TABLE quarantine (
    patient     text        NOT NULL,                -- distribution column: the patient it seems to be about, or ''
    id          text        NOT NULL,
    arrived_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    source      text        NOT NULL,
    file        text        NOT NULL,
    line        bigint      NOT NULL,                -- from 1; of a Bundle on one line, see `entry`
    entry       bigint      NOT NULL,                -- position in the Bundle from 0, -1 for none
    type        text        NOT NULL,                -- resource type, '' when it cannot be told
    outcome     bytea       NOT NULL,                -- OperationOutcome as JSON
    content     bytea       NOT NULL,                -- the bytes as received
    PRIMARY KEY (patient, id)
);
CREATE INDEX quarantine_id ON quarantine (id);
CREATE INDEX quarantine_expires ON quarantine (expires_at);

-- How far the load of a file has come, written with the data: a killed load goes on where it stood.
CREATE TABLE load_progress (
    source      text        NOT NULL,
    file        text        NOT NULL,                -- resolved path
    fingerprint text        NOT NULL,                -- size and change time: another content starts anew
    units       bigint      NOT NULL,                -- resources (or whole Bundles) done, in file order
    stored      bigint      NOT NULL,
    unchanged   bigint      NOT NULL,
    rejected    bigint      NOT NULL,
    finished    boolean     NOT NULL,
    PRIMARY KEY (source, file)
);

-- Two Patients that may be one person. Merging is by Patient.link; a decision is kept so that it is not asked again.
CREATE TABLE duplicate (
    patient     text        NOT NULL,                -- the one of the two that sorts first
    other       text        NOT NULL,
    reason      text        NOT NULL,
    score       real        NOT NULL,                -- 0 to 1
    state       text        NOT NULL CHECK (state IN ('proposed', 'merged', 'refused')),
    proposed_at timestamptz NOT NULL,
    decided_at  timestamptz,
    decided_by  text        NOT NULL DEFAULT '',
    survivor    text        NOT NULL DEFAULT '',     -- of a merge: the one of the two that stays
    active      boolean,                             -- of a merge: what the other's Patient.active was
    PRIMARY KEY (patient, other)
);
