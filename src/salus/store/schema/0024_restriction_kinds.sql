-- A restriction follows links by their kind (docs/decisions/0010). What states or shows what is hidden goes along, at
-- any depth: a report with its result, a document, list or plan with what it holds, a request with its reason. What
-- merely says where, when, by whom or on what occasion something was done is context: it goes along only with what the
-- citizen asked for itself, such as all that was done at a visit, and leads no further from what was reached.

-- The elements that are context. `holder` '' stands for every type; `part` is the element that holds it, '' for the
-- resource itself; with `target` it is context only where it leads to that type.
CREATE TABLE context_element (
    holder  text NOT NULL DEFAULT '',
    part    text NOT NULL DEFAULT '',
    element text NOT NULL,
    target  text NOT NULL DEFAULT '',
    PRIMARY KEY (holder, part, element, target)
);
INSERT INTO context_element (element) VALUES
    ('account'), ('appointment'), ('asserter'), ('author'), ('careTeam'), ('contributor'), ('encounter'), ('enterer'),
    ('episodeOfCare'), ('expressedBy'), ('informationSource'), ('insurance'), ('managingOrganization'), ('owner'),
    ('partOf'), ('payor'), ('performer'), ('policyHolder'), ('previous'), ('recipient'), ('recorder'), ('requester'),
    ('resultsInterpreter'), ('schedule'), ('sender'), ('slot'), ('specimen'), ('subscriber'), ('team');
INSERT INTO context_element (holder, element) VALUES
    ('ChargeItem', 'context'), ('MedicationAdministration', 'context'), ('MedicationDispense', 'context'),
    ('MedicationStatement', 'context');
INSERT INTO context_element (holder, part, element) VALUES
    ('Claim', 'item', 'encounter'), ('DocumentReference', 'context', 'encounter'),
    ('ExplanationOfBenefit', 'item', 'encounter');
INSERT INTO context_element (element, target) VALUES ('basedOn', 'CarePlan'), ('basedOn', 'RequestGroup');

ALTER TABLE restriction ADD COLUMN whole boolean NOT NULL DEFAULT false;  -- with what was done in its context
UPDATE restriction SET whole = cause = '';

-- The names of 0021, of JSON that is parsed already.
CREATE FUNCTION salus_named(type text, parsed jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE
AS $$
    SELECT ARRAY(
        SELECT split_part(link, '/', -2) || '/' || split_part(link, '/', -1)
        FROM jsonb_path_query(parsed, 'strict $.** ? (@.type() == "string")') AS value
        CROSS JOIN LATERAL string_to_table(value #>> '{}', '"') AS word
        CROSS JOIN LATERAL split_part(split_part(split_part(word, '#', 1), '?', 1), '/_history/', 1) AS link
        WHERE position('/' IN word) > 0 AND length(word) <= 2000
            AND split_part(link, '/', -2) COLLATE "C" BETWEEN 'A' AND 'Zz'
            AND split_part(link, '/', -2) <> 'Patient' AND length(split_part(link, '/', -2)) <= 64
            AND length(split_part(link, '/', -1)) BETWEEN 1 AND 64
        UNION ALL
        SELECT (entry ->> 'resourceType') || '/' || (entry ->> 'id')
        FROM jsonb_path_query(parsed, 'strict $.**.resource') AS entry
        WHERE type = 'Bundle' AND length(entry ->> 'resourceType') <= 64 AND length(entry ->> 'id') <= 64
    )
$$;

-- The resource without its elements of context.
CREATE FUNCTION salus_without_context(kind text, resource jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE
AS $$
DECLARE
    rest jsonb := resource;
    held record;
BEGIN
    IF jsonb_typeof(resource) <> 'object' THEN RETURN resource; END IF;
    rest := rest - ARRAY(SELECT c.element FROM context_element c
                         WHERE c.holder IN ('', kind) AND c.part = '' AND c.target = '');
    FOR held IN SELECT c.part, c.element FROM context_element c WHERE c.holder = kind AND c.part <> '' LOOP
        IF jsonb_typeof(rest -> held.part) = 'object' THEN
            rest := rest #- ARRAY[held.part, held.element];
        ELSIF jsonb_typeof(rest -> held.part) = 'array' THEN
            rest := jsonb_set(rest, ARRAY[held.part], coalesce(
                (SELECT jsonb_agg(CASE jsonb_typeof(one) WHEN 'object' THEN one - held.element ELSE one END)
                 FROM jsonb_array_elements(rest -> held.part) AS one), '[]'));
        END IF;
    END LOOP;
    IF kind = 'Bundle' AND jsonb_typeof(rest -> 'entry') = 'array' THEN
        rest := jsonb_set(rest, '{entry}', coalesce(
            (SELECT jsonb_agg(CASE WHEN jsonb_typeof(one -> 'resource') = 'object'
                THEN one || jsonb_build_object('resource',
                    salus_without_context(one -> 'resource' ->> 'resourceType', one -> 'resource'))
                ELSE one END)
             FROM jsonb_array_elements(rest -> 'entry') AS one), '[]'));
    END IF;
    RETURN rest;
END
$$;

-- What a resource names, and whether it states or shows it, beyond naming it as context.
CREATE FUNCTION salus_links(kind text, content bytea) RETURNS TABLE (name text, states boolean)
    LANGUAGE plpgsql STABLE STRICT
AS $$
DECLARE
    parsed jsonb;
    rest jsonb;
    named text[];
    stated text[];
    targets text[];
BEGIN
    named := salus_names(kind, content);
    IF cardinality(named) = 0 THEN RETURN; END IF;
    BEGIN
        parsed := convert_from(content, 'UTF8')::jsonb;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
        RETURN QUERY SELECT DISTINCT n, true FROM unnest(named) AS n;
        RETURN;
    END;
    IF kind = 'Binary' THEN parsed := parsed -> 'securityContext'; END IF;
    rest := salus_without_context(kind, parsed);
    stated := salus_named(kind, rest);
    IF rest ? 'basedOn' THEN
        SELECT array_agg(c.target) INTO targets FROM context_element c WHERE c.element = 'basedOn' AND c.target <> '';
        stated := salus_named(kind, rest - 'basedOn') || ARRAY(
            SELECT n FROM unnest(salus_named('', rest -> 'basedOn')) AS n WHERE split_part(n, '/', 1) <> ALL (targets));
    END IF;
    RETURN QUERY SELECT DISTINCT n, n = ANY (stated) FROM unnest(named) AS n;
END
$$;

DROP FUNCTION preview_restriction;
DROP FUNCTION restriction_reach;

-- The resources that are hidden with those asked for ("Type/id"), these included, and by which one: '' for those;
-- `whole` where what was done in their context goes too. A document takes along what was extracted from it; what was
-- extracted takes along the document and no more; an attachment kept as a Binary goes with its holder. Of a resource
-- that is another patient's now, the versions of these records count.
CREATE FUNCTION restriction_reach(records text[], asked text[])
    RETURNS TABLE (compartment text, type text, id text, cause text, whole boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
#variable_conflict use_column
DECLARE
    sources text[];  -- of the references within the records ...
    targets text[];  -- ... what each leads to ...
    stating boolean[];  -- ... and whether it states it
    reached text[];  -- names so far ...
    wholly boolean[];  -- ... and whether what was done in their context goes too
    outside text[];
    outside_wholly boolean[];
BEGIN
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
    SELECT array_agg(source), array_agg(target), array_agg(states) INTO sources, targets, stating
    FROM edge WHERE source <> target;
    SELECT asked || coalesce(array_agg(name), '{}') INTO reached FROM document d, unnest(d.extracted) AS name
    WHERE d.patient = ANY (records) AND 'DocumentReference/' || d.reference = ANY (asked)
        AND split_part(name, '/', 1) NOT IN ('Patient', 'Device', 'Location', 'Medication', 'Organization',
            'Practitioner', 'PractitionerRole');
    SELECT array_agg(name = ANY (asked)) INTO wholly FROM unnest(reached) AS name;
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
REVOKE ALL ON FUNCTION restriction_reach FROM PUBLIC;

-- As in 0020, with `whole`, and only within the records and outside all records.
CREATE OR REPLACE FUNCTION hide_restricted(records text[], at timestamptz, OUT reached text[], OUT changed integer)
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
        INSERT INTO restriction (patient, type, id, since, cause, whole)
        SELECT CASE WHEN position('/' IN w.compartment) > 0 THEN records[1] ELSE w.compartment END,
            w.type, w.id, at, w.cause, w.whole
        FROM restriction_reach(records, asked) w
        ON CONFLICT (patient, type, id)
            DO UPDATE SET cause = CASE restriction.cause WHEN '' THEN '' ELSE excluded.cause END, whole = excluded.whole
        RETURNING type || '/' || id AS name
    )
    SELECT coalesce(array_agg(name), '{}') INTO reached FROM noted;
    UPDATE resource_version v SET hidden = true FROM unnest(reached) AS name
    WHERE v.type = split_part(name, '/', 1) AND v.id = split_part(name, '/', 2) AND NOT v.hidden
        AND (v.compartment = ANY (records) OR salus_is_outside(v.compartment, v.type));
    UPDATE resource r SET hidden = true FROM unnest(reached) AS name
    WHERE r.type = split_part(name, '/', 1) AND r.id = split_part(name, '/', 2) AND NOT r.hidden
        AND (r.compartment = ANY (records) OR salus_is_outside(r.compartment, r.type));
    GET DIAGNOSTICS changed = ROW_COUNT;
END
$$;

-- In whose record of these "Type/id" is: now, in an earlier version, or as one of those whom it is about while it lies in
-- no record; null where it is in none.
CREATE FUNCTION restricted_in(records text[], name text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
    SELECT coalesce(
        (SELECT r.compartment FROM resource r WHERE r.type = split_part(name, '/', 1)
            AND r.id = split_part(name, '/', 2) AND r.compartment = ANY (records)),
        (SELECT min(v.compartment) FROM resource_version v WHERE v.type = split_part(name, '/', 1)
            AND v.id = split_part(name, '/', 2) AND v.compartment = ANY (records)),
        (SELECT min(patient) FROM resource r CROSS JOIN unnest(records) AS patient WHERE r.type = split_part(name, '/', 1)
            AND r.id = split_part(name, '/', 2) AND salus_is_outside(r.compartment, r.type) AND patient = ANY (r.others)))
$$;
REVOKE ALL ON FUNCTION restricted_in FROM PUBLIC;

CREATE FUNCTION preview_restriction(whose text[], name text)
    RETURNS TABLE (type text, resources integer)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
#variable_conflict use_column
DECLARE
    records text[] := records_with(whose);
BEGIN
    PERFORM require_own(whose);
    IF restricted_in(records, name) IS NULL THEN RETURN; END IF;
    RETURN QUERY
        SELECT w.type, count(*)::integer FROM restriction_reach(records, ARRAY[name]) w
        GROUP BY w.type ORDER BY w.type;
END
$$;

-- Waits for the end of changes of the restrictions of these patients, and keeps later ones out until the transaction
-- ends. A load takes it, of whatever many patients: patients share 64 locks.
CREATE FUNCTION await_restrictions_of_many(compartments text[]) RETURNS void LANGUAGE sql
AS $$
    SELECT pg_advisory_xact_lock_shared(hash)
    FROM (SELECT DISTINCT hashtextextended('restrictions of part ' || (hashtext(whose) & 63), 0) AS hash
          FROM unnest(compartments) AS whose WHERE position('/' IN whose) = 0 ORDER BY 1) AS wanted
$$;

-- As in 0020; it waits for loads too.
CREATE OR REPLACE FUNCTION set_restriction(whose text[], name text, hiding boolean, at timestamptz) RETURNS integer
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
    PERFORM pg_advisory_xact_lock(hash)
    FROM (SELECT DISTINCT hashtextextended('restrictions of part ' || (hashtext(record) & 63), 0) AS hash
          FROM unnest(records) AS record ORDER BY 1) AS wanted;
    owner := restricted_in(records, name);
    IF owner IS NULL THEN RETURN NULL; END IF;
    IF hiding THEN
        INSERT INTO restriction (patient, type, id, since, cause, whole)
        VALUES (owner, split_part(name, '/', 1), split_part(name, '/', 2), at, '', true)
        ON CONFLICT (patient, type, id) DO UPDATE SET cause = '', whole = true;
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

-- As in 0020, by the kind of the link.
CREATE OR REPLACE FUNCTION follow_restrictions(
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
        SELECT w.compartment, l.name, l.states
        FROM written w JOIN resource r ON (r.compartment, r.type, r.id) = (w.compartment, w.type, w.id)
        CROSS JOIN LATERAL (
            SELECT * FROM salus_links(r.type, r.content) UNION ALL SELECT r.type || '/' || r.id, true
        ) AS l
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

-- What restrictions reach now; what they reach no longer is shown again.
DO $$
DECLARE
    whose text;
    still text[];
    gone text[];
BEGIN
    FOR whose IN SELECT DISTINCT n.patient FROM restriction n WHERE n.cause = '' LOOP
        SELECT hidden.reached INTO still FROM hide_restricted(records_with(ARRAY[whose]), now()) AS hidden;
        WITH dropped AS (
            DELETE FROM restriction n
            WHERE n.patient = ANY (records_with(ARRAY[whose])) AND n.cause <> ''
                AND n.type || '/' || n.id <> ALL (still)
            RETURNING n.type || '/' || n.id AS known
        )
        SELECT array_agg(known) INTO gone FROM dropped;
        PERFORM show_unrestricted(coalesce(gone, '{}'));
    END LOOP;
END
$$;
