-- Who treats whom, beside what entries of the record say (store/treatment.py): shown or stated at this node
-- (presence, node ''), and who is on call for what. A reason that was stated is kept with the record.
ALTER TABLE presence ADD COLUMN reason text NOT NULL DEFAULT '';
ALTER TABLE presence ALTER COLUMN reason SET STATISTICS 0;  -- no samples of people (schema 0122)
ALTER TABLE presence DROP CONSTRAINT presence_pkey;
ALTER TABLE presence ADD PRIMARY KEY (patient, node, subject, since);
CREATE INDEX presence_here ON presence (subject, since) WHERE node = '';

-- The on-call rota as the operator loads it: no patient is in it.
CREATE TABLE on_call (
    subject     text        NOT NULL,                 -- of the professional, as in their leaves
    unit        text        NOT NULL,                 -- "Organization/ward-3", as encounters name it
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL CHECK (ends_at > starts_at),
    PRIMARY KEY (subject, unit, starts_at)
);
ALTER TABLE on_call ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON on_call TO salus_wide USING (true);
