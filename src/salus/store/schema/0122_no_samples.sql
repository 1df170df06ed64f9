-- The planner keeps samples of columns (pg_statistic), which outlive the rows. Of words about people that no query
-- filters by it keeps none from now on, so that what is erased is in no sample; what it has of them is forgotten here,
-- as far as the owner may (GDPR article 17).
DO $$
DECLARE
    held record;
BEGIN
    FOR held IN
        SELECT split_part(name, '.', 1) AS of_table, split_part(name, '.', 2) AS of_column
        FROM unnest(ARRAY[
            'resource.content', 'resource.source_id', 'resource_version.content', 'resource_version.source_id',
            'document.content', 'quarantine.content', 'quarantine.outcome', 'quarantine.file', 'export_file.content',
            'health_link.label', 'health_link.made_by', 'health_link.content', 'health_link_opening.recipient',
            'health_link_ticket.recipient', 'emergency.name', 'emergency.reason', 'emergency.note', 'proxy.name',
            'proxy.proof', 'account.subject', 'account.source', 'login_session.subject', 'login_session.id_token',
            'wallet_login.asked', 'wallet_login.person', 'app_session.caller', 'subscription.caller',
            'subscription.criteria', 'hand_over.identifier', 'withholding.reason', 'notice.who', 'notice.key',
            'rectification.said', 'rectification_step.said', 'erasure.said', 'erasure_step.said',
            'dispensed_abroad.message']) AS name
    LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET STATISTICS 0', held.of_table, held.of_column);
        BEGIN
            DELETE FROM pg_statistic s USING pg_attribute a
            WHERE a.attrelid = held.of_table::regclass AND a.attname = held.of_column
                AND s.starelid = a.attrelid AND s.staattnum = a.attnum;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE NOTICE 'samples of %.% stay until PostgreSQL takes new ones', held.of_table, held.of_column;
        END;
    END LOOP;
END
$$;
