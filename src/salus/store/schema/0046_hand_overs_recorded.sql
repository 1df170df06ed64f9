-- What the content of a prescription and of its dispensations does not say (docs/decisions/0002).

-- Who recorded a hand-over by the rules: only they take it back. A dispense id is one hand-over in the whole node.
CREATE TABLE hand_over (
    compartment text NOT NULL,               -- of the MedicationDispense
    id          text NOT NULL,
    identifier  text NOT NULL,               -- the dispense id, "system|value"
    node        text NOT NULL,               -- of the pharmacy, '' for this one
    pharmacy    text NOT NULL,               -- its organisation
    PRIMARY KEY (compartment, id)
);
CREATE INDEX hand_over_identifier ON hand_over (identifier);

-- Prescriptions that a hand-over completed: while this version is the current one, a hand-over that is taken back
-- makes the prescription active again. What its prescriber ended has no row, or one of an earlier version.
CREATE TABLE used_up (
    compartment text    NOT NULL,            -- of the MedicationRequest
    id          text    NOT NULL,
    version     integer NOT NULL,
    PRIMARY KEY (compartment, id)
);

GRANT SELECT, INSERT, UPDATE ON hand_over, used_up TO salus_bound;
ALTER TABLE hand_over ENABLE ROW LEVEL SECURITY;
ALTER TABLE used_up ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON hand_over TO salus_wide USING (true);
CREATE POLICY wide ON used_up TO salus_wide USING (true);
CREATE POLICY bound ON hand_over TO salus_bound
    USING (compartment = ANY ((SELECT salus_patients())::text[]))
    WITH CHECK (compartment = ANY ((SELECT salus_patients())::text[]));
CREATE POLICY bound ON used_up TO salus_bound
    USING (compartment = ANY ((SELECT salus_patients())::text[]))
    WITH CHECK (compartment = ANY ((SELECT salus_patients())::text[]));

-- What a dispense id stands for, also where the citizen restricts it, or in a record that the caller reads no
-- longer (an unmerge): for telling a repeated message from a new one, and never shown.
CREATE FUNCTION hand_over_of(wanted text)
    RETURNS TABLE (compartment text, id text, node text, pharmacy text, content bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
    SELECT h.compartment, h.id, h.node, h.pharmacy, r.content
    FROM hand_over h JOIN resource r USING (compartment, id)
    WHERE h.identifier = $1 AND r.type = 'MedicationDispense' AND NOT r.deleted
$$;
REVOKE ALL ON FUNCTION hand_over_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hand_over_of TO salus_wide, salus_bound;
