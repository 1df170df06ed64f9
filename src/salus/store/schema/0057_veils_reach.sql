-- How far each veil of 0056 reaches (docs/decisions/0010): every veil by itself, over one reading of the record's links.

-- What names what within the records, and whether it states it. The first part of `restriction_reach` of 0024.
CREATE FUNCTION restriction_links(records text[], OUT sources text[], OUT targets text[], OUT stating boolean[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
    WITH known AS (
        SELECT r.type, r.id, r.content FROM resource r WHERE r.compartment = ANY (records) AND r.type <> 'Patient'
        UNION ALL
        SELECT v.type, v.id, v.content FROM resource_version v
        WHERE v.compartment = ANY (records) AND v.type <> 'Patient'
    ), link AS (
        SELECT known.type || '/' || known.id AS source, l.name AS target, bool_or(l.states) AS states
        FROM known CROSS JOIN LATERAL salus_links(known.type, known.content) AS l GROUP BY 1, 2
    ), edge AS (
        SELECT source, target, states FROM link
        UNION SELECT target, source, true FROM link WHERE target LIKE 'Binary/%'
        UNION SELECT 'DocumentReference/' || d.reference, name, true FROM document d, unnest(d.extracted) AS name
        WHERE d.patient = ANY (records)
    )
    SELECT array_agg(source), array_agg(target), array_agg(states) FROM edge WHERE source <> target
$$;
REVOKE ALL ON FUNCTION restriction_links FROM PUBLIC;

-- The rest of `restriction_reach` of 0024: from what is asked for along these links. `taking`: what was done in the
-- context of what is asked for goes too.
CREATE FUNCTION restriction_walk(
    records text[], asked text[], taking boolean, sources text[], targets text[], stating boolean[]
)
    RETURNS TABLE (compartment text, type text, id text, cause text, whole boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
#variable_conflict use_column
DECLARE
    reached text[];  -- names so far ...
    wholly boolean[];  -- ... and whether what was done in their context goes too
    outside text[];
    outside_wholly boolean[];
BEGIN
    SELECT asked || coalesce(array_agg(name), '{}') INTO reached FROM document d, unnest(d.extracted) AS name
    WHERE d.patient = ANY (records) AND 'DocumentReference/' || d.reference = ANY (asked)
        AND split_part(name, '/', 1) NOT IN ('Patient', 'Device', 'Location', 'Medication', 'Organization',
            'Practitioner', 'PractitionerRole');
    SELECT array_agg(taking AND name = ANY (asked)) INTO wholly FROM unnest(reached) AS name;
    LOOP
        WITH RECURSIVE edge AS MATERIALIZED (
            SELECT * FROM unnest(sources, targets, stating) AS e (source, target, states)
        ), along (name, whole) AS (
            SELECT * FROM unnest(reached, wholly)
            UNION
            SELECT edge.source, along.whole AND NOT edge.states
            FROM along JOIN edge ON edge.target = along.name AND (edge.states OR along.whole)
            WHERE along.name NOT LIKE 'Patient/%'
        ), once AS (
            SELECT name, bool_or(whole) AS whole FROM along GROUP BY name
        )
        SELECT array_agg(name), array_agg(whole) INTO reached, wholly FROM once;
        WITH found AS (
            SELECT o.type, o.id, o.content FROM resource o
            WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
                AND salus_names(o.type, o.content) && reached
            UNION ALL
            SELECT o.type, o.id, o.content FROM resource_version o
            WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
                AND salus_names(o.type, o.content) && reached
        ), new AS (
            SELECT found.type || '/' || found.id AS name, bool_or(along.whole AND NOT l.states) AS whole
            FROM found CROSS JOIN LATERAL salus_links(found.type, found.content) AS l
            JOIN unnest(reached, wholly) AS along (name, whole) ON along.name = l.name AND (l.states OR along.whole)
            GROUP BY 1
        )
        SELECT array_agg(name), array_agg(whole) INTO outside, outside_wholly FROM new WHERE name <> ALL (reached);
        EXIT WHEN outside IS NULL;
        reached := reached || outside;
        wholly := wholly || outside_wholly;
    END LOOP;
    RETURN QUERY
        WITH along AS MATERIALIZED (
            SELECT * FROM unnest(reached, wholly) AS a (name, whole)
        ), why AS (
            SELECT e.source, min(e.target) AS target
            FROM unnest(sources, targets, stating) AS e (source, target, states)
            JOIN along ON along.name = e.target AND (e.states OR along.whole)
            GROUP BY e.source
        ), place AS (
            SELECT r.compartment, r.type, r.id, r.content, along.name, along.whole
            FROM along JOIN resource r ON r.type = split_part(along.name, '/', 1) AND r.id = split_part(along.name, '/', 2)
            UNION ALL
            SELECT v.compartment, v.type, v.id, (array_agg(v.content))[1], along.name, along.whole
            FROM along
            JOIN resource_version v ON v.type = split_part(along.name, '/', 1) AND v.id = split_part(along.name, '/', 2)
            WHERE v.compartment = ANY (records) AND NOT EXISTS (
                SELECT FROM resource r WHERE r.type = v.type AND r.id = v.id AND r.compartment = ANY (records))
            GROUP BY v.compartment, v.type, v.id, along.name, along.whole
        )
        SELECT DISTINCT ON (p.type, p.id) p.compartment, p.type, p.id, CASE WHEN p.name = ANY (asked) THEN '' ELSE coalesce(
            why.target,
            (SELECT min(l.name) FROM salus_links(p.type, p.content) AS l JOIN along ON along.name = l.name
             WHERE l.states OR along.whole),
            asked[1]) END, p.whole
        FROM place p LEFT JOIN why ON why.source = p.name
        WHERE p.compartment = ANY (records) OR salus_is_outside(p.compartment, p.type)
        ORDER BY p.type, p.id, position('/' IN p.compartment) > 0, p.compartment;
END
$$;
REVOKE ALL ON FUNCTION restriction_walk FROM PUBLIC;

CREATE OR REPLACE FUNCTION restriction_reach(records text[], asked text[])
    RETURNS TABLE (compartment text, type text, id text, cause text, whole boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
    SELECT w.* FROM restriction_links(records) AS l
    CROSS JOIN LATERAL restriction_walk(records, asked, true, l.sources, l.targets, l.stating) AS w
$$;

-- As in 0024, veil by veil. `reached` are words "veil Type/id".
CREATE OR REPLACE FUNCTION hide_restricted(records text[], at timestamptz, OUT reached text[], OUT changed integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
#variable_conflict use_column
DECLARE
    hung record;
    links record;
    found text[];
    names text[] := '{}';
BEGIN
    reached := '{}';
    changed := 0;
    FOR hung IN
        SELECT n.veil, array_agg(n.type || '/' || n.id ORDER BY n.since, n.type, n.id) AS asked
        FROM restriction n WHERE n.patient = ANY (records) AND n.cause = '' GROUP BY n.veil ORDER BY n.veil
    LOOP
        IF links IS NULL THEN SELECT * INTO links FROM restriction_links(records); END IF;
        WITH noted AS (
            INSERT INTO restriction (patient, type, id, since, cause, whole, veil)
            SELECT CASE WHEN position('/' IN w.compartment) > 0 THEN records[1] ELSE w.compartment END,
                w.type, w.id, at, w.cause, w.whole, hung.veil
            FROM restriction_walk(
                records, hung.asked, hung.veil = '', links.sources, links.targets, links.stating) w
            ON CONFLICT (patient, type, id, veil)
                DO UPDATE SET cause = CASE restriction.cause WHEN '' THEN '' ELSE excluded.cause END,
                    whole = excluded.whole
            RETURNING type || '/' || id AS name
        )
        SELECT coalesce(array_agg(name), '{}') INTO found FROM noted;
        names := names || found;
        reached := reached || ARRAY(SELECT hung.veil || ' ' || name FROM unnest(found) AS name);
    END LOOP;
    UPDATE resource_version v SET hidden = true FROM (SELECT DISTINCT unnest(names) AS name) AS one
    WHERE v.type = split_part(one.name, '/', 1) AND v.id = split_part(one.name, '/', 2) AND NOT v.hidden
        AND (v.compartment = ANY (records) OR salus_is_outside(v.compartment, v.type));
    UPDATE resource r SET hidden = true FROM (SELECT DISTINCT unnest(names) AS name) AS one
    WHERE r.type = split_part(one.name, '/', 1) AND r.id = split_part(one.name, '/', 2) AND NOT r.hidden
        AND (r.compartment = ANY (records) OR salus_is_outside(r.compartment, r.type));
    GET DIAGNOSTICS changed = ROW_COUNT;
END
$$;

-- Works out anew what is hidden in the records, and shows what no veil reaches any more; returns how many rows are shown.
CREATE FUNCTION renew_restrictions(records text[], at timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
    still text[];
    gone text[];
BEGIN
    SELECT hidden.reached INTO still FROM hide_restricted(records, at) AS hidden;
    WITH dropped AS (
        DELETE FROM restriction n
        WHERE n.patient = ANY (records) AND n.cause <> '' AND n.veil || ' ' || n.type || '/' || n.id <> ALL (still)
        RETURNING n.type || '/' || n.id AS known
    )
    SELECT array_agg(DISTINCT known) INTO gone FROM dropped;
    RETURN show_unrestricted(coalesce(gone, '{}'));
END
$$;
REVOKE ALL ON FUNCTION renew_restrictions FROM PUBLIC;

-- Keeps out who writes to the records or changes their restrictions, until the transaction ends.
CREATE FUNCTION hold_restrictions(records text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
    SELECT pg_advisory_xact_lock(hash)
    FROM (SELECT hashtextextended('restrictions of ' || record, 0) AS hash FROM unnest(records) AS record
          ORDER BY 1) AS wanted;
    SELECT pg_advisory_xact_lock(hash)
    FROM (SELECT DISTINCT hashtextextended('restrictions of part ' || (hashtext(record) & 63), 0) AS hash
          FROM unnest(records) AS record ORDER BY 1) AS wanted;
$$;

-- As in 0024.
CREATE OR REPLACE FUNCTION set_restriction(whose text[], name text, hiding boolean, at timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
#variable_conflict use_variable
DECLARE
    records text[] := records_with(whose);
    owner text;
BEGIN
    PERFORM require_own(whose);
    PERFORM hold_restrictions(records);
    owner := restricted_in(records, name);
    IF owner IS NULL THEN RETURN NULL; END IF;
    IF hiding THEN
        INSERT INTO restriction (patient, type, id, since, cause, whole)
        VALUES (owner, split_part(name, '/', 1), split_part(name, '/', 2), at, '', true)
        ON CONFLICT (patient, type, id, veil) DO UPDATE SET cause = '', whole = true;
        RETURN (SELECT hidden.changed FROM hide_restricted(records, at) AS hidden);
    END IF;
    UPDATE restriction n SET cause = name
    WHERE n.patient = owner AND n.type = split_part(name, '/', 1) AND n.id = split_part(name, '/', 2)
        AND n.cause = '' AND n.veil = '';
    RETURN renew_restrictions(records, at);
END
$$;

-- Hangs veils over rows of the person's records: [{"id", "denials", "permits", "names": ["Type/id", ...]}]. With `anew`
-- these are all that are to hang, and what others hid is shown; without, they are added to those that hang. The caller
-- holds the records (hold_restrictions) or waited for who does (await_restrictions).
CREATE FUNCTION hang_veils(whose text, veils jsonb, at timestamptz, anew boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
#variable_conflict use_column
DECLARE
    records text[] := records_with(ARRAY[whose]);
    wanted text[];
BEGIN
    PERFORM require_own(ARRAY[whose]);
    INSERT INTO veil (patient, id, denials, permits)
    SELECT record, v.id, v.denials, v.permits
    FROM unnest(records) AS record
    CROSS JOIN jsonb_to_recordset(veils) AS v (id text, denials jsonb, permits jsonb)
    ON CONFLICT (patient, id) DO NOTHING;
    WITH asked AS (
        SELECT v.id AS veil, named AS name, restricted_in(records, named) AS owner
        FROM jsonb_to_recordset(veils) AS v (id text, names jsonb)
        CROSS JOIN LATERAL jsonb_array_elements_text(v.names) AS named
    ), noted AS (
        INSERT INTO restriction (patient, type, id, since, cause, whole, veil)
        SELECT owner, split_part(name, '/', 1), split_part(name, '/', 2), at, '', false, veil
        FROM asked WHERE owner IS NOT NULL
        ON CONFLICT (patient, type, id, veil) DO UPDATE SET cause = ''
    )
    SELECT coalesce(array_agg(veil || ' ' || name), '{}') INTO wanted FROM asked;
    IF NOT anew THEN
        PERFORM hide_restricted(records, at);
        RETURN;
    END IF;
    UPDATE restriction n SET cause = n.type || '/' || n.id
    WHERE n.patient = ANY (records) AND n.veil <> '' AND n.cause = ''
        AND n.veil || ' ' || n.type || '/' || n.id <> ALL (wanted);
    PERFORM renew_restrictions(records, at);
    DELETE FROM veil v WHERE v.patient = ANY (records)
        AND NOT EXISTS (SELECT FROM restriction n WHERE n.patient = ANY (records) AND n.veil = v.id);
END
$$;

-- What the veils of a person are worked out from: their Consents, whom these name, and every version of the record.
CREATE FUNCTION consents_of_person(whose text, count_max integer) RETURNS TABLE (id text, content bytea)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
BEGIN
    PERFORM require_own(ARRAY[whose]);
    RETURN QUERY
        SELECT r.id, r.content FROM resource r
        WHERE r.compartment = ANY (records_of_person(whose)) AND r.type = 'Consent' AND NOT r.deleted
        ORDER BY r.id LIMIT count_max;
END
$$;

CREATE FUNCTION named_by_person(whose text, types text[], ids text[]) RETURNS TABLE (name text, content bytea)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
BEGIN
    PERFORM require_own(ARRAY[whose]);
    RETURN QUERY
        SELECT r.type || '/' || r.id, r.content FROM resource r
        WHERE (r.type, r.id) IN (SELECT * FROM unnest(types, ids)) AND NOT r.deleted
            AND (salus_is_shared(r.compartment, r.type) OR r.type = 'Group'
                OR r.compartment = ANY (records_of_person(whose)));
END
$$;

-- Every version of what is in the records; of these names only, where some are given.
CREATE FUNCTION versions_of_person(whose text, names text[])
    RETURNS TABLE (type text, id text, content bytea)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
    records text[] := records_of_person(whose);
    kinds text[] := ARRAY(SELECT split_part(name, '/', 1) FROM unnest(names) AS name);
    ids text[] := ARRAY(SELECT split_part(name, '/', 2) FROM unnest(names) AS name);
BEGIN
    PERFORM require_own(ARRAY[whose]);
    IF names IS NOT NULL THEN
        RETURN QUERY
            SELECT r.type, r.id, r.content FROM resource r
            WHERE (r.type, r.id) IN (SELECT * FROM unnest(kinds, ids)) AND r.compartment = ANY (records);
        RETURN;
    END IF;
    RETURN QUERY
        SELECT r.type, r.id, r.content FROM resource r
        WHERE r.compartment = ANY (records) AND r.type <> 'Patient' AND NOT r.deleted
        UNION ALL
        SELECT v.type, v.id, v.content FROM resource_version v
        WHERE v.compartment = ANY (records) AND v.type <> 'Patient' AND NOT v.deleted;
END
$$;

-- Those of these records that veils hang over.
CREATE FUNCTION veiled_among(compartments text[]) RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$ SELECT array_agg(DISTINCT v.patient) FROM veil v WHERE v.patient = ANY (compartments) $$;
