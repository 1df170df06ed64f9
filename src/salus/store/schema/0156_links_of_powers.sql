-- A health link that somebody made who acts for the patient ends with their power to act (EHDS article 4(2)).
ALTER TABLE health_link ADD COLUMN holder text;       -- Patient of the proxy who made it, null for the patient's own
COMMENT ON COLUMN health_link.holder IS 'a link made under a power leads nowhere while its holder has none in force';
ALTER TABLE health_link ALTER COLUMN holder SET STATISTICS 0;

-- Ends the links that a holder made for somebody whom they have no power over any more, and answers with their ids.
-- It ends no other, whoever calls it.
CREATE FUNCTION end_links_of_power(represented text, held_by text, at timestamptz) RETURNS text[]
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    WITH ended AS (
        UPDATE health_link l SET ended_at = coalesce(l.ended_at, at), content = NULL
        WHERE l.patient = represented AND l.holder = held_by AND l.content IS NOT NULL
            AND NOT EXISTS (
                SELECT FROM proxy p WHERE p.patient = represented AND p.holder = held_by AND p.ended_at IS NULL
                    AND (p.ends_at IS NULL OR p.ends_at > at))
        RETURNING l.id
    )
    SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM ended
$$;
REVOKE ALL ON FUNCTION end_links_of_power FROM PUBLIC;
GRANT EXECUTE ON FUNCTION end_links_of_power TO salus_wide, salus_bound;

-- A power goes for good when one of the two is erased (0120): the other's links that were made under it end, and do not
-- name the one who is gone.
CREATE FUNCTION forget_links_of_power() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    UPDATE health_link SET ended_at = coalesce(ended_at, now()), content = NULL, holder = '', made_by = ''
    WHERE patient = OLD.patient AND holder = OLD.holder;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION forget_links_of_power FROM PUBLIC;
CREATE TRIGGER links_forgotten AFTER DELETE ON proxy FOR EACH ROW EXECUTE FUNCTION forget_links_of_power();
