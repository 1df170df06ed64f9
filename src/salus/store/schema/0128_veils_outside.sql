-- What lies in no record and names one person alone, by an identifier or by what it holds (a Bundle, a result whose
-- subject is a number; 0022, 0054), is judged with that person's veils: in every version, and when it is written later.
CREATE INDEX resource_outside_others ON resource USING gin (others)
    WHERE position('/' IN compartment) > 0 AND NOT salus_is_shared(compartment, type);
CREATE INDEX resource_version_outside_others ON resource_version USING gin (others)
    WHERE position('/' IN compartment) > 0 AND NOT salus_is_shared(compartment, type);

-- Every version of what is in the records, or in none and about these alone. Of these names only, where some are given:
-- with what lies in no record and names them, and all of that where a Patient is among them, who has other identifiers now.
CREATE OR REPLACE FUNCTION versions_of_person(whose text, names text[])
    RETURNS TABLE (type text, id text, content bytea)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
    records text[] := records_of_person(whose);
    kinds text[] := ARRAY(SELECT split_part(name, '/', 1) FROM unnest(names) AS name);
    ids text[] := ARRAY(SELECT split_part(name, '/', 2) FROM unnest(names) AS name);
BEGIN
    PERFORM require_own(ARRAY[whose]);
    IF names IS NOT NULL THEN
        RETURN QUERY
            SELECT r.type, r.id, r.content FROM resource r
            WHERE (r.type, r.id) IN (SELECT * FROM unnest(kinds, ids))
                AND (r.compartment = ANY (records)
                    OR salus_is_outside(r.compartment, r.type) AND r.others <> '{}' AND r.others <@ records);
        RETURN QUERY
            SELECT o.type, o.id, o.content FROM resource o
            WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
                AND salus_names(o.type, o.content) && names AND o.others <> '{}' AND o.others <@ records
                AND NOT o.deleted;
    ELSE
        RETURN QUERY
            SELECT r.type, r.id, r.content FROM resource r
            WHERE r.compartment = ANY (records) AND r.type <> 'Patient' AND NOT r.deleted
            UNION ALL
            SELECT v.type, v.id, v.content FROM resource_version v
            WHERE v.compartment = ANY (records) AND v.type <> 'Patient' AND NOT v.deleted;
    END IF;
    IF names IS NULL OR 'Patient' = ANY (kinds) THEN
        RETURN QUERY
            SELECT o.type, o.id, o.content FROM resource o
            WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
                AND o.others && records AND o.others <@ records AND NOT o.deleted
            UNION ALL
            SELECT o.type, o.id, o.content FROM resource_version o
            WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
                AND o.others && records AND o.others <@ records AND NOT o.deleted;
    END IF;
END
$$;

-- Those of these rows that lie in no record, and each of their patients over whose records veils hang; for who just
-- wrote them. It waits for changes of these patients' veils, which do not see the rows yet.
CREATE FUNCTION veiled_outside(types text[], ids text[])
    RETURNS TABLE (compartment text, type text, id text, patient text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
#variable_conflict use_column
DECLARE
    named text[];
BEGIN
    SELECT array_agg(DISTINCT other) INTO named
    FROM unnest(types, ids) AS w (kind, name) JOIN resource r ON r.type = w.kind AND r.id = w.name
    CROSS JOIN LATERAL unnest(r.others) AS other
    WHERE salus_is_outside(r.compartment, r.type);
    IF named IS NULL THEN RETURN; END IF;
    PERFORM await_restrictions_of_many(named);
    named := (SELECT veiled_among(named));
    RETURN QUERY
        SELECT r.compartment, r.type, r.id, other
        FROM unnest(types, ids) AS w (kind, name) JOIN resource r ON r.type = w.kind AND r.id = w.name
        CROSS JOIN LATERAL unnest(r.others) AS other
        WHERE salus_is_outside(r.compartment, r.type) AND other = ANY (named);
END
$$;

REVOKE ALL ON FUNCTION veiled_outside FROM PUBLIC;
GRANT EXECUTE ON FUNCTION veiled_outside TO salus_wide, salus_bound;

-- As in 0060; of what lies in no record, over whose patients' records.
DROP FUNCTION veiled_now(text[]);
CREATE FUNCTION veiled_now(compartments text[], types text[], ids text[]) RETURNS text[] LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    found text[] := (SELECT veiled_among(compartments));
BEGIN
    IF EXISTS (SELECT FROM unnest(compartments, types) AS w (compartment, type)
               WHERE salus_is_outside(w.compartment, w.type)) THEN
        found := found || ARRAY(SELECT DISTINCT o.compartment FROM veiled_outside(types, ids) AS o);
    END IF;
    RETURN found;
END
$$;

-- What is stored already, under the veils that hang over all else in a record, as those of who denies all or opted out
-- do. The others are told by what a resource says, which no statement reads here: they come with the next Consent.
WITH whole AS (
    SELECT v.patient, v.id FROM veil v
    WHERE EXISTS (SELECT FROM restriction n
                  WHERE n.patient = v.patient AND n.veil = v.id AND n.type <> 'Consent')
        AND NOT EXISTS (
            SELECT FROM resource r
            WHERE r.compartment = v.patient AND r.type NOT IN ('Patient', 'Consent') AND NOT r.deleted
                AND NOT EXISTS (SELECT FROM restriction n WHERE (n.patient, n.type, n.id, n.veil)
                                = (v.patient, r.type, r.id, v.id)))
), opted AS (
    INSERT INTO veil (patient, id, denials, permits)
    SELECT DISTINCT o.patient, 'opted-out', '[{"audience": ["exchange"]}]'::jsonb, '[]'::jsonb FROM opt_out o
    WHERE o.patient IN (SELECT opted_out_of_exchange(ARRAY[o.patient]))
    ON CONFLICT DO NOTHING
    RETURNING patient, id
)
INSERT INTO restriction (patient, type, id, since, cause, whole, veil)
SELECT v.patient, o.type, o.id, now(), '', false, v.id
FROM (SELECT * FROM whole UNION SELECT * FROM opted) AS v
JOIN resource o ON position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
    AND o.others && ARRAY[v.patient] AND o.others <@ records_of_person(v.patient)
ON CONFLICT DO NOTHING;
UPDATE resource_version v SET hidden = true
WHERE salus_is_outside(v.compartment, v.type) AND NOT v.hidden
    AND EXISTS (SELECT FROM restriction n WHERE n.type = v.type AND n.id = v.id);
UPDATE resource r SET hidden = true
WHERE salus_is_outside(r.compartment, r.type) AND NOT r.hidden
    AND EXISTS (SELECT FROM restriction n WHERE n.type = r.type AND n.id = r.id);
