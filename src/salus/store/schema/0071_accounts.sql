-- Accounts at log-in providers, bound to the records that they open; codes for binding; sessions of log-ins.
-- Only salus_wide reaches them (default privileges of 0001).

CREATE TABLE account (
    patient     text        NOT NULL,                 -- logical id of the Patient whose record it opens
    id          text        NOT NULL,
    issuer      text        NOT NULL,                 -- the provider, or the issuer of wallet credentials
    subject     text        NOT NULL,                 -- who it is there
    source      text        NOT NULL,                 -- the issuer's name, for people
    how         text        NOT NULL CHECK (how IN ('identifier', 'code')),
    bound_at    timestamptz NOT NULL,
    ended_at    timestamptz,                          -- the citizen took it back
    PRIMARY KEY (patient, id)
);
CREATE UNIQUE INDEX account_bound ON account (issuer, subject) WHERE ended_at IS NULL;
CREATE INDEX account_known ON account (issuer, subject);

-- A desk where staff have seen who somebody is gives a code; it binds one account, once.
CREATE TABLE binding_code (
    digest      bytea       PRIMARY KEY,              -- trust.login.binding.digest_of
    patient     text        NOT NULL,
    made_at     timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz
);

-- Which log-in is behind a session of the portal: to end it at the provider, or by its word.
CREATE TABLE login_session (
    token_id    text        PRIMARY KEY,              -- of the session's token
    source      text        NOT NULL,                 -- id of the provider in the settings
    issuer      text        NOT NULL,
    subject     text        NOT NULL,
    session     text        NOT NULL,                 -- the provider's id of the session, '' without one
    id_token    text        NOT NULL,                 -- to end the session at the provider; '' without one
    expires_at  timestamptz NOT NULL
);
CREATE INDEX login_session_account ON login_session (issuer, subject);
CREATE INDEX login_session_expiry ON login_session (expires_at);
