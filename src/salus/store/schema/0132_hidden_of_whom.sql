-- What somebody hides is in their record: a row that was corrected to be another's is shown again when that one hides it
-- no more, whatever those hid whom it was about before (docs/decisions/0010). As in 0020 but for whose restriction counts.
CREATE FUNCTION salus_is_restricted(whose text, kind text, name text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
    SELECT EXISTS (
        SELECT FROM restriction n
        WHERE n.type = kind AND n.id = name AND (n.patient = whose OR position('/' IN whose) > 0))
$$;
REVOKE ALL ON FUNCTION salus_is_restricted FROM PUBLIC;

CREATE OR REPLACE FUNCTION show_unrestricted(names text[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
    changed integer;
BEGIN
    UPDATE resource_version v SET hidden = false FROM unnest(names) AS name
    WHERE v.type = split_part(name, '/', 1) AND v.id = split_part(name, '/', 2) AND v.hidden
        AND NOT salus_is_restricted(v.compartment, v.type, v.id);
    UPDATE resource r SET hidden = false FROM unnest(names) AS name
    WHERE r.type = split_part(name, '/', 1) AND r.id = split_part(name, '/', 2) AND r.hidden
        AND NOT salus_is_restricted(r.compartment, r.type, r.id);
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$$;
