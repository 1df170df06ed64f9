-- search_records of 0012 without what the asker knows of every row, its compartment and type, and with no `others` for
-- none: reading a row costs the asker more than it costs the database to find it.
DROP FUNCTION search_records(text[], text[], text[], text[], text[], integer[]);
CREATE FUNCTION search_records(
    patients text[], sees_hidden text[], compartments text[], types text[], tokens text[], counts integer[]
)
    RETURNS TABLE (
        place integer, id text, version integer, updated timestamptz, others text[], source text, source_id text,
        date text, content bytea
    )
    LANGUAGE plpgsql STABLE ROWS 100 SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    applied text;
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
            SELECT n, r.id, r.version, r.updated, nullif(r.others, '{}'), r.source, r.source_id, r.date::text, r.content
            FROM resource r
            WHERE r.compartment = whose AND r.type = kind AND r.tokens @> having_all
              AND NOT r.deleted AND (NOT r.hidden OR sees_hidden[n] = 'yes')
            ORDER BY r.date DESC NULLS LAST, r.id
            LIMIT counts[n];
    END LOOP;
END
$$;
