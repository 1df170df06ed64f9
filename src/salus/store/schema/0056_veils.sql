-- From whom is hidden what a citizen hides (docs/decisions/0010; 0015, rule 3). `resource.hidden` says only that a row
-- may be hidden from somebody; from whom is said by the veils that `restriction` names, and asked for hidden rows alone.
-- A veil hides from who is meant by one of its denials and by no permit that outdoes all denials that mean them.
-- The veil '' is what a citizen restricts by name (EHDS 8): it hides from professionals and has no row.
CREATE TABLE veil (
    patient text  NOT NULL,
    id      text  NOT NULL,
    denials jsonb NOT NULL,  -- [{"audience": [word, ...], "starts": seconds since 1970, "ends": the same, "spares": [...]}]
    permits jsonb NOT NULL,  -- the same without spares, which name permits by their place; absent times are open
    PRIMARY KEY (patient, id)
);
ALTER TABLE veil ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON veil FOR SELECT TO salus_wide USING (true);
CREATE POLICY bound ON veil FOR SELECT TO salus_bound USING (patient = ANY ((SELECT salus_patients())::text[]));
REVOKE ALL ON veil FROM salus_wide, salus_bound;
GRANT SELECT ON veil TO salus_wide, salus_bound;

ALTER TABLE restriction ADD COLUMN veil text NOT NULL DEFAULT '';
ALTER TABLE restriction DROP CONSTRAINT restriction_pkey;
ALTER TABLE restriction ADD PRIMARY KEY (patient, type, id, veil);

-- Who asks: {"is": [audience, ...], "at": seconds since 1970}. From whom belongs to no audience nothing is hidden; from
-- whom nothing is known of, everything that may be hidden from somebody.
CREATE FUNCTION salus_asker() RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('salus.asker', true), '')::jsonb $$;

CREATE FUNCTION salus_means(said jsonb, asker jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT (asker -> 'is') @> (said -> 'audience')
        AND coalesce(said -> 'starts' <= asker -> 'at', true) AND coalesce(asker -> 'at' < said -> 'ends', true) $$;

CREATE FUNCTION salus_veils(denials jsonb, permits jsonb, asker jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT EXISTS (SELECT FROM jsonb_array_elements(denials) AS d WHERE salus_means(d, asker))
        AND NOT EXISTS (
            SELECT FROM jsonb_array_elements(permits) WITH ORDINALITY AS p (said, place)
            WHERE salus_means(p.said, asker) AND NOT EXISTS (
                SELECT FROM jsonb_array_elements(denials) AS d
                WHERE salus_means(d, asker) AND NOT coalesce(d -> 'spares' @> to_jsonb(p.place - 1), false)))
$$;

-- Whether something named "kind/name" is hidden from the asker. COST: planned as the boolean it stands behind.
CREATE FUNCTION salus_hides(kind text, name text, asker jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER COST 1 SET search_path = pg_catalog, public
AS $$
BEGIN
    IF asker -> 'is' = '[]' THEN RETURN false; END IF;
    RETURN EXISTS (
        SELECT FROM restriction n LEFT JOIN veil v ON v.patient = n.patient AND v.id = n.veil
        WHERE n.type = kind AND n.id = name AND CASE
            WHEN coalesce(jsonb_typeof(asker -> 'is'), '') <> 'array' THEN true
            WHEN v.id IS NULL THEN asker -> 'is' ? 'professionals'
            ELSE salus_veils(v.denials, v.permits, asker) END);
END
$$;

-- Whether a row that may be hidden from somebody is shown to the asker: never one of which nobody knows why it is hidden.
CREATE FUNCTION salus_shows(kind text, name text, asker jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER COST 1 SET search_path = pg_catalog, public
AS $$
BEGIN
    IF asker -> 'is' = '[]' THEN RETURN true; END IF;
    RETURN coalesce(
        (SELECT NOT bool_or(CASE
            WHEN coalesce(jsonb_typeof(asker -> 'is'), '') <> 'array' THEN true
            WHEN v.id IS NULL THEN asker -> 'is' ? 'professionals'
            ELSE salus_veils(v.denials, v.permits, asker) END)
         FROM restriction n LEFT JOIN veil v ON v.patient = n.patient AND v.id = n.veil
         WHERE n.type = kind AND n.id = name),
        false);
END
$$;

ALTER POLICY bound ON resource USING (
    (compartment = ANY ((SELECT salus_patients())::text[])
        AND (NOT hidden OR salus_shows(type, id, (SELECT salus_asker()))))
    OR salus_is_shared(compartment, type));
ALTER POLICY bound ON resource_version USING (
    (compartment = ANY ((SELECT salus_patients())::text[])
        AND (NOT hidden OR salus_shows(type, id, (SELECT salus_asker()))))
    OR salus_is_shared(compartment, type));
ALTER POLICY bound_outside ON resource USING (
    salus_is_outside(compartment, type) AND others <> '{}' AND others <@ (SELECT salus_patients())
    AND (NOT hidden OR salus_shows(type, id, (SELECT salus_asker()))));
ALTER POLICY bound_outside ON resource_version USING (
    salus_is_outside(compartment, type) AND others <> '{}' AND others <@ (SELECT salus_patients())
    AND (NOT hidden OR salus_shows(type, id, (SELECT salus_asker()))));
DROP FUNCTION salus_sees_hidden();

-- As in 0009. What is not found and what is hidden take the same way, so that the time does not tell them apart.
DROP FUNCTION read_resources(text[], text[], text[], text[]);
CREATE FUNCTION read_resources(patients text[], askers text[], types text[], ids text[])
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
        applied := set_config('salus.asker', askers[n], true);
        RETURN QUERY
            SELECT n, r.compartment, r.version, r.updated, r.deleted, r.others, r.source, r.source_id, r.content
            FROM resource r WHERE r.type = types[n] AND r.id = ids[n] AND NOT r.hidden;
        IF NOT FOUND AND salus_shows(types[n], ids[n], askers[n]::jsonb) THEN
            RETURN QUERY
                SELECT n, r.compartment, r.version, r.updated, r.deleted, r.others, r.source, r.source_id, r.content
                FROM resource r WHERE r.type = types[n] AND r.id = ids[n] AND r.hidden;
        END IF;
    END LOOP;
END
$$;

-- As in 0049.
DROP FUNCTION search_records(text[], text[], text[], text[], text[], integer[]);
CREATE FUNCTION search_records(
    patients text[], askers text[], compartments text[], types text[], tokens text[], counts integer[]
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
        applied := set_config('salus.asker', askers[n], true);
        whose := compartments[n];
        kind := types[n];
        having_all := tokens[n];
        RETURN QUERY
            SELECT n, r.id, r.version, r.updated, nullif(r.others, '{}'), r.source, r.source_id, r.date::text, r.content
            FROM resource r
            WHERE r.compartment = whose AND r.type = kind AND r.tokens @> having_all
              AND NOT r.deleted AND (NOT r.hidden OR salus_shows(r.type, r.id, askers[n]::jsonb))
            ORDER BY r.date DESC NULLS LAST, r.id
            LIMIT counts[n];
    END LOOP;
END
$$;
