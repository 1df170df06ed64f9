-- Incidents that are not about one person's accesses: a stolen backup, a client, a device, a key (trust/breach/kinds.toml).
ALTER TABLE incident
    ADD COLUMN kind text NOT NULL DEFAULT 'access',
    ADD COLUMN protection text NOT NULL DEFAULT 'unknown' CHECK (protection IN ('unknown', 'sealed', 'opened'));

-- What people are told of an incident, as an auditor released it; one text for each language.
CREATE TABLE incident_text (
    incident    bigint      NOT NULL REFERENCES incident,
    language    text        NOT NULL,                 -- BCP 47
    said        bytea       NOT NULL,                 -- sealed (docs/decisions/0028)
    PRIMARY KEY (incident, language)
);

-- Who was told, in which language, and of which categories of their data; the notice itself is in `notice`.
CREATE TABLE incident_person (
    patient     text        NOT NULL,
    incident    bigint      NOT NULL REFERENCES incident,
    language    text        NOT NULL,
    categories  text[]      NOT NULL,                 -- trust/breach/categories.toml
    told_at     timestamptz NOT NULL,
    PRIMARY KEY (patient, incident)
);
ALTER TABLE incident_person ALTER COLUMN categories SET STATISTICS 0;  -- as in 0122
CREATE INDEX incident_person_incident ON incident_person (incident, patient);

ALTER TABLE incident_text ENABLE ROW LEVEL SECURITY;
ALTER TABLE incident_person ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON incident_text, incident_person TO salus_bound;
CREATE POLICY wide ON incident_text TO salus_wide USING (true);
CREATE POLICY wide ON incident_person TO salus_wide USING (true);
CREATE POLICY bound ON incident_person TO salus_bound USING (patient = ANY ((SELECT salus_patients())::text[]));
CREATE POLICY bound ON incident_text TO salus_bound
    USING (EXISTS (SELECT FROM incident_person told WHERE told.incident = incident_text.incident));

-- Beside `erase_person`, in the same transaction (store/erasing.py).
CREATE FUNCTION erase_told(whose text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    DELETE FROM incident_person WHERE patient = ANY (whose)
$$;
REVOKE ALL ON FUNCTION erase_told FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_told TO salus_wide;
