-- Context that tells (docs/decisions/0010): a reference of context with more than the link, such as a `display`, repeats
-- what its target says, and so states it. A part restates the whole that it is `partOf`.
DELETE FROM context_element WHERE element = 'partOf';

-- Those references within an element of context that hold more than a link; null where there are none.
CREATE FUNCTION salus_telling(element jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
AS $$
    SELECT jsonb_agg(link)
    FROM jsonb_path_query(element, 'strict $.** ? (@.type() == "object" && exists(@.reference))') AS link
    WHERE link - ARRAY['reference', 'type', 'identifier', 'id'] <> '{}'
$$;

-- The resource with no more of its elements of context than what tells. As in 0024 otherwise.
CREATE OR REPLACE FUNCTION salus_without_context(kind text, resource jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE
AS $$
DECLARE
    context text[];
    rest jsonb;
    held record;
BEGIN
    IF jsonb_typeof(resource) <> 'object' THEN RETURN resource; END IF;
    context := ARRAY(SELECT c.element FROM context_element c
                     WHERE c.holder IN ('', kind) AND c.part = '' AND c.target = '');
    rest := (resource - context) || coalesce(
        (SELECT jsonb_object_agg(e, salus_telling(resource -> e)) FROM unnest(context) AS e WHERE resource ? e), '{}');
    FOR held IN SELECT c.part, c.element FROM context_element c WHERE c.holder = kind AND c.part <> '' LOOP
        IF jsonb_typeof(rest -> held.part) = 'object' THEN
            rest := jsonb_set(rest, ARRAY[held.part, held.element],
                coalesce(salus_telling(rest -> held.part -> held.element), 'null'));
        ELSIF jsonb_typeof(rest -> held.part) = 'array' THEN
            rest := jsonb_set(rest, ARRAY[held.part], coalesce(
                (SELECT jsonb_agg(CASE jsonb_typeof(one) WHEN 'object'
                    THEN one || jsonb_build_object(held.element, salus_telling(one -> held.element)) ELSE one END)
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

-- The links of 0048, by the JSON of 0051.
CREATE OR REPLACE FUNCTION salus_links(kind text, content bytea) RETURNS TABLE (name text, states boolean)
    LANGUAGE plpgsql STABLE STRICT SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    words text := convert_from(content, 'UTF8');
    parsed jsonb;
    rest jsonb;
    around jsonb;  -- what the elements of context hold
    context text[];
    by_part boolean;
    stated text[];
    named text[];
BEGIN
    IF words !~ '[/\\]' AND kind <> 'Bundle' THEN RETURN; END IF;
    parsed := salus_json(words);
    IF kind = 'Binary' AND jsonb_typeof(parsed) = 'object' THEN parsed := parsed -> 'securityContext'; END IF;
    SELECT array_agg(c.element) FILTER (WHERE c.part = ''), bool_or(c.part <> '') OR kind = 'Bundle'
    INTO context, by_part FROM context_element c WHERE c.holder IN ('', kind) AND c.target = '';
    IF by_part OR jsonb_typeof(parsed) <> 'object' THEN
        rest := salus_without_context(kind, parsed);
        named := salus_named(kind, parsed);
    ELSE
        rest := parsed - context;
        around := (SELECT jsonb_agg(parsed -> e) FROM unnest(context) AS e WHERE parsed ? e);
        named := salus_named('', around);
        stated := salus_named('', salus_telling(around));
    END IF;
    IF rest ? 'basedOn' THEN
        named := named || salus_named('', rest -> 'basedOn');
        stated := stated || salus_named(kind, rest - 'basedOn') || salus_named('', salus_telling(rest -> 'basedOn'))
            || ARRAY(SELECT n FROM unnest(salus_named('', rest -> 'basedOn')) AS n
                     WHERE NOT EXISTS (SELECT FROM context_element c
                                       WHERE c.element = 'basedOn' AND c.target = split_part(n, '/', 1)));
    ELSE
        stated := stated || salus_named(kind, rest);
    END IF;
    RETURN QUERY
        SELECT one.n, bool_or(one.s)
        FROM (SELECT unnest(stated) AS n, true AS s UNION ALL SELECT unnest(named), false) AS one GROUP BY one.n;
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
