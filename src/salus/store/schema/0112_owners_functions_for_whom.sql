-- A function that runs as its owner is called by the node's roles only: what everybody may execute, every login of
-- the server might, and write leaves or restrictions by it.
DO $$
DECLARE
    found regprocedure;
BEGIN
    FOR found IN
        SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
        AND p.proowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)
        AND EXISTS (
            SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS given
            WHERE given.grantee = 0)
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', found);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO salus_wide, salus_bound', found);
    END LOOP;
END
$$;
