-- What a restriction reaches (EHDS 8): the resource asked for and, step by step, all that refers to what is hidden.
-- It is worked out when something is restricted, shown again or written, and kept in `resource.hidden`: a read
-- and a search only look at that column. `restriction` names every hidden resource; a row with cause '' was asked
-- for, the others follow from these, so that a restriction lifted leaves exactly what the others reach.
-- The functions belong to the owner: what refers to a record from outside it (a Provenance of a result, a Bundle
-- with a copy of it) is about no patient, and no grant over a patient reaches it.

-- The "Type/id" that a resource's bytes name: as a reference of any form, a link of the narrative, or, in a Bundle,
-- as an entry. An absolute address counts by its end, whoever's it is: hiding too much tells nothing. A Patient is
-- named everywhere and hides nothing; of a Binary only its security context counts.
CREATE FUNCTION salus_names(type text, content bytea) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT
    SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    words text := convert_from(content, 'UTF8');
    parsed jsonb;
BEGIN
    IF words = '' THEN RETURN '{}'; END IF;
    BEGIN
        parsed := words::jsonb;
        IF type = 'Binary' THEN parsed := parsed -> 'securityContext'; END IF;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN  -- a number that no jsonb holds
        parsed := to_jsonb(replace(words, '\/', '/'));
    END;
    RETURN ARRAY(
        SELECT split_part(link, '/', -2) || '/' || split_part(link, '/', -1)
        FROM jsonb_path_query(parsed, 'strict $.** ? (@.type() == "string")') AS value
        CROSS JOIN LATERAL string_to_table(value #>> '{}', '"') AS word
        CROSS JOIN LATERAL split_part(split_part(split_part(word, '#', 1), '?', 1), '/_history/', 1) AS link
        WHERE position('/' IN word) > 0 AND length(word) <= 2000
            AND split_part(link, '/', -2) COLLATE "C" BETWEEN 'A' AND 'Zz'
            AND split_part(link, '/', -2) <> 'Patient' AND length(split_part(link, '/', -1)) BETWEEN 1 AND 64
        UNION ALL
        SELECT (entry ->> 'resourceType') || '/' || (entry ->> 'id')
        FROM jsonb_path_query(parsed, 'strict $.**.resource') AS entry
        WHERE type = 'Bundle' AND entry ? 'resourceType' AND entry ? 'id'
    );
END
$$;
DROP FUNCTION salus_refers(bytea, text);

CREATE INDEX resource_outside_names ON resource USING gin (salus_names(type, content))
    WHERE position('/' IN compartment) > 0 AND NOT salus_is_shared(compartment, type);
CREATE INDEX resource_version_outside_names ON resource_version USING gin (salus_names(type, content))
    WHERE position('/' IN compartment) > 0 AND NOT salus_is_shared(compartment, type);
CREATE INDEX restriction_name ON restriction (type, id);
CREATE INDEX document_reference ON document (patient, reference);

-- What was extracted from a restricted document follows from it.
UPDATE restriction r SET cause = 'DocumentReference/' || d.reference
FROM document d JOIN restriction a ON (a.patient, a.type, a.id) = (d.patient, 'DocumentReference', d.reference)
WHERE r.patient = d.patient AND r.type || '/' || r.id = ANY (d.extracted) AND r.since = a.since;

-- All records that are one person's with these (schema 0023).
CREATE FUNCTION records_with(records text[]) RETURNS text[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
BEGIN
    RETURN (SELECT array_agg(DISTINCT other)
            FROM unnest(records) AS record, unnest(records_of_person(record)) AS other);
END
$$;
REVOKE ALL ON FUNCTION records_with FROM PUBLIC;

-- The resources that are hidden with those asked for ("Type/id"), these included, and by which one: '' for those.
-- A document takes along what was extracted from it; what was extracted takes along the document and no more; an
-- attachment kept as a Binary goes with its holder. Whom and what a document only names stays.
CREATE FUNCTION restriction_reach(records text[], asked text[])
    RETURNS TABLE (compartment text, type text, id text, cause text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
#variable_conflict use_column
DECLARE
    sources text[];  -- of the references within the records ...
    targets text[];  -- ... what each leads to
    reached text[];
    outside text[];
BEGIN
    WITH known AS (
        SELECT r.type, r.id, r.content FROM resource r WHERE r.compartment = ANY (records) AND r.type <> 'Patient'
        UNION ALL
        SELECT v.type, v.id, v.content FROM resource_version v
        WHERE v.compartment = ANY (records) AND v.type <> 'Patient'
    ), link AS (
        SELECT DISTINCT known.type || '/' || known.id AS source, target
        FROM known, unnest(salus_names(known.type, known.content)) AS target
    ), edge AS (
        SELECT source, target FROM link
        UNION SELECT target, source FROM link WHERE target LIKE 'Binary/%'
        UNION SELECT 'DocumentReference/' || d.reference, name FROM document d, unnest(d.extracted) AS name
        WHERE d.patient = ANY (records)
    )
    SELECT array_agg(source), array_agg(target) INTO sources, targets FROM edge WHERE source <> target;
    SELECT asked || coalesce(array_agg(name), '{}') INTO reached FROM document d, unnest(d.extracted) AS name
    WHERE d.patient = ANY (records) AND 'DocumentReference/' || d.reference = ANY (asked)
        AND split_part(name, '/', 1) NOT IN ('Patient', 'Device', 'Location', 'Medication', 'Organization',
            'Practitioner', 'PractitionerRole');
    LOOP
        WITH RECURSIVE edge AS MATERIALIZED (
            SELECT * FROM unnest(sources, targets) AS e (source, target)
        ), along (name) AS (
            SELECT unnest(reached)
            UNION
            SELECT edge.source FROM along JOIN edge ON edge.target = along.name
            WHERE along.name NOT LIKE 'Patient/%'
        )
        SELECT array_agg(name) INTO reached FROM along;
        SELECT array_agg(name) INTO outside FROM (
            SELECT o.type || '/' || o.id AS name FROM resource o
            WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
                AND salus_names(o.type, o.content) && reached
            UNION
            SELECT o.type || '/' || o.id FROM resource_version o
            WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
                AND salus_names(o.type, o.content) && reached
        ) AS found WHERE name <> ALL (reached);
        EXIT WHEN outside IS NULL;
        reached := reached || outside;
    END LOOP;
    RETURN QUERY
        WITH why AS (
            SELECT e.source, min(e.target) AS target FROM unnest(sources, targets) AS e (source, target)
            WHERE e.target = ANY (reached) GROUP BY e.source
        )
        SELECT r.compartment, r.type, r.id, CASE WHEN name = ANY (asked) THEN '' ELSE coalesce(
            why.target,
            (SELECT min(named) FROM unnest(salus_names(r.type, r.content)) AS named WHERE named = ANY (reached)),
            asked[1]) END
        FROM unnest(reached) AS name
        JOIN resource r ON r.type = split_part(name, '/', 1) AND r.id = split_part(name, '/', 2)
        LEFT JOIN why ON why.source = name
        WHERE r.compartment = ANY (records)
            OR (position('/' IN r.compartment) > 0 AND NOT salus_is_shared(r.compartment, r.type));
END
$$;
REVOKE ALL ON FUNCTION restriction_reach FROM PUBLIC;

-- Shows the resources ("Type/id") again that nobody restricts any more; returns how many.
CREATE FUNCTION show_unrestricted(names text[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
    free text[];
    changed integer;
BEGIN
    SELECT array_agg(name) INTO free FROM unnest(names) AS name WHERE NOT EXISTS (
        SELECT FROM restriction n WHERE n.type = split_part(name, '/', 1) AND n.id = split_part(name, '/', 2));
    UPDATE resource_version v SET hidden = false FROM unnest(free) AS name
    WHERE v.type = split_part(name, '/', 1) AND v.id = split_part(name, '/', 2) AND v.hidden;
    UPDATE resource r SET hidden = false FROM unnest(free) AS name
    WHERE r.type = split_part(name, '/', 1) AND r.id = split_part(name, '/', 2) AND r.hidden;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$$;
REVOKE ALL ON FUNCTION show_unrestricted FROM PUBLIC;

-- Hides what is asked for in the records and all that it reaches ("Type/id"); `changed` counts what was seen before.
CREATE FUNCTION hide_restricted(records text[], at timestamptz, OUT reached text[], OUT changed integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
#variable_conflict use_column
DECLARE
    asked text[];
BEGIN
    SELECT array_agg(n.type || '/' || n.id ORDER BY n.since, n.type, n.id) INTO asked
    FROM restriction n WHERE n.patient = ANY (records) AND n.cause = '';
    reached := '{}';
    changed := 0;
    IF asked IS NULL THEN RETURN; END IF;
    WITH noted AS (
        INSERT INTO restriction (patient, type, id, since, cause)
        SELECT CASE WHEN position('/' IN w.compartment) > 0 THEN records[1] ELSE w.compartment END,
            w.type, w.id, at, w.cause
        FROM restriction_reach(records, asked) w
        ON CONFLICT (patient, type, id)
            DO UPDATE SET cause = CASE restriction.cause WHEN '' THEN '' ELSE excluded.cause END
        RETURNING type || '/' || id AS name
    )
    SELECT array_agg(name) INTO reached FROM noted;
    UPDATE resource_version v SET hidden = true FROM unnest(reached) AS name
    WHERE v.type = split_part(name, '/', 1) AND v.id = split_part(name, '/', 2) AND NOT v.hidden;
    UPDATE resource r SET hidden = true FROM unnest(reached) AS name
    WHERE r.type = split_part(name, '/', 1) AND r.id = split_part(name, '/', 2) AND NOT r.hidden;
    GET DIAGNOSTICS changed = ROW_COUNT;
END
$$;
REVOKE ALL ON FUNCTION hide_restricted FROM PUBLIC;

-- A bound connection acts on its own patients only.
CREATE FUNCTION require_own(records text[]) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
    IF current_setting('role') = 'salus_bound' AND NOT records <@ salus_patients() THEN
        RAISE insufficient_privilege USING MESSAGE = 'these records are not open to this connection';
    END IF;
END
$$;

-- What a restriction of "Type/id" would hide that professionals see now, by type; no row where it is not theirs.
CREATE FUNCTION preview_restriction(whose text[], name text)
    RETURNS TABLE (type text, resources integer)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
#variable_conflict use_column
DECLARE
    records text[] := records_with(whose);
BEGIN
    PERFORM require_own(whose);
    IF NOT EXISTS (SELECT FROM resource r WHERE r.type = split_part(name, '/', 1)
                   AND r.id = split_part(name, '/', 2) AND r.compartment = ANY (records)) THEN RETURN; END IF;
    RETURN QUERY
        SELECT w.type, count(*)::integer FROM restriction_reach(records, ARRAY[name]) w
        GROUP BY w.type ORDER BY w.type;
END
$$;

-- Restricts "Type/id" of the records or shows it again; returns how many resources professionals see no longer,
-- or see again, null where it is not theirs. The lock keeps out who writes to the records meanwhile.
CREATE FUNCTION set_restriction(whose text[], name text, hiding boolean, at timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
#variable_conflict use_variable
DECLARE
    records text[] := records_with(whose);
    owner text;
    still text[];
    gone text[];
BEGIN
    PERFORM require_own(whose);
    PERFORM pg_advisory_xact_lock(hash)
    FROM (SELECT hashtextextended('restrictions of ' || record, 0) AS hash FROM unnest(records) AS record
          ORDER BY 1) AS wanted;
    SELECT r.compartment INTO owner FROM resource r
    WHERE r.type = split_part(name, '/', 1) AND r.id = split_part(name, '/', 2) AND r.compartment = ANY (records);
    IF owner IS NULL THEN RETURN NULL; END IF;
    IF hiding THEN
        INSERT INTO restriction (patient, type, id, since, cause)
        VALUES (owner, split_part(name, '/', 1), split_part(name, '/', 2), at, '')
        ON CONFLICT (patient, type, id) DO UPDATE SET cause = '';
        RETURN (SELECT hidden.changed FROM hide_restricted(records, at) AS hidden);
    END IF;
    UPDATE restriction n SET cause = name
    WHERE n.patient = owner AND n.type = split_part(name, '/', 1) AND n.id = split_part(name, '/', 2)
        AND n.cause = '';
    SELECT hidden.reached INTO still FROM hide_restricted(records, at) AS hidden;
    WITH dropped AS (
        DELETE FROM restriction n
        WHERE n.patient = ANY (records) AND n.cause <> '' AND n.type || '/' || n.id <> ALL (still)
        RETURNING n.type || '/' || n.id AS known
    )
    SELECT array_agg(known) INTO gone FROM dropped;
    RETURN show_unrestricted(coalesce(gone, '{}'));
END
$$;

-- Hides those of the resources just written that refer to something hidden, or are hidden themselves, with all
-- that refers to them. With `waiting` it waits for a change of these patients' restrictions that is under way.
CREATE FUNCTION follow_restrictions(
    compartments text[], types text[], ids text[], at timestamptz, waiting boolean
)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
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
        SELECT w.compartment, name
        FROM written w JOIN resource r ON (r.compartment, r.type, r.id) = (w.compartment, w.type, w.id)
        CROSS JOIN LATERAL unnest(salus_names(r.type, r.content) || (r.type || '/' || r.id)) AS name
        WHERE NOT salus_is_shared(r.compartment, r.type)
        UNION
        SELECT d.patient, name FROM written w
        JOIN document d ON d.patient = w.compartment AND w.type = 'DocumentReference' AND d.reference = w.id
        CROSS JOIN LATERAL unnest(d.extracted) AS name
    )
    SELECT array_agg(DISTINCT n.patient) INTO whose
    FROM named JOIN restriction n ON n.type = split_part(name, '/', 1) AND n.id = split_part(name, '/', 2)
        AND (n.patient = named.compartment OR position('/' IN named.compartment) > 0)
    WHERE n.type <> 'Patient';
    IF whose IS NOT NULL THEN PERFORM hide_restricted(records_with(whose), at); END IF;
END
$$;

-- Waits for the end of changes of these patients' restrictions, and keeps later ones out until the transaction ends.
CREATE FUNCTION await_restrictions(compartments text[]) RETURNS void LANGUAGE sql
AS $$
    SELECT pg_advisory_xact_lock_shared(hash)
    FROM (SELECT DISTINCT hashtextextended('restrictions of ' || whose, 0) AS hash
          FROM unnest(compartments) AS whose WHERE position('/' IN whose) = 0 ORDER BY 1) AS wanted
$$;
