-- What a resource names is in columns of its own, worked out by who writes it (standards/fhir/search/links.py): no function,
-- index or statement looks into `content` any more (docs/decisions/0027).

-- `links`: the "Type/id" that the content names of what may lie in a record; first those that it states or shows, then
-- those that it names as context. `links_stated`: how many it states or shows.
ALTER TABLE resource
    ADD COLUMN links text[] NOT NULL DEFAULT '{}', ADD COLUMN links_stated integer NOT NULL DEFAULT 0;
ALTER TABLE resource_version
    ADD COLUMN links text[] NOT NULL DEFAULT '{}', ADD COLUMN links_stated integer NOT NULL DEFAULT 0,
    ADD COLUMN digest bytea NOT NULL DEFAULT '';  -- SHA-256 of the content, to see what was sent before

-- What is stored already, read for the last time by the functions that did so at every use.
DROP INDEX resource_outside_names;
DROP INDEX resource_version_outside_names;
CREATE FUNCTION salus_link_columns(type text, content bytea, OUT links text[], OUT links_stated integer)
    LANGUAGE sql STABLE
AS $$
    SELECT coalesce(array_agg(l.name ORDER BY l.states DESC), '{}'), count(*) FILTER (WHERE l.states)
    FROM salus_links(type, content) AS l
    WHERE l.name ~ '^[A-Za-z]+/[A-Za-z0-9.-]{1,64}$' AND NOT salus_is_shared(l.name, split_part(l.name, '/', 1))
$$;
UPDATE resource r SET (links, links_stated) = (SELECT * FROM salus_link_columns(r.type, r.content))
WHERE r.content <> '';
UPDATE resource_version v SET digest = sha256(v.content),
    (links, links_stated) = (SELECT * FROM salus_link_columns(v.type, v.content))
WHERE v.content <> '';
CREATE INDEX resource_outside_links ON resource USING gin (links)
    WHERE position('/' IN compartment) > 0 AND NOT salus_is_shared(compartment, type);
CREATE INDEX resource_version_outside_links ON resource_version USING gin (links)
    WHERE position('/' IN compartment) > 0 AND NOT salus_is_shared(compartment, type);

-- As in 0057.
CREATE OR REPLACE FUNCTION restriction_links(records text[], OUT sources text[], OUT targets text[], OUT stating boolean[])
    RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    WITH known AS (
        SELECT r.type, r.id, r.links, r.links_stated FROM resource r WHERE r.compartment = ANY (records) AND r.type <> 'Patient'
        UNION ALL
        SELECT v.type, v.id, v.links, v.links_stated FROM resource_version v
        WHERE v.compartment = ANY (records) AND v.type <> 'Patient'
    ), link AS (
        SELECT known.type || '/' || known.id AS source, l.name AS target, bool_or(l.place <= known.links_stated) AS states
        FROM known CROSS JOIN LATERAL unnest(known.links) WITH ORDINALITY AS l (name, place) GROUP BY 1, 2
    ), edge AS (
        SELECT source, target, states FROM link
        UNION SELECT target, source, true FROM link WHERE target LIKE 'Binary/%'
        UNION SELECT 'DocumentReference/' || d.reference, name, true FROM document d, unnest(d.extracted) AS name
        WHERE d.patient = ANY (records)
    )
    SELECT array_agg(source), array_agg(target), array_agg(states) FROM edge WHERE source <> target
$$;

-- As in 0133.
CREATE OR REPLACE FUNCTION restriction_walk(records text[], asked text[], taking boolean, sources text[], targets text[], stating boolean[])
    RETURNS TABLE(compartment text, type text, id text, cause text, whole boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
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
            SELECT o.type, o.id, o.links, o.links_stated FROM resource o
            WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
                AND o.links && reached
            UNION ALL
            SELECT o.type, o.id, o.links, o.links_stated FROM resource_version o
            WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
                AND o.links && reached
        ), new AS (
            SELECT found.type || '/' || found.id AS name, bool_or(along.whole AND l.place > found.links_stated) AS whole
            FROM found CROSS JOIN LATERAL unnest(found.links) WITH ORDINALITY AS l (name, place)
            JOIN unnest(reached, wholly) AS along (name, whole)
                ON along.name = l.name AND (l.place <= found.links_stated OR along.whole)
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
            SELECT r.compartment, r.type, r.id, r.links, r.links_stated, along.name, along.whole, r.others
            FROM along JOIN resource r ON r.type = split_part(along.name, '/', 1) AND r.id = split_part(along.name, '/', 2)
            UNION ALL
            (SELECT DISTINCT ON (v.compartment, v.type, v.id, along.name, along.whole)
                v.compartment, v.type, v.id, v.links, v.links_stated, along.name, along.whole, '{}'::text[]
            FROM along
            JOIN resource_version v ON v.type = split_part(along.name, '/', 1) AND v.id = split_part(along.name, '/', 2)
            WHERE v.compartment = ANY (records) AND NOT EXISTS (
                SELECT FROM resource r WHERE r.type = v.type AND r.id = v.id AND r.compartment = ANY (records))
            ORDER BY v.compartment, v.type, v.id, along.name, along.whole, v.version DESC)
        )
        SELECT DISTINCT ON (p.type, p.id) p.compartment, p.type, p.id, CASE WHEN p.name = ANY (asked) THEN '' ELSE coalesce(
            why.target,
            (SELECT min(l.name) FROM unnest(p.links) WITH ORDINALITY AS l (name, place)
             JOIN along ON along.name = l.name WHERE l.place <= p.links_stated OR along.whole),
            asked[1]) END, p.whole
        FROM place p LEFT JOIN why ON why.source = p.name
        WHERE p.compartment = ANY (records)
            OR (salus_is_outside(p.compartment, p.type) AND (p.others = '{}' OR p.others && records))
        ORDER BY p.type, p.id, position('/' IN p.compartment) > 0, p.compartment;
END
$$;

-- As in 0024.
CREATE OR REPLACE FUNCTION follow_restrictions(compartments text[], types text[], ids text[], at timestamptz, waiting boolean)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    whose text[];
BEGIN
    IF waiting THEN PERFORM await_restrictions(compartments); END IF;
    WITH written AS (
        SELECT * FROM unnest(compartments, types, ids) AS w (compartment, type, id)
        WHERE position('/' IN w.compartment) > 0
            OR EXISTS (SELECT FROM restriction n WHERE n.patient = w.compartment)
    ), named AS (
        SELECT w.compartment, l.name, l.states
        FROM written w JOIN resource r ON (r.compartment, r.type, r.id) = (w.compartment, w.type, w.id)
        CROSS JOIN LATERAL (
            SELECT link, place <= r.links_stated FROM unnest(r.links) WITH ORDINALITY AS known (link, place)
            UNION ALL SELECT r.type || '/' || r.id, true
        ) AS l (name, states)
        WHERE NOT salus_is_shared(r.compartment, r.type)
        UNION
        SELECT d.patient, name, true FROM written w
        JOIN document d ON d.patient = w.compartment AND w.type = 'DocumentReference' AND d.reference = w.id
        CROSS JOIN LATERAL unnest(d.extracted) AS name
    )
    SELECT array_agg(DISTINCT n.patient) INTO whose
    FROM named JOIN restriction n ON n.type = split_part(named.name, '/', 1) AND n.id = split_part(named.name, '/', 2)
        AND (n.patient = named.compartment OR position('/' IN named.compartment) > 0)
    WHERE n.type <> 'Patient' AND (named.states OR n.whole);
    IF whose IS NOT NULL THEN PERFORM hide_restricted(records_with(whose), at); END IF;
END
$$;

-- As in 0022.
CREATE OR REPLACE FUNCTION name_patients(outside text[])
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    pending text[] := outside;
    changed text[];
BEGIN
    WHILE pending IS NOT NULL LOOP
        WITH owed AS (
            SELECT o.compartment, o.type, o.id, array_agg(DISTINCT concerned.patient) AS patients
            FROM unnest(pending) AS name
            JOIN resource o ON o.type = split_part(name, '/', 1) AND o.id = split_part(name, '/', 2)
            CROSS JOIN LATERAL (
                SELECT patient
                FROM unnest(o.links) AS target
                JOIN resource r ON r.type = split_part(target, '/', 1) AND r.id = split_part(target, '/', 2)
                CROSS JOIN LATERAL unnest(
                    CASE WHEN position('/' IN r.compartment) > 0 THEN r.others ELSE r.compartment || r.others END
                ) AS patient
                WHERE NOT salus_is_shared(r.compartment, r.type)
                UNION ALL
                SELECT a.patient FROM attachment a WHERE o.type = 'Binary' AND a."binary" = o.id
            ) AS concerned
            WHERE salus_is_outside(o.compartment, o.type)
            GROUP BY o.compartment, o.type, o.id
        ), named AS (
            UPDATE resource r SET others = ARRAY(SELECT DISTINCT unnest(r.others || owed.patients) ORDER BY 1)
            FROM owed
            WHERE (r.compartment, r.type, r.id) = (owed.compartment, owed.type, owed.id)
                AND NOT owed.patients <@ r.others
            RETURNING r.compartment, r.type, r.id, r.others
        ), earlier AS (
            UPDATE resource_version v SET others = ARRAY(SELECT DISTINCT unnest(v.others || named.others) ORDER BY 1)
            FROM named WHERE (v.compartment, v.type, v.id) = (named.compartment, named.type, named.id)
        )
        SELECT array_agg(type || '/' || id) INTO changed FROM named;
        SELECT array_agg(o.type || '/' || o.id) INTO pending FROM resource o
        WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
            AND o.links && changed;
    END LOOP;
END
$$;

-- As in 0054.
CREATE OR REPLACE FUNCTION name_holders(kinds text[], ids text[], tokens bigint[])
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    changed text[];
BEGIN
    WITH holder AS MATERIALIZED (
        SELECT known.token, found.patients
        FROM (SELECT DISTINCT token FROM unnest(tokens) AS token) AS known
        CROSS JOIN LATERAL (
            SELECT array_agg(r.id) AS patients FROM resource r
            WHERE r.type = 'Patient' AND r.tokens @> ARRAY[known.token]
        ) AS found
        WHERE cardinality(found.patients) <= 20
    ), owed AS (
        SELECT wanted.kind, wanted.id, array_agg(DISTINCT patient) AS patients
        FROM unnest(kinds, ids, tokens) AS wanted (kind, id, token) JOIN holder USING (token)
        CROSS JOIN LATERAL unnest(holder.patients) AS patient
        GROUP BY wanted.kind, wanted.id
    ), named AS (
        UPDATE resource r SET others = ARRAY(
            SELECT DISTINCT patient FROM unnest(r.others || owed.patients) AS patient
            WHERE patient <> r.compartment ORDER BY patient)
        FROM owed
        WHERE r.type = owed.kind AND r.id = owed.id AND NOT salus_is_shared(r.compartment, r.type)
            AND NOT owed.patients <@ (r.others || r.compartment)
        RETURNING r.compartment, r.type, r.id, r.others
    ), earlier AS (
        UPDATE resource_version v SET others = ARRAY(SELECT DISTINCT unnest(v.others || named.others) ORDER BY 1)
        FROM named WHERE (v.compartment, v.type, v.id) = (named.compartment, named.type, named.id)
    )
    SELECT array_agg(named.type || '/' || named.id) INTO changed FROM named;
    IF changed IS NULL THEN RETURN; END IF;
    PERFORM name_patients(array_agg(o.type || '/' || o.id)) FROM resource o
    WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
        AND o.links && changed;
END
$$;

-- As in 0054.
CREATE OR REPLACE FUNCTION name_patients_of_written(compartments text[], types text[], ids text[])
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    outside text[];
BEGIN
    IF 'Patient' = ANY (types) AND EXISTS (SELECT FROM identity_named) THEN
        PERFORM name_holders(array_agg(n.type), array_agg(n.id), array_agg(n.token))
        FROM unnest(compartments, types, ids) AS w (compartment, type, id)
        JOIN resource r ON (r.compartment, r.type, r.id) = (w.compartment, w.type, w.id) AND r.type = 'Patient'
        CROSS JOIN LATERAL unnest(r.tokens) AS held
        JOIN identity_named n ON n.token = held;
    END IF;
    IF NOT EXISTS (SELECT FROM resource o
                   WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)) THEN
        RETURN;
    END IF;
    SELECT array_agg(name) INTO outside FROM (
        SELECT w.type || '/' || w.id AS name FROM unnest(compartments, types, ids) AS w (compartment, type, id)
        WHERE salus_is_outside(w.compartment, w.type)
        UNION
        SELECT o.type || '/' || o.id FROM resource o
        WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
            AND o.links && ARRAY(
                SELECT w.type || '/' || w.id FROM unnest(compartments, types, ids) AS w (compartment, type, id)
                WHERE NOT salus_is_shared(w.compartment, w.type))
    ) AS found;
    PERFORM name_patients(outside);
END
$$;

-- As in 0128.
CREATE OR REPLACE FUNCTION versions_of_person(whose text, names text[])
    RETURNS TABLE(type text, id text, content bytea)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
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
            WHERE (r.type, r.id) IN (SELECT * FROM unnest(kinds, ids))
                AND (r.compartment = ANY (records)
                    OR salus_is_outside(r.compartment, r.type) AND r.others <> '{}' AND r.others <@ records);
        RETURN QUERY
            SELECT o.type, o.id, o.content FROM resource o
            WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
                AND o.links && names AND o.others <> '{}' AND o.others <@ records
                AND NOT o.deleted;
    ELSE
        RETURN QUERY
            SELECT r.type, r.id, r.content FROM resource r
            WHERE r.compartment = ANY (records) AND r.type <> 'Patient' AND NOT r.deleted
            UNION ALL
            SELECT v.type, v.id, v.content FROM resource_version v
            WHERE v.compartment = ANY (records) AND v.type <> 'Patient' AND NOT v.deleted;
    END IF;
    IF names IS NULL OR 'Patient' = ANY (kinds) THEN
        RETURN QUERY
            SELECT o.type, o.id, o.content FROM resource o
            WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
                AND o.others && records AND o.others <@ records AND NOT o.deleted
            UNION ALL
            SELECT o.type, o.id, o.content FROM resource_version o
            WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
                AND o.others && records AND o.others <@ records AND NOT o.deleted;
    END IF;
END
$$;

-- As in 0120.
CREATE OR REPLACE FUNCTION erase_entry(owner text, name text, at timestamptz)
    RETURNS text[]
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    names text[];
BEGIN
    -- Every writer of the record waits for this lock (0020).
    PERFORM pg_advisory_xact_lock(hash)
    FROM (SELECT hashtextextended('restrictions of ' || record, 0) AS hash FROM unnest(ARRAY[owner]) AS record
          ORDER BY 1) AS wanted;
    IF NOT EXISTS (SELECT FROM resource r WHERE r.compartment = owner AND r.type || '/' || r.id = name) THEN
        RETURN '{}';
    END IF;
    SELECT array_agg(DISTINCT each) INTO names FROM (
        SELECT name AS each
        UNION ALL
        SELECT stated FROM document d CROSS JOIN LATERAL unnest(d.extracted) AS stated
        JOIN resource r ON r.compartment = owner AND r.type || '/' || r.id = stated AND r.type <> 'Patient'
        WHERE d.patient = owner AND 'DocumentReference/' || d.reference = name
            AND NOT EXISTS (
                SELECT FROM document other
                WHERE other.patient = owner AND other.id <> d.id AND stated = ANY (other.extracted)
            )
        UNION ALL
        SELECT 'Binary/' || d.id FROM document d
        WHERE d.patient = owner AND 'DocumentReference/' || d.reference = name
        UNION ALL
        SELECT o.type || '/' || o.id FROM resource o
        WHERE salus_is_outside(o.compartment, o.type) AND o.others <@ ARRAY[owner] AND o.others <> '{}'
            AND (o.links && ARRAY[name]
                OR o.type = 'Binary' AND EXISTS (
                    SELECT FROM resource r
                    WHERE r.compartment = owner AND r.type = split_part(name, '/', 1)
                        AND r.id = split_part(name, '/', 2) AND 'Binary/' || o.id = ANY (r.links)))
    ) AS found;
    DELETE FROM document d WHERE d.patient = owner AND 'DocumentReference/' || d.reference = name;
    DELETE FROM rectification_step s USING rectification q
    WHERE (s.patient, s.request) = (q.patient, q.id) AND q.patient = owner AND q.type || '/' || q.entry = ANY (names);
    DELETE FROM rectification q WHERE q.patient = owner AND q.type || '/' || q.entry = ANY (names);
    PERFORM erase_resources(names);
    PERFORM erase_copies(ARRAY[owner], at);
    PERFORM pg_notify('salus_standing', owner);
    RETURN names;
END
$$;

DROP FUNCTION salus_link_columns(text, bytea);
DROP FUNCTION salus_links(text, bytea);
DROP FUNCTION salus_names(text, bytea);
DROP FUNCTION salus_without_context(text, jsonb);
DROP FUNCTION salus_telling(jsonb);
DROP FUNCTION salus_named(text, jsonb);
DROP FUNCTION salus_json(text);
DROP TABLE context_element;
