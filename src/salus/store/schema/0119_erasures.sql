-- Requests to have something erased (GDPR articles 17 and 12(3)), as those for rectification (0098). The history of a
-- request about an entry is kept; of a whole record that was erased nothing is left here but tombstones (0121).
CREATE TABLE erasure (
    patient     text        NOT NULL,
    id          text        NOT NULL,
    type        text        NOT NULL,                 -- of the entry, '' for the whole record
    entry       text        NOT NULL,                 -- its logical id, '' for the whole record
    ground      text        NOT NULL,                 -- salus.trust.erasure.Ground
    said        text        NOT NULL,
    asked_by    text        NOT NULL,                 -- subject of who asked: somebody else answers
    asked_at    timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    state       text        NOT NULL CHECK (state IN ('open', 'extended', 'accepted', 'refused')),
    PRIMARY KEY (patient, id)
);
CREATE INDEX erasure_waiting ON erasure (due_at) WHERE state IN ('open', 'extended');
CREATE INDEX erasure_id ON erasure (id);

CREATE TABLE erasure_step (
    patient     text        NOT NULL,
    request     text        NOT NULL,
    number      integer     NOT NULL,                 -- from 1
    at          timestamptz NOT NULL,
    by          text        NOT NULL,
    state       text        NOT NULL,
    said        text        NOT NULL,
    PRIMARY KEY (patient, request, number)
);

-- Members of the federation and organisations that hold copies, and are to be told (GDPR article 19).
CREATE TABLE erasure_recipient (
    erasure      text       NOT NULL,
    node         text       NOT NULL,                 -- '' for this one
    organisation text       NOT NULL,
    holds        text       NOT NULL,                 -- dispensations, copies
    told_at      timestamptz,
    told_by      text       NOT NULL DEFAULT '',
    PRIMARY KEY (erasure, node, organisation, holds)
);
ALTER TABLE erasure_recipient ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON erasure_recipient TO salus_wide USING (true);
REVOKE DELETE, TRUNCATE ON erasure_recipient FROM salus_wide;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['erasure', 'erasure_step'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO salus_bound', name);
        EXECUTE format('CREATE POLICY wide ON %I TO salus_wide USING (true)', name);
        EXECUTE format('CREATE POLICY bound ON %I TO salus_bound
            USING (patient = ANY ((SELECT salus_patients())::text[]))
            WITH CHECK (patient = ANY ((SELECT salus_patients())::text[]))', name);
    END LOOP;
END
$$;
REVOKE UPDATE, DELETE, TRUNCATE ON erasure_step FROM salus_wide;
REVOKE DELETE, TRUNCATE ON erasure FROM salus_wide;
