-- What is known of a person besides their data, and what a decision needs to know of it (docs/decisions/0015, rule 1):
-- opt-outs, emergency accesses, who was shown to be with whom. Each process keeps what is in force in memory; a change
-- is told to all of them as it commits (store/standing.py).

-- Regulation (EU) 2025/327, articles 10 and 71. History: the newest row of a kind holds, and none means no opt-out.
CREATE TABLE opt_out (
    patient     text        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN ('exchange', 'secondary-use')),
    number      integer     NOT NULL,                 -- from 1
    at          timestamptz NOT NULL,
    opted_out   boolean     NOT NULL,                 -- false: taken back
    by          text        NOT NULL,                 -- name of who said so
    PRIMARY KEY (patient, kind, number)
);

-- Article 11(5): one professional, one patient, at most an hour; looked at again by somebody else.
CREATE TABLE emergency (
    patient      text        NOT NULL,
    id           text        NOT NULL,
    subject      text        NOT NULL,
    name         text        NOT NULL,
    organisation text        NOT NULL,
    node         text        NOT NULL,                -- that asked for the professional, '' for one of here
    reason       text        NOT NULL,
    began_at     timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    review_by    timestamptz NOT NULL,
    reviewed_at  timestamptz,
    reviewer     text,
    verdict      text CHECK (verdict IN ('justified', 'unjustified')),
    note         text,
    PRIMARY KEY (patient, id)
);
CREATE INDEX emergency_open ON emergency (review_by) WHERE reviewed_at IS NULL;
CREATE INDEX emergency_id ON emergency (id);

-- A code that the citizen shows to a professional: they are together. Only a keyed hash of it is kept.
CREATE TABLE presence_code (
    patient     text        NOT NULL,
    digest      bytea       NOT NULL,
    until       timestamptz NOT NULL,
    used_at     timestamptz,
    PRIMARY KEY (patient, digest)
);

-- That a professional abroad has the patient in front of them was shown, not only stated (article 11(1)).
CREATE TABLE presence (
    patient     text        NOT NULL,
    node        text        NOT NULL,
    subject     text        NOT NULL,
    evidence    text        NOT NULL,                 -- code, document
    since       timestamptz NOT NULL,
    until       timestamptz NOT NULL,
    PRIMARY KEY (patient, node, subject)
);

-- Patients whom a node asked for without showing that, by day.
CREATE TABLE unproven (
    node        text        NOT NULL,
    day         date        NOT NULL,
    patient     text        NOT NULL,
    PRIMARY KEY (node, day, patient)
);

-- What a person is told. Only what, when and by whom; never health data.
CREATE TABLE notice (
    patient     text        NOT NULL,
    id          bigint      GENERATED ALWAYS AS IDENTITY,
    at          timestamptz NOT NULL,
    kind        text        NOT NULL,                 -- emergency, unproven and others (store/notices.py)
    key         text        NOT NULL,                 -- the same matter gives one notice
    who         text        NOT NULL,
    place       text        NOT NULL,
    request     text        NOT NULL,                 -- id of the request, as in the access log
    read_at     timestamptz,
    PRIMARY KEY (patient, id),
    UNIQUE (patient, kind, key)
);

-- A person who shares a telephone chooses the quiet channel: what is sent says only that there is news.
CREATE TABLE notice_channel (
    patient     text        PRIMARY KEY,
    quiet       boolean     NOT NULL
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['opt_out', 'emergency', 'presence_code', 'presence', 'notice', 'notice_channel'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO salus_bound', name);
        EXECUTE format('CREATE POLICY wide ON %I TO salus_wide USING (true)', name);
        EXECUTE format('CREATE POLICY bound ON %I TO salus_bound
            USING (patient = ANY ((SELECT salus_patients())::text[]))
            WITH CHECK (patient = ANY ((SELECT salus_patients())::text[]))', name);
    END LOOP;
END
$$;
REVOKE UPDATE, DELETE, TRUNCATE ON opt_out FROM salus_wide;
REVOKE UPDATE ON opt_out FROM salus_bound;
REVOKE DELETE, TRUNCATE ON emergency FROM salus_wide;

-- Notices belong to leaves: whoever writes the leaf tells the person, also under a grant that opens nobody.
CREATE FUNCTION tell(
    patients text[], times timestamptz[], kinds text[], keys text[], names text[], places text[], requests text[]
) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
    INSERT INTO notice (patient, at, kind, key, who, place, request)
    SELECT * FROM unnest(patients, times, kinds, keys, names, places, requests)
    ON CONFLICT DO NOTHING
$$;

-- Once for each patient and transaction: NOTIFY drops repeats.
CREATE FUNCTION tell_standing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('salus_standing', NEW.patient);
    RETURN NULL;
END
$$;
CREATE TRIGGER told AFTER INSERT OR UPDATE ON opt_out FOR EACH ROW EXECUTE FUNCTION tell_standing();
CREATE TRIGGER told AFTER INSERT OR UPDATE ON emergency FOR EACH ROW EXECUTE FUNCTION tell_standing();
CREATE TRIGGER told AFTER INSERT OR UPDATE ON presence FOR EACH ROW EXECUTE FUNCTION tell_standing();
