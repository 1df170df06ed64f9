-- A Subscription stays its maker's: what they see, it tells, whoever starts it again. So what the delivery knows of
-- one that was stopped or deleted is kept, without its turn.
ALTER TABLE subscription ADD COLUMN stopped boolean NOT NULL DEFAULT false;

CREATE OR REPLACE FUNCTION start_subscription(
    id text, caller bytea, criteria text, endpoint text, content text, payload text, header bytea,
    expires_at timestamptz, heartbeat integer, greeted boolean, at timestamptz
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
    INSERT INTO subscription AS s (id, caller, criteria, endpoint, content, payload, header, expires_at, heartbeat,
                                   greeted, since, leaf_after, attempt_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, coalesce((SELECT max(index) FROM leaf_index), -1), $11
    ON CONFLICT ON CONSTRAINT subscription_pkey DO UPDATE
    SET caller = $2, criteria = $3, endpoint = $4, content = $5, payload = $6, header = $7, expires_at = $8,
        heartbeat = $9, greeted = $10, failures = 0, attempt_at = $11, stopped = false,
        since = CASE WHEN s.stopped THEN $11 ELSE s.since END,
        leaf_after = CASE WHEN s.stopped THEN excluded.leaf_after ELSE s.leaf_after END
$$;
CREATE OR REPLACE FUNCTION stop_subscription(id text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$ UPDATE subscription s SET stopped = true, attempt_at = 'infinity' WHERE s.id = $1 $$;
