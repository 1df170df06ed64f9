-- Strings are found by keyed hashes among the tokens of their resource (decision 0029); they stand here in clear no more.
-- The key is not in the database: what has strings is written down, and indexed anew before anything else
-- (store/strings_indexed.py), which drops this table. A new database has none.
DO $$
DECLARE
    definition text;
BEGIN
    IF EXISTS (SELECT FROM resource_string) THEN
        CREATE TABLE strings_waiting AS SELECT DISTINCT compartment, type, id FROM resource_string;
        ALTER TABLE strings_waiting ADD PRIMARY KEY (type, id, compartment);
        ALTER TABLE strings_waiting ENABLE ROW LEVEL SECURITY;
        REVOKE ALL ON strings_waiting FROM salus_wide, salus_bound;
    END IF;
    -- What erases or moves a resource does so line by line, a table in each.
    FOR definition IN
        SELECT pg_get_functiondef(oid) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND prosrc LIKE '%resource\_string%'
    LOOP
        EXECUTE regexp_replace(definition, '\n[^\n]*resource_string[^\n]*;(?=\n)', '', 'g');
    END LOOP;
    DROP TABLE resource_string;
END
$$;
