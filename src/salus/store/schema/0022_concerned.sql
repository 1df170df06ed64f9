-- Whom a resource outside every record is about: a Provenance of a result, a Bundle with a copy, an attachment kept as
-- a Binary. `others` of such a row names the patients of what it names, so that they have a leaf of its use (EHDS 9)
-- and may restrict it (EHDS 8); it is worked out when the row is written, and again when what it names arrives later.
-- Patients are added and never taken away, as a history names them too.

-- Whose record names a Binary as an attachment; kept also before the Binary is there.
CREATE TABLE attachment (
    "binary" text NOT NULL,
    patient  text NOT NULL,
    PRIMARY KEY ("binary", patient)
);
ALTER TABLE attachment ENABLE ROW LEVEL SECURITY;

CREATE FUNCTION salus_is_outside(compartment text, type text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT position('/' IN compartment) > 0 AND NOT salus_is_shared(compartment, type) $$;
CREATE INDEX resource_outside ON resource (type, id)
    WHERE position('/' IN compartment) > 0 AND NOT salus_is_shared(compartment, type);

-- Names the patients of these rows ("Type/id", outside every record), and of those that name them, step by step.
CREATE FUNCTION name_patients(outside text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
    pending text[] := outside;
    changed text[];
BEGIN
    WHILE pending IS NOT NULL LOOP
        WITH owed AS (
            SELECT o.compartment, o.type, o.id, array_agg(DISTINCT concerned.patient) AS patients
            FROM unnest(pending) AS name
            JOIN resource o ON o.type = split_part(name, '/', 1) AND o.id = split_part(name, '/', 2)
            CROSS JOIN LATERAL (
                SELECT patient
                FROM unnest(salus_names(o.type, o.content)) AS target
                JOIN resource r ON r.type = split_part(target, '/', 1) AND r.id = split_part(target, '/', 2)
                CROSS JOIN LATERAL unnest(
                    CASE WHEN position('/' IN r.compartment) > 0 THEN r.others ELSE r.compartment || r.others END
                ) AS patient
                WHERE NOT salus_is_shared(r.compartment, r.type)
                UNION ALL
                SELECT a.patient FROM attachment a WHERE o.type = 'Binary' AND a."binary" = o.id
            ) AS concerned
            WHERE salus_is_outside(o.compartment, o.type)
            GROUP BY o.compartment, o.type, o.id
        ), named AS (
            UPDATE resource r SET others = ARRAY(SELECT DISTINCT unnest(r.others || owed.patients) ORDER BY 1)
            FROM owed
            WHERE (r.compartment, r.type, r.id) = (owed.compartment, owed.type, owed.id)
                AND NOT owed.patients <@ r.others
            RETURNING r.compartment, r.type, r.id, r.others
        ), earlier AS (
            UPDATE resource_version v SET others = ARRAY(SELECT DISTINCT unnest(v.others || named.others) ORDER BY 1)
            FROM named WHERE (v.compartment, v.type, v.id) = (named.compartment, named.type, named.id)
        )
        SELECT array_agg(type || '/' || id) INTO changed FROM named;
        SELECT array_agg(o.type || '/' || o.id) INTO pending FROM resource o
        WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type)
            AND salus_names(o.type, o.content) && changed;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION name_patients FROM PUBLIC;

-- Does so for what was just written, and for what named it before it came. Where nothing lies outside the records it
-- looks at one entry of an index.
CREATE FUNCTION name_patients_of_written(compartments text[], types text[], ids text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
    outside text[];
BEGIN
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

-- Notes that these patients' records name these Binaries, pair by pair.
CREATE FUNCTION note_attachments(binaries text[], patients text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
BEGIN
    INSERT INTO attachment SELECT DISTINCT * FROM unnest(binaries, patients) ON CONFLICT DO NOTHING;
    PERFORM name_patients(ARRAY(SELECT DISTINCT 'Binary/' || name FROM unnest(binaries) AS name));
END
$$;

-- What is stored already: whom it names itself, then whom the named are about.
UPDATE resource o SET others = ARRAY(
    SELECT DISTINCT unnest(o.others || array_agg(found[1]))
    FROM regexp_matches(convert_from(o.content, 'UTF8'), '"(?:[^"\s]*/)?Patient\\?/([A-Za-z0-9.-]{1,64})[/"]', 'g') AS found)
WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type);
SELECT name_patients(array_agg(type || '/' || id)) FROM resource o
WHERE position('/' IN o.compartment) > 0 AND NOT salus_is_shared(o.compartment, o.type);
