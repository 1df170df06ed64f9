-- What the node knows of those who ask it: local clients, and assertions used already.

CREATE TABLE client (
    id          text        PRIMARY KEY,                -- OAuth client id of a registered local system
    name        text        NOT NULL,
    keys        jsonb       NOT NULL,                   -- its public keys (array of JWK)
    scopes      text        NOT NULL,                   -- the scopes it may be given, separated by blanks
    registered  timestamptz NOT NULL,
    active      boolean     NOT NULL DEFAULT true
);

CREATE TABLE assertion_seen (                           -- a client assertion is good once (RFC 7523, jti)
    client      text        NOT NULL,
    jti         text        NOT NULL,
    forget_at   timestamptz NOT NULL,                   -- its exp and the tolerated skew: then it fails by its date
    PRIMARY KEY (client, jti)
);
CREATE INDEX assertion_seen_forget ON assertion_seen (forget_at);
