-- What a person says is wrong in their record, and what became of it (GDPR articles 16 and 12(3), EHDS article 6).
CREATE TABLE rectification (
    patient     text        NOT NULL,
    id          text        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN ('entry', 'not-mine')),
    type        text        NOT NULL,
    entry       text        NOT NULL,                 -- logical id of the resource
    version     integer     NOT NULL,                 -- as the person saw it
    said        text        NOT NULL,
    other       text        NOT NULL,                 -- not-mine: the record merged with theirs that holds it, '' for none
    asked_at    timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    state       text        NOT NULL CHECK (state IN ('open', 'extended', 'accepted', 'refused')),
    PRIMARY KEY (patient, id)
);
CREATE INDEX rectification_waiting ON rectification (due_at) WHERE state IN ('open', 'extended');
CREATE INDEX rectification_id ON rectification (id);

-- Its history: each step is kept as it was said.
CREATE TABLE rectification_step (
    patient     text        NOT NULL,
    request     text        NOT NULL,
    number      integer     NOT NULL,                 -- from 1
    at          timestamptz NOT NULL,
    by          text        NOT NULL,
    state       text        NOT NULL,
    said        text        NOT NULL,
    corrected   text        NOT NULL,                 -- accepted: "Type/id/_history/n" that is right, or the record parted
    PRIMARY KEY (patient, request, number)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['rectification', 'rectification_step'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO salus_bound', name);
        EXECUTE format('CREATE POLICY wide ON %I TO salus_wide USING (true)', name);
        EXECUTE format('CREATE POLICY bound ON %I TO salus_bound
            USING (patient = ANY ((SELECT salus_patients())::text[]))
            WITH CHECK (patient = ANY ((SELECT salus_patients())::text[]))', name);
    END LOOP;
END
$$;
REVOKE UPDATE, DELETE, TRUNCATE ON rectification_step FROM salus_wide;
REVOKE DELETE, TRUNCATE ON rectification FROM salus_wide;
