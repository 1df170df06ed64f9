-- The line of a dispensation abroad is of one patient: a request that names the patient reaches theirs alone.
ALTER TABLE dispensed_abroad ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON dispensed_abroad TO salus_wide USING (true);
GRANT SELECT, INSERT, UPDATE ON dispensed_abroad TO salus_bound;
CREATE POLICY bound ON dispensed_abroad TO salus_bound
    USING (patient = ANY ((SELECT salus_patients())::text[]))
    WITH CHECK (patient = ANY ((SELECT salus_patients())::text[]));
