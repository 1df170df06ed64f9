-- Leaves of reads are durable in a file of the process first and brought in here soon after (docs/decisions/0031).

CREATE TABLE journal_file (
    name        text        PRIMARY KEY,
    reached     bigint      NOT NULL                    -- bytes of the file whose leaves are in the table leaf
);
ALTER TABLE journal_file ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON journal_file FROM PUBLIC, salus_wide, salus_bound;
GRANT SELECT ON journal_file TO salus_wide;
CREATE POLICY wide ON journal_file TO salus_wide USING (true);

ALTER TABLE leaf ADD COLUMN filed boolean;              -- it is in a journal file; NULL: written with its data
COMMENT ON COLUMN leaf.filed IS 'whether the leaf is in a file of the folder journal as well';

-- The leaves of a piece of a file, exactly once: it is taken only if the file was brought in up to its start. Its
-- transaction need not be flushed: if the database forgets it, it forgets the place too, and the file still has both.
CREATE FUNCTION append_filed(
    file text, since bigint, until bigint,
    patients text[], micros bigint[], entries bytea[], digests bytea[], requests text[]
) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    there bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_current_xact_id();
    INSERT INTO journal_file VALUES (file, 0) ON CONFLICT DO NOTHING;
    SELECT reached INTO there FROM journal_file WHERE name = file FOR UPDATE;
    IF there <> since THEN
        RETURN there;
    END IF;
    INSERT INTO leaf (patient, at, entry, digest, request, filed)
    SELECT patient, 'epoch'::timestamptz + micro * interval '1 microsecond', entry, digest, request, true
    FROM unnest(patients, micros, entries, digests, requests) AS new (patient, micro, entry, digest, request);
    UPDATE journal_file SET reached = until WHERE name = file;
    RETURN until;
END
$$;
REVOKE ALL ON FUNCTION append_filed(text, bigint, bigint, text[], bigint[], bytea[], bytea[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_filed(text, bigint, bigint, text[], bigint[], bytea[], bytea[], text[]) TO salus_wide;
