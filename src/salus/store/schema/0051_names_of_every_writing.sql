-- The names of 0021 and 0048 where JSON holds a number or a character that jsonb does not, and in every narrative: a link
-- ends at a quote of either kind, at a bracket, a space or punctuation (docs/decisions/0010).

-- The JSON with what no jsonb holds left out, which is part of no name; its text where it is beyond that too.
CREATE FUNCTION salus_json(words text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT
AS $$
BEGIN
    RETURN words::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    BEGIN
        RETURN regexp_replace(
            regexp_replace(words, '(?<!\\)((?:\\\\)*)\\u0000', '\1 ', 'g'),
            '(?<=[:,\[\s])-?[0-9][0-9.]*(?:[eE][+-]?[0-9]+)?(?=[\s,}\]])', '0', 'g')::jsonb;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
        RETURN to_jsonb(replace(words, '\/', '/'));
    END;
END
$$;

CREATE OR REPLACE FUNCTION salus_named(type text, parsed jsonb) RETURNS text[] LANGUAGE plpgsql IMMUTABLE
    SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN ARRAY(
        SELECT split_part(name, '/', -2) || '/' || split_part(name, '/', -1)
        FROM jsonb_path_query(parsed, 'strict $.** ? (@.type() == "string")') AS value
        CROSS JOIN LATERAL string_to_table(
            translate(value #>> '{}', '''<>()[]{},;:!|=&' || E' \t\r\n', repeat('"', 20)), '"') AS word
        CROSS JOIN LATERAL split_part(split_part(split_part(word, '#', 1), '?', 1), '/_history/', 1) AS link
        CROSS JOIN LATERAL unnest(
            CASE WHEN link LIKE '%.' THEN ARRAY[link, rtrim(link, '.')] ELSE ARRAY[link] END) AS name
        WHERE position('/' IN word) > 0 AND length(word) <= 2000
            AND split_part(name, '/', -2) COLLATE "C" BETWEEN 'A' AND 'Zz'
            AND split_part(name, '/', -2) <> 'Patient' AND length(split_part(name, '/', -2)) <= 64
            AND length(split_part(name, '/', -1)) BETWEEN 1 AND 64
        UNION ALL
        SELECT (entry ->> 'resourceType') || '/' || (entry ->> 'id')
        FROM jsonb_path_query(parsed, 'strict $.**.resource') AS entry
        WHERE type = 'Bundle' AND length(entry ->> 'resourceType') <= 64 AND length(entry ->> 'id') <= 64
    );
END
$$;

CREATE OR REPLACE FUNCTION salus_names(type text, content bytea) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT
    SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    words text := convert_from(content, 'UTF8');
    parsed jsonb;
BEGIN
    IF words = '' THEN RETURN '{}'; END IF;
    parsed := salus_json(words);
    IF type = 'Binary' AND jsonb_typeof(parsed) = 'object' THEN parsed := parsed -> 'securityContext'; END IF;
    RETURN salus_named(type, parsed);
END
$$;
REINDEX INDEX resource_outside_names;
REINDEX INDEX resource_version_outside_names;
SELECT name_patients(array_agg(type || '/' || id)) FROM resource o
WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type);
