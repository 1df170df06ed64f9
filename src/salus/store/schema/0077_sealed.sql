-- Records of the audit sealed by the writer (store.sealing, docs/decisions/0017). What the sequencer and a search by
-- request need of them stays beside: a hash of a salted record, and the random id of the request.

ALTER TABLE leaf ADD COLUMN digest bytea;               -- SHA-256 of the record in clear; NULL where entry is in clear
ALTER TABLE leaf ADD COLUMN request text;               -- NULL in leaves from before

CREATE FUNCTION append_leaves(
    patients text[], times timestamptz[], entries bytea[], digests bytea[], requests text[]
) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
BEGIN
    PERFORM pg_current_xact_id();
    INSERT INTO leaf (patient, at, entry, digest, request)
    SELECT * FROM unnest(patients, times, entries, digests, requests);
END
$$;
