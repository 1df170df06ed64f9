-- What a person is shown of their sessions (ASVS 7.5.2): by which log-in, since when, when last seen.
ALTER TABLE login_session
    ADD COLUMN name     text        NOT NULL DEFAULT '',      -- of the provider or issuer, for people
    ADD COLUMN began_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN seen_at  timestamptz NOT NULL DEFAULT now();   -- to a minute
