-- Reads by id of many requests in one round trip. Each is made under its own grant: the grant's patients are
-- set anew before each, for this statement's transaction only, and the policies of 0001 read them again for each.
-- `place` is the request's, from 1; what its grant may not see has no row.
DROP FUNCTION read_resource(text, text, text, text);

CREATE FUNCTION read_resources(patients text[], sees_hidden text[], types text[], ids text[])
    RETURNS TABLE (
        place integer, compartment text, version integer, updated timestamptz, deleted boolean, others text[],
        source text, source_id text, content bytea
    )
    LANGUAGE plpgsql STABLE ROWS 16
AS $$
DECLARE
    applied text;  -- an assignment is evaluated at once, where PERFORM would run a query
BEGIN
    FOR n IN 1 .. cardinality(ids) LOOP
        applied := set_config('salus.patients', patients[n], true);
        applied := set_config('salus.sees_hidden', sees_hidden[n], true);
        RETURN QUERY
            SELECT n, r.compartment, r.version, r.updated, r.deleted, r.others, r.source, r.source_id, r.content
            FROM resource r
            WHERE r.type = types[n] AND r.id = ids[n] AND (NOT r.hidden OR sees_hidden[n] = 'yes');
    END LOOP;
END
$$;
