-- Counts of checks and exchanges by day (docs/decisions/0047). No person, document or moment is in them.
CREATE TABLE tally (
    day         date             NOT NULL,
    kind        text             NOT NULL,
    way         text             NOT NULL,
    system      text             NOT NULL,
    vendor      text             NOT NULL,
    country     text             NOT NULL,
    category    text             NOT NULL,
    profile     text             NOT NULL,
    outcome     text             NOT NULL,
    code        text             NOT NULL,
    is_first    boolean          NOT NULL,
    count       bigint           NOT NULL,
    ms_sum      double precision NOT NULL,
    ms_classes  bigint[]         NOT NULL,
    PRIMARY KEY (day, kind, way, system, vendor, country, category, profile, outcome, code, is_first)
);
ALTER TABLE tally ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON tally TO salus_wide USING (true);

-- Whether a document was checked before: a keyed hash of its system and its own identifier.
CREATE TABLE first_seen (
    digest      bytea            PRIMARY KEY,
    day         date             NOT NULL
);
ALTER TABLE first_seen ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON first_seen TO salus_wide USING (true);
