-- By which version of the table of sensitive codes the veils of this database were worked out (docs/decisions/0039). One row;
-- no person is named here. Veils of before hang by none.
CREATE TABLE labelling (
    single  boolean     PRIMARY KEY DEFAULT true CHECK (single),
    version text        NOT NULL DEFAULT '',
    taken   timestamptz NOT NULL DEFAULT '-infinity'  -- when a process last went on with working them out anew
);
INSERT INTO labelling DEFAULT VALUES;
ALTER TABLE labelling ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON labelling TO salus_wide USING (true);
REVOKE ALL ON labelling FROM PUBLIC, salus_wide, salus_bound;
GRANT SELECT, UPDATE ON labelling TO salus_wide;
