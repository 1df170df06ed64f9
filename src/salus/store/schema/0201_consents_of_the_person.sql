-- No Consent counts that a document brought over HTTP before documents brought none: a sender's own source is the
-- node's word for who sent it (web/fhir/sending.py), and no Consent of a citizen or of the operator bears one.
CREATE OR REPLACE FUNCTION consents_of_person(whose text, count_max integer)
    RETURNS TABLE (id text, content bytea)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    PERFORM require_own(ARRAY[whose]);
    RETURN QUERY
        SELECT r.id, r.content FROM resource r
        WHERE r.compartment = ANY (records_of_person(whose)) AND r.type = 'Consent' AND NOT r.deleted
            AND NOT starts_with(r.source, 'urn:salus:client:') AND NOT starts_with(r.source, 'urn:salus:node:')
        ORDER BY r.id LIMIT count_max;
END
$$;
