-- Whoever wrote an entry sees it for a day, whether or not what a citizen said before hides it from them (docs/decisions/0037):
-- else that it is gone at once would tell that something hides it. What is hidden later is hidden from the author too, and a
-- later version by somebody else ends it. Rows are forgotten after that day.
CREATE TABLE written_by (
    type        text        NOT NULL,
    id          text        NOT NULL,
    subject     text        NOT NULL,
    at          timestamptz NOT NULL,                 -- resource.updated of the version that they wrote
    until       timestamptz NOT NULL,
    PRIMARY KEY (type, id, at)
);
CREATE INDEX written_by_until ON written_by (until);
ALTER TABLE written_by ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON written_by TO salus_wide USING (true);
REVOKE INSERT, UPDATE ON written_by FROM salus_wide;

-- Of what was hidden already a new version is its author's only if the one before was: for as long as that.
CREATE FUNCTION note_written(types text[], ids text[], times timestamptz[], hidden boolean[], subject text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    INSERT INTO written_by (type, id, subject, at, until)
    SELECT t.kind, t.name, $5, t.at, CASE WHEN t.veiled THEN before.until ELSE t.at + interval '1 day' END
    FROM unnest(types, ids, times, hidden) AS t (kind, name, at, veiled)
    LEFT JOIN LATERAL (
        SELECT w.until FROM written_by w
        WHERE t.veiled AND w.type = t.kind AND w.id = t.name AND w.subject = $5
            AND w.at = (SELECT v.updated FROM resource_version v
                        WHERE v.type = t.kind AND v.id = t.name ORDER BY v.version DESC LIMIT 1)
            AND NOT EXISTS (SELECT FROM restriction n WHERE n.type = t.kind AND n.id = t.name AND n.since > w.at)
    ) AS before ON true
    WHERE NOT t.veiled OR before.until IS NOT NULL
    ON CONFLICT DO NOTHING
$$;
REVOKE ALL ON FUNCTION note_written FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_written TO salus_wide, salus_bound;

CREATE FUNCTION salus_wrote(kind text, name text, asker jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER COST 1 SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM written_by w
        WHERE w.type = kind AND w.id = name AND asker -> 'is' ? ('person:' || w.subject)
            AND (asker ->> 'at')::float8 < extract(epoch FROM w.until)
            AND w.at = (SELECT r.updated FROM resource r WHERE r.type = kind AND r.id = name)
            AND NOT EXISTS (SELECT FROM restriction n WHERE n.type = kind AND n.id = name AND n.since > w.at));
END
$$;
REVOKE ALL ON FUNCTION salus_wrote FROM PUBLIC;
GRANT EXECUTE ON FUNCTION salus_wrote TO salus_wide, salus_bound;

-- As in 0059, and the author's own.
CREATE OR REPLACE FUNCTION salus_hides(kind text, name text, asker jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER COST 1 SET search_path = pg_catalog, public, pg_temp
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
                    asker -> 'is' ? 'professionals') END)
        AND NOT salus_wrote(kind, name, asker);
END
$$;

CREATE OR REPLACE FUNCTION salus_shows(kind text, name text, asker jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER COST 1 SET search_path = pg_catalog, public, pg_temp
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
        false) OR salus_wrote(kind, name, asker);
END
$$;
