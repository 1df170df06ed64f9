-- Who restricts for somebody else (a proxy, staff at a desk) is told of no more than they may see, so they need the names of
-- what a restriction reaches, not its counts: the caller leaves out what it may not see (store/restrictions.py).
CREATE FUNCTION restriction_names(whose text[], name text) RETURNS TABLE (type text, id text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    records text[] := records_with(whose);
BEGIN
    PERFORM require_own(whose);
    IF restricted_in(records, name) IS NULL THEN RETURN; END IF;
    RETURN QUERY SELECT w.type, w.id FROM restriction_reach(records, ARRAY[name]) w ORDER BY 1, 2;
END
$$;
REVOKE ALL ON FUNCTION restriction_names FROM PUBLIC;
GRANT EXECUTE ON FUNCTION restriction_names TO salus_wide, salus_bound;
