-- What other nodes are told when a right is exercised here, and what others told this one (docs/decisions/0038). Ids alone:
-- no words of anybody, and nothing that the node that is told did not get.

-- What is to be told, written in the transaction of the act itself. Whom, is worked out of the audit afterwards: then the
-- row goes, and there is one in `peer_notice` for each node.
CREATE TABLE peer_act (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind      text        NOT NULL CHECK (kind IN ('rectified', 'unmerged', 'restricted', 'released', 'erased')),
    patient   text        NOT NULL,                   -- whose right it is
    records   text[]      NOT NULL,                   -- whose accesses say who got something
    names     text[]      NOT NULL,                   -- "Type/id", {} for the whole record
    since     timestamptz,                            -- when what is named came; of a merge, when it was made; NULL: look it up
    exact     boolean     NOT NULL DEFAULT false,     -- tell those alone who read it by name
    reference text        NOT NULL DEFAULT '',        -- "erasure/ID", "rectification/ID"
    at        timestamptz NOT NULL
);

CREATE TABLE peer_notice (
    patient    text        NOT NULL,                  -- '' once it has told of a whole record that was erased
    id         text        NOT NULL,
    arrival    bigint      GENERATED ALWAYS AS IDENTITY,  -- a node hears of a person in this order
    node       text        NOT NULL,                  -- who is told
    kind       text        NOT NULL,
    whom       text[]      NOT NULL,                  -- logical ids by which that node knows the person
    names      text[]      NOT NULL,                  -- "Type/id" of what it got, {} for all of it
    dispensed  text[]      NOT NULL,                  -- dispense ids of what it handed over, among the names
    since      timestamptz,
    reference  text        NOT NULL,
    at         timestamptz NOT NULL,                  -- of the act
    next_at    timestamptz NOT NULL,
    tries      integer     NOT NULL DEFAULT 0,
    tried_at   timestamptz,
    error      text        NOT NULL DEFAULT '',       -- of the last try
    settled_at timestamptz,                           -- when the receipt came
    outcome    text        NOT NULL DEFAULT '',
    law        text        NOT NULL DEFAULT '',       -- by which that node does so
    receipt    text        NOT NULL DEFAULT '',       -- signed by that node
    PRIMARY KEY (patient, id)
);
CREATE INDEX peer_notice_waiting ON peer_notice (next_at) WHERE settled_at IS NULL;
CREATE INDEX peer_notice_reference ON peer_notice (reference, node);

-- What other nodes have told this one of their patients, and what it did.
CREATE TABLE peer_notice_received (
    patient     text        NOT NULL,                 -- "node:id"
    node        text        NOT NULL,
    id          text        NOT NULL,
    kind        text        NOT NULL,
    names       text[]      NOT NULL,
    since       timestamptz,
    at          timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    outcome     text        NOT NULL,
    copies      integer     NOT NULL,                 -- of this node's own that it changed
    law         text        NOT NULL,
    digest      text        NOT NULL,                 -- SHA-256 of what was told: the same id tells the same
    PRIMARY KEY (patient, node, id)
);

ALTER TABLE peer_act ALTER COLUMN names SET STATISTICS 0;      -- as in 0122
ALTER TABLE peer_notice ALTER COLUMN names SET STATISTICS 0, ALTER COLUMN whom SET STATISTICS 0,
    ALTER COLUMN dispensed SET STATISTICS 0, ALTER COLUMN receipt SET STATISTICS 0;
ALTER TABLE peer_notice_received ALTER COLUMN names SET STATISTICS 0;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['peer_act', 'peer_notice', 'peer_notice_received'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY wide ON %I TO salus_wide USING (true)', name);
    END LOOP;
END
$$;
GRANT SELECT ON peer_notice TO salus_bound;
GRANT SELECT, INSERT ON peer_notice_received TO salus_bound;
CREATE POLICY bound ON peer_notice FOR SELECT TO salus_bound
    USING (patient = ANY ((SELECT salus_patients())::text[]));
CREATE POLICY bound ON peer_notice_received TO salus_bound
    USING (patient = ANY ((SELECT salus_patients())::text[]))
    WITH CHECK (patient = ANY ((SELECT salus_patients())::text[]));
REVOKE TRUNCATE ON peer_act, peer_notice, peer_notice_received FROM salus_wide;
REVOKE UPDATE, DELETE ON peer_notice_received FROM salus_wide;
REVOKE DELETE ON peer_notice FROM salus_wide;

-- Whichever door restricts, the act is written with it. What a Consent hides from some (a veil) is not told: 0038.
CREATE FUNCTION note_restricted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    INSERT INTO peer_act (kind, patient, records, names, at)
    SELECT TG_ARGV[0], part.patient, ARRAY[part.patient], array_agg(part.name ORDER BY part.name),
        CASE TG_ARGV[0] WHEN 'restricted' THEN max(part.since) ELSE now() END
    FROM (
        SELECT n.patient, n.type || '/' || n.id AS name, n.since,
            (row_number() OVER (PARTITION BY n.patient ORDER BY n.type, n.id) - 1) / 500 AS piece
        FROM changed n WHERE n.veil = '' AND position(':' IN n.patient) = 0
    ) AS part
    GROUP BY part.patient, part.piece;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION note_restricted() FROM PUBLIC;
CREATE TRIGGER told_to_peers AFTER INSERT ON restriction REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION note_restricted('restricted');
CREATE TRIGGER told_to_peers_again AFTER DELETE ON restriction REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION note_restricted('released');

-- Beside `erase_person` and `erase_entry`, in the same transaction: nothing else is told any more of what is erased. What
-- tells of the erasure itself stays until every node has it. `names` is {} for whole records.
CREATE FUNCTION erase_peer_notices(whose text[], wanted text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    DELETE FROM peer_act a WHERE a.kind <> 'erased' AND a.patient = ANY (whose)
        AND (wanted = '{}' OR a.kind = 'released' AND a.names && wanted);
    DELETE FROM peer_notice n WHERE wanted = '{}' AND n.kind <> 'erased' AND n.patient = ANY (whose);
    DELETE FROM peer_notice_received r WHERE wanted = '{}' AND r.kind <> 'erased' AND r.patient = ANY (whose);
$$;
REVOKE ALL ON FUNCTION erase_peer_notices FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_peer_notices TO salus_wide;

-- What this node keeps itself of a patient of another node, where that one has erased it and the law here lets it go:
-- `records` are its own MedicationDispenses ("Type/id"), {} for all, `lines` their dispense ids. Answers with how many went.
CREATE FUNCTION erase_of_abroad(whose text, sealed_with text, records text[], lines text[], at timestamptz)
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM require_own(ARRAY[whose]);
    IF position(':' IN whose) = 0 THEN
        RAISE insufficient_privilege USING MESSAGE = 'only of patients of another node';
    END IF;
    IF records = '{}' THEN
        gone := cardinality(erase_person(ARRAY[whose], '{}', at));
        DELETE FROM dispensed_abroad WHERE patient = whose;
        PERFORM erase_peer_notices(ARRAY[whose], '{}');
        INSERT INTO key_to_destroy (whose) VALUES (sealed_with) ON CONFLICT DO NOTHING;
        RETURN gone;
    END IF;
    DELETE FROM dispensed_abroad WHERE patient = whose AND system || '|' || value = ANY (lines);
    RETURN erase_resources(ARRAY(
        SELECT r.type || '/' || r.id FROM resource r WHERE r.compartment = whose AND r.type || '/' || r.id = ANY (records)));
END
$$;
REVOKE ALL ON FUNCTION erase_of_abroad FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_of_abroad TO salus_bound;
