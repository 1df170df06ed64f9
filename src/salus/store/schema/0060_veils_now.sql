-- Over whose records veils hang now: asked in the statement that waits for a change of them, whose own snapshot is older.
CREATE FUNCTION veiled_now(compartments text[]) RETURNS text[] LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    RETURN (SELECT veiled_among(compartments));
END
$$;
