-- Many requests in one round trip have one signature over all their grants (docs/decisions/0030): to check one for each
-- costs more than the policies do. So these functions run as the owner and hold to each grant themselves, by
-- salus_opens, which says what the policies of `resource` say (0001, 0055, 0056); a test holds them to one answer.
CREATE FUNCTION salus_opens(compartment text, type text, others text[], opened text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT compartment = ANY (opened) OR salus_is_shared(compartment, type)
        OR (salus_is_outside(compartment, type) AND others <> '{}' AND others <@ opened) $$;

-- Whether the grants of these requests are node-wide; an error where they are not and are not signed either.
-- `signed` is as `salus.patients` of 0148, without the patients. No line break is in an asker, or in patients.
CREATE FUNCTION salus_are_wide(signed text, patients text[], askers text[]) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
DECLARE
    inner_key bytea;
    outer_key bytea;
BEGIN
    IF current_setting('role') = 'salus_wide' THEN RETURN true; END IF;
    SELECT k.inner_pad, k.outer_pad INTO inner_key, outer_key FROM grant_key k WHERE k.name = substr(signed, 65, 8);
    IF encode(sha256(outer_key || sha256(inner_key || convert_to(
        substr(signed, 65) || pg_backend_pid() || E'\nmany ' || cardinality(patients) || E'\n'
        || array_to_string(askers || patients, E'\n', E'\n'), 'UTF8'))), 'hex') = substr(signed, 1, 64)
    THEN
        IF substr(signed, 73, 10)::bigint > extract(epoch FROM now()) AND cardinality(patients) = cardinality(askers)
            AND array_lower(patients, 1) = 1 AND array_lower(askers, 1) = 1
        THEN
            RETURN false;
        END IF;
    END IF;
    RAISE insufficient_privilege USING MESSAGE = 'the grant of this statement is not good';
END
$$;
REVOKE ALL ON FUNCTION salus_are_wide FROM PUBLIC;

-- As in 0056. What is not found and what is hidden take the same way, so that the time does not tell them apart.
DROP FUNCTION read_resources(text[], text[], text[], text[]);
CREATE FUNCTION read_resources(signed text, patients text[], askers text[], types text[], ids text[])
    RETURNS TABLE (
        place integer, compartment text, version integer, updated timestamptz, deleted boolean, others text[],
        source text, source_id text, content bytea
    )
    LANGUAGE plpgsql STABLE ROWS 16 SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    wide boolean := salus_are_wide(signed, patients, askers);
    opened text[];
BEGIN
    FOR n IN 1 .. cardinality(ids) LOOP
        opened := string_to_array(patients[n], ',');
        RETURN QUERY
            SELECT n, r.compartment, r.version, r.updated, r.deleted, r.others, r.source, r.source_id, r.content
            FROM resource r WHERE r.type = types[n] AND r.id = ids[n] AND NOT r.hidden
                AND (wide OR salus_opens(r.compartment, r.type, r.others, opened));
        IF NOT FOUND AND salus_shows(types[n], ids[n], askers[n]::jsonb) THEN
            RETURN QUERY
                SELECT n, r.compartment, r.version, r.updated, r.deleted, r.others, r.source, r.source_id, r.content
                FROM resource r WHERE r.type = types[n] AND r.id = ids[n] AND r.hidden
                    AND (wide OR salus_opens(r.compartment, r.type, r.others, opened));
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION read_resources FROM PUBLIC;
GRANT EXECUTE ON FUNCTION read_resources TO salus_wide, salus_bound;

-- As in 0056.
DROP FUNCTION search_records(text[], text[], text[], text[], text[], integer[]);
CREATE FUNCTION search_records(
    signed text, patients text[], askers text[], compartments text[], types text[], tokens text[], counts integer[]
)
    RETURNS TABLE (
        place integer, id text, version integer, updated timestamptz, others text[], source text, source_id text,
        date text, content bytea
    )
    LANGUAGE plpgsql STABLE ROWS 100 SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    wide boolean := salus_are_wide(signed, patients, askers);
    opened text[];
    whose text;
    kind text;
    having_all bigint[];
BEGIN
    FOR n IN 1 .. cardinality(types) LOOP
        opened := string_to_array(patients[n], ',');
        whose := compartments[n];
        kind := types[n];
        having_all := tokens[n];
        RETURN QUERY
            SELECT n, r.id, r.version, r.updated, nullif(r.others, '{}'), r.source, r.source_id, r.date::text, r.content
            FROM resource r
            WHERE r.compartment = whose AND r.type = kind AND r.tokens @> having_all
              AND (wide OR salus_opens(r.compartment, r.type, r.others, opened))
              AND NOT r.deleted AND (NOT r.hidden OR salus_shows(r.type, r.id, askers[n]::jsonb))
            ORDER BY r.date DESC NULLS LAST, r.id
            LIMIT counts[n];
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION search_records FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_records TO salus_wide, salus_bound;
