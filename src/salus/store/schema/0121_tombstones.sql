-- What was erased, as salted hashes: so that a load of the same source brings none of it back, and a restored backup can be
-- erased again. No personal data: the salt is the node's own, and who would try an id must have the database, which the
-- ledger names by the same ids. Kept in a file outside the database too (trust/tombstones).
CREATE TABLE erased (
    digest      bytea       PRIMARY KEY,              -- SHA-256(salt || "Patient/id" of a record, or "Type/id")
    erasure     text        NOT NULL,                 -- id of the request
    at          timestamptz NOT NULL,
    whole       boolean     NOT NULL,                 -- a whole record
    ground      text        NOT NULL
);
CREATE TABLE erased_salt (
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one),
    salt        bytea       NOT NULL
);
INSERT INTO erased_salt (salt)
VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));
ALTER TABLE erased ENABLE ROW LEVEL SECURITY;
ALTER TABLE erased_salt ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON erased TO salus_wide USING (true);
CREATE POLICY wide ON erased_salt TO salus_wide USING (true);
REVOKE DELETE, TRUNCATE ON erased FROM salus_wide;
REVOKE INSERT, DELETE, TRUNCATE ON erased_salt FROM salus_wide;

-- Returns those of the names that were erased. A person who was registered anew by hand is there again.
CREATE FUNCTION erased_among(names text[]) RETURNS SETOF text
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM erased) THEN RETURN; END IF;
    RETURN QUERY
        SELECT name FROM unnest(names) AS name
        JOIN erased e ON e.digest = sha256((SELECT salt FROM erased_salt) || convert_to(name, 'UTF8'))
        WHERE NOT (e.whole AND EXISTS (
            SELECT FROM resource r WHERE r.type = 'Patient' AND r.id = split_part(name, '/', 2) AND NOT r.deleted));
END
$$;
REVOKE ALL ON FUNCTION erased_among FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erased_among TO salus_wide, salus_bound;

CREATE FUNCTION erased_anything() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$ SELECT EXISTS (SELECT FROM erased) $$;
REVOKE ALL ON FUNCTION erased_anything FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erased_anything TO salus_wide, salus_bound;
