-- A function that runs as its owner must not meet what its caller made. PostgreSQL looks for tables in the session's
-- temporary schema first unless a search path names it, so a caller could have put a table of its own, with a
-- trigger, in the place of the ledger's, and have run the trigger as the owner. Named last, it is looked at last.
DO $$
DECLARE
    found regprocedure;
BEGIN
    FOR found IN
        SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
        AND p.proowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, public, pg_temp', found);
    END LOOP;
END
$$;

-- Nobody but the owner makes tables or functions here (before PostgreSQL 15 everybody might).
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
