-- An opt-out of exchange (EHDS 10) hides the whole record from the audience `exchange`, by a veil like those of Consents
-- (0056, 0057): what is written later is judged too, also where nothing was there when the person opted out.
CREATE FUNCTION opted_out_of_exchange(records text[]) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
    SELECT newest.patient FROM (
        SELECT DISTINCT ON (o.patient) o.patient, o.opted_out FROM opt_out o
        WHERE o.patient = ANY (records) AND o.kind = 'exchange' ORDER BY o.patient, o.number DESC
    ) AS newest WHERE newest.opted_out
$$;
REVOKE ALL ON FUNCTION opted_out_of_exchange FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opted_out_of_exchange TO salus_wide, salus_bound;

CREATE OR REPLACE FUNCTION veiled_among(compartments text[]) RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
    SELECT array_agg(DISTINCT found.patient) FROM (
        SELECT v.patient FROM veil v WHERE v.patient = ANY (compartments)
        UNION ALL
        SELECT opted_out_of_exchange(compartments)
    ) AS found (patient)
$$;

-- Whether a person has Consents: a decision hears them (trust.consent.at_the_gate), and must know of new ones at once.
CREATE FUNCTION tell_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('salus_standing', NEW.compartment);
    RETURN NULL;
END
$$;
CREATE TRIGGER told_consent AFTER INSERT OR UPDATE ON resource FOR EACH ROW
    WHEN (NEW.type = 'Consent') EXECUTE FUNCTION tell_consent();
