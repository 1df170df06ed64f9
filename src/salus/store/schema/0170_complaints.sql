-- What a person complains of (EHDS article 21, GDPR article 77), kept as it was said: never changed.
CREATE TABLE complaint (
    patient      text        NOT NULL,
    number       bigint      GENERATED ALWAYS AS IDENTITY,
    at           timestamptz NOT NULL,
    by           text        NOT NULL,                -- name of who wrote it: the person, who acts for them, staff at a desk
    kind         text        NOT NULL CHECK (kind IN ('access', 'organisation', 'other')),
    about        text        NOT NULL,                -- id of the request in the access log; name of the organisation; '' else
    said         bytea       NOT NULL,                -- sealed (docs/decisions/0028)
    PRIMARY KEY (patient, number)
);
ALTER TABLE complaint ALTER COLUMN by SET STATISTICS 0, ALTER COLUMN about SET STATISTICS 0;  -- as in 0122
CREATE INDEX complaint_number ON complaint (number);
ALTER TABLE complaint ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON complaint TO salus_bound;
CREATE POLICY wide ON complaint TO salus_wide USING (true);
CREATE POLICY bound ON complaint TO salus_bound
    USING (patient = ANY ((SELECT salus_patients())::text[]))
    WITH CHECK (patient = ANY ((SELECT salus_patients())::text[]));
REVOKE UPDATE, DELETE, TRUNCATE ON complaint FROM salus_wide;

-- Beside `erase_person`, in the same transaction (store/erasing.py).
CREATE FUNCTION erase_complaints(whose text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    DELETE FROM complaint WHERE patient = ANY (whose)
$$;
REVOKE ALL ON FUNCTION erase_complaints FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_complaints TO salus_wide;
