-- Erasing (GDPR article 17): the only way by which a row of a person goes for good. In the caller's transaction, so that
-- it is done whole or not at all. The roles have no right to delete most of these tables; these functions do it for them.

-- Removes resources ("Type/id") with all their versions, search values, restrictions and what else names them as its own.
CREATE FUNCTION erase_resources(names text[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
    erased bigint;
BEGIN
    DELETE FROM resource_range WHERE (type, id) IN (SELECT split_part(n, '/', 1), split_part(n, '/', 2) FROM unnest(names) AS n);
    DELETE FROM resource_string WHERE (type, id) IN (SELECT split_part(n, '/', 1), split_part(n, '/', 2) FROM unnest(names) AS n);
    DELETE FROM resource_version WHERE (type, id) IN (SELECT split_part(n, '/', 1), split_part(n, '/', 2) FROM unnest(names) AS n);
    DELETE FROM restriction WHERE (type, id) IN (SELECT split_part(n, '/', 1), split_part(n, '/', 2) FROM unnest(names) AS n);
    DELETE FROM identity_named WHERE (type, id) IN (SELECT split_part(n, '/', 1), split_part(n, '/', 2) FROM unnest(names) AS n);
    DELETE FROM hand_over WHERE 'MedicationDispense/' || id = ANY (names);
    DELETE FROM used_up WHERE 'MedicationRequest/' || id = ANY (names);
    DELETE FROM attachment WHERE 'Binary/' || "binary" = ANY (names);
    DELETE FROM subscription WHERE 'Subscription/' || id = ANY (names);
    DELETE FROM subscription_event WHERE split_part(event, '/', 1) || '/' || split_part(event, '/', 2) = ANY (names);
    DELETE FROM source_deletion WHERE type || '/' || id = ANY (names);
    WITH gone AS (
        DELETE FROM resource WHERE (type, id) IN (SELECT split_part(n, '/', 1), split_part(n, '/', 2) FROM unnest(names) AS n)
        RETURNING 1
    )
    SELECT count(*) INTO erased FROM gone;
    RETURN erased;
END
$$;
REVOKE ALL ON FUNCTION erase_resources FROM PUBLIC;

-- What was copied of these records for somebody to take away: exports that hold them, or are still being made, and
-- what links lead to. Who asked for an export asks again.
CREATE FUNCTION erase_copies(whose text[], at timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
    DELETE FROM export_job j WHERE j.status IN ('accepted', 'running')
        OR EXISTS (SELECT FROM export_file f WHERE f.job = j.id AND f.patients && whose);
    UPDATE health_link SET content = NULL, ended_at = coalesce(ended_at, at) WHERE patient = ANY (whose);
    DELETE FROM health_link_ticket WHERE patient = ANY (whose);
$$;
REVOKE ALL ON FUNCTION erase_copies FROM PUBLIC;

-- One entry of a record, with the document that it describes, and what was extracted from that document alone.
-- Answers with the names that went.
CREATE FUNCTION erase_entry(owner text, name text, at timestamptz) RETURNS text[]
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
    names text[];
BEGIN
    -- Every writer of the record waits for this lock (0020).
    PERFORM pg_advisory_xact_lock(hash)
    FROM (SELECT hashtextextended('restrictions of ' || record, 0) AS hash FROM unnest(ARRAY[owner]) AS record
          ORDER BY 1) AS wanted;
    IF NOT EXISTS (SELECT FROM resource r WHERE r.compartment = owner AND r.type || '/' || r.id = name) THEN
        RETURN '{}';
    END IF;
    SELECT array_agg(DISTINCT each) INTO names FROM (
        SELECT name AS each
        UNION ALL
        SELECT stated FROM document d CROSS JOIN LATERAL unnest(d.extracted) AS stated
        JOIN resource r ON r.compartment = owner AND r.type || '/' || r.id = stated AND r.type <> 'Patient'
        WHERE d.patient = owner AND 'DocumentReference/' || d.reference = name
            AND NOT EXISTS (
                SELECT FROM document other
                WHERE other.patient = owner AND other.id <> d.id AND stated = ANY (other.extracted)
            )
        UNION ALL
        SELECT 'Binary/' || d.id FROM document d
        WHERE d.patient = owner AND 'DocumentReference/' || d.reference = name
        UNION ALL
        SELECT o.type || '/' || o.id FROM resource o
        WHERE salus_is_outside(o.compartment, o.type) AND o.others <@ ARRAY[owner] AND o.others <> '{}'
            AND (salus_names(o.type, o.content) && ARRAY[name]
                OR o.type = 'Binary' AND EXISTS (
                    SELECT FROM resource r CROSS JOIN LATERAL unnest(salus_names(r.type, r.content)) AS named
                    WHERE r.type || '/' || r.id = name AND named = 'Binary/' || o.id))
    ) AS found;
    DELETE FROM document d WHERE d.patient = owner AND 'DocumentReference/' || d.reference = name;
    DELETE FROM rectification_step s USING rectification q
    WHERE (s.patient, s.request) = (q.patient, q.id) AND q.patient = owner AND q.type || '/' || q.entry = ANY (names);
    DELETE FROM rectification q WHERE q.patient = owner AND q.type || '/' || q.entry = ANY (names);
    PERFORM erase_resources(names);
    PERFORM erase_copies(ARRAY[owner], at);
    PERFORM pg_notify('salus_standing', owner);
    RETURN names;
END
$$;
REVOKE ALL ON FUNCTION erase_entry FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_entry TO salus_wide;

-- A whole person: all their records, in every table. `needles`: texts by which input that was refused, and could not be
-- given to a record, is found to be about them. What stays is the ledger, incidents and the findings of its watch
-- (GDPR article 17(3)(b) and (e)). Answers with the names of the resources that went; of what is about others too,
-- only the person's place among whom it is about goes.
CREATE FUNCTION erase_person(whose text[], needles bytea[], at timestamptz) RETURNS text[]
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
    names text[];
    heard text[];
BEGIN
    -- Every writer of these records waits for this lock (0020).
    PERFORM pg_advisory_xact_lock(hash)
    FROM (SELECT hashtextextended('restrictions of ' || record, 0) AS hash FROM unnest(whose) AS record
          ORDER BY 1) AS wanted;
    SELECT array_agg(DISTINCT each) INTO names FROM (
        SELECT r.type || '/' || r.id AS each FROM resource r WHERE r.compartment = ANY (whose)
        UNION ALL
        SELECT v.type || '/' || v.id FROM resource_version v WHERE v.compartment = ANY (whose)
            AND NOT EXISTS (SELECT FROM resource r WHERE (r.type, r.id) = (v.type, v.id)
                            AND r.compartment <> ALL (whose))
        UNION ALL
        SELECT o.type || '/' || o.id FROM resource o
        WHERE salus_is_outside(o.compartment, o.type) AND o.others <@ whose AND o.others <> '{}'
        UNION ALL
        SELECT s.id FROM (SELECT 'Subscription/' || u.id AS id, u.caller, u.criteria FROM subscription u) AS s
        WHERE convert_from(s.caller, 'UTF8')::jsonb ->> 'patient' = ANY (whose)
            OR EXISTS (SELECT FROM unnest(whose) AS one WHERE s.criteria ~ ('[=/,]' || one || '($|[&,|])'))
    ) AS found;
    PERFORM erase_resources(coalesce(names, '{}'));
    PERFORM erase_copies(whose, at);
    -- Versions of what lies in somebody else's record now.
    DELETE FROM resource_version WHERE compartment = ANY (whose);
    UPDATE resource SET others = ARRAY(SELECT o FROM unnest(others) AS o WHERE o <> ALL (whose)) WHERE others && whose;
    UPDATE resource_version SET others = ARRAY(SELECT o FROM unnest(others) AS o WHERE o <> ALL (whose)) WHERE others && whose;
    DELETE FROM resource_range WHERE compartment = ANY (whose);
    DELETE FROM resource_string WHERE compartment = ANY (whose);
    DELETE FROM restriction WHERE patient = ANY (whose);
    DELETE FROM veil WHERE patient = ANY (whose);
    DELETE FROM document WHERE patient = ANY (whose);
    DELETE FROM attachment WHERE patient = ANY (whose);
    DELETE FROM hand_over WHERE compartment = ANY (whose);
    DELETE FROM used_up WHERE compartment = ANY (whose);
    DELETE FROM quarantine q WHERE q.patient = ANY (whose)
        OR EXISTS (SELECT FROM unnest(needles) AS needle WHERE position(needle IN q.content) > 0);
    DELETE FROM health_link_opening WHERE patient = ANY (whose);
    DELETE FROM health_link WHERE patient = ANY (whose);
    DELETE FROM duplicate WHERE patient = ANY (whose) OR other = ANY (whose);
    DELETE FROM notice WHERE patient = ANY (whose);
    DELETE FROM notice_channel WHERE patient = ANY (whose);
    DELETE FROM opt_out WHERE patient = ANY (whose);
    DELETE FROM emergency WHERE patient = ANY (whose);
    DELETE FROM presence_code WHERE patient = ANY (whose);
    DELETE FROM presence WHERE patient = ANY (whose);
    DELETE FROM unproven WHERE patient = ANY (whose);
    PERFORM pg_notify('salus_standing', p.patient) FROM proxy p WHERE p.holder = ANY (whose);
    DELETE FROM proxy WHERE patient = ANY (whose) OR holder = ANY (whose);
    DELETE FROM withholding WHERE patient = ANY (whose);
    DELETE FROM watch_mark WHERE patient = ANY (whose);
    DELETE FROM rectification_step WHERE patient = ANY (whose);
    DELETE FROM rectification WHERE patient = ANY (whose);
    UPDATE rectification SET other = '' WHERE other = ANY (whose);
    DELETE FROM erasure_step WHERE patient = ANY (whose);
    DELETE FROM erasure WHERE patient = ANY (whose);
    -- Log-ins, and the apps that they let in; their tokens are refused from now on.
    WITH ended AS (
        SELECT l.token_id, l.expires_at FROM login_session l JOIN account a USING (issuer, subject)
        WHERE a.patient = ANY (whose)
        UNION ALL
        SELECT 'consent ' || c.id, max(s.expires_at) FROM app_consent c JOIN app_session s ON s.consent = c.id
        WHERE c.patient = ANY (whose) GROUP BY c.id
    ), revoked AS (
        INSERT INTO revoked_token (token_id, expires_at) SELECT token_id, max(expires_at) FROM ended GROUP BY token_id
        ON CONFLICT DO NOTHING
    )
    SELECT array_agg(pg_notify('salus_revoked', e.token_id || ' ' || extract(epoch FROM e.expires_at)::bigint)::text)
    INTO heard FROM ended e;
    DELETE FROM wallet_login w USING account a WHERE a.patient = ANY (whose) AND w.person IS NOT NULL
        AND position(convert_to(a.subject, 'UTF8') IN w.person) > 0;
    DELETE FROM login_session l USING account a
    WHERE (l.issuer, l.subject) = (a.issuer, a.subject) AND a.patient = ANY (whose);
    DELETE FROM app_session s USING app_consent c WHERE s.consent = c.id AND c.patient = ANY (whose);
    DELETE FROM app_session WHERE context = ANY (whose);
    DELETE FROM app_launch WHERE patient = ANY (whose);
    DELETE FROM app_consent WHERE patient = ANY (whose);
    DELETE FROM binding_code WHERE patient = ANY (whose);
    DELETE FROM account WHERE patient = ANY (whose);
    PERFORM pg_notify('salus_standing', one) FROM unnest(whose) AS one;
    RETURN coalesce(names, '{}');
END
$$;
REVOKE ALL ON FUNCTION erase_person FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_person TO salus_wide;
