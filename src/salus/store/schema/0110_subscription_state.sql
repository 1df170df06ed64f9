-- What the delivery knows of a Subscription, read in the transaction that writes it, under its writer's role: a
-- second connection would wait for others that wait for one too.
CREATE FUNCTION subscription_state(id text) RETURNS SETOF subscription
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$ SELECT * FROM subscription s WHERE s.id = $1 $$;
REVOKE ALL ON FUNCTION subscription_state FROM PUBLIC;
GRANT EXECUTE ON FUNCTION subscription_state TO salus_wide, salus_bound;
