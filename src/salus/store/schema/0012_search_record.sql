-- Searches in one record, newest first, of many requests in one round trip. Each is made under its own grant:
-- the grant's patients are set anew before each, for this statement's transaction only, and the policies of 0001
-- read them again for each. `place` is the request's, from 1; tokens are a text such as {1,2}, all of which a row
-- has, that of the patient among them, so that an index finds it. One plan is right for every patient: making
-- one anew costs three times what it takes to carry it out.
CREATE FUNCTION search_records(
    patients text[], sees_hidden text[], compartments text[], types text[], tokens text[], counts integer[]
)
    RETURNS TABLE (
        place integer, compartment text, type text, id text, version integer, updated timestamptz, others text[],
        source text, source_id text, date text, content bytea
    )
    LANGUAGE plpgsql STABLE ROWS 100 SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    applied text;  -- an assignment is evaluated at once, where PERFORM would run a query
    whose text;
    kind text;
    having_all bigint[];
BEGIN
    FOR n IN 1 .. cardinality(types) LOOP
        applied := set_config('salus.patients', patients[n], true);
        applied := set_config('salus.sees_hidden', sees_hidden[n], true);
        whose := compartments[n];
        kind := types[n];
        having_all := tokens[n];
        RETURN QUERY
            SELECT n, r.compartment, r.type, r.id, r.version, r.updated, r.others, r.source, r.source_id,
                   r.date::text, r.content
            FROM resource r
            WHERE r.compartment = whose AND r.type = kind AND r.tokens @> having_all
              AND NOT r.deleted AND (NOT r.hidden OR sees_hidden[n] = 'yes')
            ORDER BY r.date DESC NULLS LAST, r.id
            LIMIT counts[n];
    END LOOP;
END
$$;
