-- The records that are one person's: merged with each other, directly or by way of others, in either direction.
-- For counting what was dispensed on a prescription; a grant over one of the records may not read the merges.

CREATE FUNCTION records_of_person(patient text) RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
    WITH RECURSIVE same (id) AS (
        SELECT $1
        UNION
        SELECT CASE WHEN d.patient = same.id THEN d.other ELSE d.patient END
        FROM duplicate d JOIN same ON same.id IN (d.patient, d.other)
        WHERE d.state = 'merged'
    )
    SELECT array_agg(id ORDER BY id) FROM same
$$;
REVOKE ALL ON FUNCTION records_of_person FROM PUBLIC;
GRANT EXECUTE ON FUNCTION records_of_person TO salus_wide, salus_bound;
