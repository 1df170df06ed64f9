-- Results that the law shows the person later (EHDS article 3(3); docs/decisions/0036): veils called 'delay-' and the second at
-- which they end, from the audience `waiting`. A result that a professional released, or whose time is over, loses its own.
ALTER TABLE opt_out DROP CONSTRAINT opt_out_kind_check;
ALTER TABLE opt_out ADD CONSTRAINT opt_out_kind_check CHECK (kind IN ('exchange', 'secondary-use', 'results-delay'));

-- As in 0057, but what the person's Consents say leaves the delays as they are.
CREATE OR REPLACE FUNCTION hang_veils(whose text, veils jsonb, at timestamptz, anew boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    records text[] := records_with(ARRAY[whose]);
    wanted text[];
BEGIN
    PERFORM require_own(ARRAY[whose]);
    INSERT INTO veil (patient, id, denials, permits)
    SELECT record, v.id, v.denials, v.permits
    FROM unnest(records) AS record
    CROSS JOIN jsonb_to_recordset(veils) AS v (id text, denials jsonb, permits jsonb)
    ON CONFLICT (patient, id) DO NOTHING;
    WITH asked AS (
        SELECT v.id AS veil, named AS name, restricted_in(records, named) AS owner
        FROM jsonb_to_recordset(veils) AS v (id text, names jsonb)
        CROSS JOIN LATERAL jsonb_array_elements_text(v.names) AS named
    ), noted AS (
        INSERT INTO restriction (patient, type, id, since, cause, whole, veil)
        SELECT owner, split_part(name, '/', 1), split_part(name, '/', 2), at, '', false, veil
        FROM asked WHERE owner IS NOT NULL
        ON CONFLICT (patient, type, id, veil) DO UPDATE SET cause = ''
    )
    SELECT coalesce(array_agg(veil || ' ' || name), '{}') INTO wanted FROM asked;
    IF NOT anew THEN
        PERFORM hide_restricted(records, at);
        RETURN;
    END IF;
    UPDATE restriction n SET cause = n.type || '/' || n.id
    WHERE n.patient = ANY (records) AND n.veil <> '' AND n.cause = '' AND n.veil NOT LIKE 'delay-%'
        AND n.veil || ' ' || n.type || '/' || n.id <> ALL (wanted);
    PERFORM renew_restrictions(records, at);
    DELETE FROM veil v WHERE v.patient = ANY (records)
        AND NOT EXISTS (SELECT FROM restriction n WHERE n.patient = ANY (records) AND n.veil = v.id);
END
$$;

CREATE FUNCTION lift_delays(whose text, names text[], at timestamptz) RETURNS text[]
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    records text[] := records_with(ARRAY[whose]);
    lifted text[];
BEGIN
    PERFORM require_own(ARRAY[whose]);
    PERFORM hold_restrictions(records);
    WITH gone AS (
        UPDATE restriction n SET cause = n.type || '/' || n.id
        WHERE n.patient = ANY (records) AND n.veil LIKE 'delay-%' AND n.cause = ''
            AND n.type || '/' || n.id = ANY (names)
        RETURNING n.type || '/' || n.id AS name
    )
    SELECT array_agg(DISTINCT name) INTO lifted FROM gone;
    IF lifted IS NULL THEN RETURN '{}'; END IF;
    PERFORM renew_restrictions(records, at);
    RETURN lifted;
END
$$;
REVOKE ALL ON FUNCTION lift_delays FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lift_delays TO salus_wide, salus_bound;

CREATE FUNCTION end_delays(at timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    whose text;
    records text[];
    over text[];
    ended integer := 0;
BEGIN
    FOR whose IN
        SELECT DISTINCT v.patient FROM veil v
        WHERE v.id LIKE 'delay-%' AND split_part(v.id, '-', 2)::float8 <= extract(epoch FROM at)
    LOOP
        records := records_with(ARRAY[whose]);
        CONTINUE WHEN records IS NULL;
        PERFORM hold_restrictions(records);
        SELECT array_agg(DISTINCT v.id) INTO over FROM veil v
        WHERE v.patient = ANY (records) AND v.id LIKE 'delay-%' AND split_part(v.id, '-', 2)::float8 <= extract(epoch FROM at);
        CONTINUE WHEN over IS NULL;
        UPDATE restriction n SET cause = n.type || '/' || n.id
        WHERE n.patient = ANY (records) AND n.veil = ANY (over) AND n.cause = '';
        PERFORM renew_restrictions(records, at);
        DELETE FROM veil v WHERE v.patient = ANY (records) AND v.id = ANY (over);
        ended := ended + 1;
    END LOOP;
    RETURN ended;
END
$$;
REVOKE ALL ON FUNCTION end_delays FROM PUBLIC;
GRANT EXECUTE ON FUNCTION end_delays TO salus_wide;
