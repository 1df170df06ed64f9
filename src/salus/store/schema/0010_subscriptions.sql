-- Subscriptions: the plain form of R4 beside the topic backport, a first greeting, heartbeats.
-- The state of delivery is written in the transaction that stores the Subscription, under its writer's role.

ALTER TABLE subscription DROP CONSTRAINT subscription_content_check;
ALTER TABLE subscription ADD CONSTRAINT subscription_content_check
    CHECK (content IN ('empty', 'id-only', 'full-resource', 'ping', 'resource'));
ALTER TABLE subscription ADD COLUMN payload text NOT NULL DEFAULT '';           -- media type of a plain resource
ALTER TABLE subscription ADD COLUMN heartbeat integer NOT NULL DEFAULT 0;       -- seconds between signs of life, 0: none
ALTER TABLE subscription ADD COLUMN greeted boolean NOT NULL DEFAULT true;      -- the endpoint has answered the handshake
ALTER TABLE subscription ADD COLUMN told_at timestamptz;                        -- when the endpoint last took something

CREATE FUNCTION start_subscription(
    id text, caller bytea, criteria text, endpoint text, content text, payload text, header bytea,
    expires_at timestamptz, heartbeat integer, greeted boolean, at timestamptz
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
    INSERT INTO subscription AS s (id, caller, criteria, endpoint, content, payload, header, expires_at, heartbeat,
                                   greeted, since, leaf_after, attempt_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, coalesce((SELECT max(index) FROM leaf_index), -1), $11
    ON CONFLICT ON CONSTRAINT subscription_pkey DO UPDATE
    SET caller = $2, criteria = $3, endpoint = $4, content = $5, payload = $6, header = $7, expires_at = $8,
        heartbeat = $9, greeted = $10, failures = 0, attempt_at = $11
$$;
CREATE FUNCTION stop_subscription(id text) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$ DELETE FROM subscription s WHERE s.id = $1 $$;
REVOKE ALL ON FUNCTION start_subscription, stop_subscription FROM PUBLIC;
GRANT EXECUTE ON FUNCTION start_subscription, stop_subscription TO salus_wide, salus_bound;
