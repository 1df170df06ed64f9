-- The indexes of 0020 by the names of 0051, which bring the search path that building and analysing an index needs.
ALTER FUNCTION salus_names(text, bytea) SET search_path = pg_catalog, public;
DROP INDEX resource_outside_names;
DROP INDEX resource_version_outside_names;
CREATE INDEX resource_outside_names ON resource USING gin (salus_names(type, content))
    WHERE position('/' IN compartment) > 0 AND NOT salus_is_shared(compartment, type);
CREATE INDEX resource_version_outside_names ON resource_version USING gin (salus_names(type, content))
    WHERE position('/' IN compartment) > 0 AND NOT salus_is_shared(compartment, type);
