-- Who may act for whom (Regulation (EU) 2025/327, article 4(2)): asked for by a citizen, in force once staff have seen
-- the proof; ended, disputed and settled, never removed.
CREATE TABLE proxy (
    patient      text        NOT NULL,                -- who is represented
    id           text        NOT NULL,
    holder       text        NOT NULL,                -- Patient of the citizen who acts for them
    name         text        NOT NULL,                -- of the holder
    kind         text        NOT NULL CHECK (kind IN ('parent', 'guardian', 'carer', 'executor')),
    types        text[],                              -- resource types that the power covers, null for all
    proof        text        NOT NULL DEFAULT '',     -- what staff saw
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz,                         -- chosen, or when a child is of age
    asked_at     timestamptz NOT NULL,
    confirmed_at timestamptz,
    confirmed_by text        NOT NULL DEFAULT '',
    ended_at     timestamptz,                         -- ended by hand: withdrawn, refused
    disputed_at  timestamptz,                         -- suspends, until settled
    PRIMARY KEY (patient, id)
);
CREATE INDEX proxy_holder ON proxy (holder);
CREATE INDEX proxy_id ON proxy (id);
ALTER TABLE proxy ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ON proxy TO salus_bound;
REVOKE DELETE, TRUNCATE ON proxy FROM salus_wide;
CREATE POLICY wide ON proxy TO salus_wide USING (true);
CREATE POLICY bound ON proxy TO salus_bound
    USING (patient = ANY ((SELECT salus_patients())::text[]) OR holder = ANY ((SELECT salus_patients())::text[]))
    WITH CHECK (patient = ANY ((SELECT salus_patients())::text[]) OR holder = ANY ((SELECT salus_patients())::text[]));
CREATE TRIGGER told AFTER INSERT OR UPDATE ON proxy FOR EACH ROW EXECUTE FUNCTION tell_standing();
