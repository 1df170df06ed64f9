-- The functions of 0056 without a join, which the planner makes by reading all veils: what a restriction by name hides
-- is told as fast as what nobody knows.
CREATE OR REPLACE FUNCTION salus_hides(kind text, name text, asker jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER COST 1 SET search_path = pg_catalog, public
AS $$
BEGIN
    IF asker -> 'is' = '[]' THEN RETURN false; END IF;
    RETURN EXISTS (
        SELECT FROM restriction n
        WHERE n.type = kind AND n.id = name
            AND CASE
                WHEN coalesce(jsonb_typeof(asker -> 'is'), '') <> 'array' THEN true
                WHEN n.veil = '' THEN asker -> 'is' ? 'professionals'
                ELSE coalesce(
                    (SELECT salus_veils(v.denials, v.permits, asker) FROM veil v
                     WHERE v.patient = n.patient AND v.id = n.veil),
                    asker -> 'is' ? 'professionals') END);
END
$$;

CREATE OR REPLACE FUNCTION salus_shows(kind text, name text, asker jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER COST 1 SET search_path = pg_catalog, public
AS $$
BEGIN
    IF asker -> 'is' = '[]' THEN RETURN true; END IF;
    RETURN coalesce(
        (SELECT NOT bool_or(
            CASE
                WHEN coalesce(jsonb_typeof(asker -> 'is'), '') <> 'array' THEN true
                WHEN n.veil = '' THEN asker -> 'is' ? 'professionals'
                ELSE coalesce(
                    (SELECT salus_veils(v.denials, v.permits, asker) FROM veil v
                     WHERE v.patient = n.patient AND v.id = n.veil),
                    asker -> 'is' ? 'professionals') END)
         FROM restriction n WHERE n.type = kind AND n.id = name),
        false);
END
$$;
