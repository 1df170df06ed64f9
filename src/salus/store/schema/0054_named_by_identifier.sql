-- Patients whom a resource names by an identifier alone (a logical reference, a contained Patient, an entry of a Bundle,
-- a Person) are among its `others` too, so that they have a leaf of its use (EHDS 9). An identifier is kept as the keyed
-- token under which a Patient of the node is found by it, so that one who arrives later, or is given it, is named then.

CREATE TABLE identity_named (
    token bigint NOT NULL,
    type  text   NOT NULL,
    id    text   NOT NULL,
    PRIMARY KEY (token, type, id)
);
ALTER TABLE identity_named ENABLE ROW LEVEL SECURITY;

-- Names the patients that have the tokens in the resources, place by place, and in what lies in no record and names
-- these. A token that more than 20 patients have says nobody.
CREATE FUNCTION name_holders(kinds text[], ids text[], tokens bigint[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
    changed text[];
BEGIN
    WITH holder AS MATERIALIZED (
        SELECT known.token, found.patients
        FROM (SELECT DISTINCT token FROM unnest(tokens) AS token) AS known
        CROSS JOIN LATERAL (
            SELECT array_agg(r.id) AS patients FROM resource r
            WHERE r.type = 'Patient' AND r.tokens @> ARRAY[known.token]
        ) AS found
        WHERE cardinality(found.patients) <= 20
    ), owed AS (
        SELECT wanted.kind, wanted.id, array_agg(DISTINCT patient) AS patients
        FROM unnest(kinds, ids, tokens) AS wanted (kind, id, token) JOIN holder USING (token)
        CROSS JOIN LATERAL unnest(holder.patients) AS patient
        GROUP BY wanted.kind, wanted.id
    ), named AS (
        UPDATE resource r SET others = ARRAY(
            SELECT DISTINCT patient FROM unnest(r.others || owed.patients) AS patient
            WHERE patient <> r.compartment ORDER BY patient)
        FROM owed
        WHERE r.type = owed.kind AND r.id = owed.id AND NOT salus_is_shared(r.compartment, r.type)
            AND NOT owed.patients <@ (r.others || r.compartment)
        RETURNING r.compartment, r.type, r.id, r.others
    ), earlier AS (
        UPDATE resource_version v SET others = ARRAY(SELECT DISTINCT unnest(v.others || named.others) ORDER BY 1)
        FROM named WHERE (v.compartment, v.type, v.id) = (named.compartment, named.type, named.id)
    )
    SELECT array_agg(named.type || '/' || named.id) INTO changed FROM named;
    IF changed IS NULL THEN RETURN; END IF;
    PERFORM name_patients(array_agg(o.type || '/' || o.id)) FROM resource o
    WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
        AND salus_names(o.type, o.content) && changed;
END
$$;
REVOKE ALL ON FUNCTION name_holders FROM PUBLIC;

-- Does so for resources just written, and keeps their tokens; each of `identities` is a text such as {1,2}.
CREATE FUNCTION name_identified(kinds text[], names text[], identities text[])
    RETURNS TABLE (type text, id text, compartment text, others text[])
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
#variable_conflict use_column
DECLARE
    of_kinds text[];
    of_names text[];
    tokens bigint[];
BEGIN
    SELECT array_agg(w.kind), array_agg(w.name), array_agg(token) INTO of_kinds, of_names, tokens
    FROM unnest(kinds, names, identities) AS w (kind, name, listed)
    CROSS JOIN LATERAL unnest(w.listed::bigint[]) AS token;
    INSERT INTO identity_named (token, type, id)
    SELECT DISTINCT * FROM unnest(tokens, of_kinds, of_names) ON CONFLICT DO NOTHING;
    PERFORM name_holders(of_kinds, of_names, tokens);
    RETURN QUERY
        SELECT r.type, r.id, r.compartment, r.others FROM resource r
        WHERE (r.type, r.id) IN (SELECT * FROM unnest(kinds, names));
END
$$;

-- As in 0022; Patients just written are also named where one of their identifiers was written before them.
CREATE OR REPLACE FUNCTION name_patients_of_written(compartments text[], types text[], ids text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
    outside text[];
BEGIN
    IF 'Patient' = ANY (types) AND EXISTS (SELECT FROM identity_named) THEN
        PERFORM name_holders(array_agg(n.type), array_agg(n.id), array_agg(n.token))
        FROM unnest(compartments, types, ids) AS w (compartment, type, id)
        JOIN resource r ON (r.compartment, r.type, r.id) = (w.compartment, w.type, w.id) AND r.type = 'Patient'
        CROSS JOIN LATERAL unnest(r.tokens) AS held
        JOIN identity_named n ON n.token = held;
    END IF;
    IF NOT EXISTS (SELECT FROM resource o
                   WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)) THEN
        RETURN;
    END IF;
    SELECT array_agg(name) INTO outside FROM (
        SELECT w.type || '/' || w.id AS name FROM unnest(compartments, types, ids) AS w (compartment, type, id)
        WHERE salus_is_outside(w.compartment, w.type)
        UNION
        SELECT o.type || '/' || o.id FROM resource o
        WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
            AND salus_names(o.type, o.content) && ARRAY(
                SELECT w.type || '/' || w.id FROM unnest(compartments, types, ids) AS w (compartment, type, id)
                WHERE NOT salus_is_shared(w.compartment, w.type))
    ) AS found;
    PERFORM name_patients(outside);
END
$$;
