-- The audit. A request inserts unsequenced leaves; one sequencer gives each its index in the Merkle tree
-- (RFC 9162) and signs a checkpoint (C2SP tlog-checkpoint) within a second. Nothing is ever updated or deleted.

CREATE TABLE leaf (
    patient     text        NOT NULL,                 -- distribution column; '' where no patient is known
    arrival     bigint      GENERATED ALWAYS AS IDENTITY,
    at          timestamptz NOT NULL,
    entry       bytea       NOT NULL,                 -- the leaf's bytes, hashed into the tree as they are
    PRIMARY KEY (patient, arrival)
);
CREATE INDEX leaf_arrival ON leaf (arrival);

CREATE TABLE leaf_index (
    index       bigint      PRIMARY KEY,              -- position in the Merkle tree, from 0
    patient     text        NOT NULL,
    arrival     bigint      NOT NULL UNIQUE,
    hash        bytea       NOT NULL                  -- SHA-256(0x00 || entry)
);

-- Full subtrees of every fourth level (4, 8, ...); level 0 are the leaf hashes, kept in leaf_index.
CREATE TABLE tree_node (
    level       smallint    NOT NULL,
    position    bigint      NOT NULL,
    hash        bytea       NOT NULL,
    PRIMARY KEY (level, position)
);

CREATE TABLE checkpoint (
    size        bigint      PRIMARY KEY,
    root        bytea       NOT NULL,
    signed_at   timestamptz NOT NULL,
    note        text        NOT NULL,                 -- the signed note
    settled     bigint      NOT NULL                  -- every leaf that arrived up to here is in the tree
);

-- The only way to insert leaves. Taking the transaction's id before the first arrival is what lets the
-- sequencer know, from the oldest running transaction, that no leaf can still appear below an arrival.
CREATE FUNCTION append_leaves(patients text[], times timestamptz[], entries bytea[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
BEGIN
    PERFORM pg_current_xact_id();
    INSERT INTO leaf (patient, at, entry) SELECT * FROM unnest(patients, times, entries);
END
$$;

-- Nothing is changed or removed: the roles have no right to, and for the owner a trigger refuses.
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON leaf FROM salus_wide;
REVOKE UPDATE, DELETE, TRUNCATE ON leaf_index, tree_node, checkpoint FROM salus_wide;
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'the ledger is append-only (%)', TG_TABLE_NAME; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON leaf
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON leaf_index
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tree_node
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE leaf ENABLE ROW LEVEL SECURITY;
ALTER TABLE leaf_index ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON leaf, leaf_index TO salus_bound;
CREATE POLICY wide ON leaf TO salus_wide USING (true);
CREATE POLICY wide ON leaf_index TO salus_wide USING (true);
CREATE POLICY bound ON leaf FOR SELECT TO salus_bound
    USING (patient = ANY ((SELECT salus_patients())::text[]));
CREATE POLICY bound ON leaf_index FOR SELECT TO salus_bound
    USING (patient = ANY ((SELECT salus_patients())::text[]));

-- Access tokens that are refused before they expire.
CREATE TABLE revoked_token (
    token_id    text        PRIMARY KEY,
    expires_at  timestamptz NOT NULL
);
