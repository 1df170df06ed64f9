-- What lies in no record and is about the patients of a grant alone (an attachment kept as a Binary, a Provenance) is
-- read under that grant. It changes nothing of it, and of what is about others too it sees nothing.
CREATE POLICY bound_outside ON resource FOR SELECT TO salus_bound USING (
    salus_is_outside(compartment, type) AND others <> '{}' AND others <@ (SELECT salus_patients())
    AND (NOT hidden OR (SELECT salus_sees_hidden()))
);
CREATE POLICY bound_outside ON resource_version FOR SELECT TO salus_bound USING (
    salus_is_outside(compartment, type) AND others <> '{}' AND others <@ (SELECT salus_patients())
    AND (NOT hidden OR (SELECT salus_sees_hidden()))
);
