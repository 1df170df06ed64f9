-- Apps that people open their data to (SMART App Launch 2.2): what an operator registers, what a person allows.

ALTER TABLE client ADD COLUMN redirects text[] NOT NULL DEFAULT '{}';    -- an app's redirect URIs, each exact; none for a system
ALTER TABLE client ADD COLUMN launch text NOT NULL DEFAULT '';           -- where the portal opens it, '' when it does not

CREATE TABLE app_consent (                              -- what a person allowed an app; kept when it has ended
    id          text        PRIMARY KEY,
    client      text        NOT NULL,
    subject     text        NOT NULL,                   -- of the person, as core.access.Caller has it
    role        text        NOT NULL,                   -- in which they allowed it
    patient     text        NOT NULL,                   -- whose record, '' for none in particular
    scopes      text        NOT NULL,                   -- separated by blanks
    allowed_at  timestamptz NOT NULL,
    used_at     timestamptz NOT NULL,                   -- when a token was last given for it
    ended_at    timestamptz
);
CREATE UNIQUE INDEX app_consent_current ON app_consent (client, subject, role, patient) WHERE ended_at IS NULL;
CREATE INDEX app_consent_person ON app_consent (subject, role);

CREATE TABLE app_session (                              -- one authorisation of an app, and all tokens that come of it
    id          text        PRIMARY KEY,
    consent     text        NOT NULL REFERENCES app_consent (id),
    client      text        NOT NULL,
    caller      jsonb       NOT NULL,                   -- for whom: core.access.Caller, its scopes those that were given
    nonce       text        NOT NULL,                   -- of the id token, '' for none
    context     text        NOT NULL,                   -- logical id of the patient in context, '' for none
    login       text        NOT NULL,                   -- id of the log-in that an online refresh token ends with, '' else
    began_at    timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,                   -- when no token of it is good any more
    ended_at    timestamptz
);
CREATE INDEX app_session_consent ON app_session (consent) WHERE ended_at IS NULL;
CREATE INDEX app_session_expiry ON app_session (expires_at);

CREATE TABLE app_secret (                               -- codes and refresh tokens, by SHA-256; each is good once
    digest      bytea       PRIMARY KEY,
    session     text        NOT NULL REFERENCES app_session (id) ON DELETE CASCADE,
    kind        text        NOT NULL,                   -- code, refresh
    redirect    text        NOT NULL,                   -- of a code: where it was sent
    challenge   text        NOT NULL,                   -- of a code: PKCE S256
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz
);
CREATE INDEX app_secret_session ON app_secret (session);

CREATE TABLE app_launch (                               -- the portal opens an app for a person, with a patient in context
    digest      bytea       PRIMARY KEY,                -- SHA-256 of the launch parameter
    client      text        NOT NULL,
    subject     text        NOT NULL,
    role        text        NOT NULL,
    patient     text        NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX app_launch_expiry ON app_launch (expires_at);
