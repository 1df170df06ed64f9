-- A restriction takes along what refers to the resource: a report without its result would still tell of it.

ALTER TABLE restriction ADD COLUMN cause text NOT NULL DEFAULT '';  -- '' asked for, else the "Type/id" it refers to

-- Whether a resource's bytes refer to "Type/id", in any version of it.
CREATE FUNCTION salus_refers(content bytea, name text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT position(convert_to('"' || name || '"', 'UTF8') IN content) > 0
              OR position(convert_to('"' || name || '/_history/', 'UTF8') IN content) > 0 $$;
