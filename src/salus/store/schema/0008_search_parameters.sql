-- Search parameters that come and go while the node runs.
-- Whoever writes resources holds a shared advisory lock and reads `number` under it; before the stored
-- resources are indexed anew, that lock is taken alone once: from then on every writer knows the parameter.

ALTER TABLE search_parameter ADD COLUMN resource_id text NOT NULL DEFAULT '';     -- of its SearchParameter resource
ALTER TABLE search_parameter ADD COLUMN settled boolean NOT NULL DEFAULT false;   -- every writer indexes by it
ALTER TABLE search_parameter ADD COLUMN resources bigint NOT NULL DEFAULT 0;      -- indexed anew so far

CREATE TABLE search_parameter_generation (
    number      bigint      NOT NULL                  -- grows with every change of search_parameter
);
INSERT INTO search_parameter_generation VALUES (0);

-- No personal data: a patient-bound writer reads them whole, and no more than that.
ALTER TABLE search_parameter ENABLE ROW LEVEL SECURITY;
ALTER TABLE search_parameter_generation ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON search_parameter TO salus_wide USING (true);
CREATE POLICY wide ON search_parameter_generation TO salus_wide USING (true);
GRANT SELECT ON search_parameter, search_parameter_generation TO salus_bound;
CREATE POLICY bound ON search_parameter FOR SELECT TO salus_bound USING (true);
CREATE POLICY bound ON search_parameter_generation FOR SELECT TO salus_bound USING (true);
