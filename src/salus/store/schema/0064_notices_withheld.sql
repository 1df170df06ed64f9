-- A notice knows whose access it tells of, so that an author who is withheld from the citizen (0078, EHDS 9(3)) is not told
-- by the notice instead.
ALTER TABLE notice ADD COLUMN subject text NOT NULL DEFAULT '';
DROP FUNCTION tell(text[], timestamptz[], text[], text[], text[], text[], text[]);
CREATE FUNCTION tell(
    patients text[], times timestamptz[], kinds text[], keys text[], subjects text[], names text[], places text[],
    requests text[]
) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
    INSERT INTO notice (patient, at, kind, key, subject, who, place, request)
    SELECT * FROM unnest(patients, times, kinds, keys, subjects, names, places, requests)
    ON CONFLICT DO NOTHING
$$;
