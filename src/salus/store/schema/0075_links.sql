-- Leaves in a chain for each person, and the map of persons (docs/decisions/0017). The sequencer alone writes them.

ALTER TABLE leaf_index ADD COLUMN count bigint;         -- of the person's leaves so far; NULL before links began
COMMENT ON COLUMN leaf_index.hash IS
    'SHA-256(0x00 || link); SHA-256(0x00 || entry) where count is NULL';

-- Six levels of the sparse Merkle map pseudonym -> (count, head): standards.merkle.persons.encode_page.
CREATE TABLE person_page (
    depth       smallint    NOT NULL,                   -- bits of the pseudonym above the page: 0, 6, 12 ...
    prefix      bigint      NOT NULL,                   -- these bits, as a number
    content     bytea       NOT NULL,
    PRIMARY KEY (depth, prefix)
) WITH (fillfactor = 80);

-- Where links began, and what tells that the key of the pseudonyms is still the one they began with.
CREATE TABLE link_start (
    index       bigint      NOT NULL,
    key_check   bytea       NOT NULL,
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one)
);

REVOKE DELETE, TRUNCATE ON person_page FROM salus_wide;
REVOKE UPDATE, DELETE, TRUNCATE ON link_start FROM salus_wide;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON link_start
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
