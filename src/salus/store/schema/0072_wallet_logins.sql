-- Log-ins by a wallet on their way: the wallet answers from elsewhere than the browser that waits.
-- Only salus_wide reaches them (default privileges of 0001).

CREATE TABLE wallet_login (
    id          text        PRIMARY KEY,              -- random, in the address that the wallet fetches
    browser     bytea       NOT NULL,                 -- SHA-256 of the secret in the cookie of the browser that waits
    asked       bytea       NOT NULL,                 -- what was asked, with the key for the answer, as JSON
    expires_at  timestamptz NOT NULL,
    person      bytea,                                -- who answered, as JSON; null while nobody has
    code        bytea,                                -- SHA-256 of what only the wallet's owner was sent on with
    tries       integer     NOT NULL DEFAULT 0        -- codes that were wrong
);
CREATE INDEX wallet_login_expiry ON wallet_login (expires_at);
