-- As in 0057, but nobody hides what lies in no record and is about others alone: an attachment (Binary) of somebody else
-- that an entry of one's own names does not go with that entry (docs/decisions/0010).
CREATE OR REPLACE FUNCTION restriction_walk(
    records text[], asked text[], taking boolean, sources text[], targets text[], stating boolean[]
)
    RETURNS TABLE (compartment text, type text, id text, cause text, whole boolean)
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
            SELECT r.compartment, r.type, r.id, r.content, along.name, along.whole, r.others
            FROM along JOIN resource r ON r.type = split_part(along.name, '/', 1) AND r.id = split_part(along.name, '/', 2)
            UNION ALL
            SELECT v.compartment, v.type, v.id, (array_agg(v.content))[1], along.name, along.whole, '{}'
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
        WHERE p.compartment = ANY (records)
            OR (salus_is_outside(p.compartment, p.type) AND (p.others = '{}' OR p.others && records))
        ORDER BY p.type, p.id, position('/' IN p.compartment) > 0, p.compartment;
END
$$;
