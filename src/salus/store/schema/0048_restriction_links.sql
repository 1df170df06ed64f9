-- The links of 0024, each resource parsed once: a record of 10,000 resources is worked out while a citizen waits.
CREATE OR REPLACE FUNCTION salus_named(type text, parsed jsonb) RETURNS text[] LANGUAGE plpgsql IMMUTABLE
    SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN ARRAY(
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
    );
END
$$;

CREATE OR REPLACE FUNCTION salus_links(kind text, content bytea) RETURNS TABLE (name text, states boolean)
    LANGUAGE plpgsql STABLE STRICT SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    words text := convert_from(content, 'UTF8');
    parsed jsonb;
    rest jsonb;
    context text[];
    by_part boolean;
    stated text[];
    named text[];
BEGIN
    IF position('/' IN words) = 0 AND kind <> 'Bundle' THEN RETURN; END IF;
    BEGIN
        parsed := words::jsonb;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
        RETURN QUERY SELECT DISTINCT n, true FROM unnest(salus_names(kind, content)) AS n;
        RETURN;
    END;
    IF kind = 'Binary' THEN parsed := parsed -> 'securityContext'; END IF;
    SELECT array_agg(c.element) FILTER (WHERE c.part = ''), bool_or(c.part <> '') OR kind = 'Bundle'
    INTO context, by_part FROM context_element c WHERE c.holder IN ('', kind) AND c.target = '';
    IF by_part OR jsonb_typeof(parsed) <> 'object' THEN
        rest := salus_without_context(kind, parsed);
        named := salus_named(kind, parsed);
    ELSE
        rest := parsed - context;
        named := salus_named('', (SELECT jsonb_agg(parsed -> e) FROM unnest(context) AS e WHERE parsed ? e));
    END IF;
    IF rest ? 'basedOn' THEN
        named := named || salus_named('', rest -> 'basedOn');
        stated := salus_named(kind, rest - 'basedOn') || ARRAY(
            SELECT n FROM unnest(salus_named('', rest -> 'basedOn')) AS n
            WHERE NOT EXISTS (SELECT FROM context_element c
                              WHERE c.element = 'basedOn' AND c.target = split_part(n, '/', 1)));
    ELSE
        stated := salus_named(kind, rest);
    END IF;
    RETURN QUERY
        SELECT one.n, bool_or(one.s)
        FROM (SELECT unnest(stated) AS n, true AS s UNION ALL SELECT unnest(named), false) AS one GROUP BY one.n;
END
$$;
