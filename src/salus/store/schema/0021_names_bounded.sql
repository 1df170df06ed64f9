-- The names of 0020 are no longer than a resource type and an id are, so that each fits an entry of an index: a text that
-- merely looks like a name must not hold up a write. What was indexed before is a superset.
CREATE OR REPLACE FUNCTION salus_names(type text, content bytea) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT
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
            AND split_part(link, '/', -2) <> 'Patient' AND length(split_part(link, '/', -2)) <= 64
            AND length(split_part(link, '/', -1)) BETWEEN 1 AND 64
        UNION ALL
        SELECT (entry ->> 'resourceType') || '/' || (entry ->> 'id')
        FROM jsonb_path_query(parsed, 'strict $.**.resource') AS entry
        WHERE type = 'Bundle' AND length(entry ->> 'resourceType') <= 64 AND length(entry ->> 'id') <= 64
    );
END
$$;
