-- SMART Health Links that a citizen made (EHDS article 7, GDPR article 20). The content is encrypted with a key that only the
-- link itself holds, the address is kept as its hash: who reads this table can open no link.
CREATE TABLE health_link (
    patient     text        NOT NULL,
    id          text        NOT NULL,
    address     bytea       NOT NULL UNIQUE,          -- SHA-256 of the secret in the link's url
    kind        text        NOT NULL CHECK (kind IN ('summary', 'record')),
    label       text        NOT NULL,
    made_at     timestamptz NOT NULL,
    made_by     text        NOT NULL,                 -- name of who made it
    expires_at  timestamptz NOT NULL,
    passcode    bytea,                                -- its scrypt digest, null without one
    salt        bytea       NOT NULL,
    wrong       integer     NOT NULL DEFAULT 0,       -- wrong passcodes in the link's whole life
    wrong_max   integer     NOT NULL,
    uses        integer     NOT NULL DEFAULT 0,
    uses_max    integer     NOT NULL,                 -- 1: one-time
    ended_at    timestamptz,                          -- the citizen took it back
    content     bytea,                                -- JWE; removed when the link has ended
    PRIMARY KEY (patient, id)
);
CREATE INDEX health_link_expiry ON health_link (expires_at) WHERE content IS NOT NULL;

-- Who opened a link, as they said.
CREATE TABLE health_link_opening (
    patient     text        NOT NULL,
    link        text        NOT NULL,
    number      integer     NOT NULL,                 -- from 1
    at          timestamptz NOT NULL,
    recipient   text        NOT NULL,
    PRIMARY KEY (patient, link, number)
);

-- An address at which one manifest's file can be had, once and for minutes.
CREATE TABLE health_link_ticket (
    digest      bytea       PRIMARY KEY,
    patient     text        NOT NULL,
    link        text        NOT NULL,
    recipient   text        NOT NULL,
    expires_at  timestamptz NOT NULL
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['health_link', 'health_link_opening', 'health_link_ticket'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO salus_bound', name);
        EXECUTE format('CREATE POLICY wide ON %I TO salus_wide USING (true)', name);
        EXECUTE format('CREATE POLICY bound ON %I TO salus_bound
            USING (patient = ANY ((SELECT salus_patients())::text[]))
            WITH CHECK (patient = ANY ((SELECT salus_patients())::text[]))', name);
    END LOOP;
END
$$;
