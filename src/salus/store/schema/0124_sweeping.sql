-- After an erasure the samples that the planner took of what was erased go, and its pages are used again: the role that
-- serves may VACUUM and ANALYZE, and nothing else of the owner's. PostgreSQL before 17 has no such right; there the
-- database's own autovacuum does it, later.
DO $$
BEGIN
    IF current_setting('server_version_num')::integer >= 170000 THEN
        GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO salus_wide;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT MAINTAIN ON TABLES TO salus_wide;
    END IF;
END
$$;
