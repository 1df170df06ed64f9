-- A Group lies in the record of one of its members (CompartmentDefinition/patient), and is about the others as much. Before
-- that member is erased (0120) it is laid into the record of the next; what it says within is for its author to change.
CREATE FUNCTION leave_groups(whose text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT r.compartment, r.id, ARRAY(SELECT o FROM unnest(r.others) AS o WHERE o <> ALL (whose)) AS rest
        FROM resource r WHERE r.type = 'Group' AND r.compartment = ANY (whose) AND NOT r.others <@ whose
    LOOP
        UPDATE resource SET compartment = found.rest[1], others = found.rest[2:], hidden = false
        WHERE (compartment, type, id) = (found.compartment, 'Group', found.id);
        UPDATE resource_version SET compartment = found.rest[1], others = found.rest[2:], hidden = false
        WHERE type = 'Group' AND id = found.id AND compartment = ANY (whose);
        UPDATE resource_range SET compartment = found.rest[1] WHERE type = 'Group' AND id = found.id;
        UPDATE resource_string SET compartment = found.rest[1] WHERE type = 'Group' AND id = found.id;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION leave_groups FROM PUBLIC;
GRANT EXECUTE ON FUNCTION leave_groups TO salus_wide;
