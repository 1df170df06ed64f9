-- What a restored backup must not forget, besides the leaves (docs/decisions/0031): each change of a row that narrows who
-- may see what waits here until the sequencer has written it to the mirror, a file beside the database.

CREATE TABLE mirror_event (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind    text        NOT NULL,                       -- the table
    gone    boolean     NOT NULL,                       -- the row was deleted
    content jsonb       NOT NULL                        -- the row; its key alone where it is gone
);
ALTER TABLE mirror_event ALTER COLUMN content SET STATISTICS 0;  -- no samples of people (schema 0122)
ALTER TABLE mirror_event ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON mirror_event FROM PUBLIC, salus_wide, salus_bound;
GRANT SELECT, DELETE ON mirror_event TO salus_wide;
CREATE POLICY wide ON mirror_event TO salus_wide USING (true);

CREATE FUNCTION mirror_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    INSERT INTO mirror_event (kind, gone, content)
    SELECT TG_TABLE_NAME, TG_OP = 'DELETE', CASE TG_OP WHEN 'DELETE'
        THEN (SELECT jsonb_object_agg(key, to_jsonb(OLD) -> key) FROM unnest(TG_ARGV) AS key) ELSE to_jsonb(NEW) END;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION mirror_change() FROM PUBLIC;

DO $$
DECLARE
    kind text;
    key text;
BEGIN
    FOR kind, key IN VALUES
        ('restriction', 'patient, type, id, veil'), ('veil', 'patient, id'), ('opt_out', 'patient, kind, number'),
        ('proxy', 'patient, id'), ('revoked_token', 'token_id'), ('app_consent', 'id'), ('account', 'patient, id'),
        ('health_link', 'patient, id')
    LOOP
        EXECUTE format(
            'CREATE TRIGGER mirrored AFTER INSERT OR UPDATE OR DELETE ON %I '
            'FOR EACH ROW EXECUTE FUNCTION mirror_change(%s)', kind, key);
    END LOOP;
END
$$;
