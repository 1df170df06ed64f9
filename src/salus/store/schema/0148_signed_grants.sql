-- The grant of a bound statement is signed (docs/decisions/0030): a role may set any setting, so which patients and which
-- asker a statement is for counts only with an HMAC-SHA-256 under a key that nobody but this database's owner reads.
-- `salus.patients` is then: the HMAC in hexadecimal (64), the key's name (8), until when in seconds since 1970 (10), patients.

-- A key for each process of the node, made when it starts and nowhere else than here and in its memory. The two pads are
-- those of HMAC (RFC 2104), so that nothing but two hashes is left to do for each check.
CREATE TABLE grant_key (
    name      text        PRIMARY KEY,
    inner_pad bytea       NOT NULL,
    outer_pad bytea       NOT NULL,
    seen_at   timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE grant_key ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON grant_key FROM PUBLIC, salus_wide, salus_bound;

-- Says that the process with this key still runs; false where the key is there no more.
CREATE FUNCTION keep_grant_key(wanted text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    UPDATE grant_key SET seen_at = now() WHERE name = wanted;
    RETURN FOUND;
END
$$;
REVOKE ALL ON FUNCTION keep_grant_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_grant_key TO salus_wide;

-- The patients of the setting, '' where there is none. It is good on the connection that it was signed for, with the asker
-- that is set, in a transaction that began in time. What is not good is an error, and one for all of it: rows that silently
-- are not there would be read as a record without them. Restricted: a parallel worker is another backend.
CREATE FUNCTION salus_granted() RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    said text := current_setting('salus.patients', true);
    inner_key bytea;
    outer_key bytea;
BEGIN
    IF said IS NULL OR said = '' THEN RETURN ''; END IF;
    SELECT k.inner_pad, k.outer_pad INTO inner_key, outer_key FROM grant_key k WHERE k.name = substr(said, 65, 8);
    IF encode(sha256(outer_key || sha256(inner_key || convert_to(
        substr(said, 65, 18) || pg_backend_pid() || chr(10) || coalesce(current_setting('salus.asker', true), '')
        || chr(10) || substr(said, 83), 'UTF8'))), 'hex') = substr(said, 1, 64)
    THEN
        IF substr(said, 73, 10)::bigint > extract(epoch FROM now()) THEN RETURN substr(said, 83); END IF;
    END IF;
    RAISE insufficient_privilege USING MESSAGE = 'the grant of this statement is not good';
END
$$;
REVOKE ALL ON FUNCTION salus_granted FROM PUBLIC;
GRANT EXECUTE ON FUNCTION salus_granted TO salus_wide, salus_bound;

CREATE OR REPLACE FUNCTION salus_patients() RETURNS text[] LANGUAGE sql STABLE PARALLEL RESTRICTED
    AS $$ SELECT string_to_array(salus_granted(), ',') $$;
CREATE OR REPLACE FUNCTION salus_asker() RETURNS jsonb LANGUAGE sql STABLE PARALLEL RESTRICTED
    AS $$ SELECT CASE WHEN salus_granted() IS NOT NULL THEN nullif(current_setting('salus.asker', true), '')::jsonb END $$;

-- As in 0020; where nobody is named, nobody is one's own.
CREATE OR REPLACE FUNCTION require_own(records text[]) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
    IF current_setting('role') = 'salus_bound' AND (records <@ salus_patients()) IS NOT TRUE THEN
        RAISE insufficient_privilege USING MESSAGE = 'these records are not open to this connection';
    END IF;
END
$$;
