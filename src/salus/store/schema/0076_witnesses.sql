-- Other nodes' logs as this node vouches for them, their vouching for this one's, and evidence against them (0017).

CREATE TABLE peer_log (
    node        text        PRIMARY KEY,                -- the member's id
    log_key     text        NOT NULL UNIQUE,            -- of its checkpoints, pinned when first seen (C2SP verifier key)
    witness_key text        NOT NULL,                   -- of its cosignatures, the same
    pinned_at   timestamptz NOT NULL,
    size        bigint      NOT NULL DEFAULT 0,         -- of the newest checkpoint that this node cosigned
    root        bytea       NOT NULL DEFAULT '',
    note        text        NOT NULL DEFAULT '',
    seen_at     timestamptz
);

CREATE TABLE cosignature (                              -- of this node's checkpoints, by its witnesses
    size        bigint      NOT NULL,
    node        text        NOT NULL,
    line        text        NOT NULL,                   -- the signature line of a note
    signed_at   timestamptz NOT NULL,                   -- as the witness says
    PRIMARY KEY (size, node)
);
CREATE INDEX cosignature_node ON cosignature (node, size DESC);

CREATE TABLE log_evidence (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node        text        NOT NULL,                   -- whose log
    found_at    timestamptz NOT NULL,
    what        text        NOT NULL,                   -- in a sentence
    known       text        NOT NULL,                   -- a note that it signed
    shown       text        NOT NULL                    -- and one that does not follow from it, with what was sent
);
CREATE UNIQUE INDEX log_evidence_once ON log_evidence (node, md5(known), md5(shown));

REVOKE UPDATE, DELETE, TRUNCATE ON log_evidence FROM salus_wide;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_evidence
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
