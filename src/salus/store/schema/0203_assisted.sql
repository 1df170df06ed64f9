-- Sessions in which staff at a desk help a person (Regulation (EU) 2025/327, Art. 4(4)): whom, who helps, what was
-- shown, until when. The gate asks for one that is open (salus.trust.standing).
CREATE TABLE assisted (
    patient     text        NOT NULL,
    subject     text        NOT NULL,                 -- the member of staff
    evidence    text        NOT NULL,                 -- code, or a kind of document and a keyed hash of its number
    since       timestamptz NOT NULL,
    until       timestamptz NOT NULL,
    PRIMARY KEY (patient, subject, since)
);
ALTER TABLE assisted ALTER COLUMN evidence SET STATISTICS 0;  -- no samples of people (schema 0122)
CREATE INDEX assisted_by ON assisted (subject, since);
CREATE INDEX assisted_until ON assisted (until);
ALTER TABLE assisted ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON assisted TO salus_wide USING (true);
CREATE TRIGGER told AFTER INSERT OR UPDATE ON assisted FOR EACH ROW EXECUTE FUNCTION tell_standing();

-- Beside `erase_person`, in the same transaction (store/erasing.py); replaces that of 0180.
CREATE OR REPLACE FUNCTION erase_told(whose text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    DELETE FROM incident_person WHERE patient = ANY (whose);
    DELETE FROM notice_way WHERE patient = ANY (whose) OR holder = ANY (whose);
    DELETE FROM assisted WHERE patient = ANY (whose)
$$;

-- A power that a desk enters waits (confirmed_at is null) until another member of staff confirms it.
ALTER TABLE proxy ADD COLUMN proposed_by text NOT NULL DEFAULT '';
CREATE INDEX proxy_waits ON proxy (asked_at) WHERE confirmed_at IS NULL AND ended_at IS NULL;
