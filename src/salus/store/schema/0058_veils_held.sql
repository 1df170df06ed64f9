-- Keeps out who writes to these persons' records, until the transaction ends; for who is about to hang veils.
CREATE FUNCTION hold_persons(whose text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
BEGIN
    PERFORM require_own(whose);
    PERFORM hold_restrictions(records_with(whose));
END
$$;
